#!/usr/bin/env python3
"""Vector sets: CPU time of VADD and VSIM, memory, and the time of a snapshot, compared with redis-server.

See README.md in this folder.
"""

from __future__ import annotations

import argparse
import random
import statistics
import struct
import sys
import time
from collections.abc import Iterator

from benchlib.client import Connection
from benchlib.report import table
from benchlib.servers import Server, Subject, real_redis, running, subjects

BATCH = 50
DIRECTIONS = 20
"""Vectors vary in this many directions, and a little in all others, as embeddings do."""


class Vectors:
    """Random vectors, the same ones for each server."""

    def __init__(self, dimension: int) -> None:
        self._random = random.Random(1)
        self._pack = struct.Struct(f"<{dimension}f").pack
        self._directions = [[self._random.gauss(0, 1) for _ in range(dimension)] for _ in range(DIRECTIONS)]

    def one(self) -> bytes:
        """Returns the next vector as 32-bit floats."""
        first, second = self._random.sample(self._directions, 2)
        share = self._random.random()
        # Each vector lies between two directions, turned by a random amount: cheap to make, and different from others.
        turn = self._random.randrange(len(first))
        return self._pack(
            *(a * share + b + 0.2 * c for a, b, c in zip(first, second, second[turn:] + first[:turn], strict=True))
        )


def adding(vectors: Vectors, count: int, quantisation: str) -> Iterator[tuple[bytes | str | int, ...]]:
    for number in range(count):
        attribute = f'{{"n":{number}}}'
        yield "VADD", "big", "FP32", vectors.one(), b"element:%d" % number, quantisation, "SETATTR", attribute


def cpu(server: Server, client: Connection, calls: list[tuple[bytes | str | int, ...]]) -> float:
    """Returns the median CPU time (ms) of calls."""
    found = []
    for call in calls:
        before = server.cpu_times()
        client.call(*call)
        found.append(server.cpu_since(before) * 1000)
    return statistics.median(found)


def measure(subject: Subject, options: argparse.Namespace) -> dict[str, str]:
    """Returns the figures of one server as text."""
    vectors = Vectors(options.dimension)
    with running(subject, deadline=60) as server, server.connect() as client:
        empty, before = server.resident_bytes(), server.cpu_times()
        client.fill(adding(vectors, options.count, options.quantisation), BATCH)
        added = server.cpu_since(before) / options.count * 1e6
        used = server.resident_bytes() - empty
        queries = [vectors.one() for _ in range(options.rounds)]
        near = [("VSIM", "big", "FP32", query, "NOTHREAD") for query in queries]
        half, none = f".n % 2 == 0 and .n < {options.count}", ".n < 0"
        figures = {
            "VADD, us": f"{added:.0f}",
            "VSIM, ms": f"{cpu(server, client, near):.2f}",
            "with a filter, ms": f"{cpu(server, client, [(*call, 'FILTER', half) for call in near]):.2f}",
            "filter without a match, ms": f"{cpu(server, client, [(*call, 'FILTER', none) for call in near]):.2f}",
            "VREM, us": "",
            "memory, MB": f"{used / 1e6:.0f}",
        }
        removing = [("VREM", "big", b"element:%d" % number) for number in range(options.rounds)]
        figures["VREM, us"] = f"{cpu(server, client, removing) * 1000:.0f}"
        if options.save:
            began = time.perf_counter()
            client.call("SAVE")
            figures["SAVE, s"] = f"{time.perf_counter() - began:.1f}"
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="the number of vectors (%(default)s)")
    parser.add_argument("--dimension", type=int, default=768, help="the components of a vector (%(default)s)")
    parser.add_argument("--quantisation", default="Q8", choices=("Q8", "NOQUANT", "BIN"))
    parser.add_argument("--rounds", type=int, default=21, help="searches in a measurement (%(default)s)")
    parser.add_argument("--save", action="store_true", help="measure a snapshot, too")
    parser.add_argument("--without-redis", action="store_true", help="measure this project only")
    parser.add_argument("--redis", help="path of redis-server")
    parser.add_argument("--python", help="the interpreter for this project")
    parser.add_argument("--pypy", help="a PyPy to measure as well")
    parser.add_argument("--subject", action="append", default=[], help="another server: NAME=COMMAND")
    options = parser.parse_args()
    everything = subjects(options.subject, options.python, options.pypy)
    if not options.without_redis:
        everything.insert(0, real_redis(options.redis))
    results = {subject.name: measure(subject, options) for subject in everything}
    first = next(iter(results.values()))
    print(f"{options.count} vectors with {options.dimension} components, {options.quantisation}")
    print(table(["", *results], [[name, *(result[name] for result in results.values())] for name in first]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
