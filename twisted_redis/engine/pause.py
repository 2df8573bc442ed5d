"""Requests that have to wait as a whole: CLIENT PAUSE, and writes held back while a failover or a shutdown runs.

Each purpose has a pause of its own; what holds is the strictest of them.  While any runs no key leaves by expiry or
eviction either: a pause is for a moment in which a replica can come to have everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.blocking import serve_later
from twisted_redis.engine.gates import IS_PAUSED

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = [
    "FAILOVER",
    "SHUTDOWN",
    "hold_everything",
    "hold_writes",
    "pause",
    "release_writes",
    "resume_postponed",
    "unpause",
]

CLIENTS = "clients"
FAILOVER = "failover"
SHUTDOWN = "shutdown"

_FOR_EVER = float("inf")


def pause(engine: Engine, seconds: float, everything: bool) -> None:
    """CLIENT PAUSE: holds back all commands, or those that write; one that runs is never shortened or weakened."""
    until, before = engine.pauses.get(CLIENTS, (0.0, False))
    engine.pauses[CLIENTS] = (max(until, engine.time.monotonic() + seconds), everything or before)
    _apply(engine)


def unpause(engine: Engine) -> None:
    """CLIENT UNPAUSE: ends what CLIENT PAUSE began."""
    release_writes(engine, CLIENTS)


def hold_writes(engine: Engine, purpose: str = FAILOVER, seconds: float = _FOR_EVER) -> None:
    """Holds back commands that write, until ``release_writes`` for the same purpose or for at most ``seconds``."""
    engine.pauses[purpose] = (engine.time.monotonic() + seconds, False)
    _apply(engine)


def hold_everything(engine: Engine, purpose: str) -> None:
    """Holds back all commands for good: the server ends."""
    engine.pauses[purpose] = (_FOR_EVER, True)
    _apply(engine)


def release_writes(engine: Engine, purpose: str = FAILOVER) -> None:
    """Ends the pause for ``purpose``, if there is one."""
    if engine.pauses.pop(purpose, None) is not None:
        _apply(engine)


def _apply(engine: Engine) -> None:
    """Takes over what the pauses are now: the gate, the time of the next change, and who need not wait any longer."""
    if engine.pause_timer is not None:
        if engine.pause_timer.active():
            engine.pause_timer.cancel()
        engine.pause_timer = None
    was_paused, was_all = bool(engine.gates & IS_PAUSED), engine.pause_all
    pauses = engine.pauses.values()
    engine.pause_all = any(everything for _, everything in pauses)
    engine.state.expiry_paused = bool(engine.pauses)
    if engine.pauses:
        engine.gates |= IS_PAUSED
        until = min(until for until, _ in pauses)
        if until != _FOR_EVER:
            engine.pause_timer = engine.time.call_later(max(0.0, until - engine.time.monotonic()), _over, engine)
    else:
        engine.gates &= ~IS_PAUSED
    if (was_paused and not engine.pauses) or (was_all and not engine.pause_all):
        resume_postponed(engine)


def _over(engine: Engine) -> None:
    now = engine.time.monotonic()
    for purpose, (until, _) in list(engine.pauses.items()):
        if until <= now:
            del engine.pauses[purpose]
    _apply(engine)


def resume_postponed(engine: Engine) -> None:
    """Has requests that were held back tried again, and calls that wait for keys served."""
    waiting = engine.postponed
    engine.postponed = []
    for client in waiting:
        client.postponed = False
        client.link.resume()
    serve_later(engine)
