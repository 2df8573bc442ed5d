"""Sorted sets: the replies of the commands on members, and their effects on replicas and keyspace events."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused
from tests.support.server import Server
from twisted_redis.resp.types import NullArray

NO_FLOAT = "ERR value is not a valid float"
SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture(params=["listpack", "skiplist"])
def server(request: pytest.FixtureRequest) -> InProcess:
    """A server whose sorted sets are in either encoding."""
    server = InProcess()
    if request.param == "skiplist":
        server.config.zset_max_listpack_entries = 0
    server("ZADD", "probe", 1, "a")
    assert server("OBJECT", "ENCODING", "probe") == request.param.encode()
    server("DEL", "probe")
    return server


@pytest.fixture
def z(server: InProcess) -> InProcess:
    """A server with the sorted set z: the members a, b and c with the scores 1, 2 and 3."""
    server("ZADD", "z", 2, "b", 1, "a", 3, "c")
    return server


def refused(server: Server, call: str) -> str:
    with pytest.raises(Refused) as caught:
        server(*call.split(" "))
    return str(caught.value)


def pairs(server: Server, key: str = "z") -> list[bytes]:
    reply: tuple[bytes, ...] = server("ZRANGE", key, 0, -1, "WITHSCORES")
    return list(reply)


class TestZadd:
    @pytest.mark.parametrize(
        ("call", "reply", "left"),
        [
            ("4 d", 1, "a 1 b 2 c 3 d 4"),
            ("4 a", 0, "b 2 c 3 a 4"),
            ("1 a", 0, "a 1 b 2 c 3"),
            ("4 d 5 a 6 d", 1, "b 2 c 3 a 5 d 6"),
            ("CH 4 d 5 a 2 b", 2, "b 2 c 3 d 4 a 5"),
            ("NX 4 d 5 a", 1, "a 1 b 2 c 3 d 4"),
            ("xx 4 d 5 a", 0, "b 2 c 3 a 5"),
            ("XX CH 4 d 5 a", 1, "b 2 c 3 a 5"),
            ("GT 5 a 1 c 4 d", 1, "b 2 c 3 d 4 a 5"),
            ("LT 5 a 1 c 4 d", 1, "a 1 c 1 b 2 d 4"),
            ("GT XX 5 a 4 d", 0, "b 2 c 3 a 5"),
            ("INCR 5 a", 6.0, "b 2 c 3 a 6"),
            ("INCR 5 d", 5.0, "a 1 b 2 c 3 d 5"),
            ("INCR NX 5 a", None, "a 1 b 2 c 3"),
            ("INCR XX 5 d", None, "a 1 b 2 c 3"),
            ("INCR GT -5 a", None, "a 1 b 2 c 3"),
            ("INCR LT -5 a", -4.0, "a -4 b 2 c 3"),
            ("INCR 0 a", 1.0, "a 1 b 2 c 3"),
            ("-inf c inf a 1e3 b", 0, "c -inf b 1000 a inf"),
            ("0x10 a", 0, "b 2 c 3 a 16"),
            # Redis' fast path takes up to 19 digits and a power of ten from -342 to 308, and checks no sizes.
            ("2e-324 a", 0, "a 0 b 2 c 3"),
            ("1e-342 a", 0, "a 0 b 2 c 3"),
            ("10e308 a", 0, "b 2 c 3 a inf"),
            ("-10e308 a", 0, "a -inf b 2 c 3"),
        ],
    )
    def test_replies_and_effects(self, z: InProcess, call: str, reply: object, left: str) -> None:
        found = z("ZADD", "z", *call.split())
        assert found == reply and type(found) is type(reply)
        assert pairs(z) == left.encode().split()

    @pytest.mark.parametrize(
        ("call", "error"),
        [
            ("x a", NO_FLOAT),
            ("nan a", NO_FLOAT),
            ("1e400 a", NO_FLOAT),
            ("1e-400 a", NO_FLOAT),
            ("1e-343 a", NO_FLOAT),
            ("1e309 a", NO_FLOAT),
            ("0x1p-2000 a", NO_FLOAT),
            ("12345678901234567890e-345 a", NO_FLOAT),
            (" a", NO_FLOAT),
            ("1 a x b", NO_FLOAT),
            ("1 a 2", SYNTAX),
            ("NX CH", SYNTAX),
            ("1 a NX 2 b", SYNTAX),
            ("NX XX x a", "ERR XX and NX options at the same time are not compatible"),
            ("NX GT 1 a", "ERR GT, LT, and/or NX options at the same time are not compatible"),
            ("GT LT x a", "ERR GT, LT, and/or NX options at the same time are not compatible"),
            ("INCR 1 a 2 b", "ERR INCR option supports a single increment-element pair"),
        ],
    )
    def test_errors(self, z: InProcess, call: str, error: str) -> None:
        assert refused(z, f"ZADD z {call}") == error
        assert pairs(z) == b"a 1 b 2 c 3".split()

    def test_opposite_infinities(self, z: InProcess) -> None:
        z("ZADD", "z", "inf", "a")
        assert refused(z, "ZADD z INCR -inf a") == "ERR resulting score is not a number (NaN)"
        assert refused(z, "ZINCRBY z -inf a") == "ERR resulting score is not a number (NaN)"

    def test_a_missing_key_stays_missing(self, server: InProcess) -> None:
        assert server("ZADD", "none", "XX", 1, "a") == 0
        assert server("ZADD", "none", "XX", "INCR", 1, "a") is None
        assert server("EXISTS", "none") == 0

    def test_the_type_is_checked_after_the_scores(self, server: InProcess) -> None:
        server("SET", "s", "value")
        assert refused(server, "ZADD s x a") == NO_FLOAT
        assert refused(server, "ZADD s 1 a") == WRONG_TYPE
        assert refused(server, "ZADD s NX 1 a") == WRONG_TYPE

    def test_effects(self, z: InProcess) -> None:
        assert z.effects("ZADD", "z", "CH", 4, "d", 4, "a") == ["ZADD z CH 4 d 4 a"]
        assert z.effects("ZADD", "z", 4, "a") == []
        assert z.effects("ZADD", "z", "NX", 9, "a") == []
        assert z.dirty("ZADD", "z", 5, "a", 6, "e", 4, "d") == 2
        assert z.events("ZADD", "z", 7, "a") == ["zadd z"]
        assert z.events("ZADD", "z", "INCR", 7, "a") == ["zincr z"]
        assert z.events("ZINCRBY", "z", 7, "a") == ["zincr z"]
        assert z.events("ZINCRBY", "z", 0, "a") == []
        assert z.events("ZADD", "new", 7, "a") == ["new new", "zadd new"]


class TestZincrby:
    def test_it_adds(self, z: InProcess) -> None:
        assert z("ZINCRBY", "z", "2.5", "a") == 3.5
        assert z("ZINCRBY", "z", "-1", "new") == -1.0
        assert pairs(z) == b"new -1 b 2 c 3 a 3.5".split()

    def test_options_of_zadd_are_no_numbers(self, z: InProcess) -> None:
        assert refused(z, "ZINCRBY z nx a") == SYNTAX
        assert refused(z, "ZINCRBY z x a") == NO_FLOAT


class TestZrem:
    def test_it_counts(self, z: InProcess) -> None:
        assert z("ZREM", "z", "a", "none", "a", "c") == 2
        assert pairs(z) == [b"b", b"2"]
        assert z("ZREM", "none", "a") == 0

    def test_effects(self, z: InProcess) -> None:
        assert z.events("ZREM", "z", "none") == []
        assert z.events("ZREM", "z", "a") == ["zrem z"]
        assert z.effects("ZREM", "z", "b", "c") == ["ZREM z b c"]
        z("ZADD", "z", 1, "a")
        assert z.events("ZREM", "z", "a") == ["zrem z", "del z"]
        assert z("EXISTS", "z") == 0


def test_looking_up(z: InProcess) -> None:
    assert (z("ZCARD", "z"), z("ZCARD", "none")) == (3, 0)
    assert (z("ZSCORE", "z", "b"), z("ZSCORE", "z", "x"), z("ZSCORE", "none", "b")) == (2.0, None, None)
    assert z("ZMSCORE", "z", "c", "x", "c") == [3.0, None, 3.0]
    assert z("ZMSCORE", "none", "c", "x") == [None, None]


def test_ranks(z: InProcess) -> None:
    assert [z("ZRANK", "z", member) for member in "abcx"] == [0, 1, 2, None]
    assert [z("ZREVRANK", "z", member) for member in "abcx"] == [2, 1, 0, None]
    assert z("ZRANK", "z", "b", "WITHSCORE") == [1, 2.0]
    assert z("ZREVRANK", "z", "c", "withscore") == [0, 3.0]
    assert z("ZRANK", "none", "b") is None
    assert z("ZRANK", "z", "x", "WITHSCORE") is NullArray
    assert z("ZRANK", "none", "b", "WITHSCORE") is NullArray
    assert refused(z, "ZRANK z b WITHSCORES") == SYNTAX
    assert refused(z, "ZRANK z b WITHSCORE x") == "ERR wrong number of arguments for 'zrank' command"


@pytest.mark.parametrize(
    "call",
    ["ZCARD s", "ZSCORE s a", "ZMSCORE s a", "ZRANK s a", "ZREM s a", "ZRANDMEMBER s", "ZRANDMEMBER s 1", "ZSCAN s 0"],
)
def test_the_type_has_to_be_right(server: InProcess, call: str) -> None:
    server("SADD", "s", "a")
    assert refused(server, call) == WRONG_TYPE


class TestZrandmember:
    def test_replies(self, z: InProcess) -> None:
        assert z("ZRANDMEMBER", "z") in (b"a", b"b", b"c")
        assert sorted(z("ZRANDMEMBER", "z", 2)) in ([b"a", b"b"], [b"a", b"c"], [b"b", b"c"])
        assert sorted(z("ZRANDMEMBER", "z", 5)) == [b"a", b"b", b"c"]
        assert z("ZRANDMEMBER", "z", 0) == ()
        assert len(z("ZRANDMEMBER", "z", -7)) == 7
        assert z("ZRANDMEMBER", "none") is None
        assert z("ZRANDMEMBER", "none", 3) == []

    def test_scores(self, z: InProcess) -> None:
        z("ZREM", "z", "b", "c")
        assert z("ZRANDMEMBER", "z", -2, "WITHSCORES") == [b"a", 1.0, b"a", 1.0]
        z("HELLO", 3)
        assert z("ZRANDMEMBER", "z", -2, "WITHSCORES") == [[b"a", 1.0], [b"a", 1.0]]

    @pytest.mark.parametrize(
        ("call", "error"),
        [
            ("x", "ERR value is not an integer or out of range"),
            ("1 WITHSCORE", SYNTAX),
            ("1 WITHSCORES x", SYNTAX),
            ("-4611686018427387905 WITHSCORES", "ERR value is out of range"),
            ("-10000001", "ERR value is out of range"),
        ],
    )
    def test_errors(self, z: InProcess, call: str, error: str) -> None:
        assert refused(z, f"ZRANDMEMBER z {call}") == error


class TestZscan:
    def test_a_small_set_comes_at_once_and_in_order(self) -> None:
        server = InProcess()
        server("ZADD", "z", 2, "b", "0.1", "a")
        assert server("ZSCAN", "z", 0, "COUNT", 1) == [b"0", (b"a", b"0.1", b"b", b"2")]
        assert server("ZSCAN", "z", 0, "MATCH", "b*") == [b"0", (b"b", b"2")]
        assert server("ZSCAN", "none", 0) == [b"0", []]

    def test_a_large_set_has_its_scores_with_all_their_digits(self) -> None:
        server = InProcess()
        server.config.zset_max_listpack_entries = 0
        for score in ("0.1", "inf", "-inf", "3"):
            server("ZADD", "z", score, "m" + score)
        _, found = server("ZSCAN", "z", 0)
        assert dict(zip(found[::2], found[1::2], strict=True)) == {
            b"m0.1": b"0.10000000000000001",
            b"minf": b"inf",
            b"m-inf": b"-inf",
            b"m3": b"3",
        }

    def test_all_of_a_large_set(self) -> None:
        server = InProcess()
        for number in range(300):
            server("ZADD", "z", number, f"m{number}")
        cursor, found = server("ZSCAN", "z", 0)
        calls = 1
        while cursor != b"0":
            cursor, more = server("ZSCAN", "z", cursor)
            found += more
            calls += 1
        assert calls > 10
        assert sorted(found[::2]) == sorted(b"m%d" % number for number in range(300))
        assert all(found[place + 1] == found[place][1:] for place in range(0, 600, 2))

    def test_errors(self, z: InProcess) -> None:
        assert refused(z, "ZSCAN z x") == "ERR invalid cursor"
        assert refused(z, "ZSCAN z 0 COUNT 0") == SYNTAX
        assert refused(z, "ZSCAN z 0 NOVALUES") == "ERR NOVALUES option can only be used in HSCAN"


def test_other_commands_know_sorted_sets(z: InProcess) -> None:
    z("ZADD", "z", 0, "c")
    assert z("TYPE", "z") == b"zset"
    assert z("SORT", "z", "BY", "nosort") == [b"c", b"a", b"b"]
    assert z("SORT", "z", "BY", "nosort", "DESC") == [b"b", b"a", b"c"]
    assert z("COPY", "z", "y") == 1
    z("ZADD", "y", 9, "c")
    assert pairs(z) == b"c 0 a 1 b 2".split()
    assert pairs(z, "y") == b"a 1 b 2 c 9".split()
