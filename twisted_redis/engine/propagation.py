"""Effects: the commands that have to be carried out elsewhere, and for which audience each is meant.

Most effects are for the append-only file and the replicas. PUBLISH is for the replicas only, because a file has no
subscribers. A script can choose the audience with ``redis.set_repl``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

__all__ = ["AOF", "EVERYBODY", "NOBODY", "REPLICAS", "Batch", "Effect", "Sink", "Unit", "check_effects"]

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


class Batch:
    """Consecutive units of execution, each of which is one effect for everybody, in the database ``db``."""

    __slots__ = ("_data", "commands", "db")

    def __init__(self, db: int) -> None:
        self.db = db
        #: The encoded commands. No command is added after a sink has got the batch.
        self.commands: list[bytes] = []
        self._data: bytes | None = None

    @property
    def data(self) -> bytes:
        """The commands as one string, which is made only once for all sinks."""
        if self._data is None:
            self._data = b"".join(self.commands)
        return self._data


#: What a sink gets: the effects of one unit of execution, or a batch of units.
Unit = Batch | Sequence[Effect]


class Sink(Protocol):
    """A receiver of effects: the append-only file, the replication stream, a test's list.

    Pass it to ``engine.effects.add_sink``. ``EffectEncoder`` turns effects into the bytes of commands.
    """

    @property
    def audience(self) -> int:
        """The audience that the sink serves now. The sink calls ``Effects.refresh`` after a change.

        The engine drops effects for an audience that no sink serves, before it counts the effects of a unit.
        """

    def feed(self, units: Sequence[Unit]) -> None:
        """Takes the effects of some units of execution, in the order of their execution; each has at least one.

        The engine calls this before the replies of the turn are sent, or earlier if a sink calls ``Effects.deliver``.
        A reader must execute all effects of a unit or none. Some of them may be for another audience; the sink has to
        skip these. All sinks get the same units, and nobody changes them afterwards.
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
