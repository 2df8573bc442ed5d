"""Asks a real Redis 8.8.0 for the answers in ``answers-8.8.jsonl``: ``python -m tests.commands.vectors.record PORT``.

Each scenario begins with an empty database. A line of the file is a scenario: its name, the version of the protocol,
and pairs of a request and the bytes of its answer.
"""

from __future__ import annotations

import json
import random
import socket
import struct
import sys
from pathlib import Path

from tests.support.server import encode

__all__ = ["ANSWERS", "SCENARIOS", "blob"]

ANSWERS = Path(__file__).parent / "answers-8.8.jsonl"

Request = tuple[str | int, ...]


def blob(*components: float) -> str:
    """Returns a vector as FP32 takes it, as text of Latin-1."""
    return struct.pack(f"<{len(components)}f", *components).decode("latin-1")


def requests(text: str) -> list[Request]:
    """Returns the requests in lines of words; ``''`` is an empty word."""
    return [tuple("" if word == "''" else word for word in line.split()) for line in text.strip().splitlines()]


_random = random.Random(8)


def numbers(count: int) -> list[str]:
    """Returns random components as text."""
    return [f"{_random.uniform(-1, 1):.4f}" for _ in range(count)]


def adding(quantisation: str, dimension: int, count: int, *more: str) -> list[Request]:
    """Returns requests that add elements with random vectors."""
    return [
        ("VADD", "k", *more, "VALUES", dimension, *numbers(dimension), f"e{number}", quantisation)
        for number in range(count)
    ]


def searching(quantisation: str, dimension: int) -> list[Request]:
    """Returns requests about the elements that ``adding`` adds."""
    return [
        ("VINFO", "k"),
        ("VDIM", "k"),
        *((command, "k", f"e{number}", *more) for number in (0, 3) for command, *more in (("VEMB",), ("VEMB", "RAW"))),
        ("VSIM", "k", "VALUES", dimension, *numbers(dimension), "WITHSCORES", "TRUTH"),
        ("VSIM", "k", "ELE", "e1", "WITHSCORES", "COUNT", 4, "TRUTH"),
        ("VSIM", "k", "ELE", "e2", "WITHSCORES", "EPSILON", "0.5", "TRUTH"),
        ("VSIM", "k", "FP32", blob(*map(float, numbers(dimension))), "WITHSCORES", "COUNT", 3, "TRUTH"),
        ("DEBUG", "DIGEST-VALUE", "k"),
    ]


SMALL = requests("""
    VADD k VALUES 3 1 0 0 x
    VADD k VALUES 3 0 1 0 y SETATTR {"year":1980}
    VADD k VALUES 3 0.8 0.6 0 xy SETATTR {"year":1990}
    VADD k VALUES 3 -1 0 0.25 far
""")

