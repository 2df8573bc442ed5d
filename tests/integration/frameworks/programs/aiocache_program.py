"""aiocache: its backend for Redis, its decorators and its locks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiocache import Cache, cached, multi_cached
from aiocache.lock import OptimisticLock, OptimisticLockError, RedLock
from aiocache.serializers import JsonSerializer, PickleSerializer
from checks import GIVEN, PATIENCE, check, report_async
from place import async_arguments, client, raises


def options() -> dict[str, Any]:
    return {"port": GIVEN["port"] or 0, "connection_pool_kwargs": async_arguments()}


@asynccontextmanager
async def connected(**others: Any) -> AsyncIterator[Any]:
    async with Cache(Cache.REDIS, **options(), **others) as cache:
        await cache.clear()
        yield cache


@check
async def values() -> None:
    async with connected(serializer=PickleSerializer(), namespace="main") as cache:
        assert await cache.set("k", {"a": {1, 2}}, ttl=100)
        assert await cache.get("k") == {"a": {1, 2}}
        assert await cache.get("absent", default="d") == "d"
        assert await cache.exists("k") and not await cache.exists("absent")
        with raises(ValueError):
            await cache.add("k", 1)
        assert await cache.delete("k") == 1
        assert await cache.raw("keys", "*") == []


@check
async def many_values() -> None:
    async with connected(serializer=JsonSerializer()) as cache:
        assert await cache.multi_set([(f"k{number}", [number]) for number in range(50)], ttl=100)
        assert await cache.multi_get(["k0", "none", "k49"]) == [[0], None, [49]]
        assert 90 < client().ttl("k0") <= 100


@check
async def timeouts() -> None:
    async with connected() as cache:
        await cache.set("k", "v", ttl=1000)
        assert 990 < client().ttl("k") <= 1000
        assert await cache.expire("k", 50)
        assert 40 < client().ttl("k") <= 50
        assert await cache.expire("k", 0)
        assert client().ttl("k") == -1
        await cache.set("short", "v", ttl=0.05)
        for _ in range(1000):
            if not await cache.exists("short"):
                break
            await asyncio.sleep(0.01)
        assert await cache.get("short") is None


@check
async def counters() -> None:
    async with connected() as cache:
        assert await asyncio.gather(*(cache.increment("n", 2) for _ in range(10))) is not None
        assert int(await cache.get("n")) == 20
        await cache.set("text", "x")
        with raises(TypeError, "integer"):
            await cache.increment("text")


@check
async def decorators() -> None:
    calls: list[Any] = []

    @cached(ttl=50, cache=Cache.REDIS, key="answer", serializer=PickleSerializer(), **options())
    async def answer() -> int:
        calls.append("answer")
        return 42

    @multi_cached("ids", cache=Cache.REDIS, serializer=PickleSerializer(), **options())
    async def people(ids: list[int]) -> dict[int, str]:
        calls.append(tuple(ids))
        return {number: f"person {number}" for number in ids}

    async with connected():
        assert [await answer() for _ in range(3)] == [42] * 3
        assert await people(ids=[1, 2]) == {1: "person 1", 2: "person 2"}
        assert set((await people(ids=[2, 3])).values()) == {"person 2", "person 3"}
        assert calls == ["answer", (1, 2), (3,)]
        await answer.cache.close()
        await people.cache.close()


@check
async def locks() -> None:
    async with connected() as cache:
        calls: list[int] = []

        async def compute() -> None:
            async with RedLock(cache, "key", lease=PATIENCE):
                if await cache.get("key") is None:
                    await asyncio.sleep(0.02)
                    calls.append(1)
                    await cache.set("key", "made")

        await asyncio.gather(*(compute() for _ in range(5)))
        assert calls == [1]
        async with OptimisticLock(cache, "key") as lock:
            await lock.cas("changed")
        with raises(OptimisticLockError):
            async with OptimisticLock(cache, "key") as lock:
                await cache.set("key", "by another")
                await lock.cas("lost")
        assert await cache.get("key") == "by another"


@check
async def clear() -> None:
    async with connected(namespace="space:") as cache:
        client().set("other", 1)
        await cache.set("k", 1)
        await cache.clear(namespace="space:")
        assert client().keys() == [b"other"]


if __name__ == "__main__":
    asyncio.run(report_async("aiocache"))
