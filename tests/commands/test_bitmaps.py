"""Bitmaps: the replies of the commands, and their effects on replicas, WATCH and keyspace events."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused

OFFSET = "ERR bit offset is not an integer or out of range"
NO_INTEGER = "ERR value is not an integer or out of range"
NO_BIT = "ERR bit is not an integer or out of range"
SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
TYPE = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def refused(server: InProcess, *argv: bytes | str | int) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


# SETBIT and GETBIT


def test_setbit_makes_and_lengthens_a_string(server: InProcess) -> None:
    assert server("SETBIT", "k", 1, 1) == 0
    assert server("GET", "k") == b"\x40"
    assert server("SETBIT", "k", 20, 1) == 0
    assert server("GET", "k") == b"\x40\x00\x08"
    assert server("SETBIT", "k", 1, 0) == 1
    assert server("GETBIT", "k", 20) == 1
    assert server("GETBIT", "k", 21) == 0
    assert server("GETBIT", "k", 4294967295) == 0
    assert server("GETBIT", "missing", 0) == 0


def test_setbit_writes_in_place_and_makes_a_string_raw(server: InProcess) -> None:
    server("SET", "k", "12")
    assert server("OBJECT", "ENCODING", "k") == b"int"
    assert server("SETBIT", "k", 0, 0) == 0
    assert server("OBJECT", "ENCODING", "k") == b"raw"
    value = server.db.data[b"k"]
    server("SETBIT", "k", 7, 0)
    assert server.db.data[b"k"] is value
    assert value == b"02"


def test_setbit_keeps_the_expiry(server: InProcess) -> None:
    server("SET", "k", "v", "PX", 5000)
    server("SETBIT", "k", 400, 1)
    assert server("PTTL", "k") == 5000


@pytest.mark.parametrize("offset", ["", "x", "-1", "1.5", "#1", "4294967296", "9223372036854775808"])
def test_offsets_that_are_none(server: InProcess, offset: str) -> None:
    assert refused(server, "SETBIT", "k", offset, "x") == OFFSET
    assert refused(server, "GETBIT", "k", offset) == OFFSET
    assert server("EXISTS", "k") == 0


def test_the_last_bit_follows_the_configuration(server: InProcess) -> None:
    server.config.proto_max_bulk_len = 1024 * 1024
    assert refused(server, "SETBIT", "k", 8 * 1024 * 1024, 1) == OFFSET
    assert server("SETBIT", "k", 8 * 1024 * 1024 - 1, 1) == 0
    assert server("STRLEN", "k") == 1024 * 1024


@pytest.mark.parametrize("value", ["2", "-1", "x", "", "11"])
def test_bits_are_0_or_1(server: InProcess, value: str) -> None:
    assert refused(server, "SETBIT", "k", 0, value) == NO_BIT


def test_setbit_counts_only_changes(server: InProcess) -> None:
    assert server.dirty("SETBIT", "k", 0, 0) == 1
    assert server.dirty("SETBIT", "k", 7, 0) == 0
    assert server.dirty("SETBIT", "k", 8, 0) == 1
    assert server.dirty("SETBIT", "k", 8, 1) == 1
    assert server.events("SETBIT", "k", 8, 1) == []
    assert server.events("SETBIT", "k", 8, 0) == ["setbit k"]
    assert server.effects("SETBIT", "k", 8, 0) == []
    assert server.effects("SETBIT", "k", 8, 1) == ["SETBIT k 8 1"]


# BITCOUNT and BITPOS


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ([], 26),
        ([0, 0], 4),
        ([1, 1], 6),
        ([0, -5], 10),
        ([1, 1, "BYTE"], 6),
        ([5, 30, "BIT"], 17),
        ([-2, -1], 7),
        ([-100, 100], 26),
        ([4, 2], 0),
        ([-1, -2], 0),
        ([100, 200], 0),
        ([0, 0, "bit"], 0),
        ([1, 1, "bit"], 1),
    ],
)
def test_bitcount(server: InProcess, options: list[str | int], count: int) -> None:
    server("SET", "k", "foobar")
    assert server("BITCOUNT", "k", *options) == count
    assert server("BITCOUNT", "missing", *options) == 0


def test_bitcount_of_nothing(server: InProcess) -> None:
    server("SET", "k", "")
    assert server("BITCOUNT", "k") == 0
    assert server("BITCOUNT", "k", 0, -1) == 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["0"], SYNTAX),
        (["0", "1", "WORD"], SYNTAX),
        (["0", "1", "BIT", "x"], SYNTAX),
        (["a", "b", "WORD"], NO_INTEGER),
        (["0", "b"], NO_INTEGER),
    ],
)
def test_errors_of_bitcount(server: InProcess, options: list[str], error: str) -> None:
    assert refused(server, "BITCOUNT", "missing", *options) == error


@pytest.mark.parametrize(
    ("value", "arguments", "place"),
    [
        (b"\xff\xf0\x00", [0], 12),
        (b"\x00\xff\xf0", [1], 8),
        (b"\x00\xff\xf0", [1, 2], 16),
        (b"\x00\xff\xf0", [1, 0, 0], -1),
        (b"\x00\xff\xf0", [1, -1], 16),
        (b"\x00\x00", [1], -1),
        (b"\xff\xff", [0], 16),
        (b"\xff\xff", [0, 1], 16),
        (b"\xff\xff", [0, 0, -1], -1),
        (b"\xff\xff", [0, 2], -1),
        (b"\x00\xff\x00", [1, 9, 15, "BIT"], 9),
        (b"\x00\xff\x00", [0, 9, 15, "bit"], -1),
        (b"\x00\xff\x00", [0, 9, -1, "bit"], 16),
        (b"\x00\xff\x00", [1, 2, 1, "byte"], -1),
        (b"", [0], -1),
        (b"", [0, 0, -1], -1),
        (b"", [1], -1),
    ],
)
def test_bitpos(server: InProcess, value: bytes, arguments: list[int | str], place: int) -> None:
    server("SET", "k", value)
    assert server("BITPOS", "k", *arguments) == place


def test_bitpos_of_a_missing_key(server: InProcess) -> None:
    assert server("BITPOS", "missing", 0) == 0
    assert server("BITPOS", "missing", 0, 5, 6) == 0
    assert server("BITPOS", "missing", 1) == -1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["2"], "ERR The bit argument must be 1 or 0."),
        (["x"], NO_INTEGER),
        (["0", "x"], NO_INTEGER),
        (["0", "1", "x"], NO_INTEGER),
        (["0", "1", "x", "WORD"], SYNTAX),
        (["0", "x", "1", "WORD"], NO_INTEGER),
        (["0", "x", "1", "BIT", "y"], SYNTAX),
    ],
)
def test_errors_of_bitpos(server: InProcess, arguments: list[str], error: str) -> None:
    assert refused(server, "BITPOS", "missing", *arguments) == error


# BITOP


def test_bitop(server: InProcess) -> None:
    server("MSET", "a", b"\xff\x0f\x01", "b", b"\x0f\xff")
    assert server("BITOP", "AND", "r", "a", "b") == 3
    assert server("GET", "r") == b"\x0f\x0f\x00"
    assert server("BITOP", "or", "r", "a", "b", "missing") == 3
    assert server("GET", "r") == b"\xff\xff\x01"
    assert server("BITOP", "Xor", "r", "a", "b") == 3
    assert server("GET", "r") == b"\xf0\xf0\x01"
    assert server("BITOP", "NOT", "a", "a") == 3
    assert server("GET", "a") == b"\x00\xf0\xfe"
    assert server("BITOP", "AND", "r", "b") == 2
    assert server("OBJECT", "ENCODING", "r") == b"raw"
    server("SETBIT", "r", 0, 1)
    assert server("GET", "b") == b"\x0f\xff"


def test_bitop_takes_strings_of_megabytes(server: InProcess) -> None:
    size = 3 * 1024 * 1024 + 1
    server("SET", "a", b"\x0f" * size)
    server("SET", "b", b"\xf1" * (size - 5))
    assert server("BITOP", "XOR", "r", "a", "b") == size
    assert server("GET", "r") == b"\xfe" * (size - 5) + b"\x0f" * 5
    assert server("BITCOUNT", "r") == 7 * (size - 5) + 20


def test_an_empty_result_deletes_the_destination(server: InProcess) -> None:
    server("SET", "r", "v")
    assert server.events("BITOP", "NOT", "r", "missing") == ["del r"]
    assert server("EXISTS", "r") == 0
    server("RPUSH", "r", "x")
    server("SET", "empty", "")
    assert server.effects("BITOP", "AND", "r", "empty", "missing") == ["BITOP AND r empty missing"]
    assert server.effects("BITOP", "AND", "r", "empty", "missing") == []


def test_bitop_overwrites_and_drops_the_expiry(server: InProcess) -> None:
    server("SET", "a", "x")
    server("RPUSH", "r", "x")
    server("EXPIRE", "r", 100)
    assert server.events("BITOP", "OR", "r", "a") == ["set r"]
    assert server("TTL", "r") == -1


def test_errors_of_bitop(server: InProcess) -> None:
    server("RPUSH", "list", "x")
    assert refused(server, "BITOP", "NOT", "r", "list", "b") == "ERR BITOP NOT must be called with a single source key."
    assert refused(server, "BITOP", "DIFF2", "r", "list") == SYNTAX
    two = "ERR BITOP DIFF must be called with at least two source keys."
    assert refused(server, "BITOP", "diff", "r", "list") == two
    assert refused(server, "BITOP", "AND", "r", "missing", "list") == WRONG_TYPE


@pytest.mark.parametrize(
    "argv",
    [
        ("SETBIT", "list", "0", "0"),
        ("GETBIT", "list", "0"),
        ("BITCOUNT", "list"),
        ("BITCOUNT", "list", "0", "1"),
        ("BITPOS", "list", "0"),
        ("BITFIELD", "list"),
        ("BITFIELD", "list", "SET", "u8", "0", "1"),
        ("BITFIELD_RO", "list", "GET", "u8", "0"),
    ],
)
def test_other_types_are_refused(server: InProcess, argv: tuple[str, ...]) -> None:
    server("RPUSH", "list", "x")
    assert refused(server, *argv) == WRONG_TYPE


# BITFIELD


def test_bitfield(server: InProcess) -> None:
    assert server("BITFIELD", "k") == []
    assert server("BITFIELD", "k", "GET", "u8", 0) == [0]
    assert server("EXISTS", "k") == 0
    argv = ["SET", "u8", "#1", 66, "get", "i5", 12, "INCRBY", "u8", "#0", 65, "SET", "u16", 0, 7]
    assert server("BITFIELD", "k", *argv) == [0, 4, 65, 0x4142]
    assert server("GET", "k") == b"\x00\x07"
    assert server("BITFIELD_RO", "k", "GET", "u4", 12, "GET", "i64", 12) == [7, 7 << 60]
    assert server("BITFIELD_RO", "missing", "GET", "u4", 12) == [0]


def test_overflow_holds_from_where_it_stands(server: InProcess) -> None:
    argv = ["INCRBY", "u2", 0, 5, "OVERFLOW", "SAT", "INCRBY", "u2", 0, 5, "OVERFLOW", "fail", "INCRBY", "u2", 0, 1]
    assert server("BITFIELD", "k", *argv, "OVERFLOW", "WRAP", "INCRBY", "u2", 0, 1) == [1, 3, None, 0]


def test_64_bits(server: InProcess) -> None:
    low, high = -(2**63), 2**63 - 1
    assert server("BITFIELD", "k", "SET", "i64", 3, high, "INCRBY", "i64", 3, 1) == [0, low]
    assert server("BITFIELD", "k", "OVERFLOW", "SAT", "INCRBY", "i64", 3, -1) == [low]
    assert server("BITFIELD", "k", "OVERFLOW", "FAIL", "INCRBY", "i64", 3, -1) == [None]
    assert server("BITFIELD", "k", "SET", "u63", 3, high, "OVERFLOW", "SAT", "INCRBY", "u63", 3, 1) == [2**62, high]


def test_negative_integers_may_be_too_high(server: InProcess) -> None:
    assert server("BITFIELD", "k", "OVERFLOW", "SAT", "SET", "u8", 0, -1, "GET", "u8", 0) == [0, 255]
    assert server("BITFIELD", "k", "OVERFLOW", "SAT", "SET", "i8", 0, -200, "GET", "i8", 0) == [-1, -128]
    assert server("BITFIELD", "k", "OVERFLOW", "SAT", "SET", "i8", 0, -(2**63), "GET", "i8", 0) == [-128, 127]
    assert server("BITFIELD", "k", "OVERFLOW", "SAT", "SET", "i64", 0, -(2**63), "GET", "i64", 0)[1] == -(2**63)


@pytest.mark.parametrize(
    ("operations", "error"),
    [
        (["GET"], SYNTAX),
        (["GET", "u8"], SYNTAX),
        (["SET", "u8", "0"], SYNTAX),
        (["INCRBY", "u8", "0"], SYNTAX),
        (["OVERFLOW"], SYNTAX),
        (["FROB", "u8", "0"], SYNTAX),
        (["OVERFLOW", "nice"], "ERR Invalid OVERFLOW type specified"),
        (["GET", "u64", "0"], TYPE),
        (["GET", "64", "x"], TYPE),
        (["GET", "u8", "x"], OFFSET),
        (["GET", "u8", "-1"], OFFSET),
        (["GET", "u8", "#536870912"], OFFSET),
        (["SET", "u8", "0", "x"], NO_INTEGER),
        (["GET", "u8", "0", "SET", "u8", "-1", "x"], OFFSET),
    ],
)
def test_errors_of_bitfield(server: InProcess, operations: list[str], error: str) -> None:
    assert refused(server, "BITFIELD", "k", *operations) == error
    assert server("EXISTS", "k") == 0


def test_bitfield_ro_only_gets(server: InProcess) -> None:
    assert refused(server, "BITFIELD_RO", "k", "GET", "u8", 0, "SET", "u8", 0, "x") == NO_INTEGER
    assert refused(server, "BITFIELD_RO", "k", "GET", "u8", 0, "SET", "u8", 0, 1) == (
        "ERR BITFIELD_RO only supports the GET subcommand"
    )


def test_bitfield_counts_changes(server: InProcess) -> None:
    assert server.dirty("BITFIELD", "k", "SET", "u8", 0, 0) == 1
    assert server.dirty("BITFIELD", "k", "SET", "u8", 0, 0, "GET", "u8", 0) == 0
    assert server.dirty("BITFIELD", "k", "SET", "u8", 0, 1, "INCRBY", "u8", 0, 1) == 2
    assert server.events("BITFIELD", "k", "SET", "u8", 0, 5, "SET", "u8", 0, 6) == ["setbit k"]
    assert server.effects("BITFIELD", "k", "GET", "u8", 0) == []
    assert server.effects("BITFIELD", "k", "SET", "u8", 0, 9) == ["BITFIELD k SET u8 0 9"]


def test_a_refused_overflow_has_lengthened_the_string_all_the_same(server: InProcess) -> None:
    assert server.dirty("BITFIELD", "k", "OVERFLOW", "FAIL", "SET", "u8", 8, 256) == 0
    assert server("GET", "k") == b"\0\0"


def test_effects_of_bitfield(server: InProcess) -> None:
    reading = [[b"k", [b"RO", b"access"]]]
    writing = [[b"k", [b"RW", b"access", b"update"]]]
    ask = ("COMMAND", "GETKEYSANDFLAGS", "BITFIELD", "k")
    assert server(*ask, "GET", "u8", 0) == reading
    assert server(*ask, "OVERFLOW", "SAT", "GET", "u8", 0) == reading
    assert server(*ask, "GET", "u8", 0, "INCRBY", "u8", 0, 1) == writing
    assert server(*ask, "GET", "u8") == writing


def test_the_offset_of_a_field_wraps_around_at_64_bits(server: InProcess) -> None:
    # 2**61 fields of 8 bits are 2**64 bits.
    assert server("BITFIELD", "k", "SET", "u8", f"#{2**61 + 1}", 7) == [0]
    assert server("GET", "k") == b"\0\7"
    assert server("BITFIELD", "k", "GET", "u8", "#1") == [7]
    assert refused(server, "BITFIELD", "k", "GET", "u8", f"#{2**60}") == OFFSET
