"""The entries of streams: the replies of the commands, and their effects on replicas and keyspace events."""

from __future__ import annotations

from typing import Any

import pytest

from tests.commands.inprocess import InProcess, Refused
from tests.support.forms import from_sources_only

SYNTAX = "ERR syntax error"
NO_INTEGER = "ERR value is not an integer or out of range"
NO_ID = "ERR Invalid stream ID specified as stream command argument"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_GREATER = "ERR The ID specified in XADD is equal or smaller than the target stream top item"
TOP = 2**64 - 1


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def refused(server: InProcess, *argv: str | int) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


def plain(reply: Any) -> Any:
    """Returns a reply with lists for all arrays."""
    return [plain(part) for part in reply] if isinstance(reply, list | tuple) else reply


def ids(server: InProcess, key: str = "s") -> list[bytes]:
    return [entry[0] for entry in server("XRANGE", key, "-", "+")]


def fill(server: InProcess, count: int, key: str = "s") -> None:
    for number in range(1, count + 1):
        server("XADD", key, f"{number}-0", "n", number)


# XADD


def test_xadd_makes_the_stream_and_returns_the_id(server: InProcess) -> None:
    assert server("XADD", "s", "*", "a", "1", "b", "2") == b"1700000000000-0"
    assert server("XADD", "s", "*", "a", "1") == b"1700000000000-1"
    server.advance(0.001)
    assert server("XADD", "s", "*", "a", "1") == b"1700000000001-0"
    assert server("TYPE", "s") == b"stream"
    assert server("XLEN", "s") == 3
    first = [[b"1700000000000-0", [b"a", b"1", b"b", b"2"]]]
    assert plain(server("XRANGE", "s", "-", "1700000000000-0")) == first


def test_ids_never_go_back_with_the_clock(server: InProcess) -> None:
    server("XADD", "s", "1800000000000-7", "a", "1")
    assert server("XADD", "s", "*", "a", "1") == b"1800000000000-8"
    server("XADD", "s", f"1800000000001-{TOP}", "a", "1")
    assert server("XADD", "s", "*", "a", "1") == b"1800000000002-0"


def test_ids_with_an_open_sequence(server: InProcess) -> None:
    assert server("XADD", "s", "0-*", "a", "1") == b"0-1"
    assert server("XADD", "s", "7-*", "a", "1") == b"7-0"
    assert server("XADD", "s", "7-*", "a", "1") == b"7-1"
    assert server("XADD", "s", "8", "a", "1") == b"8-0"
    assert refused(server, "XADD", "s", "7-*", "a", "1") == NOT_GREATER
    server("XADD", "s", f"8-{TOP}", "a", "1")
    assert refused(server, "XADD", "s", "8-*", "a", "1") == NOT_GREATER


def test_xadd_refuses_ids_that_are_not_greater(server: InProcess) -> None:
    zero = "ERR The ID specified in XADD must be greater than 0-0"
    assert refused(server, "XADD", "s", "0-0", "a", "1") == zero
    assert refused(server, "XADD", "s", "0", "a", "1") == zero
    assert server("EXISTS", "s") == 0
    server("XADD", "s", "5-5", "a", "1")
    for entry_id in ("5-5", "5-4", "4", "0-1"):
        assert refused(server, "XADD", "s", entry_id, "a", "1") == NOT_GREATER
    server("XADD", "s", f"{TOP}-{TOP}", "a", "1")
    exhausted = "ERR The stream has exhausted the last possible ID, unable to add more items"
    assert refused(server, "XADD", "s", "*", "a", "1") == exhausted


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["*", "a"], "ERR wrong number of arguments for 'xadd' command"),
        (["*", "a", "1", "b"], "ERR wrong number of arguments for 'xadd' command"),
        (["MAXLEN", "5", "NOMKSTREAM"], "ERR wrong number of arguments for 'xadd' command"),
        (["1-1", "a", "1", "b"], "ERR wrong number of arguments for 'xadd' command"),
        (["+", "a", "1"], NO_ID),
        (["-", "a", "1"], NO_ID),
        (["x", "a", "1"], NO_ID),
        (["MAXLEN", "x", "*", "a", "1"], NO_INTEGER),
        (["MAXLEN", "-1", "*", "a", "1"], "ERR The MAXLEN argument must be >= 0."),
        (["MINID", "+", "*", "a", "1"], NO_ID),
        (["MAXLEN", "~", "5", "LIMIT", "-1", "*", "a", "1"], "ERR The LIMIT argument must be >= 0."),
        (
            ["LIMIT", "5", "*", "a", "1"],
            "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
        ),
        (
            ["MAXLEN", "5", "LIMIT", "0", "*", "a", "1"],
            "ERR syntax error, LIMIT cannot be used without the special ~ option",
        ),
        (
            ["MAXLEN", "5", "MINID", "5", "*", "a", "1"],
            "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
        ),
    ],
)
def test_xadd_says_what_is_wrong(server: InProcess, argv: list[str], error: str) -> None:
    assert refused(server, "XADD", "s", *argv) == error
    assert server("EXISTS", "s") == 0


