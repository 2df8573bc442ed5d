"""What a command leaves behind beside its reply, and whom it is told.

A command says that it changed a key; who watches, waits, caches or subscribes learns of it at once or at the end of the
unit of execution (a command, an EXEC, a served waiter, an expiry), and the sinks get what is to be done elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

from twisted_redis.config import Config
from twisted_redis.engine.blocking import serve_ready
from twisted_redis.engine.declare.flags import TOUCHES_ARBITRARY_KEYS
from twisted_redis.engine.hash_fields import expire_due, signal
from twisted_redis.engine.messages.notifications import ALL_CLASSES, EXPIRED, KEY_MISS, NEW, class_of
from twisted_redis.engine.mishaps import report
from twisted_redis.engine.propagation import EVERYBODY, directed
from twisted_redis.engine.transactions import touch
from twisted_redis.keyspace.database import Database, KeyspaceState

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine
    from twisted_redis.engine.introspect.latency import LatencyMonitor
    from twisted_redis.engine.introspect.stats import Statistics
    from twisted_redis.engine.memory.lazyfree import LazyFree
    from twisted_redis.engine.messages.pubsub import PubSub

__all__ = ["Effect", "Effects", "Sink"]

#: (database number, command with its arguments)
Effect = tuple[int, "list[bytes]"]


class Sink(Protocol):
    """Where effects go: the AOF, replicas, a test's list."""

    def feed(self, effects: list[Effect]) -> None:
        """Takes the effects of one unit of execution; several belong together (MULTI/EXEC).

        Those of a class of ``engine.propagation`` are for replicas alone, or for the append-only file alone.
        """

    def missed(self) -> None:
        """Effects could not be taken (``feed`` has failed): what the sink keeps is no longer complete."""


