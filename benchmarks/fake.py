"""The CPU time of calls and of new clients: twisted_redis.fake, or fakeredis if its name is given.

    python benchmarks/fake.py
    python benchmarks/fake.py fakeredis

The figures are microseconds, the best of several rounds.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from importlib import import_module

CALLS = 2000
ROUNDS = 7

fake = import_module(sys.argv[1] if len(sys.argv) > 1 else "twisted_redis.fake")


def best(function: Callable[[], object], calls: int, rounds: int = ROUNDS) -> float:
    """Returns the least CPU time of a call (us) in any round."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        function()
        times.append(time.process_time() - began)
    return min(times) / calls * 1e6


def show(what: str, microseconds: float) -> None:
    print(f"{what:40} {microseconds:8.1f}")


def repeated(function: Callable[[], object]) -> Callable[[], None]:
    """Returns a function that calls ``function`` many times."""

    def run() -> None:
        for _ in range(CALLS):
            function()

    return run


def pipelines() -> None:
    for _ in range(CALLS // 100):
        with client.pipeline(transaction=False) as pipe:
            for _ in range(100):
                pipe.get("a")
            pipe.execute()


async def asynchronous() -> float:
    other = fake.FakeAsyncRedis()
    await other.set("a", "b")
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            await other.get("a")
        times.append(time.process_time() - began)
    return min(times) / CALLS * 1e6


client = fake.FakeRedis()
client.set("a", "b")
show("GET", best(repeated(lambda: client.get("a")), CALLS))
show("SET", best(repeated(lambda: client.set("a", "b")), CALLS))
show("a GET in a pipeline of 100", best(pipelines, CALLS))
show("GET in asyncio", asyncio.run(asynchronous()))
show("a new client with its own server", best(fake.FakeRedis, 1, 30))
show("the same and its first call", best(lambda: fake.FakeRedis().set("a", "b"), 1, 30))