#: Name to requests; each is recorded in both protocols.
SCENARIOS: dict[str, list[Request]] = {
    "elements": SMALL
    + requests("""
        VADD k VALUES 3 1 0.5 0 x
        VADD k VALUES 3 0 1 0 y SETATTR ''
        VGETATTR k y
        VGETATTR k xy
        VGETATTR k none
        VGETATTR none x
        VADD k VALUES 3 0.7 0.6 0 xy
        VGETATTR k xy
        VADD k VALUES 3 0.7 0.6 0 xy SETATTR new
        VGETATTR k xy
        VSETATTR k x notjson
        VGETATTR k x
        VSETATTR k x ''
        VGETATTR k x
        VSETATTR k none {}
        VSETATTR none x {}
        VCARD k
        VCARD none
        VDIM k
        VDIM none
        VISMEMBER k x
        VISMEMBER k none
        VISMEMBER none x
        VEMB k x
        VEMB k x RAW
        VEMB k none
        VEMB none x
        VEMB k x RAW raw
        VINFO none
        VLINKS k none
        VLINKS none x
        TYPE k
        OBJECT ENCODING k
        COPY k other
        SCAN 0 TYPE vectorset
        SORT k
        GET k
        LPUSH k x
        RENAME k k2
        VREM k2 none
        VREM none x
        VREM k2 x
        VREM k2 y
        VREM k2 xy
        VCARD k2
        VREM k2 far
        EXISTS k2
        VADD k VALUES 1 5 x
        VREM k x
        VADD k VALUES 2 5 1 x NOQUANT
        VDIM k
    """),
    "search": SMALL
    + requests("""
        VSIM k VALUES 3 1 0.1 0
        VSIM k VALUES 3 1 0.1 0 WITHSCORES
        VSIM k VALUES 3 1 0.1 0 WITHATTRIBS
        VSIM k VALUES 3 1 0.1 0 WITHATTRIBS WITHSCORES
        VSIM k ELE x WITHSCORES
        VSIM k ELE x WITHSCORES COUNT 1
        VSIM k ELE x WITHSCORES EPSILON 0.3
        VSIM k ELE x WITHSCORES EPSILON 0.05
        VSIM k ELE x EF 5 NOTHREAD TRUTH
        VSIM k ELE x FILTER .year>1985 WITHATTRIBS
        VSIM k ELE x FILTER .year>1985 FILTER-EF 1000
        VSIM k ELE x FILTER .none FILTER-EF 1000
        VSIM none ELE x
        VSIM none ELE x WITHSCORES
        VSIM none bad
        VSIM none bad x y z
        VSIM k ELE none
        VSIM k ELE none bad
        VSIM k bad x
        VSIM k VALUES 3 1 2
        VSIM k VALUES 0 1
        VSIM k VALUES x 1
        VSIM k FP32 abc
        VSIM k FP32 ''
        VSIM k REDUCE 2 VALUES 3 1 2 3
        VSIM k VALUES 2 1 2
        VSIM k VALUES 3 1 2 3 bad
        VSIM k VALUES 3 1 2 3 COUNT
        VSIM k VALUES 3 1 2 3 COUNT 0
        VSIM k VALUES 3 1 2 3 COUNT x
        VSIM k VALUES 3 1 2 3 COUNT -1
        VSIM k VALUES 3 1 2 3 EPSILON 0
        VSIM k VALUES 3 1 2 3 EPSILON x
        VSIM k VALUES 3 1 2 3 EPSILON nan
        VSIM k VALUES 3 1 2 3 EF 0
        VSIM k VALUES 3 1 2 3 EF 1000001
        VSIM k VALUES 3 1 2 3 EF x
        VSIM k VALUES 3 1 2 3 FILTER-EF 0
        VSIM k VALUES 3 1 2 3 FILTER-EF x
        VSIM k VALUES 3 1 2 3 FILTER
        VSIM k VALUES 3 1 2 3 FILTER .x==
        VSIM k VALUES 3 1 2 3 FILTER .a FILTER @
        VSIM k VALUES 3 1 nan 3
        VSIM k VALUES 3 1 2_0 3
        SET s x
        VSIM s ELE x
        VSIM s bad x
        VADD s VALUES 1 1 x
        VADD s VALUES 1 1 x BAD
        VREM s x
        VCARD s
        VDIM s
        VEMB s x
        VEMB s x BAD
        VINFO s
        VLINKS s x
        VGETATTR s x
        VSETATTR s x y
        VISMEMBER s x
        VRANDMEMBER s
        VRANDMEMBER s 0
        VRANDMEMBER s 1
        VRANGE s - +
    """),
    "errors": SMALL
    + requests("""
        VADD
        VADD k
        VADD k VALUES 1
        VADD k VALUES 1 1
        VADD k VALUES 3 1 2 3
        VADD k VALUES 3 1 2 x z
        VADD k VALUES 3 1 2 '' z
        VADD k VALUES 3 1 2 nan z
        VADD k VALUES -1 1 z
        VADD k VALUES 0 1 z
        VADD k VALUES 65537 1 z
        VADD k VALUES 5 1 2 3 z
        VADD k WHAT 1 1 z
        VADD k FP32 abc z
        VADD k FP32 '' z
        VADD k FP32 abcd
        VADD k FP32 abcd z
        VADD k REDUCE 0 VALUES 1 1 z
        VADD k REDUCE x VALUES 1 1 z
        VADD k REDUCE 2 VALUES 1 1 z
        VADD k REDUCE 2 VALUES
        VADD k REDUCE 2 VALUES 3
        VADD k VALUES 3 1 2 3 z BAD
        VADD k VALUES 3 1 2 3 z EF
        VADD k VALUES 3 1 2 3 z EF 0
        VADD k VALUES 3 1 2 3 z EF 1000001
        VADD k VALUES 3 1 2 3 z EF 1000000 M 3
        VADD k VALUES 3 1 2 3 z M 4097
        VADD k VALUES 3 1 2 3 z M x
        VADD k VALUES 3 1 2 3 z M
        VADD k VALUES 3 1 2 3 z SETATTR
        VADD k VALUES 3 1 2 3 z NOQUANT
        VADD k VALUES 3 1 2 3 z BIN M 5
        VADD k VALUES 3 1 2 3 z M 5
        VADD k VALUES 2 1 2 z
        VADD k VALUES 2 1 2 z M 5 NOQUANT
        VADD k REDUCE 3 VALUES 4 1 2 3 4 z
        VADD k REDUCE 2 VALUES 3 1 2 3 z
        VADD k REDUCE 3 VALUES 3 1 2 3 z
        VADD k VALUES 3 1 2 3 z CAS Q8 EF 10 M 16
        VADD p REDUCE 2 VALUES 4 1 2 3 4 a M 4096
        VADD p REDUCE 2 VALUES 4 1 2 3 4 a
        VADD p VALUES 4 1 2 3 4 b M 4096
        VADD p VALUES 2 1 2 b M 4096
        VADD p REDUCE 1 VALUES 4 1 2 3 4 b M 4096
        VADD p REDUCE 2 VALUES 3 1 2 3 b M 4096
        VSIM p VALUES 3 1 2 3
        VSIM p VALUES 2 1 2
        VSIM p VALUES 4 1 2 3 4 WITHSCORES
        VEMB k
        VEMB k x BAD
        VLINKS k
        VLINKS k x BAD
        VLINKS k x WITHSCORES more
        VLINKS none x BAD
        VRANDMEMBER
        VRANDMEMBER k x
        VRANDMEMBER k 1 2
        VRANDMEMBER none x
        VRANDMEMBER none
        VRANDMEMBER none 0
        VRANDMEMBER none 3
        VRANDMEMBER k 0
        VSETATTR k x
        VGETATTR k
        VINFO
        VCARD k k
        VISMEMBER k
        VREM k
        VSIM k ELE
    """),
    "ranges": [("VADD", "k", "VALUES", 1, 1, name) for name in ("b", "a", "ab", "c", "\xff", "B", "a\0")]
    + requests("""
        VRANGE k - +
        VRANGE k - + 2
        VRANGE k - + 0
        VRANGE k - + -5
        VRANGE k - + x
        VRANGE k [a +
        VRANGE k (a +
        VRANGE k [aa [b
        VRANGE k [aa (b
        VRANGE k (c [a
        VRANGE k [c [c
        VRANGE k (c (c
        VRANGE k + -
        VRANGE k + +
        VRANGE k - -
        VRANGE k a b
        VRANGE k [ +
        VRANGE k [a b
        VRANGE k '' +
        VRANGE k - ''
        VRANGE k a b x
        VRANGE k - +
        VREM k ab
        VADD k VALUES 1 1 aab
        VRANGE k - +
        VRANGE none - +
        VRANGE none - x
        VRANGE k -
        VRANGE k - + 1 2
    """),
    "special": requests("""
        VADD k VALUES 3 0 0 0 zero
        VADD k VALUES 3 1e39 1 1 big
        VADD k VALUES 3 1e30 1 1 large
        VADD k VALUES 3 inf 1 1 infinite
        VADD k VALUES 3 1e-30 1e-31 0 small
        VADD k VALUES 3 0x10 +2 .5 forms
        VADD k VALUES 3 1. 1e0 -0 signs
        VEMB k zero RAW
        VEMB k zero
        VEMB k big RAW
        VEMB k large RAW
        VEMB k infinite RAW
        VEMB k small RAW
        VEMB k small
        VEMB k forms
        VEMB k forms RAW
        VEMB k signs
        VSIM k VALUES 3 0 0 0 WITHSCORES TRUTH COUNT 1
        VADD k VALUES 3 1e999 1 1 over
        VADD k VALUES 3 1e-999 1 1 under
        VADD k VALUES 3 1_0 1 1 underscore
        VADD k VALUES 3 -- 1 1 dashes
    """),
    "q8": adding("Q8", 5, 9) + searching("Q8", 5),
    "q8-wide": adding("Q8", 130, 5) + searching("Q8", 130),
    "bin": adding("BIN", 70, 6) + searching("BIN", 70),
    "noquant": adding("NOQUANT", 7, 9) + searching("NOQUANT", 7),
    "reduced": adding("Q8", 9, 6, "REDUCE", "4") + searching("Q8", 4),
    "reduced-noquant": adding("NOQUANT", 9, 6, "REDUCE", "8") + searching("NOQUANT", 9),
}


def record(port: int) -> None:
    """Writes the file of answers."""
    lines = []
    for name, steps in SCENARIOS.items():
        for protocol in (2, 3):
            with socket.create_connection(("127.0.0.1", port)) as client:
                ask(client, "FLUSHALL")
                if protocol == 3:
                    ask(client, "HELLO", 3)
                answers = [[list(map(str, step)), ask(client, *step)] for step in steps]
            lines.append(json.dumps({"scenario": name, "proto": protocol, "steps": answers}) + "\n")
    ANSWERS.write_text("".join(lines))


def ask(client: socket.socket, *words: str | int) -> str:
    """Sends a request; returns its answer, all that comes before the answer to a PING behind it."""
    client.sendall(encode(*(str(word).encode("latin-1") for word in words)) + encode("PING", "the end"))
    data = b""
    while not data.endswith(b"$7\r\nthe end\r\n"):
        data += client.recv(1 << 16)
    return data[:-13].decode("latin-1")


if __name__ == "__main__":
    record(int(sys.argv[1]))
