"""Popping members of sorted sets, and waiting for them."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused
from tests.support.server import Server
from twisted_redis.resp.encoder import encode2, encode3
from twisted_redis.resp.types import NullArray, Reply

NOT_POSITIVE = "ERR value is out of range, must be positive"
SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture(params=["listpack", "skiplist"])
def server(request: pytest.FixtureRequest) -> InProcess:
    """A server with the sorted set z in either encoding: the members a to d with the scores 1 to 4."""
    server = InProcess()
    if request.param == "skiplist":
        server.config.zset_max_listpack_entries = 0
    server("ZADD", "z", 4, "d", 1, "a", 3, "c", 2, "b")
    return server


def refused(server: InProcess, call: str) -> str:
    with pytest.raises(Refused) as caught:
        server(*call.split(" "))
    return str(caught.value)


def left(server: InProcess) -> bytes:
    return b"".join(server("ZRANGE", "z", 0, -1))


@pytest.mark.parametrize(
    ("call", "reply", "rest"),
    [
        ("ZPOPMIN z", (b"a", 1.0), b"bcd"),
        ("ZPOPMAX z", (b"d", 4.0), b"abc"),
        ("ZPOPMIN z 2", [b"a", 1.0, b"b", 2.0], b"cd"),
        ("ZPOPMAX z 2", [b"d", 4.0, b"c", 3.0], b"ab"),
        ("ZPOPMIN z 0", [], b"abcd"),
        ("ZPOPMAX z 9", [b"d", 4.0, b"c", 3.0, b"b", 2.0, b"a", 1.0], b""),
        ("ZPOPMIN none", [], b"abcd"),
        ("ZPOPMIN none 2", [], b"abcd"),
        ("ZMPOP 2 none z MIN", [b"z", [(b"a", 1.0)]], b"bcd"),
        ("ZMPOP 2 z none max COUNT 2", [b"z", [(b"d", 4.0), (b"c", 3.0)]], b"ab"),
        ("ZMPOP 1 none MIN", NullArray, b"abcd"),
        ("BZPOPMIN none z 0", [b"z", b"a", 1.0], b"bcd"),
        ("BZPOPMAX z 0", [b"z", b"d", 4.0], b"abc"),
        ("BZMPOP 0 2 none z MIN COUNT 9", [b"z", [(b"a", 1.0), (b"b", 2.0), (b"c", 3.0), (b"d", 4.0)]], b""),
    ],
)
def test_popped_members(server: InProcess, call: str, reply: Reply, rest: bytes) -> None:
    assert server(*call.split()) == reply
    assert left(server) == rest
    assert server("EXISTS", "z") == int(bool(rest))


def test_pairs_are_nested_in_resp3_where_there_may_be_several(server: InProcess) -> None:
    server("HELLO", 3)
    assert server("ZPOPMIN", "z") == (b"a", 1.0)
    assert server("ZPOPMIN", "z", 1) == [(b"b", 2.0)]
    assert server("BZPOPMIN", "z", 0) == [b"z", b"c", 3.0]


@pytest.mark.parametrize(
    ("call", "effect", "events"),
    [
        ("ZPOPMIN z", "ZPOPMIN z", ["zpopmin z"]),
        ("ZPOPMAX z 2", "ZPOPMAX z 2", ["zpopmax z"]),
        ("ZPOPMIN z 9", "ZPOPMIN z 9", ["zpopmin z", "del z"]),
        ("ZMPOP 2 none z MAX", "ZPOPMAX z 1", ["zpopmax z"]),
        ("ZMPOP 1 z MIN COUNT 9", "ZPOPMIN z 4", ["zpopmin z", "del z"]),
        ("BZPOPMIN none z 0", "ZPOPMIN z", ["zpopmin z"]),
        ("BZPOPMAX z 0", "ZPOPMAX z", ["zpopmax z"]),
        ("BZMPOP 0 1 z MIN COUNT 9", "ZPOPMIN z 4", ["zpopmin z", "del z"]),
    ],
)
def test_effects(server: InProcess, call: str, effect: str, events: list[str]) -> None:
    server("COPY", "z", "copy")
    assert server.effects(*call.split()) == [effect]
    server("COPY", "copy", "z", "REPLACE")
    assert server.events(*call.split()) == events


def test_no_effects(server: InProcess) -> None:
    assert server.effects("ZPOPMIN", "z", 0) == []
    assert server.effects("ZPOPMIN", "none") == []
    assert server.dirty("ZPOPMIN", "z", 3) == 3


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("ZPOPMIN z -1", NOT_POSITIVE),
        ("ZPOPMAX none x", NOT_POSITIVE),
        ("ZPOPMIN z 1 2", SYNTAX),
        ("ZPOPMIN s", WRONG_TYPE),
        ("ZPOPMIN s 0", WRONG_TYPE),
        ("ZMPOP 0 z MIN", "ERR numkeys should be greater than 0"),
        ("ZMPOP x z MIN", "ERR numkeys should be greater than 0"),
        ("ZMPOP 2 z MIN", SYNTAX),
        ("ZMPOP 1 z LEFT", SYNTAX),
        ("ZMPOP 1 z MIN COUNT", SYNTAX),
        ("ZMPOP 1 z MIN COUNT 0", "ERR count should be greater than 0"),
        ("ZMPOP 1 z MIN COUNT 1 COUNT 1", SYNTAX),
        ("ZMPOP 2 none s MIN", WRONG_TYPE),
        ("BZPOPMIN z x", "ERR timeout is not a float or out of range"),
        ("BZPOPMIN z -1", "ERR timeout is negative"),
        ("BZPOPMAX none s z 0", WRONG_TYPE),
        ("BZMPOP x 1 z LEFT", SYNTAX),
        ("BZMPOP x 1 z MIN", "ERR timeout is not a float or out of range"),
        ("BZMPOP 0 1 s MIN", WRONG_TYPE),
    ],
)
def test_errors(server: InProcess, call: str, error: str) -> None:
    server("SET", "s", "value")
    assert refused(server, call) == error
    assert left(server) == b"abcd"


class TestWaiting:
    @pytest.mark.parametrize(
        ("call", "reply"),
        [
            ("BZPOPMIN none q 0", [b"q", b"a", 1.0]),
            ("BZPOPMAX none q 0", [b"q", b"b", 2.0]),
            ("BZMPOP 0 2 none q MIN", [b"q", [[b"a", 1.0]]]),
            ("BZMPOP 0 2 none q MAX COUNT 9", [b"q", [[b"b", 2.0], [b"a", 1.0]]]),
        ],
    )
    @pytest.mark.parametrize("protocol", [2, 3])
    def test_a_missing_member_is_returned_when_it_arrives(self, call: str, reply: Reply, protocol: int) -> None:
        server = Server()
        waiting = server.connect()
        waiting("HELLO", protocol)
        assert waiting(*call.split()) == b""
        server.advance(3600)
        assert waiting.read() == b""
        server("ZADD", "q", 2, "b", 1, "a")
        assert waiting.read() == (encode3 if protocol == 3 else encode2)(reply)

    @pytest.mark.parametrize("call", ["BZPOPMIN q {}", "BZPOPMAX q p {}", "BZMPOP {} 1 q MIN"])
    def test_time_is_over(self, call: str) -> None:
        server = Server()
        waiting = server.connect()
        waiting(*call.format("0.5").split())
        server.advance(0.4)
        assert waiting.read() == b""
        server.advance(0.2)
        assert waiting.read() == b"*-1\r\n"
        server("ZADD", "q", 1, "a")
        assert server("ZCARD", "q") == 1

    def test_the_first_client_is_served_first(self) -> None:
        server = Server()
        first, second, third = server.connect(), server.connect(), server.connect()
        for client in (first, second, third):
            client("BZPOPMIN", "q", 0)
        server("ZADD", "q", 1, "a", 2, "b")
        assert first.read() == encode2([b"q", b"a", 1.0])
        assert second.read() == encode2([b"q", b"b", 2.0])
        assert third.read() == b""

    def test_other_types_wake_nobody(self) -> None:
        server = Server()
        waiting = server.connect()
        waiting("BZPOPMIN", "q", 0)
        server("RPUSH", "q", "a")
        assert waiting.read() == b""
        server("DEL", "q")
        server("ZUNIONSTORE", "q", 1, "none")
        assert waiting.read() == b""
        server("SADD", "s", "a")
        server("ZUNIONSTORE", "q", 1, "s")
        assert waiting.read() == encode2([b"q", b"a", 1.0])

    def test_in_a_transaction_nothing_waits(self) -> None:
        server = Server()
        server("MULTI")
        server("BZPOPMIN", "q", 0)
        server("BZMPOP", 0, 1, "q", "MIN")
        assert server("EXEC") == [NullArray, NullArray]

    def test_replicas_see_the_pop(self) -> None:
        server = Server()
        waiting = server.connect()
        waiting("BZMPOP", 0, 1, "q", "MIN", "COUNT", 9)
        recorder = server.record()
        server("ZADD", "q", 1, "a")
        assert recorder.take() == [[b"ZADD", b"q", b"1", b"a"], [b"ZPOPMIN", b"q", b"1"]]
