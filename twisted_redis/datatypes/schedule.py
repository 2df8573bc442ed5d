"""Names by the moment at which they are due, the earliest first."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Any

from twisted_redis.datatypes import sizes

__all__ = ["Schedule"]

_MOMENT = 32
_LIST = 88
"""Bytes of an integer, and of a list with a few places."""


class Schedule:
    """An order over ``times``, the owner's dict of names and moments (ms), which stays the truth.

    An entry that ``times`` contradicts is stale: it stays until its turn comes, and is dropped then.  The heap holds
    each moment once, so many names that are due at the same one cost no more than a list of them.
    """

    __slots__ = ("_begun", "_entries", "_moments", "_names", "_times")

    def __init__(self, times: dict[bytes, int]) -> None:
        self._times = times
        self._names: dict[int, Any] = {}  # moment -> a name, or a list of names
        self._moments: list[int] = []  # heap of its keys
        self._entries = 0
        self._begun: int | None = None  # the moment whose names stand in reverse
        if times:
            self._rebuild()

    def __len__(self) -> int:
        """The number of entries, stale ones included."""
        return self._entries

    @property
    def first(self) -> int | None:
        """The moment of the earliest entry, which may be stale; None without entries."""
        return self._moments[0] if self._moments else None

    def memory(self) -> int:
        """Estimates the bytes that the schedule takes."""
        moments = len(self._moments)
        lists = min(moments, self._entries - moments)
        own = sizes.of_container(self._names) + sizes.of_container(self._moments)
        return own + _MOMENT * moments + _LIST * lists + 8 * self._entries

    def add(self, name: bytes, when: int) -> None:
        """Notes that ``name`` is due at ``when``, as ``times`` already says."""
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
        """As ``add`` for each of ``names``, of which there are some."""
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
        """Forgets the stale entries if they are the most."""
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
        """The moment of the earliest entry that is not stale; None without one."""
        time_of = self._times.get
        while self._moments:
            when = self._moments[0]
            there = self._names[when]
            if there.__class__ is list:
                # Names that were given another time together are stale together: here without a call for each.
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
        """``names`` of the earliest moment, the first one at the end, where a list gives it up cheaply."""
        if when != self._begun:
            names.reverse()
            self._begun = when
        return names

    def is_due(self, now: int) -> bool:
        """Whether there is an entry, perhaps a stale one, whose moment is at or before ``now``."""
        return bool(self._moments) and self._moments[0] <= now

    def pop(self) -> bytes | None:
        """Takes out the earliest entry, of which there is one; returns its name, None if it was stale."""
        self._entries -= 1
        when = self._moments[0]
        name = there = self._names[when]
        if there.__class__ is list:
            name = self._turned(when, there).pop()
        if name is there or not there:
            self._drop_first()
        return name if self._times.get(name) == when else None

    def _drop_first(self) -> None:
        """Forgets the earliest moment, whose names are gone."""
        del self._names[heappop(self._moments)]
        self._begun = None
