"""Ranges of sorted sets by rank, score and member: reading, counting, removing and storing them."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused

NO_INTEGER = "ERR value is not an integer or out of range"
NO_BOUND = "ERR min or max is not a float"
NO_LEX = "ERR min or max not valid string range item"
SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture(params=["listpack", "skiplist"])
def server(request: pytest.FixtureRequest) -> InProcess:
    """A server, in either encoding, with z (members a to e, scores 1 to 5) and lex (members of equal score)."""
    server = InProcess()
    if request.param == "skiplist":
        server.config.zset_max_listpack_entries = 0
    server("ZADD", "z", 5, "e", 1, "a", 4, "d", 2, "b", 3, "c")
    server("ZADD", "lex", *[word for member in ("c", "", "aa", "a", "b", "d") for word in (0, member)])
    assert server("OBJECT", "ENCODING", "z") == request.param.encode()
    return server


def refused(server: InProcess, call: str) -> str:
    with pytest.raises(Refused) as caught:
        server(*call.split(" "))
    return str(caught.value)


def text(reply: tuple[bytes, ...]) -> str:
    return b" ".join(reply).decode()


class TestRanks:
    @pytest.mark.parametrize(
        ("call", "members"),
        [
            ("ZRANGE z 0 -1", "a b c d e"),
            ("ZRANGE z 1 2", "b c"),
            ("ZRANGE z -2 -1", "d e"),
            ("ZRANGE z -100 100", "a b c d e"),
            ("ZRANGE z 3 1", ""),
            ("ZRANGE z 5 9", ""),
            ("ZRANGE z 0 -6", ""),
            ("ZRANGE z 0 -9223372036854775808", ""),
            ("ZRANGE z -9223372036854775808 9223372036854775807", "a b c d e"),
            ("ZRANGE z 0 1 REV", "e d"),
            ("ZRANGE z -1 -1 rev", "a"),
            ("ZREVRANGE z 1 2", "d c"),
            ("ZRANGE z 0 1 WITHSCORES", "a 1 b 2"),
            ("ZREVRANGE z 0 1 WITHSCORES", "e 5 d 4"),
            ("ZRANGE none 0 -1", ""),
            ("ZRANGE z 0 -1 LIMIT 0 -1", "a b c d e"),
        ],
    )
    def test_members_read(self, server: InProcess, call: str, members: str) -> None:
        assert text(server(*call.split())) == members

    def test_large_sets(self) -> None:
        server = InProcess()
        for number in range(5000):
            server("ZADD", "z", number, f"m{number:04}")
        assert text(server("ZRANGE", "z", 2500, 2501)) == "m2500 m2501"
        assert text(server("ZREVRANGE", "z", 1, 2)) == "m4998 m4997"
        assert len(server("ZRANGE", "z", 10, -11)) == 4980
        assert server("ZCOUNT", "z", 1000, "(4000") == 3000
        assert server("ZREMRANGEBYRANK", "z", 1000, 3999) == 3000
        assert server("ZRANK", "z", "m4000") == 1000

    @pytest.mark.parametrize(
        ("call", "removed", "left"),
        [
            ("0 1", 2, "c d e"),
            ("-2 -1", 2, "a b c"),
            ("3 1", 0, "a b c d e"),
            ("9 10", 0, "a b c d e"),
            ("-100 100", 5, ""),
        ],
    )
    def test_members_removed(self, server: InProcess, call: str, removed: int, left: str) -> None:
        assert server("ZREMRANGEBYRANK", "z", *call.split()) == removed
        assert text(server("ZRANGE", "z", 0, -1)) == left
        assert server("EXISTS", "z") == int(bool(left))


class TestScores:
    @pytest.mark.parametrize(
        ("call", "members"),
        [
            ("ZRANGEBYSCORE z 2 4", "b c d"),
            ("ZRANGEBYSCORE z (2 (4", "c"),
            ("ZRANGEBYSCORE z -inf +inf", "a b c d e"),
            ("ZRANGEBYSCORE z 4 2", ""),
            ("ZRANGEBYSCORE z (3 3", ""),
            ("ZRANGEBYSCORE z 1.5 2e0", "b"),
            ("ZRANGEBYSCORE z -1e400 1e400", "a b c d e"),
            ("ZRANGEBYSCORE z ( 2", "a b"),
            ("ZRANGEBYSCORE z 2 4 WITHSCORES", "b 2 c 3 d 4"),
            ("ZRANGEBYSCORE z 1 5 LIMIT 1 2", "b c"),
            ("ZRANGEBYSCORE z 1 5 LIMIT 1 -1", "b c d e"),
            ("ZRANGEBYSCORE z 1 5 LIMIT 9 1", ""),
            ("ZRANGEBYSCORE z 1 5 LIMIT 0 0", ""),
            ("ZRANGEBYSCORE z 1 5 LIMIT 1 2 LIMIT 2 1", "c"),
            ("ZREVRANGEBYSCORE z 4 2", "d c b"),
            ("ZREVRANGEBYSCORE z +inf (1 LIMIT 1 2 WITHSCORES", "d 4 c 3"),
            ("ZRANGE z 2 4 BYSCORE", "b c d"),
            ("ZRANGE z 4 2 BYSCORE REV LIMIT 0 2", "d c"),
            ("ZRANGEBYSCORE none 1 2", ""),
        ],
    )
    def test_members_read(self, server: InProcess, call: str, members: str) -> None:
        assert text(server(*call.split())) == members

    @pytest.mark.parametrize("call", ["ZRANGEBYSCORE z 2 4", "ZREVRANGEBYSCORE z 4 2", "ZRANGEBYLEX lex - +"])
    def test_a_negative_offset_finds_nothing(self, server: InProcess, call: str) -> None:
        assert text(server(*call.split(), "LIMIT", -1, 9)) == ""

    def test_counts(self, server: InProcess) -> None:
        ranges = ("2 4", "(2 (4", "-inf inf", "4 2", "6 9")
        assert [server("ZCOUNT", "z", *one.split()) for one in ranges] == [3, 1, 5, 0, 0]
        assert server("ZCOUNT", "none", 1, 2) == 0

    def test_members_removed(self, server: InProcess) -> None:
        assert server("ZREMRANGEBYSCORE", "z", "(2", "(4") == 1
        assert server("ZREMRANGEBYSCORE", "z", 7, 9) == 0
        assert text(server("ZRANGE", "z", 0, -1)) == "a b d e"

    def test_the_text_of_a_bound_ends_at_a_zero_byte(self, server: InProcess) -> None:
        assert server("ZCOUNT", "z", b"2\0x", b"(4\0") == 2
        assert server("ZCOUNT", "z", b"", "2") == 2

    @pytest.mark.parametrize(
        ("low", "found"),
        [(" 2", 4), ("( 2", 3), ("0x2", 4), ("(0x1p1", 3), ("0x1p2000", 0), ("\t1e999", 0), ("1e-999", 5)],
    )
    def test_a_bound_is_what_strtod_reads(self, server: InProcess, low: str, found: int) -> None:
        assert server("ZCOUNT", "z", low, "+inf") == found

    @pytest.mark.parametrize("low", ["2 ", " ", "( ", "0x", "nan", "1_0", "((1"])
    def test_no_bounds(self, server: InProcess, low: str) -> None:
        with pytest.raises(Refused, match="ERR min or max is not a float"):
            server("ZCOUNT", "z", low, "+inf")


class TestMembers:
    @pytest.mark.parametrize(
        ("call", "members"),
        [
            ("ZRANGEBYLEX lex - +", " a aa b c d"),
            ("ZRANGEBYLEX lex [a (b", "a aa"),
            ("ZRANGEBYLEX lex (a [b", "aa b"),
            ("ZRANGEBYLEX lex - (b LIMIT 1 2", "a aa"),
            ("ZRANGEBYLEX lex + -", ""),
            ("ZRANGEBYLEX lex + +", ""),
            ("ZRANGEBYLEX lex [c [b", ""),
            ("ZREVRANGEBYLEX lex + [b", "d c b"),
            ("ZRANGE lex (c - BYLEX REV LIMIT 1 2", "aa a"),
            ("ZRANGE lex [ + BYLEX", " a aa b c d"),
            ("ZRANGE lex ( + BYLEX", "a aa b c d"),
        ],
    )
    def test_members_read(self, server: InProcess, call: str, members: str) -> None:
        assert text(server(*call.split(" "))) == members

    def test_counts(self, server: InProcess) -> None:
        ranges = ("- +", "[a (b", "+ -", "(d +")
        assert [server("ZLEXCOUNT", "lex", *one.split()) for one in ranges] == [6, 2, 0, 0]

    def test_members_removed(self, server: InProcess) -> None:
        assert server("ZREMRANGEBYLEX", "lex", "(", "[aa") == 2
        assert text(server("ZRANGE", "lex", 0, -1)) == " b c d"
        assert server("ZREMRANGEBYLEX", "lex", "-", "+") == 4
        assert server("EXISTS", "lex") == 0


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("ZRANGE z x 1", NO_INTEGER),
        ("ZRANGE none x 1", NO_INTEGER),
        ("ZRANGE z 0 1 BYSCORE LIMIT x 1", NO_INTEGER),
        ("ZRANGE z 0 1 BOGUS", SYNTAX),
        ("ZRANGE z 0 1 LIMIT 1", SYNTAX),
        ("ZRANGE z 0 1 BYSCORE BYLEX", SYNTAX),
        ("ZRANGE z 0 1 REV REV", SYNTAX),
        ("ZREVRANGE z 0 1 BYSCORE", SYNTAX),
        ("ZRANGEBYSCORE z 0 1 REV", SYNTAX),
        (
            "ZRANGE z 0 1 LIMIT 0 1",
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        (
            "ZRANGEBYLEX z - + WITHSCORES",
            "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
        ),
        ("ZRANGEBYSCORE z x 1", NO_BOUND),
        ("ZRANGEBYSCORE z 1 nan", NO_BOUND),
        ("ZRANGEBYSCORE z 0x 1", NO_BOUND),
        ("ZRANGEBYSCORE none ((1 1", NO_BOUND),
        ("ZCOUNT z 1 x", NO_BOUND),
        ("ZREMRANGEBYSCORE z x 1", NO_BOUND),
        ("ZRANGEBYLEX z a +", NO_LEX),
        ("ZRANGEBYLEX z -a +", NO_LEX),
        ("ZLEXCOUNT z - ", NO_LEX),
        ("ZREMRANGEBYLEX z 1 2", NO_LEX),
        ("ZREMRANGEBYRANK z 1.5 2", NO_INTEGER),
        ("ZRANGESTORE y z 0 1 WITHSCORES", SYNTAX),
        ("ZRANGE s 0 1", WRONG_TYPE),
        ("ZRANGEBYSCORE s x 1", NO_BOUND),
        ("ZCOUNT s 0 1", WRONG_TYPE),
        ("ZLEXCOUNT s - +", WRONG_TYPE),
        ("ZREMRANGEBYRANK s 0 1", WRONG_TYPE),
        ("ZRANGESTORE z s 0 1", WRONG_TYPE),
    ],
)
def test_errors(server: InProcess, call: str, error: str) -> None:
    server("SET", "s", "value")
    assert refused(server, call) == error


def test_scores_are_doubles_in_resp3(server: InProcess) -> None:
    server("HELLO", 3)
    assert server("ZRANGE", "z", 0, 1, "WITHSCORES") == [(b"a", 1.0), (b"b", 2.0)]
    assert server("ZREVRANGEBYSCORE", "z", 2, "-inf", "WITHSCORES") == [(b"b", 2.0), (b"a", 1.0)]
    assert server("ZRANGE", "z", 0, 1) == (b"a", b"b")


class TestStoring:
    @pytest.mark.parametrize(
        ("call", "stored"),
        [
            ("z 1 2", "b 2 c 3"),
            ("z 0 1 REV", "d 4 e 5"),
            ("z 2 +inf BYSCORE LIMIT 1 2", "c 3 d 4"),
            ("z 5 2 BYSCORE REV LIMIT 0 2", "d 4 e 5"),
            ("lex [aa (c BYLEX", "aa 0 b 0"),
        ],
    )
    def test_members_stored(self, server: InProcess, call: str, stored: str) -> None:
        server("SET", "y", "another type", "EX", 100)
        assert server("ZRANGESTORE", "y", *call.split()) == len(stored.split()) // 2
        assert text(server("ZRANGE", "y", 0, -1, "WITHSCORES")) == stored
        assert server("TTL", "y") == -1

    def test_nothing_removes_the_key(self, server: InProcess) -> None:
        assert server("ZRANGESTORE", "lex", "z", 9, 10) == 0
        assert server("EXISTS", "lex") == 0
        assert server("ZRANGESTORE", "z", "none", 0, -1) == 0
        assert server("EXISTS", "z") == 0

    def test_in_place(self, server: InProcess) -> None:
        assert server("ZRANGESTORE", "z", "z", 1, 1) == 1
        assert text(server("ZRANGE", "z", 0, -1, "WITHSCORES")) == "b 2"

    def test_effects(self, server: InProcess) -> None:
        assert server.events("ZRANGESTORE", "y", "z", 0, 1) == ["new y", "zrangestore y"]
        assert server.dirty("ZRANGESTORE", "y", "z", 0, 1) == 1
        assert server.events("ZRANGESTORE", "y", "none", 0, 1) == ["del y"]
        assert server.effects("ZRANGESTORE", "y", "none", 0, 1) == []

    def test_the_encoding_follows_the_size(self) -> None:
        server = InProcess(zset_max_listpack_entries=4)
        server("ZADD", "z", *[word for number in range(10) for word in (number, f"m{number}")])
        for call, encoding in {"0 3": b"listpack", "0 4": b"skiplist", "1 9 BYSCORE": b"skiplist"}.items():
            server("ZRANGESTORE", "y", "z", *call.split())
            assert server("OBJECT", "ENCODING", "y") == encoding

    def test_the_sign_of_zero_is_lost_in_a_listpack(self) -> None:
        server = InProcess(zset_max_listpack_entries=2)
        server("ZADD", "z", *[word for member in "abcd" for word in ("-0", member)])
        assert text(server("ZRANGE", "z", 0, -1, "WITHSCORES")) == "a -0 b -0 c -0 d -0"
        server("ZRANGESTORE", "y", "z", 0, 0, "BYSCORE")
        assert text(server("ZRANGE", "y", 0, -1, "WITHSCORES")) == "a 0 b 0 c -0 d -0"
        server("ZRANGESTORE", "y", "z", 0, 0, "BYSCORE", "REV")
        assert text(server("ZRANGE", "y", 0, -1, "WITHSCORES")) == "a -0 b -0 c 0 d 0"
        server("ZRANGESTORE", "y", "z", 0, -1)
        assert text(server("ZRANGE", "y", 0, -1, "WITHSCORES")) == "a -0 b -0 c -0 d -0"


def test_effects_of_removing(server: InProcess) -> None:
    assert server.events("ZREMRANGEBYRANK", "z", 0, 0) == ["zremrangebyrank z"]
    assert server.dirty("ZREMRANGEBYSCORE", "z", 2, 3) == 2
    assert server.effects("ZREMRANGEBYSCORE", "z", 4, "(5") == ["ZREMRANGEBYSCORE z 4 (5"]
    assert server.effects("ZREMRANGEBYSCORE", "z", 4, "(5") == []
    assert server.events("ZREMRANGEBYSCORE", "z", "-inf", "inf") == ["zremrangebyscore z", "del z"]
    assert server.events("ZREMRANGEBYLEX", "lex", "-", "+") == ["zremrangebylex lex", "del lex"]
