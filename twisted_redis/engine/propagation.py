"""Effects: the commands that have to be carried out elsewhere, and for which audience each is meant.

Most effects are for everybody.  PUBLISH is for replicas alone, since a file has no subscribers, and a script chooses
an audience with ``redis.set_repl``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

__all__ = ["AOF", "EVERYBODY", "NOBODY", "REPLICAS", "Effect", "Sink", "check_effects", "new_effect"]

#: Audiences are sets of bits.  The numbers are those of ``redis.set_repl``.
NOBODY, AOF, REPLICAS, EVERYBODY = range(4)


class Effect(NamedTuple):
    """A command that has to be carried out elsewhere, too."""

    #: The number of the database that it applies to.
    db: int
    #: The command's name and arguments.  Nobody may change the list: all sinks share it.
    argv: list[bytes]
    #: The readers that get it: ``AOF``, ``REPLICAS`` or both.
    audience: int = EVERYBODY


#: ``new_effect(Effect, (db, argv, audience))`` is ``Effect(db, argv, audience)`` in half of the time.
#: ``Effects.after`` uses it, which makes nearly all effects of a server; the other places call ``Effect``.
new_effect = tuple.__new__


class Sink(Protocol):
    """A receiver of effects: the append-only file, the replication stream, a test's list.

    ``engine.effects.add_sink`` makes it one, ``remove_sink`` ends that.  ``engine.effect_encoder`` turns effects into
    the bytes of commands.
    """

    @property
    def audience(self) -> int:
        """The audience that the sink stands for now.

        Effects that no sink stands for are dropped before they count in a unit.  The sink calls
        ``Effects.refresh`` when this changes.
        """

    def feed(self, effects: Sequence[Effect]) -> None:
        """Takes the effects of one unit of execution, which are at least one, in the order in which they happened.

        The call comes at the end of the unit, before the replies of the turn leave.  Several effects belong together:
        whoever carries them out must carry out all or none.  Effects for other audiences are among them, and the sink
        skips these itself.  All sinks get the same list, which stays as it is.
        """

    def missed(self) -> None:
        """Tells the sink that ``feed`` has raised an exception, so that it lacks a unit.

        It has to start over from the data as they are now.  The other sinks have got the unit.
        """


def check_effects(commands: tuple[Any, ...]) -> None:
    """Raises TypeError unless each of ``commands`` can go to files and replicas."""
    for argv in commands:
        if not isinstance(argv, list) or not argv or not all(isinstance(word, bytes) for word in argv):
            raise TypeError(f'propagate_as() takes commands as lists of bytes, [b"SET", key, value], not {argv!r}')
