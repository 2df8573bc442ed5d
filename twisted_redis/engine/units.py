"""Units of execution: what is gathered, propagated and told together.

Most units are one command, which needs nothing from here: ``Effects.after`` hands out what the command leaves behind.
``with engine.unit(kind):`` is for the others.  Each kind is made once for an engine, so that entering costs little.

============ ==========================================================================================================
kind         what it is
============ ==========================================================================================================
TRANSACTION  the commands of an EXEC or a script: their effects go out together, after the command that runs them
NESTED       a command that another command calls, or that is called between two steps of one
SWEEP        removals by the server itself (expiry, eviction, moved keys), each of which ends with ``Effects.end_unit``
MASTER       commands from the master, which alone decides when its keys expire
REPLAY       commands from a file: as from a master, and nobody is told of what they change
============ ==========================================================================================================
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from enum import Enum
from typing import TYPE_CHECKING

from twisted_redis.engine.propagation import EVERYBODY, Effect

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["MASTER", "NESTED", "REPLAY", "SWEEP", "TRANSACTION", "Kind", "make_units"]


class Kind(Enum):
    """The kinds of units; the head of the module says what each is for."""

    TRANSACTION = "transaction"
    NESTED = "nested"
    SWEEP = "sweep"
    MASTER = "master"
    REPLAY = "replay"

    # ``engine.unit`` looks kinds up in a dict, and the hash function of ``Enum`` is written in Python.
    __hash__ = object.__hash__


TRANSACTION, NESTED, SWEEP, MASTER, REPLAY = Kind


class _Unit:
    """A kind of unit of one engine, as a context manager."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._effects = engine.effects
        self._turns = engine.turns


class _Transaction(_Unit):
    def __enter__(self) -> None:
        self._effects.depth += 1

    def __exit__(self, *raised: object) -> None:
        effects = self._effects
        effects.depth -= 1
        effects.audience = EVERYBODY
        if raised[0] is not None:
            effects.forget_command()  # the one that was interrupted
        effects.pending = bool(effects.gathered or effects.ready)


class _Nested(_Unit):
    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        #: For each enclosing command: the effects that it has reported so far.  They are not those of the inner one.
        self._outer: list[tuple[bool, list[Effect] | None]] = []

    def __enter__(self) -> None:
        effects = self._effects
        self._turns.begin()
        self._outer.append((effects.touched, effects.override))
        effects.forget_command()
        effects.depth += 1

    def __exit__(self, *raised: object) -> None:
        effects = self._effects
        effects.depth -= 1
        effects.touched, effects.override = touched, override = self._outer.pop()
        self._turns.end()
        effects.pending = bool(touched or override is not None or effects.gathered or effects.ready)


class _Sweep(_Unit):
    def __enter__(self) -> None:
        self._turns.begin()

    def __exit__(self, *raised: object) -> None:
        self._effects.forget_command()
        try:
            self._effects.end_unit()
        finally:
            self._turns.end()


class _Master(_Unit):
    def __enter__(self) -> None:
        self._turns.begin()
        self._engine.state.applying_master_stream = True

    def __exit__(self, *raised: object) -> None:
        self._engine.state.applying_master_stream = False
        self._turns.end()


class _Replay(_Unit):
    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._hidden = False

    def __enter__(self) -> None:
        state = self._engine.state
        self._turns.begin()
        self._effects.mute()
        self._effects.depth += 1
        self._hidden = state.hide_expired
        state.hide_expired = state.applying_master_stream = True

    def __exit__(self, *raised: object) -> None:
        state = self._engine.state
        state.hide_expired = self._hidden
        state.applying_master_stream = False
        self._effects.depth -= 1
        self._effects.forget_unit()
        self._effects.unmute()
        self._turns.end()


def make_units(engine: Engine) -> dict[Kind, AbstractContextManager[None]]:
    """The units of ``engine``, whose effects and turns exist."""
    return {
        TRANSACTION: _Transaction(engine),
        NESTED: _Nested(engine),
        SWEEP: _Sweep(engine),
        MASTER: _Master(engine),
        REPLAY: _Replay(engine),
    }
