"""The quick reader of short requests agrees with the pure parser, or leaves the bytes alone."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.server import encode
from twisted_redis.resp.accelerated import read_short
from twisted_redis.resp.parser import Limits, RequestParser
from twisted_redis.resp.scanner import COMPILED

WORDS = st.lists(st.binary(max_size=12) | st.sampled_from([b"\r\n", b"$1\r\na", b"", b"*1"]), min_size=1, max_size=11)


@pytest.mark.parametrize(
    "words",
    [
        ("PING",),
        ("GET", "key"),
        ("SET", "key", "value"),
        ("SET", "key", ""),
        ("SET", "k", "v", "NX"),
        tuple("ABCDEFGHI"),
    ],
)
def test_short_requests(words: tuple[str, ...]) -> None:
    assert read_short(encode(*words)) == [[word.encode() for word in words]]


@pytest.mark.parametrize(
    "chunk",
    [
        b"",
        b"PING\r\n",
        b"*",
        b"*2\r",
        b"*0\r\n",
        b"+2\r\n$1\r\na\r\n$1\r\nb\r\n",
        encode("GET", "key")[:-1],
        encode("SET", "k", "v" * 20000),
        b"*2\r\n$3\r\nGET\r\n$03\r\nkey\r\n",
        b"*2\r\n+OK\r\n$3\r\nkey\r\nab\r\n",
    ],
)
def test_everything_else_is_left_alone(chunk: bytes) -> None:
    assert read_short(chunk) is None


@pytest.mark.parametrize(
    ("chunk", "requests"),
    [
        (encode(*"ABCDEFGHIJ"), [[b"A", b"B", b"C", b"D", b"E", b"F", b"G", b"H", b"I", b"J"]]),
        (encode("PING") * 16, [[b"PING"]] * 16),
        (encode("GET", "x" * 2000), [[b"GET", b"x" * 2000]]),
        (encode("SET", "k", "a\r\nb"), [[b"SET", b"k", b"a\r\nb"]]),
    ],
    ids=["many words", "many requests", "a long word", "a line end"],
)
def test_only_the_compiled_server_takes_more_than_one_short_request(chunk: bytes, requests: list[list[bytes]]) -> None:
    assert read_short(chunk) == (requests if COMPILED else None)


@given(WORDS, st.binary(max_size=3), st.integers(0, 3))
@example([b"a", b"\r\n$1\r\nb"], b"", 0)
def test_it_agrees_with_the_parser(words: list[bytes], more: bytes, cut: int) -> None:
    whole = encode(*words)
    chunk = whole[: len(whole) - cut] + more
    found = read_short(chunk)
    if found is not None:
        parser = RequestParser(Limits())
        assert parser.receive(chunk) == found and parser.idle


@given(st.lists(st.sampled_from([b"*2", b"$1", b"$3", b"GET", b"a", b"", b"$0", b"*3", b"*1", b"\r"]), max_size=9))
def test_no_lines_that_only_look_like_a_request_are_taken_for_one(lines: list[bytes]) -> None:
    chunk = b"\r\n".join(lines)
    found = read_short(chunk)
    if found is not None:
        parser = RequestParser(Limits())
        assert parser.receive(chunk) == found and parser.idle
