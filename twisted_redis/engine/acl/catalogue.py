"""The commands as rules name them: by name, by category, and where their keys and channels stand.

Rules speak of the commands as they are built in, whatever ``rename-command`` has made of their names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.declare.command_keys import has_keys, keys_of
from twisted_redis.engine.declare.flags import CATEGORIES
from twisted_redis.engine.declare.keyspecs import ACCESS, DELETE, INCOMPLETE, INSERT, NOT_KEY, UPDATE, KeySpec

if TYPE_CHECKING:
    from twisted_redis.engine.declare.table import Command

__all__ = ["CATEGORIES", "READ", "WRITE", "Catalogue", "access_of", "channels_of"]

# What a key pattern allows, and a command needs.
READ = 1
WRITE = 2

#: Commands that name channels: whether as patterns, and how many arguments are channels (None: all).
#: Nobody is refused to unsubscribe.
_CHANNELS: dict[str, tuple[bool, int | None]] = {
    "subscribe": (False, None),
    "ssubscribe": (False, None),
    "psubscribe": (True, None),
    "publish": (False, 1),
    "spublish": (False, 1),
}


def access_of(flags: int) -> int:
    """READ and WRITE as the flags of a key specification ask for; 0 (EXISTS, TYPE) is content with either."""
    return (READ if flags & ACCESS else 0) | (WRITE if flags & (INSERT | DELETE | UPDATE) else 0)


def channels_of(command: Command, argv: list[bytes]) -> tuple[bool, list[bytes]] | None:
    """Whether ``argv`` names patterns, and the channels it names; None if the command knows none."""
    spec = _CHANNELS.get(command.name)
    if spec is None:
        return None
    is_pattern, count = spec
    return is_pattern, argv[1:] if count is None else argv[1 : 1 + count]


class Catalogue:
    """The commands of one server, before any was renamed."""

    __slots__ = ("_categories", "_members", "_places", "commands", "everything")

    def __init__(self, table: dict[bytes, Command]) -> None:
        self.take(table)

    def take(self, table: dict[bytes, Command]) -> None:
        """Holds the commands of ``table`` from now on."""
        self.commands = dict(table)
        everything: list[Command] = []
        for entry in table.values():
            everything.append(entry)
            everything += (entry.subcommands or {}).values()
        self.everything = frozenset(everything)
        self._members: dict[bytes, list[Command]] = {}
        self._categories: dict[bytes, frozenset[Command]] = {}
        for name in CATEGORIES:
            members = [entry for entry in everything if "@" + name in entry.spec.categories]
            reach = set(members)
            for entry in members:
                # A container brings its subcommands, whatever categories these are in.
                reach.update((entry.subcommands or {}).values())
            self._members[name.encode()] = members
            self._categories[name.encode()] = frozenset(reach)
        self._places = {entry: _fixed_places(entry) for entry in everything}

    def find(self, name: bytes) -> Command | None:
        """The command or subcommand (``config|get``) of this name, in any case."""
        parent_name, separator, own = name.lower().partition(b"|")
        parent = self.commands.get(parent_name)
        if parent is None or not separator:
            return parent
        return (parent.subcommands or {}).get(own)

    def members(self, category: bytes) -> list[Command] | None:
        """The commands that are in a category themselves; None if there is no such category."""
        return self._members.get(category.lower())

    def reach(self, category: bytes) -> frozenset[Command] | None:
        """The commands that a rule about a category is about; None if there is no such category."""
        return self._categories.get(category.lower())

    def free(self, commands: set[Command], all_keys: bool, all_channels: bool) -> frozenset[Command]:
        """Those of ``commands`` whose arguments nothing can be against."""
        return frozenset(
            entry
            for entry in commands
            if (all_keys or self._places.get(entry) == ()) and (all_channels or entry.name not in _CHANNELS)
        )

    def key_places(self, command: Command, argv: list[bytes]) -> tuple[tuple[int, int], ...] | list[tuple[int, int]]:
        """(place, READ and WRITE) of each key that ``argv`` names."""
        fixed = self._places.get(command)
        if fixed is not None:
            return fixed
        return [(place, access_of(flags)) for place, flags in keys_of(command, argv) or ()]


def _fixed_places(command: Command) -> tuple[tuple[int, int], ...] | None:
    """The places of the keys where they are the same in every request; None where they have to be looked for."""
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
