#!/usr/bin/env python3
"""Large collections: the time of a call at 10^4, 10^5 and 10^6 elements, and the memory of an element.

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

from benchlib.client import Argument, Connection, Refused, packed
from benchlib.report import ratio, table
from benchlib.servers import Subject, real_redis, running, subjects

SIZES = (10_000, 100_000, 1_000_000)
CHUNK = 500
BATCH = 50
Command = Sequence[Argument]


def member(number: int) -> bytes:
    return b"element:%09d" % number


def fill_zset(key: str, count: int) -> Iterator[Command]:
    for first in range(0, count, CHUNK):
        # 7919 is coprime to every size, so each score occurs once, in an unsorted order.
        numbers = ((number * 7919 % count, member(number)) for number in range(first, min(first + CHUNK, count)))
        yield ("ZADD", key, *(part for pair in numbers for part in pair))


def fill_set(key: str, count: int, start: int = 0) -> Iterator[Command]:
    for first in range(start, start + count, CHUNK):
        yield ("SADD", key, *map(member, range(first, min(first + CHUNK, start + count))))


def fill_hash(key: str, count: int) -> Iterator[Command]:
    for first in range(0, count, CHUNK):
        numbers = range(first, min(first + CHUNK, count))
        yield (
            "HSET",
            key,
            *(part for number in numbers for part in (member(number), b"value:%06d" % number)),
        )


def fill_list(key: str, count: int) -> Iterator[Command]:
    for first in range(0, count, CHUNK):
        yield ("RPUSH", key, *map(member, range(first, min(first + CHUNK, count))))


def fill_stream(key: str, count: int) -> Iterator[Command]:
    for number in range(1, count + 1):
        yield "XADD", key, f"{number}-1", "field", b"value:%06d" % number


FILLS: dict[str, Callable[[str, int], Iterator[Command]]] = {
    "hash": fill_hash,
    "set": fill_set,
    "zset": fill_zset,
    "list": fill_list,
    "stream": fill_stream,
}


def fill_two_sets(key: str, count: int) -> Iterator[Command]:
    """Creates two sets that share half of their members."""
    yield from fill_set(key, count)
    yield from fill_set("other", count, count // 2)


Call = Callable[[int, int], Command]
# name -> (fill, the n-th call on a collection of `size`, how often it is called)
CALLS: dict[str, tuple[Callable[[str, int], Iterator[Command]], Call, int]] = {
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


def measure_element(subject: Subject, kind: str, collections: int, size: int) -> float | None:
    """Returns resident bytes per element for `collections` collections of `size`, in a new server."""
    fill = FILLS[kind]
    with running(subject) as server, server.connect() as connection:
        try:
            connection.call("PING")
            before = server.resident_bytes()
            for number in range(collections):
                connection.fill(fill(f"key:{number}", size), batch=20 if size > 1000 else 100)
        except Refused as error:
            progress(f"{subject.name} {kind}: {error}")
            return None
        time.sleep(0.5)
        return (server.resident_bytes() - before) / (collections * size)


def show_calls(results: dict[str, dict[str, list[float | None]]], sizes: Sequence[int], real: str) -> None:
    for name in results[real]:
        rows = []
        for server, found in results.items():
            times = found[name]
            growth = ratio(times[-1], times[0])
            rows.append([server, *times, growth, ratio(times[-1], results[real][name][-1])])
        print(f"\n{name} (µs a call)\n")
        print(table(["", *(f"{size:,}" for size in sizes), "growth", "to redis"], rows))


def show_memory(results: dict[str, dict[str, list[float | None]]], total: int, real: str) -> None:
    rows = []
    for kind in FILLS:
        for server, found in results.items():
            one, many = found[kind]
            base = results[real][kind]
            rows.append([f"{kind} {server}", one, ratio(one, base[0]), many, ratio(many, base[1])])
    print(f"\nResident bytes an element, {total:,} elements\n")
    print(table(["", "in one", "ratio", "in hundreds", "ratio"], rows))


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
    add("--only", choices=("calls", "memory"), help="only this part")
    add("--json", type=Path, metavar="FILE", help="write all measurements to this file")
    return parser


def main() -> int:
    options = parser().parse_args()
    real = real_redis(options.redis)
    everything = [real, *subjects(options.subject, options.python, options.pypy)]
    sizes = SIZES[:2] if options.quick else SIZES
    results: dict[str, Any] = {"sizes": sizes}
    if options.only != "memory":
        wanted = [name for name in CALLS if (options.calls or "").lower() in name.lower()]
        results["calls_us"] = {s.name: measure_calls(s, sizes, wanted) for s in everything}
        show_calls(results["calls_us"], sizes, real.name)
    if options.only != "calls" and not options.calls:
        total = sizes[-1]
        results["bytes_an_element"] = {
            subject.name: {
                kind: [
                    measure_element(subject, kind, 1, total),
                    measure_element(subject, kind, total // 100, 100),
                ]
                for kind in FILLS
            }
            for subject in everything
        }
        show_memory(results["bytes_an_element"], total, real.name)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
