"""Finding the hashes with expired fields: the time of the next field of each hash, and a wheel over these times."""

from __future__ import annotations

from collections.abc import Iterator

from twisted_redis.keyspace.expiry import Block, ExpiryWheel

__all__ = ["FieldWheel"]


class FieldWheel:
    """Keys of hashes, each with the time (ms) at which its next field expires.

    An entry only says when to look at a key.  By then the hash may be gone, or may have no field that is due.
    """

    __slots__ = ("_wheel", "places")

    def __init__(self, now: int) -> None:
        #: The keys; the wheel changes it and knows the times.
        self.places: dict[bytes, Block] = {}
        self._wheel = ExpiryWheel(self.places, now)

    def __len__(self) -> int:
        """The number of hashes with fields that expire."""
        return len(self.places)

    def get(self, key: bytes) -> int | None:
        """The time (ms) at which the next field of the hash at ``key`` expires; None if no field does."""
        return self._wheel.time(key)

    def __setitem__(self, key: bytes, when: int) -> None:
        """Sets the time (ms) at which the next field of the hash at ``key`` expires."""
        if key in self.places:
            self._wheel.move(key, when)
        else:
            self._wheel.add(key, when)

    def pop(self, key: bytes, default: int | None = None) -> int | None:
        """Removes ``key``; returns its time, or ``default``."""
        when = self._wheel.time(key)
        if when is None:
            return default
        self._wheel.remove(key)
        return when

    def due(self, now: int) -> Iterator[bytes | None]:
        """Removes and yields keys whose time is at or before ``now`` (ms), and yields None after a step without one."""
        for key in self._wheel.due(now):
            if key is not None:
                self._wheel.remove(key)
            yield key
