"""Gives a database a smaller dict when keys that come and go have made its dict too large (``keyspace.tables``).

A large dict is copied in slices.  Meanwhile the account of the database repeats each change in the copy, so this
happens only while memory is limited.  Without a limit, only a dict that has lost nearly all of its keys is replaced, at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from twisted_redis.datatypes.order import Order
from twisted_redis.engine.memory.trim import trim
from twisted_redis.keyspace.account import fit_log
from twisted_redis.keyspace.tables import places, table_bytes, use_table, wanted_places

if TYPE_CHECKING:
    from twisted_redis.engine.clock import Clocks
    from twisted_redis.keyspace.account import Account
    from twisted_redis.keyspace.database import Database

__all__ = ["Refitting"]

_AT_ONCE: Final = 1 << 14
"""Keys of a dict that is replaced at once, which takes 0.1 us a key."""

_SLICE_NS: Final = 1_000_000
_PAUSE: Final = 0.005
"""The time of a slice (ns), and the time between two (s)."""

_REST: Final = 0.5
"""The time between two looks whether a snapshot is complete (s)."""

_KEYS: Final = 256
"""Keys that are copied, or entries that are freed, between two looks at the clock."""

_FOR_EVICTION: Final = 8
"""Keys that are copied for each key that is evicted, so that a copy is complete before the dict is full."""


class _Copy(NamedTuple):
    """A copy in progress."""

    db: Database
    account: Account
    table: dict[bytes, Any]


class _Fit(NamedTuple):
    """What was known of a dict when it got its table: the places, the keys added by then, the places that were left."""

    table: dict[bytes, Any]
    places: int
    added: int
    room: int


class Refitting:
    """The dicts of the databases of one engine; one of them is copied at a time."""

    def __init__(self, clocks: Clocks, must_wait: Callable[[], bool]) -> None:
        """``must_wait`` tells whether no dict may be replaced now."""
        self._clocks = clocks
        self._told_to_wait = must_wait
        self._copy: _Copy | None = None
        #: The cursor of the keys that are copied next, and whether all are.
        self._cursor = 0
        self._complete = False
        #: The dicts before, which are freed bit by bit.
        self._old: list[dict[bytes, Any]] = []
        self._fits: dict[Database, _Fit] = {}

    def tick(self, databases: Sequence[Database]) -> None:
        """Looks at the tables of ``databases``, and has the accounts follow; the periodic work calls this."""
        for db in databases:
            fit_log(db)
            if self._copy is None and not self._must_wait():
                self._look(db)
            account = db.account
            if account is not None and account.copy is None:
                account.charge_tables(table_bytes(db), len(db.expires))

    def evicted(self, count: int) -> None:
        """Goes on with a copy after ``count`` keys were evicted."""
        if self._copy is not None and not self._must_wait():
            self._copy_some(self._copy, _FOR_EVICTION * count)

    def _must_wait(self) -> bool:
        # A child that saves shares the memory of the keys and values, whose counters of references a copy changes.
        return Order.saving or self._told_to_wait()

    def _look(self, db: Database) -> None:
        """Replaces the dict of ``db``, or begins to copy it, if it is too large or nearly full."""
        keys, account = len(db.data), db.account
        wanted = wanted_places(keys)
        fit = self._fit(db)
        if fit.places > wanted:
            pass
        elif account is None or fit.places < wanted or db.order.added() - fit.added <= fit.room * 3 // 4:
            return
        if keys <= _AT_ONCE:
            table: dict[bytes, Any] = {}
            table.update(db.data)
            self._replace(db, table)
        elif account is not None:
            account.copy = {}
            self._copy = _Copy(db, account, account.copy)
            self._cursor, self._complete = 0, False
            self._clocks.time.call_later(0, self._go_on)

    def _fit(self, db: Database) -> _Fit:
        """Returns what is known of the dict of ``db``, which gets another table by itself as well."""
        fit, size = self._fits.get(db), places(db.data)
        if fit is None or fit.table is not db.data or fit.places != size:
            fit = self._fits[db] = _Fit(db.data, size, db.order.added(), size - len(db.data))
        return fit

    def _go_on(self) -> None:
        """Copies keys for a slice of time, and uses the copy once it is complete."""
        copy = self._copy
        if copy is None:
            return
        db, account, table = copy
        if db.account is not account or account.copy is not table:
            self._end(account)  # the database was emptied, filled or swapped, or the limit is gone
            return
        clock = self._clocks.clock_ns
        started = clock()
        waiting = self._must_wait()
        while not (waiting or self._complete) and clock() - started < _SLICE_NS:
            self._copy_some(copy, _KEYS)
        if waiting or not self._complete:
            self._clocks.time.call_later(_REST if waiting else _PAUSE, self._go_on)
            return
        self._end(account)
        # Never while a command runs: it may hold the dict.
        if len(table) == len(db.data):
            self._replace(db, table)

    def _copy_some(self, copy: _Copy, count: int) -> None:
        if not self._complete:
            self._cursor, keys = copy.db.order.scan(self._cursor, count)
            copy.table.update(zip(keys, map(copy.db.data.__getitem__, keys), strict=True))
            self._complete = not self._cursor

    def _end(self, account: Account) -> None:
        account.copy = None
        self._copy = None

    def _replace(self, db: Database, table: dict[bytes, Any]) -> None:
        self._old.append(use_table(db, table))
        if len(self._old) == 1:
            self._free_some()

    def _free_some(self) -> None:
        clock = self._clocks.clock_ns
        started = clock()
        while self._old and not Order.saving and clock() - started < _SLICE_NS:
            table = self._old[-1]
            pop = table.popitem
            for _ in range(min(_KEYS, len(table))):
                pop()
            if not table:
                self._old.pop()
                # The C library keeps a large block that is freed in the middle of its heap.
                del table, pop
                trim()
        if self._old:
            self._clocks.time.call_later(_REST if Order.saving else _PAUSE, self._free_some)
