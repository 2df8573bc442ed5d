"""Lists: the replies of the commands, the order of their checks, and their effects."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused
from twisted_redis.resp.types import NullArray

NO_INTEGER = "ERR value is not an integer or out of range"
NOT_POSITIVE = "ERR value is out of range, must be positive"
OUTSIDE = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
RANK_ZERO = (
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to "
    "start from the end of the list"
)
SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def refused(server: InProcess, *argv: str | int) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


def contents(server: InProcess, key: str = "l") -> bytes:
    """Returns the elements, which are one letter each."""
    return b"".join(server("LRANGE", key, 0, -1))


def make(server: InProcess, elements: str, key: str = "l") -> None:
    server("DEL", key)
    server("RPUSH", key, *elements)


# pushing and popping


def test_pushes_give_the_length(server: InProcess) -> None:
    assert server("RPUSH", "l", "a", "b") == 2
    assert server("LPUSH", "l", "c", "d") == 4
    assert server("LPUSHX", "l", "e") == 5
    assert server("RPUSHX", "l", "f", "g") == 7
    assert contents(server) == b"edcabfg"
    assert server("LLEN", "l") == 7


def test_pushes_with_x_make_no_list(server: InProcess) -> None:
    assert server("LPUSHX", "l", "a") == server("RPUSHX", "l", "a") == 0
    assert server("EXISTS", "l") == 0


def test_pops(server: InProcess) -> None:
    make(server, "abcdef")
    assert server("LPOP", "l") == b"a"
    assert server("RPOP", "l") == b"f"
    assert server("LPOP", "l", 2) == [b"b", b"c"]
    assert server("RPOP", "l", 9) == [b"e", b"d"]
    assert server("EXISTS", "l") == 0


def test_the_absence_of_a_list_shows_in_the_form_that_was_asked_for(server: InProcess) -> None:
    assert server("LPOP", "l") is server("RPOP", "l") is None
    assert server("LPOP", "l", 0) is server("RPOP", "l", 1) is NullArray
    make(server, "a")
    assert server("LPOP", "l", 0) == server("RPOP", "l", 0) == []
    assert server("LLEN", "l") == 1


@pytest.mark.parametrize("name", ["LPOP", "RPOP"])
def test_the_count_of_a_pop_is_checked_before_the_key(server: InProcess, name: str) -> None:
    server("SET", "s", "v")
    assert refused(server, name, "s", "-1") == NOT_POSITIVE
    assert refused(server, name, "s", "x") == NOT_POSITIVE
    assert refused(server, name, "s", "1", "2") == f"ERR wrong number of arguments for '{name.lower()}' command"
    assert refused(server, name, "s", "0") == WRONG_TYPE


def test_several_lists_may_be_asked_for(server: InProcess) -> None:
    make(server, "abc", "m")
    assert server("LMPOP", 2, "l", "m", "LEFT") == [b"m", [b"a"]]
    assert server("lmpop", 2, "l", "m", "right", "count", 9) == [b"m", [b"c", b"b"]]
    assert server("LMPOP", 2, "l", "m", "LEFT") is NullArray


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["0", "l", "LEFT"], "ERR numkeys should be greater than 0"),
        (["x", "l", "LEFT"], "ERR numkeys should be greater than 0"),
        (["2", "l", "LEFT"], SYNTAX),
        (["9223372036854775807", "l", "LEFT"], SYNTAX),
        (["1", "l", "UP"], SYNTAX),
        (["1", "l", "LEFT", "COUNT"], SYNTAX),
        (["1", "l", "LEFT", "COUNT", "0"], "ERR count should be greater than 0"),
        (["1", "l", "LEFT", "COUNT", "x", "COUNT", "1"], "ERR count should be greater than 0"),
        (["1", "l", "LEFT", "COUNT", "1", "COUNT", "1"], SYNTAX),
        (["1", "l", "LEFT", "RIGHT"], SYNTAX),
        (["2", "none", "s", "LEFT"], WRONG_TYPE),
    ],
)
def test_errors_of_lmpop(server: InProcess, argv: list[str], error: str) -> None:
    server("SET", "s", "v")
    assert refused(server, "LMPOP", *argv) == error


# reading


def test_ranges(server: InProcess) -> None:
    make(server, "abcde")
    assert list(server("LRANGE", "l", 1, 2)) == [b"b", b"c"]
    assert list(server("LRANGE", "l", -2, 100)) == [b"d", b"e"]
    assert list(server("LRANGE", "l", 3, 1)) == list(server("LRANGE", "none", 0, -1)) == []


def test_lindex(server: InProcess) -> None:
    make(server, "abc")
    assert [server("LINDEX", "l", index) for index in (0, -1, 3, 2**32)] == [b"a", b"c", None, None]


def test_when_an_index_is_checked(server: InProcess) -> None:
    assert refused(server, "LRANGE", "none", "x", "0") == NO_INTEGER
    assert refused(server, "LTRIM", "none", "0", "x") == NO_INTEGER
    assert server("LINDEX", "none", "x") is None
    assert refused(server, "LSET", "none", "x", "v") == "ERR no such key"
    make(server, "a")
    assert refused(server, "LINDEX", "l", "x") == refused(server, "LSET", "l", "x", "v") == NO_INTEGER


def test_lpos(server: InProcess) -> None:
    make(server, "abcaca")
    assert server("LPOS", "l", "c") == 2
    assert server("LPOS", "l", "c", "RANK", 2) == server("LPOS", "l", "c", "rank", -1) == 4
    assert server("LPOS", "l", "a", "COUNT", 0, "MAXLEN", 4) == [0, 3]
    assert server("LPOS", "l", "a", "COUNT", 2, "RANK", -2) == [3, 0]
    assert server("LPOS", "l", "x") is None
    assert server("LPOS", "l", "x", "COUNT", 1) == server("LPOS", "none", "x", "COUNT", 1) == []
    assert server("LPOS", "none", "x") is None


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["RANK"], SYNTAX),
        (["FOO", "1"], SYNTAX),
        (["RANK", "x"], NO_INTEGER),
        (["RANK", "-9223372036854775808"], OUTSIDE),
        (
            ["RANK", "0", "FOO"],
            RANK_ZERO,
        ),
        (["COUNT", "-1"], "ERR COUNT can't be negative"),
        (["COUNT", "x"], "ERR COUNT can't be negative"),
        (["MAXLEN", "-1"], "ERR MAXLEN can't be negative"),
        (["COUNT", "1"], WRONG_TYPE),
    ],
)
def test_errors_of_lpos(server: InProcess, options: list[str], error: str) -> None:
    server("SET", "s", "v")
    assert refused(server, "LPOS", "s", "a", *options) == error


# the middle


def test_linsert(server: InProcess) -> None:
    assert server("LINSERT", "l", "BEFORE", "a", "b") == 0
    make(server, "aba")
    assert server("LINSERT", "l", "before", "b", "x") == 4
    assert server("LINSERT", "l", "AFTER", "a", "y") == 5
    assert server("LINSERT", "l", "AFTER", "z", "y") == -1
    assert contents(server) == b"ayxba"
    server("SET", "s", "v")
    assert refused(server, "LINSERT", "s", "BESIDE", "a", "b") == SYNTAX


def test_lset(server: InProcess) -> None:
    make(server, "abc")
    assert server("LSET", "l", 1, "x") == server("LSET", "l", -1, "y") == b"OK"
    assert contents(server) == b"axy"
    assert refused(server, "LSET", "l", 3, "z") == "ERR index out of range"


def test_lset_sees_32_bits_of_an_index(server: InProcess) -> None:
    make(server, "abc")
    server("LSET", "l", 2**32, "x")
    server("LSET", "l", -(2**32) - 1, "y")
    assert contents(server) == b"xby"
    assert refused(server, "LSET", "l", 2**31, "z") == "ERR index out of range"


@pytest.mark.parametrize(
    ("count", "left", "removed"), [(0, b"bc", 3), (1, b"baca", 1), (-2, b"abc", 2), (2**63 - 1, b"bc", 3)]
)
def test_lrem(server: InProcess, count: int, left: bytes, removed: int) -> None:
    make(server, "abaca")
    assert server("LREM", "l", count, "a") == removed
    assert contents(server) == left


def test_lrem_checks_its_count_first(server: InProcess) -> None:
    assert refused(server, "LREM", "none", "x", "a") == NO_INTEGER
    assert refused(server, "LREM", "none", "-9223372036854775808", "a") == OUTSIDE
    assert server("LREM", "none", 0, "a") == 0


@pytest.mark.parametrize(
    ("start", "stop", "left"),
    [(0, -1, b"abcde"), (1, 3, b"bcd"), (-2, 99, b"de"), (-99, 0, b"a"), (3, 2, b""), (5, 9, b""), (0, -6, b"")],
)
def test_ltrim(server: InProcess, start: int, stop: int, left: bytes) -> None:
    make(server, "abcde")
    assert server("LTRIM", "l", start, stop) == b"OK"
    assert contents(server) == left
    assert server("EXISTS", "l") == bool(left)


# moving


@pytest.mark.parametrize(
    ("wherefrom", "whereto", "moved", "source", "destination"),
    [
        ("LEFT", "LEFT", b"a", b"bc", b"axy"),
        ("left", "right", b"a", b"bc", b"xya"),
        ("RIGHT", "LEFT", b"c", b"ab", b"cxy"),
        ("RIGHT", "RIGHT", b"c", b"ab", b"xyc"),
    ],
)
def test_lmove(
    server: InProcess, wherefrom: str, whereto: str, moved: bytes, source: bytes, destination: bytes
) -> None:
    make(server, "abc")
    make(server, "xy", "m")
    assert server("LMOVE", "l", "m", wherefrom, whereto) == moved
    assert contents(server) == source
    assert contents(server, "m") == destination


def test_a_list_may_turn(server: InProcess) -> None:
    make(server, "abc")
    assert server("LMOVE", "l", "l", "LEFT", "RIGHT") == b"a"
    assert server("RPOPLPUSH", "l", "l") == b"a"
    assert contents(server) == b"abc"
    make(server, "a")
    assert server("RPOPLPUSH", "l", "l") == b"a"
    assert contents(server) == b"a"


def test_a_move_without_a_source_looks_no_further(server: InProcess) -> None:
    server("SET", "s", "v")
    assert server("LMOVE", "none", "s", "LEFT", "LEFT") is None
    assert server("RPOPLPUSH", "none", "s") is None
    assert refused(server, "LMOVE", "none", "s", "LEFT", "DOWN") == SYNTAX
    make(server, "a")
    assert refused(server, "LMOVE", "l", "s", "LEFT", "LEFT") == WRONG_TYPE
    assert contents(server) == b"a"


# all


@pytest.mark.parametrize(
    "call",
    [
        "LPUSH s a",
        "RPUSH s a",
        "LPUSHX s a",
        "RPUSHX s a",
        "LPOP s",
        "RPOP s",
        "LMPOP 1 s LEFT",
        "LLEN s",
        "LRANGE s 0 1",
        "LINDEX s 0",
        "LPOS s a",
        "LINSERT s AFTER a b",
        "LSET s 0 a",
        "LREM s 0 a",
        "LTRIM s 0 1",
        "LMOVE s l LEFT LEFT",
        "RPOPLPUSH s l",
        "BLPOP s 1",
        "BRPOP none s 1",
        "BLMPOP 1 1 s LEFT",
        "BLMOVE s l LEFT LEFT 1",
        "BRPOPLPUSH s l 1",
    ],
)
def test_other_types_are_refused(server: InProcess, call: str) -> None:
    server("SET", "s", "v")
    assert refused(server, *call.split()) == WRONG_TYPE
    assert server.db.data == {b"s": b"v"}


# call, number of changes, events, propagated commands
AFTERMATH = [
    ("LPUSH l x y", 2, ["lpush l"], ["LPUSH l x y"]),
    ("RPUSH new x", 1, ["new new", "rpush new"], ["RPUSH new x"]),
    ("LPUSHX none x", 0, [], []),
    ("LPOP l", 1, ["lpop l"], ["LPOP l"]),
    ("RPOP l 2", 2, ["rpop l"], ["RPOP l 2"]),
    ("LPOP l 9", 3, ["lpop l", "del l"], ["LPOP l 9"]),
    ("RPOP one", 1, ["rpop one", "del one"], ["RPOP one"]),
    ("LPOP l 0", 0, [], []),
    ("LPOP none", 0, [], []),
    ("LMPOP 2 none l LEFT COUNT 2", 2, ["lpop l"], ["LPOP l 2"]),
    ("LMPOP 1 l RIGHT COUNT 9", 3, ["rpop l", "del l"], ["RPOP l 3"]),
    ("LMPOP 1 none RIGHT", 0, [], []),
    ("LINSERT l AFTER b x", 1, ["linsert l"], ["LINSERT l AFTER b x"]),
    ("LINSERT l AFTER z x", 0, [], []),
    ("LSET l 0 x", 1, ["lset l"], ["LSET l 0 x"]),
    ("LREM l 0 b", 1, ["lrem l"], ["LREM l 0 b"]),
    ("LREM one 1 a", 1, ["lrem one", "del one"], ["LREM one 1 a"]),
    ("LREM l 0 z", 0, [], []),
    ("LTRIM l 1 1", 2, ["ltrim l"], ["LTRIM l 1 1"]),
    ("LTRIM l 5 1", 3, ["ltrim l", "del l"], ["LTRIM l 5 1"]),
    ("LTRIM l 0 -1", 0, ["ltrim l"], []),
    ("LTRIM none 0 -1", 0, [], []),
    ("LMOVE l one LEFT RIGHT", 1, ["rpush one", "lpop l"], ["LMOVE l one LEFT RIGHT"]),
    ("RPOPLPUSH one new", 1, ["new new", "lpush new", "rpop one", "del one"], ["RPOPLPUSH one new"]),
    ("LMOVE one one LEFT RIGHT", 1, ["rpush one", "lpop one"], ["LMOVE one one LEFT RIGHT"]),
    ("LMOVE none l LEFT RIGHT", 0, [], []),
    ("BLPOP none l 0", 1, ["lpop l"], ["LPOP l"]),
    ("BRPOP one 0", 1, ["rpop one", "del one"], ["RPOP one"]),
    ("BLMPOP 0 1 l LEFT COUNT 9", 3, ["lpop l", "del l"], ["LPOP l 3"]),
    ("BLMOVE l one left right 0", 1, ["rpush one", "lpop l"], ["LMOVE l one left right"]),
    ("BRPOPLPUSH l one 0", 1, ["lpush one", "rpop l"], ["RPOPLPUSH l one"]),
]


@pytest.mark.parametrize(("call", "dirty", "events", "effects"), AFTERMATH, ids=[case[0] for case in AFTERMATH])
def test_effects_of_a_command(call: str, dirty: int, events: list[str], effects: list[str]) -> None:
    def fresh() -> InProcess:
        server = InProcess()
        make(server, "abc")
        make(server, "a", "one")
        return server

    assert fresh().dirty(*call.split()) == dirty
    assert fresh().events(*call.split()) == events
    assert fresh().effects(*call.split()) == effects


def test_a_watched_list_counts_as_touched_where_nothing_was_trimmed(server: InProcess) -> None:
    make(server, "abc")
    server("WATCH", "l")
    server("LTRIM", "l", 0, -1)
    server("MULTI")
    server("PING")
    assert server("EXEC") is NullArray


# encodings


def test_encodings_follow_the_directive(server: InProcess) -> None:
    server("CONFIG", "SET", "list-max-listpack-size", 3)
    make(server, "abc")
    assert server("OBJECT", "ENCODING", "l") == b"listpack"
    server("LSET", "l", 0, "x")
    assert server("OBJECT", "ENCODING", "l") == b"quicklist"
    server("LTRIM", "l", 0, 0)
    assert server("OBJECT", "ENCODING", "l") == b"listpack"
    server("CONFIG", "SET", "list-max-listpack-size", 1)
    server("RPUSH", "l", "y")
    assert server("OBJECT", "ENCODING", "l") == b"quicklist"


def test_a_turning_list_keeps_its_encoding(server: InProcess) -> None:
    server("CONFIG", "SET", "list-max-listpack-size", 3)
    make(server, "abcd")
    server("RPOP", "l", 2)
    assert server("OBJECT", "ENCODING", "l") == b"quicklist"
    server("LMOVE", "l", "l", "LEFT", "RIGHT")
    assert server("OBJECT", "ENCODING", "l") == b"quicklist"


def test_debug_object_tells_of_nodes(server: InProcess) -> None:
    server("CONFIG", "SET", "list-max-listpack-size", 3)
    server("CONFIG", "SET", "list-compress-depth", 2)
    make(server, "abcdefg")
    details = b" ql_nodes:3 ql_avg_node:2.33 ql_listpack_max:3 ql_compressed:1 ql_uncompressed_size:42"
    assert server("DEBUG", "OBJECT", "l").endswith(details)


def test_the_size_of_large_elements_can_be_set(server: InProcess) -> None:
    other = InProcess()
    for each in (server, other):
        each("CONFIG", "SET", "list-max-listpack-size", 3)
        each("RPUSH", "old", "a", "bb", "c", "d")
    server("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "2b")
    server("RPUSH", "l", "a", "bb", "c", "d")
    assert b" ql_nodes:3 " in server("DEBUG", "OBJECT", "l")
    server("RPUSH", "l", "ee")
    assert b" ql_nodes:4 " in server("DEBUG", "OBJECT", "l")
    # Lists that were there before obey too; those of another server in the process do not.
    for each, nodes in ((server, 3), (other, 2)):
        each("RPUSH", "old", "ee")
        assert b" ql_nodes:%d " % nodes in each("DEBUG", "OBJECT", "old")
    other("RPUSH", "l", "a", "bb", "c", "d")
    assert b" ql_nodes:2 " in other("DEBUG", "OBJECT", "l")


def test_a_copied_list_is_another(server: InProcess) -> None:
    make(server, "abc")
    server("COPY", "l", "m")
    server("RPUSH", "m", "x")
    assert contents(server) == b"abc"
    assert contents(server, "m") == b"abcx"
