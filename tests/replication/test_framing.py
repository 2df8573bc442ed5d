"""The exact offsets at which requests end in the stream of a master."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.server import encode
from twisted_redis.replication.applying import FramingParser
from twisted_redis.resp.accelerated import HAVE_HIREDIS, RequestReader

REQUESTS = [
    [b"SET", b"a", b"1"],
    [b"SET", b"\r\n*1\r\n$4\r\nPING\r\n", b"\r\n*"],
    [b"PING"],
    [b"MSET", b"x" * 20_000, b"\r\n", b"y", b""],
    [b"DEL", b"a"],
]
STREAM = b"".join(encode(*request) for request in REQUESTS)
ENDS = [len(b"".join(encode(*request) for request in REQUESTS[: count + 1])) for count in range(len(REQUESTS))]


READERS = [None, RequestReader()] if HAVE_HIREDIS else [None]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: "pure" if reader is None else "hiredis")
@given(cuts=st.lists(st.integers(1, len(STREAM) - 1), max_size=6, unique=True))
def test_ends_are_those_of_the_requests_however_the_stream_is_cut(
    reader: RequestReader | None, cuts: list[int]
) -> None:
    parser = FramingParser(reader)
    places = [0, *sorted(cuts), len(STREAM)]
    requests: list[list[bytes]] = []
    ends: list[int] = []
    for begin, end in pairwise(places):
        found = parser.receive(STREAM[begin:end])
        requests += found
        ends += parser.ends()
        assert not found or parser.boundary == ends[-1]
    assert requests == REQUESTS
    assert ends == ENDS


def test_empty_lines_count_and_are_no_requests() -> None:
    parser = FramingParser()
    assert parser.receive(b"\n\r\n" + encode("PING")) == [[b"PING"]]
    assert parser.ends() == [3 + len(encode("PING"))]


def test_inline_requests_are_no_stream() -> None:
    parser = FramingParser()
    assert parser.receive(encode("PING") + b"PING\r\n") == [[b"PING"]]
    assert parser.error == "Master using the inline protocol. Desync?"
