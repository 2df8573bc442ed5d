"""Listpacks: small collections in one piece of memory, since Redis 7 the packed form of all types but sets of integers.

A listpack is the total size (4 bytes), the number of elements (2 bytes, 65535 for "count them"), the elements, and an
end mark.  An element is its kind with its length or first bits, its bytes, and behind them the length of both, with
which Redis walks backwards; this length is in groups of seven bits, the lowest last.  Texts that are integers are
stored as integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct, error

from twisted_redis.datatypes.corruption import CorruptData
from twisted_redis.datatypes.strings import SMALL_INTEGERS, integer_value

__all__ = [
    "decode",
    "element_at",
    "encode",
    "encode_parts",
    "entries",
    "entry",
    "integer_at",
    "integer_entry",
    "texts",
]

_header = Struct("<IH")
_HEADER = 6
_END = 0xFF
_UNCOUNTED = 0xFFFF

_BYTE_TEXTS = [b"%d" % value for value in range(128)]


def _backlen(size: int) -> bytes:
    """Returns the encoded length that stands behind an element of ``size`` bytes."""
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

_int16 = Struct("<BhB").pack
_int32 = Struct("<i").pack
_entry32 = Struct("<BiB").pack
_entry64 = Struct("<BqB").pack

#: The bytes before and behind a string of less than 64 bytes.
_HEADS = [bytes((0x80 | length,)) for length in range(64)]
_TAILS = [bytes((length + 1,)) for length in range(64)]


def integer_entry(value: int) -> bytes:
    """Returns an integer of up to 64 bits as an element."""
    if 0 <= value < 128:
        return bytes((value, 1))
    if -4096 <= value < 4096:
        return bytes((0xC0 | value >> 8 & 0x1F, value & 0xFF, 2))
    if -(1 << 15) <= value < 1 << 15:
        return _int16(0xF1, value, 3)
    if -(1 << 23) <= value < 1 << 23:
        # The kind stands in the place of a lowest byte.
        return _int32(value << 8 | 0xF2) + b"\x04"
    if -(1 << 31) <= value < 1 << 31:
        return _entry32(0xF3, value, 5)
    return _entry64(0xF4, value, 9)


#: Integers as elements, by their texts.  The greater ones up to 9999 are added when the first of them occurs: all at
#: once, so that they do not stand among the data of all times, and keep the memory around them from being given back.
_SMALL_INTEGERS = {b"%d" % value: integer_entry(value) for value in range(-100, 1000)}


def entry(text: bytes) -> bytes:
    """Returns any string as an element."""
    length = len(text)
    if length < 64:
        if text < b":" and length < 21:
            if text.isdigit() and length < 19:
                if text[0] != 48 or length == 1:
                    if length < 5 and len(_SMALL_INTEGERS) < len(SMALL_INTEGERS):
                        _SMALL_INTEGERS.update(
                            (text, integer_entry(value)) for value, text in enumerate(SMALL_INTEGERS)
                        )
                    return integer_entry(int(text))
            elif text[:1] == b"-" or length > 18:
                value = integer_value(text)
                if value is not None:
                    return integer_entry(value)
        return _HEADS[length] + text + _TAILS[length]
    if length < 4096:
        return bytes((0xE0 | length >> 8, length & 0xFF)) + text + _backlen(length + 2)
    return b"\xf0" + length.to_bytes(4, "little") + text + _backlen(length + 5)


def entries(texts: Iterable[bytes]) -> list[bytes]:
    """Returns ``texts`` as elements."""
    small = _SMALL_INTEGERS
    heads, tails = _HEADS, _TAILS
    return [
        heads[length] + text + tails[length]
        if text >= b":" and (length := len(text)) < 64
        else small.get(text) or entry(text)
        for text in texts
    ]


def encode(texts: Iterable[bytes]) -> bytes:
    """Returns a listpack of ``texts``."""
    parts = entries(texts)
    return encode_parts(parts, len(parts))


def encode_parts(parts: list[bytes], count: int) -> bytes:
    """Returns a listpack of ``count`` encoded elements."""
    body = b"".join(parts)
    return _header.pack(len(body) + _HEADER + 1, min(count, _UNCOUNTED)) + body + b"\xff"


# reading

_read16 = Struct("<h").unpack_from
_read32 = Struct("<i").unpack_from
_read64 = Struct("<q").unpack_from


def decode(blob: bytes) -> list[bytes]:
    """Returns the elements of the listpack ``blob``; raises ``CorruptData`` unless all of it is valid."""
    size = len(blob)
    if size <= _HEADER:
        raise CorruptData("a listpack without a header")
    total, count = _header.unpack_from(blob)
    if total != size or blob[-1] != _END:
        raise CorruptData(f"a listpack of {size} bytes says that it has {total}")
    texts: list[bytes] = []
    append = texts.append
    small = _BYTE_TEXTS
    read16, read32, read64 = _read16, _read32, _read64
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
            elif first == 0xF1:
                append(b"%d" % read16(blob, pos + 1)[0])
                length = 3
            elif first == 0xF2:
                # With the kind as its lowest byte.
                append(b"%d" % (read32(blob, pos)[0] >> 8))
                length = 4
            elif first == 0xF3:
                append(b"%d" % read32(blob, pos + 1)[0])
                length = 5
            elif first == 0xF4:
                append(b"%d" % read64(blob, pos + 1)[0])
                length = 9
            else:
                pos = _read_long(blob, pos, first, append)
                continue
            pos += length
            # The length behind an element must match.
            if blob[pos] != length:
                raise CorruptData("an element of a listpack has two lengths")
            pos += 1
    except (IndexError, error):
        raise CorruptData("an element of a listpack goes over its end") from None
    if pos != end or (count != len(texts) and count != _UNCOUNTED):
        raise CorruptData("a listpack with another number of elements than it says")
    return texts


def texts(blob: bytes) -> list[bytes]:
    """Returns the elements of a listpack that is known to be valid; it is read in two thirds of the time."""
    found: list[bytes] = []
    append = found.append
    small = _BYTE_TEXTS
    pos = _HEADER
    end = len(blob) - 1
    while pos < end:
        first = blob[pos]
        if 0x7F < first < 0xC0:
            start = pos + 1
            pos += first - 0x7F
            append(blob[start:pos])
            pos += 1
        elif first < 0x80:
            append(small[first])
            pos += 2
        elif first < 0xE0:
            value = (first & 0x1F) << 8 | blob[pos + 1]
            append(b"%d" % (value if value < 4096 else value - 8192))
            pos += 3
        elif first == 0xF1:
            append(b"%d" % _read16(blob, pos + 1)[0])
            pos += 4
        elif first == 0xF2:
            # With the kind as its lowest byte.
            append(b"%d" % (_read32(blob, pos)[0] >> 8))
            pos += 5
        elif first == 0xF3:
            append(b"%d" % _read32(blob, pos + 1)[0])
            pos += 6
        elif first == 0xF4:
            append(b"%d" % _read64(blob, pos + 1)[0])
            pos += 10
        else:
            pos = _read_long(blob, pos, first, append)
    return found


def _read_long(blob: bytes, pos: int, first: int, append: Callable[[bytes], None]) -> int:
    """Calls ``append`` with the string at ``pos``, of 64 bytes or more; returns the position behind it."""
    if first < 0xF0:
        start = pos + 2
        stop = start + ((first & 0x0F) << 8 | blob[pos + 1])
        text = blob[start:stop]
    elif first == 0xF0:
        start = pos + 5
        stop = start + int.from_bytes(blob[pos + 1 : start], "little")
        text = blob[start:stop]
    else:
        raise CorruptData(f"{first:#x} is no kind of element in a listpack")
    behind = _backlen(stop - pos)
    end = stop + len(behind)
    if end >= len(blob) or blob[stop:end] != behind:
        raise CorruptData("an element of a listpack has two lengths, or goes over its end")
    append(text)
    return end


# one element

#: The size of an integer that begins with this byte, without the length behind it; 0 for strings.
_INTEGER_SIZES = bytes([1] * 128 + [0] * 64 + [2] * 32 + [0] * 17 + [3, 4, 5, 9] + [0] * 11)


def integer_at(blob: bytes, pos: int) -> tuple[int, int]:
    """Returns the integer at ``pos`` and the position behind it.

    Raises ``CorruptData`` for anything but an integer, IndexError at the end of ``blob``.
    """
    first = blob[pos]
    size = _INTEGER_SIZES[first]
    if not size or blob[pos + size] != size:
        raise CorruptData("an element of a listpack is no integer, or has two lengths")
    if first < 0x80:
        value = first
    elif first < 0xE0:
        value = (first & 0x1F) << 8 | blob[pos + 1]
        value = value if value < 4096 else value - 8192
    else:
        value = int.from_bytes(blob[pos + 1 : pos + size], "little", signed=True)
    return value, pos + size + 1


def element_at(blob: bytes, pos: int) -> tuple[bytes, int]:
    """Returns the element at ``pos`` and the position behind it; raises as ``integer_at``."""
    first = blob[pos]
    if first < 0x80 or 0xC0 <= first < 0xE0 or first > 0xF0:
        value, pos = integer_at(blob, pos)
        return b"%d" % value, pos
    if first < 0xC0:
        size = first - 0x7F
        if blob[pos + size] != size:
            raise CorruptData("an element of a listpack has two lengths")
        return blob[pos + 1 : pos + size], pos + size + 1
    found: list[bytes] = []
    pos = _read_long(blob, pos, first, found.append)
    return found[0], pos
