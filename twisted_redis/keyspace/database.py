"""One numbered database: a dict of keys, a dict of their expiry times, and an order of the keys for cursors.

A string is plain ``bytes`` in the dict, without a wrapper object for each key.  Expiry is lazy here: an access finds
that a key has expired.  ``KeyspaceState.expire`` then deletes the key and tells replicas and listeners.

Two things are noted about keys only on demand: accesses (``access``) and memory (``account``).  See ``Database``.

A collection may be resting or packed (``datatypes.packed``).  ``read``, ``write`` and ``live`` return live collections
only; the methods that look up whatever is there return any form.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from twisted_redis.datatypes.order import SWEEP_RATIO, Order
from twisted_redis.datatypes.own import OwnValue
from twisted_redis.datatypes.packed import LIVE_CLASS, PACKED, awake, awake_once
from twisted_redis.datatypes.strings import Text
from twisted_redis.keyspace import account, own_keys
from twisted_redis.keyspace.access import AccessCounts, AccessLog, AccessTimes, ChangeTimes
from twisted_redis.keyspace.expiry import Block, ExpiryWheel
from twisted_redis.keyspace.field_wheel import FieldWheel
from twisted_redis.keyspace.slot_index import SlotIndex, random_visible_key
from twisted_redis.keyspace.slots import key_slot, pattern_slot
from twisted_redis.keyspace.state import KeyspaceState
from twisted_redis.keyspace.stored_keys import StoredKeys

__all__ = ["Database"]

T = TypeVar("T")

_CONTENTS: Final = (
    *("access_log", "account", "data", "expires", "field_wheel", "filled_at", "idempotent", "order", "own_keys"),
    *("quick_reads", "quick_writes", "wheel", "stored"),
)
"""The attributes that SWAPDB exchanges."""


class Database:
    """Keys and their values.

    Short paths look for a value in ``quick_reads`` or ``quick_writes``.  Usually both are ``data`` itself.  While
    accesses are logged both are empty dicts; ``quick_writes`` also is while memory is accounted for, or while something
    listens to values that are replaced.  A short path that does not find its value there goes on with a method that
    does everything.  So the class test that each access makes anyway also finds whether something is to be noted.

    ``watched`` and ``waiting`` belong to the engine: the clients that watch a key or wait for it.
    """

    __slots__ = (
        "_appended",
        "_discarded",
        "access_log",
        "account",
        "data",
        "expires",
        "field_wheel",
        "filled_at",
        "idempotent",
        "index",
        "order",
        "own_keys",
        "quick_reads",
        "quick_writes",
        "slots",
        "state",
        "stored",
        "waiting",
        "watched",
        "wheel",
    )

    def __init__(self, index: int, state: KeyspaceState) -> None:
        self.index = index
        self.state = state
        self.watched: dict[bytes, Any] = {}
        self.waiting: dict[bytes, Any] = {}
        #: When or how often keys are accessed; None while nothing asks for that.
        self.access_log: AccessLog | None = None
        #: The memory that the keys take; None without a limit.
        self.account: account.Account | None = None
        #: The keys by slot, in a node of a cluster.
        self.slots: SlotIndex | None = None if state.served is None else SlotIndex({}, None, state.served)
        self._clear()

    def _clear(self) -> None:
        self.data: dict[bytes, Any] = {}
        self.stored = StoredKeys(self.data)
        #: The keys with an expiry; the wheel changes it and knows the times.
        self.expires: dict[bytes, Block] = {}
        #: When the database was last emptied or filled as a whole (ms): no key was accessed before.
        self.filled_at = self.state.now
        self.wheel = ExpiryWheel(self.expires, self.state.now)
        #: Keys of hashes by the time at which their next field expires.
        self.field_wheel = FieldWheel(self.state.now)
        #: Keys of streams that may remember idempotent IDs of their producers.
        self.idempotent: dict[bytes, None] = {}
        #: The keys of classes of modules (``keyspace.own_keys``).
        self.own_keys: dict[type, dict[bytes, None]] = {cls: {} for cls in self.state.told}
        if self.access_log is not None:
            self.access_log = type(self.access_log)(self.state, self.filled_at)
        if self.account is not None:
            self._open_account(volatile=self.account.volatile is not None)
        self.choose_quick()
        self._build_order()

    def _build_order(self) -> None:
        self.order = Order(self.data)
        self.order.may_sweep = self.state.compacting
        self.order.sweep_ratio = SWEEP_RATIO if self.account is None else account.SWEEP_RATIO
        if self.slots is not None:
            self.slots.build(self.data, self.order)
        self._choose_told()

    def _choose_told(self) -> None:
        """Chooses what is told of keys that come and go: the index by slot, which tells the order, or the order."""
        told = self.order if self.slots is None else self.slots
        self._appended, self._discarded = told.append, told.discard

    def __len__(self) -> int:
        return len(self.data)

    # what is noted

    def choose_quick(self) -> None:
        """Chooses where short paths look for values; call it when ``KeyspaceState.overwritten`` comes or goes."""
        noted = self.account is not None or self.state.overwritten is not None
        self.quick_reads: dict[bytes, Any] = self.data if self.access_log is None else {}
        self.quick_writes: dict[bytes, Any] = {} if noted else self.quick_reads

    def _open_account(self, *, volatile: bool) -> None:
        """Opens an account for what is in ``data`` now, in place of the one that there may be."""
        if self.account is not None:
            self.account.close()
        self.account = account.Account(self.state, self.data, account.key_cost(self))
        self.account.order_volatile(self.expires, wanted=volatile)
        account.begin(self, self.account)

    def log_accesses(self, kind: type[AccessLog] | None) -> None:
        """Logs accesses in a new log of this kind, or no more if it is None.  A log that is of this kind stays."""
        if (None if self.access_log is None else type(self.access_log)) is kind:
            return
        self.access_log = None if kind is None else kind(self.state, max(self.filled_at, self.state.before))
        if self.account is not None:
            self.account.set_key_cost(account.key_cost(self))
        self.choose_quick()

    def keep_account(self, wanted: bool, *, volatile: bool = False) -> None:
        """Begins to account for memory with an estimate, or ends it.  An account that is there stays.

        With ``volatile`` the account has an order of the keys with an expiry.
        """
        if wanted and self.account is None:
            self._open_account(volatile=volatile)
        elif self.account is not None and wanted:
            self.account.order_volatile(self.expires, wanted=volatile)
        elif self.account is not None:
            self.account.close()
            self.account = None
        self.order.sweep_ratio = account.SWEEP_RATIO if wanted else SWEEP_RATIO
        self.choose_quick()

    def idle_seconds(self, key: bytes) -> int:
        """The time since the last access to ``key`` (s), or a lower bound of it.

        Both times are whole seconds of the clock, as in Redis.  So the time of the last access, which is the difference
        between the clock and this figure, stays the same until the next access.
        """
        log = self.access_log
        accessed = log.times([key])[0] if isinstance(log, AccessTimes) else self.filled_at
        return max(0, self.state.now // 1000 - accessed // 1000)

    def set_idle(self, key: bytes, idle: int) -> None:
        """Logs that ``key`` was last accessed ``idle`` ms ago, unless frequencies are counted."""
        if self.access_log is None:
            self.log_accesses(AccessTimes)
        if isinstance(self.access_log, AccessTimes):
            self.access_log.noted[key] = max(0, self.state.now - idle)

    def frequency(self, key: bytes) -> int:
        """The counter (0 to 255) of accesses to ``key``, with its decay until now; 0 if they are not counted."""
        log = self.access_log
        return log.frequencies([key])[0] if isinstance(log, AccessCounts) else 0

    def note_change(self, key: bytes) -> None:
        """Notes a change of ``key`` that its listeners are not told of, if the times of changes are logged."""
        if isinstance(self.access_log, ChangeTimes):
            self.access_log.changed(key)

    def set_frequency(self, key: bytes, counter: int) -> None:
        """Sets the counter (0 to 255) of accesses to ``key``, if they are counted."""
        if isinstance(self.access_log, AccessCounts):
            self.access_log.set(key, counter)

    # reading

    def lookup(self, key: bytes) -> Any:
        """The value of ``key`` in any form, or None: a read access, which counts as a hit or a miss."""
        value = self.data.get(key)
        state = self.state
        if value is None or (key in self.expires and self.expired(key)):
            state.misses += 1
            if state.missed is not None:
                state.missed(self, key)
            return None
        state.hits += 1
        if self.access_log is not None:
            self.access_log.touch(key)
        return value

    def lookup_untouched(self, key: bytes) -> Any:
        """As ``lookup``, but the access is not logged."""
        value = self.peek(key)
        state = self.state
        if value is not None:
            state.hits += 1
            return value
        state.misses += 1
        if state.missed is not None:
            state.missed(self, key)
        return None

    def lookup_quietly(self, key: bytes) -> Any:
        """As ``lookup_untouched``, but nothing is told of a miss."""
        value = self.peek(key)
        if value is None:
            self.state.misses += 1
        else:
            self.state.hits += 1
        return value

    def peek(self, key: bytes) -> Any:
        """The value of ``key`` or None, without statistics or notes; an expired key is deleted."""
        value = self.data.get(key)
        if value is not None and key in self.expires and self.expired(key):
            return None
        return value

    def lookup_write(self, key: bytes) -> Any:
        """The value of ``key`` in any form, or None, for a command that writes: no statistics.

        The command may change the value, which has to be live for that.
        """
        value = self.data.get(key)
        if value is None or (key in self.expires and self.expired(key)):
            return None
        if self.access_log is not None:
            self.access_log.touch(key)
        if self.account is not None and value.__class__ is not bytes:
            self.account.expect_change(key, value)
        return value

    def exists(self, key: bytes) -> bool:
        """Whether ``key`` is there and not expired."""
        return key in self.data and not (key in self.expires and self.expired(key))

    def expired(self, key: bytes) -> bool:
        """Whether ``key``, which has an expiry, has expired; deletes it then, unless this is a replica."""
        state = self.state
        now = state.now
        block = self.expires[key]
        if block.base > now or block.time(key) > now or state.applying_master_stream or state.access_expired:
            return False
        if not (state.hide_expired or state.expiry_paused):
            state.expire(self, key)
        return True

    def read(self, key: bytes, cls: type[T]) -> T | None:
        """The value of ``key`` for reading, or None.  Raises ``KeyspaceState.wrong_type`` unless it is a ``cls``."""
        value = self.quick_reads.get(key)
        if value.__class__ is cls and key not in self.expires:
            self.state.hits += 1
            return value
        value = self.lookup(key)
        if value is None or value.__class__ is cls:
            return value
        if LIVE_CLASS.get(value.__class__) is cls:
            return self._wake(key, value, reading=True)  # type: ignore[no-any-return]
        raise self.state.wrong_type

    def write(self, key: bytes, cls: type[T]) -> T | None:
        """As ``read``, for a command that writes and may change the value in place."""
        value = self.quick_writes.get(key)
        if value.__class__ is cls and key not in self.expires:
            return value
        value = self.lookup_write(key)
        if value is None or value.__class__ is cls:
            return value
        if LIVE_CLASS.get(value.__class__) is cls:
            return self._wake(key, value, reading=False)  # type: ignore[no-any-return]
        raise self.state.wrong_type

    def live(self, key: bytes, value: Any) -> Any:
        """``value``, which a method above has returned for ``key``, as a live value that may be changed in place."""
        return self._wake(key, value, reading=False) if value.__class__ in LIVE_CLASS else value

    def _wake(self, key: bytes, value: Any, *, reading: bool) -> Any:
        """Returns ``value``, resting or packed, as a live one, and stores it; one read in eight if memory is tight."""
        state = self.state
        tight = reading and value.__class__ in PACKED and state.memory > state.memory_limit // 16 * 15
        if tight and state.hits & 7:
            return awake_once(value)
        self.change_form(key, value, live := awake(value))
        return live

    def change_form(self, key: bytes, before: Any, after: Any) -> None:
        """Stores ``after``, another form of the collection ``before``, which is the value of ``key``."""
        self.data[key] = after
        if self.account is not None:
            self.account.store(key, before, after)

    def read_string(self, key: bytes) -> bytes | bytearray | None:
        """The string at ``key`` for reading, or None.  Raises as ``read`` does."""
        value = self.quick_reads.get(key)
        if value.__class__ is bytes and key not in self.expires:
            # By far the most common read: spelled out here, since each call costs as much as the look-up.
            self.state.hits += 1
            return value
        if self.access_log is not None:
            value = self.data.get(key)
            if value.__class__ is bytes and key not in self.expires:
                self.state.hits += 1
                self.access_log.touch(key)
                return value
        value = self.lookup(key)
        if value is None or value.__class__ is bytes or value.__class__ is bytearray:
            return value
        if value.__class__ is Text:
            return bytes(value)
        raise self.state.wrong_type

    def write_string(self, key: bytes) -> bytes | bytearray | None:
        """The string at ``key`` for a command that writes; it may change a ``bytearray`` in place."""
        value = self.quick_writes.get(key)
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
        """Stores ``value`` at ``key``, whether it is there or not, and removes its expiry."""
        if value.__class__ is not bytes or key.__class__ is not bytes:
            own_keys.check(self, key, value)
        quick = self.quick_writes
        if key in quick:
            quick[key] = value
        elif quick is self.data:
            self._appended(key)
            if self.state.added is not None:
                self.state.added(self, key)
            quick[key] = value
        else:
            self._store(key, value, looked_up=False, whole=True)
        if key in self.expires:
            self._remove_expiry(key)

    def set_all(self, keys: Sequence[bytes], values: Sequence[bytes]) -> bool:
        """Stores the strings of a request, one for each key, in a few steps that run in C; returns whether it did.

        It changes nothing if a key has an expiry, or if something must be noted about each key.  The caller then uses
        ``set``.
        """
        data = self.data
        if self.quick_writes is not data or self.state.added is not None:
            return False
        if self.expires and not self.expires.keys().isdisjoint(keys):
            return False
        before = len(data)
        data.update(zip(keys, values, strict=True))
        added = len(data) - before
        if added:
            # A dict keeps its keys in the order in which they were added.
            keys = list(islice(reversed(data), added))[::-1]
            self.order.append_all(keys)
            if self.slots is not None:
                self.slots.add_all(keys)
        return True

    def replace(self, key: bytes, value: Any, *, whole: bool = False) -> None:
        """Stores ``value`` at ``key``, which the command has looked up, and keeps its expiry.

        ``whole`` says that the value has nothing to do with the one that was there, as after SET; otherwise it is a
        changed form of that value.
        """
        if value.__class__ is not bytes or key.__class__ is not bytes:
            own_keys.check(self, key, value)
        quick = self.quick_writes
        if key in quick:
            quick[key] = value
        else:
            self._store(key, value, looked_up=True, whole=whole)

    def add(self, key: bytes, value: Any) -> None:
        """Stores ``value`` at ``key``, which is known to be missing."""
        if value.__class__ is not bytes or key.__class__ is not bytes:
            own_keys.check(self, key, value)
        if self.quick_writes is self.data:
            self.data[key] = value
            self._appended(key)
            if self.state.added is not None:
                self.state.added(self, key)
        else:
            self._store(key, value, looked_up=True, whole=False)

    def _store(self, key: bytes, value: Any, *, looked_up: bool, whole: bool) -> None:
        """Stores a value whose key is new or, while something is noted, any value."""
        data = self.data
        old = data.get(key)
        log = self.access_log
        if old is None:
            self._appended(key)
            if self.state.added is not None:
                self.state.added(self, key)
            if log is not None:
                log.add(key)
        elif log is not None:
            if looked_up:
                log.replace(key)
            else:
                log.overwrite(key)
        data[key] = value
        if self.account is not None and old is not value:
            self.account.store(key, old, value)
        if whole and old is not None and self.state.overwritten is not None:
            self.state.overwritten(self, key, old, value)

    def delete(self, key: bytes) -> bool:
        """Removes ``key`` and its expiry; returns whether it was there."""
        value = self.data.pop(key, None)
        if value is None:
            return False
        if key in self.expires:
            self._remove_expiry(key)
        if self.field_wheel:
            self.field_wheel.pop(key, None)
        if self.own_keys:
            own_keys.forget(self, key, value)
        self._discarded(key)
        if self.access_log is not None:
            self.access_log.discard(key)
        if self.account is not None:
            self.account.remove(key, value)
        return True

    def about_to_change(self, key: bytes, value: Any) -> None:
        """Says that the caller will change the value of ``key`` in place, though it was not looked up for writing."""
        if self.data.get(key) is not value:  # a read has unpacked it, without keeping that
            self.change_form(key, self.data[key], value)
        if self.account is not None:
            self.account.expect_change(key, value)

    # expiry

    def expiry(self, key: bytes) -> int | None:
        """The time (ms) at which ``key`` expires, None without one."""
        return self.wheel.time(key)

    def expire_at(self, key: bytes, when: int) -> None:
        """Lets ``key``, which is there, expire at ``when`` (ms)."""
        if key in self.expires:
            self.wheel.move(key, when)
            return
        if self.order.newest() is not key:
            key = self.stored.find(key)
        self.wheel.add(key, when)
        if self.account is not None:
            self.account.add_expiry(key)

    def persist(self, key: bytes) -> bool:
        """Removes the expiry of ``key``; returns whether it had one."""
        if key not in self.expires:
            return False
        self._remove_expiry(key)
        return True

    def _remove_expiry(self, key: bytes) -> None:
        self.wheel.remove(key)
        if self.account is not None:
            self.account.remove_expiry(key)

    # cursors

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """About ``count`` keys from ``cursor`` on (0 starts), after the cursor to go on with (0 ends)."""
        return self.order.scan(cursor, count)

    def scan_matching(self, cursor: int, count: int, pattern: bytes) -> tuple[int, list[bytes]]:
        """As ``scan``, for a caller that wants keys that match a glob pattern; there may be others among them.

        In a node of a cluster, a pattern whose keys are all in one slot leads to the keys of that slot.
        """
        if self.slots is not None and (slot := pattern_slot(pattern)) is not None:
            found = self.slots.scan(slot, cursor, count)
            if found is not None:
                return found
        return self.order.scan(cursor, count)

    def keys_matching(self, pattern: bytes) -> Iterable[bytes]:
        """All keys that may match a glob pattern: those of a slot, or all."""
        if self.slots is not None and (slot := pattern_slot(pattern)) is not None:
            return self.slots.keys(slot)
        return self.data

    def keys_of(self, cls: type[OwnValue]) -> list[bytes]:
        """The keys that hold a value of ``cls``, a class of a module, in any order.  Expired keys are deleted first.

        The first call walks over all keys.  From then on the keys of this class are noted as they come and go.
        """
        return own_keys.keys_of(self, cls)

    def count_visible(self) -> int:
        """The number of keys, without those that are hidden because their slots are on the move."""
        slots = self.slots
        return len(self.data) - (slots.count_hidden() if slots is not None and slots.hidden else 0)

    def visible(self, keys: list[bytes]) -> list[bytes]:
        """Those of ``keys`` that are not hidden because their slots are on the move."""
        slots = self.slots
        return keys if slots is None or not slots.hidden else slots.visible(keys)

    def items_to_save(self) -> Iterable[tuple[bytes, Any]]:
        """The keys and values for a file: all but those of slots that another node has taken over."""
        leaving: frozenset[int] = frozenset() if self.slots is None else self.slots.leaving
        if not leaving:
            return self.data.items()
        return [(key, value) for key, value in self.data.items() if key_slot(key) not in leaving]

    def random_key(self) -> bytes | None:
        """A key that has not expired, each with the same probability; None in an empty database."""
        slots = self.slots
        if slots is not None and slots.hidden:
            return random_visible_key(self, slots)
        key: bytes | None = None
        # A replica cannot delete expired keys: give up when there are too many of them.
        for _ in range(100):
            key = self.order.random()
            if key is None or not (key in self.expires and self.expired(key)):
                return key
        return key

    # the whole database

    def flush(self) -> int:
        """Removes everything; returns the number of keys that were there."""
        count = len(self.data)
        if self.own_keys:
            own_keys.flushed(self)
        if count or len(self.order) or self.idempotent or self.account is not None or self.slots is not None:
            self._clear()
        else:
            # FLUSHALL empties all databases, and most were empty before.
            self.filled_at = self.state.now
            if self.access_log is not None:
                self.access_log.since = self.filled_at
        return count

    def rebuild_from_data(self) -> None:
        """Builds the order and the account again after a caller has filled ``data``: cheaper than key by key."""
        self.filled_at = self.state.now
        own_keys.rebuilt(self)
        self._build_order()
        if self.access_log is not None:
            self.access_log.since = self.filled_at
        if self.account is not None:
            self._open_account(volatile=self.account.volatile is not None)

    def empty_twin(self) -> Database:
        """An empty database of the same number that logs accesses as this one does; it has no account."""
        twin = Database(self.index, self.state)
        twin.log_accesses(None if self.access_log is None else type(self.access_log))
        return twin

    def swap(self, other: Database) -> None:
        """Exchanges the contents of two databases.  Clients that watch or wait stay with the number.

        The access log goes with the contents.  If one of the two has an account, it gets a new one.
        """
        accounts = self.account, other.account
        for name in _CONTENTS:
            mine = getattr(self, name)
            setattr(self, name, getattr(other, name))
            setattr(other, name, mine)
        if self.slots is not None and other.slots is not None:
            self.slots.swap(other.slots)
        self._choose_told()
        other._choose_told()
        own_keys.swapped(self, other)
        if None in accounts:
            for db, before in zip((self, other), accounts, strict=True):
                db.keep_account(before is not None, volatile=before is not None and before.volatile is not None)
