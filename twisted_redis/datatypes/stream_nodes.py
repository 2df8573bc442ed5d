"""The nodes of a stream, each with about a hundred entries at most.

As in Redis, entries are appended to the last node until that is full, and trimming with ``~`` removes whole nodes.  The
last node is open: its entries are tuples in a list.  A node is packed as soon as it is full: the values go into
one byte string (``stream_columns``), and the IDs are small integers.  That takes a few bytes for each entry beside its
values, and the garbage collector has nothing to follow.  A node that was loaded stays the listpack that it was
(``stream_listpack``).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final, NamedTuple

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.stream_columns import Columns, Numbers, Row, smallest
from twisted_redis.datatypes.stream_ids import MAX_PART
from twisted_redis.datatypes.stream_listpack import ListpackRows, Loaded, pack_rows
from twisted_redis.datatypes.stream_size import entry_bound, entry_bytes, header_bytes

__all__ = ["Node", "Record"]


class Record(NamedTuple):
    """A stored entry: its ID, its alternating fields and values, and whether it is a tombstone."""

    entry_id: int
    row: Row
    dead: bool


#: The rows of all packed nodes.
_NO_ROWS: Final[list[Row]] = []


class Node:
    """A run of consecutive entries.

    ``start`` is the ID of the first entry that the node ever had, ``base`` its time and ``low`` its sequence number.
    ``ms`` has the time of each entry relative to ``base`` (ms), ``seq`` the sequence numbers; both are lists while
    the node is open.  ``fields`` are the names that most entries are expected to have.  ``dead`` has a byte for each
    entry, 1 if it is deleted, or is None if none is; ``gone`` is the number of deleted entries.  ``names`` is the size
    of ``fields`` (bytes).  ``uniform`` is false if some rows may have other fields.
    """

    __slots__ = (
        "base",
        "bound",
        "dead",
        "fields",
        "gone",
        "low",
        "ms",
        "names",
        "packed",
        "rows",
        "seq",
        "sized",
        "sized_bytes",
        "start",
        "uniform",
    )

    def __init__(self, start: int, fields: tuple[bytes, ...]) -> None:
        self.start = start
        self.base = start >> 64
        self.low = start & MAX_PART
        self.fields = fields
        self.names = sum(map(len, fields))
        self.uniform = True
        self.ms: Numbers = []
        self.seq: Numbers = []
        self.rows: list[Row] = []
        self.packed: Columns | ListpackRows | None = None
        self.dead: bytearray | None = None
        self.gone = 0
        # ``bound`` is an upper bound of the size of a listpack with these entries.  ``sized_bytes`` is the exact size
        # of the first ``sized`` entries, without the header.
        self.bound = header_bytes(fields, 0, 0) + 4
        self.sized = 0
        self.sized_bytes = 0

    def __len__(self) -> int:
        return len(self.ms)

    @property
    def live(self) -> int:
        """The number of entries that are not deleted."""
        return len(self.ms) - self.gone

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
        times, sequences = self.ms, self.seq
        assert isinstance(times, list), "an open node has lists"
        assert isinstance(sequences, list), "an open node has lists"
        times.append(later)
        sequences.append(sequence)
        self.rows.append(row)
        if self.dead is not None:
            self.dead.append(0)
        count = len(row)
        if tuple(row[::2]) == self.fields:
            # Only the values are stored.
            count >>= 1
            size -= self.names
        else:
            self.uniform = False
        self.bound += entry_bound(later, sequence - self.low, count, size)

    def delete(self, place: int) -> None:
        """Turns the entry at ``place`` into a tombstone."""
        if self.dead is None:
            self.dead = bytearray(len(self.ms))
        self.dead[place] = 1
        self.gone += 1

    def pack(self) -> None:
        """Stores the entries compactly, since no more will come."""
        if self.packed is None:
            self.packed = Columns(self.fields, self.rows, self.uniform)
            self._packed()

    def load(self, found: Loaded) -> None:
        """Takes entries that are packed already, as the first ones of the node."""
        self.packed = found.packed
        self.uniform = found.packed.uniform
        self.ms = found.ms
        self.seq = found.sequences
        self.dead = found.dead
        self.gone = 0 if found.dead is None else found.dead.count(1)
        # The counters in the header can still grow.
        self.bound = len(found.packed.blob) + 4
        self._packed()

    def _packed(self) -> None:
        self.rows = _NO_ROWS
        self.ms = smallest(self.ms, self.ms[-1])
        self.seq = smallest(self.seq, max(self.seq))
        # The size was that of the rows.
        self.sized = self.sized_bytes = 0

    def unpack(self) -> None:
        """Opens a packed node for more entries."""
        if self.packed is not None:
            self.rows = list(self.packed.rows(0, len(self.ms)))
            self.packed = None
            self.ms = list(self.ms)
            self.seq = list(self.seq)

    def listpack(self) -> bytes:
        """The entries as a listpack."""
        packed = self.packed
        if not isinstance(packed, ListpackRows):
            rows = self.rows if packed is None else packed.rows(0, len(self.ms))
            packed = pack_rows(self.fields, self.low, self.ms, self.seq, rows, self.uniform)
        return packed.listpack(self.live, self.dead)

    def copy(self) -> Node:
        """Returns an independent node with the same entries; parts that no longer change are shared."""
        twin = Node(self.start, self.fields)
        twin.packed = self.packed
        twin.uniform = self.uniform
        is_open = self.packed is None
        twin.ms = self.ms[:] if is_open else self.ms
        twin.seq = self.seq[:] if is_open else self.seq
        twin.rows = self.rows[:] if is_open else _NO_ROWS
        if self.dead is not None:
            twin.dead = self.dead[:]
        twin.gone = self.gone
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
        if self.packed is not None:
            return len(self.listpack())
        start = self.low
        fields = self.fields
        size = self.sized_bytes
        for place in range(self.sized, len(self.ms)):
            row = self.row(place)
            size += entry_bytes(self.ms[place], self.seq[place] - start, row, tuple(row[::2]) == fields)
        self.sized = len(self.ms)
        self.sized_bytes = size
        self.bound = size + header_bytes(fields, self.live, self.gone)
        # The counters in the header can still grow.
        self.bound += 4
        return self.bound - 4

    def memory(self, how: sizes.Sampling = sizes.USUAL) -> int:
        """Estimates the size of the node in bytes."""
        size = 160 + sizes.of_container(self.ms) + sizes.of_container(self.seq)
        if self.dead is not None:
            size += 57 + len(self.dead)
        if self.packed is not None:
            # Copies share the nodes that no longer change.
            return size + self.packed.memory() // sizes.references(self.packed)
        size += sizes.of_container(self.rows)
        return size + sum((55 + 8 * len(row) & ~15) + sizes.of_items(row, how) for row in self.rows)
