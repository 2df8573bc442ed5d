"""Consumer groups of a stream: which consumer has received which entries and not yet acknowledged them.

Each pending entry is stored once, in the dict of its group.  The group and each consumer also have a sorted list of
IDs.  IDs nearly always come in ascending order, so an addition usually is an append.  An ID that is no longer pending
stays in the list until half of the list is stale.

XNACK gives entries back: they stay pending for the group, but no consumer owns them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.stream_due import DueOrder

__all__ = ["MOST_DELIVERIES", "UNKNOWN", "Consumer", "Group", "Pending", "one_more"]

#: The number of entries that a group has read, if it is not known.
UNKNOWN = -1

#: The greatest number of deliveries.  It also marks an entry that no consumer can process.
MOST_DELIVERIES = 2**63 - 1

_SLACK = 64

_REACH = 2048
"""The pending entries from which the size of all is estimated."""

_DELIVERY = 96
"""The size of a ``Pending`` with its time (bytes)."""


#: A delivered entry: the consumer, the wall time of the last delivery (ms), and the number of deliveries.  An entry
#: that was given back has None for the consumer and 0 for the time.  The garbage collector does not track plain tuples
#: of such values, however many there are.
Pending = tuple["bytes | None", int, int]


def one_more(count: int) -> int:
    """The number of deliveries after another one."""
    return count + 1 if count < MOST_DELIVERIES else count


class _SortedIds:
    """IDs in ascending order.  ``count`` of them are valid; the owner knows which.  None before ``begin`` is."""

    __slots__ = ("begin", "count", "ids")

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.begin = 0
        self.count = 0

    def add(self, entry_id: int) -> None:
        """Adds an ID that is not valid yet."""
        ids = self.ids
        if not ids or entry_id > ids[-1]:
            ids.append(entry_id)
        else:
            place = bisect_left(ids, entry_id)
            if ids[place] != entry_id:
                ids.insert(place, entry_id)
            self.begin = min(self.begin, place)
        self.count += 1

    def drop(self, valid: Callable[[int], bool]) -> None:
        """Follows the removal of an ID; ``valid`` says which IDs are valid."""
        self.count -= 1
        if len(self.ids) > 2 * self.count + _SLACK:
            # A new list, so that iterations over the old one can continue.
            self.ids = [entry_id for entry_id in self.ids if valid(entry_id)]
            self.begin = 0

    def first(self, valid: Callable[[int], bool]) -> int:
        """The place of the first valid ID; the length if there is none."""
        ids = self.ids
        begin = self.begin
        while begin < len(ids) and not valid(ids[begin]):
            begin += 1
        self.begin = begin
        return begin

    def copy(self) -> _SortedIds:
        """An independent copy."""
        twin = _SortedIds()
        twin.ids = self.ids[:]
        twin.begin = self.begin
        twin.count = self.count
        return twin


class Consumer:
    """A consumer of a group.

    ``seen_time`` is the time of its last attempt to read, ``active_time`` the time at which it last received an entry,
    -1 for never (wall times in ms).
    """

    __slots__ = ("_latest", "_order", "active_time", "name", "seen_time")

    def __init__(self, name: bytes, seen_time: int, active_time: int = -1) -> None:
        self.name = name
        self.seen_time = seen_time
        self.active_time = active_time
        self._order = _SortedIds()
        # The latest ``Pending``.  Entries that are delivered at the same time share it.  Compiled code would copy a
        # tuple of a known type.
        self._latest: Any = None

    @property
    def pending_count(self) -> int:
        """The number of entries that it has not acknowledged."""
        return self._order.count

    def delivery(self, time: int, count: int) -> Any:
        """The ``Pending`` for an entry that this consumer got at ``time`` as the ``count``-th delivery."""
        latest = self._latest
        if latest is None or latest[1] != time or latest[2] != count:
            latest = self._latest = (self.name, time, count)
        return latest


class Group:
    """A consumer group.

    ``last_id`` is the ID of the last delivered entry.  ``entries_read`` is the number of entries up to there, counted
    from the first entry that the stream ever had, or ``UNKNOWN``.  ``pending`` has the entries that were delivered and
    not acknowledged, by ID; the last changed one is the last.  ``nacked`` has the IDs of those that were given back, in
    that order.
    """

    __slots__ = ("_due", "_order", "consumers", "entries_read", "last_id", "nacked", "pending")

    def __init__(self, last_id: int, entries_read: int = UNKNOWN) -> None:
        self.last_id = last_id
        self.entries_read = entries_read
        self.pending: dict[int, Pending] = {}
        self.nacked: dict[int, None] = {}
        self.consumers: dict[bytes, Consumer] = {}
        self._order = _SortedIds()
        # Most groups never need this order, so it is made when it is first asked for.
        self._due: DueOrder | None = None

    # consumers

    def add_consumer(self, name: bytes, now: int) -> Consumer:
        """Creates a consumer, which must not exist yet."""
        consumer = self.consumers[name] = Consumer(name, now)
        return consumer

    def delete_consumer(self, name: bytes) -> int | None:
        """Removes a consumer and its pending entries.  Returns their number, or None if there is no such consumer."""
        consumer = self.consumers.pop(name, None)
        if consumer is None:
            return None
        count = consumer.pending_count
        for entry_id, _ in list(self.pending_of(consumer)):
            del self.pending[entry_id]
            self._order.drop(self.pending.__contains__)
            if self._due is not None:
                self._due.drop(entry_id)
        return count

    # pending entries

    def deliver(self, entry_id: int, consumer: Consumer, now: int) -> Pending:
        """Records the first delivery of an entry to ``consumer``, even if another consumer had it before."""
        if entry_id in self.pending:
            return self.assign(entry_id, consumer, now, 1)
        return self.add_pending(entry_id, consumer, now)

    def add_pending(self, entry_id: int, consumer: Consumer, time: int, count: int = 1) -> Pending:
        """Makes an entry pending for ``consumer``; it must not be pending yet."""
        delivery = consumer.delivery(time, count)
        pending: dict[int, Any] = self.pending
        pending[entry_id] = delivery
        self._order.add(entry_id)
        consumer._order.add(entry_id)
        if self._due is not None:
            self._due.put(entry_id, time)
        entry: Pending = delivery
        return entry

    def assign(self, entry_id: int, consumer: Consumer, time: int, count: int) -> Pending:
        """Changes a pending entry, which may move to another consumer."""
        pending: dict[int, Any] = self.pending
        before = pending.pop(entry_id)[0]
        delivery = pending[entry_id] = consumer.delivery(time, count)
        if before != consumer.name:
            consumer._order.add(entry_id)
            self._forget_owner(entry_id, before)
        if self._due is not None:
            self._due.put(entry_id, time)
        entry: Pending = delivery
        return entry

    def give_back(self, entry_id: int, count: int) -> None:
        """Takes an entry from its consumer.  It stays pending, or becomes pending, with ``count`` deliveries."""
        entry = self.pending.pop(entry_id, None)
        self.pending[entry_id] = (None, 0, count)
        if entry is None:
            self._order.add(entry_id)
        else:
            self._forget_owner(entry_id, entry[0])
        self.nacked[entry_id] = None
        if self._due is not None:
            self._due.put(entry_id, None)

    def acknowledge(self, entry_id: int) -> bool:
        """Removes a pending entry; returns whether it was pending."""
        entry = self.pending.pop(entry_id, None)
        if entry is None:
            return False
        self._order.drop(self.pending.__contains__)
        self._forget_owner(entry_id, entry[0])
        if self._due is not None:
            self._due.drop(entry_id)
        return True

    def _forget_owner(self, entry_id: int, name: bytes | None) -> None:
        """Follows the removal of an entry from the consumer ``name``, or from those that were given back (None)."""
        if name is None:
            del self.nacked[entry_id]
        else:
            self.consumers[name]._order.drop(self._owner_test(name))

    def due(self) -> DueOrder:
        """The pending entries in the order in which they can be claimed."""
        if self._due is None:
            due = self._due = DueOrder()
            for entry_id in self.nacked:
                due.put(entry_id, None)
            for entry_id, (name, time, _) in self.pending.items():
                if name is not None:
                    due.put(entry_id, time)
        return self._due

    def _owner_test(self, name: bytes) -> Callable[[int], bool]:
        pending = self.pending

        def owned(entry_id: int) -> bool:
            entry = pending.get(entry_id)
            return entry is not None and entry[0] == name

        return owned

    def pending_from(self, start: int = 0) -> Iterator[tuple[int, Pending]]:
        """The pending entries by ID, from ``start`` on.  Entries may be acknowledged or reassigned meanwhile."""
        pending = self.pending
        begin = self._order.first(pending.__contains__)
        ids = self._order.ids
        for place in range(bisect_left(ids, start, begin), len(ids)):
            entry = pending.get(ids[place])
            if entry is not None:
                yield ids[place], entry

    def pending_of(self, consumer: Consumer, start: int = 0) -> Iterator[tuple[int, Pending]]:
        """As ``pending_from``, for one consumer."""
        pending = self.pending
        name = consumer.name
        begin = consumer._order.first(self._owner_test(name))
        ids = consumer._order.ids
        for place in range(bisect_left(ids, start, begin), len(ids)):
            entry = pending.get(ids[place])
            if entry is not None and entry[0] == name:
                yield ids[place], entry

    def pending_bounds(self) -> tuple[int, int] | None:
        """The smallest and the greatest pending ID, or None if no entry is pending."""
        pending = self.pending
        if not pending:
            return None
        begin = self._order.first(pending.__contains__)
        ids = self._order.ids
        while ids[-1] not in pending:
            ids.pop()
        return ids[begin], ids[-1]

    # as a whole

    def copy(self) -> Group:
        """Returns an independent copy of the group."""
        twin = Group(self.last_id, self.entries_read)
        twin.pending = self.pending.copy()
        twin.nacked = self.nacked.copy()
        twin._order = self._order.copy()
        for name, consumer in self.consumers.items():
            other = twin.consumers[name] = Consumer(name, consumer.seen_time, consumer.active_time)
            other._order = consumer._order.copy()
        return twin

    def memory(self) -> int:
        """Estimates the size of the group in bytes."""
        size = 160 + sizes.of_container(self.pending) + sizes.of_container(self.consumers)
        size += sizes.of_container(self.nacked)
        if self._due is not None:
            size += self._due.memory()
        size += sizes.of_container(self._order.ids)
        pending: dict[int, Any] = self.pending
        if pending:
            # Each pending entry has an ID, and a tuple with a time, which it shares with others.
            some = list(islice(pending.values(), 0, _REACH, _REACH // sizes.SAMPLES))
            size += len(pending) * (48 + sum(_DELIVERY // count for count in sizes.holders(some)) // len(some))
        for name, consumer in self.consumers.items():
            size += 144 + sizes.of_bytes(len(name)) + sizes.of_container(consumer._order.ids)
        return size
