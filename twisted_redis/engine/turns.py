"""Turns: what runs between two looks at the sockets.

All that one round of the hub executes is one turn.  The wall clock is read once, at its beginning.  At its end the
effects go to the sinks, what has to be on disk before the replies goes there, and the clients that were sent something
are written to.  Turns may stand within one another: the outermost one counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted_redis.engine.mishaps import report

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.engine import Engine

__all__ = ["Turns"]


class Turns:
    """The turns of an engine.  ``with turns:`` is one: it ends whatever is raised within."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: How many stand within one another.
        self.depth = 0
        #: When (ns) the outermost one began.
        self._began = 0
        #: Clients that are written to at the end of the turn.
        self.unflushed: dict[Client, None] = {}
        #: Called at the end of each turn, before its replies leave: what has to be on disk before them goes there now.
        self.before_replies: list[Callable[[], None]] = []

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, *raised: object) -> None:
        self.end()

    def refresh_time(self) -> None:
        """Reads the wall clock for the unit of execution that begins."""
        engine = self._engine
        engine.state.now = int(engine.time.wall() * 1000)

    def begin(self) -> None:
        """Begins work outside of ``Engine.run`` that may write to clients.

        ``end`` must follow, whatever happens, so prefer ``with engine.in_turn:``.
        """
        if not self.depth:
            engine = self._engine
            self._began = engine.clock_ns()
            state = engine.state
            state.before = state.now
            state.now = int(engine.time.wall() * 1000)
        self.depth += 1

    def end(self) -> None:
        """Ends a turn: flushes the effects and the clients that were written to.  Nothing that fails here is raised."""
        if self.depth > 1:
            self.depth -= 1
            return
        try:
            self._engine.effects.end_unit()
        except Exception:
            report(self._engine, "The effects of a turn could not be handed out")
        self.leave(self._began)

    def leave(self, began: int) -> None:
        """Ends the outermost turn, which began at ``began`` (ns) and whose effects are handed out."""
        engine = self._engine
        try:
            try:
                engine.effects.deliver()
            except Exception:
                report(engine, "The effects of a turn could not be delivered")
            for finish in self.before_replies:
                try:
                    finish()
                except Exception:
                    report(engine, "A turn was not ended in order")
        finally:
            self.depth = 0
        if self.unflushed:
            self.flush_clients()
        engine.loop.note(engine.clock_ns() - began)

    def flush_later(self, client: Client) -> None:
        """Has the output of ``client`` written at the end of the turn, or now outside of one."""
        self.unflushed[client] = None
        if not self.depth:
            self.flush_clients()

    def flush_clients(self) -> None:
        """Writes to those who were sent something; call outside of turns.

        A connection that fails is closed, and costs no other client its replies.
        """
        while self.unflushed:
            unflushed = self.unflushed
            self.unflushed = {}
            for client in unflushed:
                try:
                    client.link.flush()
                except Exception:
                    self._abort(client)

    def _abort(self, client: Client) -> None:
        """Closes a connection that cannot be written to."""
        engine = self._engine
        report(engine, f"The replies to the client {client.id} could not be written")
        client.out.clear()
        try:
            client.link.abort()
        except Exception:
            report(engine, f"The client {client.id} could not be closed")
