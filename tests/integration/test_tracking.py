"""The client-side cache of redis-py, over real sockets."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import redis
from redis.cache import CacheConfig

from tests.integration.process import PATIENCE, Server


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether ``condition`` comes true in time."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def commands_run(server: redis.Redis, name: str) -> int:
    """How often the server has executed a command."""
    return int(server.info("commandstats").get(f"cmdstat_{name}", {"calls": 0})["calls"])


@pytest.fixture
def other(shared_server: Server) -> redis.Redis:
    """Somebody else."""
    client = redis.Redis(port=shared_server.port)
    client.flushall()
    client.config_resetstat()
    return client


def test_reads_come_from_the_cache_until_the_key_changes(shared_server: Server, other: redis.Redis) -> None:
    with redis.Redis(port=shared_server.port, protocol=3, cache_config=CacheConfig()) as client:
        other.set("a", 1)
        assert [client.get("a") for _ in range(10)] == [b"1"] * 10
        assert commands_run(other, "get") == 1
        other.set("a", 2)
        assert eventually(lambda: client.get("a") == b"2")
        assert [client.get("a") for _ in range(10)] == [b"2"] * 10
        assert commands_run(other, "get") == 2


def test_own_writes_expiry_and_flush(shared_server: Server, other: redis.Redis) -> None:
    with redis.Redis(port=shared_server.port, protocol=3, cache_config=CacheConfig()) as client:
        client.set("a", 1)
        assert client.get("a") == b"1"
        client.set("a", 2)
        assert client.get("a") == b"2"
        client.set("short", 1, px=50)
        client.get("short")
        assert eventually(lambda: client.get("short") is None)
        assert client.get("a") == b"2"
        other.flushall()
        assert eventually(lambda: client.get("a") is None)


def test_several_types(shared_server: Server, other: redis.Redis) -> None:
    with redis.Redis(port=shared_server.port, protocol=3, cache_config=CacheConfig(), decode_responses=True) as client:
        other.rpush("list", "a", "b")
        other.hset("hash", mapping={"f": "v"})
        other.zadd("zset", {"m": 1})
        other.mset({"x": 1, "y": 2})
        for _ in range(3):
            assert client.lrange("list", 0, -1) == ["a", "b"]
            assert client.hget("hash", "f") == "v"
            assert client.zscore("zset", "m") == 1
            assert client.mget("x", "y") == ["1", "2"]
        assert commands_run(other, "lrange") == commands_run(other, "mget") == 1
        other.rpush("list", "c")
        other.set("y", 3)
        assert eventually(lambda: client.lrange("list", 0, -1) == ["a", "b", "c"])
        assert eventually(lambda: client.mget("x", "y") == ["1", "3"])
