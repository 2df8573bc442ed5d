"""The commands of one server by name, and the quick look-up that the run loop makes first."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted_redis.engine.declare.flags import SKIP_MONITOR, WRITE
from twisted_redis.engine.declare.table import Command, Spec, bind_table
from twisted_redis.engine.gates import Check, Denial, Denials

__all__ = ["CommandTable"]


def _nothing(name: bytes) -> bool:
    return False


class CommandTable:
    """The commands of a server, bound from declarations: two servers in one process share nothing.

    ``by_name`` has every command under its name in lower case.  ``lookup`` has the common spellings of those commands
    that may run without another question; everything else takes the long way through ``engine.gates``.
    """

    def __init__(self, specs: Iterable[Spec] | None = None) -> None:
        #: Why commands, mostly those that write, are refused for now.
        self.denials = Denials()
        self.by_name = bind_table(specs)
        #: Called with a name in lower case that no command has: whether a look will find one now.
        self.provide: Callable[[bytes], bool] = _nothing
        self.lookup: dict[bytes, Command] = {}
        #: The spellings that are not in ``lookup`` while there is any denial.
        self._guarded: dict[bytes, Command] = {}
        self.index()

    def index(self) -> None:
        """Makes the look-up anew, after commands have come, gone or changed their names."""
        self.lookup.clear()
        self._guarded.clear()
        for name, entry in self.by_name.items():
            entry.skip = 1
            # Some denials refuse PING as well, so that programs which watch the server learn of them.
            guarded = entry.flags & (WRITE | SKIP_MONITOR) or entry.name == "ping"
            spellings = self._guarded if guarded else self.lookup
            spellings[name] = entry
            spellings[name.upper()] = entry
            for sub in (entry.subcommands or {}).values():
                sub.skip = 2
        if not self.denials:
            self.lookup.update(self._guarded)

    def named(self, name: bytes) -> Command | None:
        """The command with this name in lower case; None if there is none.  Loads the module that has it."""
        entry = self.by_name.get(name)
        if entry is None and self.provide(name):
            entry = self.by_name.get(name)
        return entry

    def find(self, argv: list[bytes]) -> Command | None:
        """The command, or subcommand, that ``argv`` names; None if there is none."""
        name = argv[0]
        entry = self.lookup.get(name) or self.named(name.lower())
        if entry is not None and entry.subcommands is not None and len(argv) > 1:
            return entry.subcommands.get(argv[1].lower())
        return entry

    def rename(self, name: str, new_name: str) -> None:
        """Gives a command another name, or none (``rename-command``).

        Raises KeyError if there is no such command, and ValueError if the new name is taken.
        """
        if self.named(name.lower().encode()) is None:
            raise KeyError(name)
        entry = self.by_name.pop(name.lower().encode())
        if new_name:
            if new_name.lower().encode() in self.by_name:
                raise ValueError(new_name)
            self.by_name[new_name.lower().encode()] = entry
        self.index()

    def deny(self, denial: Denial, check: Check | None) -> None:
        """Has ``check`` asked in its place before a command, until it is called with None.

        Commands that write take the long way meanwhile; reading stays fast.
        """
        before = bool(self.denials)
        self.denials.put(denial, check)
        if self.denials and not before:
            for name in self._guarded:
                del self.lookup[name]
        elif before and not self.denials:
            self.lookup.update(self._guarded)
