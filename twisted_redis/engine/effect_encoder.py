"""Encodes effects as the bytes of commands, for the append-only file and for the replicas.

MULTI and EXEC surround a unit of several effects, so that a reader executes all of them or none. All effects of the
unit count, whatever their audience. So the file may contain a transaction of one command, or an empty one, if the other
effects of the unit are for the replicas. Redis counts in the same way (``propagatePendingCommands``). A command that
meets keys by chance, such as SCAN, has each expired key handed out as a unit of its own (``Effects.after``).

SELECT precedes an effect whose database is not the selected one. Within a unit, SELECT follows MULTI.
"""

from __future__ import annotations

from twisted_redis.engine.propagation import Batch, Unit
from twisted_redis.resp.accelerated import pack_command

__all__ = ["EffectEncoder", "select"]

MULTI = b"*1\r\n$5\r\nMULTI\r\n"
EXEC = b"*1\r\n$4\r\nEXEC\r\n"


def select(index: int) -> bytes:
    """Returns SELECT for the database ``index``."""
    return pack_command([b"SELECT", b"%d" % index])


class EffectEncoder:
    """Encodes the effects for one audience. Its state is the database that the bytes so far have selected."""

    __slots__ = ("audience", "selected")

    def __init__(self, audience: int) -> None:
        self.audience = audience
        #: The number of the selected database. -1 if it is unknown: SELECT precedes the next effect then.
        self.selected = -1

    def encode(self, units: list[Unit]) -> bytes:
        """Returns the commands of ``units``. An exception does not change the state."""
        audience = self.audience
        selected = self.selected
        parts: list[bytes] = []
        add = parts.append
        for unit in units:
            if isinstance(unit, Batch):
                if unit.db != selected:
                    add(select(unit.db))
                    selected = unit.db
                add(unit.data)
                continue
            several = len(unit) > 1
            if several:
                add(MULTI)
            for db, argv, readers in unit:
                if not readers & audience:
                    continue
                if db != selected:
                    add(select(db))
                    selected = db
                add(pack_command(argv))
            if several:
                add(EXEC)
        self.selected = selected
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def count(self, units: list[Unit]) -> int:
        """Returns the number of commands in ``encode(units)``, without SELECT."""
        audience = self.audience
        count = 0
        for unit in units:
            if isinstance(unit, Batch):
                count += len(unit.commands)
                continue
            if len(unit) > 1:
                count += 2
            for effect in unit:
                if effect.audience & audience:
                    count += 1
        return count
