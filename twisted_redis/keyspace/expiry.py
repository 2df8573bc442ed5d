"""Finding the keys that have expired: a wheel of buckets over the dict of expiry times.

Redis samples keys at random to find expired ones.  Here each key with a TTL is in the bucket of its second.  So the
active expire cycle touches only keys that are due, however many others there are.  Only the current second is sorted
exactly.  Entries may be stale; they are checked when their turn comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import islice
from typing import Any, ClassVar

from twisted_redis.datatypes.schedule import Schedule

__all__ = ["ExpiryWheel"]

SHIFT = 10  # a bucket spans 1024 ms

_STEP = 16
"""Keys of a bucket that are sorted in one step."""

_SORTED = 256
"""A bucket of at most so many keys is sorted at once; keys with the same time are sorted by name."""


class ExpiryWheel:
    """Buckets of keys by their expiry time.  ``times`` is the owner's dict of keys and times (ms)."""

    #: The attributes that hold elements, in which a large one is freed bit by bit.
    PARTS: ClassVar[tuple[str, ...]] = ("_buckets", "_slots", "_soon", "_open")
    #: Those of them that are dicts of containers.
    NESTED_PARTS: ClassVar[tuple[str, ...]] = ("_buckets",)

    __slots__ = ("_buckets", "_current", "_open", "_slots", "_soon", "_times")

    def __init__(self, times: dict[bytes, int]) -> None:
        self._times = times
        self._buckets: dict[int, Any] = {}  # a key, or a set of keys
        self._slots: list[int] = []  # heap of the slots that have (or had) a bucket
        self._current = -(1 << 62)  # the last slot that was opened
        self._open: set[bytes] = set()  # keys of that slot that are not sorted yet
        self._soon = Schedule(times)  # keys at or before that slot

    def add(self, key: bytes, when: int) -> None:
        """Notes that ``key`` expires at ``when`` (ms)."""
        slot = when >> SHIFT
        if slot <= self._current:
            self._soon.add(key, when)
            return
        bucket = self._buckets.get(slot)
        if bucket is None:
            # Most buckets of far-away times hold one key: the bare key costs no set.
            self._buckets[slot] = key
            heappush(self._slots, slot)
        elif bucket.__class__ is set:
            bucket.add(key)
        elif bucket != key:
            self._buckets[slot] = {bucket, key}

    def remove(self, key: bytes, when: int) -> None:
        """Forgets that ``key`` was to expire at ``when``."""
        slot = when >> SHIFT
        if slot <= self._current:
            self._open.discard(key)
            return
        bucket = self._buckets.get(slot)
        if bucket.__class__ is set:
            bucket.discard(key)
            if not bucket:
                self._buckets[slot] = key  # becomes a stale single entry, as below
        # A single entry stays and is stale: it is checked against the times when its second comes.

    def due(self, now: int) -> Iterator[bytes | None]:
        """Removes keys whose time is at or before ``now`` from the wheel, the earliest first.

        Yields each of these keys; the caller then removes its time.  Yields None after each step that found no key, so
        that the caller can look at the clock however many keys have to be examined.  The caller may stop at any time,
        and may change the wheel meanwhile.
        """
        soon = self._soon
        while True:
            if self._open:
                self._order(_STEP)
                yield None
            elif soon.is_due(now):
                yield soon.pop()
            elif self._slots and self._slots[0] <= now >> SHIFT:
                self._open_next()
                yield None
            else:
                return

    def _open_next(self) -> None:
        self._current = heappop(self._slots)
        bucket = self._buckets.pop(self._current)
        self._open = bucket if bucket.__class__ is set else {bucket}
        if len(self._open) <= _SORTED:
            for key in sorted(self._open):
                self._put_in_order(key)
            self._open = set()

    def _order(self, count: int) -> None:
        """Sorts up to ``count`` keys of the open bucket by their times."""
        for _ in range(min(count, len(self._open))):
            self._put_in_order(self._open.pop())

    def _put_in_order(self, key: bytes) -> None:
        when = self._times.get(key)
        if when is not None and when >> SHIFT <= self._current:
            self._soon.add(key, when)

    def average_ttl(self, now: int) -> int:
        """The mean time to live (ms) of a sample of the keys; 0 if there are none."""
        times = list(islice(self._times.values(), 64))
        return max(0, sum(times) // len(times) - now) if times else 0
