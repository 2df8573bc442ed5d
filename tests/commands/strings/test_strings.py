"""Strings: the replies of the commands, and their effects on replicas, WATCH and keyspace events."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused
from twisted_redis.datatypes.strings import SMALL_INTEGERS

OVERFLOW = "ERR increment or decrement would overflow"
NO_INTEGER = "ERR value is not an integer or out of range"
NO_FLOAT = "ERR value is not a valid float"
SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def refused(server: InProcess, *argv: str | int) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


# GET and SET


def test_a_string_is_plain_bytes_in_the_database(server: InProcess) -> None:
    assert server("SET", "k", "v") == b"OK"
    assert server("GET", "k") == b"v"
    assert server("GET", "missing") is None
    assert server.db.data == {b"k": b"v"}


@pytest.mark.parametrize(
    ("options", "stored"),
    [
        (["NX"], True),
        (["XX"], False),
        (["nx", "NX"], True),
        (["NX", "EX", "10"], True),
        (["XX", "GET"], False),
    ],
)
def test_conditions_on_a_missing_key(server: InProcess, options: list[str], stored: bool) -> None:
    reply = server("SET", "k", "v", *options)
    assert reply == (b"OK" if stored else None)
    assert server("EXISTS", "k") == int(stored)


def test_conditions_on_a_present_key(server: InProcess) -> None:
    server("SET", "k", "v")
    assert server("SET", "k", "w", "NX") is None
    assert server("SET", "k", "w", "NX", "GET") == b"v"
    assert server("GET", "k") == b"v"
    assert server("SET", "k", "w", "XX") == b"OK"
    assert server("GET", "k") == b"w"


@pytest.mark.parametrize(
    "options",
    [
        ["NX", "XX"],
        ["XX", "NX"],
        ["EX"],
        ["EX", "10", "PX", "10"],
        ["EX", "10", "KEEPTTL"],
        ["KEEPTTL", "EX", "10"],
        ["EXAT", "10", "PXAT", "10"],
        ["PERSIST"],
        ["bogus"],
        ["EX", "10", "bogus"],
    ],
)
def test_set_refuses_options_that_do_not_go_together(server: InProcess, options: list[str]) -> None:
    assert refused(server, "SET", "k", "v", *options) == SYNTAX
    assert server("EXISTS", "k") == 0


@pytest.mark.parametrize("unit", ["EX", "PX", "EXAT", "PXAT"])
@pytest.mark.parametrize("amount", ["0", "-1", "-9223372036854775808"])
def test_times_must_be_positive(server: InProcess, unit: str, amount: str) -> None:
    assert refused(server, "SET", "k", "v", unit, amount) == "ERR invalid expire time in 'set' command"


def test_times_must_not_overflow(server: InProcess) -> None:
    for unit, amount in (("EX", 2**63 // 1000), ("PX", 2**63 - 1), ("EXAT", 2**63 // 1000 + 1)):
        assert refused(server, "SET", "k", "v", unit, amount) == "ERR invalid expire time in 'set' command"
    assert refused(server, "SET", "k", "v", "EX", 2**63) == NO_INTEGER
    assert refused(server, "SETEX", "k", 2**63 - 1, "v") == "ERR invalid expire time in 'setex' command"
    assert refused(server, "PSETEX", "k", "0", "v") == "ERR invalid expire time in 'psetex' command"
    server("SET", "k", "v", "PXAT", 2**63 - 1)
    assert server("PEXPIRETIME", "k") == 2**63 - 1


def test_a_wrong_time_is_seen_before_a_wrong_type(server: InProcess) -> None:
    server("SADD", "set", "a")
    assert refused(server, "SET", "set", "v", "GET", "EX", "0") == "ERR invalid expire time in 'set' command"
    assert refused(server, "SET", "set", "v", "GET") == WRONG_TYPE
    assert refused(server, "GETEX", "set", "EX", "0") == WRONG_TYPE
    assert server("SET", "set", "v") == b"OK"
    assert server("GET", "set") == b"v"


def test_the_last_of_equal_units_counts(server: InProcess) -> None:
    server("SET", "k", "v", "EX", 10, "EX", 20)
    assert server("TTL", "k") == 20


def test_setting_drops_the_expiry_unless_told_otherwise(server: InProcess) -> None:
    server("SET", "k", "v", "EX", 10)
    server("SET", "k", "v", "KEEPTTL")
    assert server("TTL", "k") == 10
    server("SET", "k", "v")
    assert server("TTL", "k") == -1
    server("SETEX", "k", 10, "v")
    server("GETSET", "k", "v")
    assert server("TTL", "k") == -1
    server("PSETEX", "k", 10_000, "v")
    server("MSET", "k", "v")
    assert server("TTL", "k") == -1


@pytest.mark.parametrize(
    ("argv", "propagated"),
    [
        ("SET k v", "SET k v"),
        ("SET k v NX", "SET k v NX"),
        ("SET k v GET", "SET k v"),
        ("SET k v get NX Get", "SET k v NX"),
        ("SET k v EX 10", "SET k v PXAT 1700000010000"),
        ("SET k v PX 10 NX GET", "SET k v PXAT 1700000000010"),
        ("SET k v EXAT 1700000020", "SET k v PXAT 1700000020000"),
        ("SET k v NX PXAT 1700000000020", "SET k v NX PXAT 1700000000020"),
        ("SETEX k 10 v", "SET k v PXAT 1700000010000"),
        ("PSETEX k 10 v", "SET k v PXAT 1700000000010"),
        ("SETNX k v", "SETNX k v"),
        ("GETSET k v", "SET k v"),
        ("MSET k v l w", "MSET k v l w"),
        ("INCR k", "INCR k"),
        ("INCRBYFLOAT k 1.5", "SET k 1.5 KEEPTTL"),
        ("APPEND k v", "APPEND k v"),
    ],
)
def test_propagation_for_a_missing_key(server: InProcess, argv: str, propagated: str) -> None:
    assert server.effects(*argv.split()) == [propagated]


@pytest.mark.parametrize(
    ("argv", "propagated"),
    [
        ("SET k v NX", []),
        ("SETNX k v", []),
        ("MSETNX new v k v", []),
        ("SET k v EX 0", []),
        ("SETRANGE k 0 ", []),
        ("GET k", []),
        ("GETEX k", []),
        ("GETEX k PERSIST", ["PERSIST k"]),
        ("GETEX k EX 10", ["PEXPIREAT k 1700000010000"]),
        ("GETEX k PXAT 1700000000020", ["PEXPIREAT k 1700000000020"]),
        ("GETEX k EXAT 1", ["DEL k"]),
        ("GETDEL k", ["DEL k"]),
    ],
)
def test_propagation_for_a_key_with_an_expiry(server: InProcess, argv: str, propagated: list[str]) -> None:
    server("SET", "k", "1", "EX", 100)
    assert server.effects(*argv.split(" ")) == propagated


def test_lazily_freed_keys_are_unlinked_elsewhere_too(server: InProcess) -> None:
    server.config.lazyfree_lazy_expire = True
    server("SET", "k", "v")
    assert server.effects("GETEX", "k", "PXAT", 1) == ["UNLINK k"]


@pytest.mark.parametrize(
    ("argv", "events"),
    [
        ("SET new v", ["new new", "set new"]),
        ("SET k v", ["set k"]),
        ("SET k v EX 10", ["set k", "expire k"]),
        ("SET k v NX", []),
        ("GETSET k v", ["set k"]),
        ("GETDEL k", ["del k"]),
        ("GETEX k", []),
        ("GETEX k EX 10", ["expire k"]),
        ("GETEX k PXAT 1", ["del k"]),
        ("GETEX k PERSIST", ["persist k"]),
        ("MSET k v new w", ["set k", "new new", "set new"]),
        ("MSETNX x 1 y 2", ["new x", "set x", "new y", "set y"]),
        ("INCR k", ["incrby k"]),
        ("DECRBY new 3", ["new new", "incrby new"]),
        ("INCRBYFLOAT k 1", ["incrbyfloat k"]),
        ("APPEND k x", ["append k"]),
        ("SETRANGE k 1 x", ["setrange k"]),
        ("STRLEN k", []),
    ],
)
def test_events(server: InProcess, argv: str, events: list[str]) -> None:
    server("SET", "k", "1", "EX", 100)
    assert server.events(*argv.split()) == events


def test_changes_are_counted(server: InProcess) -> None:
    assert server.dirty("SET", "k", "v", "EX", 10) == 1
    assert server.dirty("MSET", "a", "1", "b", "2") == 2
    assert server.dirty("SETRANGE", "k", 0, "") == 0
    assert server.dirty("GETEX", "k") == 0
    assert server.dirty("GETDEL", "missing") == 0


def test_overwriting_an_expired_key_lets_it_expire_first(server: InProcess) -> None:
    for argv in (["SET", "k", "w"], ["MSET", "k", "w"], ["SET", "k", "w", "EX", "5"]):
        server("SET", "k", "v", "PX", 1)
        server.clock.advance(0.01)
        assert server.events(*argv)[:3] == ["expired k", "new k", "set k"]


def test_mset_wants_pairs(server: InProcess) -> None:
    for name in ("mset", "msetnx"):
        assert refused(server, name, "a", "1", "b") == f"ERR wrong number of arguments for '{name}' command"
    server("MSET", "a", 1, "a", 2)
    assert server("MGET", "a", "none") == [b"2", None]
    assert server("MSETNX", "b", 1, "a", 3) == 0
    assert server("MSETNX", "b", 1, "b", 2) == 1
    assert server("MGET", "b", "a") == [b"2", b"2"]


def test_mget_takes_other_types_for_missing(server: InProcess) -> None:
    server("SADD", "set", "a")
    server("SETRANGE", "raw", 0, "x")
    assert server("MGET", "set", "raw") == [None, b"x"]


# integers


@pytest.mark.parametrize("number", [-1025, -2, -1, 0, 1, 9, 1022, 1023, 1024, 10**17, 10**18])
def test_counting_from_any_number(server: InProcess, number: int) -> None:
    for text in (b"%d" % number, b"0%d" % number, b"+%d" % number):
        server("SET", "n", text)
        if text == b"%d" % number:
            assert (server("INCR", "n"), server("GET", "n")) == (number + 1, b"%d" % (number + 1))
            assert (server("DECR", "n"), server("GET", "n")) == (number, text)
            assert server("OBJECT", "ENCODING", "n") == b"int"
        else:
            assert refused(server, "INCR", "n") == NO_INTEGER


@pytest.mark.parametrize("directives", [{}, {"maxmemory": 1 << 30}, {"notify-keyspace-events": "KEA"}])
def test_mset_writes_over_keys_of_all_kinds(server: InProcess, directives: dict[str, object]) -> None:
    for name, value in directives.items():
        server("CONFIG", "SET", name, str(value))
    server("SET", "gone", 1, "PX", 10)
    server("SET", "expiring", 1, "EX", 10)
    server("RPUSH", "list", 1)
    server.advance(1)
    for words in (("plain", 1, "list", 2, "plain", 3), ("plain", 4, "gone", 5, "expiring", 6, "new", 7)):
        server("MSET", *words)
    assert server("MGET", "plain", "list", "gone", "expiring", "new") == [b"4", b"2", b"5", b"6", b"7"]
    assert server("TTL", "expiring") == -1
    assert server("DBSIZE") == 5


def test_integers(server: InProcess) -> None:
    assert [server("INCR", "n"), server("INCRBY", "n", 10), server("DECRBY", "n", -5)] == [1, 11, 16]
    assert [server("DECR", "n"), server("DECRBY", "n", 20)] == [15, -5]
    assert server.db.data[b"n"] == b"-5"


@pytest.mark.parametrize("text", ["", " 1", "1 ", "+1", "01", "-0", "1.0", "0x1", "1_0", "a", str(2**63)])
def test_no_integers(server: InProcess, text: str) -> None:
    server("SET", "k", text)
    assert refused(server, "INCR", "k") == NO_INTEGER
    assert refused(server, "INCRBY", "n", text) == NO_INTEGER
    assert refused(server, "DECRBY", "n", text) == NO_INTEGER


def test_integers_do_not_leave_64_bits(server: InProcess) -> None:
    server("SET", "n", 2**63 - 1)
    assert refused(server, "INCR", "n") == OVERFLOW
    assert server("DECRBY", "n", 2**63 - 1) == 0
    assert server("DECRBY", "n", 2**63 - 1) == -(2**63) + 1
    assert server("DECR", "n") == -(2**63)
    assert refused(server, "DECR", "n") == OVERFLOW
    assert refused(server, "DECRBY", "n", -(2**63)) == "ERR decrement would overflow"


def test_counting_keeps_the_expiry(server: InProcess) -> None:
    server("SET", "n", 1, "EX", 10)
    server("INCR", "n")
    server("INCRBYFLOAT", "n", "0.5")
    assert server("TTL", "n") == 10
    server.clock.advance(11)
    assert server("INCR", "n") == 1
    assert server("TTL", "n") == -1


def test_a_string_written_in_place_can_be_counted(server: InProcess) -> None:
    server("SETRANGE", "n", 0, "12")
    assert server("INCR", "n") == 13
    assert server("OBJECT", "ENCODING", "n") == b"int"


# floating point


def test_incrbyfloat_leaves_a_text(server: InProcess) -> None:
    server("INCRBYFLOAT", "f", "3")
    assert server("OBJECT", "ENCODING", "f") == b"embstr"
    for value in (server("GET", "f"), server("MGET", "f")[0]):
        assert value == b"3"
        assert value.__class__ is bytes
    assert server("INCR", "f") == 4
    assert server("OBJECT", "ENCODING", "f") == b"int"


def test_floating_point(server: InProcess) -> None:
    assert server("INCRBYFLOAT", "f", "3") == b"3"
    assert server("INCRBYFLOAT", "f", "1.1") == b"4.1"
    assert server("INCRBYFLOAT", "f", "-4.1") == b"0"
    for text in ("", " 1", "1 ", "nan", "abc", "1e5000"):
        assert refused(server, "INCRBYFLOAT", "f", text) == NO_FLOAT
    assert refused(server, "INCRBYFLOAT", "f", "-inf") == "ERR increment would produce NaN or Infinity"
    server("SET", "f", "1 ")
    assert refused(server, "INCRBYFLOAT", "f", "1") == NO_FLOAT


# parts


def test_a_growing_string_is_changed_in_place(server: InProcess) -> None:
    assert server("APPEND", "k", "12") == 2
    assert server("OBJECT", "ENCODING", "k") == b"int"
    assert server("APPEND", "k", "3") == 3
    value = server.db.data[b"k"]
    assert server("APPEND", "k", "4") == 4
    assert server.db.data[b"k"] is value
    assert server("SETRANGE", "k", 6, "x") == 7
    assert server.db.data[b"k"] is value
    assert server("GET", "k") == b"1234\0\0x"
    assert server("OBJECT", "ENCODING", "k") == b"raw"


def test_replies_do_not_follow_later_writes(server: InProcess) -> None:
    server("SETRANGE", "k", 0, "abc")
    replies = [server("GET", "k"), server("GETRANGE", "k", 0, 1), *server("MGET", "k")]
    server("SETRANGE", "k", 0, "x")
    assert replies == [b"abc", b"ab", b"abc"]


def test_no_string_grows_beyond_the_limit(server: InProcess) -> None:
    server.config.proto_max_bulk_len = 10
    error = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    server("SET", "k", "12345678")
    assert refused(server, "APPEND", "k", "123") == error
    assert refused(server, "SETRANGE", "k", 9, "xx") == error
    assert refused(server, "SETRANGE", "new", 2**63 - 1, "x") == error
    assert server("SETRANGE", "k", 8, "xx") == 10
    assert server("EXISTS", "new") == 0


def test_setrange_with_nothing_to_write(server: InProcess) -> None:
    assert server("SETRANGE", "k", 5, "") == 0
    assert server("EXISTS", "k") == 0
    server("SET", "k", "1")
    assert server("SETRANGE", "k", 5, "") == 1
    assert server("OBJECT", "ENCODING", "k") == b"int"
    assert refused(server, "SETRANGE", "k", -1, "") == "ERR offset is out of range"


@pytest.mark.parametrize(
    ("start", "end", "part"),
    [
        (0, 2, b"abc"),
        (-3, -1, b"cde"),
        (1, 100, b"bcde"),
        (-100, 1, b"ab"),
        (0, -100, b"a"),
        (-1, -5, b""),
        (3, 2, b""),
        (5, 9, b""),
        (-(2**63), 2**63 - 1, b"abcde"),
    ],
)
def test_getrange(server: InProcess, start: int, end: int, part: bytes) -> None:
    server("SET", "k", "abcde")
    assert server("GETRANGE", "k", start, end) == server("SUBSTR", "k", start, end) == part
    assert server("GETRANGE", "missing", start, end) == b""


# LCS


def test_lcs(server: InProcess) -> None:
    server("MSET", "a", "ohmytext", "b", "mynewtext")
    assert server("LCS", "a", "b") == b"mytext"
    assert server("LCS", "a", "b", "LEN") == 6
    assert server("LCS", "a", "none") == b""
    assert server("LCS", "a", "b", "IDX", "MINMATCHLEN", 3, "WITHMATCHLEN") == [
        b"matches",
        [[[4, 7], [5, 8], 4]],
        b"len",
        6,
    ]
    assert server("LCS", "a", "b", "IDX", "MINMATCHLEN", -5)[1] == [[[4, 7], [5, 8]], [[2, 3], [0, 1]]]
    assert refused(server, "LCS", "a", "b", "MINMATCHLEN") == SYNTAX
    assert refused(server, "LCS", "a", "b", "LEN", "IDX") == (
        "ERR If you want both the length and indexes, please just use IDX."
    )
    server("SADD", "set", "x")
    assert refused(server, "LCS", "a", "set", "bogus") == "ERR The specified keys must contain string values"
    server.config.proto_max_bulk_len = 100
    assert refused(server, "LCS", "a", "b") == (
        "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
    )


def test_set_reads_its_key_only_for_get(server: InProcess) -> None:
    def flags(*argv: str) -> set[bytes]:
        ((key, found),) = server("COMMAND", "GETKEYSANDFLAGS", *argv)
        assert key == b"k"
        return set(found)

    assert flags("SET", "k", "GET") == {b"OW", b"update"}
    assert flags("SET", "k", "v", "NX", "get") == {b"RW", b"access", b"update"}


def test_small_integers_are_shared_objects(server: InProcess) -> None:
    server("SET", "a", 9998)
    server("INCR", "a")
    server("INCRBY", "b", 9999)
    server("SET", "c", 2)
    server("DECR", "c")
    data = server.db.data
    assert data[b"a"] is data[b"b"] is SMALL_INTEGERS[9999]
    assert data[b"c"] is SMALL_INTEGERS[1]
    assert [server("INCR", "a"), server("GET", "a")] == [10_000, b"10000"]
    assert [server("INCRBY", "c", -2), server("GET", "c")] == [-1, b"-1"]


def test_small_integers_of_a_file_are_shared_objects(server: InProcess) -> None:
    for number in (0, 127, 128, 9999):
        server("SET", f"k{number}", number)
        payload = server("DUMP", f"k{number}")
        assert isinstance(payload, bytes)
        server("RESTORE", f"other{number}", 0, payload)
        assert server.db.data[b"other%d" % number] is SMALL_INTEGERS[number]
    for number in (-1, -200, 10_000):
        server("SET", "k", number)
        payload = server("DUMP", "k")
        assert isinstance(payload, bytes)
        server("RESTORE", "other", 0, payload, "REPLACE")
        assert server("GET", "other") == b"%d" % number
