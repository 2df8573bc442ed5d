"""The commands as ACL rules name them: by name, by category, and by the places of their keys and channels.

Rules use the original names of the commands; ``rename-command`` does not affect them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.declare.command_keys import has_keys, keys_of
from twisted_redis.engine.declare.flags import CATEGORIES
from twisted_redis.engine.declare.keyspecs import ACCESS, DELETE, INCOMPLETE, INSERT, NOT_KEY, UPDATE, KeySpec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.ports.bundled import BundledModules

__all__ = ["READ", "WRITE", "Catalogue", "access_of", "channels_of"]

# The access that a key pattern grants and a command needs.
READ = 1
WRITE = 2

#: The commands that name channels: (True if they are patterns, number of channel arguments or None for all).
#: UNSUBSCRIBE and its like are missing because every user may unsubscribe.
_CHANNELS: dict[str, tuple[bool, int | None]] = {
    "subscribe": (False, None),
    "ssubscribe": (False, None),
    "psubscribe": (True, None),
    "publish": (False, 1),
    "spublish": (False, 1),
}


def access_of(flags: int) -> int:
    """Returns the access (READ, WRITE or both) that the flags of a key specification need.

    0 (EXISTS, TYPE) means that either access is enough.
    """
    return (READ if flags & ACCESS else 0) | (WRITE if flags & (INSERT | DELETE | UPDATE) else 0)


def channels_of(command: Command, argv: list[bytes]) -> tuple[bool, list[bytes]] | None:
    """Returns (True if ``argv`` names patterns, its channels), or None if the command takes no channels."""
    spec = _CHANNELS.get(command.name)
    if spec is None:
        return None
    is_pattern, count = spec
    return is_pattern, argv[1:] if count is None else argv[1 : 1 + count]


class Catalogue:
    """The commands of one server under their original names."""

    __slots__ = ("_in_order", "_members", "_places", "bundled", "categories", "commands", "everything")

    def __init__(self, table: dict[bytes, Command]) -> None:
        #: The names of the categories, in the order of ACL CAT; those of modules come last.
        self.categories: tuple[str, ...] = CATEGORIES
        #: The modules that are loaded when a rule or a request names something in them.
        self.bundled: BundledModules | None = None
        self.take(table)

    def take(self, table: dict[bytes, Command]) -> None:
        """Replaces the commands by those of ``table``."""
        self.commands = dict(table)
        everything: list[Command] = []
        for entry in table.values():
            everything.append(entry)
            everything += (entry.subcommands or {}).values()
        self.everything = frozenset(everything)
        self._in_order = everything
        # Most servers have one user who may do everything. The rest is found when a rule needs it.
        self._members: dict[bytes, list[Command]] = {}
        self._places: dict[Command, tuple[tuple[int, int], ...] | None] = {}

    def prepare(self, rules: Iterable[bytes]) -> None:
        """Loads the modules that rules of users name: the rules of all users change while a module is loaded."""
        if self.bundled is not None:
            self.bundled.provide_for(rules)

    def find(self, name: bytes) -> Command | None:
        """Returns the command or subcommand (``config|get``) with this name, in any case."""
        parent_name, separator, own = name.lower().partition(b"|")
        parent = self.commands.get(parent_name)
        if parent is None and self.bundled is not None and self.bundled.provide(parent_name):
            parent = self.commands.get(parent_name)
        if parent is None or not separator:
            return parent
        return (parent.subcommands or {}).get(own)

    def members(self, category: bytes) -> list[Command] | None:
        """Returns the commands that belong to a category themselves; None if there is no such category."""
        name = category.lower()
        if self.bundled is not None:
            self.bundled.provide_category(name.decode("latin-1"))
        found = self._members.get(name)
        if found is None and name.decode("latin-1") in self.categories:
            wanted = "@" + name.decode()
            found = self._members[name] = [entry for entry in self._in_order if wanted in entry.spec.categories]
        return found

    def reach(self, category: bytes) -> frozenset[Command] | None:
        """Returns all commands that a rule about a category affects; None if there is no such category."""
        members = self.members(category)
        if members is None:
            return None
        # A container brings all its subcommands, even those of other categories.
        return frozenset(members).union(*((entry.subcommands or {}).values() for entry in members))

    def free(self, commands: set[Command], all_keys: bool, all_channels: bool) -> frozenset[Command]:
        """Returns those of ``commands`` that need no check of their arguments."""
        return frozenset(
            entry
            for entry in commands
            if (all_keys or self._fixed_places(entry) == ()) and (all_channels or entry.name not in _CHANNELS)
        )

    def key_places(self, command: Command, argv: list[bytes]) -> tuple[tuple[int, int], ...] | list[tuple[int, int]]:
        """Returns (place, needed access) of each key in ``argv``."""
        fixed = self._fixed_places(command)
        if fixed is not None:
            return fixed
        return [(place, access_of(flags)) for place, flags in keys_of(command, argv) or ()]

    def _fixed_places(self, command: Command) -> tuple[tuple[int, int], ...] | None:
        try:
            return self._places[command]
        except KeyError:
            found = self._places[command] = _fixed_places(command)
            return found


def _fixed_places(command: Command) -> tuple[tuple[int, int], ...] | None:
    """Returns the places of the keys if they are the same in every request; None if they depend on the arguments."""
    spec = command.spec
    if not has_keys(command):
        return ()
    keys = [key for key in spec.keys if not key.flags & NOT_KEY]
    if spec.getkeys is not None or not all(_is_fixed(key, abs(spec.arity)) for key in keys):
        return None
    return tuple((key.index, access_of(key.flags)) for key in keys)


def _is_fixed(key: KeySpec, arguments: int) -> bool:
    plain = KeySpec(key.flags, index=key.index, notes=key.notes)
    return key == plain and not key.flags & INCOMPLETE and 0 < key.index < arguments
