"""Keeps memory below ``maxmemory`` by evicting keys before a command runs that may need space.

While there is a limit, the databases keep an account (``keyspace.account``), and close a gate when they exceed it.
While that gate is closed every command takes the slow path, through ``make_room``; otherwise commands pay nothing.
Memory that is held for clients counts as well; it is measured several times a second.

Eviction is limited to slices of time (``maxmemory-eviction-tenacity``).  If a slice is not enough, the reactor
continues later, and commands run in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_redis.engine.gates import IS_BUSY, IS_LOADING, IS_OVER_MEMORY, IS_PAUSED
from twisted_redis.engine.memory.last_use import LastUse
from twisted_redis.engine.memory.pressure import pack_some, rest_some
from twisted_redis.engine.units import SWEEP
from twisted_redis.keyspace.access import AccessCounts, AccessLog, AccessTimes, ChangeTimes
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
"""The directives after whose change ``Eviction.apply`` must be called."""

_NO_LIMIT = 1 << 62
_SHORTEST_INTERVAL_NS = 5_000_000
_INTERVAL_FACTOR = 50
"""Measuring the clients takes at most one part in this many of the time."""

_HELD_LIMIT = 1 << 18
"""After this many bytes of partial requests, clients are measured again."""

_SURVEY_EVERY = 60.0
"""The account drifts, since it contains estimates; it is corrected after this time (s)."""

_REST_NS = 1_000_000
"""The time in which collections begin to rest, each time (ns)."""

_CLOCK_EVERY = 16
"""The number of evictions between two reads of the clock."""


def _note_change(db: Database, key: bytes, by_command: bool = False) -> None:
    """Notes the time of a change of ``key``, unless the change has removed it."""
    log = db.access_log
    if isinstance(log, ChangeTimes) and key in db.data:
        log.changed(key)


class Eviction:
    """Evicts keys of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._chooser: Chooser | None = None
        self._timer: Any = None
        self._evicting = False
        #: True if a client has asked for idle times; access times are then recorded under every policy.
        self.idle_wanted = False
        self.last_use = LastUse(engine.time, engine.commands.by_name, engine.stats)
        #: True if the last command found no room.  Scripts, which do not evict, use this value.
        self.out_of_memory = False
        #: The time (monotonic, s) of the next comparison of the account with the data.
        self._survey_after = 0.0
        self._surveyed = -1
        #: The time (ns) from which clients are measured again before anything is evicted.
        self._measure_after = 0
        #: Bytes of partial requests since clients were measured.
        self._held = 0
        #: The time (monotonic, s) since which the limit is exceeded, and the total of earlier such times (s).
        self._exceeded_since: float | None = None
        self._exceeded = 0.0
        engine.state.overrun = self._overrun
        engine.info.add("stats", self._figures)
        engine.stats.resetters.append(self._reset)

    # the directives

    def apply(self) -> None:
        """Applies the directives."""
        engine = self._engine
        config, state = engine.config, engine.state
        state.lfu_log_factor = config.lfu_log_factor
        state.lfu_decay_time = config.lfu_decay_time
        limit, policy = config.maxmemory, config.maxmemory_policy
        evicting = bool(limit) and policy != "noeviction"
        kind: type[AccessLog] | None = None
        if policy.endswith("-lfu"):
            kind = AccessCounts
        elif policy.endswith("-lrm"):
            kind = ChangeTimes
        elif policy.endswith("-lru") or self.idle_wanted:
            kind = AccessTimes
        self._observe_changes(kind is ChangeTimes)
        for db in engine.databases:
            db.log_accesses(kind)
            db.keep_account(bool(limit), volatile=evicting and policy.startswith("volatile-"))
        self._chooser = Chooser(engine.databases, policy) if evicting else None
        if limit:
            self.measure()
            if engine.gates & IS_OVER_MEMORY:
                self._resume_later()
        else:
            state.memory_limit = _NO_LIMIT
            self._fits()

    def _observe_changes(self, wanted: bool) -> None:
        """Has changes of keys noted in their logs from now on, or no more."""
        effects = self._engine.effects
        observed = _note_change in effects.observers
        if wanted and not observed:
            effects.observers.append(_note_change)
        elif observed and not wanted:
            effects.observers.remove(_note_change)
        effects.refresh()

    def want_idle_times(self) -> None:
        """Records the time of each access from now on, unless access frequencies are recorded."""
        if not self.idle_wanted:
            self.idle_wanted = True
            state = self._engine.state
            if self.last_use.holds:
                state.before = min(state.before, self.last_use.since)
            for db in self._engine.databases:
                if db.access_log is None:
                    db.log_accesses(AccessTimes)

    def idle_seconds(self, db: Database, key: bytes) -> int:
        """Returns the seconds since the last access to ``key``; the first call starts to record access times."""
        self.want_idle_times()
        return db.idle_seconds(key)

    # the limit

    def measure(self) -> None:
        """Measures all memory besides the data, and updates the gate; called several times a second under a limit."""
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
        self._measure_after = now + max(_SHORTEST_INTERVAL_NS, _INTERVAL_FACTOR * (now - started))
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
        """Records that ``size`` bytes of a partial request have arrived, which the client may hold for a long time."""
        engine = self._engine
        if not engine.config.maxmemory:
            return
        self._held += size
        if self._held > _HELD_LIMIT and (self._may_overrun() or engine.clock_ns() > self._measure_after):
            self.measure()

    def _may_overrun(self) -> bool:
        """True if the partial requests since the last measurement may exceed the limit."""
        state = self._engine.state
        return state.memory + self._held > state.memory_limit and not self._engine.gates & IS_OVER_MEMORY

    def charge(self, size: int) -> None:
        """Counts ``size`` bytes besides the data at once; the next measurement must find them as well.

        A negative ``size`` is memory that has become free.
        """
        state = self._engine.state
        if self._engine.config.maxmemory:
            state.memory_limit -= size
            if state.memory > state.memory_limit:
                self._overrun()

    def charge_changes(self) -> None:
        """Adds changes made in place to the account, so that the gate shows if the last command exceeded the limit."""
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
        """Evicts keys before a command, while the limit is exceeded; False if there is no room and no key to evict."""
        engine = self._engine
        if engine.effects.depth or self._evicting:
            # Nothing is evicted between the commands of a transaction or a script.
            return not self.out_of_memory
        if engine.gates & (IS_LOADING | IS_BUSY | IS_PAUSED) or (
            engine.replication.is_replica and engine.config.replica_ignore_maxmemory
        ):
            self.out_of_memory = False
            return True
        if engine.state.memory <= engine.state.memory_limit:
            self._fits()
            return True
        if engine.clock_ns() > self._measure_after:
            # Clients may hold less by now.
            self.measure()
            if not engine.gates & IS_OVER_MEMORY:
                return True
        if self._exceeded_since is None:
            self._exceeded_since = engine.time.monotonic()
        self.out_of_memory = not self._evict()
        if self.out_of_memory and self._chooser is not None:
            # No key is left to evict, but clients may hold less than when they were measured.
            self.measure()
            self.out_of_memory = bool(engine.gates & IS_OVER_MEMORY)
        return not self.out_of_memory

    def let_rest(self) -> None:
        """Lets collections rest that may have to be packed soon; the periodic work calls this under a limit."""
        engine, state = self._engine, self._engine.state
        if not self._may_pack() or state.memory < state.memory_limit // 4 * 3:
            return
        clock = engine.clock_ns
        deadline = clock() + _REST_NS
        for db in engine.databases:
            while clock() < deadline and rest_some(db):
                pass

    # evicting

    def _may_pack(self) -> bool:
        return bool(self._engine.config.pack_idle_seconds) and not self._engine.packing.must_wait()

    def _pack(self, deadline: int) -> bool:
        """Packs collections until ``deadline`` (ns), or until memory fits; returns False if keys must be evicted."""
        engine, state = self._engine, self._engine.state
        clock = engine.clock_ns
        if not self._may_pack():
            return False
        for db in engine.databases:
            if db.account is not None and (db.account.live or db.account.resting):
                values, size = pack_some(
                    db,
                    lambda: state.memory <= state.memory_limit or clock() > deadline,
                    hurry=self._chooser is None,
                )
                engine.packing.note_packed(values, size, db)
        if state.memory <= state.memory_limit:
            self._fits()
            return True
        if clock() <= deadline:
            return False
        self._resume_later()
        return True

    def _evict(self) -> bool:
        """Evicts for one slice of time; False if the limit is still exceeded and no key is left to evict."""
        engine = self._engine
        chooser = self._chooser
        state = engine.state
        samples = engine.config.maxmemory_samples
        clock = engine.clock_ns
        started = clock()
        deadline = started + self._slice_ns()
        if self._pack(deadline):
            return True
        if chooser is None:
            return False
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
                    if not count % _CLOCK_EVERY and clock() > deadline:
                        self._resume_later()
                        return True
        finally:
            self._evicting = False
            engine.refitting.evicted(count)
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
        engine.effects.end_unit()  # each eviction is its own unit

    def _slice_ns(self) -> int:
        """Returns the length of a slice (ns), by the formula of Redis."""
        tenacity: int = self._engine.config.maxmemory_eviction_tenacity
        if tenacity <= 10:
            return 50_000 * tenacity
        if tenacity < 100:
            return int(500_000 * 1.15 ** (tenacity - 10))
        return 1 << 62

    def _resume_later(self) -> None:
        if self._timer is None:
            self._timer = self._engine.time.call_later(0, self._resume)

    def _resume(self) -> None:
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
