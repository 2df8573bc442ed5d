"""All parsers parse the same table of requests, split at every byte."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.server import encode
from twisted_redis.resp.accelerated import HAVE_HIREDIS, RequestReader, read_lines
from twisted_redis.resp.parser import RAW_FROM, AcceleratedParser, Limits, LineParser, RequestParser, ScanningParser

Make = Callable[..., RequestParser]


def pure(limits: Limits | None = None, authenticated: bool = True) -> RequestParser:
    return RequestParser(limits or Limits(), authenticated)


def lines(limits: Limits | None = None, authenticated: bool = True) -> RequestParser:
    return LineParser(limits or Limits(), authenticated)


def scanning(limits: Limits | None = None, authenticated: bool = True) -> RequestParser:
    return ScanningParser(limits or Limits(), authenticated)


def accelerated(limits: Limits | None = None, authenticated: bool = True) -> RequestParser:
    return AcceleratedParser(limits or Limits(), RequestReader(), authenticated)


both = pytest.mark.parametrize(
    "make",
    [
        pure,
        lines,
        scanning,
        pytest.param(accelerated, marks=pytest.mark.skipif(not HAVE_HIREDIS, reason="hiredis is not installed")),
    ],
)

GET = [b"GET", b"key"]
LARGE = b"v" * (RAW_FROM * 3 + 7)

MANY = [b"MSET", *[b"x" * (n % 30) if n % 13 else b"\r\n$2\r\nab" * (n % 3) for n in range(150)], b"v" * 1100, b"end"]
MANY += [b"%d" % n for n in range(60)]

# (bytes, requests, error)
TABLE: list[tuple[bytes, list[list[bytes]], str | None]] = [
    (encode("PING"), [[b"PING"]], None),
    (encode("GET", "key") * 3, [GET, GET, GET], None),
    (b"*0\r\n" + encode("PING"), [[b"PING"]], None),
    (b"*-1\r\n*-10\r\n" + encode("PING"), [[b"PING"]], None),
    (b"\r\n\n  \r\nPING\r\n", [[b"PING"]], None),
    (b"PING\nGET key\r\n", [[b"PING"], GET], None),
    (b'set "a b" \'c d\' "\\x41\\n"\r\n', [[b"set", b"a b", b"c d", b"A\n"]], None),
    (encode("PING") + b"GET key\r\n" + encode("GET", "key"), [[b"PING"], GET, GET], None),
    (encode("SET", "k", b"\r\n$3\r\n*2\r\n"), [[b"SET", b"k", b"\r\n$3\r\n*2\r\n"]], None),
    (encode("SET", "k", b""), [[b"SET", b"k", b""]], None),
    (encode("ECHO", b"+\r\n"), [[b"ECHO", b"+\r\n"]], None),
    (encode("SET", "k", LARGE) + encode("GET", "key"), [[b"SET", b"k", LARGE], GET], None),
    (encode("MGET", *[f"key:{n}" for n in range(40)]), [[b"MGET", *[b"key:%d" % n for n in range(40)]]], None),
    (encode(*MANY), [MANY], None),
    (encode(*MANY)[:-8] + b"$3\r\nabcxy" + encode("PING"), [[*MANY[:-1], b"abc"], [b"PING"]], None),
    (encode(*MANY)[:-8] + b"$03\r\nabc\r\n", [], "invalid bulk length"),
    (encode(*MANY)[:-8] + b":1\r\n1\r\n", [], "expected '$', got ':'"),
    # Redis skips the two bytes after a bulk without checking them.
    (b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n", [[b"PING"], [b"PING"]], None),
    # Everything before an error is executed.
    (encode("PING") + b"*1\r\n:5\r\n", [[b"PING"]], "expected '$', got ':'"),
    (encode("PING") + b"*1\r\n+PING\r\n", [[b"PING"]], "expected '$', got '+'"),
    (b"*2\r\n$3\r\nGET\r\n*1\r\n$1\r\na\r\n", [], "expected '$', got '*'"),
    (b"*2\r\n$3\r\nGET\r\n_\r\n", [], "expected '$', got '_'"),
    (b"*1\r\n-ERR\r\n", [], "expected '$', got '-'"),
    (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", [], "expected '$', got 'f'"),
    (b"*x\r\n", [], "invalid multibulk length"),
    (b"*3000000000\r\n", [], "invalid multibulk length"),
    (b"*-9223372036854775809\r\n", [], "invalid multibulk length"),
    (b"*-9223372036854775808\r\n" + encode("PING"), [[b"PING"]], None),
    (b"*\r\n", [], "invalid multibulk length"),
    (b"*1\r\n$-1\r\n", [], "invalid bulk length"),
    (b"*1\r\n$01\r\na\r\n", [], "invalid bulk length"),
    (b"*1\r\n$+1\r\na\r\n", [], "invalid bulk length"),
    (b"*1\r\n$2000000000\r\n", [], "invalid bulk length"),
    (b"*1\r\n$ 1\r\n", [], "invalid bulk length"),
    (b'set a "b\r\n', [], "unbalanced quotes in request"),
    (encode("PING") + b'"\r\n' + encode("PING"), [[b"PING"]], "unbalanced quotes in request"),
]


def collect(parser: RequestParser, pieces: list[bytes]) -> list[list[bytes]]:
    found = []
    for piece in pieces:
        found += parser.receive(piece)
    return found


@both
@pytest.mark.parametrize("case", TABLE, ids=lambda case: repr(case[0][:40]))
def test_whole(make: Make, case: tuple[bytes, list[list[bytes]], str | None]) -> None:
    data, requests, error = case
    parser = make()
    assert parser.receive(data) == requests
    assert parser.error == error
    if error is None:
        assert parser.idle
        assert parser.buffered == 0


@both
@pytest.mark.parametrize("case", TABLE, ids=lambda case: repr(case[0][:40]))
def test_split_in_two_at_every_byte(make: Make, case: tuple[bytes, list[list[bytes]], str | None]) -> None:
    data, requests, error = case
    places = (
        range(len(data))
        if len(data) < 1000
        else [*range(60), *range(60, len(data), 997), *range(len(data) - 60, len(data))]
    )
    for place in places:
        parser = make()
        assert collect(parser, [data[:place], data[place:]]) == requests, place
        assert parser.error == error, place


@both
@pytest.mark.parametrize("case", [case for case in TABLE if len(case[0]) < 1000], ids=lambda case: repr(case[0][:40]))
def test_byte_by_byte(make: Make, case: tuple[bytes, list[list[bytes]], str | None]) -> None:
    data, requests, error = case
    parser = make()
    assert collect(parser, [data[place : place + 1] for place in range(len(data))]) == requests
    assert parser.error == error


@both
def test_a_dead_parser_stays_dead(make: Make) -> None:
    parser = make()
    parser.receive(b"*1\r\n:1\r\n")
    assert parser.receive(encode("PING")) == []
    assert parser.error == "expected '$', got ':'"


@both
def test_limit_gives_requests_one_by_one(make: Make) -> None:
    parser = make()
    assert parser.receive(encode("PING") + encode("GET", "key") + b"*2\r\n$3\r\nGET", 1) == [[b"PING"]]
    assert parser.receive(b"", 1) == [GET]
    assert parser.receive(b"", 1) == []
    assert parser.receive(b"\r\n$3\r\nkey\r\n", 1) == [GET]
    assert parser.idle


@both
def test_unauthenticated_limits(make: Make) -> None:
    parser = make(authenticated=False)
    assert parser.receive(b"*11\r\n") == []
    assert parser.error == "unauthenticated multibulk length"
    parser = make(authenticated=False)
    assert parser.receive(b"*1\r\n$16385\r\n") == []
    assert parser.error == "unauthenticated bulk length"
    parser = make(authenticated=False)
    assert parser.receive(encode("AUTH", "p"), 1) == [[b"AUTH", b"p"]]
    parser.authenticated = True
    assert parser.receive(encode("MGET", *["k"] * 20), 1) == [[b"MGET", *[b"k"] * 20]]


@both
def test_limits_of_lines(make: Make) -> None:
    parser = make()
    parser.receive(b"x" * 70000)
    assert parser.error == "too big inline request"
    parser = make()
    parser.receive(b"*" + b"1" * 70000)
    assert parser.error == "too big mbulk count string"
    parser = make()
    parser.receive(b"*1\r\n$" + b"1" * 70000)
    assert parser.error == "too big bulk count string"


@both
def test_limit_of_a_bulk_follows_the_directive(make: Make) -> None:
    limits = Limits(1000)
    parser = make(limits)
    assert parser.receive(encode("ECHO", b"x" * 1000)) == [[b"ECHO", b"x" * 1000]]
    limits.max_bulk = 999
    parser.receive(b"*2\r\n$4\r\nECHO\r\n$1000\r\n")
    assert parser.error == "invalid bulk length"


@both
def test_buffered_counts_what_is_held(make: Make) -> None:
    parser = make()
    parser.receive(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n")
    parser.receive(b"x" * 50000)
    assert 50000 <= parser.buffered <= 50100
    assert not parser.idle


@pytest.mark.skipif(not HAVE_HIREDIS, reason="hiredis is not installed")
def test_reader_judges_plain_chunks_only() -> None:
    reader = RequestReader()
    assert reader.read(encode("GET", "key") * 2) == [GET, GET]
    for doubtful in (
        b"PING\r\n",
        encode("GET", "key")[:-1],
        b"*1000000000\r\n",
        b"*1\r\n:1\r\n",
        b"*1\r\n+OK\r\n",
        b"*2\r\n$1\r\na\r\n",
        b"+\r\n",
        b"*1\r\n*1\r\n$1\r\na\r\n",
        b"*2\r\n+a\r\n$1\r\n$\r\n",
        b"*2\r\n=5\r\ntxt:a\r\n$1\r\n$\r\n",
        b"*2\r\n(123\r\n$1\r\n$\r\n",
        encode("GET", "*") + b">1\r\n$1\r\na\r\n",
        encode("GET", "*") + b"~1\r\n$1\r\na\r\n",
        encode("GET", "*") + b"|1\r\n$1\r\na\r\n$1\r\nb\r\n",
        encode("GET", "*") + b"%1\r\n$1\r\na\r\n$1\r\nb\r\n" + encode("GET", "key"),
    ):
        assert reader.read(doubtful) is None, doubtful
        assert reader.read(encode("GET", "key")) == [GET], "a doubt must not leave anything behind"


def test_lines_are_taken_for_plain_chunks_only() -> None:
    plain = encode("GET", "key")
    assert read_lines(plain + encode("SET", "k", "") + encode("PING")) == [GET, [b"SET", b"k", b""], [b"PING"]]
    for doubtful in (
        b"PING\r\n",
        plain[:-1],
        plain[:-2],
        plain[:-5],
        b"*2\r\n$3\r\nGET\r\n$0\r\n",
        b"*3\r\n$3\r\nGET\r\n$1\r\na\r\n$0\r\n",
        b"*1\r\n:1\r\n",
        b"*0\r\n",
        encode("GET", "a\r\nb"),
        encode("SET", "key", "a" * 1024),
        encode(*["x"] * 65),
        encode("SET", "key", "a" * 1000) * 70,
    ):
        assert read_lines(doubtful) is None, doubtful
        assert read_lines(plain + doubtful) is None, doubtful


@pytest.mark.skipif(not HAVE_HIREDIS, reason="hiredis is not installed")
def test_reader_takes_values_that_look_like_other_types() -> None:
    reader = RequestReader()
    for value in ("a+b", "=", "(", "https://x/?a=1&b=%20", "<p>", "~", "|", "+$", "=*", "%$*\r\n", "~1\r\n$1\r\na"):
        for count in (1, 2, 3):
            assert reader.read(encode("SET", "key", value) * count) == [[b"SET", b"key", value.encode()]] * count


arguments = st.lists(st.binary(max_size=40), min_size=1, max_size=12)


@given(st.lists(arguments, min_size=1, max_size=8), st.data())
def test_any_requests_in_any_pieces(requests: list[list[bytes]], data: st.DataObject) -> None:
    stream = b"".join(encode(*request) for request in requests)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    for make in (pure, lines, scanning, accelerated) if HAVE_HIREDIS else (pure, lines, scanning):
        parser = make()
        assert collect(parser, pieces) == requests
        assert parser.error is None


@given(st.binary(max_size=60))
def test_the_twins_agree_on_any_bytes(data: bytes) -> None:
    first = pure()
    found = first.receive(data)
    for make in (lines, scanning, accelerated) if HAVE_HIREDIS else (lines, scanning):
        second = make()
        assert second.receive(data) == found
        assert second.error == first.error


@given(
    st.lists(
        st.sampled_from(
            [b"*", b"$", b"1", b"2", b"3", b"\r\n", b"\r", b"\n", b"GET", b"a", b":", b"+", b"-1", b"0", b"%", b"~"]
        ),
        max_size=24,
    )
)
def test_the_twins_agree_on_near_requests(parts: list[bytes]) -> None:
    test_the_twins_agree_on_any_bytes.hypothesis.inner_test(b"".join(parts))  # type: ignore[attr-defined]


@both
@pytest.mark.parametrize("seed", range(20))
def test_requests_of_many_elements_in_any_pieces(make: Make, seed: int) -> None:
    rng = Random(seed)

    def element() -> bytes:
        match rng.randrange(60):
            case 0:
                return b"\r\n$1\r\n" * rng.randrange(4)
            case 1:
                return rng.randbytes(rng.randrange(900, 1200))
            case 2:
                return b"\r" * rng.randrange(3) + b"\n" * rng.randrange(3)
        return b"x" * rng.randrange(200)

    requests = [[element() for _ in range(rng.randrange(1, 1200))] for _ in range(12)]
    stream = b"".join(encode(*request) for request in requests)
    cuts = sorted(rng.randrange(len(stream)) for _ in range(rng.randrange(12)))
    parser = make()
    found = []
    held = 0
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += parser.receive(stream[start:end])
        done = sum(len(encode(*request)) for request in found)
        assert parser.buffered <= end - done
        held = max(held, parser.buffered)
    assert found == requests
    assert held > 0 or not cuts
    assert parser.idle
    assert parser.buffered == 0


@both
def test_many_elements_are_not_taken_one_by_one(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    headers: list[str] = []
    header = RequestParser._header

    def counted(parser: RequestParser, kind: str, skip: int = 1) -> bytes | None:
        headers.append(kind)
        return header(parser, kind, skip)

    monkeypatch.setattr(RequestParser, "_header", counted)
    stream = encode(*(f"member:{number}" for number in range(20_000)))
    parser = make()
    for start in range(0, len(stream), 65_536):
        found = parser.receive(stream[start : start + 65_536])
    assert len(found[0]) == 20_000
    assert len(headers) < 40


@both
def test_elements_of_another_kind_are_not_searched_again_and_again(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    take_many = RequestParser._take_many

    def counted(parser: RequestParser) -> bool:
        tried.append(parser._left)
        return take_many(parser)

    monkeypatch.setattr(RequestParser, "_take_many", counted)
    assert make().receive(encode(*[b"a\r\nb"] * 20_000)) == [[b"a\r\nb"] * 20_000]
    assert len(tried) < 100
