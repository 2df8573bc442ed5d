"""How long ago and how often keys were accessed, kept only while somebody wants to know.

Redis stamps a clock or a counter into every value.  Here a database changes its class: it becomes a
``TrackingDatabase`` with the first OBJECT IDLETIME or a policy of eviction by age, a ``CountingDatabase`` with a policy
by frequency; until then no access costs anything.  For a key that was not accessed since, what is known is a lower
bound: nobody had accessed anything since the unit of execution before the tracking began.

A frequency is Redis' logarithmic counter of eight bits, kept with the minute in which it was last raised: it falls by
one for each ``lfu-decay-time`` minutes without an access.
"""

from __future__ import annotations

from random import random
from typing import Any, TypeVar

from twisted_redis.keyspace.database import Database

__all__ = [
    "INITIAL_FREQUENCY",
    "CountingDatabase",
    "TrackingDatabase",
    "frequencies",
    "frequency",
    "idle_ms",
    "set_frequency",
    "set_idle",
    "start_counting",
    "start_tracking",
    "stop_following",
]

T = TypeVar("T")

INITIAL_FREQUENCY = 5
"""The counter of a new key: some accesses' worth, so that it is not the next to be evicted."""

_MAX_FREQUENCY = 255
_MINUTE = 60_000


class TrackingDatabase(Database):
    """A database that notes when each key was accessed last (ms)."""

    __slots__ = ()

    def lookup(self, key: bytes) -> Any:
        """As in ``Database``."""
        value = Database.lookup(self, key)
        if value is not None and self.state.touching:
            self.accessed[key] = self.state.now
        return value

    def lookup_write(self, key: bytes) -> Any:
        """As in ``Database``."""
        value = Database.lookup_write(self, key)
        if value is not None and self.state.touching:
            self.accessed[key] = self.state.now
        return value

    def read(self, key: bytes, cls: type[T]) -> T | None:
        """As in ``Database``."""
        value = Database.read(self, key, cls)
        if value is not None and self.state.touching:
            self.accessed[key] = self.state.now
        return value

    def write(self, key: bytes, cls: type[T]) -> T | None:
        """As in ``Database``."""
        value = Database.write(self, key, cls)
        if value is not None and self.state.touching:
            self.accessed[key] = self.state.now
        return value

    def read_string(self, key: bytes) -> bytes | bytearray | None:
        """As in ``Database``."""
        value = Database.read_string(self, key)
        if value is not None and self.state.touching:
            self.accessed[key] = self.state.now
        return value

    def write_string(self, key: bytes) -> bytes | bytearray | None:
        """As in ``Database``."""
        value = Database.write_string(self, key)
        if value is not None and self.state.touching:
            self.accessed[key] = self.state.now
        return value

    def set(self, key: bytes, value: Any) -> None:
        """As in ``Database``."""
        self.accessed[key] = self.state.now
        Database.set(self, key, value)

    def replace(self, key: bytes, value: Any) -> None:
        """As in ``Database``."""
        self.accessed[key] = self.state.now
        Database.replace(self, key, value)

    def add(self, key: bytes, value: Any) -> None:
        """As in ``Database``."""
        self.accessed[key] = self.state.now
        Database.add(self, key, value)

    def delete(self, key: bytes) -> bool:
        """As in ``Database``."""
        self.accessed.pop(key, None)
        return Database.delete(self, key)


class CountingDatabase(Database):
    """A database that notes how often each key is accessed."""

    __slots__ = ()

    # Where the plain method falls back on ``lookup`` it is this class's that counts: an access must not count twice.

    def lookup(self, key: bytes) -> Any:
        """As in ``Database``."""
        value = Database.lookup(self, key)
        if value is not None:
            _count(self, key)
        return value

    def lookup_write(self, key: bytes) -> Any:
        """As in ``Database``."""
        value = Database.lookup_write(self, key)
        if value is not None:
            _count(self, key)
        return value

    def read(self, key: bytes, cls: type[T]) -> T | None:
        """As in ``Database``."""
        value = self.lookup(key)
        if value is None or value.__class__ is cls:
            return value
        raise self.state.wrong_type

    def write(self, key: bytes, cls: type[T]) -> T | None:
        """As in ``Database``."""
        value = self.lookup_write(key)
        if value is None or value.__class__ is cls:
            return value
        raise self.state.wrong_type

    def read_string(self, key: bytes) -> bytes | bytearray | None:
        """As in ``Database``."""
        value = self.data.get(key)
        if value.__class__ is bytes and key not in self.expires:
            self.state.hits += 1
            _count(self, key)
            return value
        return Database.read_string(self, key)

    def write_string(self, key: bytes) -> bytes | bytearray | None:
        """As in ``Database``."""
        value = self.data.get(key)
        if value.__class__ is bytes and key not in self.expires:
            _count(self, key)
            return value
        return Database.write_string(self, key)

    def set(self, key: bytes, value: Any) -> None:
        """As in ``Database``."""
        if key in self.data:
            _count(self, key)
        else:
            set_frequency(self, key, INITIAL_FREQUENCY)
        Database.set(self, key, value)

    def replace(self, key: bytes, value: Any) -> None:
        """As in ``Database``: who replaces has looked before, and was counted."""
        if key not in self.data:
            set_frequency(self, key, INITIAL_FREQUENCY)
        Database.replace(self, key, value)

    def add(self, key: bytes, value: Any) -> None:
        """As in ``Database``."""
        set_frequency(self, key, INITIAL_FREQUENCY)
        Database.add(self, key, value)

    def delete(self, key: bytes) -> bool:
        """As in ``Database``."""
        self.accessed.pop(key, None)
        return Database.delete(self, key)


