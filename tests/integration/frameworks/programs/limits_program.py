"""limits: each strategy with its scripts, as Flask-Limiter and slowapi use them."""

from __future__ import annotations

import asyncio

from checks import check, report
from limits import RateLimitItem, parse, strategies
from limits.aio.storage import RedisStorage as AsyncStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import RedisStorage, storage_from_string
from place import FAKE, async_arguments, client, pool, url
from redis.asyncio import ConnectionPool as AsyncPool

storage = RedisStorage("redis://", connection_pool=pool()) if FAKE else storage_from_string(url())


def tried(limiter: strategies.RateLimiter, item: RateLimitItem, who: str) -> list[bool]:
    assert limiter.test(item, who)
    found = [limiter.hit(item, who) for _ in range(4)]
    assert not limiter.test(item, who)
    remaining = limiter.get_window_stats(item, who)
    assert remaining.remaining == 0 and remaining.reset_time > 0
    limiter.clear(item, who)
    assert limiter.hit(item, who)
    return found


@check
def fixed_window() -> None:
    item = parse("3/hour")
    assert tried(strategies.FixedWindowRateLimiter(storage), item, "ada") == [True, True, True, False]
    assert 0 < client().ttl(f"LIMITS:{item.key_for('ada')}") <= 3600


@check
def moving_window() -> None:
    assert tried(strategies.MovingWindowRateLimiter(storage), parse("3/day"), "bob") == [True, True, True, False]


@check
def sliding_window_counter() -> None:
    limiter = strategies.SlidingWindowCounterRateLimiter(storage)
    assert tried(limiter, parse("3/month"), "eve") == [True, True, True, False]


@check
def several_servers_of_one_application() -> None:
    item = parse("100/day")
    limiters = [strategies.MovingWindowRateLimiter(storage), strategies.MovingWindowRateLimiter(storage)]
    assert [limiters[number % 2].hit(item, "both") for number in range(110)].count(True) == 100


@check
def asynchronous() -> None:
    async def main() -> None:
        given = {"connection_pool": AsyncPool(**async_arguments())} if FAKE else {}
        limiter = MovingWindowRateLimiter(AsyncStorage("async+" + url(), implementation="redispy", **given))
        hits = await asyncio.gather(*(limiter.hit(parse("5/day"), "async") for _ in range(8)))
        assert sorted(hits) == [False] * 3 + [True] * 5

    asyncio.run(main())


@check
def reset() -> None:
    assert storage.check()
    client().set("other", 1)
    assert (storage.reset() or 0) > 0
    assert client().keys("LIMITS*") == [] and client().exists("other")


if __name__ == "__main__":
    report("limits")
