"""Effects: the commands that have to be carried out elsewhere, and for which audience each is meant.

Most effects are for the append-only file and the replicas. PUBLISH is for the replicas only, because a file has no
subscribers. A script can choose the audience with ``redis.set_repl``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

__all__ = ["AOF", "EVERYBODY", "NOBODY", "REPLICAS", "Effect", "Sink", "check_effects", "new_effect"]

#: Audiences are sets of bits.  The numbers are those of ``redis.set_repl``.
NOBODY, AOF, REPLICAS, EVERYBODY = range(4)


class Effect(NamedTuple):
    """A command that the readers of the append-only file and the replicas have to execute, too."""

    #: The number of the database that it applies to.
    db: int
    #: The command's name and arguments. All sinks share the list, so it must not be changed.
    argv: list[bytes]
    #: The readers that receive it: ``AOF``, ``REPLICAS`` or both.
    audience: int = EVERYBODY


#: ``new_effect(Effect, (db, argv, audience))`` does the same as ``Effect(db, argv, audience)`` in half the time.
#: ``Effects.after`` uses it because it makes nearly all effects of a server. Other code calls ``Effect``.
new_effect = tuple.__new__


class Sink(Protocol):
    """A receiver of effects: the append-only file, the replication stream, a test's list.

    Pass it to ``engine.effects.add_sink``. ``EffectEncoder`` turns effects into the bytes of commands.
    """

    @property
    def audience(self) -> int:
        """The audience that the sink serves now. The sink calls ``Effects.refresh`` after a change.

        The engine drops effects for an audience that no sink serves, before it counts the effects of a unit.
        """

    def feed(self, effects: Sequence[Effect]) -> None:
        """Takes the effects of one execution unit: at least one, in the order of their execution.

        The engine calls this at the end of the unit, before the replies of the turn are sent. A reader must execute
        all effects of a unit or none. Some of them may be for another audience; the sink has to skip these. All sinks
        get the same sequence, and nobody changes it afterwards.
        """

    def missed(self) -> None:
        """Tells the sink that its ``feed`` has raised an exception, so it lacks a unit that the other sinks have.

        The sink has to start over with a copy of the present data.
        """


def check_effects(commands: tuple[Any, ...]) -> None:
    """Raises TypeError unless each of ``commands`` is a list of bytes that can be propagated."""
    for argv in commands:
        if not isinstance(argv, list) or not argv or not all(isinstance(word, bytes) for word in argv):
            raise TypeError(f'propagate_as() takes commands as lists of bytes, [b"SET", key, value], not {argv!r}')
