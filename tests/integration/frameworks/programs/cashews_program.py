"""cashews: its backend for Redis with decorators, tags, locks, rate limits and counters."""

from __future__ import annotations

import asyncio

from cashews import Cache
from cashews.exceptions import RateLimitError
from checks import check, report_async
from place import async_arguments, client, raises, url


@check
async def values() -> None:
    cache = Cache()
    cache.setup(url(3), **async_arguments())
    await cache.set("k", {"a": 1}, expire="10m")
    assert await cache.get("k") == {"a": 1} and 590 < await cache.get_expire("k") <= 600
    assert await cache.set("k", 2, exist=False) is False
    await cache.set_many({"x:1": 1, "x:2": 2})
    assert await cache.get_many("x:1", "none", "x:2") == (1, None, 2)
    assert await cache.incr("n") == 1 and await cache.incr("n", 5) == 6
    assert sorted([key async for key in cache.scan("x:*")]) == ["x:1", "x:2"]
    await cache.delete_match("x:*")
    assert await cache.get("x:1") is None and await cache.exists("k")
    await cache.close()


@check
async def decorators() -> None:
    cache = Cache()
    cache.setup(url(3), **async_arguments())
    calls: list[int] = []

    @cache(ttl="1h", key="user:{number}", tags=["users"])
    async def user(number: int) -> dict[str, int]:
        calls.append(number)
        return {"number": number}

    @cache.locked(ttl=60, key="busy")
    async def alone() -> None:
        assert client(3).keys("*busy*")

    @cache.rate_limit(limit=2, period="1h", key="few")
    async def few() -> int:
        return 1

    assert [await user(1), await user(1), await user(2)] == [{"number": 1}, {"number": 1}, {"number": 2}]
    assert calls == [1, 2]
    await cache.delete_tags("users")
    await user(1)
    assert calls == [1, 2, 1]
    await asyncio.gather(alone(), alone())
    assert [await few(), await few()] == [1, 1]
    with raises(RateLimitError):
        await few()
    await cache.close()


if __name__ == "__main__":
    asyncio.run(report_async("cashews"))
