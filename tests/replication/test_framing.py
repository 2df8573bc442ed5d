"""Where requests end in the stream of a master, to the byte."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.server import encode
from twisted_redis.replication.applying import FramingParser

REQUESTS = [[b"SET", b"a", b"1"], [b"PING"], [b"MSET", b"x" * 20_000, b"\r\n", b"y", b""], [b"DEL", b"a"]]
STREAM = b"".join(encode(*request) for request in REQUESTS)
ENDS = [len(b"".join(encode(*request) for request in REQUESTS[: count + 1])) for count in range(len(REQUESTS))]


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=6, unique=True))
def test_ends_are_those_of_the_requests_however_the_stream_is_cut(cuts: list[int]) -> None:
    parser = FramingParser()
    places = [0, *sorted(cuts), len(STREAM)]
    requests: list[list[bytes]] = []
    ends: list[int] = []
    for begin, end in zip(places, places[1:], strict=False):
        requests += parser.receive(STREAM[begin:end])
        ends += parser.ends
    assert requests == REQUESTS
    assert ends == ENDS


def test_empty_lines_count_and_are_no_requests() -> None:
    parser = FramingParser()
    assert parser.receive(b"\n\r\n" + encode("PING")) == [[b"PING"]]
    assert parser.ends == [3 + len(encode("PING"))]


def test_inline_requests_are_no_stream() -> None:
    parser = FramingParser()
    assert parser.receive(encode("PING") + b"PING\r\n") == [[b"PING"]]
    assert parser.error == "Master using the inline protocol. Desync?"
