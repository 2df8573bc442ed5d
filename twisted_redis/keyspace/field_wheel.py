"""Finding the hashes with expired fields: the time of the next field of each hash, and a wheel over these times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from twisted_redis.keyspace.expiry import ExpiryWheel

__all__ = ["FieldWheel"]


class FieldWheel:
    """Keys of hashes, each with the time (ms) at which its next field expires.

    An entry only says when to look at a key.  By then the hash may be gone, or may have no field that is due.
    """

    #: The attributes that hold elements, in which a large one is freed bit by bit.
    PARTS: ClassVar[tuple[str, ...]] = ("_wheel", "_times")

    __slots__ = ("_times", "_wheel")

    def __init__(self) -> None:
        self._times: dict[bytes, int] = {}
        self._wheel = ExpiryWheel(self._times)

    def __len__(self) -> int:
        """The number of hashes with fields that expire."""
        return len(self._times)

    def get(self, key: bytes) -> int | None:
        """The time (ms) at which the next field of the hash at ``key`` expires; None if no field does."""
        return self._times.get(key)

    def __setitem__(self, key: bytes, when: int) -> None:
        """Sets the time (ms) at which the next field of the hash at ``key`` expires."""
        before = self._times.get(key)
        if before == when:
            return
        if before is not None:
            self._wheel.remove(key, before)
        self._times[key] = when
        self._wheel.add(key, when)

    def pop(self, key: bytes, default: int | None = None) -> int | None:
        """Removes ``key``; returns its time, or ``default``."""
        when = self._times.pop(key, None)
        if when is None:
            return default
        self._wheel.remove(key, when)
        return when

    def due(self, now: int) -> Iterator[bytes | None]:
        """Removes and yields keys whose time is at or before ``now`` (ms), and yields None after a step without one."""
        for key in self._wheel.due(now):
            if key is not None:
                del self._times[key]
            yield key
