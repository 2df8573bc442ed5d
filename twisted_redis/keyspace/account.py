"""What the keys hold in memory, kept up to date with every change while there is a limit to it.

A process does not shrink when keys are deleted: what they held is used again for others.  So eviction needs an account
that follows the data.  While ``maxmemory`` is set the databases are ``AccountedDatabase``s; without it nobody pays.

- Strings are accounted for when they are stored: their sizes are known.
- Collections are changed in place by whoever got them for writing.  Such a key is *unsettled*: its size before is
  noted, and the difference is added when there are some of them, or when somebody asks (``settle``).
- The size of a collection is estimated from a few of its items.  A large one is never estimated anew as a whole, since
  one unusual item among the few would seem to be in a thousand places: it grows and shrinks by its number of items.

Tables of keys are accounted for by a fixed amount a key.  In truth they double now and then, and to count that would
evict a good part of all keys at once.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.order import Order
from twisted_redis.datatypes.own import length_or_guess
from twisted_redis.keyspace.access import CountingDatabase, TrackingDatabase
from twisted_redis.keyspace.database import Database

__all__ = ["EXPIRY", "KEY", "AccountedDatabase", "estimate", "size_of", "start_accounting", "stop_accounting"]

T = TypeVar("T")

KEY = 60
"""What a key takes beside its bytes, in the dict of keys and in their order; as measured with many (bytes)."""

EXPIRY = 180
"""What an expiry takes: an entry, a number, and a place among those of the same second (bytes)."""

_NOTE = 80
"""What the time of the last access to a key takes, or its frequency (bytes)."""

_LARGE = 64
"""Items from which on a collection is not estimated anew."""

_ENDURED = 1.2
"""Entries of an order for each key: what is evicted all the time must not stay in it for long."""

_UNSETTLED = 64
"""Keys that may be unsettled."""

_SAMPLE = 2000
"""Keys looked at to estimate the size of a database with more of them."""


class AccountedDatabase(Database):
    """A database that knows what it holds: ``memory``, in bytes."""

    __slots__ = ()

    #: Bytes for each key.
    COST: ClassVar[int] = KEY
    #: The classes that follow accesses as well.
    VARIANTS: ClassVar[dict[type[Database], type[Database]]] = {}

    def lookup_write(self, key: bytes) -> Any:
        """As in ``Database``; what is found may be changed."""
        value = super().lookup_write(key)
        if value is not None and value.__class__ is not bytes and key not in self.unsettled:
            _unsettle(self, key, value)
        return value

    def write(self, key: bytes, cls: type[T]) -> T | None:
        """As in ``Database``; what is found may be changed."""
        value = super().write(key, cls)
        if value is not None and key not in self.unsettled:
            _unsettle(self, key, value)
        return value

    def write_string(self, key: bytes) -> bytes | bytearray | None:
        """As in ``Database``; what is found may be changed."""
        value = super().write_string(key)
        if value.__class__ is bytearray and key not in self.unsettled:
            _unsettle(self, key, value)
        return value

    def set(self, key: bytes, value: Any) -> None:
        """As in ``Database``."""
        old = self.data.get(key)
        expiring = key in self.expires
        super().set(key, value)
        if old.__class__ is bytes and value.__class__ is bytes:
            grown = (len(value) + 48 & ~15) - (len(old) + 48 & ~15)  # sizes.of_bytes, spelled out
        else:
            grown = _exchange(self, key, old, value)
        if expiring:
            grown -= EXPIRY
            if self.volatile is not None:
                self.volatile.discard(key)
        if grown:
            _grow(self, grown)

    def replace(self, key: bytes, value: Any) -> None:
        """As in ``Database``."""
        old = self.data.get(key)
        super().replace(key, value)
        if old is not value:
            _grow(self, _exchange(self, key, old, value))

    def add(self, key: bytes, value: Any) -> None:
        """As in ``Database``."""
        super().add(key, value)
        _grow(self, _exchange(self, key, None, value))

    def delete(self, key: bytes) -> bool:
        """As in ``Database``."""
        old = self.data.get(key)
        expiring = key in self.expires
        if not super().delete(key):
            return False
        freed = _accounted(self, key, old) + self.COST + sizes.of_bytes(len(key))
        if expiring:
            freed += EXPIRY
            if self.volatile is not None:
                self.volatile.discard(key)
        _grow(self, -freed)
        return True

    def expire_at(self, key: bytes, when: int) -> None:
        """As in ``Database``."""
        expiring = key in self.expires
        super().expire_at(key, when)
        if not expiring:
            if self.volatile is not None:
                self.volatile.append(key)
            _grow(self, EXPIRY)

    def persist(self, key: bytes) -> bool:
        """As in ``Database``."""
        if not super().persist(key):
            return False
        if self.volatile is not None:
            self.volatile.discard(key)
        _grow(self, -EXPIRY)
        return True

    def flush(self) -> int:
        """As in ``Database``."""
        volatile = self.volatile is not None
        self.state.memory -= self.memory
        count = super().flush()
        self.order.endured = _ENDURED
        if volatile:
            self.follow_volatile(wanted=True)
        return count

    def settle_filled(self) -> None:
        """As in ``Database``."""
        super().settle_filled()
        self.unsettled.clear()
        self.large.clear()
        self.state.memory -= self.memory
        self.memory = estimate(self)
        self.state.memory += self.memory
        if self.volatile is not None:
            self.volatile = Order(self.expires)

    def about_to_change(self, key: bytes, value: Any) -> None:
        """As in ``Database``."""
        if key not in self.unsettled:
            _unsettle(self, key, value)

    def settle(self) -> None:
        """Accounts for the changes of collections that are not accounted for yet."""
        grown = 0
        for key, (before, count) in self.unsettled.items():
            value = self.data.get(key)
            if value is None:
                continue
            size = sizes.of_value(value, sizes.QUICK)
            if value.__class__ is not bytearray:
                items = length_or_guess(value)
                if items >= _LARGE or key in self.large:
                    if before:
                        size = max(0, before + (items - count) * size // max(items, 1))
                    self.large[key] = size
            grown += size - before
        self.unsettled.clear()
        if grown:
            _grow(self, grown)

    def correct(self, memory: int) -> None:
        """Takes over what was found to be held (bytes)."""
        _grow(self, memory - self.memory)

    def follow_volatile(self, wanted: bool) -> None:
        """Keeps an order of the keys with an expiry, from which they can be picked at random, or none."""
        if not wanted:
            self.volatile = None
        elif self.volatile is None:
            self.volatile = Order(self.expires)
            self.volatile.endured = _ENDURED


class _AccountedTracking(AccountedDatabase, TrackingDatabase):
    __slots__ = ()

    COST = KEY + _NOTE


class _AccountedCounting(AccountedDatabase, CountingDatabase):
    __slots__ = ()

    COST = KEY + _NOTE


AccountedDatabase.VARIANTS.update(
    {Database: AccountedDatabase, TrackingDatabase: _AccountedTracking, CountingDatabase: _AccountedCounting}
)


def _grow(db: AccountedDatabase, size: int) -> None:
    db.memory += size
    state = db.state
    state.memory += size
    if state.memory > state.memory_limit:
        state.overrun()


def _unsettle(db: AccountedDatabase, key: bytes, value: Any) -> None:
    """Notes that ``value`` may be about to change."""
    if len(db.unsettled) >= _UNSETTLED:
        db.settle()
    size = db.large.get(key)
    db.unsettled[key] = (sizes.of_value(value, sizes.QUICK) if size is None else size, length_or_guess(value))


def _accounted(db: AccountedDatabase, key: bytes, value: Any) -> int:
    """What was accounted for a value that leaves."""
    if value.__class__ is bytes:
        return sizes.of_bytes(len(value))
    unsettled = db.unsettled.pop(key, None)
    large = db.large.pop(key, None)
    if unsettled is not None:
        return unsettled[0]
    return sizes.of_value(value, sizes.QUICK) if large is None else large


def _exchange(db: AccountedDatabase, key: bytes, old: Any, new: Any) -> int:
    """Accounts for a value that comes in place of another, or of none; by how much that is more."""
    grown = db.COST + sizes.of_bytes(len(key)) if old is None else -_accounted(db, key, old)
    if new.__class__ is bytes:
        return grown + sizes.of_bytes(len(new))
    # Whoever stores a collection may go on filling it.
    if len(db.unsettled) >= _UNSETTLED:
        db.settle()
    db.unsettled[key] = (0, 0)
    return grown


def _cost(db: Database) -> int:
    """Bytes for each key, be the database accounted for or not."""
    cls = db.__class__
    variant = AccountedDatabase.VARIANTS.get(cls, cls)
    return variant.COST if issubclass(variant, AccountedDatabase) else KEY


def size_of(db: Database, key: bytes, value: Any, how: sizes.Sampling = sizes.USUAL) -> int:
    """What ``key`` takes with its ``value`` (bytes)."""
    size = _cost(db) + sizes.of_bytes(len(key)) + sizes.of_value(value, how)
    return size + EXPIRY if key in db.expires else size


def estimate(db: Database, sample: int = _SAMPLE) -> int:
    """What a database holds (bytes), from some of its keys where it has more than ``sample``."""
    data = db.data
    if len(data) <= sample:
        return sum(size_of(db, key, value) for key, value in data.items())
    # Spread over the order of their coming, which often goes with their kind.
    picked = [key for key in (db.order.random() for _ in range(sample)) if key is not None]
    return sum(size_of(db, key, data[key]) for key in picked) * len(data) // len(picked)


def start_accounting(db: Database) -> None:
    """Keeps the account of ``db`` from now on; what it holds already is estimated."""
    if isinstance(db, AccountedDatabase):
        return
    db.__class__ = AccountedDatabase.VARIANTS[db.__class__]
    db.order.endured = _ENDURED
    db.memory = estimate(db)
    db.state.memory += db.memory


def stop_accounting(db: Database) -> None:
    """Forgets the account of ``db``."""
    if not isinstance(db, AccountedDatabase):
        return
    db.state.memory -= db.memory
    db.memory = 0
    db.unsettled.clear()
    db.large.clear()
    db.volatile = None
    db.order.endured = 2.0
    variant = db.__class__
    db.__class__ = next(  # type: ignore[assignment]
        plain for plain, accounted in AccountedDatabase.VARIANTS.items() if accounted is variant
    )
