"""The nodes that a stream's entries stand in, at most about a hundred in each.

As in Redis an entry is appended to the last node until that is full, and trimming with ``~`` removes whole
nodes. The last node is open: its entries are tuples in a list.  A node that is full is packed: the values in
one byte string, the names of the fields once, the IDs as small integers in arrays.  That takes a few bytes an
entry beside its values, and the garbage collector has nothing to walk.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, pairwise
from typing import NamedTuple

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.stream_ids import MAX_PART
from twisted_redis.datatypes.stream_size import entry_bound, entry_bytes, header_bytes

__all__ = ["Node", "PackedRows", "Record", "Row"]

#: An entry's fields and values by turns.
Row = Sequence[bytes]


class Record(NamedTuple):
    """An entry as it is stored: its ID, its fields and values by turns, whether it is only a tombstone."""

    entry_id: int
    row: Row
    dead: bool


def _smallest(numbers: Sequence[int]) -> array[int]:
    """``numbers`` (of at least 0) in the narrowest array that holds them."""
    top = max(numbers, default=0)
    return array("B" if top < 1 << 8 else "H" if top < 1 << 16 else "I" if top < 1 << 32 else "Q", numbers)


class PackedRows:
    """Rows that do not change any more.

    ``cuts`` are the places in ``blob`` between the elements.  A row whose fields are the node's has only its
    values there.  Where all are of that kind ``first`` is None; otherwise it gives the number of each row's
    first element, and ``own`` tells with a bit for each row which ones carry their own fields.
    """

    __slots__ = ("blob", "cuts", "fields", "first", "own")

    def __init__(self, fields: tuple[bytes, ...], rows: Sequence[Row]) -> None:
        count = len(fields)
        self.fields = fields
        self.own = 0
        self.first: array[int] | None = None
        if set(map(len, rows)) == {2 * count}:
            # Mostly all have the same fields: seen in a few steps that run in C.
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
            self.first = _smallest(first)

    def _keep(self, elements: list[bytes]) -> None:
        self.blob = b"".join(elements)
        self.cuts = _smallest(list(accumulate(map(len, elements), initial=0)))

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
        """Bytes, without the names of the fields, which nodes share."""
        size = 72 + sizes.of_bytes(len(self.blob)) + sizes.of_container(self.cuts)
        return size + sizes.of_container(self.first) if self.first is not None else size


class Node:
    """Entries that stand together.

    ``start``: the ID of its first entry ever, ``base`` its time, ``low`` its sequence number; ``ms``: how much
    later each entry is (ms); ``seq``: the sequence numbers; ``fields``: the names that most entries are
    expected to have; ``live``: how many entries are not deleted; ``dead``: a byte for each entry, 1 where it
    is deleted, or None where none is.
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
        self.ms = array("Q")
        self.seq = array("Q")
        self.rows: list[Row] = []
        self.packed: PackedRows | None = None
        self.dead: bytearray | None = None
        self.live = 0
        # The size of a listpack with these entries: no less than ``bound``, and of the first ``sized``
        # entries exactly ``sized_bytes`` without the header.
        self.bound = header_bytes(fields, 0, 0) + 4
        self.sized = 0
        self.sized_bytes = 0

    def __len__(self) -> int:
        return len(self.ms)

    # writing

    def takes(self, size: int, max_bytes: int, max_entries: int) -> bool:
        """Whether an entry with elements of ``size`` bytes may still come in under these limits."""
        if max_entries and len(self.ms) >= max_entries:
            return False
        return self.bound + size < max_bytes or self.bytes() + size < max_bytes

    def append(self, ms: int, sequence: int, row: Row, size: int) -> None:
        """Adds ``ms-sequence``, greater than all before; the elements of ``row`` have ``size`` bytes."""
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
        """Makes a tombstone of the entry at ``place``."""
        if self.dead is None:
            self.dead = bytearray(len(self.ms))
        self.dead[place] = 1
        self.live -= 1

    def pack(self) -> None:
        """Stores the entries closely, as no more will come."""
        if self.packed is None:
            self.packed = PackedRows(self.fields, self.rows)
            self.rows = []
            self.ms = _smallest(self.ms)
            self.seq = _smallest(self.seq)

    def unpack(self) -> None:
        """Makes the node fit for more entries again."""
        if self.packed is not None:
            self.rows = list(self.packed.rows(0, len(self.ms)))
            self.packed = None
            self.ms = array("Q", self.ms)
            self.seq = array("Q", self.seq)

    def copy(self) -> Node:
        """The same entries in a node of its own; what cannot change any more is shared."""
        node = Node.__new__(Node)
        for name in Node.__slots__:
            setattr(node, name, getattr(self, name))
        if self.packed is None:
            node.ms = self.ms[:]
            node.seq = self.seq[:]
            node.rows = self.rows[:]
        if self.dead is not None:
            node.dead = self.dead[:]
        return node

    # finding

    def id_at(self, place: int) -> int:
        """The ID of the entry at ``place``, -1 being the last."""
        return (self.base + self.ms[place]) << 64 | self.seq[place]

    def place_of(self, entry_id: int) -> int:
        """The place of the first entry with this ID or a greater one, deleted or not."""
        ms = self.ms
        later = (entry_id >> 64) - self.base
        low = bisect_left(ms, later)
        if low == len(ms) or ms[low] != later:
            return low
        return bisect_left(self.seq, entry_id & MAX_PART, low, bisect_right(ms, later, low))

    def next_live(self, place: int = 0) -> int:
        """The place of the first entry from ``place`` on that is not deleted, -1 if there is none."""
        if self.dead is None:
            return place if place < len(self.ms) else -1
        return self.dead.find(0, place)

    def last_live(self) -> int:
        """The place of the last entry that is not deleted, -1 if there is none."""
        return len(self.ms) - 1 if self.dead is None else self.dead.rfind(0)

    # reading

    def row(self, place: int) -> Row:
        """Fields and values by turns of the entry at ``place``."""
        return self.rows[place] if self.packed is None else self.packed.row(place)

    def entries(self, begin: int, end: int) -> Iterator[tuple[int, int, Row]]:
        """Time, sequence number and row of each living entry from ``begin`` up to ``end``."""
        base = self.base
        rows = self.rows[begin:end] if self.packed is None else self.packed.rows(begin, end)
        found = zip([base + ms for ms in self.ms[begin:end]], self.seq[begin:end], rows, strict=True)
        if self.dead is None:
            return found
        return (entry for entry, dead in zip(found, self.dead[begin:end], strict=True) if not dead)

    def records(self) -> Iterator[Record]:
        """All entries as they are stored, tombstones included."""
        dead = self.dead or bytes(len(self.ms))
        for place, gone in enumerate(dead):
            yield Record(self.id_at(place), self.row(place), bool(gone))

    def bytes(self) -> int:
        """The size of a listpack with these entries in Redis."""
        start = self.low
        fields = self.fields
        size = self.sized_bytes
        for place in range(self.sized, len(self.ms)):
            row = self.row(place)
            size += entry_bytes(self.ms[place], self.seq[place] - start, row, tuple(row[::2]) == fields)
        self.sized = len(self.ms)
        self.sized_bytes = size
        self.bound = size + header_bytes(fields, self.live, len(self.ms) - self.live)
        # The header's counters can still grow.
        self.bound += 4
        return self.bound - 4

    def memory(self, how: sizes.Sampling = sizes.USUAL) -> int:
        """Bytes, about."""
        size = 128 + sizes.of_container(self.ms) + sizes.of_container(self.seq)
        size += sizes.of_container(self.rows)
        if self.dead is not None:
            size += 57 + len(self.dead)
        if self.packed is not None:
            # Copies share the nodes that cannot change any more.
            return size + self.packed.memory() // sizes.references(self.packed)
        return size + sum(40 + 8 * len(row) + sizes.of_items(row, how) for row in self.rows)
