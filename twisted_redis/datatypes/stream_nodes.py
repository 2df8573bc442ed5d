"""The nodes of a stream, each with about a hundred entries at most.

As in Redis, entries are appended to the last node until that is full, and trimming with ``~`` removes whole nodes.  The
last node is open: its entries are tuples in a list.  A node is packed as soon as it is full: the values are in one byte
string, the field names are stored once, and the IDs are small integers in arrays.  That takes a few bytes for each
entry beside its values, and the garbage collector has nothing to follow.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, pairwise
from typing import NamedTuple, TypeAlias

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.stream_ids import MAX_PART
from twisted_redis.datatypes.stream_size import entry_bound, entry_bytes, header_bytes

__all__ = ["Node", "PackedRows", "Record", "Row"]

#: The alternating fields and values of an entry.
Row: TypeAlias = Sequence[bytes]

Numbers: TypeAlias = "list[int] | array[int]"


class Record(NamedTuple):
    """A stored entry: its ID, its alternating fields and values, and whether it is a tombstone."""

    entry_id: int
    row: Row
    dead: bool


def _smallest(numbers: Sequence[int], top: int) -> array[int]:
    """``numbers``, which must not be negative, in the narrowest array that can hold ``top``, the greatest of them."""
    return array("B" if top < 1 << 8 else "H" if top < 1 << 16 else "I" if top < 1 << 32 else "Q", numbers)


class PackedRows:
    """Rows that no longer change.

    ``cuts`` are the places between the elements in ``blob``.  A row that has the fields of the node stores only its
    values there.  ``first`` is None if that is true of all rows.  Otherwise it has the number of the first element of
    each row, and ``own`` has a bit for each row that stores its own fields.
    """

    __slots__ = ("blob", "cuts", "fields", "first", "own")

    def __init__(self, fields: tuple[bytes, ...], rows: Sequence[Row]) -> None:
        count = len(fields)
        self.fields = fields
        self.own = 0
        self.first: array[int] | None = None
        if set(map(len, rows)) == {2 * count}:
            # Usually all rows have the same fields.  A few steps that run in C find that.
            flat = list(chain.from_iterable(rows))
            if flat[::2] == [*fields] * len(rows):
                self._keep(flat[1::2])
                return
        elements: list[bytes] = []
        first = [0]
        for place, row in enumerate(rows):
            if len(row) == 2 * count and tuple(row[::2]) == fields:
                elements += row[1::2]
            else:
                elements += row
                self.own |= 1 << place
            first.append(len(elements))
        self._keep(elements)
        if self.own:
            self.first = _smallest(first, first[-1])

    def _keep(self, elements: list[bytes]) -> None:
        self.blob = b"".join(elements)
        cuts = list(accumulate(map(len, elements), initial=0))
        self.cuts = _smallest(cuts, cuts[-1])

    def row(self, place: int) -> list[bytes]:
        """The row at ``place``."""
        fields = self.fields
        own = False
        if self.first is None:
            count = len(fields)
            begin = place * count
            end = begin + count
        else:
            begin, end = self.first[place : place + 2]
            own = bool(self.own >> place & 1)
        blob = self.blob
        cuts = self.cuts[begin : end + 1]
        values = [blob[left:right] for left, right in pairwise(cuts)]
        if own:
            return values
        if len(values) == 1:
            return [fields[0], values[0]]
        row = [b""] * (2 * len(values))
        row[::2] = fields
        row[1::2] = values
        return row

    def rows(self, begin: int, end: int) -> list[list[bytes]]:
        """The rows from ``begin`` up to ``end``."""
        fields = self.fields
        count = len(fields)
        if self.first is not None or end - begin < 3:
            return [self.row(place) for place in range(begin, end)]
        blob = self.blob
        cuts = self.cuts[begin * count : end * count + 1]
        values = [blob[left:right] for left, right in pairwise(cuts)]
        if count == 1:
            field = fields[0]
            return [[field, value] for value in values]
        rows = []
        for place in range(0, len(values), count):
            row = [b""] * (2 * count)
            row[::2] = fields
            row[1::2] = values[place : place + count]
            rows.append(row)
        return rows

    def memory(self) -> int:
        """Estimates the size in bytes, without the field names, which nodes share."""
        size = 72 + sizes.of_bytes(len(self.blob)) + sizes.of_container(self.cuts)
        return size + sizes.of_container(self.first) if self.first is not None else size


class Node:
    """A run of consecutive entries.

    ``start`` is the ID of the first entry that the node ever had, ``base`` its time and ``low`` its sequence number.
    ``ms`` has the time of each entry relative to ``base`` (ms), ``seq`` the sequence numbers; both are lists while the
    node is open.  ``fields`` are the names that most entries are expected to have.  ``live`` is the number of entries
    that are not deleted.  ``dead`` has a byte for each entry, 1 if it is deleted, or is None if none is.
    """

    __slots__ = (
        "base",
        "bound",
        "dead",
        "fields",
        "live",
        "low",
        "ms",
        "packed",
        "rows",
        "seq",
        "sized",
        "sized_bytes",
        "start",
    )

    def __init__(self, start: int, fields: tuple[bytes, ...]) -> None:
        self.start = start
        self.base = start >> 64
        self.low = start & MAX_PART
        self.fields = fields
        self.ms: Numbers = []
        self.seq: Numbers = []
        self.rows: list[Row] = []
        self.packed: PackedRows | None = None
        self.dead: bytearray | None = None
        self.live = 0
        # ``bound`` is an upper bound of the size of a listpack with these entries.  ``sized_bytes`` is the exact size
        # of the first ``sized`` entries, without the header.
        self.bound = header_bytes(fields, 0, 0) + 4
        self.sized = 0
        self.sized_bytes = 0

    def __len__(self) -> int:
        return len(self.ms)

    # writing

    def takes(self, size: int, max_bytes: int, max_entries: int) -> bool:
        """Whether the node has room under these limits for an entry with elements of ``size`` bytes."""
        if max_entries and len(self.ms) >= max_entries:
            return False
        return self.bound + size < max_bytes or self.bytes() + size < max_bytes

    def append(self, ms: int, sequence: int, row: Row, size: int) -> None:
        """Adds the entry ``ms-sequence``, which must be the greatest; the elements of ``row`` have ``size`` bytes."""
        if self.packed is not None:
            self.unpack()
        later = ms - self.base
        self.ms.append(later)
        self.seq.append(sequence)
        self.rows.append(row)
        self.live += 1
        if self.dead is not None:
            self.dead.append(0)
        self.bound += entry_bound(later, sequence - self.low, len(row), size)

    def delete(self, place: int) -> None:
        """Turns the entry at ``place`` into a tombstone."""
        if self.dead is None:
            self.dead = bytearray(len(self.ms))
        self.dead[place] = 1
        self.live -= 1

    def pack(self) -> None:
        """Stores the entries compactly, since no more will come."""
        if self.packed is None:
            self.packed = PackedRows(self.fields, self.rows)
            self.rows = []
            if self.ms:
                self.ms = _smallest(self.ms, self.ms[-1])
                self.seq = _smallest(self.seq, max(self.seq))

    def unpack(self) -> None:
        """Opens a packed node for more entries."""
        if self.packed is not None:
            self.rows = list(self.packed.rows(0, len(self.ms)))
            self.packed = None
            self.ms = list(self.ms)
            self.seq = list(self.seq)

    def copy(self) -> Node:
        """Returns an independent node with the same entries; parts that no longer change are shared."""
        twin = Node(self.start, self.fields)
        twin.packed = self.packed
        is_open = self.packed is None
        twin.ms = self.ms[:] if is_open else self.ms
        twin.seq = self.seq[:] if is_open else self.seq
        twin.rows = self.rows[:]
        if self.dead is not None:
            twin.dead = self.dead[:]
        twin.live = self.live
        twin.bound = self.bound
        twin.sized = self.sized
        twin.sized_bytes = self.sized_bytes
        return twin

    # finding

    def id_at(self, place: int) -> int:
        """The ID of the entry at ``place``; -1 is the last one."""
        return (self.base + self.ms[place]) << 64 | self.seq[place]

    def place_of(self, entry_id: int) -> int:
        """The place of the first entry with this ID or a greater one, even if it is deleted."""
        ms = self.ms
        later = (entry_id >> 64) - self.base
        low = bisect_left(ms, later)
        if low == len(ms) or ms[low] != later:
            return low
        return bisect_left(self.seq, entry_id & MAX_PART, low, bisect_right(ms, later, low))

    def next_live(self, place: int = 0) -> int:
        """The place of the first entry from ``place`` on that is not deleted, or -1."""
        if self.dead is None:
            return place if place < len(self.ms) else -1
        return self.dead.find(0, place)

    def last_live(self) -> int:
        """The place of the last entry that is not deleted, or -1."""
        return len(self.ms) - 1 if self.dead is None else self.dead.rfind(0)

    # reading

    def row(self, place: int) -> Row:
        """The alternating fields and values of the entry at ``place``."""
        return self.rows[place] if self.packed is None else self.packed.row(place)

    def entries(self, begin: int, end: int) -> Iterator[tuple[int, int, Row]]:
        """The time, sequence number and row of each entry from ``begin`` up to ``end`` that is not deleted."""
        base = self.base
        rows = self.rows[begin:end] if self.packed is None else self.packed.rows(begin, end)
        found = zip([base + ms for ms in self.ms[begin:end]], self.seq[begin:end], rows, strict=True)
        if self.dead is None:
            return found
        return (entry for entry, dead in zip(found, self.dead[begin:end], strict=True) if not dead)

    def records(self) -> Iterator[Record]:
        """All stored entries, including tombstones."""
        dead = self.dead or bytes(len(self.ms))
        for place, gone in enumerate(dead):
            yield Record(self.id_at(place), self.row(place), bool(gone))

    def bytes(self) -> int:
        """The size of a listpack with these entries in Redis (bytes)."""
        start = self.low
        fields = self.fields
        size = self.sized_bytes
        for place in range(self.sized, len(self.ms)):
            row = self.row(place)
            size += entry_bytes(self.ms[place], self.seq[place] - start, row, tuple(row[::2]) == fields)
        self.sized = len(self.ms)
        self.sized_bytes = size
        self.bound = size + header_bytes(fields, self.live, len(self.ms) - self.live)
        # The counters in the header can still grow.
        self.bound += 4
        return self.bound - 4

    def memory(self, how: sizes.Sampling = sizes.USUAL) -> int:
        """Estimates the size of the node in bytes."""
        size = 128 + sizes.of_container(self.ms) + sizes.of_container(self.seq)
        size += sizes.of_container(self.rows)
        if self.dead is not None:
            size += 57 + len(self.dead)
        if self.packed is not None:
            # Copies share the nodes that no longer change.
            return size + self.packed.memory() // sizes.references(self.packed)
        return size + sum(40 + 8 * len(row) + sizes.of_items(row, how) for row in self.rows)