@from_sources_only
def test_xadd_refuses_what_is_too_large(server: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twisted_redis.datatypes.stream._NODE_LIMIT", 10)
    assert server("XADD", "s", "1-1", "a", "x" * 9) == b"1-1"
    assert refused(server, "XADD", "s", "*", "a", "x" * 10) == "ERR Elements are too large to be stored"
    assert refused(server, "XADD", "t", "*", "a", "x" * 10) == "ERR Elements are too large to be stored"
    assert server("XLEN", "s") == 1
    assert server("EXISTS", "t") == 0


def test_xadd_checks_its_arguments_before_the_type(server: InProcess) -> None:
    server("SET", "s", "x")
    assert refused(server, "XADD", "s", "*", "a", "1") == WRONG_TYPE
    assert refused(server, "XADD", "s", "0-0", "a", "1").startswith("ERR The ID")
    assert refused(server, "XADD", "s", "*", "a", "1", "b").startswith("ERR wrong number")


def test_nomkstream(server: InProcess) -> None:
    assert server("XADD", "s", "NOMKSTREAM", "*", "a", "1") is None
    assert server("EXISTS", "s") == 0
    server("XADD", "s", "1-1", "a", "1")
    assert server("XADD", "s", "nomkstream", "1-2", "a", "1") == b"1-2"


def test_xadd_trims(server: InProcess) -> None:
    fill(server, 10)
    server("XADD", "s", "MAXLEN", "3", "11-0", "n", "11")
    assert ids(server) == [b"9-0", b"10-0", b"11-0"]
    server("XADD", "s", "MINID", "=", "11", "12-0", "n", "12")
    assert ids(server) == [b"11-0", b"12-0"]
    server("XADD", "s", "MAXLEN", "0", "13-0", "n", "13")
    assert server("XLEN", "s") == 0
    assert server("EXISTS", "s") == 1


def test_approximate_trimming_waits_for_whole_nodes() -> None:
    server = InProcess(stream_node_max_entries=10)
    fill(server, 100)
    for number in range(101, 110):
        server("XADD", "s", "MAXLEN", "~", "50", f"{number}-0", "n", number)
    assert server("XLEN", "s") == 59
    server("XADD", "s", "MAXLEN", "~", "50", "110-0", "n", "110")
    assert server("XLEN", "s") == 50
    server("XADD", "s", "MINID", "~", "75", "LIMIT", "5", "111-0", "n", "111")
    assert ids(server)[0] == b"61-0"
    server("XADD", "s", "MINID", "~", "75", "112-0", "n", "112")
    assert ids(server)[0] == b"71-0"


def test_effects_of_xadd(server: InProcess) -> None:
    server("XADD", "s", "1700000000000-0", "a", "1")
    assert server.effects("XADD", "s", "*", "a", "1") == ["XADD s 1700000000000-1 a 1"]
    assert server.effects("XADD", "s", "1800000000000-*", "a", "1") == ["XADD s 1800000000000-0 a 1"]
    assert server.effects("XADD", "s", "1800000000001", "a", "1") == ["XADD s 1800000000001 a 1"]
    assert server.effects("XADD", "s", "MAXLEN", "2", "*", "a", "1") == ["XADD s MAXLEN 2 1800000000001-1 a 1"]
    assert server.effects("XADD", "s", "5-1", "a", "1") == []
    assert server.effects("XADD", "none", "NOMKSTREAM", "*", "a", "1") == []
    assert server.events("XADD", "s", "*", "a", "1") == ["xadd s"]
    assert server.events("XADD", "s", "MAXLEN", "1", "*", "a", "1") == ["xadd s", "xtrim s"]
    assert server.dirty("XADD", "s", "MAXLEN", "1", "*", "a", "1") == 1


def test_approximate_trimming_is_propagated_as_what_it_came_to() -> None:
    server = InProcess(stream_node_max_entries=10)
    fill(server, 30)
    assert server.effects("XADD", "s", "MAXLEN", "~", "17", "31-0", "n", "1") == ["XADD s MAXLEN = 21 31-0 n 1"]
    assert server.effects("XADD", "s", "MINID", "~", "21", "LIMIT", "10", "32-*", "n", "1") == [
        "XADD s MINID = 21-0 LIMIT 10 32-0 n 1"
    ]
    assert server.effects("XADD", "s", "MAXLEN", "~", "99", "33-0", "n", "1") == ["XADD s MAXLEN = 13 33-0 n 1"]
    assert server.effects("XTRIM", "s", "MAXLEN", "~", "3") == ["XTRIM s MAXLEN = 3"]
    assert server.effects("XTRIM", "s", "MAXLEN", "~", "1") == []
    assert server.effects("XTRIM", "s", "MINID", "~", "40") == [
        "XTRIM s MINID = 18446744073709551615-18446744073709551615"
    ]


# XTRIM and XDEL


def test_xtrim(server: InProcess) -> None:
    fill(server, 10)
    assert server("XTRIM", "s", "MAXLEN", "8") == 2
    assert server("XTRIM", "s", "minid", "=", "5") == 2
    assert server("XTRIM", "s", "MAXLEN", "~", "1") == 0
    assert ids(server)[0] == b"5-0"
    assert server("XTRIM", "missing", "MAXLEN", "1") == 0
    assert server.events("XTRIM", "s", "MAXLEN", "2") == ["xtrim s"]
    assert server.dirty("XTRIM", "s", "MAXLEN", "0") == 2
    assert server.events("XTRIM", "s", "MAXLEN", "0") == []


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["LIMIT", "0"], "ERR syntax error, XTRIM must be called with a trimming strategy"),
        (["MAXLEN", "5", "x"], SYNTAX),
        (["MAXLEN", "5", "*"], SYNTAX),
        (["MAXLEN", "5", "NOMKSTREAM"], SYNTAX),
        (["FOO", "5"], SYNTAX),
        (["MAXLEN", "~"], NO_INTEGER),
    ],
)
def test_xtrim_says_what_is_wrong(server: InProcess, argv: list[str], error: str) -> None:
    assert refused(server, "XTRIM", "s", *argv) == error


