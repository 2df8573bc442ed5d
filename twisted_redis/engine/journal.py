"""The journal of a turn: the effects that no sink has got yet, in their order.

Nearly every effect is one command, a unit by itself, which goes to all sinks as it came. The journal encodes it at
once, while its words are in the cache of the processor, and forgets the words. The sinks share these bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_redis.engine.propagation import EVERYBODY, Batch, Effect, Unit
from twisted_redis.resp.accelerated import pack_command

__all__ = ["Journal"]


class Journal:
    """``units`` has the units of execution, and batches of those that are one effect for everybody."""

    __slots__ = ("_batch", "_db", "units")

    def __init__(self) -> None:
        self.units: list[Unit] = []
        #: The commands of the last batch, and its database; -1 if the next effect begins a batch.
        self._batch: list[bytes] = []
        self._db = -1

    def add(self, db: int, argv: list[bytes]) -> None:
        """Adds a unit of one effect for everybody."""
        command = pack_command(argv)
        if db != self._db:
            batch = Batch(db)
            self.units.append(batch)
            self._batch = batch.commands
            self._db = db
        self._batch.append(command)

    def add_unit(self, effects: Sequence[Effect]) -> None:
        """Adds a unit."""
        if len(effects) == 1 and effects[0].audience == EVERYBODY:
            self.add(effects[0].db, effects[0].argv)
        else:
            self.keep(effects)

    def keep(self, effects: Sequence[Effect]) -> None:
        """Adds a unit that the sinks encode. That is what happens if ``add`` lacks memory."""
        self._db = -1
        self.units.append(effects)

    def take(self) -> list[Unit]:
        """Removes and returns what the journal has."""
        units = self.units
        self.units = []
        self._db = -1
        return units
