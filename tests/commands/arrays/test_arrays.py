"""Arrays: the replies of the commands, their effects, dumps and digests.  The values are those of Redis 8.8.0."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused
from twisted_redis.datatypes.table import type_of

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
BAD_INDEX = "ERR invalid array index"


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def refused(server: InProcess, *argv: str | int | bytes) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


def test_elements(server: InProcess) -> None:
    assert server("ARSET", "a", 3, "x", "y") == 2
    assert server("ARSET", "a", 4, "z", "w") == 1
    assert server("ARMSET", "a", 0, "first", 2**64 - 2, "last") == 2
    assert server("ARGET", "a", 4) == b"z"
    assert server("ARGET", "a", 1) is None
    assert server("ARMGET", "a", 0, 1, 5) == [b"first", None, b"w"]
    assert server("ARMGET", "none", 0, 1) == [None, None]
    assert server("ARCOUNT", "a") == 5
    assert server("ARLEN", "a") == 2**64 - 1
    assert server("ARDEL", "a", 0, 1, 2**64 - 2) == 2
    assert server("ARLEN", "a") == 6
    assert server("ARDELRANGE", "a", 9, 0) == 3
    assert server("EXISTS", "a") == 0


@pytest.mark.parametrize("index", ["-1", "x", "", "1.5", str(2**64 - 1), str(2**64)])
def test_indexes_that_are_none(server: InProcess, index: str) -> None:
    for argv in (
        ("ARGET", "a", index),
        ("ARSET", "a", index, "v"),
        ("ARDEL", "a", 0, index),
        ("ARSCAN", "a", 0, index),
    ):
        assert refused(server, *argv) == BAD_INDEX


def test_numbers_that_c_reads(server: InProcess) -> None:
    assert server("ARSET", "a", " 07", "v") == 1
    assert server("ARGET", "a", "+7") == b"v"
    assert server("ARGET", "a", "-0") is None


def test_the_end_of_the_indexes(server: InProcess) -> None:
    assert refused(server, "ARSET", "a", 2**64 - 2, "x", "y") == "ERR array index overflow"
    assert server("EXISTS", "a") == 0
    server("ARSET", "a", 0, "x")
    assert server("ARSEEK", "a", 2**64 - 1) == 1
    assert server("ARNEXT", "a") is None
    assert refused(server, "ARINSERT", "a", "x") == "ERR insert index overflow"
    assert server("ARSEEK", "none", 1) == 0


def test_ranges(server: InProcess) -> None:
    server("ARMSET", "a", 1, "one", 3, "three", 5000, "far")
    assert server("ARGETRANGE", "a", 0, 3) == [None, b"one", None, b"three"]
    assert server("ARGETRANGE", "a", 3, 1) == [b"three", None, b"one"]
    assert server("ARGETRANGE", "none", 3, 1) == [None] * 3
    assert refused(server, "ARGETRANGE", "a", 0, 1_000_000) == "ERR range exceeds maximum of 1000000 items"
    assert server("ARSCAN", "a", 0, 2**64 - 2) == [[1, b"one"], [3, b"three"], [5000, b"far"]]
    assert server("ARSCAN", "a", 9000, 0, "LIMIT", 2) == [[5000, b"far"], [3, b"three"]]
    assert refused(server, "ARSCAN", "a", 0, 1, "LIMIT", 0) == "ERR LIMIT must be positive"
    assert refused(server, "ARSCAN", "a", 0, 1, "COUNT", 1) == "ERR syntax error"
    assert server("ARDELRANGE", "a", 2, 3, 4000, 2**64 - 2) == 2


def test_the_cursor(server: InProcess) -> None:
    assert server("ARNEXT", "a") == 0
    assert server("ARINSERT", "a", "x", "y") == 1
    assert server("ARNEXT", "a") == 2
    assert server("ARSEEK", "a", 10) == 1
    assert server("ARINSERT", "a", "z") == 10
    assert server("ARLASTITEMS", "a", 2) == [None, b"z"]
    assert server("ARLASTITEMS", "a", 99, "REV") == [b"z", None, None]
    assert server("ARLASTITEMS", "a", 0) == []
    assert refused(server, "ARLASTITEMS", "a", "x") == "ERR invalid COUNT"


def test_rings(server: InProcess) -> None:
    assert server("ARRING", "r", 3, "a", "b", "c", "d") == 0
    assert server("ARGETRANGE", "r", 0, 3) == [b"d", b"b", b"c", None]
    assert server("ARRING", "r", 5, "e") == 3
    assert server("ARGETRANGE", "r", 0, 4) == [b"b", b"c", b"d", b"e", None]
    assert server("ARRING", "r", 2, "f") == 0
    assert server("ARGETRANGE", "r", 0, 2) == [b"f", b"e", None]
    assert refused(server, "ARRING", "r", 0, "x") == "ERR size must be positive"
    assert refused(server, "ARRING", "r", "x", "x") == "ERR invalid size"


def test_operations(server: InProcess) -> None:
    server("ARSET", "a", 0, "3", "1.5", "text", "-2", "3")

    def result(name: str, *value: str) -> object:
        return server("AROP", "a", 0, 99, name, *value)

    assert [result(name) for name in ("SUM", "MIN", "max")] == [b"5.5", b"-2", b"3"]
    assert [result(name) for name in ("AND", "OR", "XOR")] == [0, -1, -1]
    assert result("MATCH", "3") == 2
    assert result("USED") == 5
    assert server("AROP", "a", 2, 2, "SUM") is None
    assert server("AROP", "none", 0, 9, "USED") == 0
    assert refused(server, "AROP", "a", 0, 9, "AVG") == "ERR unknown operation"
    assert refused(server, "AROP", "a", 0, 9, "MATCH") == "ERR MATCH requires a value argument"


@pytest.mark.parametrize(
    ("values", "total"),
    [
        (["0.1", "0.2"], b"0.3"),
        (["18446744073709551616.5"], b"1.8446744073709552e+19"),
        (["inf", "-inf"], b"nan"),
        (["-0.0"], b"-0"),
        (["1e-7"], b"1e-07"),
    ],
)
def test_sums_of_long_doubles(server: InProcess, values: list[str], total: bytes) -> None:
    server("ARSET", "a", 0, *values)
    assert server("AROP", "a", 0, 99, "SUM") == total


def test_facts(server: InProcess) -> None:
    server("ARSET", "a", 0, *range(20))
    server("ARSET", "a", 10**9, "far")
    assert list(server("ARINFO", "a", "FULL")) == [
        *(b"count", 21, b"len", 10**9 + 1, b"next-insert-index", 0, b"slices", 2),
        *(b"directory-size", 4, b"super-dir-entries", 2, b"slice-size", 4096),
        *(b"dense-slices", 1, b"sparse-slices", 1),
        *(b"avg-dense-size", 32.0, b"avg-dense-fill", 0.625, b"avg-sparse-size", 4.0),
    ]
    assert refused(server, "ARINFO", "none") == "ERR no such key"


def test_it_is_a_type_like_others(server: InProcess) -> None:
    server("ARSET", "a", 0, "x")
    assert server("TYPE", "a") == b"array"
    assert server("OBJECT", "ENCODING", "a") == b"sliced-array"
    assert server("SCAN", 0, "TYPE", "array")[1] == (b"a",)
    assert refused(server, "GET", "a") == WRONG_TYPE
    server("SET", "s", "text")
    assert refused(server, "ARGET", "s", 0) == WRONG_TYPE
    assert server("COPY", "a", "b") == 1
    server("ARSET", "b", 0, "y")
    assert server("ARGET", "a", 0) == b"x"
    assert server("MEMORY", "USAGE", "a") > 0


def test_dumps(server: InProcess) -> None:
    server("ARMSET", "a", 0, "5", 1, "0.5", 7, "abc", 300, "a long text", 2**63, "0.1")
    server("ARSEEK", "a", 9)
    payload = server("DUMP", "a")
    assert payload[0] == 28
    assert payload[-10:-8] == b"\x0e\x00"
    server("RESTORE", "b", 0, payload)
    assert server("ARSCAN", "b", 0, 2**64 - 2) == server("ARSCAN", "a", 0, 2**64 - 2)
    assert server("ARNEXT", "b") == 9
    assert server("DEBUG", "DIGEST-VALUE", "b") == server("DEBUG", "DIGEST-VALUE", "a")


def test_only_powers_of_two_for_the_size_of_slices(server: InProcess) -> None:
    assert "power of two" in refused(server, "CONFIG", "SET", "array-slice-size", 300)
    assert server("CONFIG", "SET", "array-slice-size", 512) == b"OK"
    assert "greater than array-sparse-kmin" in refused(server, "CONFIG", "SET", "array-sparse-kmax", 5)
    server("ARSET", "a", 0, "x")
    assert list(server("ARINFO", "a"))[-1] == 512


def test_search(server: InProcess) -> None:
    server("ARSET", "a", 0, "hello", "World", "42", "hello world")

    def found(*argv: str | int) -> object:
        return server("ARGREP", "a", "-", "+", *argv)

    assert found("EXACT", "hello") == [0]
    assert found("MATCH", "world") == [3]
    assert found("MATCH", "world", "NOCASE") == [1, 3]
    assert found("GLOB", "h*") == [0, 3]
    assert found("RE", "^[0-9]+$") == [2]
    assert found("GLOB", "h*", "MATCH", "world", "AND") == [3]
    assert found("GLOB", "h*", "EXACT", "42", "OR", "LIMIT", 2) == [0, 2]
    assert found("EXACT", "42", "WITHVALUES") == [[2, b"42"]]
    assert server("ARGREP", "a", "+", 1, "MATCH", "o") == [3, 1]
    assert server("ARGREP", "none", "-", "+", "RE", "x") == []
    assert refused(server, "ARGREP", "a", "-", "+", "RE", "") == "ERR regular expression is empty"
    assert refused(server, "ARGREP", "a", "-", "+", "RE", "(") == "ERR invalid regular expression: Missing ')'"
    assert (
        refused(server, "ARGREP", "a", "-", "+", "RE", "(a)\\1")
        == "ERR regular expression backreferences are not supported"
    )
    assert refused(server, "ARGREP", "a", "-", "+", "LIMIT", 1) == "ERR syntax error"
    assert refused(server, "ARGREP", "a", "-", "+", "MATCH", "x", "LIMIT", 0) == "ERR LIMIT must be positive"
    assert refused(server, "ARGREP", "a", "-", "+", *["MATCH", "x"] * 251).endswith("maximum is 250")


def test_effects_and_events(server: InProcess) -> None:
    assert server.effects("ARSET", "a", 5, "x", "y") == ["ARSET a 5 x y"]
    assert server.effects("ARSEEK", "a", 9) == ["ARSEEK a 9"]
    assert server.effects("ARDEL", "a", 77) == []
    assert server.events("ARINSERT", "a", "v") == ["arinsert a"]
    assert server.events("ARDELRANGE", "a", 0, 99) == ["ardelrange a", "del a"]


def test_commands_that_make_it_again(server: InProcess) -> None:
    server("ARMSET", "a", 3, "x", 2**63, "y")
    server("ARSEEK", "a", 7)
    value = server.db.data[b"a"]
    commands = list(type_of(value).commands(b"a", value))
    assert commands == [(b"ARMSET", b"a", b"3", b"x", b"%d" % 2**63, b"y"), (b"ARSEEK", b"a", b"7")]


def test_the_letter_of_the_events(server: InProcess) -> None:
    server("CONFIG", "SET", "notify-keyspace-events", "Ka")
    assert server("CONFIG", "GET", "notify-keyspace-events")[-1] == b"aK"
