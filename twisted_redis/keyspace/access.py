"""Access logs: when or how often each key was accessed.  A database keeps one only while something needs it.

Redis stores a clock or a counter in every value.  Here a ``Database`` has an ``access_log``, which is None until the
first OBJECT IDLETIME or an LRU policy asks for the times of accesses, an LRM policy for the times of changes, or an LFU
policy for frequencies.  Until then accesses cost nothing extra.  For a key that has not been accessed since the log
began, the log knows a bound only: ``since``, the time of the last access to anything before that.

A frequency is Redis' logarithmic counter of eight bits, stored with the minute of its last change.  It falls by one for
every ``lfu-decay-time`` minutes without an access.
"""

from __future__ import annotations

from array import array
from operator import itemgetter
from random import random
from typing import Final

from twisted_redis.datatypes import sizes
from twisted_redis.keyspace.state import KeyspaceState

__all__ = ["INITIAL_FREQUENCY", "AccessCounts", "AccessLog", "AccessTimes", "ChangeTimes", "Sketch"]

_MOST_EXACT: Final = 1 << 14
"""Keys up to which a log that must be small is a dict, which is exact."""

INITIAL_FREQUENCY = 5
"""The counter of a new key.  It starts above zero so that new keys are not the first to be evicted."""

_MAX_FREQUENCY = 255
_MINUTE = 60_000


class Sketch:
    """Numbers of many keys in 8 to 16 bytes a key; a dict takes 40 to 110.

    A key has the slot of its hash.  There are two to four slots for each key, so one key in three or four shares its
    number with another: the one that was set last counts for both.  ``numbers`` are those to begin with.
    """

    __slots__ = ("_base", "_mask", "_numbers", "_shift")

    def __init__(self, numbers: dict[bytes, int], base: int, shift: int) -> None:
        """Stores numbers from ``base`` on, without their last ``shift`` bits; the range is 32 bits."""
        self._base = base
        self._shift = shift
        self._numbers = array("I", bytes(4 * _MOST_EXACT))
        self._mask = _MOST_EXACT - 1
        self.fit(len(numbers))
        for key, number in sorted(numbers.items(), key=itemgetter(1)):
            self[key] = number

    def fit(self, keys: int) -> None:
        """Has enough slots for so many ``keys``."""
        while len(self._numbers) < 2 * keys:
            # A hash has one more bit now, so the number of a key is in both places.
            self._numbers = self._numbers + self._numbers
            self._mask = len(self._numbers) - 1

    def memory(self) -> int:
        """The memory (bytes)."""
        return sizes.of_container(self._numbers)

    def __setitem__(self, key: bytes, number: int) -> None:
        try:
            self._numbers[hash(key) & self._mask] = (number - self._base >> self._shift) + 1
        except OverflowError:  # before ``base``
            self._numbers[hash(key) & self._mask] = 1

    def get(self, key: bytes, unknown: int) -> int:
        """The number of ``key``; ``unknown`` if none was set."""
        found = self._numbers[hash(key) & self._mask]
        return (found - 1 << self._shift) + self._base if found else unknown


class AccessLog:
    """The interface of both logs.  ``noted`` has one number for each key that was accessed since ``since`` (ms).

    A database calls the methods below as its keys are used; each takes constant time.  While memory is limited, and
    there are many keys, ``noted`` is a sketch: then a key may seem to have been accessed when another was.
    """

    __slots__ = ("_state", "noted", "since")

    def __init__(self, state: KeyspaceState, since: int) -> None:
        self._state = state
        self.noted: dict[bytes, int] | Sketch = {}
        self.since = since

    @property
    def exact(self) -> bool:
        """Whether each key has a number of its own."""
        return isinstance(self.noted, dict)

    def memory(self) -> int:
        """The memory of the log (bytes)."""
        noted = self.noted
        return sizes.of_container(noted) if isinstance(noted, dict) else noted.memory()

    def fit(self, keys: int) -> None:
        """Takes little memory for a database that has so many ``keys``."""
        noted = self.noted
        if not isinstance(noted, dict):
            noted.fit(keys)
        elif len(noted) > _MOST_EXACT:
            self.noted = self._sketch(noted)

    def _sketch(self, noted: dict[bytes, int]) -> Sketch:
        raise NotImplementedError

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
        noted = self.noted
        if isinstance(noted, dict):
            noted.pop(key, None)


class AccessTimes(AccessLog):
    """The time of the last access to each key (ms)."""

    __slots__ = ()

    def _sketch(self, noted: dict[bytes, int]) -> Sketch:
        # In steps of an eighth of a second, from eight years ago on.
        return Sketch(noted, self._state.now - (1 << 38), 7)

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

    def _sketch(self, noted: dict[bytes, int]) -> Sketch:
        return Sketch(noted, (self._state.now // _MINUTE << 8) - (1 << 31), 0)

    def touch(self, key: bytes) -> None:
        """As in ``AccessLog``.  The higher the counter, the less often an access raises it."""
        state = self._state
        if not state.touching:
            return
        noted = self.noted
        minute = state.now // _MINUTE
        known = noted.get(key, -1)
        # Spelled out for keys that were accessed within the same minute, as hot keys are.
        if known >> 8 != minute:
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
        # In a sketch, another key may have been accessed more often, and that must not be forgotten.
        if self.noted.get(key, 0) & _MAX_FREQUENCY <= INITIAL_FREQUENCY:
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
