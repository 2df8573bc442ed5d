"""CLIENT PAUSE: requests that have to wait as a whole, until the pause is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.gates import IS_PAUSED

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["pause", "unpause"]


def pause(engine: Engine, seconds: float, everything: bool) -> None:
    """Holds back all commands, or those that write; a pause that runs is never shortened or weakened."""
    until = engine.time.monotonic() + seconds
    if engine.gates & IS_PAUSED:
        engine.pause_all = engine.pause_all or everything
        if until <= engine.pause_until:
            return
        engine.pause_timer.cancel()
    else:
        engine.pause_all = everything
    engine.gates |= IS_PAUSED
    engine.pause_until = until
    engine.pause_timer = engine.time.call_later(seconds, _over, engine)


def _over(engine: Engine) -> None:
    engine.pause_timer = None
    _resume(engine)


def unpause(engine: Engine) -> None:
    """Ends the pause."""
    if engine.pause_timer is not None:
        engine.pause_timer.cancel()
        engine.pause_timer = None
        _resume(engine)


def _resume(engine: Engine) -> None:
    engine.gates &= ~IS_PAUSED
    waiting = engine.postponed
    engine.postponed = []
    for client in waiting:
        client.postponed = False
        client.link.resume()
