"""The common parts of the commands on vector sets: declarations, and vectors as arguments."""

from __future__ import annotations

import re
from array import array
from typing import NamedTuple

from twisted_redis.datatypes.vectors.quantisation import MAX_DIMENSION
from twisted_redis.engine.declare.flags import MODULE
from twisted_redis.engine.declare.keyspecs import ACCESS, RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.parse import float_or_none, integer_or_none
from twisted_redis.resp.cstrings import keyword

__all__ = ["MODULE", "Given", "command", "mismatch", "read_vector", "wrong_arity"]

#: Redis has vector sets as a module, which declares its keys in the same way for reads and writes.
command = CommandGroup(
    "module",
    since="8.0.0",
    keys=first_key(RW | ACCESS | UPDATE),
    module="vectorset",
    in_redis_module=True,
    complexity="O(1)",
)

#: Numbers that ``float`` reads as Redis does. Long numbers and large exponents may be out of range.
_plain_numbers = re.compile(rb"[-+0-9.,eE]*").fullmatch
_unusual_number = re.compile(rb"[0-9.]{40}|[eE][-+]?[0-9]{2}").search


class Given(NamedTuple):
    """A vector as an argument."""

    vector: bytes
    """The components as floats of 32 bits."""
    reduced: int
    """The dimension that REDUCE names; 0 without it."""
    width: int
    """The number of words that the vector takes."""

    @property
    def dimension(self) -> int:
        """The number of components."""
        return len(self.vector) // 4


def wrong_arity(name: str) -> CommandError:
    """Returns the error about the number of arguments of a command."""
    return CommandError(f"ERR wrong number of arguments for '{name}' command")


def mismatch(dimension: int, wanted: int) -> CommandError:
    """Returns the error about a vector of the wrong dimension."""
    return CommandError(f"ERR Vector dimension mismatch - got {dimension} but set has {wanted}")


def _invalid() -> CommandError:
    return CommandError("ERR invalid vector specification")


def read_vector(words: tuple[bytes, ...], reducible: bool = False) -> Given:
    """Reads the vector that ``words`` begin with, behind REDUCE and a dimension if it is ``reducible``."""
    at = reduced = 0
    if reducible and len(words) > 2 and keyword(words[0]) == b"REDUCE":
        wanted = integer_or_none(words[1])
        if wanted is None or wanted <= 0:
            raise _invalid()
        # Redis keeps 32 bits.
        reduced = wanted & 0xFFFFFFFF
        at = 2
    form = keyword(words[at])
    at += 1
    if form == b"FP32" and len(words) > at:
        vector = words[at]
        at += 1
        if not vector or len(vector) % 4 or len(vector) > 4 * MAX_DIMENSION:
            raise _invalid()
    elif form == b"VALUES" and len(words) > at:
        count = integer_or_none(words[at])
        at += 1
        if count is None or not 1 <= count <= MAX_DIMENSION or len(words) < at + count:
            raise _invalid()
        vector = _floats(words[at : at + count])
        at += count
    else:
        raise _invalid()
    if reduced > len(vector) // 4:
        raise _invalid()
    return Given(vector, reduced, at)


def _floats(words: tuple[bytes, ...]) -> bytes:
    """Returns numbers given as text as floats of 32 bits."""
    text = b",".join(words)
    if _plain_numbers(text) and not _unusual_number(text):
        try:
            return array("f", map(float, words)).tobytes()
        except ValueError:
            raise _invalid() from None
    numbers = [number for word in words if (number := float_or_none(word)) is not None]
    if len(numbers) < len(words):
        raise _invalid()
    return array("f", numbers).tobytes()
