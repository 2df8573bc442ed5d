#!/usr/bin/env python3
"""Collections: the time of a call at 10^4, 10^5 and 10^6 elements, the memory of an element, and the cost of packing.

See README.md in this folder.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchlib.access import Latencies, measure_first_access, measure_mixed
from benchlib.client import Connection, Refused, packed
from benchlib.collections import (
    FILLS,
    Command,
    Fill,
    fill_hash,
    fill_list,
    fill_set,
    fill_stream,
    fill_zset,
    member,
)
from benchlib.footprint import Found, footprint_table, measure_kinds
from benchlib.report import ratio, table
from benchlib.servers import Subject, real_redis, running, subjects

SIZES = (10_000, 100_000, 1_000_000)
BATCH = 50
PARTS = ("calls", "memory", "first", "mixed")


def fill_two_sets(key: str, count: int) -> Iterator[Command]:
    """Creates two sets that share half of their members."""
    yield from fill_set(key, count)
    yield from fill_set("other", count, count // 2)


Call = Callable[[int, int], Command]
# name -> (fill, the n-th call on a collection of `size`, how often it is called)
CALLS: dict[str, tuple[Fill, Call, int]] = {
    "ZADD (new member)": (
        fill_zset,
        lambda size, n: ("ZADD", "big", random.random() * size, f"new:{n}"),
        500,
    ),
    "ZADD (new score)": (
        fill_zset,
        lambda size, n: ("ZADD", "big", random.random() * size, member(random.randrange(size))),
        500,
    ),
    "ZRANK": (fill_zset, lambda size, n: ("ZRANK", "big", member(random.randrange(size))), 500),
    "ZRANGE BYSCORE, 10 of the middle": (
        fill_zset,
        lambda size, n: ("ZRANGE", "big", size // 2, "+inf", "BYSCORE", "LIMIT", 0, 10),
        500,
    ),
    "ZRANGE by rank, 10 of the middle": (
        fill_zset,
        lambda size, n: ("ZRANGE", "big", size // 2, size // 2 + 9),
        500,
    ),
    "SPOP": (fill_set, lambda size, n: ("SPOP", "big"), 500),
    "SRANDMEMBER": (fill_set, lambda size, n: ("SRANDMEMBER", "big"), 500),
    "HGETALL": (fill_hash, lambda size, n: ("HGETALL", "big"), 3),
    "HSCAN, a step": (fill_hash, lambda size, n: ("HSCAN", "big", 0), 200),
    "LRANGE, 100 of the middle": (
        fill_list,
        lambda size, n: ("LRANGE", "big", size // 2, size // 2 + 99),
        300,
    ),
    "LINDEX of the middle": (fill_list, lambda size, n: ("LINDEX", "big", size // 2), 300),
    "LPUSH": (fill_list, lambda size, n: ("LPUSH", "big", "new"), 500),
    "XADD MAXLEN ~": (
        fill_stream,
        lambda size, n: ("XADD", "big", "MAXLEN", "~", size, "*", "field", "value"),
        500,
    ),
    "XRANGE, 10 of the middle": (
        fill_stream,
        lambda size, n: ("XRANGE", "big", size // 2, "+", "COUNT", 10),
        300,
    ),
    "SINTER of two": (fill_two_sets, lambda size, n: ("SINTER", "big", "other"), 3),
    "SINTERCARD of two, LIMIT 10": (
        fill_two_sets,
        lambda size, n: ("SINTERCARD", 2, "big", "other", "LIMIT", 10),
        200,
    ),
}


def time_calls(connection: Connection, call: Call, size: int, times: int) -> float:
    """Returns the median time of a call (µs). Fast calls are sent in batches to reduce the overhead."""
    connection.call(*call(size, times))  # raises if the server lacks the command
    batch = BATCH if times > BATCH else 1
    found = []
    for first in range(0, times, batch):
        commands = [packed(*call(size, number)) for number in range(first, first + batch)]
        began = time.perf_counter()
        connection.drain(commands)
        found.append((time.perf_counter() - began) / batch)
    return statistics.median(found) * 1e6


def measure_calls(subject: Subject, sizes: Sequence[int], wanted: Sequence[str]) -> dict[str, list[float | None]]:
    """Returns {call: [µs for each size]}. Calls that need the same data share it."""
    results: dict[str, list[float | None]] = {name: [] for name in wanted}
    with running(subject) as server, server.connect() as connection:
        for size in sizes:
            current = None
            for name in sorted(wanted, key=lambda name: CALLS[name][0].__name__):
                fill, call, times = CALLS[name]
                try:
                    if fill is not current:
                        connection.call("FLUSHALL")
                        connection.fill(fill("big", size), batch=20)
                        current = fill
                    results[name].append(time_calls(connection, call, size, times))
                except Refused as error:
                    progress(f"{subject.name} {name}: {error}")
                    results[name].append(None)
            progress(f"{subject.name}: {size:,} done")
    return results


def show_calls(results: dict[str, dict[str, list[float | None]]], sizes: Sequence[int], real: str) -> None:
    for name in results[real]:
        rows = []
        for server, found in results.items():
            times = found[name]
            growth = ratio(times[-1], times[0])
            rows.append([server, *times, growth, ratio(times[-1], results[real][name][-1])])
        print(f"\n{name} (µs a call)\n")
        print(table(["", *(f"{size:,}" for size in sizes), "growth", "to redis"], rows))


def show_memory(results: Found, total: int, real: str) -> None:
    for place, where in enumerate(("one collection", "collections of a hundred")):
        print(f"\nResident bytes an element, {total:,} elements in {where}\n")
        print(footprint_table(results, place, real))


def show_first(results: dict[str, dict[str, dict[str, Latencies]]]) -> None:
    head = ["", *(f"{which} {share}" for which in ("first", "second") for share in ("p50", "p99", "p99.9"))]
    rows = [
        [f"{name} {server}", *found["first"].values(), *found["second"].values()]
        for server, commands in results.items()
        for name, found in commands.items()
    ]
    print("\nTime of the server (µs) for the first and the second call on a collection of a hundred\n")
    print(table(head, sorted(rows)))


def show_mixed(results: dict[str, dict[str, Latencies]]) -> None:
    rows = []
    for server, found in results.items():
        for which in ("off", "on"):
            shares = [found[which][share] for share in ("p50", "p99", "p99.9")]
            rows.append([f"{server}, packing {which}", *shares, int(found[which].get("packed", 0))])
    print("\nMixed load (µs a call)\n")
    print(table(["", "p50", "p99", "p99.9", "packed values"], rows))


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare large collections with redis-server.")
    add = parser.add_argument
    add("--python", metavar="PATH", help="the CPython to measure (the one running this)")
    add("--pypy", metavar="PATH", help="the PyPy to measure ($PYPY, or a pypy3 for 3.11 if there is one)")
    add("--subject", action="append", default=[], metavar="[NAME=]COMMAND", help="measure this server instead")
    add("--redis", metavar="PATH", help="redis-server (the conformance tests' build, or PATH)")
    add("--quick", action="store_true", help="up to 100,000 elements")
    add("--calls", metavar="TEXT", help="only calls whose name contains this")
    add("--only", choices=PARTS, help="only this part")
    add("--kind", action="append", choices=list(FILLS), help="only the memory of this kind of collection")
    add("--elements", type=int, metavar="N", help="number of elements for the memory (1,000,000; quick: 100,000)")
    add("--idle-seconds", type=int, default=2, metavar="N", help="pack what nobody used for N seconds (2)")
    add("--seconds", type=float, default=5, metavar="N", help="duration of a turn of the mixed load (5)")
    add("--json", type=Path, metavar="FILE", help="write all measurements to this file")
    return parser


def main() -> int:
    options = parser().parse_args()
    real = real_redis(options.redis)
    everything = [real, *subjects(options.subject, options.python, options.pypy)]
    sizes = SIZES[:2] if options.quick else SIZES
    results: dict[str, Any] = {"sizes": sizes}
    wanted = [options.only] if options.only else ["calls"] if options.calls else PARTS
    if "calls" in wanted:
        calls = [name for name in CALLS if (options.calls or "").lower() in name.lower()]
        results["calls_us"] = {s.name: measure_calls(s, sizes, calls) for s in everything}
        show_calls(results["calls_us"], sizes, real.name)
    total = options.elements or sizes[-1]
    if "memory" in wanted:
        kinds = options.kind or list(FILLS)
        found = {s.name: measure_kinds(s, total, options.idle_seconds, kinds, progress) for s in everything}
        results["bytes_an_element"] = {
            name: {kind: [some and some._asdict() for some in sizes] for kind, sizes in kinds.items()}
            for name, kinds in found.items()
        }
        show_memory(found, total, real.name)
    if "first" in wanted:
        results["first_access_us"] = {
            s.name: measure_first_access(s, total // 500, options.idle_seconds) for s in everything
        }
        show_first(results["first_access_us"])
    if "mixed" in wanted:
        results["mixed_us"] = {
            s.name: measure_mixed(s, total // 500, options.seconds, 3, options.idle_seconds) for s in everything
        }
        show_mixed(results["mixed_us"])
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
