"""Strings: bytes behind their length, integers of 8, 16 or 32 bits, or compressed bytes.

The loops for many strings are spelled out, because a call for each would double the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from typing import Any

from twisted_redis.datatypes.strings import SMALL_INTEGERS
from twisted_redis.persistence.rdb import lzf
from twisted_redis.persistence.rdb.codec import Codec, Encoding, Limits, Reader
from twisted_redis.persistence.rdb.errors import CorruptData, Truncated
from twisted_redis.persistence.rdb.numbers import SHORT, length_bytes, read_length

__all__ = ["CODEC", "add_strings", "from_string", "read_string", "read_strings", "string_bytes"]

STRING = 0

_INT8, _INT16, _INT32, _LZF = 0xC0, 0xC1, 0xC2, 0xC3

_int16 = Struct("<h")
_int32 = Struct("<i")
_pack16 = Struct("<Bh").pack
_pack32 = Struct("<Bi").pack

#: The integers of one byte, by the byte.
_BYTES = [SMALL_INTEGERS[value] if value < 128 else b"%d" % (value - 256) for value in range(256)]
#: The same integers as they are stored.
_SMALL = {text: bytes((_INT8, value)) for value, text in enumerate(_BYTES)}

_LONGEST_INTEGER = 11
_WORTH_COMPRESSING = 20
_WORTH_SAVING = 4


def read_string(data: bytes, pos: int) -> tuple[bytes, int]:
    """Returns the string at ``pos`` and the position behind it."""
    first = data[pos]
    if first < 0x40:
        start = pos + 1
        end = start + first
    elif first < 0x80:
        start = pos + 2
        end = start + ((first & 0x3F) << 8 | data[pos + 1])
    elif first < _INT8:
        length, start = read_length(data, pos)
        end = start + length
    elif first == _INT8:
        return _BYTES[data[pos + 1]], pos + 2
    elif first == _INT16:
        number: int = _int16.unpack_from(data, pos + 1)[0]
        return SMALL_INTEGERS[number] if -1 < number < 10_000 else b"%d" % number, pos + 3
    elif first == _INT32:
        return b"%d" % _int32.unpack_from(data, pos + 1)[0], pos + 5
    elif first == _LZF:
        packed, pos = read_length(data, pos + 1)
        size, pos = read_length(data, pos)
        end = pos + packed
        if end > len(data):
            raise Truncated("a compressed string ends too early")
        return lzf.decompress(data[pos:end], size), end
    else:
        raise CorruptData(f"{first:#x} is no kind of string")
    # The bytes are known to be there, so this length is allocated only now.
    if end > len(data):
        raise Truncated("a string ends too early")
    return data[start:end], end


def from_string(of_blob: Callable[[bytes, int, Limits], Any]) -> Reader:
    """Returns a reader of values that are stored as one string.

    ``of_blob`` takes the string, the position behind it and the configuration, and returns the value.
    """

    def read(data: bytes, pos: int, config: Limits) -> tuple[Any, int]:
        blob, pos = read_string(data, pos)
        return of_blob(blob, pos, config), pos

    return read


def read_strings(data: bytes, pos: int, count: int) -> tuple[list[bytes], int]:
    """Returns ``count`` strings from ``pos`` on, and the position behind them."""
    texts: list[bytes] = []
    append = texts.append
    small = _BYTES
    end = len(data)
    while count:
        first = data[pos]
        if first < 0x40:
            pos += 1
            append(data[pos : pos + first])
            pos += first
        elif first == _INT8:
            append(small[data[pos + 1]])
            pos += 2
        else:
            text, pos = read_string(data, pos)
            append(text)
        count -= 1
    if pos > end:
        raise Truncated("a string ends too early")
    return texts, pos


def string_bytes(text: bytes | bytearray, compressed: bool = True) -> bytes:
    """Returns ``text`` as it is stored; with ``compressed``, compressed if that is possible and saves bytes."""
    length = len(text)
    if length <= _LONGEST_INTEGER:
        packed = _integer(bytes(text))
        if packed is not None:
            return packed
    elif length > _WORTH_COMPRESSING and compressed and lzf.compress is not None:
        packed = lzf.compress(bytes(text) if isinstance(text, bytearray) else text, length - _WORTH_SAVING)
        if packed is not None:
            return b"\xc3" + length_bytes(len(packed)) + length_bytes(length) + packed
    return (SHORT[length] if length < 64 else length_bytes(length)) + text


def _integer(text: bytes) -> bytes | None:
    """Returns ``text`` as an integer, or None if it is not an integer of 32 bits."""
    if text >= b":" or text < b"-":
        return None
    packed = _SMALL.get(text)
    if packed is not None:
        return packed
    digits = text[1:] if text[:1] == b"-" else text
    # Integers of one digit are among the small ones.
    if digits.isdigit() and digits[0] != 48:
        value = int(text)
        if -(1 << 15) <= value < 1 << 15:
            return _pack16(_INT16, value)
        if -(1 << 31) <= value < 1 << 31:
            return _pack32(_INT32, value)
    return None


def add_strings(append: Callable[[bytes], None], texts: Iterable[bytes], compressed: bool = True) -> None:
    """Calls ``append`` with ``texts`` as they are stored, one or two pieces for each."""
    short = SHORT
    for text in texts:
        length = len(text)
        if length < 21 and (text >= b":" or length > 11):
            append(short[length])
            append(text)
        else:
            append(string_bytes(text, compressed))


# strings as values


def _write(value: bytes | bytearray, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    return STRING, [string_bytes(value, compressed)]


def _read(data: bytes, pos: int, config: Limits) -> tuple[bytes, int]:
    return read_string(data, pos)


CODEC = Codec(_write, (Encoding(STRING, "string", _read),))