def test_trimming_has_a_limit_of_its_own() -> None:
    server = InProcess(stream_node_max_entries=2)
    fill(server, 300)
    assert server("XTRIM", "s", "MAXLEN", "~", "0") == 200
    assert server("XTRIM", "s", "MAXLEN", "~", "0", "LIMIT", "0") == 100


def test_xdel(server: InProcess) -> None:
    fill(server, 5)
    assert server("XDEL", "s", "1", "3-0", "3-0", "9") == 2
    assert ids(server) == [b"2-0", b"4-0", b"5-0"]
    assert server("XDEL", "missing", "1") == 0
    assert server("XDEL", "missing", "nonsense") == 0
    assert refused(server, "XDEL", "s", "2", "nonsense") == NO_ID
    assert server("XLEN", "s") == 3
    assert server.effects("XDEL", "s", "2", "7") == ["XDEL s 2 7"]
    assert server.effects("XDEL", "s", "2") == []
    assert server.events("XDEL", "s", "4", "5") == ["xdel s"]
    assert server("EXISTS", "s") == 1
    assert server.dirty("XDEL", "s", "4") == 0


# Ranges


def test_xrange_and_xrevrange(server: InProcess) -> None:
    for entry_id in ("1-1", "1-2", "2-1", "3-1", "3-9"):
        server("XADD", "s", entry_id, "id", entry_id)

    def found(*argv: str) -> list[str]:
        return [entry[0].decode() for entry in server(*argv)]

    assert found("XRANGE", "s", "-", "+") == ["1-1", "1-2", "2-1", "3-1", "3-9"]
    assert found("XRANGE", "s", "1", "2") == ["1-1", "1-2", "2-1"]
    assert found("XRANGE", "s", "(1-1", "(3-9") == ["1-2", "2-1", "3-1"]
    assert found("XRANGE", "s", "(1", "3", "COUNT", "2") == ["1-1", "1-2"]
    assert found("XRANGE", "s", "3", "1") == []
    assert found("XREVRANGE", "s", "+", "-", "count", "2") == ["3-9", "3-1"]
    assert found("XREVRANGE", "s", "(3-9", "(1-1") == ["3-1", "2-1", "1-2"]
    assert found("XREVRANGE", "s", "2", "1", "COUNT", "1", "COUNT", "2") == ["2-1", "1-2"]
    assert plain(server("XRANGE", "s", "2-1", "2-1")) == [[b"2-1", [b"id", b"2-1"]]]


