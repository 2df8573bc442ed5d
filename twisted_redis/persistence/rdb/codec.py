"""What a codec consists of: how values of one type are written, and the encodings in which they can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from twisted_redis.datatypes.hash import HashLimits
from twisted_redis.datatypes.list import ListLimits
from twisted_redis.datatypes.own import OwnValue
from twisted_redis.datatypes.set import SetLimits
from twisted_redis.datatypes.zset import ZSetLimits
from twisted_redis.persistence.rdb.errors import CorruptData, EmptyValue
from twisted_redis.persistence.rdb.numbers import read_length

__all__ = ["Codec", "Encoding", "Limits", "OwnTypes", "Reader", "check_different", "check_tuples", "read_count"]


class OwnTypes(Protocol):
    """The types of modules that a server knows."""

    @property
    def own_types(self) -> dict[str, type[OwnValue]]:
        """The types by name."""


class Limits(HashLimits, ListLimits, SetLimits, ZSetLimits, OwnTypes, Protocol):
    """The directives on which the forms of values depend, and the types of modules."""


Reader = Callable[[bytes, int, Limits], "tuple[Any, int]"]
"""Gives the value at a place of the data, and the place behind it; the third argument is the configuration."""

Writer = Callable[[Any, int, bool], "tuple[int, list[bytes]]"]
"""Gives the number of an encoding and the pieces of a value in it, from the value, the version of the format, and
whether strings are compressed."""


@dataclass(frozen=True, eq=False, slots=True)
class Encoding:
    """One way in which a version of Redis has stored values of a type."""

    number: int
    """The byte that stands before the key."""
    name: str
    """What redis-check-rdb calls it."""
    read: Reader
    packed: str = ""
    """What Redis calls the packed form in its log when that is broken; empty if there is none."""


@dataclass(frozen=True, eq=False, slots=True)
class Codec:
    """One type of values in files."""

    write: Writer
    encodings: tuple[Encoding, ...]
    least_version: Callable[[Any], int] | None = None
    """The lowest version of the format that can hold a value, for types that not every version can hold."""


# what readers of collections share


def read_count(data: bytes, pos: int) -> tuple[int, int]:
    """The number of elements of a collection at ``pos``, and the place behind it; ``EmptyValue`` for none."""
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
