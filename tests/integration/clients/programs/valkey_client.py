"""valkey-py: its clients for threads, for asyncio and for clusters."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import valkey
import valkey.asyncio
from checks import GIVEN, PATIENCE, PORT, PROTOCOL, check, moving_slot, raises, report, until, until_async, with_resp2
from valkey.cluster import ClusterNode, ValkeyCluster

#: The defaults give a busy machine five seconds.
PATIENT: dict[str, Any] = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "protocol": PROTOCOL}
OPTIONS: dict[str, Any] = {"port": PORT, "decode_responses": True, **PATIENT}


@contextmanager
def connected(**options: Any) -> Iterator[valkey.Valkey]:
    """A client of an empty server."""
    with valkey.Valkey(**OPTIONS, **options) as client:
        client.flushall()
        yield client


def blocked(client: valkey.Valkey) -> int:
    """Returns the number of clients that wait."""
    return int(client.info("clients")["blocked_clients"])


@check
def values() -> None:
    with connected() as client:
        assert client.set("text", "v", ex=100, nx=True) is True
        assert client.get("text") == "v"
        assert client.get("missing") is None
        assert client.hset("hash", mapping={"a": 1, "b": "two"}) == 2
        assert client.hgetall("hash") == {"a": "1", "b": "two"}
        assert client.zadd("board", {"ada": 1.5, "bob": 2}) == 2
        ranking = client.zrange("board", 0, -1, withscores=True)
        assert [tuple(pair) for pair in ranking] == [("ada", 1.5), ("bob", 2.0)]
        assert client.sadd("set", "x", "y") == 2
        assert sorted(client.smembers("set")) == ["x", "y"]
        assert client.geoadd("map", (13.361389, 38.115556, "Palermo")) == 1
        assert round(client.geopos("map", "Palermo")[0][0], 3) == 13.361
        assert sorted(client.scan_iter(count=2)) == ["board", "hash", "map", "set", "text"]
        assert client.config_get("port") == {"port": str(PORT)}
        assert client.client_setname("me") and client.client_getname() == "me"
        assert client.client_info()["lib-name"] == "valkey-py"
        with raises(valkey.ResponseError, "WRONGTYPE Operation against a key holding the wrong kind of value"):
            client.lpush("text", "x")
    with valkey.Valkey(port=PORT, **PATIENT) as raw:
        assert raw.set("binary", bytes(range(256)))
        assert raw.get("binary") == bytes(range(256))


@check
def pipelines() -> None:
    with connected() as client, client.pipeline(transaction=False) as pipe:
        for number in range(1000):
            pipe.set(f"k:{number}", number)
        pipe.lpush("k:1", "wrong").get("k:999")
        replies = pipe.execute(raise_on_error=False)
        assert replies[:1000] == [True] * 1000
        assert isinstance(replies[1000], valkey.ResponseError)
        assert replies[1001] == "999"


@check
def transactions() -> None:
    with connected() as client:
        with client.pipeline() as pipe:
            assert pipe.incr("n").hset("h", "a", 1).hgetall("h").execute() == [1, 1, {"a": "1"}]
            pipe.watch("n")
            client.incr("n")
            pipe.multi()
            pipe.incr("n")
            with raises(valkey.WatchError):
                pipe.execute()

        def add_ten(pipe: valkey.client.Pipeline) -> None:
            found = int(pipe.get("n"))
            pipe.multi()
            pipe.set("n", found + 10)

        assert client.transaction(add_ten, "n") == [True]
        assert client.get("n") == "12"


@check
def messages() -> None:
    with connected() as client, client.pubsub() as listener:
        listener.subscribe("news")
        listener.psubscribe("w*")
        listener.ssubscribe("shard")
        kinds = [listener.get_message(timeout=PATIENCE)["type"] for _ in range(2)]
        kinds.append(listener.get_sharded_message(timeout=PATIENCE)["type"])
        assert kinds == ["subscribe", "psubscribe", "ssubscribe"]
        assert (client.publish("news", "hello"), client.publish("weather", "rain")) == (1, 1)
        assert client.spublish("shard", "piece") == 1
        assert listener.get_message(timeout=PATIENCE)["data"] == "hello"
        heard = listener.get_message(timeout=PATIENCE)
        assert (heard["pattern"], heard["channel"], heard["data"]) == ("w*", "weather", "rain")
        assert listener.get_sharded_message(timeout=PATIENCE)["data"] == "piece"
        assert client.pubsub_numsub("news") == [("news", 1)]
        listener.unsubscribe()
        assert listener.get_message(timeout=PATIENCE)["type"] == "unsubscribe"


@check
def scripts() -> None:
    with connected() as client:
        script = client.register_script("return {KEYS[1], redis.call('INCRBY', KEYS[1], ARGV[1])}")
        assert script(keys=["n"], args=[5]) == ["n", 5]
        client.script_flush()
        assert script(keys=["n"], args=[1]) == ["n", 6]
        with client.pipeline() as pipe:
            client.script_flush()
            script(keys=["n"], args=[1], client=pipe)
            assert pipe.execute() == [["n", 7]]
        client.function_load("#!lua name=lib\nredis.register_function('double', function(_, a) return a[1] * 2 end)")
        assert client.fcall("double", 0, 21) == 42
        assert client.function_delete("lib")
        with client.lock("door", timeout=PATIENCE):
            assert not client.lock("door", blocking=False).acquire()


@check
def waiting() -> None:
    with connected() as client:
        found: list[Any] = []

        def wait() -> None:
            with valkey.Valkey(**OPTIONS) as own:
                found.append(own.blpop(["one", "two"], timeout=PATIENCE))
                found.append(own.blmove("from", "to", PATIENCE, "LEFT", "RIGHT"))
                found.append(own.bzpopmin("board", timeout=PATIENCE))
                found.append(own.blpop("nothing", timeout=0.01))

        thread = threading.Thread(target=wait)
        thread.start()
        for write in (
            lambda: client.rpush("two", "job"),
            lambda: client.rpush("from", "moved"),
            lambda: client.zadd("board", {"m": 1}),
        ):
            done = len(found) + 1
            until(lambda: blocked(client) == 1)
            write()
            until(lambda done=done: len(found) >= done)
        thread.join(PATIENCE)
        assert [list(each) if isinstance(each, tuple) else each for each in found] == [
            ["two", "job"],
            "moved",
            ["board", "m", 1.0],
            None,
        ]


@check
def streams() -> None:
    with connected() as client:
        first = client.xadd("log", {"n": 1})
        client.xgroup_create("log", "team", id="0")
        read = client.xreadgroup("team", "ann", {"log": ">"}, count=1)
        entries = read["log"][0] if isinstance(read, dict) else read[0][1]
        assert entries == [(first, {"n": "1"})]
        assert client.xpending("log", "team")["pending"] == 1
        assert client.xautoclaim("log", "team", "bob", 0)[1] == [(first, {"n": "1"})]
        assert client.xack("log", "team", first) == 1
        assert client.xinfo_stream("log")["length"] == 1


@check
def reconnection() -> None:
    with connected() as client, valkey.Valkey(**OPTIONS) as other, client.pubsub() as listener:
        listener.subscribe("news")
        assert listener.get_message(timeout=PATIENCE)["type"] == "subscribe"
        client.set("k", "v")
        killed = other.client_kill_filter(_type="normal", skipme=True) + other.client_kill_filter(_type="pubsub")
        assert killed == 2, killed
        assert client.get("k") == "v"
        # The subscriber notices the loss when it reads. Then it connects, and subscribes again.
        with suppress(valkey.ConnectionError):
            listener.get_message(timeout=PATIENCE)
        assert listener.get_message(timeout=PATIENCE)["type"] == "subscribe"
        assert other.publish("news", "again") == 1
        assert listener.get_message(timeout=PATIENCE)["data"] == "again"


@check
def users() -> None:
    options = {**OPTIONS, "username": GIVEN["user"]["name"], "password": GIVEN["user"]["password"]}
    with valkey.Valkey(**options) as client:
        assert client.acl_whoami() == "alice"
        assert client.set("open:k", "v") is True
        with raises(valkey.exceptions.NoPermissionError, "No permissions to access a key"):
            client.set("closed", "v")
        with raises(valkey.exceptions.NoPermissionError, "has no permissions to run the 'lpush' command"):
            client.lpush("open:list", "x")
    with valkey.Valkey(**{**options, "password": "wrong"}) as client, raises(valkey.AuthenticationError):
        client.ping()


@check
def unix_sockets() -> None:
    with valkey.Valkey(unix_socket_path=GIVEN["socket"], decode_responses=True, **PATIENT) as client:
        assert client.set("k", "x" * 1_000_000) is True
        assert client.get("k") == "x" * 1_000_000
        assert client.client_info()["addr"] == f"{GIVEN['socket']}:0"


@check
def tls() -> None:
    trust = {"ssl": True, "ssl_ca_certs": GIVEN["tls"]["ca"]}
    trust |= {"ssl_certfile": GIVEN["tls"]["cert"], "ssl_keyfile": GIVEN["tls"]["key"]}
    with valkey.Valkey(**OPTIONS | {"port": GIVEN["tls"]["port"]}, **trust) as client:
        assert client.set("k", "x" * 100_000) is True
        assert client.get("k") == "x" * 100_000


@check
def cluster() -> None:
    nodes = [ClusterNode("127.0.0.1", port) for port in GIVEN["cluster"]]
    with ValkeyCluster(startup_nodes=nodes, decode_responses=True, **PATIENT) as client:
        client.flushall(target_nodes=ValkeyCluster.PRIMARIES)
        assert client.mset_nonatomic({f"k{number}": number for number in range(100)}) == [True] * len(
            {client.keyslot(f"k{number}") for number in range(100)}
        )
        assert client.dbsize(target_nodes=ValkeyCluster.PRIMARIES) == 100
        with client.pipeline() as pipe:
            for number in range(100):
                pipe.get(f"k{number}")
            assert pipe.execute() == [str(number) for number in range(100)]
        assert client.eval("return redis.call('INCR', KEYS[1])", 1, "{tag}n") == 1
        assert client.publish("news", "nobody") == 0


@with_resp2  # With RESP3, valkey-py takes ASK for an ordinary error.
def moving_slots() -> None:
    nodes = [ClusterNode("127.0.0.1", port) for port in GIVEN["cluster"]]
    with ValkeyCluster(startup_nodes=nodes, decode_responses=True, **PATIENT) as client:
        client.flushall(target_nodes=ValkeyCluster.PRIMARIES)
        client.set("{slot}old", "v")
        with moving_slot("{slot}old"):
            assert client.set("{slot}new", "w") is True
            assert client.get("{slot}new") == "w"
            assert client.get("{slot}old") == "v"
        assert client.get("{slot}old") == "v"
        assert client.mget("{slot}new", "{slot}old") == ["w", "v"]


@check
def asyncio_client() -> None:
    asyncio.run(use_asyncio())


async def use_asyncio() -> None:
    context = valkey.asyncio.Valkey(**OPTIONS)
    async with context as client:
        await client.flushall()
        assert sorted(await asyncio.gather(*(client.incr("n") for _ in range(50)))) == list(range(1, 51))
        popped = asyncio.create_task(client.blpop(["queue"], timeout=PATIENCE))

        async def is_waiting() -> bool:
            return (await client.info("clients"))["blocked_clients"] == 1

        await until_async(is_waiting)
        await client.rpush("queue", "job")
        assert list(await popped) == ["queue", "job"]
        async with client.pipeline() as pipe:
            assert await pipe.set("a", 1).incr("a").execute() == [True, 2]
        async with client.pubsub() as listener:
            await listener.subscribe("news")
            assert (await listener.get_message(timeout=PATIENCE))["type"] == "subscribe"
            assert await client.publish("news", "hello") == 1
            assert (await listener.get_message(timeout=PATIENCE))["data"] == "hello"


if __name__ == "__main__":
    report("valkey")
