"""Turns: what runs between two looks at the sockets.

All that one round of the hub executes is one turn.  The wall clock is read once, at its beginning.  At its end the
effects go to the sinks, what has to be on disk before the replies goes there, and the clients that were sent something
are written to.  Turns may stand within one another: the outermost one counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from twisted_redis.engine.mishaps import report

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.clock import TimeSource
    from twisted_redis.engine.engine import Engine
    from twisted_redis.engine.introspect.stats import Statistics
    from twisted_redis.keyspace.database import KeyspaceState

__all__ = ["Turn", "Turns"]


class Turn:
    """The turns of an engine as a context manager: what is raised within leaves it, and the turn ends all the same."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Turns) -> None:
        self._engine = engine

    def __enter__(self) -> None:
        self._engine.begin_turn()

    def __exit__(self, *raised: object) -> None:
        self._engine.end_turn()


class Turns:
    """The part of the engine that begins and ends turns, and writes to clients at their end."""

    state: KeyspaceState
    stats: Statistics
    time: TimeSource
    clock_ns: Callable[[], int]
    effects: list[Any]
    ready: dict[Any, None]
    end_unit: Callable[[], None]

    def __init__(self) -> None:
        super().__init__()
        #: How many turns stand in one another, and when (ns) the outermost one began.
        self.turn = 0
        self.turn_began = 0
        #: ``with engine.in_turn:`` is a turn.
        self.in_turn = Turn(self)
        #: Clients that are written to at the end of the turn.
        self.unflushed: dict[Client, None] = {}
        #: Called at the end of each turn, before its replies leave: what has to be on disk before them goes there now.
        self.before_replies: list[Callable[[], None]] = []

    def refresh_time(self) -> None:
        """Reads the wall clock for the unit of execution that begins."""
        self.state.now = int(self.time.wall() * 1000)

    def begin_turn(self) -> None:
        """Begins work outside of ``run`` that may write to clients; ``end_turn`` must follow, so prefer ``in_turn``."""
        if not self.turn:
            self.turn_began = self.clock_ns()
            state = self.state
            state.before = state.now
            state.now = int(self.time.wall() * 1000)
        self.turn += 1

    def end_turn(self) -> None:
        """Ends a turn: flushes the effects and the clients that were written to.  Nothing that fails here is raised."""
        if self.turn > 1:
            self.turn -= 1
            return
        try:
            if self.effects or self.ready:
                self.end_unit()
        except Exception:
            report(cast("Engine", self), "The effects of a turn could not be handed out")
        self._leave_turn(self.turn_began)

    def _leave_turn(self, began: int) -> None:
        """Ends the outermost turn, which began at ``began`` (ns)."""
        try:
            for finish in self.before_replies:
                try:
                    finish()
                except Exception:
                    report(cast("Engine", self), "A turn was not ended in order")
        finally:
            self.turn = 0
        if self.unflushed:
            self.flush_clients()
        self.stats.loop.note(self.clock_ns() - began)

    def flush_later(self, client: Client) -> None:
        """Has the output of ``client`` written at the end of the turn, or now outside of one."""
        if self.turn:
            self.unflushed[client] = None
        else:
            self._flush(client)

    def flush_clients(self) -> None:
        """Writes to those who were sent something; call outside of turns."""
        while self.unflushed:
            unflushed = self.unflushed
            self.unflushed = {}
            for client in unflushed:
                self._flush(client)

    def _flush(self, client: Client) -> None:
        """Writes to one client.  A connection that fails is closed, and costs no other client its replies."""
        try:
            client.link.flush()
        except Exception:
            report(cast("Engine", self), f"The replies to the client {client.id} could not be written")
            client.out.clear()
            try:
                client.link.abort()
            except Exception:
                report(cast("Engine", self), f"The client {client.id} could not be closed")
