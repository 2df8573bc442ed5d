"""Visits all keys of a database in slices of time, and lets the server handle its clients in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted_redis.datatypes.order import Order

if TYPE_CHECKING:
    from twisted_redis.engine.clock import Clocks
    from twisted_redis.keyspace.database import Database

__all__ = ["Walk"]

_SLICE_NS = 2_000_000
_PAUSE = 0.01
"""The time between two slices (s)."""

_REST = 0.5
"""The time between two looks whether a snapshot is complete (s)."""

_KEYS = 64
"""The number of keys visited between two reads of the clock."""


class Walk:
    """Calls ``visit`` with a few keys at a time, and finally ``done``.

    It visits every key that exists during the whole walk.  ``done`` gets the time of the walk (ns, without pauses).  If
    the database is emptied or swapped, the walk ends without calling ``done``.

    It rests while a child process writes a snapshot: to visit a key counts references, and that would copy memory which
    the two processes share.
    """

    def __init__(
        self,
        clocks: Clocks,
        db: Database,
        visit: Callable[[list[bytes]], None],
        done: Callable[[int], None],
        *,
        slice_ns: int = _SLICE_NS,
        keys: int = _KEYS,
        pause: Callable[[], float] = lambda: _PAUSE,
    ) -> None:
        """Begins the walk soon.

        A slice takes ``slice_ns``, with a look at the clock after every ``keys`` keys.  ``pause`` returns the time
        until the next one (s).
        """
        self._slice_ns = slice_ns
        self._keys = keys
        self._pause = pause
        self._clocks = clocks
        self._order = db.order
        self._db = db
        self._visit = visit
        self._done = done
        self._cursor = 0
        self._taken = 0
        self.running = True
        self._timer: Any = clocks.time.call_later(0, self._continue)

    def stop(self) -> None:
        """Ends the walk at once."""
        self.running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _continue(self) -> None:
        self._timer = None
        if self._db.order is not self._order:
            self.running = False
            return
        if Order.saving:
            self._timer = self._clocks.time.call_later(_REST, self._continue)
            return
        clock = self._clocks.clock_ns
        started = now = clock()
        while now - started < self._slice_ns:
            self._cursor, keys = self._order.scan(self._cursor, self._keys)
            self._visit(keys)
            now = clock()
            if not self._cursor:
                self.running = False
                self._done(self._taken + now - started)
                return
        self._taken += now - started
        self._timer = self._clocks.time.call_later(self._pause(), self._continue)
