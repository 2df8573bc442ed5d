"""Names by the time at which they are due, the earliest first.

>>> times = {b"a": 30, b"b": 10}
>>> schedule = Schedule(times)
>>> schedule.next()
10
>>> schedule.pop()
b'b'
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Any, ClassVar

from twisted_redis.datatypes import sizes

__all__ = ["Schedule"]

_MOMENT = 32
"""The size of an integer (bytes)."""

_LIST = 88
"""The size of a short list (bytes)."""


class Schedule:
    """An order over ``times``, the owner's dict of names and times (ms).  ``times`` decides what is true.

    An entry that differs from ``times`` is stale.  It is dropped when its turn comes.  The heap holds each time once,
    so names that are due at the same time cost no more than a list.  The costs below are for M different times.
    """

    #: The attributes that hold elements, in which a large one is freed bit by bit.
    PARTS: ClassVar[tuple[str, ...]] = ("_names", "_moments")
    #: Those of them that are dicts of containers.
    NESTED_PARTS: ClassVar[tuple[str, ...]] = ("_names",)

    __slots__ = ("_begun", "_entries", "_moments", "_names", "_times")

    def __init__(self, times: dict[bytes, int]) -> None:
        self._times = times
        self._names: dict[int, Any] = {}  # time -> a name, or a list of names
        self._moments: list[int] = []  # heap of its keys
        self._entries = 0
        self._begun: int | None = None  # the time whose names are in reverse order
        if times:
            self._rebuild()

    def __len__(self) -> int:
        """The number of entries, stale ones included.  O(1)."""
        return self._entries

    @property
    def first(self) -> int | None:
        """The time of the earliest entry, which may be stale; None without entries.  O(1)."""
        return self._moments[0] if self._moments else None

    def memory(self) -> int:
        """Estimates the size of the schedule in bytes.  O(1)."""
        moments = len(self._moments)
        lists = min(moments, self._entries - moments)
        own = sizes.of_container(self._names) + sizes.of_container(self._moments)
        return own + _MOMENT * moments + _LIST * lists + 8 * self._entries

    def add(self, name: bytes, when: int) -> None:
        """Adds ``name``, for which ``times`` already has ``when``.  O(log M)."""
        self._entries += 1
        there = self._names.get(when)
        if there is None:
            self._names[when] = name
            heappush(self._moments, when)
        elif there.__class__ is list:
            there.append(name)
        else:
            self._names[when] = [there, name]

    def add_all(self, names: Sequence[bytes], when: int) -> None:
        """As ``add`` for each of ``names``, which must not be empty.  O(log M + the number of names)."""
        self._entries += len(names)
        there = self._names.get(when)
        if there is None:
            self._names[when] = list(names)
            heappush(self._moments, when)
        elif there.__class__ is list:
            there += names
        else:
            self._names[when] = [there, *names]

    def drop_stale(self) -> None:
        """Removes the stale entries if they outnumber the others.  O(number of entries) then."""
        if self._entries > 2 * len(self._times) + 64:
            self._rebuild()

    def _rebuild(self) -> None:
        names: dict[int, Any] = {}
        for name, when in self._times.items():
            names.setdefault(when, []).append(name)
        self._names = {when: there if len(there) > 1 else there[0] for when, there in names.items()}
        self._moments = list(names)
        heapify(self._moments)
        self._begun = None
        self._entries = len(self._times)

    def next(self) -> int | None:
        """The time of the earliest entry that is not stale; None without one.  Drops the stale entries before it."""
        time_of = self._times.get
        while self._moments:
            when = self._moments[0]
            there = self._names[when]
            if there.__class__ is list:
                # Names whose times were changed together are stale together.  This drops them without a call for each.
                names = self._turned(when, there)
                before = len(names)
                while names and time_of(names[-1]) != when:
                    names.pop()
                self._entries -= before - len(names)
                if names:
                    return when
                self._drop_first()
            elif time_of(there) == when:
                return when
            else:
                self._entries -= 1
                self._drop_first()
        return None

    def _turned(self, when: int, names: list[bytes]) -> list[bytes]:
        """``names`` of the earliest time in reverse order, since a list gives up its last element cheaply."""
        if when != self._begun:
            names.reverse()
            self._begun = when
        return names

    def is_due(self, now: int) -> bool:
        """Whether an entry, perhaps a stale one, has a time at or before ``now``.  O(1)."""
        return bool(self._moments) and self._moments[0] <= now

    def pop(self) -> bytes | None:
        """Removes the earliest entry, which must exist.  Returns its name, or None if it was stale.  O(log M)."""
        self._entries -= 1
        when = self._moments[0]
        name = there = self._names[when]
        if there.__class__ is list:
            name = self._turned(when, there).pop()
        if name is there or not there:
            self._drop_first()
        return name if self._times.get(name) == when else None

    def _drop_first(self) -> None:
        """Removes the earliest time, which has no names left."""
        del self._names[heappop(self._moments)]
        self._begun = None
