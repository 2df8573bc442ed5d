"""Listpacks: small collections in one piece of memory, since Redis 7 the packed form of all types but sets of integers.

The total size (4 bytes), the number of elements (2 bytes, 65535 for "count them"), the elements, and an end mark.  An
element is its kind with its length or first bits, its bytes, and behind it its whole length so far, by which Redis
walks backwards; that is in groups of seven bits, the lowest last.  What reads as an integer is stored as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct

from twisted_redis.datatypes.strings import integer_value
from twisted_redis.persistence.rdb.errors import CorruptData

__all__ = ["decode", "encode", "encode_parts", "entry", "integer_entry"]

_header = Struct("<IH")
_HEADER = 6
_END = 0xFF
_UNCOUNTED = 0xFFFF

_BYTE_TEXTS = [b"%d" % value for value in range(128)]


def _backlen(size: int) -> bytes:
    """The length that stands behind an element of ``size`` bytes."""
    if size < 128:
        return bytes((size,))
    if size < 16383:
        return bytes((size >> 7, size & 127 | 128))
    if size < 2097151:
        return bytes((size >> 14, size >> 7 & 127 | 128, size & 127 | 128))
    if size < 268435455:
        return bytes((size >> 21, size >> 14 & 127 | 128, size >> 7 & 127 | 128, size & 127 | 128))
    return bytes((size >> 28, size >> 21 & 127 | 128, size >> 14 & 127 | 128, size >> 7 & 127 | 128, size & 127 | 128))


# writing

#: What stands before and behind a string of less than 64 bytes.
_HEADS = [bytes((0x80 | length,)) for length in range(64)]
_TAILS = [bytes((length + 1,)) for length in range(64)]


def integer_entry(value: int) -> bytes:
    """An integer of up to 64 bits as an element."""
    if 0 <= value < 128:
        return bytes((value, 1))
    if -4096 <= value < 4096:
        return bytes((0xC0 | value >> 8 & 0x1F, value & 0xFF, 2))
    if -(1 << 15) <= value < 1 << 15:
        return b"\xf1" + value.to_bytes(2, "little", signed=True) + b"\x03"
    if -(1 << 23) <= value < 1 << 23:
        return b"\xf2" + value.to_bytes(3, "little", signed=True) + b"\x04"
    if -(1 << 31) <= value < 1 << 31:
        return b"\xf3" + value.to_bytes(4, "little", signed=True) + b"\x05"
    return b"\xf4" + value.to_bytes(8, "little", signed=True) + b"\x09"


_SMALL_INTEGERS = {b"%d" % value: integer_entry(value) for value in range(-100, 1000)}


def entry(text: bytes) -> bytes:
    """Any string as an element."""
    length = len(text)
    if length < 21 and text < b":":
        value = integer_value(text)
        if value is not None:
            return integer_entry(value)
    if length < 64:
        return _HEADS[length] + text + _TAILS[length]
    if length < 4096:
        return bytes((0xE0 | length >> 8, length & 0xFF)) + text + _backlen(length + 2)
    return b"\xf0" + length.to_bytes(4, "little") + text + _backlen(length + 5)


def encode(texts: Iterable[bytes]) -> bytes:
    """A listpack of ``texts``."""
    parts: list[bytes] = []
    append = parts.append
    small = _SMALL_INTEGERS
    heads, tails = _HEADS, _TAILS
    count = 0
    for text in texts:
        count += 1
        if text >= b":":
            length = len(text)
            if length < 64:
                append(heads[length])
                append(text)
                append(tails[length])
            else:
                append(entry(text))
        else:
            append(small.get(text) or entry(text))
    return encode_parts(parts, count)


def encode_parts(parts: list[bytes], count: int) -> bytes:
    """A listpack of ``count`` elements that are encoded already."""
    body = b"".join(parts)
    return _header.pack(len(body) + _HEADER + 1, min(count, _UNCOUNTED)) + body + b"\xff"


# reading


def decode(blob: bytes) -> list[bytes]:
    """The elements of the listpack ``blob``; raises ``CorruptData`` unless it is one from end to end."""
    size = len(blob)
    if size <= _HEADER:
        raise CorruptData("a listpack without a header")
    total, count = _header.unpack_from(blob)
    if total != size or blob[-1] != _END:
        raise CorruptData(f"a listpack of {size} bytes says that it has {total}")
    texts: list[bytes] = []
    append = texts.append
    small = _BYTE_TEXTS
    pos = _HEADER
    end = size - 1
    try:
        while pos < end:
            first = blob[pos]
            if first < 0x80:
                append(small[first])
                length = 1
            elif first < 0xC0:
                length = first - 0x7F
                append(blob[pos + 1 : pos + length])
            elif first < 0xE0:
                value = (first & 0x1F) << 8 | blob[pos + 1]
                append(b"%d" % (value if value < 4096 else value - 8192))
                length = 2
            else:
                pos = _read_long(blob, pos, first, append)
                continue
            pos += length
            # What is behind an element has to say how long it is.
            if blob[pos] != length:
                raise CorruptData("an element of a listpack has two lengths")
            pos += 1
    except IndexError:
        raise CorruptData("an element of a listpack goes over its end") from None
    if pos != end or (count != len(texts) and count != _UNCOUNTED):
        raise CorruptData("a listpack with another number of elements than it says")
    return texts


_WIDTHS = {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}


def _read_long(blob: bytes, pos: int, first: int, append: Callable[[bytes], None]) -> int:
    """Hands the element at ``pos``, of a rarer kind, to ``append``; returns the place behind it."""
    if first < 0xF0:
        start = pos + 2
        stop = start + ((first & 0x0F) << 8 | blob[pos + 1])
        text = blob[start:stop]
    elif first == 0xF0:
        start = pos + 5
        stop = start + int.from_bytes(blob[pos + 1 : start], "little")
        text = blob[start:stop]
    else:
        width = _WIDTHS.get(first)
        if width is None:
            raise CorruptData(f"{first:#x} is no kind of element in a listpack")
        stop = pos + 1 + width
        text = b"%d" % int.from_bytes(blob[pos + 1 : stop], "little", signed=True)
    behind = _backlen(stop - pos)
    end = stop + len(behind)
    if end >= len(blob) or blob[stop:end] != behind:
        raise CorruptData("an element of a listpack has two lengths, or goes over its end")
    append(text)
    return end
