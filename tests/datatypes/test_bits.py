"""Bits and fields of strings, compared with the digits of the string as one binary number."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twisted_redis.datatypes import bits
from twisted_redis.datatypes.bits import FAIL, OPERATIONS, SATURATE, WRAP, fit

LONG = 200_000


def digits(data: bytes | bytearray) -> str:
    """Returns the bits of ``data`` as text."""
    return "".join(f"{byte:08b}" for byte in data)


@st.composite
def data_and_range(draw: st.DrawFn) -> tuple[bytes, int, int]:
    data = draw(st.binary(min_size=1, max_size=40))
    start = draw(st.integers(0, len(data) * 8 - 1))
    return data, start, draw(st.integers(start, len(data) * 8 - 1))


@st.composite
def data_and_field(draw: st.DrawFn) -> tuple[bytes, int, int]:
    data = draw(st.binary(min_size=1, max_size=20))
    width = draw(st.integers(1, min(64, len(data) * 8)))
    return data, draw(st.integers(0, len(data) * 8 - width)), width


# arguments


@pytest.mark.parametrize(
    ("text", "width", "offset"),
    [
        (b"0", 0, 0),
        (b"17", 0, 17),
        (b"-3", 0, -3),
        (b"#3", 0, None),
        (b"#3", 5, 15),
        (b"#-3", 5, -15),
        (b"##3", 5, None),
        (b"#", 5, None),
        (b"", 5, None),
        (b"1.0", 0, None),
        (b"9223372036854775807", 0, 2**63 - 1),
        (b"9223372036854775808", 0, None),
    ],
)
def test_offsets(text: bytes, width: int, offset: int | None) -> None:
    assert bits.parse_offset(text, width) == offset


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b"i1", (True, 1)),
        (b"i64", (True, 64)),
        (b"u1", (False, 1)),
        (b"u63", (False, 63)),
        (b"u64", None),
        (b"i65", None),
        (b"i0", None),
        (b"i-1", None),
        (b"i08", None),
        (b"I8", None),
        (b"8", None),
        (b"u", None),
        (b"", None),
    ],
)
def test_field_types(text: bytes, field: tuple[bool, int] | None) -> None:
    assert bits.parse_field_type(text) == field


# single bits


def test_bit_0_is_the_highest_of_the_first_byte() -> None:
    assert [bits.get_bit(b"\xa1", place) for place in range(10)] == [1, 0, 1, 0, 0, 0, 0, 1, 0, 0]


def test_a_bit_is_set_alone() -> None:
    data = bytearray(b"\x00\xff")
    assert bits.set_bit(data, 1, 1) == 0
    assert bits.set_bit(data, 1, 1) == 1
    assert bits.set_bit(data, 15, 0) == 1
    assert bits.set_bit(data, 15, 0) == 0
    assert data == b"\x40\xfe"


@given(st.binary(max_size=30), st.integers(0, 100))
def test_growing_adds_zeros(data: bytes, size: int) -> None:
    grown = bits.grow(bytearray(data), size)
    assert grown == data + bytes(max(0, size - len(data)))


def test_a_string_that_is_long_enough_stays_unchanged() -> None:
    data = bytearray(b"abc")
    assert bits.grow(data, 3) is data
    assert bits.grow(data, 0) is data


# ranges


@given(data_and_range())
def test_counting(case: tuple[bytes, int, int]) -> None:
    data, start, end = case
    assert bits.count_bits(data, start, end) == digits(data)[start : end + 1].count("1")


@given(data_and_range(), st.sampled_from([0, 1]))
@example((b"\xff" * 20, 3, 150), 0)
@example((b"\x00" * 20, 3, 150), 1)
def test_finding(case: tuple[bytes, int, int], bit: int) -> None:
    data, start, end = case
    assert bits.find_bit(data, bit, start, end) == digits(data).find(str(bit), start, end + 1)


@given(st.integers(0, LONG * 8 - 1), st.integers(0, LONG * 8 - 1), st.sampled_from([0, 1]))
def test_long_strings(one: int, other: int, bit: int) -> None:
    data = bytearray(LONG) if bit else bytearray(b"\xff" * LONG)
    bits.set_bit(data, one, bit)
    last = LONG * 8 - 1
    assert bits.find_bit(data, bit, 0, last) == one
    assert bits.find_bit(data, bit, other, last) == (one if one >= other else -1)
    assert bits.find_bit(data, bit, 0, other) == (one if one <= other else -1)
    ones = 1 if one <= other else 0
    assert bits.count_bits(data, 0, other) == (ones if bit else other + 1 - ones)


# whole strings


#: By operation, whether a bit of the result is 1, from the bits of the sources at its place.
RULES: dict[bytes, Callable[[list[int]], bool]] = {
    b"and": lambda column: 0 not in column,
    b"or": lambda column: 1 in column,
    b"xor": lambda column: sum(column) % 2 == 1,
    b"diff": lambda column: column[0] == 1 and 1 not in column[1:],
    b"diff1": lambda column: column[0] == 0 and 1 in column[1:],
    b"andor": lambda column: column[0] == 1 and 1 in column[1:],
    b"one": lambda column: sum(column) == 1,
}


@given(st.sampled_from(sorted(OPERATIONS)), st.lists(st.binary(max_size=20), min_size=1, max_size=5))
def test_combining(name: bytes, sources: list[bytes]) -> None:
    size = max(map(len, sources))
    result = bits.combine(OPERATIONS[name], sources)
    assert len(result) == size
    for place in range(size * 8):
        assert bits.get_bit(result, place) == RULES[name]([bits.get_bit(source, place) for source in sources])


def test_combining_takes_long_strings_in_pieces() -> None:
    first, second = bytes(range(256)) * 800, b"\x0f" * 100_000
    result = bits.combine(OPERATIONS[b"or"], [first, second])
    assert result[:100_000] == bytes(byte | 15 for byte in first[:100_000])
    assert result[100_000:] == first[100_000:]


def test_inverting() -> None:
    assert bits.invert(b"") == b""
    assert bits.invert(b"\x00\xff\xaa") == b"\xff\x00\x55"


# fields


@given(data_and_field())
def test_reading_fields(case: tuple[bytes, int, int]) -> None:
    data, offset, width = case
    text = digits(data)[offset : offset + width]
    unsigned = int(text, 2)
    assert bits.get_field(data, offset, width, False) == unsigned
    assert bits.get_field(data, offset, width, True) == unsigned - (1 << width if text[0] == "1" else 0)


@given(data_and_field(), st.integers(-(2**70), 2**70))
def test_writing_fields(case: tuple[bytes, int, int], value: int) -> None:
    data, offset, width = case
    before = digits(data)
    changed = bytearray(data)
    bits.set_field(changed, offset, width, value)
    assert digits(changed) == before[:offset] + f"{value % (1 << width):0{width}b}" + before[offset + width :]


@pytest.mark.parametrize(
    ("data", "value"), [(b"", 0), (b"\x01", 0x0100), (b"\x01\x02", 0x0102), (b"\x01\x02\x03", 0x0102)]
)
def test_zeros_follow_behind_the_end(data: bytes, value: int) -> None:
    assert bits.get_field(data, 0, 16, False) == value
    assert bits.get_field(data, 800, 64, True) == 0


@pytest.mark.parametrize(
    ("value", "width", "signed", "wrapped", "saturated"),
    [
        (255, 8, False, 255, 255),
        (256, 8, False, 0, 255),
        (-1, 8, False, 255, 0),
        (127, 8, True, 127, 127),
        (128, 8, True, -128, 127),
        (-129, 8, True, 127, -128),
        (1000, 8, True, -24, 127),
        (2**63, 64, True, -(2**63), 2**63 - 1),
        (1, 1, True, -1, 0),
        (-2, 1, True, 0, -1),
    ],
)
def test_overflows(value: int, width: int, signed: bool, wrapped: int, saturated: int) -> None:
    assert fit(value, width, signed, WRAP) == wrapped
    assert fit(value, width, signed, SATURATE) == saturated
    assert fit(value, width, signed, FAIL) == (value if value == wrapped else None)


def test_long_stretches_of_zeros_are_counted_too() -> None:
    data = bytearray(300_000)
    for place in (0, 65_535, 65_536, 131_072, 299_999):
        data[place] = 0b1000_0001
    for value in (data, bytes(data)):
        assert bits.count_bits(value, 0, len(data) * 8 - 1) == 10
        assert bits.count_bits(value, 1, len(data) * 8 - 2) == 8
        assert bits.count_bits(value, 65_537 * 8, 131_072 * 8 - 1) == 0
