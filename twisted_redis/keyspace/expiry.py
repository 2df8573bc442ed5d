"""Which keys are due: a wheel of seconds over the dict of expiry times.

Redis samples keys at random to find expired ones.  Here each key with a TTL stands in the bucket of its second, so
that the active cycle touches nothing but keys that are due, whatever the number of those that are not.  Only the
running second is ordered exactly, in a small heap; entries there may be stale and are checked when they come up.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import islice
from typing import Any

__all__ = ["ExpiryWheel"]

SHIFT = 10  # a bucket spans 1024 ms
#: Up to so many keys of a bucket come up in the order of their times, which nobody promises for more.
ORDERED = 256


class ExpiryWheel:
    """Buckets of keys by their expiry time (ms).  ``times`` is the dict key -> ms that stays the truth."""

    __slots__ = ("_buckets", "_current", "_open", "_slots", "_soon", "_times")

    def __init__(self, times: dict[bytes, int]) -> None:
        self._times = times
        self._buckets: dict[int, Any] = {}  # a key, or a set of keys
        self._slots: list[int] = []  # heap of the slots that have (or had) a bucket
        self._current = -(1 << 62)  # the last slot that was opened
        self._open: set[bytes] = set()  # what is left of it
        self._soon: list[tuple[int, bytes]] = []  # heap of (ms, key) at or before the current slot

    def add(self, key: bytes, when: int) -> None:
        """Notes that ``key`` expires at ``when`` (ms)."""
        slot = when >> SHIFT
        if slot <= self._current:
            heappush(self._soon, (when, key))
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
                self._buckets[slot] = key  # a stale single entry, as below
        # A stale single entry stays: it is checked against the times when its second comes.

    def pop_due(self, now: int) -> bytes | None:
        """A key whose time is at or before ``now``, taken out of the wheel; None when there is none left."""
        soon = self._soon
        times = self._times
        while True:
            if soon and soon[0][0] <= now:
                when, key = heappop(soon)
                if times.get(key) == when:
                    return key
                continue
            if self._open:
                key = self._open.pop()
                found = times.get(key)
                if found is None:
                    continue
                if found <= now:
                    return key
                if found >> SHIFT <= self._current:
                    heappush(soon, (found, key))
                continue
            if not self._slots or self._slots[0] > now >> SHIFT:
                return None
            slot = heappop(self._slots)
            bucket = self._buckets.pop(slot, None)
            if bucket is None:
                continue
            self._current = slot
            self._open = bucket if bucket.__class__ is set else {bucket}
            if len(self._open) <= ORDERED:
                self._order()

    def _order(self) -> None:
        """Brings the keys of the open bucket into the order of their times."""
        times = self._times
        for key in self._open:
            found = times.get(key)
            if found is not None and found >> SHIFT <= self._current:
                heappush(self._soon, (found, key))
        self._open = set()

    def next_time(self) -> int | None:
        """The earliest time (ms) at which something may be due; None when nothing can be."""
        candidates = []
        if self._soon:
            candidates.append(self._soon[0][0])
        if self._open:
            return 0
        if self._slots:
            candidates.append(self._slots[0] << SHIFT)
        return min(candidates) if candidates else None

    def average_ttl(self, now: int) -> int:
        """The mean time to live (ms) of a sample of the keys; 0 without keys."""
        times = list(islice(self._times.values(), 64))
        return max(0, sum(times) // len(times) - now) if times else 0
