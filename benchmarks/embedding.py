#!/usr/bin/env python3
"""The server inside a program: start, SET and GET, compared with fakeredis and redis-server. See README.md."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import redis
from benchlib.report import table
from benchlib.servers import real_redis, running

from twisted_redis.fake import FakeRedis
from twisted_redis.library.running import running_server
from twisted_redis.library.service import RedisService
from twisted_redis.library.thread import new_reactor

try:
    import fakeredis
except ImportError:
    fakeredis = None

#: The number of calls in a batch that is timed as a whole.
BATCH = 100


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Measure the server inside a program, compared with fakeredis and redis-server."
    )
    add = parser.add_argument
    add("--redis", metavar="PATH", help="redis-server (the conformance tests' build, or PATH)")
    add("--seconds", type=float, default=0.3, metavar="S", help="length of a run (0.3)")
    add("--rounds", type=int, default=7, metavar="N", help="alternating rounds, the median counts (7)")
    return parser


def service() -> RedisService:
    """A server for this thread only. Without a socket, its reactor does not have to run."""
    made = RedisService(endpoints=(), reactor=new_reactor())
    made.startService()
    return made


@contextmanager
def embedded() -> Iterator[object]:
    made = service()
    yield made.client()
    made.stopService()


@contextmanager
def over_a_socket(process: bool) -> Iterator[object]:
    with running_server(process=process) as server, redis.Redis(port=server.port) as client:
        client.ping()
        yield client


@contextmanager
def real(path: str | None) -> Iterator[object]:
    with running(real_redis(path)) as server, redis.Redis(port=server.port) as client:
        client.ping()
        yield client


@contextmanager
def fake() -> Iterator[object]:
    with fakeredis.FakeRedis() as client:
        client.ping()
        yield client


@contextmanager
def our_fake() -> Iterator[object]:
    with FakeRedis() as client:
        client.ping()
        yield client


def microseconds(call: Callable[[], object], seconds: float) -> float:
    """Returns the time of one call, from the median of batches."""
    batches = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        for _ in range(BATCH):
            call()
        batches.append(time.perf_counter() - began)
    return statistics.median(batches) / BATCH * 1e6


def main() -> None:
    options = parser().parse_args()
    subjects: dict[str, Callable[[], object]] = {
        "in the process: service.client()": embedded,
        "twisted_redis.fake.FakeRedis": our_fake,
        "redis-py to a server in a thread": lambda: over_a_socket(False),
        "redis-py to a server in a process": lambda: over_a_socket(True),
        "redis-py to redis-server": lambda: real(options.redis),
    }
    if fakeredis is not None:
        subjects["fakeredis.FakeRedis"] = fake
    starts: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(options.rounds + 1):
        for name, make in subjects.items():
            began = time.perf_counter()
            with make():
                starts[name].append(time.perf_counter() - began)
    figures: dict[str, dict[str, list[float]]] = {name: {"SET": [], "GET": []} for name in subjects}
    with ExitStack() as stack:
        clients = {name: stack.enter_context(make()) for name, make in subjects.items()}
        for number in range(options.rounds):
            for name, client in clients.items() if number % 2 == 0 else reversed(clients.items()):
                value = b"v" * 100
                figures[name]["SET"].append(microseconds(lambda: client.set("key", value), options.seconds))  # noqa: B023
                figures[name]["GET"].append(microseconds(lambda: client.get("key"), options.seconds))  # noqa: B023
    rows = [
        [
            name,
            # The first start of each kind also imports modules.
            statistics.median(starts[name][1:]) * 1000,
            statistics.median(figures[name]["SET"]),
            statistics.median(figures[name]["GET"]),
        ]
        for name in subjects
    ]
    print(f"\nPython {sys.version.split()[0]}, a value of 100 bytes, one client\n")
    print(table(["", "start, ms", "SET, µs", "GET, µs"], rows))
    if fakeredis is None:
        print("\nfakeredis is not installed: left out")


if __name__ == "__main__":
    main()
