"""The listpacks of streams: the form of nodes in RDB files, and in memory of those that came from there.

A listpack begins with a master entry: the numbers of live and deleted entries, the number of the usual fields, these
fields, and a 0.  Each entry has flags, the difference of its ID from the first ID of the node (two integers), its
values if it has the usual fields, otherwise the number of its fields and all fields and values, and the number of its
elements, for walking backwards.

A node that was loaded stays a listpack, so it is loaded quickly and can be written as it is.  A walk through a listpack
is slow, so ``ListpackRows`` knows where each entry begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain, repeat
from operator import add
from struct import Struct
from typing import Final

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.corruption import CorruptData
from twisted_redis.datatypes.listpack import element_at, encode_parts, entries, integer_at, integer_entry
from twisted_redis.datatypes.stream_columns import Numbers, Row, smallest
from twisted_redis.datatypes.stream_ids import MAX_PART, signed

__all__ = ["ListpackRows", "Loaded", "pack_rows", "read_packed"]

_DELETED: Final = 1
_SAME_FIELDS: Final = 2

_header = Struct("<IH")
_HEADER: Final = 6
_UNCOUNTED: Final = 0xFFFF

_TEXTS: Final = [b"%d" % value for value in range(128)]

_SMALL: Final = 1024

#: Small integers as elements; those below 0 are in the upper half, so the integer is the index.
_INTEGERS: Final = [integer_entry(value) for value in (*range(_SMALL), *range(-_SMALL, 0))]

#: The size of an element that begins with this byte, without the length behind it; 0 for strings of 64 bytes or more.
_SIZES: Final = bytes([1] * 128 + [*range(1, 65)] + [2] * 32 + [0] * 17 + [3, 4, 5, 9] + [0] * 11)


class ListpackRows:
    """Rows that no longer change, in ``blob``, a listpack.

    ``fields`` are the usual fields.  ``places`` has the position behind the ID of each entry.  ``uniform`` is true if
    all rows have the usual fields.  The flags and counters in ``blob`` do not yet show the entries that were deleted
    after it was made.
    """

    __slots__ = ("blob", "fields", "places", "uniform")

    def __init__(self, fields: tuple[bytes, ...], blob: bytes, places: Numbers, uniform: bool) -> None:
        self.fields = fields
        self.blob = blob
        self.places = places
        self.uniform = uniform

    def row(self, place: int) -> list[bytes]:
        """The row at ``place``."""
        return self.rows(place, place + 1)[0]

    def rows(self, begin: int, end: int) -> list[list[bytes]]:
        """The rows from ``begin`` up to ``end``."""
        blob = self.blob
        fields = self.fields
        texts = _TEXTS
        steps = _SIZES
        rows: list[list[bytes]] = []
        if not self.uniform:
            for pos in self.places[begin:end]:
                rows.append(_row(blob, pos, fields))
            return rows
        if len(fields) == 1:
            # As below, without a loop for the fields.
            only = fields[0]
            for pos in self.places[begin:end]:
                first = blob[pos]
                if 0x80 <= first < 0xC0:
                    rows.append([only, blob[pos + 1 : pos + first - 0x7F]])
                elif first < 0x80:
                    rows.append([only, texts[first]])
                else:
                    rows.append([only, element_at(blob, pos)[0]])
            return rows
        for pos in self.places[begin:end]:
            row: list[bytes] = []
            for field in fields:
                first = blob[pos]
                row.append(field)
                if first < 0x80:
                    row.append(texts[first])
                    pos += 2
                elif first < 0xC0:
                    stop = pos + first - 0x7F
                    row.append(blob[pos + 1 : stop])
                    pos = stop + 1
                elif first < 0xE0:
                    value = (first & 0x1F) << 8 | blob[pos + 1]
                    row.append(b"%d" % (value if value < 4096 else value - 8192))
                    pos += 3
                elif first > 0xF0:
                    stop = pos + steps[first]
                    row.append(b"%d" % int.from_bytes(blob[pos + 1 : stop], "little", signed=True))
                    pos = stop + 1
                else:
                    text, pos = element_at(blob, pos)
                    row.append(text)
            rows.append(row)
        return rows

    def listpack(self, live: int, dead: bytearray | None) -> bytes:
        """The listpack of the node: ``live`` entries are left; ``dead`` has a 1 for each deleted one."""
        blob = self.blob
        if dead is None:
            return blob
        begin = _HEADER
        for _ in range(2):
            begin += _SIZES[blob[begin]] + 1
        body = bytearray(blob[begin:])
        for pos, gone in zip(self.places, dead, strict=True):
            if gone:
                body[_flags_before(blob, pos) - begin] |= _DELETED
        counters = integer_entry(live) + integer_entry(len(dead) - live)
        return _header.pack(_HEADER + len(counters) + len(body), _header.unpack_from(blob)[1]) + counters + body

    def memory(self) -> int:
        """Estimates the size in bytes, without the field names, which nodes share."""
        return 64 + sizes.of_bytes(len(self.blob)) + sizes.of_container(self.places)


def _flags_before(blob: bytes, pos: int) -> int:
    """The position of the flags of the entry whose ID ends at ``pos``."""
    pos -= blob[pos - 1] + 1
    pos -= blob[pos - 1] + 1
    return pos - 2


def _row(blob: bytes, pos: int, fields: tuple[bytes, ...]) -> list[bytes]:
    """The row of the entry whose ID ends at ``pos``, which may have fields of its own."""
    row: list[bytes] = []
    if blob[_flags_before(blob, pos)] & _SAME_FIELDS:
        for field in fields:
            text, pos = element_at(blob, pos)
            row += (field, text)
        return row
    count, pos = integer_at(blob, pos)
    for _ in range(2 * count):
        text, pos = element_at(blob, pos)
        row.append(text)
    return row


def _differences(numbers: Sequence[int], low: int, least: int, greatest: int) -> list[bytes]:
    """Each of ``numbers`` minus ``low`` as an element; differences wrap around at 64 bits."""
    if greatest - low < _SMALL and least - low >= -_SMALL:
        return list(map(_INTEGERS.__getitem__, map((-low).__add__, numbers) if low else numbers))
    return [integer_entry(signed(number - low)) for number in numbers]


def pack_rows(
    fields: tuple[bytes, ...],
    low: int,
    ms: Sequence[int],
    sequences: Sequence[int],
    rows: Sequence[Row],
    uniform: bool = False,
) -> ListpackRows:
    """Packs entries.

    ``ms`` are their times relative to that of the node, ``sequences`` their sequence numbers, ``low`` that of the
    node.  ``uniform`` is true if all rows are known to have ``fields``.
    """
    width = len(fields)
    count = len(rows)
    times = _differences(ms, 0, ms[0], ms[-1])
    further = _differences(sequences, low, min(sequences), max(sequences))
    ids = list(map(add, times, further))
    head = [integer_entry(count), _INTEGERS[0], integer_entry(width), *entries(fields), _INTEGERS[0]]
    flags = _INTEGERS[_SAME_FIELDS]
    behind = integer_entry(width + 3)
    elements = len(head) + count * (width + 4)
    if uniform:
        # As usual, all rows have the same fields.  A few steps that run in C pack them.
        values = entries(list(chain.from_iterable(rows))[1::2])
        columns = [values[place::width] for place in range(width)] if width != 1 else [values]
        parts = list(map(b"".join, zip(repeat(flags), ids, *columns, repeat(behind))))
    else:
        parts = []
        for entry_id, row in zip(ids, rows, strict=True):
            if len(row) == 2 * width and tuple(row[::2]) == fields:
                part = [flags, entry_id, *entries(row[1::2]), behind]
            else:
                size = len(row) // 2
                part = [integer_entry(0), entry_id, integer_entry(size), *entries(row), integer_entry(2 * size + 4)]
                elements += 2 * size + 1 - width
            parts.append(b"".join(part))
    begins = accumulate(map(len, parts), initial=sum(map(len, head), _HEADER + len(flags)))
    blob = encode_parts(head + parts, elements)
    return ListpackRows(fields, blob, smallest(list(map(add, begins, map(len, ids))), len(blob)), uniform)


class Loaded:
    """What ``read_packed`` found: the rows, times relative to the node, sequence numbers, and deleted entries."""

    __slots__ = ("dead", "ms", "packed", "sequences")

    def __init__(self, packed: ListpackRows, ms: list[int], sequences: list[int], dead: bytearray | None) -> None:
        self.packed = packed
        self.ms = ms
        self.sequences = sequences
        self.dead = dead


def read_packed(blob: bytes, start: int, last: int) -> Loaded | None:
    """Takes the listpack of a node that begins at the ID ``start`` as it is; its IDs must be greater than ``last``.

    Returns None if anything in it is unusual or wrong.
    """
    size = len(blob)
    if size <= _HEADER or blob[-1] != 0xFF:
        return None
    total_bytes, counted = _header.unpack_from(blob)
    if total_bytes != size:
        return None
    try:
        live, pos = integer_at(blob, _HEADER)
        gone, pos = integer_at(blob, pos)
        width, pos = integer_at(blob, pos)
        if live < 0 or gone < 0 or live + gone < 1 or width < 0:
            return None
        names: list[bytes] = []
        for _ in range(width):
            name, pos = element_at(blob, pos)
            names.append(name)
        if blob[pos] or blob[pos + 1] != 1:
            return None
        pos += 2
        return _read_entries(blob, pos, tuple(names), live, gone, start, last, counted)
    except (CorruptData, IndexError):
        return None


def _read_entries(
    blob: bytes, pos: int, fields: tuple[bytes, ...], live: int, gone: int, start: int, last: int, counted: int
) -> Loaded | None:
    width = len(fields)
    steps = _SIZES
    base, low = start >> 64, start & MAX_PART
    before, sequence_before = last >> 64, last & MAX_PART
    ms: list[int] = []
    sequences: list[int] = []
    places: list[int] = []
    dead = bytearray()
    uniform = True
    elements = 4 + width
    for _ in range(live + gone):
        flags = blob[pos]
        if flags > (_SAME_FIELDS | _DELETED) or blob[pos + 1] != 1:
            return None
        dead.append(flags & _DELETED)
        # The two parts of the ID, which are small in most cases.
        later = blob[pos + 2]
        if later < 0x80 and blob[pos + 3] == 1:
            pos += 4
        else:
            later, pos = integer_at(blob, pos + 2)
        further = blob[pos]
        if further < 0x80 and blob[pos + 1] == 1:
            pos += 2
        else:
            further, pos = integer_at(blob, pos)
        time = base + later
        sequence = low + further
        if not (0 <= time <= MAX_PART and 0 <= sequence <= MAX_PART):
            time &= MAX_PART
            sequence &= MAX_PART
        if time < before or (time == before and sequence <= sequence_before):
            return None
        before, sequence_before = time, sequence
        ms.append(time - base)
        sequences.append(sequence)
        places.append(pos)
        if flags & _SAME_FIELDS:
            count = width
            behind = width + 3
        else:
            uniform = False
            count, pos = integer_at(blob, pos)
            if count < 0:
                return None
            elements += 1
            count *= 2
            behind = count + 4
        elements += count + 4
        while count:
            step = steps[blob[pos]]
            if step:
                pos += step
                # The length behind an element must match.
                if blob[pos] != step:
                    return None
                pos += 1
            else:
                pos = element_at(blob, pos)[1]
            count -= 1
        if behind < 0x80:
            if blob[pos] != behind or blob[pos + 1] != 1:
                return None
            pos += 2
        else:
            found, pos = integer_at(blob, pos)
            if found != behind:
                return None
    if pos != len(blob) - 1 or (counted != elements and counted != _UNCOUNTED):
        return None
    if ms[0] < 0 or (ms[0] == 0 and sequences[0] < low) or dead.count(1) != gone:
        return None
    packed = ListpackRows(fields, blob, smallest(places, pos), uniform)
    return Loaded(packed, ms, sequences, dead if gone else None)
