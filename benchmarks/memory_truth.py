#!/usr/bin/env python3
"""Whether `used_memory` tells the truth: what the server says that its data takes, against what its process grew by.

See README.md in this folder.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from benchlib.client import Argument, Connection, Refused
from benchlib.footprint import info
from benchlib.report import table
from benchlib.servers import Server, Subject, running, subjects

Command = Sequence[Argument]

#: The server walks through its keys in the background, at most once in two seconds.
PAUSE = 2.5

#: Seconds after which a server that still changes its mind about its memory is taken at its word.
PATIENCE = 20


def key(number: int) -> bytes:
    return b"key:%08d" % number


def strings(size: int) -> Callable[[int], Iterator[Command]]:
    """Returns what makes strings of `size` bytes, so many that they hold `elements` times 20 bytes."""
    return lambda elements: (
        ("SET", key(number), b"%0*d" % (size, number)) for number in range(elements * 20 // (size + 20))
    )


def small_integers(elements: int) -> Iterator[Command]:
    return (("INCRBY", key(number), number % 9999) for number in range(elements))


def expiring(longest: int, *, later: bool) -> Callable[[int], Iterator[Command]]:
    """Returns what makes strings with a TTL of up to `longest` ms, given by SET or `later` by PEXPIRE."""

    def commands(elements: int) -> Iterator[Command]:
        rng = random.Random(1)
        for number in range(elements):
            ttl = rng.randrange(longest // 2, longest)
            if later:
                yield "SET", key(number), b"value"
                yield "PEXPIRE", key(number), ttl
            else:
                yield "SET", key(number), b"value", "PX", ttl

    return commands


def collections(
    size: int, head: str, element: Callable[[int, int], tuple[Argument, ...]]
) -> Callable[[int], Iterator[Command]]:
    """Returns what makes collections of `size` elements. `element` gets the number of the collection and of its own."""

    def commands(elements: int) -> Iterator[Command]:
        for number in range(max(1, elements // size)):
            for first in range(0, size, 500):
                places = range(first, min(size, first + 500))
                yield (head, key(number), *(part for place in places for part in element(number, place)))

    return commands


def streams(size: int) -> Callable[[int], Iterator[Command]]:
    def commands(elements: int) -> Iterator[Command]:
        for number in range(max(1, elements // size)):
            for place in range(size):
                yield "XADD", key(number), f"{place + 1}-0", "field", b"value:%d:%d" % (number, place)

    return commands


def text(number: int, place: int) -> bytes:
    return b"element:%d:%d" % (number, place)


def shared(number: int, place: int) -> bytes:
    return b"member:%d" % place


KINDS: dict[str, Callable[[int], Iterator[Command]]] = {
    "strings of 1": lambda elements: (("SET", key(number), b"x") for number in range(elements)),
    "strings of 10": strings(10),
    "strings of 100": strings(100),
    "strings of 1000": strings(1000),
    "strings of 20000": strings(20_000),
    "small integers": small_integers,
    "TTL of an hour": expiring(3_600_000, later=False),
    "TTL of days, given later": expiring(700_000_000, later=True),
}
for _size in (5, 100, 100_000):
    KINDS |= {
        f"lists of {_size}": collections(_size, "RPUSH", lambda number, place: (text(number, place),)),
        f"hashes of {_size}": collections(_size, "HSET", lambda number, place: (shared(0, place), text(number, place))),
        f"sets of {_size}": collections(_size, "SADD", lambda number, place: (text(number, place),)),
        f"intsets of {_size}": collections(_size, "SADD", lambda number, place: (number * 100_000 + place * 7,)),
        f"sorted sets of {_size}": collections(_size, "ZADD", lambda number, place: (place * 1.5, text(number, place))),
        f"streams of {_size}": streams(_size),
    }


class Truth(NamedTuple):
    """What a server said and what was so, in bytes."""

    grown: int
    said: int
    said_of_half: int
    said_of_nothing: int

    def row(self, name: str) -> list[object]:
        return [
            name,
            self.grown / 1e6,
            self.said / 1e6,
            round(self.said / max(1, self.grown), 2),
            round(self.said_of_half / max(1, self.said), 2),
            round(self.said_of_nothing / max(1, self.said), 2),
        ]


def settled(server: Server, connection: Connection, pause: float) -> tuple[int, int]:
    """Returns the memory of the process and what the server says that it uses, once both have come to rest."""
    before = -1
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        connection.call("MEMORY", "PURGE")
        said = info(connection, "used_memory")
        if abs(said - before) <= said // 1000:
            break
        before = said
        time.sleep(pause)
    return server.resident_bytes(), said


def measure(
    subject: Subject,
    commands: Callable[[int], Iterator[Command]],
    elements: int,
    pack: int,
    pause: float = PAUSE,
) -> Truth:
    """Fills a new server, removes every second key, and then everything."""
    with running(subject) as server, Connection(server.port) as connection:
        try:
            connection.call("CONFIG", "SET", "pack-idle-seconds", pack)
        except Refused:
            pass
        # What is allocated once, by the first commands, is no data.
        connection.fill(islice(commands(elements), 4))
        connection.call("FLUSHALL")
        before, said_before = settled(server, connection, pause)
        connection.fill(commands(elements))
        if pack:
            time.sleep(2 * pack + 1)
        full, said_full = settled(server, connection, pause)
        count = connection.call("DBSIZE")
        connection.fill(("DEL", key(number)) for number in range(0, count, 2))
        _, said_half = settled(server, connection, pause)
        connection.call("FLUSHALL")
        _, said_empty = settled(server, connection, pause)
    return Truth(full - before, said_full - said_before, said_half - said_before, said_empty - said_before)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="used_memory against the growth of the process.")
    add = parser.add_argument
    add("--python", metavar="PATH", help="the CPython to measure (the one running this)")
    add("--subject", action="append", default=[], metavar="[NAME=]COMMAND", help="measure this server instead")
    add("--kinds", metavar="TEXT", action="append", help="only kinds of data whose name contains this")
    add("--elements", type=int, default=200_000, metavar="N", help="elements, or keys, of each kind (200,000)")
    add("--pack", type=int, default=0, metavar="S", help="pack what is idle for so many seconds (never)")
    return parser


def main() -> int:
    options = parser().parse_args()
    subject = subjects(options.subject, options.python, None)[0]
    wanted = [name for name in KINDS if any(part in name for part in options.kinds or [""])]
    rows = []
    for name in wanted:
        rows.append(measure(subject, KINDS[name], options.elements, options.pack).row(name))
        print(*rows[-1], file=sys.stderr, flush=True)
    print(table(["", "grown MB", "said MB", "said/grown", "of half", "of nothing"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
