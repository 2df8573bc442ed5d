"""Which hashes have fields that are due: the times of their first fields, and a wheel over them."""

from __future__ import annotations

from collections.abc import Iterator

from twisted_redis.keyspace.expiry import ExpiryWheel

__all__ = ["FieldWheel"]


class FieldWheel:
    """Keys of hashes, each with the time (ms) at which its next field expires.

    An entry says when to look at a key, no more: the hash may be gone by then, or have no field that is due.
    """

    __slots__ = ("_times", "_wheel")

    def __init__(self) -> None:
        self._times: dict[bytes, int] = {}
        self._wheel = ExpiryWheel(self._times)

    def __len__(self) -> int:
        """The number of hashes with fields that expire."""
        return len(self._times)

    def get(self, key: bytes) -> int | None:
        """When a field of the hash at ``key`` expires next (ms); None if none does."""
        return self._times.get(key)

    def __setitem__(self, key: bytes, when: int) -> None:
        """Notes that the next field of the hash at ``key`` expires at ``when`` (ms)."""
        before = self._times.get(key)
        if before == when:
            return
        if before is not None:
            self._wheel.remove(key, before)
        self._times[key] = when
        self._wheel.add(key, when)

    def pop(self, key: bytes, default: int | None = None) -> int | None:
        """Forgets ``key``; returns the time that was noted."""
        when = self._times.pop(key, None)
        if when is None:
            return default
        self._wheel.remove(key, when)
        return when

    def due(self, now: int) -> Iterator[bytes | None]:
        """Forgets and yields keys whose time is at or before ``now`` (ms); None after a step that found none."""
        for key in self._wheel.due(now):
            if key is not None:
                del self._times[key]
            yield key
