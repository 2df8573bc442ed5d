"""Staying inside ``maxmemory``: keys are evicted before a command needs their room.

The databases keep an account while there is a limit (``keyspace.account``), and open a gate when they pass it.  While
that gate is open every command takes the long way, through ``make_room``; otherwise none pays.  What is held for
clients counts as well: it is counted anew some times a second.

Evicting has its time: what is not done in a slice (``maxmemory-eviction-tenacity``) goes on from the reactor, and
meanwhile commands are executed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_redis.engine.gates import IS_BUSY, IS_LOADING, IS_OVER_MEMORY, IS_PAUSED
from twisted_redis.engine.memory.last_use import LastUse
from twisted_redis.engine.units import SWEEP
from twisted_redis.keyspace.access import AccessCounts, AccessLog, AccessTimes
from twisted_redis.keyspace.eviction import Chooser

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

__all__ = ["DIRECTIVES", "Eviction"]

DIRECTIVES = (
    "maxmemory",
    "maxmemory-policy",
    "lfu-log-factor",
    "lfu-decay-time",
)
"""After a change of these ``Eviction.apply`` is to be called."""

_NO_LIMIT = 1 << 62
_COUNT_AGAIN_NS = 5_000_000
_RARE = 50
"""To count what clients hold takes at most one in so many parts of the time."""

_HELD_MOST = 1 << 18
"""Bytes of requests in parts after which clients are counted again."""

_SURVEY_EVERY = 60.0
"""What is estimated drifts: so often (s) the account is corrected."""

_LOOK_AT_CLOCK = 16
"""Evictions between two looks at the clock."""


class Eviction:
    """Evicts keys of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._chooser: Chooser | None = None
        self._timer: Any = None
        self._evicting = False
        #: Whether somebody has asked for idle times, so that they are kept whatever the policy.
        self.idle_wanted = False
        self.last_use = LastUse(engine.time, engine.commands.by_name, engine.stats)
        #: Whether the last command found no room: scripts, which do not evict, go by that.
        self.out_of_memory = False
        #: When (monotonic, s) the account is to be held against the data again.
        self._survey_after = 0.0
        self._surveyed = -1
        #: When clients are to be counted again before anything is evicted.
        self._count_after = 0
        #: Bytes of requests in parts that have come since then.
        self._held = 0
        #: Since when (monotonic, s) the limit is exceeded, and for how long it was before.
        self._exceeded_since: float | None = None
        self._exceeded = 0.0
        engine.state.overrun = self._overrun
        engine.info.add("stats", self._figures)
        engine.stats.resetters.append(self._reset)

    # the directives

    def apply(self) -> None:
        """Takes over the directives."""
        engine = self._engine
        config, state = engine.config, engine.state
        state.lfu_log_factor = config.lfu_log_factor
        state.lfu_decay_time = config.lfu_decay_time
        limit, policy = config.maxmemory, config.maxmemory_policy
        evicting = bool(limit) and policy != "noeviction"
        kind: type[AccessLog] | None = None
        if policy.endswith("-lfu"):
            kind = AccessCounts
        elif policy.endswith("-lru") or self.idle_wanted:
            kind = AccessTimes
        for db in engine.databases:
            db.log_accesses(kind)
            db.keep_account(bool(limit), volatile=evicting and policy.startswith("volatile-"))
        self._chooser = Chooser(engine.databases, policy) if evicting else None
        if limit:
            self.measure()
            if engine.gates & IS_OVER_MEMORY:
                self._go_on_later()
        else:
            state.memory_limit = _NO_LIMIT
            self._fits()

    def want_idle_times(self) -> None:
        """Logs the time of each access from now on, unless their frequencies are logged."""
        if not self.idle_wanted:
            self.idle_wanted = True
            state = self._engine.state
            if self.last_use.holds:
                state.before = min(state.before, self.last_use.since)
            for db in self._engine.databases:
                if db.access_log is None:
                    db.log_accesses(AccessTimes)

    def idle_seconds(self, db: Database, key: bytes) -> int:
        """Seconds since the last access to ``key``; the first such question turns the recording of access times on."""
        self.want_idle_times()
        return db.idle_ms(key) // 1000

    # the limit

    def measure(self) -> None:
        """Counts what is not data, and sees whether everything fits; several times a second while there is a limit."""
        engine = self._engine
        limit = engine.config.maxmemory
        if not limit:
            return
        clock = engine.clock_ns
        started = clock()
        self._held = 0
        engine.usage.count_clients()
        engine.state.memory_limit = limit - engine.usage.beside_data()
        over = self._is_over()
        if over and engine.usage.bound():
            over = self._is_over()
        now = clock()
        self._count_after = now + max(_COUNT_AGAIN_NS, _RARE * (now - started))
        if over:
            self._overrun()
        else:
            self._fits()
        time = engine.time.monotonic()
        if time > self._survey_after and engine.effects.dirty != self._surveyed:
            self._survey_after = time + _SURVEY_EVERY
            self._surveyed = engine.effects.dirty
            for db in engine.databases:
                if db.data:
                    engine.usage.survey(db)

    def note_held(self, size: int) -> None:
        """Notes that ``size`` bytes of a request have come in parts, which clients may hold for long."""
        if self._engine.config.maxmemory:
            self._held += size
            if self._held > _HELD_MOST and self._engine.clock_ns() > self._count_after:
                self.measure()

    def charge_changes(self) -> None:
        """Charges what was changed in place, so that the gate shows whether the command before passed the limit."""
        if self._is_over():
            self._overrun()

    def _is_over(self) -> bool:
        state = self._engine.state
        for db in self._engine.databases:
            if db.account is not None and db.account.pending:
                db.account.charge_changes()
        return state.memory > state.memory_limit

    def _overrun(self) -> None:
        self._engine.set_gate(IS_OVER_MEMORY, True)

    def _fits(self) -> None:
        self._engine.set_gate(IS_OVER_MEMORY, False)
        self.out_of_memory = False
        if self._exceeded_since is not None:
            self._exceeded += self._engine.time.monotonic() - self._exceeded_since
            self._exceeded_since = None

    def make_room(self) -> bool:
        """Before a command while the limit is exceeded: evicts; False if there is no room and nothing to be evicted."""
        engine = self._engine
        if engine.effects.depth or self._evicting:
            # Between the commands of a transaction or a script nothing is evicted.
            return not self.out_of_memory
        if engine.gates & (IS_LOADING | IS_BUSY | IS_PAUSED) or (
            engine.replication.is_replica and engine.config.replica_ignore_maxmemory
        ):
            self.out_of_memory = False
            return True
        if engine.state.memory <= engine.state.memory_limit:
            self._fits()
            return True
        if engine.clock_ns() > self._count_after:
            # What was held for clients may be gone by now.
            self.measure()
            if not engine.gates & IS_OVER_MEMORY:
                return True
        if self._exceeded_since is None:
            self._exceeded_since = engine.time.monotonic()
        self.out_of_memory = not self._evict()
        if self.out_of_memory and self._chooser is not None:
            # Nothing is left to be evicted: what is held for clients may have gone since it was counted.
            self.measure()
            self.out_of_memory = bool(engine.gates & IS_OVER_MEMORY)
        return not self.out_of_memory

    # evicting

    def _evict(self) -> bool:
        """Evicts for a slice of time; False if nothing is left to be evicted though the limit is exceeded."""
        engine = self._engine
        chooser = self._chooser
        if chooser is None:
            return False
        state = engine.state
        samples = engine.config.maxmemory_samples
        clock = engine.clock_ns
        started = clock()
        deadline = started + self._slice_ns()
        count = 0
        self._evicting = True
        try:
            with engine.unit(SWEEP):
                while state.memory > state.memory_limit:
                    choice = chooser.choose(samples)
                    if choice is None:
                        return False
                    self._evict_key(*choice)
                    count += 1
                    if not count % _LOOK_AT_CLOCK and clock() > deadline:
                        self._go_on_later()
                        return True
        finally:
            self._evicting = False
            engine.latency.note("eviction-cycle", (clock() - started) / 1_000_000)
        self._fits()
        return True

    def _evict_key(self, db: Database, key: bytes) -> None:
        engine = self._engine
        engine.lazyfree.remove(db, key, later=engine.config.lazyfree_lazy_eviction)
        engine.stats.evicted_keys += 1
        engine.effects.propagate(db, [b"UNLINK" if engine.config.lazyfree_lazy_eviction else b"DEL", key])
        engine.effects.signal(db, key)
        if engine.events.flags:
            engine.events.notify(db, key, "evicted")
        engine.effects.end_unit()  # each eviction is a unit of its own

    def _slice_ns(self) -> int:
        """How long may be evicted at a time, as Redis reckons it."""
        tenacity: int = self._engine.config.maxmemory_eviction_tenacity
        if tenacity <= 10:
            return 50_000 * tenacity
        if tenacity < 100:
            return int(500_000 * 1.15 ** (tenacity - 10))
        return 1 << 62

    def _go_on_later(self) -> None:
        if self._timer is None:
            self._timer = self._engine.time.call_later(0, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        engine = self._engine
        if engine.config.maxmemory and engine.gates & IS_OVER_MEMORY:
            self.make_room()

    # figures

    def _reset(self) -> None:
        self._exceeded_since = None
        self._exceeded = 0.0

    def _figures(self) -> list[tuple[str, Any]]:
        since = self._exceeded_since
        current = 0.0 if since is None else self._engine.time.monotonic() - since
        return [
            ("total_eviction_exceeded_time", int((self._exceeded + current) * 1000)),
            ("current_eviction_exceeded_time", int(current * 1000)),
        ]
