"""The pending entries of a group in the order in which they can be claimed.

Entries that were given back come first, in the order in which that happened.  The others follow by the time of their
last delivery; of two with the same time, the one that changed first comes first.
"""

from __future__ import annotations

from collections.abc import Generator
from heapq import heapify, heappop, heappush

from twisted_redis.datatypes import sizes

__all__ = ["DueOrder"]

_SLACK = 64

#: Comes before all times.
_AT_ONCE = -1


class DueOrder:
    """A heap of pending entries.

    An entry that changes is pushed again.  ``_stamps`` has the number of the push that counts for each ID; the others
    are stale and are dropped when they come up, or when they are more than half.
    """

    __slots__ = ("_heap", "_pushes", "_stamps")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int]] = []
        self._stamps: dict[int, int] = {}
        self._pushes = 0

    def put(self, entry_id: int, time: int | None) -> None:
        """Adds or moves an entry that was delivered at ``time`` (ms), or that was given back (None)."""
        self._pushes += 1
        self._stamps[entry_id] = self._pushes
        heappush(self._heap, (_AT_ONCE if time is None else time, self._pushes, entry_id))
        if len(self._heap) > 2 * len(self._stamps) + _SLACK:
            self._heap = [item for item in self._heap if self._stamps.get(item[2]) == item[1]]
            heapify(self._heap)

    def drop(self, entry_id: int) -> None:
        """Removes an entry."""
        del self._stamps[entry_id]

    def take(self) -> Generator[int, None, None]:
        """Yields the IDs in order.  An entry that the caller changes meanwhile does not come again.

        The entries that were yielded and not changed or dropped stay in the order.
        """
        last = self._pushes
        taken: list[tuple[int, int, int]] = []
        try:
            while self._heap:
                item = heappop(self._heap)
                if self._stamps.get(item[2]) != item[1]:
                    continue
                taken.append(item)
                if item[1] <= last:
                    yield item[2]
        finally:
            for item in taken:
                if self._stamps.get(item[2]) == item[1]:
                    heappush(self._heap, item)

    def memory(self) -> int:
        """Estimates the size in bytes."""
        return sizes.of_container(self._heap) + sizes.of_container(self._stamps) + 120 * len(self._heap)
