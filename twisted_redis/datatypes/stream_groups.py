"""Consumer groups of a stream: who has got which entries and has not acknowledged them yet.

The entries that are pending stand once, in the group's dict.  Their order by ID, which consumers and the
group need each, stands in sorted lists beside it: IDs come in rising order nearly always, so that adding one
is an append, and one that is gone is left where it is until half of the list is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator

from twisted_redis.datatypes import sizes

__all__ = ["UNKNOWN", "Consumer", "Group", "Pending"]

#: The counter of a group's read entries where it cannot be told.
UNKNOWN = -1

_SLACK = 64


#: An entry that was delivered: to which consumer, when last (wall time in ms), how often.  A plain tuple of
#: such values is nothing that the garbage collector walks, however many there are.
Pending = tuple[bytes, int, int]


class _SortedIds:
    """IDs in order, ``count`` of them still meant (the owner knows which), none before place ``begin``."""

    __slots__ = ("begin", "count", "ids")

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.begin = 0
        self.count = 0

    def add(self, entry_id: int) -> None:
        """Takes in an ID that is not meant yet."""
        ids = self.ids
        if not ids or entry_id > ids[-1]:
            ids.append(entry_id)
        else:
            place = bisect_left(ids, entry_id)
            if ids[place] != entry_id:
                ids.insert(place, entry_id)
            self.begin = min(self.begin, place)
        self.count += 1

    def drop(self, meant: Callable[[int], bool]) -> None:
        """One ID less is meant: ``meant`` tells which are."""
        self.count -= 1
        if len(self.ids) > 2 * self.count + _SLACK:
            # A new list: whoever goes through the old one may go on.
            self.ids = [entry_id for entry_id in self.ids if meant(entry_id)]
            self.begin = 0

    def first(self, meant: Callable[[int], bool]) -> int:
        """The place of the first ID that is meant; the length if there is none."""
        ids = self.ids
        begin = self.begin
        while begin < len(ids) and not meant(ids[begin]):
            begin += 1
        self.begin = begin
        return begin

    def copy(self) -> _SortedIds:
        """The same in a list of its own."""
        twin = _SortedIds()
        twin.ids = self.ids[:]
        twin.begin = self.begin
        twin.count = self.count
        return twin


class Consumer:
    """One of a group's readers.

    ``seen_time``: when it last tried to get something, ``active_time``: when it last got something, -1 for
    never (wall times in ms).
    """

    __slots__ = ("_order", "active_time", "name", "seen_time")

    def __init__(self, name: bytes, seen_time: int, active_time: int = -1) -> None:
        self.name = name
        self.seen_time = seen_time
        self.active_time = active_time
        self._order = _SortedIds()

    @property
    def pending_count(self) -> int:
        """How many entries it has not acknowledged."""
        return self._order.count


class Group:
    """A consumer group.

    ``last_id``: the last entry delivered; ``entries_read``: how many that were, from the stream's first entry
    ever on, or ``UNKNOWN``; ``pending``: what was delivered and not acknowledged, by ID in no particular
    order.
    """

    __slots__ = ("_order", "consumers", "entries_read", "last_id", "pending")

    def __init__(self, last_id: int, entries_read: int = UNKNOWN) -> None:
        self.last_id = last_id
        self.entries_read = entries_read
        self.pending: dict[int, Pending] = {}
        self.consumers: dict[bytes, Consumer] = {}
        self._order = _SortedIds()

    # consumers

    def add_consumer(self, name: bytes, now: int) -> Consumer:
        """Makes a consumer, which must not be there yet."""
        consumer = self.consumers[name] = Consumer(name, now)
        return consumer

    def delete_consumer(self, name: bytes) -> int | None:
        """Removes a consumer with what is pending for it; how much that was, None if it is not there."""
        consumer = self.consumers.pop(name, None)
        if consumer is None:
            return None
        count = consumer.pending_count
        for entry_id, _ in list(self.pending_of(consumer)):
            del self.pending[entry_id]
            self._order.drop(self.pending.__contains__)
        return count

    # pending entries

    def deliver(self, entry_id: int, consumer: Consumer, now: int) -> Pending:
        """An entry goes to ``consumer`` as something new, whoever had it before."""
        if entry_id in self.pending:
            return self.assign(entry_id, consumer, now, 1)
        return self.add_pending(entry_id, consumer, now)

    def add_pending(self, entry_id: int, consumer: Consumer, time: int, count: int = 1) -> Pending:
        """Makes an entry, which is not, pending for ``consumer``."""
        entry = self.pending[entry_id] = (consumer.name, time, count)
        self._order.add(entry_id)
        consumer._order.add(entry_id)
        return entry

    def assign(self, entry_id: int, consumer: Consumer, time: int, count: int) -> Pending:
        """Changes a pending entry, which may go to another consumer."""
        before = self.pending[entry_id][0]
        entry = self.pending[entry_id] = (consumer.name, time, count)
        if before != consumer.name:
            consumer._order.add(entry_id)
            self.consumers[before]._order.drop(self._owner_test(before))
        return entry

    def acknowledge(self, entry_id: int) -> bool:
        """Forgets a pending entry; tells whether it was one."""
        entry = self.pending.pop(entry_id, None)
        if entry is None:
            return False
        self._order.drop(self.pending.__contains__)
        self.consumers[entry[0]]._order.drop(self._owner_test(entry[0]))
        return True

    def _owner_test(self, name: bytes) -> Callable[[int], bool]:
        pending = self.pending

        def owned(entry_id: int) -> bool:
            entry = pending.get(entry_id)
            return entry is not None and entry[0] == name

        return owned

    def pending_from(self, start: int = 0) -> Iterator[tuple[int, Pending]]:
        """What is pending, by ID from ``start`` on; entries may be acknowledged or assigned meanwhile."""
        pending = self.pending
        begin = self._order.first(pending.__contains__)
        ids = self._order.ids
        for place in range(bisect_left(ids, start, begin), len(ids)):
            entry = pending.get(ids[place])
            if entry is not None:
                yield ids[place], entry

    def pending_of(self, consumer: Consumer, start: int = 0) -> Iterator[tuple[int, Pending]]:
        """As ``pending_from``, of one consumer."""
        pending = self.pending
        name = consumer.name
        begin = consumer._order.first(self._owner_test(name))
        ids = consumer._order.ids
        for place in range(bisect_left(ids, start, begin), len(ids)):
            entry = pending.get(ids[place])
            if entry is not None and entry[0] == name:
                yield ids[place], entry

    def pending_bounds(self) -> tuple[int, int] | None:
        """The smallest and the greatest ID that is pending, None if nothing is."""
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
        """A group like this that shares nothing with it."""
        twin = Group(self.last_id, self.entries_read)
        twin.pending = self.pending.copy()
        twin._order = self._order.copy()
        for name, consumer in self.consumers.items():
            other = twin.consumers[name] = Consumer(name, consumer.seen_time, consumer.active_time)
            other._order = consumer._order.copy()
        return twin

    def memory(self) -> int:
        """Bytes, about."""
        size = 160 + sizes.of_container(self.pending) + sizes.of_container(self.consumers)
        size += sizes.of_container(self._order.ids)
        # Each has a tuple, an ID and a time.
        size += len(self.pending) * 160
        for name, consumer in self.consumers.items():
            size += 144 + sizes.of_bytes(len(name)) + sizes.of_container(consumer._order.ids)
        return size
