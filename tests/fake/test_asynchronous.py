"""The asynchronous clients."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis

from twisted_redis.fake import FakeAsyncRedis, FakeRedis, FakeServer, aioredis


def run(test: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(test(), 120))


@pytest.mark.parametrize("options", [{"protocol": 2}, {"protocol": 3}], ids=str)
def test_calls(options: dict[str, Any]) -> None:
    async def test() -> None:
        async with FakeAsyncRedis(decode_responses=True, **options) as client:
            assert await client.set("a", "b")
            assert await client.get("a") == "b"
            await client.hset("h", mapping={"a": 1})
            assert await client.hgetall("h") == {"a": "1"}
            async with client.pipeline() as pipe:
                assert await pipe.incr("n").incr("n").execute() == [1, 2]
            with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
                await client.incr("h")
            assert await client.eval("return {1, 2}", 0) == [1, 2]

    run(test)


def test_waiting_tasks() -> None:
    async def test() -> None:
        server = FakeServer()
        one, two = FakeAsyncRedis(server=server), FakeAsyncRedis(server=server)
        waiting = asyncio.create_task(one.blpop("q"))
        while (await two.info("clients"))["blocked_clients"] != 1:
            pass
        await two.rpush("q", "x")
        assert await waiting == (b"q", b"x")
        began = time.monotonic()
        assert await one.blpop("q", 0.05) is None
        assert time.monotonic() - began >= 0.04

    run(test)


def test_tasks_take_turns() -> None:
    """A call lets other tasks run, as one over a socket does."""

    async def test() -> None:
        client = FakeAsyncRedis()
        order = []

        async def work(name: str) -> None:
            for _ in range(3):
                await client.ping()
                order.append(name)

        await asyncio.gather(client.ping(), client.ping())  # two connections
        await asyncio.gather(work("a"), work("b"))
        assert order == ["a", "b"] * 3

    run(test)


def test_a_cancelled_call() -> None:
    async def test() -> None:
        server = FakeServer()
        client = FakeAsyncRedis(server=server)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.blpop("q"), 0.02)
        await client.rpush("q", "x")
        assert await client.lpop("q") == b"x"

    run(test)


def test_messages() -> None:
    async def test() -> None:
        server = FakeServer()
        client = FakeAsyncRedis(server=server)
        async with client.pubsub() as listener:
            await listener.subscribe("news")
            assert (await listener.get_message(timeout=30))["type"] == "subscribe"
            assert await listener.get_message(timeout=0.01) is None
            await client.publish("news", "one")
            assert (await listener.get_message(timeout=30))["data"] == b"one"
            other = FakeRedis(server=server)
            thread = threading.Thread(target=other.publish, args=("news", "from a thread"))
            thread.start()
            assert (await listener.get_message(timeout=30))["data"] == b"from a thread"
            thread.join()

    run(test)


def test_expired_events_come_without_an_access() -> None:
    async def test() -> None:
        client = FakeAsyncRedis(decode_responses=True)
        await client.config_set("notify-keyspace-events", "Ex")
        async with client.pubsub() as listener:
            await listener.subscribe("__keyevent@0__:expired")
            await listener.get_message(timeout=30)
            await client.set("a", 1, px=5)
            assert (await listener.get_message(timeout=30))["data"] == "a"

    run(test)


def test_threads_and_loops_share_a_server() -> None:
    server = FakeServer()

    async def take() -> Any:
        return await FakeAsyncRedis(server=server).blpop("q", 60)

    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(run(take))) for _ in range(2)]
    for thread in threads:
        thread.start()
    client = FakeRedis(server=server)
    while client.info("clients")["blocked_clients"] != 2:
        time.sleep(0.001)
    client.rpush("q", 1, 2)
    for thread in threads:
        thread.join(60)
    assert sorted(results) == [(b"q", b"1"), (b"q", b"2")]


def test_a_server_outlives_its_loops() -> None:
    server = FakeServer()

    async def test() -> int:
        return int(await FakeAsyncRedis(server=server).incr("n"))

    assert [run(test) for _ in range(3)] == [1, 2, 3]
    assert FakeRedis(server=server).get("n") == b"3"


def test_a_client_of_several_loops_one_after_another() -> None:
    """A program may have one client, and its tests a loop each."""
    server = FakeServer()
    client = FakeAsyncRedis(server=server, decode_responses=True)
    shared = FakeAsyncRedis(server=server, single_connection_client=True)

    async def test() -> list[Any]:
        async with client.pubsub() as listener, client.pipeline() as pipe:
            await listener.subscribe("news")
            await client.publish("news", "x")
            seen = [await listener.get_message(timeout=60) for _ in range(2)]
            calls = await asyncio.gather(*(client.ping() for _ in range(5)), shared.ping())
            return [*calls, await pipe.set("a", 1).get("a").execute(), seen[1] and seen[1]["data"]]

    for _ in range(3):
        assert run(test) == [*[True] * 6, [True, "1"], "x"]
    run(shared.aclose)
    # The connections of a loop that has ended leave when their client connects in another.
    with FakeRedis(server=server) as other:
        assert len(other.client_list()) < 12


def test_a_client_that_is_forgotten_gives_no_warning() -> None:
    async def test() -> None:
        await FakeAsyncRedis().ping()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(test)
        gc.collect()


def test_a_server_that_is_not_connected() -> None:
    async def test() -> None:
        server = FakeServer()
        client = FakeAsyncRedis(server=server)
        await client.set("a", 1)
        server.connected = False
        with pytest.raises(redis.ConnectionError, match="FakeRedis is emulating a connection error"):
            await client.get("a")
        server.connected = True
        assert await client.get("a") == b"1"
        with pytest.raises(redis.ConnectionError, match="FakeRedis is emulating"):
            await FakeAsyncRedis(connected=False).ping()

    run(test)


def test_what_a_loop_has_left_behind() -> None:
    server = FakeServer()
    left: list[Any] = []

    async def test() -> None:
        client = FakeAsyncRedis(server=server)
        listener = client.pubsub()
        await listener.subscribe("news")
        await listener.get_message(timeout=30)
        left.append((client, listener))

    run(test)
    client = FakeRedis(server=server)
    assert client.publish("news", "for nobody") == 1
    assert client.publish("news", "for nobody") == 0
    run(test)
    server.connected = False
    server.connected = True
    assert len(client.client_list()) == 1


def test_large_replies() -> None:
    async def test() -> None:
        client = FakeAsyncRedis()
        await client.set("a", b"x" * 5_000_000)
        assert len(await client.get("a")) == 5_000_000
        async with client.pipeline(transaction=False) as pipe:
            for _ in range(20):
                pipe.get("a")
            assert [len(value) for value in await pipe.execute()] == [5_000_000] * 20

    run(test)


def test_the_module_is_an_attribute() -> None:
    """Programs that import fakeredis write ``fakeredis.aioredis.FakeRedis``, without another import."""
    program = "from twisted_redis import fake as fakeredis; fakeredis.aioredis.FakeRedis"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_clients_of_one_url() -> None:
    async def test() -> None:
        await aioredis.FakeRedis.from_url("redis://async:7100/1").set("a", 1)
        assert await aioredis.FakeRedis(host="async", port=7100, db=1).get("a") == b"1"
        assert await FakeAsyncRedis().get("a") is None

    run(test)
    assert FakeRedis(host="async", port=7100, db=1).get("a") == b"1"


def test_the_clock_of_the_server() -> None:
    async def test() -> None:
        server = FakeServer()
        client = FakeAsyncRedis(server=server)
        await client.ping()
        waiting = asyncio.create_task(client.blpop("q", 3600))
        other = FakeAsyncRedis(server=server)
        while (await other.info("clients"))["blocked_clients"] != 1:
            pass
        server.clock.advance(3601)
        assert await waiting is None

    run(test)
