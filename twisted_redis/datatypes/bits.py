"""Strings as arrays of bits, and as arrays of small integers.

Bit 0 is the most significant bit of the first byte.  Bits after the end of a string count as zero.  Ranges of bits
include both ends.  No function here runs Python code for each byte: long strings are handled as big integers, in pieces
that are small enough for the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from operator import and_, or_, xor

from twisted_redis.datatypes.strings import StringValue, integer_value

__all__ = [
    "FAIL",
    "OF_TWO",
    "OPERATIONS",
    "SATURATE",
    "WRAP",
    "combine",
    "count_bits",
    "find_bit",
    "fit",
    "get_bit",
    "get_field",
    "grow",
    "invert",
    "parse_field_type",
    "parse_offset",
    "set_bit",
    "set_field",
]

#: The ways to handle an integer that does not fit its field.
WRAP, SATURATE, FAIL = range(3)

#: The piece (bytes) in which operations on a whole string take it.
_PIECE = 1 << 16
#: The piece (bytes) that is compared at once in the search for a byte that differs.
_STRIDE = 1 << 12

_ZEROS = bytes(_PIECE)
_SAME = {0: b"\xff" * _STRIDE, 1: bytes(_STRIDE)}
_INVERTED = bytes(range(255, -1, -1))


def _only_first(numbers: Sequence[int]) -> int:
    first, *others = numbers
    return first & ~reduce(or_, others, 0)


def _not_first(numbers: Sequence[int]) -> int:
    first, *others = numbers
    return reduce(or_, others, 0) & ~first


def _first_and_another(numbers: Sequence[int]) -> int:
    first, *others = numbers
    return first & reduce(or_, others, 0)


def _exactly_one(numbers: Sequence[int]) -> int:
    seen = repeated = 0
    for number in numbers:
        repeated |= seen & number
        seen |= number
    return seen & ~repeated


#: The operations of BITOP on several strings, each as a function of the strings' numbers.
OPERATIONS: dict[bytes, Callable[[Sequence[int]], int]] = {
    b"and": partial(reduce, and_),
    b"or": partial(reduce, or_),
    b"xor": partial(reduce, xor),
    b"diff": _only_first,
    b"diff1": _not_first,
    b"andor": _first_and_another,
    b"one": _exactly_one,
}
#: The operations that need a second string.
OF_TWO = frozenset((b"diff", b"diff1", b"andor"))


def parse_offset(text: bytes, width: int = 0) -> int | None:
    """The offset (bits) that ``text`` spells, or None if it is no integer.

    ``#n`` is the n-th field of ``width`` bits, if ``width`` is not 0.  As in Redis that product wraps around at 64
    bits.  The caller refuses negative offsets.
    """
    if width and text[:1] == b"#":
        number = integer_value(text[1:])
        return None if number is None else (number * width + 2**63) % 2**64 - 2**63
    return integer_value(text)


def parse_field_type(text: bytes) -> tuple[bool, int] | None:
    """A field type such as ``i16`` as (signed, bits), or None if ``text`` is no type.

    A signed field has at most 64 bits, an unsigned one 63.  The text ends at a zero byte, as in C.
    """
    signed = text[:1] == b"i"
    if not signed and text[:1] != b"u":
        return None
    width = integer_value(text[1:].partition(b"\0")[0])
    if width is None or not 1 <= width <= (64 if signed else 63):
        return None
    return signed, width


# single bits


def get_bit(data: StringValue, offset: int) -> int:
    """The bit at ``offset``."""
    place = offset >> 3
    return data[place] >> (7 - (offset & 7)) & 1 if place < len(data) else 0


def set_bit(data: bytearray, offset: int, on: int) -> int:
    """Sets the bit at ``offset``, which must be within ``data``.  Returns the bit that was there."""
    place = offset >> 3
    mask = 128 >> (offset & 7)
    byte = data[place]
    data[place] = byte | mask if on else byte & ~mask
    return 1 if byte & mask else 0


def grow(data: bytearray, size: int) -> bytearray:
    """``data`` with zero bytes up to at least ``size``: the same object, or another one if that is cheaper."""
    missing = size - len(data)
    if missing <= 0:
        return data
    if missing <= len(data):
        data += bytes(missing)
        return data
    # The system provides zero pages for nothing until they are written to.
    larger = bytearray(size)
    larger[: len(data)] = data
    return larger


# ranges


def count_bits(data: StringValue, start: int, end: int) -> int:
    """The number of bits from ``start`` to ``end`` that are 1; both must be within ``data``."""
    first, last = start >> 3, end >> 3
    count = 0
    for place in range(first, last + 1, _PIECE):
        piece = data[place : min(place + _PIECE, last + 1)]
        if piece != _ZEROS:  # most bitmaps are sparse, and the comparison stops at the first byte that is not zero
            count += int.from_bytes(piece, "little").bit_count()
    outside = (data[first] & ~(0xFF >> (start & 7))) << 8 | data[last] & (0x7F >> (end & 7))
    return count - outside.bit_count()


def find_bit(data: StringValue, bit: int, start: int, end: int) -> int:
    """The first place from ``start`` to ``end`` that has ``bit``, or -1; both must be within ``data``."""
    first, last = start >> 3, end >> 3
    found = _find_in(data, bit, first, min(first + 8, last + 1), 0xFF >> (start & 7))
    if found < 0:
        same = _SAME[bit]
        place = first + 8
        while place + _STRIDE <= last and data[place : place + _STRIDE] == same:
            place += _STRIDE
        while found < 0 and place <= last:
            found = _find_in(data, bit, place, min(place + _STRIDE, last + 1), 0xFF)
            place += _STRIDE
    return found if found <= end else -1


def _find_in(data: StringValue, bit: int, first: int, stop: int, head: int) -> int:
    """The first ``bit`` in the bytes from ``first`` to ``stop``, or -1.  ``head`` is the mask for the first byte."""
    size = stop - first
    value = int.from_bytes(data[first:stop], "big")
    if not bit:
        value ^= (1 << 8 * size) - 1
    value &= (1 << 8 * (size - 1)) * (head + 1) - 1
    return first * 8 + 8 * size - value.bit_length() if value else -1


# whole strings


def combine(operation: Callable[[Sequence[int]], int], sources: Sequence[StringValue]) -> bytearray:
    """The bitwise ``operation`` over ``sources``.  The result is as long as the longest of them."""
    size = max(map(len, sources))
    result = bytearray(size)
    for place in range(0, size, _PIECE):
        stop = min(place + _PIECE, size)
        # Little-endian: the bytes that a shorter string lacks at its end are leading zeros of its number.
        pieces = [int.from_bytes(source[place:stop], "little") for source in sources]
        result[place:stop] = operation(pieces).to_bytes(stop - place, "little")
    return result


def invert(data: StringValue) -> bytearray:
    """``data`` with every bit inverted."""
    return bytearray(data.translate(_INVERTED))


# fields


def get_field(data: StringValue, offset: int, width: int, signed: bool) -> int:
    """The integer in ``width`` bits from ``offset`` on."""
    place = offset >> 3
    skipped = offset & 7
    size = (skipped + width + 7) >> 3
    piece = data[place : place + size]
    value = int.from_bytes(piece, "big") << 8 * (size - len(piece)) >> 8 * size - skipped - width
    value &= (1 << width) - 1
    if signed and value >> (width - 1):
        value -= 1 << width
    return value


def set_field(data: bytearray, offset: int, width: int, value: int) -> None:
    """Writes the low ``width`` bits of ``value`` at ``offset``; all of them must be within ``data``."""
    place = offset >> 3
    skipped = offset & 7
    size = (skipped + width + 7) >> 3
    shift = 8 * size - skipped - width
    mask = (1 << width) - 1
    around = int.from_bytes(data[place : place + size], "big") & ~(mask << shift)
    data[place : place + size] = (around | (value & mask) << shift).to_bytes(size, "big")


def fit(value: int, width: int, signed: bool, overflow: int) -> int | None:
    """``value`` made to fit a field by ``WRAP`` or ``SATURATE``; with ``FAIL`` None if it does not fit."""
    low, high = (-1 << (width - 1), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
    if low <= value <= high:
        return value
    if overflow == FAIL:
        return None
    if overflow == SATURATE:
        return high if value > high else low
    return (value - low) % (1 << width) + low
