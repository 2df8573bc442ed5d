"""Valkey GLIDE's client for asyncio. Its core is a Rust library, which keeps one connection to each node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import glide
from checks import GIVEN, PATIENCE, PORT, PROTOCOL, check, moving_slot, raises, report_async, until_async, with_resp3

VERSION = glide.ProtocolVersion.RESP3 if PROTOCOL == 3 else glide.ProtocolVersion.RESP2
SHARED: dict[str, Any] = {"protocol": VERSION, "request_timeout": int(PATIENCE * 1000)}
ALONE = {"advanced_config": glide.AdvancedGlideClientConfiguration(int(PATIENCE * 1000)), **SHARED}
CLUSTER = {"advanced_config": glide.AdvancedGlideClusterClientConfiguration(int(PATIENCE * 1000)), **SHARED}


@asynccontextmanager
async def connected(port: int = PORT, **options: Any) -> AsyncIterator[glide.GlideClient]:
    """A client of a server."""
    addresses = [glide.NodeAddress("127.0.0.1", port)]
    client = await glide.GlideClient.create(glide.GlideClientConfiguration(addresses, **{**ALONE, **options}))
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def fresh(**options: Any) -> AsyncIterator[glide.GlideClient]:
    """A client of the empty server."""
    async with connected(**options) as client:
        await client.flushall()
        yield client


async def info(client: glide.GlideClient, section: str, field: str) -> str:
    """Returns a field of INFO."""
    text = (await client.custom_command(["INFO", section])).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line).get(field, "")


@check
async def values() -> None:
    async with fresh(client_name="me") as client:
        expiry = glide.ExpirySet(glide.ExpiryType.SEC, 100)
        condition = glide.ConditionalChange.ONLY_IF_DOES_NOT_EXIST
        assert await client.set("text", "v", conditional_set=condition, expiry=expiry) == "OK"
        assert await client.get("text") == b"v"
        assert await client.get("missing") is None
        assert await client.set("binary", bytes(range(256))) == "OK"
        assert await client.get("binary") == bytes(range(256))
        assert await client.hset("hash", {"a": "1", "b": "two"}) == 2
        assert await client.hgetall("hash") == {b"a": b"1", b"b": b"two"}
        assert await client.zadd("board", {"ada": 1.5, "bob": 2}) == 2
        assert await client.zrange_withscores("board", glide.RangeByIndex(0, -1)) == {b"ada": 1.5, b"bob": 2.0}
        assert await client.sadd("set", ["x", "y"]) == 2
        assert await client.smembers("set") == {b"x", b"y"}
        assert await client.geoadd("map", {"Palermo": glide.GeospatialData(13.361389, 38.115556)}) == 1
        assert round((await client.geopos("map", ["Palermo"]))[0][0], 3) == 13.361
        found, cursor = set(), b"0"
        while True:
            cursor, keys = await client.scan(cursor, count=2)
            found.update(keys)
            if cursor == b"0":
                break
        assert found == {b"text", b"binary", b"hash", b"board", b"set", b"map"}
        assert await client.client_getname() == b"me"
        assert await client.config_get(["port"]) == {b"port": str(PORT).encode()}
        with raises(glide.RequestError, "Operation against a key holding the wrong kind of value"):
            await client.lpush("text", ["x"])


@check
async def pipelines() -> None:
    async with fresh() as client:
        batch = glide.Batch(is_atomic=False)
        for number in range(1000):
            batch.set(f"k:{number}", str(number))
        batch.lpush("k:1", ["wrong"])
        batch.get("k:999")
        replies = await client.exec(batch, raise_on_error=False)
        assert replies is not None and replies[:1000] == ["OK"] * 1000
        assert isinstance(replies[1000], glide.RequestError) and "WRONGTYPE" in str(replies[1000]).upper()
        assert replies[1001] == b"999"


@check
async def transactions() -> None:
    async with fresh() as client, connected() as other:
        batch = glide.Batch(is_atomic=True)
        batch.incr("n")
        batch.hset("h", {"a": "1"})
        batch.hgetall("h")
        assert await client.exec(batch, raise_on_error=True) == [1, 1, {b"a": b"1"}]
        assert await client.watch(["n"]) == "OK"
        assert await other.incr("n") == 2
        again = glide.Batch(is_atomic=True)
        again.incr("n")
        assert await client.exec(again, raise_on_error=True) is None
        assert await client.get("n") == b"2"


@with_resp3
async def messages() -> None:
    async with fresh() as client, connected() as listener:
        await listener.subscribe({"news"}, timeout_ms=int(PATIENCE * 1000))
        await listener.psubscribe({"w*"}, timeout_ms=int(PATIENCE * 1000))
        assert await client.publish("hello", "news") == 1
        assert await client.publish("rain", "weather") == 1
        heard = [await asyncio.wait_for(listener.get_pubsub_message(), PATIENCE) for _ in range(2)]
        assert [(each.channel, each.message, each.pattern) for each in heard] == [
            (b"news", b"hello", None),
            (b"weather", b"rain", b"w*"),
        ]
        assert await client.pubsub_numsub(["news"]) == {b"news": 1}
        await listener.unsubscribe({"news"}, timeout_ms=int(PATIENCE * 1000))
        assert await client.publish("nobody", "news") == 0


@check
async def scripts() -> None:
    async with fresh() as client:
        script = glide.Script("return {KEYS[1], redis.call('INCRBY', KEYS[1], ARGV[1])}")
        assert await client.invoke_script(script, keys=["n"], args=["5"]) == [b"n", 5]
        assert await client.script_flush() == "OK"
        assert await client.invoke_script(script, keys=["n"], args=["1"]) == [b"n", 6]
        assert await client.script_exists([script.get_hash()]) == [True]
        code = "#!lua name=lib\nredis.register_function('double', function(_, a) return a[1] * 2 end)"
        assert await client.function_load(code, replace=True) == b"lib"
        assert await client.fcall("double", arguments=["21"]) == 42
        assert [library[b"library_name"] for library in await client.function_list()] == [b"lib"]
        assert await client.function_delete("lib") == "OK"


@check
async def waiting() -> None:
    async with fresh() as client:
        found: list[Any] = []

        async def wait() -> None:
            async with connected() as own:
                found.append(await own.blpop(["one", "two"], PATIENCE))
                left, right = glide.ListDirection.LEFT, glide.ListDirection.RIGHT
                found.append(await own.blmove("from", "to", left, right, PATIENCE))
                found.append(await own.bzmpop(["board"], glide.ScoreFilter.MIN, PATIENCE))
                found.append(await own.blpop(["nothing"], 0.01))

        async def blocked() -> bool:
            return await info(client, "clients", "blocked_clients") == "1"

        task = asyncio.create_task(wait())
        for write in (
            lambda: client.rpush("two", ["job"]),
            lambda: client.rpush("from", ["moved"]),
            lambda: client.zadd("board", {"m": 1}),
        ):
            done = len(found) + 1
            await until_async(blocked)
            await write()
            while len(found) < done and not task.done():
                await asyncio.sleep(0.005)
        await task
        assert found == [[b"two", b"job"], b"moved", [b"board", {b"m": 1.0}], None]


@check
async def streams() -> None:
    async with fresh() as client:
        first = await client.xadd("log", [("n", "1")])
        assert await client.xgroup_create("log", "team", "0") == "OK"
        assert await client.xreadgroup({"log": ">"}, "team", "ann") == {b"log": {first: [[b"n", b"1"]]}}
        assert (await client.xpending("log", "team"))[0] == 1
        assert (await client.xautoclaim("log", "team", "bob", 0, "0-0"))[1] == {first: [[b"n", b"1"]]}
        assert await client.xack("log", "team", [first]) == 1
        assert (await client.xinfo_stream("log"))[b"length"] == 1
        assert (await client.xinfo_groups("log"))[0][b"name"] == b"team"


@check
async def reconnection() -> None:
    async with fresh() as client, connected() as other:
        await client.set("k", "v")
        if PROTOCOL == 3:
            await client.subscribe({"news"}, timeout_ms=int(PATIENCE * 1000))
        killed = await other.custom_command(["CLIENT", "KILL", "ID", str(await client.client_id())])
        assert killed == 1

        async def answers() -> bool:
            with suppress(glide.ConnectionError, glide.ClosingError):
                return await client.get("k") == b"v"
            return False

        await until_async(answers)
        if PROTOCOL == 3:

            async def subscribed() -> bool:
                return await other.publish("again", "news") == 1

            await until_async(subscribed)
            assert (await asyncio.wait_for(client.get_pubsub_message(), PATIENCE)).message == b"again"


@with_resp3
async def tracking() -> None:
    cache = glide.ClientSideCache.create(1024, 0, server_assisted=True)
    async with fresh(client_side_cache=cache) as client, connected() as other:
        await other.set("k", "old")
        assert await client.get("k") == b"old"

        async def is_cached() -> bool:
            calls = await info(other, "commandstats", "cmdstat_get")
            return await client.get("k") == b"old" and await info(other, "commandstats", "cmdstat_get") == calls

        # GLIDE may fill its cache a moment after the reply.
        await until_async(is_cached)
        before = await info(other, "commandstats", "cmdstat_get")
        assert [await client.get("k") for _ in range(10)] == [b"old"] * 10
        assert await info(other, "commandstats", "cmdstat_get") == before
        await other.set("k", "new")

        async def is_new() -> bool:
            return await client.get("k") == b"new"

        await until_async(is_new)


@check
async def users() -> None:
    credentials = glide.ServerCredentials(GIVEN["user"]["password"], GIVEN["user"]["name"])
    async with connected(credentials=credentials) as client:
        assert await client.custom_command(["ACL", "WHOAMI"]) == b"alice"
        assert await client.set("open:k", "v") == "OK"
        with raises(glide.RequestError, "No permissions to access a key"):
            await client.set("closed", "v")
        with raises(glide.RequestError, "has no permissions to run the 'lpush' command"):
            await client.lpush("open:list", ["x"])


@check
async def unix_sockets() -> None:
    addresses = [glide.NodeAddress(unix_socket_path=GIVEN["socket"])]
    client = await glide.GlideClient.create(glide.GlideClientConfiguration(addresses, **ALONE))
    try:
        assert await client.set("k", "x" * 1_000_000) == "OK"
        assert await client.get("k") == b"x" * 1_000_000
    finally:
        await client.close()


@check
async def tls() -> None:
    trust = glide.TlsAdvancedConfiguration(
        root_pem_cacerts=Path(GIVEN["tls"]["ca"]).read_bytes(),
        client_cert_pem=Path(GIVEN["tls"]["cert"]).read_bytes(),
        client_key_pem=Path(GIVEN["tls"]["key"]).read_bytes(),
    )
    advanced = glide.AdvancedGlideClientConfiguration(int(PATIENCE * 1000), tls_config=trust)
    async with fresh(port=GIVEN["tls"]["port"], use_tls=True, advanced_config=advanced) as client:
        assert await client.set("k", "x" * 100_000) == "OK"
        assert await client.get("k") == b"x" * 100_000


@check
async def cluster() -> None:
    addresses = [glide.NodeAddress("127.0.0.1", port) for port in GIVEN["cluster"][:1]]
    client = await glide.GlideClusterClient.create(glide.GlideClusterClientConfiguration(addresses, **CLUSTER))
    try:
        await client.flushall()
        assert await client.mset({f"k{number}": str(number) for number in range(100)}) == "OK"
        assert await client.mget([f"k{number}" for number in range(100)]) == [b"%d" % number for number in range(100)]
        assert await client.dbsize() == 100
        batch = glide.ClusterBatch(is_atomic=False)
        for number in range(100):
            batch.incr(f"k{number}")
        assert await client.exec(batch, raise_on_error=True) == list(range(1, 101))
        script = glide.Script("return redis.call('INCR', KEYS[1])")
        assert await client.invoke_script(script, keys=["{tag}n"]) == 1
        found: list[Any] = []
        cursor = glide.ClusterScanCursor()
        while not cursor.is_finished():
            cursor, keys = await client.scan(cursor)
            found += keys
        assert len(found) == 101
        if PROTOCOL == 3:
            await client.ssubscribe({"shard"}, timeout_ms=int(PATIENCE * 1000))
            assert await client.publish("piece", "shard", sharded=True) == 1
            assert (await asyncio.wait_for(client.get_pubsub_message(), PATIENCE)).message == b"piece"
    finally:
        await client.close()


@check
async def moving_slots() -> None:
    addresses = [glide.NodeAddress("127.0.0.1", port) for port in GIVEN["cluster"]]
    client = await glide.GlideClusterClient.create(glide.GlideClusterClientConfiguration(addresses, **CLUSTER))
    try:
        await client.flushall()
        await client.set("{slot}old", "v")
        with moving_slot("{slot}old"):
            assert await client.set("{slot}new", "w") == "OK"
            assert await client.get("{slot}new") == b"w"
            assert await client.get("{slot}old") == b"v"
        assert await client.mget(["{slot}new", "{slot}old"]) == [b"w", b"v"]
    finally:
        await client.close()


if __name__ == "__main__":
    glide.Logger.set_logger_config(glide.LogLevel.OFF)
    asyncio.run(report_async("valkey-glide"))
