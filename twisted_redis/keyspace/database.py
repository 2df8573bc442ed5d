"""One numbered database: a plain dict of keys, a second dict of expiry times, and a cursor order.

A string stands as plain ``bytes`` in the dict, with no wrapper a key.  Expiry is lazy here, on access; what an
expired key means for others (propagation, notification) is the business of ``state.expire``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted_redis.datatypes.order import Order
from twisted_redis.datatypes.own import OwnValue
from twisted_redis.datatypes.strings import Text
from twisted_redis.keyspace.expiry import ExpiryWheel
from twisted_redis.keyspace.field_wheel import FieldWheel

__all__ = ["Database", "KeyspaceState", "WrongTypeError"]

T = TypeVar("T")


class WrongTypeError(Exception):
    """A key holds a value of another type than asked for."""


def _expire_silently(database: Database, key: bytes) -> None:
    database.delete(key)


def _endure() -> None:
    pass


class KeyspaceState:
    """What the databases of a server share.

    ``now`` is the wall time in ms, fixed for a unit of execution.  ``expire(database, key)`` is called when an access
    finds an expired key and removes it.  ``hide_expired`` is true on a replica: expired keys are hidden there, but only
    the master deletes them.  ``applying_master_stream`` is true while a command from the master or from a file runs.
    Such a command finds an expired key, since its sender decides when the key is deleted.
    """

    __slots__ = (
        "added",
        "applying_master_stream",
        "before",
        "compacting",
        "expire",
        "expiry_paused",
        "hide_expired",
        "hits",
        "lfu_decay_time",
        "lfu_log_factor",
        "memory",
        "memory_limit",
        "missed",
        "misses",
        "now",
        "overrun",
        "own_types",
        "touching",
        "wrong_type",
    )

    def __init__(self, wrong_type: type[Exception] = WrongTypeError) -> None:
        self.now = 0
        #: Wall time of the unit before: nobody has accessed anything since.
        self.before = 0
        #: Whether accesses count as use (not those of a client with CLIENT NO-TOUCH).
        self.touching = True
        #: Whether the orders of keys may close their gaps (DEBUG DICT-RESIZING).
        self.compacting = True
        self.hits = 0
        self.misses = 0
        self.hide_expired = False
        #: Whether nothing leaves by expiry for a while (CLIENT PAUSE).
        self.expiry_paused = False
        self.applying_master_stream = False
        self.expire: Callable[[Database, bytes], None] = _expire_silently
        #: Called with (database, key) for a read that found nothing, where somebody listens for that.
        self.missed: Callable[[Database, bytes], None] | None = None
        #: Called with (database, key) for a new key, where somebody listens for that.
        self.added: Callable[[Database, bytes], None] | None = None
        self.wrong_type = wrong_type
        #: Classes of values that modules have declared, by the names of their types.
        self.own_types: dict[str, type[OwnValue]] = {}
        #: How frequencies of access rise and fall (``access.CountingDatabase``): directives of the same names.
        self.lfu_log_factor = 10
        self.lfu_decay_time = 1
        #: Bytes that all accounted databases hold (``account.AccountedDatabase``), and how many they may.
        self.memory = 0
        self.memory_limit = 1 << 62
        #: Called when they hold more.
        self.overrun: Callable[[], None] = _endure


def _check(key: Any, value: Any, state: KeyspaceState) -> None:
    """Raises TypeError for what no file, no replica and no command could make anything of."""
    if key.__class__ is not bytes:
        raise TypeError(f"a key is bytes, not {key.__class__.__name__}")
    cls = type(value)
    if cls is bytes or cls is bytearray:
        return
    # Every type of values has a name; strings have none of their own.
    if not hasattr(cls, "TYPE"):
        raise TypeError(f"a key holds bytes or a value of a type of the server, not {cls.__name__}")
    if issubclass(cls, OwnValue) and state.own_types.get(cls.TYPE.decode("latin-1")) is not cls:
        raise TypeError(f"{cls.__name__} is no type of a loaded module: declare it with @module.type")


class Database:
    """Keys to values.  ``watched`` and ``waiting`` belong to the engine: who watches or waits for a key."""

    __slots__ = (
        "_appended",
        "accessed",
        "data",
        "expires",
        "field_wheel",
        "index",
        "large",
        "memory",
        "order",
        "state",
        "tracked_since",
        "unsettled",
        "volatile",
        "waiting",
        "watched",
        "wheel",
    )

    def __init__(self, index: int, state: KeyspaceState) -> None:
        self.index = index
        self.state = state
        self.watched: dict[bytes, Any] = {}
        self.waiting: dict[bytes, Any] = {}
        self._clear()

    def _clear(self) -> None:
        self.data: dict[bytes, Any] = {}
        self.expires: dict[bytes, int] = {}
        #: When keys were accessed (ms); used by ``access.TrackingDatabase``.
        self.accessed: dict[bytes, int] = {}
        self.tracked_since = self.state.now
        #: Of ``account.AccountedDatabase``: bytes held, size and length of values that may have changed since, what is
        #: accounted for large ones, and the order of the keys with an expiry.
        self.memory = 0
        self.unsettled: dict[bytes, tuple[int, int]] = {}
        self.large: dict[bytes, int] = {}
        self.volatile: Order | None = None
        self.wheel = ExpiryWheel(self.expires)
        #: Keys of hashes by the time at which their next field is due.
        self.field_wheel = FieldWheel()
        self.order = Order(self.data)
        self.order.sweeping = self.state.compacting
        self._appended = self.order.append

    def __len__(self) -> int:
        return len(self.data)

    # reading

    def lookup(self, key: bytes) -> Any:
        """The value of ``key`` or None: a read access, which counts as hit or miss."""
        value = self.data.get(key)
        state = self.state
        if value is None or (key in self.expires and self.expired(key)):
            state.misses += 1
            if state.missed is not None:
                state.missed(self, key)
            return None
        state.hits += 1
        return value

    #: As ``lookup`` without being use of the key: the classes that follow accesses change ``lookup`` alone.
    lookup_untouched = lookup

    def lookup_quietly(self, key: bytes) -> Any:
        """As ``lookup_untouched``, and nobody is told of a miss."""
        value = self.peek(key)
        if value is None:
            self.state.misses += 1
        else:
            self.state.hits += 1
        return value

    def lookup_write(self, key: bytes) -> Any:
        """The value of ``key`` or None, for a command that writes: no statistics."""
        value = self.data.get(key)
        if value is not None and key in self.expires and self.expired(key):
            return None
        return value

    peek = lookup_write

    def exists(self, key: bytes) -> bool:
        """Whether ``key`` is there and not expired."""
        return key in self.data and not (key in self.expires and self.expired(key))

    def expired(self, key: bytes) -> bool:
        """Whether the time of ``key``, which has one, has come; if so it is removed (not on a replica)."""
        state = self.state
        if self.expires[key] > state.now or state.applying_master_stream:
            return False
        if not (state.hide_expired or state.expiry_paused):
            state.expire(self, key)
        return True

    def read(self, key: bytes, cls: type[T]) -> T | None:
        """The value of ``key`` for reading if it is a ``cls``; None if missing; else the wrong type error."""
        value = self.data.get(key)
        if value.__class__ is cls and key not in self.expires:
            self.state.hits += 1
            return value
        value = self.lookup(key)
        if value is None or value.__class__ is cls:
            return value
        raise self.state.wrong_type

    def write(self, key: bytes, cls: type[T]) -> T | None:
        """As ``read``, for a command that writes."""
        value = self.data.get(key)
        if value.__class__ is cls and key not in self.expires:
            return value
        value = self.lookup_write(key)
        if value is None or value.__class__ is cls:
            return value
        raise self.state.wrong_type

    def read_string(self, key: bytes) -> bytes | bytearray | None:
        """The string at ``key`` for reading."""
        value = self.data.get(key)
        if value.__class__ is bytes and key not in self.expires:
            # Most reads by far: spelled out here, since each call costs as much as the look-up.
            self.state.hits += 1
            return value
        value = self.lookup(key)
        if value is None or value.__class__ is bytes or value.__class__ is bytearray:
            return value
        if value.__class__ is Text:
            return bytes(value)
        raise self.state.wrong_type

    def write_string(self, key: bytes) -> bytes | bytearray | None:
        """The string at ``key`` for a command that writes."""
        value = self.data.get(key)
        if value.__class__ is bytes and key not in self.expires:
            return value
        value = self.lookup_write(key)
        if value is None or value.__class__ is bytes or value.__class__ is bytearray:
            return value
        if value.__class__ is Text:
            return bytes(value)
        raise self.state.wrong_type

    # writing

    def set(self, key: bytes, value: Any) -> None:
        """Puts ``value`` at ``key`` whatever is there, and drops its expiry."""
        if value.__class__ is not bytes or key.__class__ is not bytes:
            _check(key, value, self.state)
        data = self.data
        if key not in data:
            self._appended(key)
            if self.state.added is not None:
                self.state.added(self, key)
        data[key] = value
        if key in self.expires:
            self.wheel.remove(key, self.expires.pop(key))

    def replace(self, key: bytes, value: Any) -> None:
        """Puts ``value`` at ``key`` and keeps its expiry."""
        if value.__class__ is not bytes or key.__class__ is not bytes:
            _check(key, value, self.state)
        data = self.data
        if key not in data:
            self._appended(key)
            if self.state.added is not None:
                self.state.added(self, key)
        data[key] = value

    def add(self, key: bytes, value: Any) -> None:
        """Puts ``value`` at ``key``, which is known to be missing."""
        if value.__class__ is not bytes or key.__class__ is not bytes:
            _check(key, value, self.state)
        self.data[key] = value
        self._appended(key)
        if self.state.added is not None:
            self.state.added(self, key)

    def delete(self, key: bytes) -> bool:
        """Removes ``key`` and its expiry; tells whether it was there."""
        if self.data.pop(key, None) is None:
            return False
        if key in self.expires:
            self.wheel.remove(key, self.expires.pop(key))
        if self.field_wheel:
            self.field_wheel.pop(key, None)
        self.order.discard(key)
        return True

    def about_to_change(self, key: bytes, value: Any) -> None:
        """Says that ``value`` of ``key``, which was not looked up for writing, will be changed in place."""

    # expiry

    def expiry(self, key: bytes) -> int | None:
        """The time (ms) at which ``key`` expires, None without one."""
        return self.expires.get(key)

    def expire_at(self, key: bytes, when: int) -> None:
        """Lets ``key``, which is there, expire at ``when`` (ms)."""
        before = self.expires.get(key)
        if before is not None:
            if before == when:
                return
            self.wheel.remove(key, before)
        self.expires[key] = when
        self.wheel.add(key, when)

    def persist(self, key: bytes) -> bool:
        """Drops the expiry of ``key``; tells whether it had one."""
        when = self.expires.pop(key, None)
        if when is None:
            return False
        self.wheel.remove(key, when)
        return True

    # cursors

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """The next keys from ``cursor`` on (0 starts), about ``count``, and the cursor to go on with (0 ends)."""
        return self.order.scan(cursor, count)

    def random_key(self) -> bytes | None:
        """A key by uniform chance that has not expired; None in an empty database."""
        key: bytes | None = None
        # On a replica expired keys cannot be removed: do not look for a living one for ever.
        for _ in range(100):
            key = self.order.random()
            if key is None or not (key in self.expires and self.expired(key)):
                return key
        return key

    # whole

    def flush(self) -> int:
        """Removes everything; the number of keys that were there."""
        count = len(self.data)
        self._clear()
        return count

    def settle_filled(self) -> None:
        """Takes over what was put into ``data`` directly (loading a snapshot): cheaper than key by key."""
        self.tracked_since = self.state.now
        self.order = Order(self.data)
        self.order.sweeping = self.state.compacting
        self._appended = self.order.append

    def swap(self, other: Database) -> None:
        """Exchanges the contents of two databases; who watches or waits stays with the number."""
        for name in (
            "_appended",
            "accessed",
            "data",
            "expires",
            "field_wheel",
            "large",
            "memory",
            "order",
            "tracked_since",
            "unsettled",
            "volatile",
            "wheel",
        ):
            mine = getattr(self, name)
            setattr(self, name, getattr(other, name))
            setattr(other, name, mine)
