"""Lengths, times and doubles.

A length takes one byte below 64, two below 16384, five below 2**32, nine above.  The highest two bits of the first byte
tell which; if both are set, the byte is not a length but the kind of a specially encoded string.

An ``IndexError`` or ``struct.error`` in this module means that the bytes end too early.  Callers of the readers of
values get ``Truncated`` instead.
"""

from __future__ import annotations

from struct import Struct

from twisted_redis.persistence.rdb.errors import CorruptData

__all__ = [
    "SHORT",
    "length_bytes",
    "read_double",
    "read_length",
    "read_signed_length",
    "read_time",
    "signed_length_bytes",
    "time_bytes",
]

_big16 = Struct(">H").pack
_big32 = Struct(">I")
_big64 = Struct(">Q")
_little64 = Struct("<q")
_double = Struct("<d")

#: The encoded lengths below 64.
SHORT = [bytes((length,)) for length in range(64)]


def length_bytes(length: int) -> bytes:
    """Returns ``length``, below 2**64, as it is stored."""
    if length < 64:
        return SHORT[length]
    if length < 1 << 14:
        return _big16(0x4000 | length)
    if length < 1 << 32:
        return b"\x80" + _big32.pack(length)
    return b"\x81" + _big64.pack(length)


def read_length(data: bytes, pos: int) -> tuple[int, int]:
    """Returns the length at ``pos`` and the position behind it."""
    first = data[pos]
    if first < 0x40:
        return first, pos + 1
    if first < 0x80:
        return (first & 0x3F) << 8 | data[pos + 1], pos + 2
    if first == 0x80:
        return _big32.unpack_from(data, pos + 1)[0], pos + 5
    if first == 0x81:
        return _big64.unpack_from(data, pos + 1)[0], pos + 9
    raise CorruptData(f"{first:#x} is no length")


def signed_length_bytes(number: int) -> bytes:
    """Returns a counter that may be -1 as it is stored, in 64 bits."""
    return length_bytes(number & 0xFFFFFFFFFFFFFFFF)


def read_signed_length(data: bytes, pos: int) -> tuple[int, int]:
    """Returns the counter at ``pos``, which may be -1, and the position behind it."""
    number, pos = read_length(data, pos)
    return number - (1 << 64) if number >= 1 << 63 else number, pos


def time_bytes(ms: int) -> bytes:
    """Returns a wall time (ms) as it is stored."""
    return _little64.pack(ms)


def read_time(data: bytes, pos: int) -> tuple[int, int]:
    """Returns the wall time (ms) at ``pos`` and the position behind it."""
    return _little64.unpack_from(data, pos)[0], pos + 8


def read_double(data: bytes, pos: int) -> tuple[float, int]:
    """Returns the double at ``pos``, written as text (before version 8), and the position behind it."""
    size = data[pos]
    pos += 1
    if size > 252:
        return (float("nan"), float("inf"), float("-inf"))[size - 253], pos
    end = pos + size
    text = data[pos:end]
    data[end - 1]  # an IndexError if the text is cut off
    try:
        return float(text), end
    except ValueError:
        raise CorruptData(f"{text!r} is no number") from None