def test_a_range_of_nothing(server: InProcess) -> None:
    connection = server.connect()
    connection("XADD", "s", "1-1", "a", "1")
    assert connection("XRANGE", "missing", "-", "+") == b"*0\r\n"
    assert connection("XRANGE", "missing", "-", "+", "COUNT", "0") == b"*0\r\n"
    assert connection("XRANGE", "s", "5", "+") == b"*0\r\n"
    assert connection("XRANGE", "s", "-", "+", "COUNT", "0") == b"*-1\r\n"
    assert connection("XRANGE", "s", "-", "+", "COUNT", "-3") == b"*-1\r\n"


def test_ranges_say_what_is_wrong(server: InProcess) -> None:
    server("SET", "string", "x")
    assert refused(server, "XRANGE", "string", "-", "+") == WRONG_TYPE
    assert refused(server, "XRANGE", "string", "x", "+") == NO_ID
    assert refused(server, "XRANGE", "s", "(", "+") == NO_ID
    assert refused(server, "XRANGE", "s", "(-", "+") == NO_ID
    assert refused(server, "XRANGE", "s", f"({TOP}-{TOP}", "+") == "ERR invalid start ID for the interval"
    assert refused(server, "XRANGE", "s", "-", "(0-0") == "ERR invalid end ID for the interval"
    assert refused(server, "XREVRANGE", "s", "(0-0", "-") == "ERR invalid end ID for the interval"
    assert refused(server, "XRANGE", "s", "-", "+", "COUNT") == SYNTAX
    assert refused(server, "XRANGE", "s", "-", "+", "COUNT", "x") == NO_INTEGER


# XSETID


def test_xsetid(server: InProcess) -> None:
    fill(server, 3)
    assert server("XSETID", "s", "7-7", "ENTRIESADDED", "12", "MAXDELETEDID", "2-0") == b"OK"
    info = server("XINFO", "STREAM", "s")
    facts = dict(zip(info[::2], info[1::2], strict=True))
    assert facts[b"last-generated-id"] == b"7-7"
    assert facts[b"entries-added"] == 12
    assert facts[b"max-deleted-entry-id"] == b"2-0"
    assert server.effects("XSETID", "s", "8") == ["XSETID s 8"]
    assert server.events("XSETID", "s", "8") == ["xsetid s"]
    assert server("XADD", "s", "8-*", "a", "1") == b"8-1"


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["missing", "1"], "ERR no such key"),
        (["missing", "x"], NO_ID),
        (["s", "5", "FOO", "1"], SYNTAX),
        (["s", "5", "ENTRIESADDED"], SYNTAX),
        (["s", "5", "ENTRIESADDED", "-1"], "ERR entries_added must be positive"),
        (
            ["s", "5", "ENTRIESADDED", "1"],
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ),
        (
            ["s", "5", "MAXDELETEDID", "6"],
            "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
        ),
        (["s", "2"], "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"),
        (["s", "3-5"], "ERR The ID specified in XSETID is smaller than the target stream top item"),
        (["string", "5"], WRONG_TYPE),
    ],
)
def test_xsetid_says_what_is_wrong(server: InProcess, argv: list[str], error: str) -> None:
    fill(server, 4)
    server("XDEL", "s", "3")
    server("SET", "string", "x")
    assert refused(server, "XSETID", *argv) == error


# Other commands


def test_watchers_notice_entries_but_not_groups(server: InProcess) -> None:
    server("XADD", "s", "1-1", "a", "1")
    watcher = server.connect()

    def survives(*argv: str) -> bool:
        watcher("WATCH", "s")
        server(*argv)
        watcher("MULTI")
        return watcher("EXEC") == b"*0\r\n"

    assert survives("XGROUP", "CREATE", "s", "g", "0")
    assert survives("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    assert survives("XACK", "s", "g", "1-1")
    assert survives("XSETID", "s", "1-5")
    assert not survives("XADD", "s", "2-1", "a", "1")
    assert not survives("XDEL", "s", "1-1")
    assert not survives("XTRIM", "s", "MAXLEN", "0")


def test_copy_rename_and_encoding(server: InProcess) -> None:
    fill(server, 3)
    server("XGROUP", "CREATE", "s", "g", "1")
    assert server("OBJECT", "ENCODING", "s") == b"stream"
    assert server("COPY", "s", "t") == 1
    server("XADD", "t", "9-0", "a", "1")
    assert server("XLEN", "s") == 3
    assert len(server("XINFO", "GROUPS", "t")) == 1
    server("RENAME", "t", "u")
    assert server("XLEN", "u") == 4