def _count(db: Database, key: bytes) -> None:
    """Counts an access: the higher the counter, the rarer it is raised."""
    state = db.state
    if not state.touching:
        return
    minute = state.now // _MINUTE
    known = db.accessed.get(key)
    # Spelled out for a key that was accessed in the running minute: the hot ones are.
    counter = known & _MAX_FREQUENCY if known is not None and known >> 8 == minute else frequency(db, key)
    if counter < _MAX_FREQUENCY:
        above = counter - INITIAL_FREQUENCY
        if above <= 0 or random() * (above * state.lfu_log_factor + 1) < 1:
            counter += 1
    db.accessed[key] = minute << 8 | counter


def _change(db: Database, follows: type[Database]) -> None:
    db.accessed.clear()
    db.tracked_since = max(db.tracked_since, db.state.before)
    # A database whose memory is accounted has classes of its own for each way of following accesses.
    variants: dict[type[Database], type[Database]] = getattr(db, "VARIANTS", {})
    before: int = getattr(db, "COST", 0)
    db.__class__ = variants.get(follows, follows)
    costs = len(db.data) * (getattr(db, "COST", 0) - before)
    db.memory += costs
    db.state.memory += costs


def start_tracking(db: Database) -> None:
    """Notes the times of accesses to ``db`` from now on, unless their frequencies are counted."""
    if not isinstance(db, TrackingDatabase | CountingDatabase):
        _change(db, TrackingDatabase)


def start_counting(db: Database) -> None:
    """Counts accesses to ``db`` from now on."""
    if not isinstance(db, CountingDatabase):
        _change(db, CountingDatabase)


def stop_following(db: Database) -> None:
    """Notes nothing of accesses to ``db`` any more."""
    if isinstance(db, TrackingDatabase | CountingDatabase):
        _change(db, Database)


def idle_ms(db: Database, key: bytes) -> int:
    """Time (ms) since ``key`` was accessed, at least; the tracking must have been started."""
    return max(0, db.state.now - db.accessed.get(key, db.tracked_since))


def set_idle(db: Database, key: bytes, idle: int) -> None:
    """Has ``key`` look as if it had not been accessed for ``idle`` ms; nothing where frequencies are counted."""
    if isinstance(db, CountingDatabase):
        return
    start_tracking(db)
    db.accessed[key] = max(0, db.state.now - idle)


def frequency(db: Database, key: bytes) -> int:
    """The counter (0 to 255) of accesses to ``key``, decayed by now; the counting must have been started."""
    return frequencies(db, [key])[0]


def frequencies(db: Database, keys: list[bytes]) -> list[int]:
    """``frequency`` of several keys."""
    state = db.state
    accessed, decay = db.accessed.get, state.lfu_decay_time
    minute = state.now // _MINUTE
    unknown = db.tracked_since // _MINUTE << 8 | INITIAL_FREQUENCY
    found = []
    for key in keys:
        known = accessed(key, unknown)
        counter = known & _MAX_FREQUENCY
        if decay and known >> 8 < minute:
            counter = max(0, counter - (minute - (known >> 8)) // decay)
        found.append(counter)
    return found


def set_frequency(db: Database, key: bytes, counter: int) -> None:
    """Gives ``key`` a counter (0 to 255); nothing where frequencies are not counted."""
    if isinstance(db, CountingDatabase):
        db.accessed[key] = db.state.now // _MINUTE << 8 | counter
