"""Access times of keys, kept only once somebody has asked for one.

Redis stamps a clock into every value.  Here a database becomes a ``TrackingDatabase`` with the first OBJECT IDLETIME
(or an eviction policy that needs it); until then no access costs anything.  For a key that was not accessed since, the
time that is known is a lower bound: nobody had accessed anything since the unit of execution before the tracking began.
"""

from __future__ import annotations

from typing import Any, TypeVar

from twisted_redis.keyspace.database import Database

__all__ = ["TrackingDatabase", "idle_ms", "start_tracking"]

T = TypeVar("T")


class TrackingDatabase(Database):
    """A database that notes when each key was accessed last (ms)."""

    __slots__ = ()

    def lookup(self, key: bytes) -> Any:
        """As in ``Database``."""
        if self.state.touching:
            self.accessed[key] = self.state.now
        return Database.lookup(self, key)

    def lookup_write(self, key: bytes) -> Any:
        """As in ``Database``."""
        if self.state.touching:
            self.accessed[key] = self.state.now
        return Database.lookup_write(self, key)

    def read(self, key: bytes, cls: type[T]) -> T | None:
        """As in ``Database``."""
        if self.state.touching:
            self.accessed[key] = self.state.now
        return Database.read(self, key, cls)

    def write(self, key: bytes, cls: type[T]) -> T | None:
        """As in ``Database``."""
        if self.state.touching:
            self.accessed[key] = self.state.now
        return Database.write(self, key, cls)

    def read_string(self, key: bytes) -> bytes | bytearray | None:
        """As in ``Database``."""
        if self.state.touching:
            self.accessed[key] = self.state.now
        return Database.read_string(self, key)

    def write_string(self, key: bytes) -> bytes | bytearray | None:
        """As in ``Database``."""
        if self.state.touching:
            self.accessed[key] = self.state.now
        return Database.write_string(self, key)

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


def start_tracking(db: Database) -> None:
    """Notes accesses to ``db`` from now on."""
    if db.__class__ is Database:
        db.tracked_since = db.state.before
        db.__class__ = TrackingDatabase


def idle_ms(db: Database, key: bytes) -> int:
    """Time (ms) since ``key`` was accessed, at least; the tracking must have been started."""
    return max(0, db.state.now - db.accessed.get(key, db.tracked_since))
