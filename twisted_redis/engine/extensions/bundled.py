"""The bundled modules of one server, each of which is loaded when something names a command, type or category of it.

A server knows their names from the start (``bundled_names``), and imports nothing for that.  Only these fixed names
lead to an import, whatever a client sends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from functools import lru_cache
from typing import NamedTuple

from twisted_redis.engine.extensions.bundled_names import NAMES

__all__ = ["Bundled", "Row"]

_RULE = rb"[+-](@?)([a-z0-9_.-]+)"


class Row(NamedTuple):
    """The names of a bundled module."""

    name: str
    #: The Python module that contains it.
    place: str
    version: int
    categories: tuple[str, ...]
    types: tuple[str, ...]
    commands: tuple[bytes, ...]


class _Tables(NamedTuple):
    rows: tuple[Row, ...]
    by_command: dict[bytes, Row]
    by_type: dict[str, Row]
    by_category: dict[str, Row]


@lru_cache(maxsize=8)
def _tables(chosen: frozenset[str]) -> _Tables:
    """Returns the tables of the modules ``chosen``, by the last parts of their places."""
    rows = tuple(
        Row(name, place, version, tuple(categories.split()), tuple(types.split()), tuple(commands.encode().split()))
        for name, place, version, categories, types, commands in NAMES
        if place.rpartition(".")[2] in chosen
    )
    return _Tables(
        rows,
        {command: row for row in rows for command in row.commands},
        {type_: row for row in rows for type_ in row.types},
        {category: row for row in rows for category in row.categories},
    )


class Bundled:
    """The bundled modules that ``bundled-modules`` names.

    ``load`` loads one and returns whether that worked; ``loaded`` has the names of the modules that are loaded.  The
    methods that provide something return whether they have loaded a module, so that a second look may find it.
    """

    def __init__(self, chosen: frozenset[str], load: Callable[[Row], bool], loaded: Container[str]) -> None:
        self._load_row = load
        self._loaded = loaded
        self._tables = _tables(chosen)
        #: The names of those that cannot be loaded.
        self._broken: set[str] = set()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The names of the modules."""
        return self._tables.rows

    @property
    def categories(self) -> tuple[str, ...]:
        """The ACL categories of the modules."""
        return tuple(self._tables.by_category)

    def count_unloaded(self) -> int:
        """Returns the number of commands of the modules that are not loaded."""
        return sum(len(row.commands) for row in self.rows if self._waits(row))

    def provide(self, command: bytes) -> bool:
        """Loads the module that has a command, given in lower case."""
        return self._load(self._tables.by_command.get(command))

    def provide_type(self, name: str) -> bool:
        """Loads the module that has a type of values."""
        return self._load(self._tables.by_type.get(name))

    def provide_category(self, name: str) -> bool:
        """Loads the module that has an ACL category, given in lower case."""
        return self._load(self._tables.by_category.get(name))

    def clash(self, module: str, commands: Iterable[str], types: Iterable[str]) -> str:
        """Returns an error if another module declares a command or a type of a bundled one; empty without one."""
        tables = self._tables
        found = [("command", name, tables.by_command.get(name.encode())) for name in commands]
        found += [("type", name, tables.by_type.get(name)) for name in types]
        for what, name, row in found:
            if row is not None and row.name != module:
                return f"the bundled module {row.name} has the {what} {name}: leave it out with bundled-modules"
        return ""

    def provide_all(self) -> None:
        """Loads all modules."""
        for row in self.rows:
            self._load(row)

    def provide_for(self, rules: Iterable[bytes]) -> None:
        """Loads the modules whose commands or categories are in rules of users."""
        for rule in rules:
            for category, name in re.findall(_RULE, rule.lower()):
                if category:
                    self.provide_category(name.decode())
                else:
                    self.provide(name)

    def _load(self, row: Row | None) -> bool:
        if row is None or not self._waits(row):
            return False
        if self._load_row(row):
            return True
        self._broken.add(row.name)
        return False

    def _waits(self, row: Row) -> bool:
        return row.name not in self._loaded and row.name not in self._broken
