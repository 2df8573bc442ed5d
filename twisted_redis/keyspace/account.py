"""Accounts: how much memory the keys of a database take, kept up to date with every change while there is a limit.

A process does not shrink when keys are deleted, because the interpreter reuses their memory.  So eviction needs an
account that follows the data.  A ``Database`` has an ``account`` while ``maxmemory`` is set; otherwise it is None and
costs nothing.

- A string is charged when it is stored, since its size is known.
- A collection is changed in place by the command that looked it up for writing.  Such a key is *pending*: the account
  notes its size before the command, and charges the difference when many keys are pending or when something asks for
  the total (``charge_changes``).
- The size of a collection is estimated from a few of its items.  A large collection is estimated once and grows or
  shrinks by its number of items from then on.  To estimate it again would be wrong: one unusual item among the few
  would stand for a thousand.

The tables of keys are charged with a fixed amount per key.  In truth they double now and then, but to count that at
once would evict a good part of all keys.  So the account follows the truth a little with each look at it
(``charge_tables``), and only as far as it must to be close.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.order import Order
from twisted_redis.datatypes.own import length_or_guess
from twisted_redis.datatypes.packed import CAN_REST, PACKED
from twisted_redis.datatypes.strings import own_size
from twisted_redis.datatypes.table import value_size
from twisted_redis.keyspace.access import AccessCounts
from twisted_redis.keyspace.state import KeyspaceState
from twisted_redis.keyspace.tables import table_bytes

if TYPE_CHECKING:
    from twisted_redis.keyspace.database import Database

__all__ = ["EXPIRY", "KEY", "SWEEP_RATIO", "Account", "begin", "contents", "estimate", "fit_log", "key_cost", "size_of"]

KEY = 52
"""Bytes that a key takes in addition to its own: 43 in the dict of keys and 9 in their order.

