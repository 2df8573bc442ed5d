"""Estimates when a command last used a key, while access times are not recorded.

The periodic work checks whether any command that uses keys was called since its last check.  So the first OBJECT
IDLETIME knows, to a tenth of a second, how long no key has been used, and no request pays for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.declare.command_keys import has_keys
from twisted_redis.engine.declare.flags import WRITE

if TYPE_CHECKING:
    from twisted_redis.engine.clock import TimeSource
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.introspect.stats import Statistics

__all__ = ["LastUse"]

#: Commands that name keys without using them.
_NOT_USING = frozenset({"exists", "expiretime", "pexpiretime", "pttl", "ttl", "type"})


def _uses_keys(command: Command) -> bool:
    name = command.spec.name
    if command.spec.module is not None or name == "debug":
        return True
    if name in _NOT_USING or name.startswith("object|"):
        return False
    return has_keys(command) or bool(command.flags & WRITE)


class LastUse:
    """``since`` is the wall time (ms) since which no command has used a key, as long as ``holds`` is true."""

    def __init__(self, time: TimeSource, table: dict[bytes, Command], stats: Statistics) -> None:
        self._time = time
        self._commands = table
        self._stats = stats
        self.since = time.wall_ms()
        self._calls = -1
        self._table: tuple[Command, ...] = ()
        #: The commands and subcommands of that table that use keys.
        self._using: list[Command] = []

    def look(self) -> None:
        """Checks whether any key may have been used since the last check; called several times a second."""
        calls = self._count()
        if calls != self._calls:
            self._calls = calls
            self.since = self._time.wall_ms()

    @property
    def holds(self) -> bool:
        """True if no command has used a key since the last check."""
        return self._calls == self._count()

    def _count(self) -> int:
        table = tuple(self._commands.values())
        if table != self._table:
            self._table = table
            self._using = [command for command in self._stats.commands() if _uses_keys(command)]
        return sum([command.calls + len(command.samples) for command in self._using])
