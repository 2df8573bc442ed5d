"""The memory of a stream about its producers, so that an entry that is sent twice is added once.

A producer has an ID, and gives each entry an idempotent ID.  The stream remembers for each producer the latest of these
with the IDs of the entries, for some time.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.stream_ids import MAX_PART
from twisted_redis.datatypes.xxh3 import xxh3_128

__all__ = [
    "DURATION",
    "MAXSIZE",
    "MOST_DURATION",
    "MOST_MAXSIZE",
    "NOTHING_REMEMBERED",
    "Idempotence",
    "iid_of",
]

#: The usual duration (seconds) and number of remembered IDs, and the greatest values of both.
DURATION: Final = 100
MAXSIZE: Final = 100
MOST_DURATION: Final = 86400
MOST_MAXSIZE: Final = 10000


class Idempotence:
    """The idempotent IDs that a stream remembers.

    ``producers`` has a dict for each producer, from idempotent IDs to IDs of entries, the oldest first.  ``duration``
    (seconds) is counted from the time in the ID of the entry.  ``maxsize`` limits each producer.  ``added`` and
    ``duplicates`` are the numbers of idempotent IDs ever added, and of those that came again.
    """

    __slots__ = ("added", "duplicates", "duration", "maxsize", "producers")

    def __init__(self, duration: int = DURATION, maxsize: int = MAXSIZE) -> None:
        self.duration = duration
        self.maxsize = maxsize
        self.producers: dict[bytes, dict[bytes, int]] = {}
        self.added = 0
        self.duplicates = 0

    def is_usual(self) -> bool:
        """Whether it has the usual limits and has never remembered anything."""
        return (self.duration, self.maxsize, self.added, self.duplicates) == (DURATION, MAXSIZE, 0, 0) and (
            not self.producers
        )

    def find(self, producer: bytes, iid: bytes) -> int | None:
        """The ID of the entry that came with ``iid``, or None."""
        remembered = self.producers.get(producer)
        return None if remembered is None else remembered.get(iid)

    def record(self, producer: bytes, iid: bytes, entry_id: int) -> None:
        """Remembers ``iid``, which must be new, and forgets the oldest one if there are too many."""
        remembered = self.producers.setdefault(producer, {})
        remembered[iid] = entry_id
        self.added += 1
        if len(remembered) > self.maxsize:
            del remembered[next(iter(remembered))]

    def configure(self, duration: int | None, maxsize: int | None) -> bool:
        """Sets the limits that are given; returns whether one changed.  A change forgets all idempotent IDs."""
        before = self.duration, self.maxsize
        self.duration = self.duration if duration is None else duration
        self.maxsize = self.maxsize if maxsize is None else maxsize
        if before == (self.duration, self.maxsize):
            return False
        self.producers = {}
        return True

    def forget_old(self, now: int) -> None:
        """Forgets what is too old at ``now`` (ms)."""
        last = now - self.duration * 1000
        for producer, remembered in list(self.producers.items()):
            old = 0
            for entry_id in remembered.values():
                if entry_id >> 64 > last:
                    break
                old += 1
            if old:
                self.producers[producer] = remembered = dict(islice(remembered.items(), old, None))
            if not remembered:
                del self.producers[producer]

    def remembered(self) -> int:
        """The number of idempotent IDs that are remembered now."""
        return sum(map(len, self.producers.values()))

    def copy(self) -> Idempotence:
        """Returns an independent copy."""
        twin = Idempotence(self.duration, self.maxsize)
        twin.producers = {producer: remembered.copy() for producer, remembered in self.producers.items()}
        twin.added = self.added
        twin.duplicates = self.duplicates
        return twin

    def memory(self) -> int:
        """Estimates the size in bytes."""
        size = 96 + sizes.of_container(self.producers)
        for producer, remembered in self.producers.items():
            size += sizes.of_bytes(len(producer)) + sizes.of_container(remembered)
            size += sum(44 + sizes.of_bytes(len(iid)) for iid in remembered)
        return size


#: Stands for the state of a stream without producers.  It is never changed.
NOTHING_REMEMBERED: Final = Idempotence()


def iid_of(row: tuple[bytes, ...]) -> bytes:
    """The idempotent ID of an entry by its contents: 16 bytes.  The order of the fields does not matter."""
    low_sum = high_sum = low_xor = high_xor = 0
    for field, value in zip(row[::2], row[1::2], strict=True):
        pair = xxh3_128(field + len(field).to_bytes(8, "little") + value)
        low, high = pair & MAX_PART, pair >> 64
        low_sum += low
        high_sum += high
        low_xor ^= low
        high_xor ^= high
    low = low_sum & MAX_PART ^ _rotated(high_xor)
    high = high_sum & MAX_PART ^ _rotated(low_xor)
    return low.to_bytes(8, "little") + high.to_bytes(8, "little")


def _rotated(number: int) -> int:
    """``number`` with its 64 bits moved up by one, the highest to the lowest place."""
    return number << 1 & MAX_PART | number >> 63
