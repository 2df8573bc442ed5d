"""The effects of commands beside their replies, and everybody who is told of them.

A command says that it changed a key.  Clients that watch, wait, cache or subscribe learn of it at once, or at the end
of the unit of execution (``engine.units``).  The sinks get what has to be done elsewhere, at the end of the unit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twisted_redis.engine.blocking import serve_ready
from twisted_redis.engine.declare.flags import TOUCHES_ARBITRARY_KEYS
from twisted_redis.engine.journal import Journal
from twisted_redis.engine.mishaps import report
from twisted_redis.engine.propagation import EVERYBODY, NOBODY, Effect, Sink
from twisted_redis.engine.transactions import touch

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

__all__ = ["Effects"]


class Effects:
    """Gathers what the running unit of execution leaves behind, and hands it out at the end of the unit."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: Changes of the data, as INFO and save points count them.
        self.dirty = 0
        #: Whether anybody wants to know which keys change.
        self.observed = False
        #: Whether the sinks do, and nobody else: then there is no need to look who waits for the key.
        self.only_recording = False
        self.sinks: list[Sink] = []
        #: The audience that the sinks stand for together.
        self.sink_audience = NOBODY
        #: Whether the sinks are told of effects now: there are any, and no file is being loaded.
        self.recording = False
        self._muted = 0
        #: What the sinks get next.
        self.journal = Journal()
        #: Others that want to know of a changed key: (database, key), and True where the running command changed it
        #: (neither expiry nor eviction did).
        self.observers: list[Callable[..., None]] = []
        #: Keys that are watched, once for each client.
        self.watch_count = 0

        # The running command.

        #: Whether something has to be done after it.
        self.pending = False
        #: Whether it has changed a key.
        self.touched = False
        #: The commands that are propagated in its place (``ctx.propagate_as``).
        self.override: list[Effect] | None = None
        #: The audience that a script has chosen for its effects (``redis.set_repl``).
        self.audience = EVERYBODY

        # The running unit.

        #: Units that stand in one another: a transaction or a script is one above its commands.
        self.depth = 0
        self.gathered: list[Effect] = []
        #: Keys that became ready for calls that wait for them.
        self.ready: dict[tuple[Database, bytes], None] = {}
        #: Clients whose writes have no place in the replication stream yet; None without such a stream.
        self.writers: dict[Client, None] | None = None

    # the listeners

    def refresh(self) -> None:
        """Recomputes whether anybody listens to changes of keys, and the audience of the sinks.

        Call it when such an interest comes or goes.
        """
        engine = self._engine
        self.sink_audience = NOBODY
        for sink in self.sinks:
            self.sink_audience |= sink.audience
        self.recording = bool(self.sinks) and not self._muted
        others = bool(self.watch_count or engine.waiting.count or engine.events.flags or self.observers)
        self.observed = self.recording or others
        self.only_recording = self.recording and not others

    def add_sink(self, sink: Sink) -> None:
        """Has ``sink`` told of all effects from now on."""
        self.deliver()
        self.sinks.append(sink)
        self.refresh()

    def remove_sink(self, sink: Sink) -> None:
        """Stops telling ``sink``."""
        self.deliver()
        self.sinks.remove(sink)
        self.refresh()

    def mute(self) -> None:
        """Tells the sinks nothing until ``unmute``: what happens is in their files already."""
        self._muted += 1
        self.refresh()

    def unmute(self) -> None:
        """Ends a ``mute``."""
        self._muted -= 1
        self.refresh()

    # the running command

    def observe(self, db: Database, key: bytes, event: str, fields: Sequence[bytes] = ()) -> None:
        """A key has changed while somebody listens; in a hash, ``fields`` have."""
        if self.recording:
            self.touched = True
            self.pending = True
        if db.watched and key in db.watched:
            touch(db, key)
        if db.waiting and key in db.waiting:
            self.ready[(db, key)] = None
            self.pending = True
        for observer in self.observers:
            observer(db, key, True)
        events = self._engine.events
        if events.flags and event:
            events.notify(db, key, event, fields)

    def signal(self, db: Database, key: bytes) -> None:
        """Tells those who watch, wait or cache that a key has changed, which no command has changed."""
        if self.observed:
            if db.watched and key in db.watched:
                touch(db, key)
            if db.waiting and key in db.waiting:
                self.make_ready(db, key)
            for observer in self.observers:
                observer(db, key)

    def make_ready(self, db: Database, key: bytes) -> None:
        """Has the calls that wait for ``key`` looked at when the unit ends."""
        self.ready[(db, key)] = None
        self.pending = True

    def mark_dirty(self, n: int) -> None:
        """Counts ``n`` changes of no single key (FLUSHALL, SWAPDB), so that the command propagates."""
        self.dirty += n
        if self.recording:
            self.touched = True
            self.pending = True

    def replace(self, effects: list[Effect]) -> None:
        """Has ``effects`` propagated in place of the running command; call only while ``recording``."""
        self.override = effects
        self.pending = True

    def propagate(self, db: Database, argv: list[bytes]) -> None:
        """Adds an effect that no command made by itself: an expiry, an eviction."""
        if self.recording:
            self.gathered.append(Effect(db.index, argv))
            self.pending = True

    def wrote(self, client: Client) -> None:
        """Notes that ``client`` has written: its place in the replication stream is where its effects will stand."""
        if self.writers is not None:
            self.writers[client] = None

    def wrote_through(self, caller: Client, client: Client) -> None:
        """Counts what ``client`` has written as written by ``caller``, whose script calls commands as ``client``."""
        writers = self.writers
        if writers is not None and client in writers:
            del writers[client]
            writers[caller] = None

    def after(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """Records what a command leaves behind, and hands it out if the command is a unit by itself."""
        if self.touched and not (self.depth or self.gathered) and self.override is None and not self.ready:
            # The great majority of writes: one command, which is a unit by itself and goes to all sinks as it came.
            if self.writers is not None:
                self.writers[client] = None
            try:
                self.journal.add(client.db.index, argv)
            except Exception:
                self.journal.keep((Effect(client.db.index, argv),))
            self.touched = self.pending = False
            return
        if self.override is not None:
            for effect in self.override:
                self._gather(effect)
        elif self.touched:
            self._gather(Effect(client.db.index, argv))
        self.forget_command()
        if self.gathered:
            self.wrote(client)
        if not self.depth:
            if command.flags & TOUCHES_ARBITRARY_KEYS:
                # Expired keys that the command met by chance do not make a transaction.
                gathered, self.gathered = self.gathered, []
                for effect in gathered:
                    self.gathered = [effect]
                    self.end_unit()
            else:
                self.end_unit()

    def _gather(self, effect: Effect) -> None:
        """Adds an effect of the running command to the unit, unless no sink stands for its audience."""
        audience = effect.audience & self.audience
        if audience != effect.audience:
            effect = effect._replace(audience=audience)
        if audience & self.sink_audience:
            self.gathered.append(effect)

    def forget_command(self) -> None:
        """Forgets what the running command has said of itself."""
        self.touched = self.pending = False
        self.override = None

    def forget_unit(self) -> None:
        """Forgets what the running unit has gathered; the calls that wait for its keys are served all the same."""
        self.forget_command()
        self.gathered.clear()

    # the running unit

    def end_unit(self) -> None:
        """Ends a unit of execution: effects to the sinks, then the clients that waited for its keys."""
        if self.gathered:
            self._hand_out()
        if self.ready:
            self._engine.turns.refresh_time()  # each call that is served is a unit of its own
            serve_ready(self._engine)
            if self.gathered:
                # Keys that were found expired when they were to be served.
                self._hand_out()

    def _hand_out(self) -> None:
        try:
            self.journal.add_unit(self.gathered)
        except Exception:
            self.journal.keep(self.gathered)
        self.gathered = []

    def deliver(self) -> None:
        """Hands what the journal has to every sink. One that fails is told so, and costs the others nothing.

        The end of a turn does this. A sink does so earlier if it needs what the turn has left behind so far.
        """
        if self.journal.units:
            units = self.journal.take()
            for sink in self.sinks:
                try:
                    sink.feed(units)
                except Exception:
                    report(self._engine, "A sink of effects has failed")
                    sink.missed()
