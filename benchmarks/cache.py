#!/usr/bin/env python3
"""A cache with a limit: hit rate and memory of allkeys-lru and allkeys-lfu under a load that follows Zipf's law.

See README.md in this folder.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from benchlib.client import Connection, packed
from benchlib.report import table
from benchlib.servers import Server, Subject, real_redis, running, subjects

POLICIES = ("allkeys-lru", "allkeys-lfu", "allkeys-random")
BATCH = 50
MB = 1 << 20


class Load:
    """Key numbers, the most popular first, and the popularity of each."""

    def __init__(self, keys: int, exponent: float) -> None:
        self.keys = keys
        self.cumulative = list(accumulate((number + 1) ** -exponent for number in range(keys)))

    def draw(self, rng: random.Random, count: int) -> list[int]:
        return rng.choices(range(self.keys), cum_weights=self.cumulative, k=count)

    def best(self, held: int) -> float:
        """Returns the hit rate of a cache that holds exactly the ``held`` most popular keys."""
        return self.cumulative[min(held, self.keys) - 1] / self.cumulative[-1] if held else 0.0


def key_of(number: int) -> bytes:
    # The names must not follow the order of popularity.
    return b"key:%08d" % (number * 7919 % 100_000_007)


def value_of(number: int, size: int) -> bytes:
    return b"%d" % number * (size // len(str(number)))


def figures(connection: Connection) -> dict[str, str]:
    lines = connection.call("INFO", "memory", "stats", "keyspace").decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


def serve(connection: Connection, load: Load, requests: int, size: int, rng: random.Random) -> tuple[int, int]:
    """Requests keys and stores those that are missing, like a program with a cache. Returns hits and peak memory."""
    hits = most = 0
    for number in range(0, requests, BATCH):
        wanted = load.draw(rng, BATCH)
        connection.socket.sendall(b"".join(packed("GET", key_of(one)) for one in wanted))
        found = [connection.reply() is not None for _ in wanted]
        hits += sum(found)
        missing = {one for one, there in zip(wanted, found, strict=True) if not there}
        connection.exchange([packed("SET", key_of(one), value_of(one, size)) for one in missing])
        if not number // BATCH % 200:
            most = max(most, int(figures(connection)["used_memory"]))
    return hits, most


def measure(subject: Subject, policy: str, options: argparse.Namespace, load: Load) -> dict[str, Any]:
    limit = options.megabytes * MB
    rng = random.Random(policy)
    with running(subject, "--maxmemory", str(limit), "--maxmemory-policy", policy) as server:
        server_: Server = server
        empty = server_.resident_bytes()
        with server_.connect() as connection:
            serve(connection, load, options.requests // 2, options.size, rng)  # until the cache is full and stable
            began = time.perf_counter()
            hits, most = serve(connection, load, options.requests, options.size, rng)
            seconds = time.perf_counter() - began
            info = figures(connection)
        held = int(info["db0"].split(",")[0].removeprefix("keys="))
        return {
            "hit rate": hits / options.requests,
            "keys": held,
            "best": load.best(held),
            "used": int(info["used_memory"]) / limit,
            "most used": most / limit,
            "resident growth": (server_.resident_bytes() - empty) / limit,
            "evicted": int(info["evicted_keys"]),
            "requests a second": options.requests / seconds,
        }


def show(results: dict[str, dict[str, dict[str, Any]]]) -> None:
    head = ["policy", "server", "hit rate", "best", "keys", "used", "most", "resident", "evicted", "requests/s"]
    rows: list[Sequence[object]] = [
        [
            policy,
            name,
            f"{found['hit rate']:.1%}",
            f"{found['best']:.1%}",
            found["keys"],
            f"{found['used']:.1%}",
            f"{found['most used']:.1%}",
            f"{found['resident growth']:.1%}",
            found["evicted"],
            f"{found['requests a second']:.0f}",
        ]
        for policy, of_policy in results.items()
        for name, found in of_policy.items()
    ]
    print(table(head, rows))


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--redis", help="path of redis-server")
    options.add_argument("--python", help="the CPython to measure (default: this one)")
    options.add_argument("--pypy", help="the PyPy to measure")
    options.add_argument("--subject", action="append", default=[], metavar="NAME=COMMAND")
    options.add_argument("--policies", default=",".join(POLICIES[:2]), help="separated by commas")
    options.add_argument("--megabytes", type=int, default=20, help="maxmemory (default: 20)")
    options.add_argument("--keys", type=int, default=300_000, help="different keys (default: 300,000)")
    options.add_argument("--size", type=int, default=500, help="bytes of a value (default: 500)")
    options.add_argument("--exponent", type=float, default=1.0, help="exponent of Zipf's law (default: 1)")
    options.add_argument(
        "--requests", type=int, default=400_000, help="requests that count; half as many run before them"
    )
    options.add_argument("--json", type=Path, help="write the results here")
    return options


def main() -> int:
    options = parser().parse_args()
    load = Load(options.keys, options.exponent)
    everything = [real_redis(options.redis), *subjects(options.subject, options.python, options.pypy)]
    results = {
        policy: {subject.name: measure(subject, policy, options, load) for subject in everything}
        for policy in options.policies.split(",")
    }
    show(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
