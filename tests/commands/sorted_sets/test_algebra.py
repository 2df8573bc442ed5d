"""Unions, intersections and differences of sorted sets."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused

SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture(params=["listpack", "skiplist"])
def server(request: pytest.FixtureRequest) -> InProcess:
    """A server with two sorted sets, a and b, and the plain sets s, of words, and i, of integers."""
    server = InProcess()
    if request.param == "skiplist":
        server.config.zset_max_listpack_entries = 0
    server("ZADD", "a", 1, "x", 2, "y", 3, "z")
    server("ZADD", "b", 10, "y", 20, "z", 30, "w", 40, "1")
    server("SADD", "s", "x", "z")
    server("SADD", "i", 1, 2)
    return server


def refused(server: InProcess, call: str) -> str:
    with pytest.raises(Refused) as caught:
        server(*call.split(" "))
    return str(caught.value)


def text(reply: tuple[bytes, ...]) -> str:
    return b" ".join(reply).decode()


RESULTS = [
    ("ZUNION 2 a b", "x 1 y 12 z 23 w 30 1 40"),
    ("ZUNION 2 a b WEIGHTS 2 -1", "1 -40 w -30 z -14 y -6 x 2"),
    ("ZUNION 2 a b AGGREGATE MIN", "x 1 y 2 z 3 w 30 1 40"),
    ("ZUNION 2 a b aggregate max weights 20 1", "w 30 1 40 x 20 y 40 z 60"),
    ("ZUNION 2 a s", "x 2 y 2 z 4"),
    ("ZUNION 3 i s none WEIGHTS 5 1 1", "x 1 z 1 1 5 2 5"),
    ("ZUNION 1 a", "x 1 y 2 z 3"),
    ("ZUNION 2 none gone", ""),
    ("ZUNION 2 a a", "x 2 y 4 z 6"),
    ("ZINTER 2 a b", "y 12 z 23"),
    ("ZINTER 3 a b s", "z 24"),
    ("ZINTER 2 i b", "1 41"),
    ("ZINTER 2 a b WEIGHTS 10 1 AGGREGATE MAX", "y 20 z 30"),
    ("ZINTER 2 a b AGGREGATE MIN", "y 2 z 3"),
    ("ZINTER 2 a none", ""),
    ("ZINTER 2 a a", "x 2 y 4 z 6"),
    ("ZDIFF 2 a b", "x 1"),
    ("ZDIFF 2 b i", "y 10 z 20 w 30"),
    ("ZDIFF 3 b a i", "w 30"),
    ("ZDIFF 2 a none", "x 1 y 2 z 3"),
    ("ZDIFF 1 s", "x 1 z 1"),
    ("ZDIFF 2 none a", ""),
    ("ZDIFF 2 a a", ""),
]


def ordered(result: str) -> list[tuple[float, str]]:
    words = result.split()
    return sorted(zip(map(float, words[1::2]), words[::2], strict=True))


@pytest.mark.parametrize(("call", "result"), RESULTS)
def test_results(server: InProcess, call: str, result: str) -> None:
    expected = ordered(result)
    assert text(server(*call.split())) == " ".join(member for _, member in expected)
    found = text(server(*call.split(), "WITHSCORES"))
    assert found == " ".join(f"{member} {score:g}" for score, member in expected)


@pytest.mark.parametrize(("call", "result"), RESULTS)
def test_stored_results(server: InProcess, call: str, result: str) -> None:
    name, *arguments = call.split()
    server("SET", "d", "another type", "EX", 100)
    expected = ordered(result)
    events = server.events(name + "STORE", "d", *arguments)
    assert events == ([f"{name.lower()}store d"] if expected else ["del d"])
    assert text(server("ZRANGE", "d", 0, -1, "WITHSCORES")) == " ".join(
        f"{member} {score:g}" for score, member in expected
    )
    assert server(name + "STORE", "d", *arguments) == len(expected)
    assert server("TTL", "d") == (-1 if expected else -2)


def test_infinities(server: InProcess) -> None:
    server("ZADD", "up", "inf", "m")
    server("ZADD", "down", "-inf", "m")
    for name in ("ZUNION", "ZINTER"):
        assert text(server(name, 2, "up", "down", "WITHSCORES")) == "m 0"
        assert text(server(name, 2, "up", "down", "WEIGHTS", 0, 0, "WITHSCORES")) == "m 0"
        assert text(server(name, 2, "up", "down", "AGGREGATE", "MAX", "WITHSCORES")) == "m inf"


def test_scores_are_doubles_in_resp3(server: InProcess) -> None:
    server("HELLO", 3)
    assert server("ZINTER", 2, "a", "b", "WITHSCORES") == [(b"y", 12.0), (b"z", 23.0)]


@pytest.mark.parametrize(
    ("call", "count"),
    [
        ("2 a b", 2),
        ("2 a b LIMIT 1", 1),
        ("2 a b LIMIT 0", 2),
        ("2 a b LIMIT 9 limit 1", 1),
        ("1 a", 3),
        ("2 a none", 0),
        ("3 s b a", 1),
        ("2 i b", 1),
    ],
)
def test_zintercard(server: InProcess, call: str, count: int) -> None:
    assert server("ZINTERCARD", *call.split()) == count


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("ZUNION x a", "ERR value is not an integer or out of range"),
        ("ZUNION 0 a", "ERR at least 1 input key is needed for 'zunion' command"),
        ("ZDIFFSTORE d -1 a", "ERR at least 1 input key is needed for 'zdiffstore' command"),
        ("ZINTERCARD 0 a", "ERR at least 1 input key is needed for 'zintercard' command"),
        ("ZUNION 3 a b", SYNTAX),
        ("ZUNION 2 a str", WRONG_TYPE),
        ("ZUNION 2 str a BOGUS", WRONG_TYPE),
        ("ZDIFF 2 none str", WRONG_TYPE),
        ("ZUNION 2 a b BOGUS", SYNTAX),
        ("ZUNION 2 a b WEIGHTS 1", SYNTAX),
        ("ZUNION 2 a b WEIGHTS 1 x", "ERR weight value is not a float"),
        ("ZUNION 2 a b WEIGHTS 1 nan", "ERR weight value is not a float"),
        ("ZUNION 2 a b AGGREGATE", SYNTAX),
        ("ZUNION 2 a b AGGREGATE AVG", SYNTAX),
        ("ZUNIONSTORE d 2 a b WITHSCORES", SYNTAX),
        ("ZDIFF 1 a WEIGHTS 1", SYNTAX),
        ("ZINTERCARD 1 a WITHSCORES", SYNTAX),
        ("ZINTERCARD 1 a LIMIT", SYNTAX),
        ("ZINTERCARD 1 a LIMIT -1", "ERR LIMIT can't be negative"),
        ("ZINTERCARD 1 a LIMIT x", "ERR LIMIT can't be negative"),
    ],
)
def test_errors(server: InProcess, call: str, error: str) -> None:
    server("SET", "str", "value")
    assert refused(server, call) == error


def test_effects(server: InProcess) -> None:
    assert server.dirty("ZUNIONSTORE", "d", 2, "a", "b") == 1
    assert server.effects("ZINTERSTORE", "d", 2, "a", "b") == ["ZINTERSTORE d 2 a b"]
    assert server.effects("ZINTERSTORE", "d", 2, "a", "none") == ["ZINTERSTORE d 2 a none"]
    assert server.effects("ZINTERSTORE", "d", 2, "a", "none") == []


def test_a_destination_may_be_a_source(server: InProcess) -> None:
    assert server("ZUNIONSTORE", "a", 2, "a", "b") == 5
    assert text(server("ZRANGE", "a", 0, -1, "WITHSCORES")) == "x 1 y 12 z 23 w 30 1 40"


@pytest.mark.parametrize(
    ("directives", "encoding"),
    [
        ({}, b"listpack"),
        ({"zset_max_listpack_entries": 1}, b"skiplist"),
        ({"zset_max_listpack_value": 1}, b"listpack"),
        ({"zset_max_listpack_value": 0}, b"skiplist"),
    ],
)
def test_the_encoding_of_a_result(directives: dict[str, int], encoding: bytes) -> None:
    server = InProcess(**directives)
    server("SADD", "s", "a", "b")
    server("ZUNIONSTORE", "d", 1, "s")
    assert server("OBJECT", "ENCODING", "d") == encoding
