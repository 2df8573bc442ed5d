"""coredis, whose current version speaks RESP3 only, with asyncio or with trio ("backend" in what is given)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import coredis
from checks import GIVEN, PATIENCE, PORT, check, moving_slot, raises, report_async, tls_context, until_async
from coredis.exceptions import AuthorizationError, ResponseError, WatchError
from coredis.patterns.cache import LRUCache
from coredis.patterns.streams import Consumer
from coredis.tokens import PureToken

until = partial(until_async, sleep=anyio.sleep)


@asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[coredis.Redis[str]]:
    """A client of an empty server."""
    async with coredis.Redis(**{"port": PORT, "decode_responses": True, **options}) as client:
        await client.flushall()
        yield client


async def limited(work: Awaitable[None]) -> None:
    """Ends a check that takes too long."""
    with anyio.fail_after(2 * PATIENCE):
        await work


async def blocked(client: coredis.Redis[str]) -> bool:
    """Returns whether a client waits."""
    return int((await client.info("clients"))["blocked_clients"]) == 1


async def hear(listener: Any) -> dict[str, Any]:
    """Returns the next published message."""
    while True:
        message: dict[str, Any] | None = await listener.get_message(timeout=PATIENCE)
        if message is not None and message["type"].endswith("message"):
            return message


@check
async def values() -> None:
    async with connected(client_name="me") as client:
        assert await client.set("text", "v", ex=100, condition=PureToken.NX)
        assert await client.get("text") == "v"
        assert await client.get("missing") is None
        assert await client.hset("hash", {"a": "1", "b": "two"}) == 2
        assert await client.hgetall("hash") == {"a": "1", "b": "two"}
        assert await client.zadd("board", {"ada": 1.5, "bob": 2}) == 2
        ranking = await client.zrange("board", 0, -1, withscores=True)
        assert [(pair.member, pair.score) for pair in ranking] == [("ada", 1.5), ("bob", 2.0)]
        assert await client.sadd("set", {"x", "y"}) == 2
        assert await client.smembers("set") == {"x", "y"}
        assert await client.geoadd("map", [(13.361389, 38.115556, "Palermo")]) == 1
        assert {key async for key in client.scan_iter(count=2)} == {"text", "hash", "board", "set", "map"}
        assert await client.client_getname() == "me"
        assert (await client.config_get(["port"]))["port"] == str(PORT)
        assert (await client.command_info("get"))["get"]["arity"] == 2
        assert await client.hexpire("hash", 100, ["a"]) == (1,)
        with raises(ResponseError, "Operation against a key holding the wrong kind of value"):
            await client.lpush("text", ["x"])
    async with coredis.Redis(port=PORT) as raw:
        assert await raw.set("binary", bytes(range(256)))
        assert await raw.get("binary") == bytes(range(256))


@check
async def pipelines() -> None:
    async with connected() as client:
        async with client.pipeline(transaction=False, raise_on_error=False) as pipe:
            for number in range(1000):
                pipe.set(f"k:{number}", number)
            pipe.lpush("k:1", ["wrong"])
            last = pipe.get("k:999")
        assert pipe.results is not None
        assert all(result is True for result in pipe.results[:1000])
        assert isinstance(pipe.results[1000], ResponseError)
        assert await last == "999"


@check
async def transactions() -> None:
    async with connected() as client:
        async with client.pipeline() as pipe:
            pipe.incr("n")
            pipe.hset("h", {"a": "1"})
            pipe.hgetall("h")
        assert pipe.results == (1, 1, {"a": "1"})
        with raises(WatchError):
            async with client.pipeline() as pipe, pipe.watch("n"):
                await client.incr("n")
                pipe.incr("n")
        assert await client.get("n") == "2"


@check
async def messages() -> None:
    async with (
        connected() as client,
        client.pubsub(
            channels=["news"], patterns=["w*"], ignore_subscribe_messages=True, subscription_timeout=PATIENCE
        ) as listener,
    ):
        assert await client.publish("news", "hello") == 1
        assert await client.publish("weather", "rain") == 1
        heard = [await hear(listener) for _ in range(2)]
        assert [(each["channel"], each["data"]) for each in heard] == [("news", "hello"), ("weather", "rain")]
        assert heard[1]["pattern"] == "w*"
        assert await client.pubsub_numsub("news") == {"news": 1}
        await listener.unsubscribe("news")
        assert await client.publish("news", "nobody") == 0


@check
async def scripts() -> None:
    async with connected() as client:
        script = client.register_script("return {KEYS[1], redis.call('INCRBY', KEYS[1], ARGV[1])}")
        assert await script(["n"], [5]) == ["n", 5]
        await client.script_flush()
        assert await script(["n"], [1]) == ["n", 6]
        await client.script_flush()
        async with client.pipeline() as pipe:
            script(["n"], [1], client=pipe)
        assert pipe.results == (["n", 7],)
        code = "#!lua name=lib\nredis.register_function('double', function(_, a) return a[1] * 2 end)"
        assert await client.function_load(code, replace=True) == "lib"
        assert await client.fcall("double", [], [21]) == 42
        assert "double" in {
            name for library in (await client.function_list()).values() for name in library["functions"]
        }
        assert await client.function_delete("lib")
        async with client.lock("door", timeout=PATIENCE):
            assert not await client.lock("door", blocking=False).acquire()


@check
async def waiting() -> None:
    async with connected() as client:
        found: list[Any] = []

        async def wait() -> None:
            async with coredis.Redis(port=PORT, decode_responses=True) as own:
                found.append(await own.blpop(["one", "two"], timeout=PATIENCE))
                found.append(await own.blmove("from", "to", PureToken.LEFT, PureToken.RIGHT, PATIENCE))
                found.append(await own.bzmpop(["board"], PATIENCE, PureToken.MIN))
                found.append(await own.blpop(["nothing"], timeout=0.01))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            for write in (
                lambda: client.rpush("two", ["job"]),
                lambda: client.rpush("from", ["moved"]),
                lambda: client.zadd("board", {"m": 1}),
            ):
                done = len(found) + 1
                await until(lambda: blocked(client))
                await write()
                while len(found) < done:
                    await anyio.sleep(0.005)
        assert list(found[0]) == ["two", "job"]
        assert found[1] == "moved"
        assert found[2][0] == "board" and tuple(found[2][1][0]) == ("m", 1.0)
        assert found[3] is None


@check
async def streams() -> None:
    async with connected() as client:
        first = await client.xadd("log", {"n": "1"})
        await client.xgroup_create("log", "team", "0")
        read = await client.xreadgroup("team", "ann", {"log": ">"}, count=1)
        assert read is not None and read["log"][0].identifier == first
        assert (await client.xpending("log", "team")).pending == 1
        assert await client.xack("log", "team", [first]) == 1
        assert (await client.xinfo_stream("log"))["length"] == 1
        consumer = Consumer(client, ["log"], timeout=0, log={"identifier": "0-0"})
        stream, entry = await consumer.get_entry()
        assert (stream, entry.field_values) == ("log", {"n": "1"})


@check
async def reconnection() -> None:
    async with (
        connected() as client,
        coredis.Redis(port=PORT, decode_responses=True) as other,
        client.pubsub(channels=["news"], ignore_subscribe_messages=True, subscription_timeout=PATIENCE) as listener,
    ):
        await client.set("k", "v")
        assert await other.client_kill(type_=PureToken.NORMAL, skipme=True) >= 1
        assert await other.client_kill(type_=PureToken.PUBSUB) == 1
        assert await client.get("k") == "v"

        async def subscribed() -> bool:
            return await other.publish("news", "again") == 1

        await until(subscribed)
        assert (await hear(listener))["data"] == "again"


@check
async def tracking() -> None:
    cache = LRUCache()
    async with connected(cache=cache) as client, coredis.Redis(port=PORT, decode_responses=True) as other:
        await other.set("k", "old")

        async def calls() -> int:
            return int((await other.info("commandstats"))["cmdstat_get"]["calls"])

        assert await client.get("k") == "old"
        before = await calls()
        assert [await client.get("k") for _ in range(10)] == ["old"] * 10
        assert await calls() == before
        await other.set("k", "new")

        async def is_new() -> bool:
            return await client.get("k") == "new"

        await until(is_new)


@check
async def users() -> None:
    options: dict[str, Any] = {"port": PORT, "decode_responses": True, "username": GIVEN["user"]["name"]}
    async with coredis.Redis(**options, password=GIVEN["user"]["password"]) as client:
        assert await client.acl_whoami() == "alice"
        assert await client.set("open:k", "v")
        with raises(AuthorizationError, "No permissions to access a key"):
            await client.set("closed", "v")
        with raises(AuthorizationError, "has no permissions to run the 'lpush' command"):
            await client.lpush("open:list", ["x"])


@check
async def unix_sockets() -> None:
    async with coredis.Redis(unix_socket_path=GIVEN["socket"], decode_responses=True) as client:
        assert await client.set("k", "x" * 1_000_000)
        assert await client.get("k") == "x" * 1_000_000
        assert "U" in (await client.client_info())["flags"]


@check
async def tls() -> None:
    async with connected(port=GIVEN["tls"]["port"], ssl_context=tls_context()) as client:
        assert await client.set("k", "x" * 100_000)
        assert await client.get("k") == "x" * 100_000


@check
async def cluster() -> None:
    nodes = [coredis.connection.TCPLocation("127.0.0.1", port) for port in GIVEN["cluster"]]
    async with coredis.RedisCluster(startup_nodes=nodes, decode_responses=True, cache=LRUCache()) as client:
        await client.flushall()
        async with client.pipeline() as pipe:
            for number in range(100):
                pipe.set(f"k{number}", number)
        for number in range(0, 100, 7):
            assert await client.get(f"k{number}") == str(number)
        assert len([key async for key in client.scan_iter()]) == 100
        assert await client.eval("return redis.call('INCR', KEYS[1])", ["{tag}n"]) == 1
        async with client.sharded_pubsub(
            channels=["a", "b", "c"], ignore_subscribe_messages=True, subscription_timeout=PATIENCE
        ) as listener:
            assert [await client.spublish(name, name * 2) for name in "abc"] == [1, 1, 1]
            assert sorted([(await hear(listener))["data"] for _ in range(3)]) == ["aa", "bb", "cc"]


@check
async def moving_slots() -> None:
    nodes = [coredis.connection.TCPLocation("127.0.0.1", port) for port in GIVEN["cluster"]]
    async with coredis.RedisCluster(startup_nodes=nodes, decode_responses=True) as client:
        await client.flushall()
        await client.set("{slot}old", "v")
        with moving_slot("{slot}old"):
            assert await client.set("{slot}new", "w")
            assert await client.get("{slot}new") == "w"
            assert await client.get("{slot}old") == "v"
        assert await client.mget(["{slot}new", "{slot}old"]) == ("w", "v")


if __name__ == "__main__":
    anyio.run(report_async, "coredis", limited, backend=GIVEN.get("backend", "asyncio"))
