"""The parts of a codec: a writer for the values of one type, and the encodings in which they can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from twisted_redis.datatypes.hash import HashLimits
from twisted_redis.datatypes.list import ListLimits
from twisted_redis.datatypes.own import OwnValue
from twisted_redis.datatypes.set import SetLimits
from twisted_redis.datatypes.slices import ArrayLimits
from twisted_redis.datatypes.zset import ZSetLimits
from twisted_redis.persistence.rdb.errors import CorruptData, EmptyValue
from twisted_redis.persistence.rdb.numbers import read_length

__all__ = [
    "Codec",
    "Encoding",
    "Limits",
    "OwnTypes",
    "Reader",
    "Writer",
    "check_different",
    "check_tuples",
    "read_count",
]


class OwnTypes(Protocol):
    """The types of modules that a server knows, and those of bundled modules, which it loads now."""

    @property
    def own_types(self) -> dict[str, type[OwnValue]]:
        """The types by name."""

    def own_type(self, name: str) -> type[OwnValue] | None:
        """Returns the type of this name; None if there is none."""


class Limits(ArrayLimits, HashLimits, ListLimits, SetLimits, ZSetLimits, OwnTypes, Protocol):
    """The directives on which the forms of values depend, and the types of modules."""


Reader = Callable[[bytes, int, Limits], "tuple[Any, int]"]
"""Takes data, a position and the configuration; returns the value there and the position behind it."""

Writer = Callable[[Any, int, bool], "tuple[int, list[bytes]]"]
"""Takes a value, the version of the format, and whether to compress strings; returns the number of an encoding and the
value's bytes in it, in pieces."""


@dataclass(frozen=True, eq=False, slots=True)
class Encoding:
    """One way in which some version of Redis stored values of a type."""

    number: int
    """The byte in front of the key."""
    name: str
    """The name that redis-check-rdb has for it."""
    read: Reader
    packed: str = ""
    """The name of the packed form in Redis' message about a corrupt one; empty if the encoding is not packed."""


@dataclass(frozen=True, eq=False, slots=True)
class Codec:
    """How the values of one type are stored."""

    write: Writer
    encodings: tuple[Encoding, ...]
    least_version: Callable[[Any], int] | None = None
    """Returns the lowest version of the format that can hold a value.  None: every version can hold the type."""


# shared by the readers of collections


def read_count(data: bytes, pos: int) -> tuple[int, int]:
    """Returns the number of elements at ``pos`` and the position behind it; raises ``EmptyValue`` for zero."""
    count, pos = read_length(data, pos)
    if not count:
        raise EmptyValue(pos)
    return count, pos


def check_different(different: int, count: int) -> None:
    """Raises ``CorruptData`` unless all ``count`` elements are ``different``."""
    if different != count:
        raise CorruptData("a collection has something twice")


def check_tuples(texts: list[bytes], width: int, pos: int) -> None:
    """Raises ``CorruptData`` unless ``texts`` are elements of ``width`` texts each, and ``EmptyValue`` for none."""
    if not texts:
        raise EmptyValue(pos)
    if len(texts) % width:
        raise CorruptData("a collection with half an element")
