"""Random calls of the commands on arrays, to a real Redis 8.8 and to this server.

``REDIS_8_8`` names the program. Without it the tests are skipped.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.differential.harness import running
from tests.differential.wire import Wire
from tests.support.server import Connection, Server

Call = tuple[object, ...]


@pytest.fixture(scope="module")
def real() -> Iterator[Wire]:
    program = os.environ.get("REDIS_8_8", "")
    if not program or "v=8.8" not in subprocess.run([program, "--version"], capture_output=True, text=True).stdout:
        pytest.skip("no redis-server 8.8: set REDIS_8_8")
    with ExitStack() as stack:
        wire = Wire(stack.enter_context(running("redis", [program])).port)
        stack.callback(wire.close)
        yield wire


class Calls:
    """Makes random calls.  Keys, indexes and values are few, so that they meet."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        pick = self.random.choice
        self.makers: list[Callable[[], Call]] = [
            lambda: ("ARSET", self.key(), self.index(), *self.values()),
            lambda: ("ARSET", self.key(), self.index(), *self.values()),
            lambda: ("ARMSET", self.key(), self.index(), self.value(), self.index(), self.value()),
            lambda: ("ARGET", self.key(), self.index()),
            lambda: ("ARMGET", self.key(), self.index(), self.index()),
            lambda: ("ARGETRANGE", self.key(), pick([0, 30, 4090]), pick([0, 35, 4100])),
            lambda: ("ARSCAN", self.key(), self.index(), self.index(), *pick([(), ("LIMIT", self.small())])),
            lambda: ("ARDEL", self.key(), self.index(), self.index()),
            lambda: ("ARDELRANGE", self.key(), self.index(), self.index()),
            lambda: ("ARLEN", self.key()),
            lambda: ("ARCOUNT", self.key()),
            lambda: ("ARINSERT", self.key(), *self.values()),
            lambda: ("ARNEXT", self.key()),
            lambda: ("ARSEEK", self.key(), self.index()),
            lambda: ("ARRING", self.key(), pick([1, 3, 5, 30, 0, "x"]), *self.values()),
            lambda: ("ARLASTITEMS", self.key(), self.small(), *pick([(), ("REV",)])),
            lambda: ("AROP", self.key(), 0, 99999, pick(["SUM", "MIN", "MAX", "AND", "OR", "XOR", "USED"])),
            lambda: ("AROP", self.key(), self.index(), self.index(), "MATCH", self.value()),
            lambda: ("ARINFO", self.key(), *pick([(), ("FULL",)])),
            lambda: ("ARGREP", self.key(), pick(["-", "+", 5]), pick(["-", "+", 50]), "RE", self.regex(), *self.more()),
            lambda: ("DUMP", self.key()),
            lambda: ("COPY", self.key(), self.key(), "REPLACE"),
            lambda: ("CONFIG", "SET", "array-slice-size", pick([256, 4096, 300])),
            lambda: ("CONFIG", "SET", "array-sparse-kmax", pick([0, 6, 10, 20, 5])),
            lambda: ("DEL", self.key()) if self.random.random() < 0.3 else ("TYPE", self.key()),
        ]

    def key(self) -> str:
        return self.random.choice("abcd")

    def index(self) -> object:
        ends = [2**64 - 2, 2**64 - 1, 2**63, 4095, 4096, 8388607, 8388608, "x", "-1", " 7", "-02", ""]
        near, far = self.random.randrange(60), self.random.randrange(3 * 10**7)
        return self.random.choice([near, near, near, far, self.random.choice(ends)])

    def value(self) -> str:
        texts = ["1", "-3", "0.5", "1.0", "0.1", "-0.0", "abc", "Hello world", "", "x" * 90, "9223372036854775807"]
        return self.random.choice([*texts, "2305843009213693952", "inf", "1e5", ".5", "5.", "0x10", "2.25", "1" * 25])

    def values(self) -> list[str]:
        return [self.value() for _ in range(self.random.choice([1, 1, 2, 9, 11, 40]))]

    def small(self) -> object:
        return self.random.choice([0, 1, 2, 5, 30, -1, "x"])

    def regex(self) -> str:
        atoms = [*"ablo15.x^$|*+?()[]", "\\w", "\\d", "[a-c]", "[^0-9]", "{2}", "{,3}", "[[:alpha:]]", "(?i)", "\\1"]
        return "".join(self.random.choice(atoms) for _ in range(self.random.randrange(1, 7)))

    def more(self) -> tuple[object, ...]:
        some = [(), ("MATCH", "o"), ("GLOB", "*l*", "AND"), ("NOCASE", "EXACT", "ABC"), ("LIMIT", 2), ("WITHVALUES",)]
        return self.random.choice(some)


@pytest.mark.parametrize("seed", range(6))
def test_random_calls(real: Wire, seed: int) -> None:
    server = Server()
    ours = Connection(server)

    def compare(*words: object) -> None:
        argv = [str(word).encode() for word in words]
        real.send(*argv)
        assert ours(*argv) == real.read(), argv

    resp = b"%d" % (2 + seed % 2)
    for argv in ((b"HELLO", resp), (b"FLUSHALL",)):
        real.send(*argv)
        real.read()
        ours(*argv)
    for directive, value in (("kmax", 0), ("kmin", 5), ("kmax", 10)):
        compare("CONFIG", "SET", f"array-sparse-{directive}", value)
    compare("CONFIG", "SET", "array-slice-size", 4096)
    calls = Calls(seed)
    for _ in range(1000):
        compare(*calls.random.choice(calls.makers)())
