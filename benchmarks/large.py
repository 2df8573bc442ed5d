#!/usr/bin/env python3
"""Single commands on very many elements: the CPU time of the server for one call, compared with redis-server.

See README.md in this folder.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchlib.client import Argument, Connection, Refused, packed
from benchlib.report import geometric_mean, ratio, table
from benchlib.servers import Server, Subject, real_redis, running, subjects

CHUNK = 500
Command = Sequence[Argument]
LATER = 4_000_000_000_000


class Case(NamedTuple):
    """One measurement: ``fill`` creates the data, ``call`` is measured, and ``again`` runs before each call."""

    fill: Callable[[], Iterator[Command]]
    call: Callable[[int], Command]
    again: Callable[[], Iterator[Command]] | None = None


def member(number: int) -> bytes:
    """Returns members of several lengths, as is typical."""
    return b"member:%d" % number


def chunks(head: Command, parts: Callable[[int], Sequence[Argument]], count: int) -> Iterator[Command]:
    for first in range(0, count, CHUNK):
        numbers = range(first, min(first + CHUNK, count))
        yield (*head, *(part for number in numbers for part in parts(number)))


def hashes(count: int, key: str = "big") -> Iterator[Command]:
    return chunks(("HSET", key), lambda number: (member(number), b"value:%d" % number), count)


def sets(count: int, key: str = "big", start: int = 0) -> Iterator[Command]:
    return chunks(("SADD", key), lambda number: (member(start + number),), count)


def zsets(count: int, key: str = "big", step: float = 1) -> Iterator[Command]:
    # 7919 is coprime to the sizes, so each score occurs once, in an unsorted order.
    return chunks(("ZADD", key), lambda number: (number * 7919 % count * step, member(number)), count)


def lists(count: int, key: str = "big") -> Iterator[Command]:
    return chunks(("RPUSH", key), lambda number: (member(number),), count)


def numbers(count: int) -> Iterator[Command]:
    return chunks(("RPUSH", "big"), lambda number: (number * 7919 % count,), count)


def streams(count: int) -> Iterator[Command]:
    for number in range(1, count + 1):
        yield "XADD", "big", f"{number}-1", "field", b"value:%d" % number


def grouped(count: int) -> Iterator[Command]:
    yield from streams(count)
    yield "XGROUP", "CREATE", "big", "group", "0"


def places(count: int) -> Iterator[Command]:
    return chunks(
        ("GEOADD", "big"),
        lambda number: (number * 7919 % 1000 / 1000, number * 31 % 1000 / 1000, member(number)),
        count,
    )


def keys(count: int) -> Iterator[Command]:
    return chunks(("MSET",), lambda number: (b"key:%d" % number, b"value:%d" % number), count)


def bits(length: int, *names: str) -> Iterator[Command]:
    block = bytes(range(256)) * 4096
    for name in names:
        for _ in range(length // len(block)):
            yield "APPEND", name, block


def zeroes(length: int) -> Iterator[Command]:
    yield "SETRANGE", "big", length - 1, b"\x01"


def two(fill: Callable[..., Iterator[Command]], count: int, **other: int) -> Iterator[Command]:
    yield from fill(count)
    yield from fill(count, "other", **other)


def members(count: int) -> list[bytes]:
    return [member(number) for number in range(count)]


N, M, L = 200_000, 300_000, 100 << 20
FIELDS = ("FIELDS", N, *members(N))
CASES: dict[str, Case] = {
    "HPEXPIREAT, 200,000 fields": Case(lambda: hashes(N), lambda n: ("HPEXPIREAT", "big", LATER + n, *FIELDS)),
    "HEXPIRE NX, 200,000 fields": Case(
        lambda: hashes(N),
        lambda n: ("HEXPIRE", "big", 10_000 + n, "NX", *FIELDS),
        lambda: iter([("HPERSIST", "big", *FIELDS)]),
    ),
    "HTTL, 200,000 fields": Case(
        lambda: iter([*hashes(N), ("HPEXPIREAT", "big", LATER, *FIELDS)]), lambda n: ("HTTL", "big", *FIELDS)
    ),
    "HTTL without times": Case(lambda: hashes(N), lambda n: ("HTTL", "big", *FIELDS)),
    "HPERSIST, 200,000 fields": Case(
        lambda: hashes(N),
        lambda n: ("HPERSIST", "big", *FIELDS),
        lambda: iter([("HPEXPIREAT", "big", LATER, *FIELDS)]),
    ),
    "HGETEX PXAT, 200,000 fields": Case(lambda: hashes(N), lambda n: ("HGETEX", "big", "PXAT", LATER + n, *FIELDS)),
    "HSETEX PXAT, 200,000 fields": Case(
        lambda: hashes(N),
        lambda n: ("HSETEX", "big", "PXAT", LATER + n, "FIELDS", N, *(part for m in members(N) for part in (m, m))),
    ),
    "HGETDEL, 200,000 fields": Case(lambda: iter([]), lambda n: ("HGETDEL", "big", *FIELDS), lambda: hashes(N)),
    "HGETALL of 300,000": Case(lambda: hashes(M), lambda n: ("HGETALL", "big")),
    "HGETALL of 200,000 with times": Case(
        lambda: iter([*hashes(N), ("HPEXPIREAT", "big", LATER, *FIELDS)]), lambda n: ("HGETALL", "big")
    ),
    "HKEYS of 300,000": Case(lambda: hashes(M), lambda n: ("HKEYS", "big")),
    "HVALS of 300,000": Case(lambda: hashes(M), lambda n: ("HVALS", "big")),
    "HMGET, 200,000 fields": Case(lambda: hashes(N), lambda n: ("HMGET", "big", *members(N))),
    "HSET, 200,000 fields": Case(
        lambda: iter([]),
        lambda n: ("HSET", "big", *(part for m in members(N) for part in (m, m))),
        lambda: iter([("DEL", "big")]),
    ),
    "HDEL, 200,000 fields": Case(lambda: iter([]), lambda n: ("HDEL", "big", *members(N)), lambda: hashes(N)),
    "HRANDFIELD 300,000 WITHVALUES": Case(lambda: hashes(M), lambda n: ("HRANDFIELD", "big", M, "WITHVALUES")),
    "HRANDFIELD -200,000": Case(lambda: hashes(M), lambda n: ("HRANDFIELD", "big", -N)),
    "HRANDFIELD 50,000 of 300,000": Case(lambda: hashes(M), lambda n: ("HRANDFIELD", "big", 50_000)),
    "HSCAN COUNT 300,000": Case(lambda: hashes(M), lambda n: ("HSCAN", "big", 0, "COUNT", M)),
    "SMEMBERS of 300,000": Case(lambda: sets(M), lambda n: ("SMEMBERS", "big")),
    "SMEMBERS of 300,000 numbers": Case(
        lambda: chunks(("SADD", "big"), lambda number: (number,), M), lambda n: ("SMEMBERS", "big")
    ),
    "SUNION of 2 × 200,000": Case(lambda: two(sets, N, start=N // 2), lambda n: ("SUNION", "big", "other")),
    "SINTER of 2 × 200,000": Case(lambda: two(sets, N, start=N // 2), lambda n: ("SINTER", "big", "other")),
    "SDIFF of 2 × 200,000": Case(lambda: two(sets, N, start=N // 2), lambda n: ("SDIFF", "big", "other")),
    "SUNIONSTORE of 2 × 200,000": Case(
        lambda: two(sets, N, start=N // 2), lambda n: ("SUNIONSTORE", "result", "big", "other")
    ),
    "SMISMEMBER, 200,000 members": Case(lambda: sets(N), lambda n: ("SMISMEMBER", "big", *members(N))),
    "SADD, 200,000 members": Case(
        lambda: iter([]), lambda n: ("SADD", "big", *members(N)), lambda: iter([("DEL", "big")])
    ),
    "SREM, 200,000 members": Case(lambda: iter([]), lambda n: ("SREM", "big", *members(N)), lambda: sets(N)),
    "SRANDMEMBER 300,000": Case(lambda: sets(M), lambda n: ("SRANDMEMBER", "big", M)),
    "SRANDMEMBER -200,000": Case(lambda: sets(M), lambda n: ("SRANDMEMBER", "big", -N)),
    "SPOP 100,000 of 200,000": Case(
        lambda: iter([]), lambda n: ("SPOP", "big", N // 2), lambda: iter([("DEL", "big"), *sets(N)])
    ),
    "SSCAN COUNT 300,000": Case(lambda: sets(M), lambda n: ("SSCAN", "big", 0, "COUNT", M)),
    "ZRANGE of 300,000": Case(lambda: zsets(M), lambda n: ("ZRANGE", "big", 0, -1)),
    "ZRANGE REV of 300,000": Case(lambda: zsets(M), lambda n: ("ZRANGE", "big", 0, -1, "REV")),
    "ZRANGE WITHSCORES of 300,000": Case(lambda: zsets(M), lambda n: ("ZRANGE", "big", 0, -1, "WITHSCORES")),
    "ZRANGE WITHSCORES, fractions": Case(
        lambda: zsets(M, step=0.001), lambda n: ("ZRANGE", "big", 0, -1, "WITHSCORES")
    ),
    "ZRANGE BYSCORE of 300,000": Case(lambda: zsets(M), lambda n: ("ZRANGE", "big", "-inf", "+inf", "BYSCORE")),
    "ZRANGEBYLEX of 300,000": Case(
        lambda: chunks(("ZADD", "big"), lambda number: (0, member(number)), M),
        lambda n: ("ZRANGEBYLEX", "big", "-", "+"),
    ),
    "ZUNION of 2 × 200,000": Case(lambda: two(zsets, N), lambda n: ("ZUNION", 2, "big", "other")),
    "ZINTER WITHSCORES of 2 × 200,000": Case(
        lambda: two(zsets, N), lambda n: ("ZINTER", 2, "big", "other", "WITHSCORES")
    ),
    "ZDIFF of 2 × 200,000": Case(lambda: two(zsets, N), lambda n: ("ZDIFF", 2, "big", "none")),
    "ZRANGESTORE of 200,000": Case(lambda: zsets(N), lambda n: ("ZRANGESTORE", "result", "big", 0, -1)),
    "ZMSCORE, 200,000 members": Case(lambda: zsets(N), lambda n: ("ZMSCORE", "big", *members(N))),
    "ZADD, 200,000 members": Case(
        lambda: iter([]),
        lambda n: ("ZADD", "big", *(part for i in range(N) for part in (i * 7919 % N, member(i)))),
        lambda: iter([("DEL", "big")]),
    ),
    "ZREM, 200,000 members": Case(lambda: iter([]), lambda n: ("ZREM", "big", *members(N)), lambda: zsets(N)),
    "ZPOPMIN 200,000": Case(lambda: iter([]), lambda n: ("ZPOPMIN", "big", N), lambda: zsets(N)),
    "ZRANDMEMBER 300,000 WITHSCORES": Case(lambda: zsets(M), lambda n: ("ZRANDMEMBER", "big", M, "WITHSCORES")),
    "ZSCAN COUNT 300,000": Case(lambda: zsets(M), lambda n: ("ZSCAN", "big", 0, "COUNT", M)),
    "LRANGE of 300,000": Case(lambda: lists(M), lambda n: ("LRANGE", "big", 0, -1)),
    "LRANGE of 300,000 numbers": Case(lambda: numbers(M), lambda n: ("LRANGE", "big", 0, -1)),
    "RPUSH, 200,000 elements": Case(
        lambda: iter([]), lambda n: ("RPUSH", "big", *members(N)), lambda: iter([("DEL", "big")])
    ),
    "LPOP 200,000": Case(lambda: iter([]), lambda n: ("LPOP", "big", N), lambda: lists(N)),
    "LPOS COUNT 0 in 300,000": Case(lambda: lists(M), lambda n: ("LPOS", "big", "member:299999", "COUNT", 0)),
    "LREM in 300,000": Case(lambda: lists(M), lambda n: ("LREM", "big", 0, "none")),
    "SORT of 200,000 numbers": Case(lambda: numbers(N), lambda n: ("SORT", "big")),
    "SORT ALPHA of 200,000": Case(lambda: lists(N), lambda n: ("SORT", "big", "ALPHA")),
    "SORT BY nosort GET # of 200,000": Case(lambda: lists(N), lambda n: ("SORT", "big", "BY", "nosort", "GET", "#")),
    "SORT BY key:* GET key:* of 100,000": Case(
        lambda: iter([*keys(100_000), *numbers(100_000)]),
        lambda n: ("SORT", "big", "BY", "key:*", "ALPHA", "GET", "key:*"),
    ),
    "XRANGE of 200,000": Case(lambda: streams(N), lambda n: ("XRANGE", "big", "-", "+")),
    "XREVRANGE of 200,000": Case(lambda: streams(N), lambda n: ("XREVRANGE", "big", "+", "-")),
    "XREAD of 200,000": Case(lambda: streams(N), lambda n: ("XREAD", "STREAMS", "big", "0")),
    "XREADGROUP of 100,000": Case(
        lambda: grouped(N // 2),
        lambda n: ("XREADGROUP", "GROUP", "group", f"c{n}", "STREAMS", "big", ">"),
        lambda: iter([("XGROUP", "DESTROY", "big", "group"), ("XGROUP", "CREATE", "big", "group", "0")]),
    ),
    "XPENDING of 100,000": Case(
        lambda: iter([*grouped(N // 2), ("XREADGROUP", "GROUP", "group", "c", "STREAMS", "big", ">")]),
        lambda n: ("XPENDING", "big", "group", "-", "+", N),
    ),
    "XACK, 100,000 entries": Case(
        lambda: grouped(N // 2),
        lambda n: ("XACK", "big", "group", *(f"{number}-1" for number in range(1, N // 2 + 1))),
        lambda: iter(
            [
                ("XGROUP", "DESTROY", "big", "group"),
                ("XGROUP", "CREATE", "big", "group", "0"),
                ("XREADGROUP", "GROUP", "group", "c", "STREAMS", "big", ">"),
            ]
        ),
    ),
    "XDEL, 100,000 entries": Case(
        lambda: iter([]),
        lambda n: ("XDEL", "big", *(f"{number}-1" for number in range(1, N // 2 + 1))),
        lambda: iter([("DEL", "big"), *streams(N // 2)]),
    ),
    "GEOSEARCH of 100,000": Case(
        lambda: places(N // 2),
        lambda n: ("GEOSEARCH", "big", "FROMLONLAT", 0.5, 0.5, "BYRADIUS", 500, "km"),
    ),
    "GEOPOS, 100,000 members": Case(lambda: places(N // 2), lambda n: ("GEOPOS", "big", *members(N // 2))),
    "BITCOUNT of 100 MB": Case(lambda: bits(L, "big"), lambda n: ("BITCOUNT", "big")),
    "BITCOUNT of 100 MB, a part": Case(lambda: bits(L, "big"), lambda n: ("BITCOUNT", "big", 3, -3)),
    "BITCOUNT of 100 MB, bits": Case(lambda: bits(L, "big"), lambda n: ("BITCOUNT", "big", 3, -3, "BIT")),
    "BITPOS in 100 MB": Case(lambda: zeroes(L), lambda n: ("BITPOS", "big", 1)),
    "BITOP AND of 2 × 100 MB": Case(
        lambda: bits(L, "big", "other"), lambda n: ("BITOP", "AND", "result", "big", "other")
    ),
    "BITOP XOR of 2 × 100 MB": Case(
        lambda: bits(L, "big", "other"), lambda n: ("BITOP", "XOR", "result", "big", "other")
    ),
    "BITOP NOT of 100 MB": Case(lambda: bits(L, "big"), lambda n: ("BITOP", "NOT", "result", "big")),
    "GET of 100 MB": Case(lambda: bits(L, "big"), lambda n: ("GET", "big")),
    "MGET, 200,000 keys": Case(lambda: keys(N), lambda n: ("MGET", *(b"key:%d" % number for number in range(N)))),
    "MSET, 200,000 keys": Case(
        lambda: keys(N), lambda n: ("MSET", *(b"key:%d" % number for number in range(N) for _ in "kv"))
    ),
    "EXISTS, 200,000 keys": Case(lambda: keys(N), lambda n: ("EXISTS", *(b"key:%d" % number for number in range(N)))),
    "DEL, 200,000 keys": Case(
        lambda: iter([]), lambda n: ("DEL", *(b"key:%d" % number for number in range(N))), lambda: keys(N)
    ),
    "KEYS of 330,000": Case(lambda: keys(330_000), lambda n: ("KEYS", "*")),
    "KEYS pattern of 330,000": Case(lambda: keys(330_000), lambda n: ("KEYS", "key:*9")),
    "SCAN COUNT 330,000": Case(lambda: keys(330_000), lambda n: ("SCAN", 0, "COUNT", 330_000)),
    "INFO with 330,000 keys": Case(lambda: keys(330_000), lambda n: ("INFO",)),
    "INFO everything with 330,000 keys": Case(lambda: keys(330_000), lambda n: ("INFO", "everything")),
    "DUMP of 300,000 fields": Case(lambda: hashes(M), lambda n: ("DUMP", "big")),
    "COPY of 300,000 fields": Case(lambda: hashes(M), lambda n: ("COPY", "big", f"copy{n}")),
}


def measure(server: Server, connection: Connection, case: Case, rounds: int) -> float:
    """Returns the median CPU time of the server for one call (ms)."""
    connection.call("FLUSHALL")
    connection.fill(case.fill(), batch=20)
    found = []
    for number in range(rounds):
        if case.again is not None:
            connection.fill(case.again(), batch=20)
        request = packed(*case.call(number))
        connection.call("PING")
        before = server.cpu_times()
        connection.drain([request])
        found.append(server.cpu_since(before) * 1e3)
    return statistics.median(found)


def measure_all(subject: Subject, wanted: Sequence[str], rounds: int) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    with running(subject, "--enable-debug-command", "yes") as server:
        for name in wanted:
            with server.connect() as connection:
                try:
                    found[name] = measure(server, connection, CASES[name], rounds)
                except Refused as error:
                    print(f"{subject.name} {name}: {error}", file=sys.stderr)
                    found[name] = None
    print(f"{subject.name} done", file=sys.stderr, flush=True)
    return found


def show(results: dict[str, dict[str, float | None]], real: str) -> None:
    """Returns a table of times (ms), and of their ratios to redis-server."""
    others = [name for name in results if name != real]
    rows: list[list[object]] = []
    for call, base in results[real].items():
        rows.append([call, base])
        for name in others:
            rows[-1] += [results[name][call], ratio(results[name][call], base)]
    means: list[object] = ["geometric mean", None]
    for name in others:
        means += [None, geometric_mean(ratio(results[name][call], base) for call, base in results[real].items())]
    head = ["ms of CPU a call", real, *(part for name in others for part in (name, "ratio"))]
    print(table(head, [*rows, means]))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="CPU time of large single commands, compared with redis-server.")
    add = parser.add_argument
    add("--python", metavar="PATH", help="the CPython to measure (the one running this)")
    add("--pypy", metavar="PATH", help="the PyPy to measure ($PYPY, or a pypy3 for 3.11 if there is one)")
    add("--subject", action="append", default=[], metavar="[NAME=]COMMAND", help="measure this server instead")
    add("--redis", metavar="PATH", help="redis-server (the conformance tests' build, or PATH)")
    add("--calls", metavar="TEXT", action="append", help="only calls whose name contains this")
    add("--rounds", type=int, default=5, metavar="N", help="measurements per call (5)")
    add("--json", type=Path, metavar="FILE", help="write all measurements to this file")
    return parser


def main() -> int:
    options = parser().parse_args()
    real = real_redis(options.redis)
    everything = [real, *subjects(options.subject, options.python, options.pypy)]
    texts = [text.lower() for text in options.calls or [""]]
    wanted = [name for name in CASES if any(text in name.lower() for text in texts)]
    results = {subject.name: measure_all(subject, wanted, options.rounds) for subject in everything}
    show(results, real.name)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
