"""Requests that have to wait as a whole: CLIENT PAUSE, and writes held back while a failover or a shutdown runs.

Each purpose has a pause of its own, and the strictest one counts.  While any pause runs, no key expires and none is
evicted: a pause gives replicas the time to receive everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_redis.engine.blocking import serve_later
from twisted_redis.engine.gates import IS_PAUSED

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.engine import Engine

__all__ = ["CLIENTS", "EXIT", "FAILOVER", "SHUTDOWN", "SLOT_HANDOFF", "Pauses"]

CLIENTS = "clients"
FAILOVER = "failover"
SHUTDOWN = "shutdown"
SLOT_HANDOFF = "slot handoff"
#: The server ends; nothing ends this pause.
EXIT = "exit"

_FOR_EVER = float("inf")


class Pauses:
    """The pauses of an engine, and the requests that they hold back."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: By purpose: the end (monotonic, s), and whether all commands wait or only those that write.
        self._running: dict[str, tuple[float, bool]] = {}
        self._timer: Any = None
        #: Whether all commands wait, and not only those that write.
        self.hold_all = False
        #: Clients whose next request is held back.
        self.postponed: list[Client] = []

    def pause_clients(self, seconds: float, everything: bool) -> None:
        """CLIENT PAUSE: holds back all commands, or those that write.

        A running pause becomes neither shorter nor weaker.
        """
        until, before = self._running.get(CLIENTS, (0.0, False))
        self._running[CLIENTS] = (max(until, self._engine.time.monotonic() + seconds), everything or before)
        self._apply()

    def hold_writes(self, purpose: str, seconds: float = _FOR_EVER) -> None:
        """Holds back commands that write, until ``release`` for the same purpose or for at most ``seconds``."""
        self._running[purpose] = (self._engine.time.monotonic() + seconds, False)
        self._apply()

    def hold_everything(self, purpose: str) -> None:
        """Holds back all commands for good: the server ends."""
        self._running[purpose] = (_FOR_EVER, True)
        self._apply()

    def runs(self, purpose: str) -> bool:
        """Tells whether there is a pause for ``purpose``."""
        return purpose in self._running

    def release(self, purpose: str) -> None:
        """Ends the pause for ``purpose``, if there is one."""
        if self._running.pop(purpose, None) is not None:
            self._apply()

    def resume_postponed(self) -> None:
        """Has requests that were held back tried again, and calls that wait for keys served."""
        postponed = self.postponed
        self.postponed = []
        for client in postponed:
            client.postponed = False
            client.link.resume()
        serve_later(self._engine)

    def _apply(self) -> None:
        """Sets the gate and the timer as the pauses are now, and resumes those who need not wait any longer."""
        engine = self._engine
        if self._timer is not None:
            if self._timer.active():
                self._timer.cancel()
            self._timer = None
        was_paused, held_all = bool(engine.gates & IS_PAUSED), self.hold_all
        is_paused = bool(self._running)
        self.hold_all = any(everything for _, everything in self._running.values())
        engine.state.expiry_paused = is_paused
        engine.set_gate(IS_PAUSED, is_paused)
        if is_paused:
            until = min(until for until, _ in self._running.values())
            if until != _FOR_EVER:
                self._timer = engine.time.call_later(max(0.0, until - engine.time.monotonic()), self._end_due)
        if (was_paused and not is_paused) or (held_all and not self.hold_all):
            self.resume_postponed()

    def _end_due(self) -> None:
        now = self._engine.time.monotonic()
        self._running = {purpose: pause for purpose, pause in self._running.items() if pause[0] > now}
        self._apply()
