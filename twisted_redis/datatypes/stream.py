"""Streams: an append-only log of entries.  Each entry has an ID, which is greater than those before, fields and values.

The entries are in nodes (``stream_nodes``).  ``starts`` has the first ID of each node, so two bisections find an entry.
A node without entries is removed at once.  Consumer groups are in ``stream_groups``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, Final

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.stream_columns import Row
from twisted_redis.datatypes.stream_groups import UNKNOWN, Group
from twisted_redis.datatypes.stream_idempotence import Idempotence
from twisted_redis.datatypes.stream_ids import MAX_ID, MAX_PART, signed
from twisted_redis.datatypes.stream_listpack import Loaded
from twisted_redis.datatypes.stream_nodes import Node, Record
from twisted_redis.datatypes.stream_tree import EMPTY_TREE, tree_nodes_of

__all__ = ["Entry", "RestingStream", "SettledStream", "Stream"]

#: Time, sequence number, alternating fields and values.
Entry = tuple[int, int, Row]

#: The greatest size of an entry, and of a node without a configured limit (bytes).
_NODE_LIMIT = 1 << 30

_SEQUENCES: Final = [b"%d" % sequence for sequence in range(256)]


class Stream:
    """A stream.

    ``last_id`` is the last ID that was given, ``first_id`` that of the first entry, 0 without entries.  ``last_ms`` and
    ``last_seq`` are the parts of ``last_id``: two small integers cost XADD less than one of 128 bits.  ``last_text`` is
    the text of an ID with the time ``last_ms``, up to and including the dash.
    ``max_deleted_id`` is the greatest ID that XDEL removed.  ``entries_added`` is the number of entries ever added.
    ``tree_nodes`` is the number of nodes that Redis' radix tree would have.
    ``idempotence`` is None as long as no producer needs it and its limits are the usual ones.
    """

    __slots__ = (
        "entries_added",
        "first_id",
        "groups",
        "idempotence",
        "last_ms",
        "last_seq",
        "last_text",
        "length",
        "max_deleted_id",
        "nodes",
        "starts",
        "tree_nodes",
    )

    #: The attributes that hold elements, in which a large one is freed bit by bit.
    PARTS: ClassVar[tuple[str, ...]] = ("nodes", "starts", "groups")

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.starts: list[int] = []
        self.length = 0
        self.last_ms = 0
        self.last_seq = 0
        self.last_text = b"0-"
        self.first_id = 0
        self.max_deleted_id = 0
        self.entries_added = 0
        self.tree_nodes = EMPTY_TREE
        self.groups: dict[bytes, Group] = {}
        self.idempotence: Idempotence | None = None

    def __len__(self) -> int:
        return self.length

    def __bool__(self) -> bool:
        # An empty stream is a value, too.
        return True

    @property
    def last_id(self) -> int:
        """The last ID that was given, 0 before the first."""
        return self.last_ms << 64 | self.last_seq

    @last_id.setter
    def last_id(self, entry_id: int) -> None:
        self.last_ms = ms = entry_id >> 64
        self.last_seq = entry_id & MAX_PART
        self.last_text = b"%d-" % ms

    def encoding(self) -> str:
        """The reply of OBJECT ENCODING."""
        return "stream"

    # adding

    def next_id(self, now: int) -> int:
        """The ID for an entry that is added at ``now`` (ms); above ``MAX_ID`` if no ID is left."""
        entry_id = now << 64
        return entry_id if entry_id >> 64 > self.last_id >> 64 else self.last_id + 1

    def next_in(self, ms: int) -> int | None:
        """The next ID with the time ``ms``, or None if no ID is left."""
        last = self.last_id
        if last >> 64 != ms:
            return ms << 64
        return None if last & MAX_PART == MAX_PART else last + 1

    def append(self, entry_id: int, row: Row, max_bytes: int, max_entries: int) -> None:
        """Adds an entry with alternating fields and values.  ``entry_id`` must be greater than ``last_id``.

        ``max_bytes`` and ``max_entries`` limit a node; 0 means no limit.  Raises ValueError if the entry is too large
        for any node.
        """
        size = sum(map(len, row))
        if size > _NODE_LIMIT:
            raise ValueError("too large for an entry")
        nodes = self.nodes
        if not nodes or not nodes[-1].takes(size, max_bytes or _NODE_LIMIT, max_entries):
            self._add_node(entry_id, tuple(row[::2]))
        node = nodes[-1]
        node.append(entry_id >> 64, entry_id & MAX_PART, row, size)
        if len(node) == max_entries:
            node.pack()
        self.length += 1
        self.entries_added += 1
        self.last_id = entry_id
        if self.length == 1:
            self.first_id = entry_id

    def append_now(self, now: int, row: Row, max_bytes: int, max_entries: int) -> bytes | None:
        """Adds an entry at ``now`` (ms) in the usual, simple case; returns its ID as clients see it.

        Returns None, and adds nothing, if the entry needs ``append``.
        """
        nodes = self.nodes
        if not nodes:
            return None
        node = nodes[-1]
        times, sequences = node.ms, node.seq
        if not isinstance(times, list) or not isinstance(sequences, list):
            return None
        count = len(row)
        if len(times) >= max_entries or node.dead is not None or count >= 60:
            return None
        ms = self.last_ms
        if now > ms:
            ms = now
            sequence = 0
            text = b"%d-" % now
        else:
            sequence = self.last_seq + 1
            text = self.last_text
        later = ms - node.base
        fields = node.fields
        names = 0
        if count == 2:
            size = len(row[1])
            if (row[0],) == fields:
                names = len(row[0])
                count = 1
            else:
                size += len(row[0])
                node.uniform = False
        elif row[::2] == fields:
            # Redis tests the limit with the names, but does not store them.
            size = sum(map(len, row[1::2]))
            names = node.names
            count >>= 1
        else:
            size = sum(map(len, row))
            node.uniform = False
        # The same as ``entry_bound`` for such an entry.
        bound = node.bound + size + (2 if size < 64 else 4) * count + 14
        if bound + names > max_bytes or size >= 4096 or later >= 8388608 or (sequence | node.low) >= 4096:
            return None
        node.bound = bound
        times.append(later)
        sequences.append(sequence)
        node.rows.append(row)
        if len(times) == max_entries:
            node.pack()
        self.length += 1
        self.entries_added += 1
        self.last_seq = sequence
        if not sequence:
            self.last_ms = ms
            self.last_text = text
        return text + (_SEQUENCES[sequence] if sequence < 256 else b"%d" % sequence)

    def _add_node(self, start: int, fields: tuple[bytes, ...]) -> None:
        if self.nodes:
            last = self.nodes[-1]
            last.pack()
            if last.fields == fields:
                fields = last.fields
        self.nodes.append(Node(start, fields))
        self.starts.append(start)
        self.tree_nodes += tree_nodes_of(self.starts, len(self.starts) - 1)

    def load_node(self, start: int, fields: tuple[bytes, ...], records: Iterable[Record]) -> None:
        """Appends a stored node.  Readers of RDB files set the counters of the stream afterwards."""
        self._add_node(start, fields)
        node = self.nodes[-1]
        for entry_id, row, dead in records:
            node.append(entry_id >> 64, entry_id & MAX_PART, row, sum(map(len, row)))
            if dead:
                node.delete(len(node) - 1)
        node.pack()
        self.length += node.live

    def load_packed(self, start: int, found: Loaded) -> None:
        """As ``load_node``, for a node that is packed already."""
        self._add_node(start, found.packed.fields)
        node = self.nodes[-1]
        found.packed.fields = node.fields  # which the node before may share
        node.load(found)
        self.length += node.live

    # removing

    def _remove_node(self, place: int) -> None:
        self.tree_nodes -= tree_nodes_of(self.starts, place)
        del self.nodes[place], self.starts[place]

    def _remove_first_nodes(self, count: int) -> None:
        starts = self.starts
        if count * 4 > len(starts):
            # To count the remaining nodes is less work than to count the removed ones.
            kept = starts[count:]
            self.tree_nodes = EMPTY_TREE
            del self.nodes[:count], starts[:]
            for start in kept:
                starts.append(start)
                self.tree_nodes += tree_nodes_of(starts, len(starts) - 1)
            return
        del self.nodes[:count]
        for _ in range(count):
            self.tree_nodes -= tree_nodes_of(starts, 0)
            del starts[0]

    def delete(self, entry_id: int) -> bool:
        """Removes an entry as XDEL does; returns whether it was there.  The caller then calls ``find_first``."""
        found = self._find(entry_id)
        if found is None:
            return False
        node_place, place = found
        node = self.nodes[node_place]
        if node.live == 1:
            self._remove_node(node_place)
        else:
            node.delete(place)
        self.length -= 1
        if entry_id > self.max_deleted_id:
            self.max_deleted_id = entry_id
        return True

    def find_first(self) -> None:
        """Sets ``first_id`` after entries were removed."""
        self.first_id = 0
        for node in self.nodes:
            place = node.next_live()
            if place >= 0:
                self.first_id = node.id_at(place)
                return

    def trim_length(self, maximum: int, approximate: bool = False, limit: int = 0) -> int:
        """Removes the oldest entries until ``maximum`` are left; returns the number of removed entries.

        ``approximate`` removes only whole nodes.  ``limit`` is the greatest number of entries to remove (0: no limit).
        """
        length = self.length
        removed = whole = 0
        rest: Node | None = None
        for node in self.nodes:
            if length - removed <= maximum or (limit and removed + node.live > limit):
                break
            if length - removed - node.live < maximum:
                rest = node
                break
            removed += node.live
            whole += 1
        if rest is not None and not approximate:
            for _ in range(length - removed - maximum):
                rest.delete(rest.next_live())
            removed = length - maximum
        self._trimmed(whole, removed)
        return removed

    def trim_before(self, minimum: int, approximate: bool = False, limit: int = 0) -> int:
        """As ``trim_length``, for the entries with IDs below ``minimum``."""
        removed = whole = 0
        rest: Node | None = None
        for node in self.nodes:
            if limit and removed + node.live > limit:
                break
            if node.id_at(-1) >= minimum:
                rest = node
                break
            removed += node.live
            whole += 1
        if rest is not None and not approximate:
            end = rest.place_of(minimum)
            place = rest.next_live()
            while 0 <= place < end:
                rest.delete(place)
                removed += 1
                place = rest.next_live(place)
        self._trimmed(whole, removed)
        return removed

    def trim_each(self, threshold: int, remove: Callable[[int], bool], *, by_length: bool, limit: int = 0) -> int:
        """Trims as ``trim_length`` or ``trim_before``, but only the entries that ``remove`` returns True for.

        It asks ``remove`` about each entry in turn.  Entries that it keeps count towards the length.
        """
        removed = 0
        place = 0
        while place < len(self.nodes):
            node = self.nodes[place]
            live = node.live
            if (by_length and self.length <= threshold) or (limit and removed + live > limit):
                break
            whole = self.length - live >= threshold if by_length else node.id_at(-1) < threshold
            gone = 0
            at = node.next_live()
            while at >= 0:
                entry_id = node.id_at(at)
                if self.length <= threshold if by_length else entry_id >= threshold:
                    break
                if remove(entry_id):
                    node.delete(at)
                    self.length -= 1
                    gone += 1
                at = node.next_live(at + 1)
            removed += gone
            if not whole:
                break
            if gone == live:
                self._remove_node(place)
            else:
                place += 1
        if removed:
            self.find_first()
        return removed

    def is_referenced(self, entry_id: int) -> bool:
        """Whether some group has the entry pending, or has not received it yet."""
        return any(entry_id > group.last_id or entry_id in group.pending for group in self.groups.values())

    def forget(self, entry_id: int) -> None:
        """Acknowledges an entry in all groups."""
        for group in self.groups.values():
            group.acknowledge(entry_id)

    def _trimmed(self, nodes: int, entries: int) -> None:
        if nodes:
            self._remove_first_nodes(nodes)
        self.length -= entries
        if entries:
            self.find_first()
        elif not self.length:
            self.first_id = 0

    # reading

    def _find(self, entry_id: int) -> tuple[int, int] | None:
        """The place of the node of an entry that is not deleted, and its place in the node."""
        node_place = bisect_right(self.starts, entry_id) - 1
        if node_place < 0:
            return None
        node = self.nodes[node_place]
        place = node.place_of(entry_id)
        if place == len(node) or node.id_at(place) != entry_id:
            return None
        if node.dead is not None and node.dead[place]:
            return None
        return node_place, place

    def __contains__(self, entry_id: int) -> bool:
        return self._find(entry_id) is not None

    def get(self, entry_id: int) -> Row | None:
        """The alternating fields and values of an entry, or None if it is missing."""
        found = self._find(entry_id)
        return None if found is None else self.nodes[found[0]].row(found[1])

    def top_id(self) -> int:
        """The ID of the last existing entry, 0 without entries; ``last_id`` may be greater."""
        for node in reversed(self.nodes):
            place = node.last_live()
            if place >= 0:
                return node.id_at(place)
        return 0

    def first_stored_id(self) -> int:
        """The ID of the first stored entry, even if it is a tombstone; ``MAX_ID`` if nothing is stored."""
        return self.starts[0] if self.starts else MAX_ID

    def range(self, start: int = 0, end: int = MAX_ID, count: int = 0) -> Iterator[Entry]:
        """The entries from ``start`` to ``end`` inclusive, at most ``count`` of them (0: all)."""
        place = max(bisect_right(self.starts, start) - 1, 0)
        left = count or -1
        for node_place in range(place, len(self.nodes)):
            node = self.nodes[node_place]
            if node.start > end:
                return
            begin = node.place_of(start) if node.start < start else 0
            last = len(node)
            if node.id_at(-1) > end:
                last = node.place_of(end + 1)
            while begin < last:
                stop = last if left < 0 else min(begin + left, last)
                if node.dead is None:
                    yield from node.entries(begin, stop)
                    left -= stop - begin if left > 0 else 0
                else:
                    for entry in node.entries(begin, stop):
                        yield entry
                        left -= 1
                if not left:
                    return
                begin = stop

    def range_back(self, start: int = 0, end: int = MAX_ID, count: int = 0) -> Iterator[Entry]:
        """As ``range``, but from the greatest ID to the smallest."""
        place = bisect_right(self.starts, end) - 1
        left = count or -1
        for node_place in range(place, -1, -1):
            node = self.nodes[node_place]
            # The entries up to ``end``, which are those before the next ID.
            stop = node.place_of(end + 1) if end < MAX_ID else len(node)
            while stop:
                begin = 0 if left < 0 else max(stop - left, 0)
                for entry in reversed(list(node.entries(begin, stop))):
                    if entry[0] << 64 | entry[1] < start:
                        return
                    yield entry
                    left -= 1
                if not left:
                    return
                stop = begin
            if node.start <= start:
                return

    # counting

    def has_tombstone_after(self, entry_id: int) -> bool:
        """Whether XDEL removed an entry with this ID or a greater one, as far as is known."""
        return self.length > 0 and self.max_deleted_id > 0 and entry_id <= self.max_deleted_id

    def count_until(self, entry_id: int) -> int:
        """The number of entries ever added up to ``entry_id``, or ``UNKNOWN``.

        It is known for the last ID, for the first entry and IDs before it, and for an empty stream, unless deletions
        have left gaps after the ID.
        """
        if not self.entries_added:
            return 0
        if not self.length and entry_id <= self.last_id:
            return signed(self.entries_added)
        if entry_id and entry_id < self.max_deleted_id:
            return UNKNOWN
        if entry_id == self.last_id:
            return signed(self.entries_added)
        if entry_id > self.last_id:
            return UNKNOWN
        if not self.max_deleted_id or self.max_deleted_id < self.first_id:
            if entry_id < self.first_id:
                return signed(self.entries_added - self.length)
            if entry_id == self.first_id:
                return signed(self.entries_added - self.length + 1)
        return UNKNOWN

    def lag(self, group: Group) -> int | None:
        """The number of entries that ``group`` has not read yet, or None if gaps make it unknown."""
        if not self.entries_added or not self.length:
            return 0
        if group.last_id < self.first_id and self.max_deleted_id < self.first_id:
            return self.length
        if group.entries_read != UNKNOWN and not self.has_tombstone_after(group.last_id):
            return signed(self.entries_added - group.entries_read)
        read = self.count_until(group.last_id)
        return None if read == UNKNOWN else signed(self.entries_added - read)

    def advance(self, group: Group, entry_id: int) -> None:
        """Follows the delivery of an entry to ``group``, later than those delivered before."""
        if (
            group.entries_read != UNKNOWN
            and group.last_id >= self.first_id
            and not self.has_tombstone_after(group.last_id)
        ):
            group.entries_read = signed(group.entries_read + 1)
        elif self.entries_added:
            group.entries_read = self.count_until(entry_id)
        group.last_id = entry_id

    # as a whole

    def moved(self, cls: type[Stream]) -> Stream:
        """Returns a ``cls`` with everything that this stream has.  This one must not be used any more."""
        made = cls()
        made.nodes, made.starts, made.length = self.nodes, self.starts, self.length
        made.last_ms, made.last_seq, made.last_text = self.last_ms, self.last_seq, self.last_text
        made.first_id, made.max_deleted_id = self.first_id, self.max_deleted_id
        made.entries_added, made.tree_nodes = self.entries_added, self.tree_nodes
        made.groups, made.idempotence = self.groups, self.idempotence
        return made

    def settle(self) -> None:
        """Packs the last node as well.  The next entry opens it again."""
        if self.nodes:
            self.nodes[-1].pack()

    def forget_old(self, now: int) -> bool:
        """Forgets idempotent IDs that are too old at ``now`` (ms); returns whether any are left."""
        if self.idempotence is None:
            return False
        self.idempotence.forget_old(now)
        return bool(self.idempotence.producers)

    def copy(self) -> Stream:
        """Returns an independent copy of the stream."""
        twin = Stream()
        twin.length = self.length
        twin.last_id = self.last_id
        twin.first_id = self.first_id
        twin.max_deleted_id = self.max_deleted_id
        twin.entries_added = self.entries_added
        twin.tree_nodes = self.tree_nodes
        twin.nodes = [node.copy() for node in self.nodes]
        twin.starts = self.starts[:]
        if self.idempotence is not None:
            twin.idempotence = self.idempotence.copy()
        twin.groups = {name: group.copy() for name, group in self.groups.items()}
        return twin

    def memory(self, how: sizes.Sampling = sizes.USUAL) -> int:
        """Estimates the size of the stream in bytes, from a few of its nodes."""
        size = 176 + sizes.of_container(self.groups) + sizes.of_container(self.nodes) + sizes.of_container(self.starts)
        size += 48 * len(self.starts)
        nodes = self.nodes
        if nodes:
            some = nodes[:: max(len(nodes) // 8, 1)]
            size += sum(node.memory(how) for node in some) * len(nodes) // len(some)
        if self.idempotence is not None:
            size += self.idempotence.memory()
        if self.groups:
            size += sum(sizes.of_bytes(len(name)) + group.memory() for name, group in self.groups.items())
        return size


class RestingStream(Stream):
    """A stream that was not accessed since the last look for streams to pack (``datatypes.packed``)."""

    __slots__ = ()


class SettledStream(Stream):
    """A stream that was not accessed for longer: all its nodes are packed."""

    __slots__ = ()