The dict takes between 30 and 60, because it doubles now and then; this is the mean over all numbers of keys.
"""

_CLOSE = 12
"""What is charged for the tables may fall short of the truth by one part of all memory in so many."""

_LITTLE = 1 << 16
"""Bytes by which it may differ from the truth in any case."""

_FOLLOWED = 512
"""What is charged for the tables changes by one part of all memory in so many with each look, or by ``_FOLLOWED_LEAST``
bytes."""

_FOLLOWED_LEAST = 1 << 14

EXPIRY = 58
"""Bytes that an expiry takes: 43 in the dict, as above, and 12 to 17 in a block of the wheel."""

SWEEP_RATIO = 1.2
"""``Order.sweep_ratio`` while memory is limited: the tombstones of evicted keys must not pile up."""

_TIME = 50
"""Bytes that a key takes in an exact log of times: 43 in the dict, and a share of an object for each moment."""

_COUNT = 80
"""Bytes that a key takes in an exact log of counts; it has objects of its own once the key was accessed."""

_LARGE = 64
"""A collection with so many items is not estimated again."""

_EXACT = PACKED | {bytearray}
"""The classes of values whose size is known, however large they are."""

_MAX_PENDING = 64
"""The number of pending keys at which their changes are charged."""

_SAMPLE = 2000
"""The number of keys from which the size of a larger database is estimated."""


class Account:
    """The memory of one database: ``memory``, in bytes, which is a part of ``KeyspaceState.memory``.

    ``data`` is the dict of the database, which calls ``store``, ``remove``, ``add_expiry`` and ``remove_expiry`` right
    after each change.
    """

    __slots__ = (
        "_data",
        "_state",
        "_tables",
        "copy",
        "key_cost",
        "large",
        "live",
        "memory",
        "pending",
        "resting",
        "volatile",
    )

    def __init__(self, state: KeyspaceState, data: dict[bytes, Any], key_cost: int) -> None:
        self._state = state
        self._data = data
        #: Bytes charged for each key beside its name and its value.
        self.key_cost = key_cost
        self.memory = 0
        #: Keys whose values may have changed: the size that is charged for each, and its number of items then.
        self.pending: dict[bytes, tuple[int, int]] = {}
        #: The bytes charged for collections that are not estimated again.
        self.large: dict[bytes, int] = {}
        #: The keys of live collections in the order in which they were noted.
        self.live: OrderedDict[bytes, None] = OrderedDict()
        #: The keys of those that were to rest since, and the time of that (ms).  Some are live again.
        self.resting: OrderedDict[bytes, int] = OrderedDict()
        #: An order of the keys with an expiry, for eviction to pick from; None if the policy does not need it.
        self.volatile: Order | None = None
        #: Another dict that is to take the place of ``data``: it gets every change of a key that it has, and new keys.
        self.copy: dict[bytes, Any] | None = None
        #: Bytes charged for tables, apart from the fixed amounts.
        self._tables = 0

    def use(self, data: dict[bytes, Any]) -> None:
        """Accounts for ``data``, which has the same contents, in place of the dict before."""
        self._data = data
        self.copy = None

    def charge_tables(self, size: int, expiries: int) -> None:
        """Follows the true ``size`` of the tables (bytes), those of so many ``expiries`` included."""
        above = size - self.fixed(expiries) - self._tables
        close = max(self.memory // _CLOSE, _LITTLE)
        excess = max(0, above - close) if above > 0 else min(0, above + _LITTLE)
        if excess:
            most = max(self.memory // _FOLLOWED, _FOLLOWED_LEAST)
            step = max(-most, min(excess, most))
            self._tables += step
            self.change(step)

    def begin(self, contents: int, tables: int, expiries: int) -> None:
        """Charges for what is there: keys and values (bytes), tables (bytes) and so many ``expiries``."""
        above = tables - self.fixed(expiries)
        self._tables = above if abs(above) > _LITTLE else 0
        self.change(contents + self.fixed(expiries) + self._tables)

    def fixed(self, expiries: int) -> int:
        """The fixed amounts (bytes) that are charged for the tables of the keys, with so many ``expiries``."""
        return self.key_cost * len(self._data) + EXPIRY * expiries

    def change(self, size: int) -> None:
        """Adds ``size`` bytes, which may be negative.  Calls ``KeyspaceState.overrun`` when that leaves too many."""
        self.memory += size
        state = self._state
        state.memory += size
        if state.memory > state.memory_limit:
            state.overrun()

    def close(self) -> None:
        """Takes this account out of the total of the server."""
        self._state.memory -= self.memory
        self.memory = 0

    def store(self, key: bytes, old: Any, new: Any) -> None:
        """Charges a value that replaces ``old``, or that of a new key if ``old`` is None."""
        copy = self.copy
        if copy is not None and (old is None or key in copy):
            copy[key] = new  # as ``repeat`` does
        if new.__class__ is bytes:
            if old.__class__ is bytes:
                if len(new) > 4 < len(old):
                    grown = (len(new) + 48 & ~15) - (len(old) + 48 & ~15)  # own_size, spelled out
                else:
                    grown = own_size(new) - own_size(old)
                if grown:
                    self.change(grown)
                return
            grown = own_size(new)
        else:
            grown = 0
        if old is None:
            grown += self.key_cost + sizes.of_bytes(len(key))
        else:
            grown -= self._charged(key, old)
        if new.__class__ is not bytes:
            # The command may go on filling the collection that it has stored.
            if len(self.pending) >= _MAX_PENDING:
                self.charge_changes()
            self.pending[key] = (0, 0)
        self.change(grown)

    def repeat(self, key: bytes, new: Any) -> None:
        """Stores a value in the copy as well, if the key is there already."""
        if self.copy is not None and key in self.copy:
            self.copy[key] = new

    def remove(self, key: bytes, old: Any) -> None:
        """Credits a key that had the value ``old``."""
        if self.copy is not None:
            self.copy.pop(key, None)
        self.change(-(self._charged(key, old) + self.key_cost + sizes.of_bytes(len(key))))

    def add_expiry(self, key: bytes) -> None:
        """Charges an expiry that ``key`` did not have."""
        if self.volatile is not None:
            self.volatile.append(key)
        self.change(EXPIRY)

    def remove_expiry(self, key: bytes) -> None:
        """Credits the expiry of ``key``."""
        if self.volatile is not None:
            self.volatile.discard(key)
        self.change(-EXPIRY)

    def expect_change(self, key: bytes, value: Any) -> None:
        """Makes ``key`` pending: its ``value``, which is not ``bytes``, may be about to change."""
        if key in self.pending:
            return
        if len(self.pending) >= _MAX_PENDING:
            self.charge_changes()
        size = self.large.get(key)
        self.pending[key] = (value_size(value, sizes.QUICK) if size is None else size, length_or_guess(value))

    def charge_changes(self) -> None:
        """Charges what the pending keys have grown by.  Takes time in proportion to their number, at most 64."""
        grown = 0
        for key, (before, count) in self.pending.items():
            value = self._data.get(key)
            if value is None:
                continue
            size = value_size(value, sizes.QUICK)
            if value.__class__ in CAN_REST and key not in self.resting:
                self.live[key] = None
            if value.__class__ not in _EXACT:
                items = length_or_guess(value)
                if items >= _LARGE or key in self.large:
                    if before:
                        size = max(0, before + (items - count) * size // max(items, 1))
                    self.large[key] = size
            grown += size - before
        self.pending.clear()
        if grown:
            self.change(grown)

    def order_volatile(self, expires: Collection[bytes], *, wanted: bool) -> None:
        """Keeps an order of the keys with an expiry, ``expires``, or none."""
        if not wanted:
            self.volatile = None
        elif self.volatile is None:
            self.volatile = Order(expires)
            self.volatile.sweep_ratio = SWEEP_RATIO

    def correct(self, contents: int, expiries: int) -> None:
        """Replaces what is charged for keys and values by ``contents`` (bytes), found by a walk through them."""
        self.change(contents + self.fixed(expiries) + self._tables - self.memory)

    def set_key_cost(self, cost: int) -> None:
        """Changes what is charged for each key, those that are there included (bytes)."""
        self.change((cost - self.key_cost) * len(self._data))
        self.key_cost = cost

    def _charged(self, key: bytes, value: Any) -> int:
        """The bytes charged for a value that leaves."""
        if value.__class__ is bytes:
            return own_size(value)
        self.live.pop(key, None)
        self.resting.pop(key, None)
        pending = self.pending.pop(key, None)
        large = self.large.pop(key, None)
        if pending is not None:
            return pending[0]
        return value_size(value, sizes.QUICK) if large is None else large


def key_cost(db: Database) -> int:
    """Bytes that each key of ``db`` takes in addition to its name and its value."""
    if db.access_log is None or not db.access_log.exact:
        return KEY
    return KEY + (_COUNT if isinstance(db.access_log, AccessCounts) else _TIME)


def fit_log(db: Database) -> None:
    """Keeps the log of accesses, if there is one, small while memory is limited; the periodic work calls this."""
    log, account = db.access_log, db.account
    if log is None or (log.exact and account is None):
        return
    log.fit(len(db.data))
    if account is not None and account.key_cost != key_cost(db):
        account.set_key_cost(key_cost(db))


def size_of(db: Database, key: bytes, value: Any, how: sizes.Sampling = sizes.USUAL) -> int:
    """Bytes that ``key`` takes with its ``value`` and its share of the tables."""
    size = key_cost(db) + sizes.of_bytes(len(key)) + value_size(value, how)
    return size + EXPIRY if key in db.expires else size


def contents(db: Database, sample: int = _SAMPLE) -> int:
    """Bytes that the keys and values of a database take, estimated from ``sample`` random keys if it has more."""
    data = db.data
    if len(data) <= sample:
        return sum([sizes.of_bytes(len(key)) + value_size(value, sizes.USUAL) for key, value in data.items()])
    # Random, since keys that were added together are often of one kind.
    picked = [key for key in (db.order.random() for _ in range(sample)) if key is not None]
    found = sum([sizes.of_bytes(len(key)) + value_size(data[key], sizes.USUAL) for key in picked])
    return found * len(data) // len(picked)


def begin(db: Database, account: Account) -> None:
    """Charges ``account``, which is new, for what is in ``db``."""
    account.begin(contents(db) if db.data else 0, table_bytes(db), len(db.expires))
    account.live.update((key, None) for key, value in db.data.items() if value.__class__ in CAN_REST)


def estimate(db: Database, sample: int = _SAMPLE) -> int:
    """Bytes that a database takes, as an account charges them: estimated from ``sample`` keys if it has more."""
    return contents(db, sample) + key_cost(db) * len(db.data) + EXPIRY * len(db.expires)
