"""The scanner takes what the pure parser takes, and stops where it has a doubt."""

from __future__ import annotations

import sys
from inspect import isfunction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.server import encode
from twisted_redis._compiled import compiled_modules
from twisted_redis.resp import scanner
from twisted_redis.resp.parser import Limits, RequestParser
from twisted_redis.resp.scanner import COMPILED, read_whole, scan

GET = encode("GET", "key")
#: Requests that the scanner leaves to the parser: incomplete, inline, empty, malformed or unusually large.
LEFT = [
    b"*",
    b"*1\r",
    b"*12345",
    b"*2\r\n$3\r\nGET\r\n",
    b"*1\r\n$1",
    b"*1\r\n$1\r",
    b"*1\r\n$1\r\na\r",
    GET[:-1],
    b"PING\r\n",
    b"\r\n",
    b"*0\r\n",
    b"*-1\r\n",
    b"*\r\n",
    b"*1\n$4\r\nPING\r\n",
    b"*01\r\n$4\r\nPING\r\n",
    b"*1\r\n$04\r\nPING\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$004\r\nPING\r\n",
    b"*1\r\n$4x\r\nPING\r\n",
    b"*1\r\n$10x\r\n" + b"x" * 10 + b"\r\n",
    b"*1\r\n$100x\r\n" + b"x" * 100 + b"\r\n",
    b"*1\r\n$x\r\nPING\r\n",
    b"*1\r\n$+1\r\na\r\n",
    b"*1\r\n$\r\n\r\n",
    b"*1\r\n:1\r\n1\r\n",
    b"*1\r\n+OK\r\nab\r\n",
    b"*1\r\n*1\r\n$1\r\na\r\n",
    b"*1\r\n$1000000\r\n" + b"x" * 1000002,
    b"*1000000\r\n" + b"$0\r\n\r\n" * 1000,
    b"*1\r\n$" + b"9" * 40 + b"\r\na\r\n",
]


@pytest.mark.parametrize("left", LEFT, ids=lambda left: repr(left[:30]))
def test_it_stops_in_front_of_a_doubtful_request(left: bytes) -> None:
    for before in (b"", GET, GET * 3):
        requests: list[list[bytes]] = []
        assert scan(before + left, requests) == len(before)
        assert requests == [[b"GET", b"key"]] * (len(before) // len(GET))
        assert read_whole(before + left) is None


def test_it_starts_at_an_offset_and_keeps_what_is_there() -> None:
    requests = [[b"PING"]]
    assert scan(b"???" + GET, requests, 3) == 3 + len(GET)
    assert requests == [[b"PING"], [b"GET", b"key"]]


def test_words_may_contain_anything() -> None:
    words = [b"SET", b"", b"\r\n$1\r\na", b"*1\r\n", b"\0", b"x" * 99999, b"y" * 100000]
    assert read_whole(encode(*words)) == [words]
    assert read_whole(encode(*[b"w"] * 1000)) == [[b"w"] * 1000]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9, 10, 11, 99, 100, 101, 999, 1000, 100_000])
def test_counts_and_lengths_of_any_number_of_digits(count: int) -> None:
    words = [b"w"] * count
    assert read_whole(encode(*words) * 2) == [words] * 2
    for size in (count - 1, count):
        value = b"v" * size
        assert read_whole(encode("SET", "k", value) + encode(value, "a", "b", value)) == [
            [b"SET", b"k", value],
            [value, b"a", b"b", value],
        ]


@pytest.mark.parametrize("words", [("PING",), ("GET", "key"), ("SET", "key", ""), ("SET", "k", "v", "EX", "1000")])
def test_a_part_of_a_request_is_left(words: tuple[str, ...]) -> None:
    whole = encode(*words)
    for end in range(len(whole)):
        requests: list[list[bytes]] = []
        assert scan(whole + whole[:end], requests) == len(whole)
        assert requests == [[word.encode() for word in words]]


def test_bytes_that_redis_skips_are_skipped() -> None:
    assert read_whole(b"*1\r?$4\r?PINGxx") == [[b"PING"]]


@given(
    st.lists(
        st.sampled_from(
            [b"*1\r\n", b"*2\r\n", b"*10\r\n", b"$1\r\n", b"$3\r\n", b"$0\r\n", b"GET", b"a", b"\r\n", b"*"]
        ),
        max_size=14,
    )
)
def test_it_agrees_with_the_parser(pieces: list[bytes]) -> None:
    chunk = b"".join(pieces)
    requests: list[list[bytes]] = []
    taken = scan(chunk, requests)
    parser = RequestParser(Limits())
    assert parser.receive(chunk[:taken]) == requests
    assert parser.idle


def test_it_knows_whether_it_is_compiled() -> None:
    assert COMPILED is (scanner.__name__ in compiled_modules() or sys.implementation.name == "pypy")
    assert COMPILED is (not isfunction(scan) or sys.implementation.name == "pypy")
