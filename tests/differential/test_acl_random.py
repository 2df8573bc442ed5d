"""Random sequences of rules: which are refused, how the user is described, and what DRYRUN replies.

``DIFFERENTIAL_EXAMPLES=5000`` runs more examples.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.differential.harness import Difference, Pair, Server

EXAMPLES = int(os.environ.get("DIFFERENTIAL_EXAMPLES", "150"))

COMMANDS = [
    "get",
    "set",
    "del",
    "config",
    "config|get",
    "config|set",
    "client",
    "client|id",
    "acl|list",
    "select",
    "select|0",
    "select|one",
    "debug|object",
    "xinfo",
    "xinfo|stream",
    "subscribe",
    "publish",
    "eval",
    "nosuch",
    "get|k",
    "memory|usage",
    "hget",
    "ping",
    "object",
    "object|encoding",
]
CATEGORIES = [
    "all",
    "read",
    "write",
    "string",
    "hash",
    "slow",
    "fast",
    "dangerous",
    "keyspace",
    "connection",
    "admin",
    "scripting",
    "pubsub",
    "nosuch",
    "blocking",
    "stream",
]
PREFIXES = ("~", "%R~", "%W~", "%RW~", "%r~", "%", "%X~", "%WR~", "&")
PATTERNS = ("a", "a*", "*", "", "b", "?", "c", "c*")
WORDS = [
    "on",
    "off",
    "nopass",
    "resetpass",
    "allkeys",
    "resetkeys",
    "allchannels",
    "resetchannels",
    "allcommands",
    "nocommands",
    "clearselectors",
    "reset",
    "sanitize-payload",
    "skip-sanitize-payload",
    ">p",
    ">q",
    "<p",
    "<q",
]
ODD = ("(", ")", "(+get", "bogus", "", "()", "#ab", "+", "-", "x y", "( +get  ~a )")

CALLS = [
    call.split()
    for call in [
        "GET a",
        "SET a 1",
        "SET b 1 GET",
        "CONFIG GET x",
        "CONFIG SET x y",
        "SELECT 0",
        "SELECT one",
        "CLIENT ID",
        "PUBLISH c m",
        "SUBSCRIBE c d",
        "PSUBSCRIBE c*",
        "HGET b f",
        "XINFO STREAM a",
        "EVAL x 1 a",
        "OBJECT ENCODING a",
        "MEMORY USAGE ab",
        "DEL a ab b",
        "DEBUG OBJECT a",
    ]
]


def rule(chance: random.Random, inside: bool = False) -> str:
    kind = chance.randrange(12)
    sign = chance.choice("+-")
    if kind < 4:
        return sign + chance.choice([str.lower, str.upper])(chance.choice(COMMANDS))
    if kind < 7:
        return f"{sign}@" + chance.choice([str.lower, str.upper])(chance.choice(CATEGORIES))
    if kind < 9:
        return chance.choice(PREFIXES) + chance.choice(PATTERNS)
    if kind < 10 or inside:
        return chance.choice(WORDS)
    if kind == 10:
        return "(" + " ".join(rule(chance, True) for _ in range(chance.randrange(4))) + ")"
    return chance.choice(ODD)


@pytest.mark.parametrize("seed", range(4))
def test_random_rules(servers: tuple[Server, Server], seed: int) -> None:
    chance = random.Random(seed)
    pair = Pair(*servers)
    sequences: list[list[str]] = []
    try:
        for number in range(EXAMPLES):
            if number % 5 == 0:
                sequences = []
                pair.call("ACL", "DELUSER", "random")
            sequences.append([rule(chance) for _ in range(chance.randrange(1, 7))])
            pair.call("ACL", "SETUSER", "random", *sequences[-1])
            pair.call("ACL", "GETUSER", "random")
            for argv in chance.sample(CALLS, 5):
                pair.call("ACL", "DRYRUN", "random", *argv)
    except Difference as difference:
        raise AssertionError(f"after {sequences}\n{difference}") from None
    finally:
        pair.call("ACL", "DELUSER", "random")
        pair.close()
