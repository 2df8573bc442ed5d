"""Random calls on lists of some ten thousand elements, the middle of which this server keeps packed."""

from __future__ import annotations

import re
from random import Random

import pytest

from .harness import Argument, Pair

FORMS = [b"%d", b"element:%09d", b"\xff\xfe%d", b"x" * 200 + b"%d", b"-%d"]


def element(random: Random) -> bytes:
    return b"" if random.random() < 0.02 else random.choice(FORMS) % random.randrange(10 ** random.choice([1, 2, 9]))


def details(pair: Pair, *argv: str) -> None:
    """Compares what DEBUG OBJECT says of the nodes of a list."""
    found = [re.findall(rb"(?:encoding|ql_\w+):\S+", wire.call(*map(str.encode, argv))) for wire in pair.wire()]
    assert found[0] == found[1] != []


@pytest.mark.parametrize("fill", [-2, -1, 16])
@pytest.mark.parametrize("seed", range(2))
def test_random_calls(pair: Pair, seed: int, fill: int) -> None:
    random = Random(f"{seed} {fill}")
    pick = random.choice
    pair.call("CONFIG", "SET", "list-max-listpack-size", fill)
    try:
        for _ in range(5):
            pair.call(pick(["LPUSH", "RPUSH"]), "l", *[element(random) for _ in range(3000)])
        for step in range(400):
            index = random.randint(-8000, 8000)
            some = [element(random) for _ in range(pick([1, 1, 1, 400]))]
            calls: list[tuple[Argument, ...]] = [
                ("LPUSH", "l", *some),
                ("RPUSH", "l", *some),
                (pick(["LPOP", "RPOP"]), "l"),
                (pick(["LPOP", "RPOP"]), "l", random.randrange(600)),
                ("LMOVE", "l", "l", pick(["LEFT", "RIGHT"]), pick(["LEFT", "RIGHT"])),
                ("RPOPLPUSH", "l", "other"),
                ("LINDEX", "l", index),
                ("LSET", "l", index, some[0]),
                ("LRANGE", "l", index, index + random.randrange(300)),
                ("LINSERT", "l", pick(["BEFORE", "AFTER"]), some[0], "inserted"),
                ("LREM", "l", pick([0, 1, -1, 5, -5]), some[0]),
                ("LPOS", "l", some[0], "RANK", pick([1, 2, -1, -2]), "COUNT", pick([0, 1, 9])),
                ("LPOS", "l", some[0], "COUNT", 0, "MAXLEN", random.randrange(12_000)),
                ("LLEN", "l"),
            ]
            pair.call(*pick(calls))
            if step % 100 == 0:
                pair.call("LTRIM", "l", random.randrange(200), -random.randrange(1, 200))
                pair.call("DEBUG", "DIGEST-VALUE", "l", "other")
            if step % 50 == 0:
                pair.call("OBJECT", "ENCODING", "l")
                details(pair, "DEBUG", "OBJECT", "l")
        pair.call("LRANGE", "l", 0, -1)
        pair.call("SORT", "l", "ALPHA", "LIMIT", 0, 100)
        pair.call("COPY", "l", "copy")
        pair.call("RENAME", "l", "other")
        pair.call("DEBUG", "RELOAD")
        for key in ("other", "copy"):
            pair.call("LRANGE", key, 0, -1)
            details(pair, "DEBUG", "OBJECT", key)
        pair.call("LTRIM", "copy", 4000, 4009)
        pair.call("LRANGE", "copy", 0, -1)
        pair.call("OBJECT", "ENCODING", "copy")
        pair.call("LREM", "other", 0, "inserted")
        pair.call("LPOP", "other", 1_000_000)
        pair.call("EXISTS", "other")
    finally:
        pair.call("CONFIG", "SET", "list-max-listpack-size", -2)