class Effects:
    """The part of the engine that gathers effects and hands them out."""

    config: Config
    state: KeyspaceState
    databases: list[Database]
    stats: Statistics
    latency: LatencyMonitor
    lazyfree: LazyFree
    pubsub: PubSub
    clock_ns: Callable[[], int]
    begin_turn: Callable[[], None]
    end_turn: Callable[[], None]
    refresh_time: Callable[[], None]

    def __init__(self) -> None:
        self.dirty = 0
        #: Whether anybody wants to know which keys change.
        self.observed = False
        self.sinks: list[Sink] = []
        self.effects: list[Effect] = []
        self.override: tuple[list[bytes], ...] | None = None
        self.touched = False
        #: Whether something is to be done after the running command.
        self.pending = False
        self.ready: dict[tuple[Database, bytes], None] = {}
        #: The client whose request is not answered yet, if it is one that may get messages behind its reply. The call
        #: of another one may be served meanwhile (``engine.current``).
        self.caller: Client | None = None
        #: Those that became ready for calls which a pause holds back.
        self.ready_later: dict[tuple[Database, bytes], None] = {}
        #: Whether the calls that wait for ready keys are being run.
        self.serving = False
        self.notify_flags = 0
        #: The classes of events that are published; ``notify_flags`` are these and those that hooks want.
        self.published_flags = 0
        #: Told of each event by modules: (database, key, event).
        self.event_hooks: list[Callable[[Database, bytes, str], None]] = []
        #: Whom a running script has chosen for its effects (``redis.set_repl``).
        self.script_targets = EVERYBODY
        #: Others who want to know of a changed key: (database, key), and True where the running command changed it
        #: (not expiry, not eviction).
        self.observers: list[Callable[..., None]] = []
        self.blocked_count = 0
        self.watch_count = 0
        #: Units of execution that stand in one another: a transaction or a script is one above its commands.
        self.depth = 0
        #: Clients whose writes have no place in the replication stream yet, where there is one.
        self.writers: dict[Client, None] | None = None
        #: Whether keys that are due are removed before somebody meets them.
        self.active_expire = True

    def refresh_observed(self) -> None:
        """Recomputes whether anybody listens to changes of keys; call when such an interest comes or goes."""
        self.observed = bool(
            self.sinks or self.watch_count or self.blocked_count or self.notify_flags or self.observers
        )

    def add_sink(self, sink: Sink) -> None:
        """Has ``sink`` told of all effects from now on."""
        self.sinks.append(sink)
        self.refresh_observed()

    def remove_sink(self, sink: Sink) -> None:
        """Stops telling ``sink``."""
        self.sinks.remove(sink)
        self.refresh_observed()

    def observe(self, db: Database, key: bytes, event: str) -> None:
        """A key has changed while somebody listens."""
        if self.sinks:
            self.touched = True
            self.pending = True
        if db.watched and key in db.watched:
            touch(db, key)
        if db.waiting and key in db.waiting:
            self.ready[(db, key)] = None
            self.pending = True
        for observer in self.observers:
            observer(db, key, True)
        if self.notify_flags and event:
            self.notify(db, key, event)

    def raise_events(self, flags: int) -> None:
        """Raises the keyspace events of the classes in ``flags`` from now on, and no others."""
        self.published_flags = flags
        self.state.added = (lambda db, key: self.notify(db, key, "new")) if flags & NEW else None
        self.state.missed = (lambda db, key: self.notify(db, key, "keymiss")) if flags & KEY_MISS else None
        self.refresh_events()

    def refresh_events(self) -> None:
        """Recomputes which events are raised; call when a hook comes or goes."""
        self.notify_flags = self.published_flags | (ALL_CLASSES if self.event_hooks else 0)
        self.refresh_observed()

    def notify(self, db: Database, key: bytes, event: str) -> None:
        """Publishes a keyspace event, if its class is wanted."""
        for hook in self.event_hooks:
            hook(db, key, event)
        flags = self.published_flags
        if not flags & class_of(event):
            return
        if flags & 1:
            self.pubsub.publish(b"__keyspace@%d__:%b" % (db.index, key), event.encode())
        if flags & 2:
            self.pubsub.publish(b"__keyevent@%d__:%b" % (db.index, event.encode()), key)

    def after(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """What a command leaves behind: its effects are recorded, and at the end of the unit sent out."""
        if self.touched and not (self.depth or self.effects) and self.override is None and not self.ready:
            # Most writes by far: one command, which is a unit by itself and goes out as it came, to everybody.
            self.touched = self.pending = False
            if self.writers is not None:
                self.writers[client] = None
            self._feed([(client.db.index, argv)])
            return
        if self.override is not None:
            index = client.db.index
            if self.script_targets == EVERYBODY:
                self.effects.extend((index, argv) for argv in self.override)
            elif self.script_targets:
                self.effects.extend((index, directed(argv, self.script_targets)) for argv in self.override)
            self.override = None
        elif self.touched:
            if self.script_targets == EVERYBODY:
                self.effects.append((client.db.index, argv))
            elif self.script_targets:
                self.effects.append((client.db.index, directed(argv, self.script_targets)))
        self.touched = False
        self.pending = False
        if self.writers is not None and self.effects:
            self.writers[client] = None
        if not self.depth:
            if command.flags & TOUCHES_ARBITRARY_KEYS:
                # What happened to be expired among the keys it met is no transaction.
                effects, self.effects = self.effects, []
                for effect in effects:
                    self.effects = [effect]
                    self.end_unit()
            else:
                self.end_unit()

    def end_unit(self) -> None:
        """Ends a unit of execution: effects to the sinks, then the clients that waited for its keys."""
        if self.effects:
            self._hand_out()
        if self.ready:
            self.refresh_time()  # each call that is served is a unit of its own
            serve_ready(cast("Engine", self))
            if self.effects:
                # Keys that were found expired when they were to be served.
                self._hand_out()

    def _hand_out(self) -> None:
        effects = self.effects
        self.effects = []
        self._feed(effects)

    def _feed(self, effects: list[Effect]) -> None:
        """Hands effects to every sink.  One that fails is told so, and costs the others nothing."""
        for sink in self.sinks:
            try:
                sink.feed(effects)
            except Exception:
                report(cast("Engine", self), "A sink of effects has failed")
                sink.missed()

    def propagate(self, db: Database, argv: list[bytes]) -> None:
        """Adds an effect that no command made by itself: an expiry, an eviction."""
        if self.sinks:
            self.effects.append((db.index, argv))
            self.pending = True

    def _expire(self, db: Database, key: bytes) -> None:
        """Removes an expired key that somebody met."""
        self.lazyfree.remove(db, key, self.config.lazyfree_lazy_expire)
        self.stats.expired_keys += 1
        self.propagate(db, [b"UNLINK" if self.config.lazyfree_lazy_expire else b"DEL", key])
        signal(cast("Engine", self), db, key)
        if self.notify_flags & EXPIRED:
            self.notify(db, key, "expired")

    def mark_dirty(self, n: int) -> None:
        """Counts ``n`` changes of no single key (FLUSHALL, SWAPDB), so that the command propagates."""
        self.dirty += n
        if self.sinks:
            self.touched = True
            self.pending = True

    # expiry

    def expire_cycle(self, budget_ns: int = 2_000_000) -> bool:
        """Removes keys that are due, for at most about ``budget_ns``; tells whether some may be left."""
        if self.state.hide_expired or self.state.expiry_paused or not self.active_expire:
            return False
        clock = self.clock_ns
        started = clock()
        self.begin_turn()
        self.depth += 1
        try:
            deadline = started + budget_ns
            now = self.state.now
            for db in self.databases:
                # Each examined key counts, removed or not: a key may not be due yet, or no longer.
                for count, key in enumerate(db.wheel.due(now), 1):
                    if key is not None:
                        self._expire(db, key)
                        if self.effects or self.ready:
                            self.end_unit()  # each expiry is a unit of its own
                    if not count & 15 and clock() > deadline:
                        self.stats.expire_cap_reached += 1
                        return True
                if db.field_wheel and expire_due(cast("Engine", self), db, deadline):
                    return True
            return False
        finally:
            taken = clock() - started
            self.stats.expire_cycle_ns += taken
            self.latency.note("expire-cycle", taken / 1_000_000)
            self.depth -= 1
            self.pending = False
            self.end_turn()
