"""Ziplists and zipmaps, the packed forms before listpacks: Redis wrote ziplists up to 6.2 and zipmaps up to 2.4.

A ziplist is its size and the position of its last element (4 bytes each), the number of elements (2 bytes, 65535 for
"count them"), the elements, and an end mark.  An element is the length of the previous one, its kind, and its bytes.

A zipmap is the number of pairs (1 byte, 254 for "count them"), the pairs, and an end mark.
"""

from __future__ import annotations

from struct import Struct

from twisted_redis.persistence.rdb.errors import CorruptData

__all__ = ["decode", "decode_zipmap"]

_header = Struct("<IIH")
_END = 0xFF
_BIG = 0xFE
_UNCOUNTED = 0xFFFF

#: The size of an integer (bytes), by its kind.
_WIDTHS = {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}


def decode(blob: bytes) -> list[bytes]:
    """Returns the elements of the ziplist ``blob``; raises ``CorruptData`` unless all of it is valid."""
    size = len(blob)
    if size <= _header.size:
        raise CorruptData("a ziplist without a header")
    total, last, count = _header.unpack_from(blob)
    if total != size or blob[-1] != _END or last >= size:
        raise CorruptData(f"a ziplist of {size} bytes says that it has {total}")
    texts: list[bytes] = []
    pos = _header.size
    end = size - 1
    before = begin = 0
    while pos < end:
        begin = pos
        previous = blob[pos]
        pos += 1
        if previous >= _BIG:
            previous = int.from_bytes(blob[pos : pos + 4], "little")
            pos += 4
        if previous != before or pos >= end:
            raise CorruptData("an element of a ziplist is wrong about the one before it")
        text, pos = _element(blob, pos)
        if pos > end:
            raise CorruptData("an element of a ziplist goes over its end")
        texts.append(text)
        before = pos - begin
    if texts and begin != last:
        raise CorruptData("a ziplist is wrong about its last element")
    if count != len(texts) and count != _UNCOUNTED:
        raise CorruptData("a ziplist with another number of elements than it says")
    return texts


def _element(blob: bytes, pos: int) -> tuple[bytes, int]:
    """Returns the element whose kind is at ``pos``, and the position behind it, which may be beyond the end."""
    kind = blob[pos]
    start = pos + 1
    if kind < 0x40:
        stop = start + kind
        return blob[start:stop], stop
    if kind < 0x80:
        start = pos + 2
        stop = start + ((kind & 0x3F) << 8 | blob[pos + 1])
        return blob[start:stop], stop
    if kind < 0xC0:
        start = pos + 5
        stop = start + int.from_bytes(blob[pos + 1 : start], "big")
        return blob[start:stop], stop
    if 0xF1 <= kind <= 0xFD:
        return b"%d" % (kind - 0xF1), start
    width = _WIDTHS.get(kind)
    if width is None:
        raise CorruptData(f"{kind:#x} is no kind of element in a ziplist")
    stop = start + width
    return b"%d" % int.from_bytes(blob[start:stop], "little", signed=True), stop


def decode_zipmap(blob: bytes) -> list[bytes]:
    """Returns the fields and values of the zipmap ``blob``, alternately."""
    if len(blob) < 2 or blob[-1] != _END:
        raise CorruptData("a zipmap without an end")
    texts: list[bytes] = []
    pos = 1
    end = len(blob) - 1
    while pos < end and blob[pos] != _END:
        for spare in (0, 1):
            length = blob[pos]
            pos += 1
            if length >= _BIG:
                length = int.from_bytes(blob[pos : pos + 4], "little")
                pos += 4
            if spare and pos < end:
                # Unused bytes that an earlier, longer value has left.
                spare = blob[pos]
                pos += 1
            stop = pos + length
            texts.append(blob[pos:stop])
            pos = stop + spare
            if pos > end:
                raise CorruptData("an element of a zipmap goes over its end")
    if pos != end or not texts or blob[0] not in (len(texts) // 2, _BIG):
        raise CorruptData("a zipmap with another number of elements than it says")
    return texts
