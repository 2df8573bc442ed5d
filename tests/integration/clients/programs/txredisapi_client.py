"""txredisapi, the client for Twisted: with a server of another process, and with one in the same reactor."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import txredisapi
from checks import GIVEN, PATIENCE, PORT, check, raises, report_async
from OpenSSL import SSL
from twisted.internet import defer, reactor, ssl, task


async def sleep(seconds: float) -> None:
    """Lets the reactor work."""
    await task.deferLater(reactor, seconds, lambda: None)


async def limited(work: Awaitable[None]) -> None:
    """Ends a check that takes too long."""
    await defer.ensureDeferred(work).addTimeout(2 * PATIENCE, reactor)


async def until(condition: Callable[[], Any]) -> None:
    """Waits until a condition is true."""
    end = reactor.seconds() + PATIENCE
    while not await condition():
        assert reactor.seconds() < end, "never"
        await sleep(0.005)


@asynccontextmanager
async def connected(port: int = PORT, size: int = 1, **options: Any) -> AsyncIterator[Any]:
    """A pool of connections to an empty server."""
    pool = await txredisapi.ConnectionPool("127.0.0.1", port, poolsize=size, **options)
    try:
        await pool.flushall()
        yield pool
    finally:
        await pool.disconnect()


@asynccontextmanager
async def subscribed(port: int = PORT) -> AsyncIterator[tuple[Any, list[Any]]]:
    """A subscriber that connects again, with the list of what it hears."""
    heard: list[Any] = []

    class Subscriber(txredisapi.SubscriberProtocol):
        def connectionMade(self) -> None:
            super().connectionMade()
            self.subscribe("news")
            self.psubscribe("w*")

        def messageReceived(self, pattern: str | None, channel: str, message: Any) -> None:
            heard.append((pattern, channel, message))

    factory = txredisapi.SubscriberFactory()
    factory.protocol = Subscriber
    factory.startConnecting(txredisapi._makeEndpoint("127.0.0.1", port))
    try:
        yield factory, heard
    finally:
        await factory.disconnect()


async def use_values(pool: Any) -> None:
    assert await pool.set("text", "v", expire=100, only_if_not_exists=True) == "OK"
    assert await pool.get("text") == "v"
    assert await pool.get("missing") is None
    assert await pool.hmset("hash", {"a": 1, "b": "two"}) == "OK"
    assert await pool.hgetall("hash") == {"a": 1, "b": "two"}
    assert await pool.zadd("board", 1.5, "ada", 2, "bob") == 2
    assert await pool.zrange("board", withscores=True) == [("ada", 1.5), ("bob", 2.0)]
    assert await pool.sadd("set", ["x", "y"]) == 2
    assert await pool.smembers("set") == {"x", "y"}
    assert await pool.sort("set", alpha=True) == ["x", "y"]
    assert await pool.pfadd("visitors", ["a", "b"]) == 1
    found, cursor = set(), 0
    while True:
        cursor, keys = await pool.scan(cursor, count=2)
        found.update(keys)
        if not int(cursor):
            break
    assert found == {"text", "hash", "board", "set", "visitors"}
    assert (await pool.info("server"))["tcp_port"]
    assert (await pool.role())[0] == "master"
    with raises(txredisapi.ResponseError, "WRONGTYPE Operation against a key holding the wrong kind of value"):
        await pool.lpush("text", "x")


async def use_pipeline(pool: Any) -> None:
    pipe = await pool.pipeline()
    for number in range(1000):
        pipe.set(f"k:{number}", number)
    pipe.get("k:999")
    replies = await pipe.execute_pipeline()
    assert replies == ["OK"] * 1000 + [999]


async def use_transactions(pool: Any) -> None:
    transaction = await pool.multi()
    assert await transaction.incr("n") == "QUEUED"
    assert await transaction.lpush("list", "x") == "QUEUED"
    assert await transaction.commit() == [1, 1]
    watching = await pool.multi("n")
    await pool.incr("n")
    await watching.incr("n")
    with raises(txredisapi.WatchError):
        await watching.commit()
    dropped = await pool.multi()
    await dropped.incr("n")
    assert await dropped.discard() == "OK"
    assert await pool.get("n") == 2


async def use_messages(pool: Any, port: int) -> None:
    async with subscribed(port) as (_, heard):

        async def arrives() -> bool:
            return await pool.publish("news", "hello") == 1 and await pool.publish("weather", "rain") == 1

        await until(arrives)

        async def both() -> bool:
            return {(None, "news", "hello"), ("w*", "weather", "rain")} <= set(heard)

        await until(both)


async def use_scripts(pool: Any) -> None:
    script = "return {KEYS[1], redis.call('INCRBY', KEYS[1], ARGV[1])}"
    assert await pool.eval(script, ["n"], [5]) == ["n", 5]
    assert await pool.eval(script, ["n"], [1]) == ["n", 6]  # by its hash, as the pool has one connection
    sha = await pool.script_load(script)
    assert await pool.evalsha(sha, ["n"], [1]) == ["n", 7]
    await pool.execute_command("SCRIPT", "FLUSH")  # the client does not know of it, and sends the script again
    assert await pool.eval(script, ["n"], [1]) == ["n", 8]
    assert await pool.script_exists(sha) is True
    assert await pool.script_flush() == "OK"
    with raises(txredisapi.ScriptDoesNotExist):
        await pool.evalsha(sha, ["n"], [1])
    code = "#!lua name=lib\nredis.register_function('double', function(_, a) return a[1] * 2 end)"
    assert await pool.execute_command("FUNCTION", "LOAD", code) == "lib"
    assert await pool.execute_command("FCALL", "double", 0, 21) == 42
    assert await pool.execute_command("FUNCTION", "DELETE", "lib") == "OK"


async def use_waiting(pool: Any, other: Any) -> None:
    async def blocked() -> bool:
        return int((await other.info("clients"))["blocked_clients"]) == 1

    for wait, write, expected in (
        (lambda: pool.blpop(["one", "two"], PATIENCE), lambda: other.rpush("two", "job"), ["two", "job"]),
        (lambda: pool.brpoplpush("from", "to", 30), lambda: other.rpush("from", "moved"), "moved"),
    ):
        waiting = wait()
        await until(blocked)
        await write()
        assert await waiting == expected
    assert await pool.blpop("nothing", 0.01) is None


@check
async def values() -> None:
    async with connected() as pool:
        await use_values(pool)
    async with connected(charset=None) as raw:
        await raw.set("binary", bytes(range(256)))
        assert await raw.get("binary") == bytes(range(256))


@check
async def pipelines() -> None:
    async with connected() as pool:
        await use_pipeline(pool)


@check
async def transactions() -> None:
    async with connected(size=2) as pool:
        await use_transactions(pool)


@check
async def messages() -> None:
    async with connected() as pool:
        await use_messages(pool, PORT)


@check
async def scripts() -> None:
    async with connected() as pool:
        await use_scripts(pool)


@check
async def waiting() -> None:
    async with connected() as pool, connected() as other:
        await use_waiting(pool, other)


@check
async def streams() -> None:
    async with connected() as pool:
        first = await pool.execute_command("XADD", "log", "*", "n", 1)
        assert await pool.execute_command("XGROUP", "CREATE", "log", "team", 0) == "OK"
        read = await pool.execute_command("XREADGROUP", "GROUP", "team", "ann", "STREAMS", "log", ">")
        assert read == [["log", [[first, ["n", 1]]]]]
        assert await pool.execute_command("XACK", "log", "team", first) == 1


@check
async def reconnection() -> None:
    async with connected() as pool, connected() as other, subscribed() as (_, heard):
        await pool.set("k", "v")

        async def arrives() -> bool:
            return await other.publish("news", "first") == 1

        await until(arrives)
        mine = await pool.execute_command("CLIENT", "ID")
        assert await other.execute_command("CLIENT", "KILL", "ID", mine) == 1
        assert await other.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1

        async def answers() -> bool:
            try:
                return await pool.get("k") == "v"
            except txredisapi.ConnectionError:
                return False

        await until(answers)

        async def again() -> bool:
            await other.publish("news", "again")
            return (None, "news", "again") in heard

        await until(again)


@check
async def users() -> None:
    password = GIVEN["user"]["password"]
    pool = await txredisapi.Connection("127.0.0.1", PORT, username=GIVEN["user"]["name"], password=password)
    try:
        assert await pool.execute_command("ACL", "WHOAMI") == "alice"
        assert await pool.set("open:k", "v") == "OK"
        with raises(txredisapi.ResponseError, "NOPERM No permissions to access a key"):
            await pool.set("closed", "v")
        with raises(txredisapi.ResponseError, "has no permissions to run the 'lpush' command"):
            await pool.lpush("open:list", "x")
    finally:
        await pool.disconnect()


@check
async def unix_sockets() -> None:
    pool = await txredisapi.UnixConnection(GIVEN["socket"])
    try:
        assert await pool.set("k", "x" * 1_000_000) == "OK"
        assert await pool.get("k") == "x" * 1_000_000
    finally:
        await pool.disconnect()


@check
async def tls() -> None:
    class Context(ssl.ClientContextFactory):
        def getContext(self) -> SSL.Context:
            context = super().getContext()
            context.load_verify_locations(GIVEN["tls"]["ca"])
            context.set_verify(SSL.VERIFY_PEER)
            context.use_certificate_file(GIVEN["tls"]["cert"])
            context.use_privatekey_file(GIVEN["tls"]["key"])
            return context

    async with connected(GIVEN["tls"]["port"], ssl_context_factory=Context()) as pool:
        assert await pool.set("k", "x" * 100_000) == "OK"
        assert await pool.get("k") == "x" * 100_000


async def in_one_reactor() -> None:
    """The server is part of this program."""
    from twisted_redis import RedisService

    service = RedisService()
    service.startService()
    await service.whenReady()
    try:
        for use in (use_values, use_pipeline, use_scripts):
            async with connected(service.port) as pool:
                await use(pool)
        async with connected(service.port, size=2) as pool:
            await use_transactions(pool)
        async with connected(service.port) as pool, connected(service.port) as other:
            await use_waiting(pool, other)
            await use_messages(pool, service.port)
            assert await service.execute("SET", "from inside", "v")
            assert await pool.get("from inside") == "v"
    finally:
        await service.stopService()


if GIVEN["kind"] == "ours":
    sys.path.insert(0, os.environ["ROOT"])
    check(in_one_reactor)


if __name__ == "__main__":
    task.react(lambda _: defer.ensureDeferred(report_async("txredisapi", limited)))
