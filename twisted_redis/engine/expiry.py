"""The end of keys whose time has passed: met by a command, or found by the active cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.hash_fields import expire_due, forget_old_iids
from twisted_redis.engine.messages.notifications import EXPIRED
from twisted_redis.engine.units import SWEEP

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

__all__ = ["Expiry"]

_LOOK_AT_CLOCK = 16
"""Keys between two looks at the clock.  A step that finds no key takes as long as some of them."""

_FORGET_EVERY = 1000
"""The time (ms) between two looks for idempotent IDs that are too old."""


class Expiry:
    """Removes the expired keys of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: Whether keys that are due are removed before a command meets them (DEBUG SET-ACTIVE-EXPIRE).
        self.active = True
        #: When streams forget old idempotent IDs the next time (ms).
        self._forget_at = 0
        engine.state.expire = self.expire

    def expire(self, db: Database, key: bytes) -> None:
        """Removes an expired key, and tells everybody who has to know."""
        engine = self._engine
        later = engine.config.lazyfree_lazy_expire
        engine.lazyfree.remove(db, key, later)
        engine.stats.expired_keys += 1
        engine.effects.propagate(db, [b"UNLINK" if later else b"DEL", key])
        engine.effects.signal(db, key)
        if engine.events.flags & EXPIRED:
            engine.events.notify(db, key, "expired")

    def cycle(self, budget_ns: int = 2_000_000) -> bool:
        """Removes keys and fields that are due, for about ``budget_ns``; returns True if some may be left."""
        engine = self._engine
        if engine.state.now >= self._forget_at:
            self._forget_at = engine.state.now + _FORGET_EVERY
            forget_old_iids(engine)
        if engine.state.hide_expired or engine.state.expiry_paused or not self.active:
            return False
        clock = engine.clock_ns
        started = clock()
        deadline = started + budget_ns
        try:
            with engine.unit(SWEEP):
                return any(self._sweep(db, deadline) for db in engine.databases)
        finally:
            taken = clock() - started
            engine.stats.expire_cycle_ns += taken
            engine.latency.note("expire-cycle", taken / 1_000_000)

    def _sweep(self, db: Database, deadline: int) -> bool:
        """Sweeps one database until ``deadline`` (ns); returns True if the time did not suffice."""
        engine = self._engine
        # Each examined key counts, removed or not: a key may not be due yet, or no longer.
        slots = db.slots if db.slots is not None and db.slots.hidden else None
        for count, key in enumerate(db.wheel.due(engine.state.now), 1):
            if key is not None and slots is not None and slots.is_hidden(key):
                slots.put_off.append(key)
            elif key is not None:
                before = engine.stats.expired_keys
                self.expire(db, key)
                engine.stats.swept_keys += engine.stats.expired_keys - before
                engine.effects.end_unit()  # each expiry is a unit of its own
            if (key is None or not count % _LOOK_AT_CLOCK) and engine.clock_ns() > deadline:
                engine.stats.expire_cap_reached += 1
                return True
        if not db.field_wheel:
            return False
        before = engine.stats.expired_fields
        left = expire_due(engine, db, deadline)
        engine.stats.swept_fields += engine.stats.expired_fields - before
        return left
