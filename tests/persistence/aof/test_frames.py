"""Parsing commands from bytes, wherever the bytes are split."""

from __future__ import annotations

import random

import pytest

from tests.support.server import encode
from twisted_redis.persistence.aof.frames import Frames, Malformed, scan

COMMANDS = [
    [b"SET", b"key", b"value"],
    [b"SET", b"binary", b"a\r\n*1\r\n$1\r\nx\r\n"],
    [b"PING"],
    [b"SET", b"empty", b""],
    [b"RPUSH", b"list", *(b"%d" % number for number in range(50))],
]
STREAM = b"".join(encode(*argv) for argv in COMMANDS)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 100, 10_000])
def test_any_size_of_chunks(size: int) -> None:
    frames = Frames()
    found: list[list[bytes]] = []
    for at in range(0, len(STREAM), size):
        found += frames.feed(STREAM[at : at + size])
    assert found + frames.feed(b"") == COMMANDS
    assert frames.place == len(STREAM)
    assert not frames.incomplete


def test_both_ways_find_the_same() -> None:
    fast, slow = Frames(), Frames()
    slow._reader = None
    rng = random.Random(5)
    at = 0
    while at < len(STREAM):
        step = rng.randrange(1, 400)
        fast.feed(STREAM[at : at + step])
        slow.feed(STREAM[at : at + step])
        at += step
    fast.feed(b"")
    assert fast.place == slow.place == len(STREAM)


def test_notes_are_passed_over() -> None:
    frames = Frames()
    data = b"#TS:1628217470\r\n" + encode("PING") + b"#TS:1628217471\r\n"
    assert frames.feed(data) + frames.feed(b"") == [[b"PING"]]
    assert frames.place == len(data)


@pytest.mark.parametrize("cut", range(1, len(encode("SET", "key", "value"))))
def test_a_part_of_a_command(cut: int) -> None:
    frames = Frames(100)
    whole = encode("PING")
    assert frames.feed(whole + encode("SET", "key", "value")[:cut]) == [[b"PING"]]
    assert frames.feed(b"") == []
    assert frames.incomplete
    assert frames.place == 100 + len(whole)


@pytest.mark.parametrize(
    "wrong", [b"!!!", b"*0\r\n", b"*x\r\n", b"*1\r\n:5\r\n", b"*1\r\n$-1\r\n", b"+OK\r\n", b"$3\r\nabc\r\n", b"\r\n"]
)
def test_bytes_that_are_no_command(wrong: bytes) -> None:
    frames = Frames()
    whole = encode("SET", "a", "b")
    assert frames.feed(whole + wrong + whole) == [[b"SET", b"a", b"b"]]
    with pytest.raises(Malformed) as caught:
        frames.feed(b"")
    assert caught.value.place == len(whole)


def test_how_much_is_missing() -> None:
    frames = Frames()
    head = b"*2\r\n$3\r\nSET\r\n$1000\r\n"
    assert frames.feed(head) == []
    assert frames.missing == 1002
    assert frames.feed(b"x" * 1000) == []
    assert frames.missing == 2
    assert frames.feed(b"\r\n") == [[b"SET", b"x" * 1000]]


def test_lenient_where_redis_is() -> None:
    # A line may end with LF only, and the two bytes after an argument are not checked.
    assert scan(b"*1\n$4\nPINGxx").commands == [[b"PING"]]
    assert scan(b"*1 of many\r\n$4\r\nPING\r\n").commands == [[b"PING"]]


def test_the_place_of_each() -> None:
    found = scan(STREAM, limit=2)
    assert found.ends == [len(encode(*COMMANDS[0])), len(encode(*COMMANDS[0])) + len(encode(*COMMANDS[1]))]
    assert found.end == found.ends[-1]
