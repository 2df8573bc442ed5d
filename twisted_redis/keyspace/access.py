"""Access logs: when or how often each key was accessed.  A database keeps one only while something needs it.

Redis stores a clock or a counter in every value.  Here a ``Database`` has an ``access_log``, which is None until the
first OBJECT IDLETIME or an LRU policy asks for the times of accesses, an LRM policy for the times of changes, or an LFU
policy for frequencies.  Until then accesses cost nothing extra.  For a key that has not been accessed since the log
began, the log knows a bound only: ``since``, the time of the last access to anything before that.

A frequency is Redis' logarithmic counter of eight bits, stored with the minute of its last change.  It falls by one for
every ``lfu-decay-time`` minutes without an access.
"""

from __future__ import annotations

from random import random

from twisted_redis.keyspace.state import KeyspaceState

__all__ = ["INITIAL_FREQUENCY", "AccessCounts", "AccessLog", "AccessTimes", "ChangeTimes"]

INITIAL_FREQUENCY = 5
"""The counter of a new key.  It starts above zero so that new keys are not the first to be evicted."""

_MAX_FREQUENCY = 255
_MINUTE = 60_000


class AccessLog:
    """The interface of both logs.  ``noted`` has one number for each key that was accessed since ``since`` (ms).

    A database calls the methods below as its keys are used; each takes constant time.
    """

    __slots__ = ("_state", "noted", "since")

    def __init__(self, state: KeyspaceState, since: int) -> None:
        self._state = state
        self.noted: dict[bytes, int] = {}
        self.since = since

    def touch(self, key: bytes) -> None:
        """A command has looked up ``key`` and found it."""
        raise NotImplementedError

    def add(self, key: bytes) -> None:
        """``key`` is new."""
        raise NotImplementedError

    def overwrite(self, key: bytes) -> None:
        """A command has given ``key`` a new value without looking it up."""
        raise NotImplementedError

    def replace(self, key: bytes) -> None:
        """A command that has looked up ``key`` has given it a new value."""
        raise NotImplementedError

    def discard(self, key: bytes) -> None:
        """``key`` is gone."""
        self.noted.pop(key, None)


class AccessTimes(AccessLog):
    """The time of the last access to each key (ms)."""

    __slots__ = ()

    def touch(self, key: bytes) -> None:
        """As in ``AccessLog``."""
        if self._state.touching:
            self.noted[key] = self._state.now

    def add(self, key: bytes) -> None:
        """As in ``AccessLog``."""
        self.noted[key] = self._state.now

    def overwrite(self, key: bytes) -> None:
        """As in ``AccessLog``."""
        self.noted[key] = self._state.now

    def replace(self, key: bytes) -> None:
        """As in ``AccessLog``."""
        self.noted[key] = self._state.now

    def times(self, keys: list[bytes]) -> list[int]:
        """The time of the last access to each of ``keys`` (ms), or an upper bound of it."""
        noted, since = self.noted.get, self.since
        return [noted(key, since) for key in keys]


class ChangeTimes(AccessTimes):
    """The time of the last change of each key (ms).  Look-ups do not count."""

    __slots__ = ()

    def touch(self, key: bytes) -> None:
        """As in ``AccessLog``: does nothing."""

    def changed(self, key: bytes) -> None:
        """``key`` has changed, in place or not."""
        self.noted[key] = self._state.now


class AccessCounts(AccessLog):
    """How often each key is accessed: for each key ``minute << 8 | counter``."""

    __slots__ = ()

    def touch(self, key: bytes) -> None:
        """As in ``AccessLog``.  The higher the counter, the less often an access raises it."""
        state = self._state
        if not state.touching:
            return
        noted = self.noted
        minute = state.now // _MINUTE
        known = noted.get(key)
        # Spelled out for keys that were accessed within the same minute, as hot keys are.
        if known is None or known >> 8 != minute:
            known = self.frequencies([key])[0] | minute << 8
        counter = known & _MAX_FREQUENCY
        above = counter - INITIAL_FREQUENCY
        if counter < _MAX_FREQUENCY and (above <= 0 or random() * (above * state.lfu_log_factor + 1) < 1):
            known += 1
        noted[key] = known

    def overwrite(self, key: bytes) -> None:
        """As in ``AccessLog``: an access like any other."""
        self.touch(key)

    def add(self, key: bytes) -> None:
        """As in ``AccessLog``."""
        self.noted[key] = self._state.now // _MINUTE << 8 | INITIAL_FREQUENCY

    def replace(self, key: bytes) -> None:
        """As in ``AccessLog``.  The look-up was counted, so this is not."""

    def set(self, key: bytes, counter: int) -> None:
        """Sets the counter of ``key`` (0 to 255)."""
        self.noted[key] = self._state.now // _MINUTE << 8 | counter

    def frequencies(self, keys: list[bytes]) -> list[int]:
        """The counter of each of ``keys`` (0 to 255) with its decay until now."""
        state = self._state
        noted, decay = self.noted.get, state.lfu_decay_time
        minute = state.now // _MINUTE
        unknown = self.since // _MINUTE << 8 | INITIAL_FREQUENCY
        found = []
        for key in keys:
            known = noted(key, unknown)
            counter = known & _MAX_FREQUENCY
            if decay and known >> 8 < minute:
                counter = max(0, counter - (minute - (known >> 8)) // decay)
            found.append(counter)
        return found
