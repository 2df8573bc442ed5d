"""Clusters without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from twisted_redis.fake import FakeAsyncRedisCluster, FakeCluster, FakeRedis, FakeRedisCluster


@pytest.mark.parametrize("options", [{"protocol": 2}, {"protocol": 3}], ids=str)
def test_keys_are_spread(options: dict[str, Any]) -> None:
    with FakeRedisCluster(decode_responses=True, **options) as client:
        for number in range(100):
            client.set(f"key:{number}", number)
        assert client.get("key:7") == "7"
        primaries = client.get_primaries()
        assert len(primaries) == 3
        assert all(client.dbsize(target_nodes=[node]) > 10 for node in primaries)
        assert client.dbsize(target_nodes=client.PRIMARIES) == 100
        assert client.mget_nonatomic("key:1", "key:2", "key:3") == ["1", "2", "3"]
        with client.pipeline() as pipe:
            assert pipe.incr("key:5").incr("key:6").execute() == [6, 7]
        with pytest.raises(redis.exceptions.RedisClusterException):
            client.mget("key:1", "key:2", "key:3")
        assert client.mset({"{user}:1": 1, "{user}:2": 2})
        assert client.keyslot("key:1") == client.cluster_keyslot("key:1")
        assert client.cluster_info()["cluster_state"] == "ok"
        assert client.eval("return redis.call('GET', KEYS[1])", 1, "key:9") == "9"


def test_a_node_redirects() -> None:
    cluster = FakeCluster(masters=2)
    one, two = (FakeRedis(server=node) for node in cluster.nodes)
    with pytest.raises(redis.exceptions.MovedError, match=f"3999 {cluster.host}:7000"):
        two.get(_key_of(two, 3999))
    with pytest.raises(redis.ResponseError, match="CROSSSLOT|don't hash"):
        one.mget("a", "b")
    assert one.cluster("info")["cluster_state"] == "ok"


def _key_of(client: Any, slot: int) -> str:
    """Returns a key of a slot."""
    return next(key for key in map(str, range(1_000_000)) if client.cluster("keyslot", key) == slot)


def test_clients_share_a_cluster() -> None:
    cluster = FakeCluster()
    FakeRedisCluster(cluster=cluster).set("a", 1)
    assert FakeRedisCluster(cluster=cluster).get("a") == b"1"
    FakeRedisCluster(host="cluster", port=7000).set("a", 2)
    assert FakeRedisCluster.from_url("redis://cluster:7000").get("a") == b"2"
    assert FakeRedisCluster(startup_nodes=[redis.cluster.ClusterNode("cluster", 7000)]).get("a") == b"2"
    assert FakeRedisCluster().get("a") is None


def test_time_outages_and_reset() -> None:
    cluster = FakeCluster()
    client = FakeRedisCluster(cluster=cluster, retry=Retry(NoBackoff(), 3))
    client.set("a", 1, ex=10)
    cluster.advance(11)
    assert client.get("a") is None
    client.set("a", 1)
    cluster.connected = False
    assert not cluster.connected
    with pytest.raises(redis.exceptions.RedisClusterException):
        client.get("a")
    cluster.connected = True
    assert client.get("a") == b"1"
    cluster.reset()
    assert client.get("a") is None


def test_one_node() -> None:
    client = FakeRedisCluster(masters=1)
    client.set("a", 1)
    assert client.get("a") == b"1"
    assert len(client.get_nodes()) == 1


def test_the_asynchronous_client() -> None:
    async def test() -> None:
        cluster = FakeCluster()
        async with FakeAsyncRedisCluster(cluster=cluster, decode_responses=True) as client:
            for number in range(30):
                await client.set(f"key:{number}", number)
            assert await client.get("key:7") == "7"
            assert await client.dbsize(target_nodes=client.PRIMARIES) == 30
            assert await client.pipeline().incr("key:1").incr("key:2").execute() == [2, 3]
        assert FakeRedisCluster(cluster=cluster).get("key:7") == b"7"
        async with FakeAsyncRedisCluster.from_url("redis://async-cluster:7000") as client:
            await client.set("a", 1)
        assert FakeRedisCluster(host="async-cluster").get("a") == b"1"

    run(test)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 120))
