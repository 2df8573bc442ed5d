"""Values of a program's own types: what they have to bring, and what follows from that.

A value is stored as a flat sequence of integers, floats and bytes, which is all that a type has to know of files.
From it follow its record in a snapshot, DUMP and RESTORE, the rewritten append-only file, COPY, its digest and an
estimate of its size; a type may do each of them better.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

__all__ = ["ALPHABET", "Item", "OwnValue", "check_type"]

#: What a value consists of in a file.
Item = int | float | bytes

#: The characters of a type's name, by their numbers of six bits.
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

NAME_LENGTH = 9
MOST_VERSION = 1023


class OwnValue:
    """A value of a type of one's own; derive from it.

    ``TYPE`` is the name that TYPE answers and that stands in files: nine characters of ``A-Za-z0-9-_``. ``VERSION`` (0
    to 1023) is that of the sequence which ``save`` gives; ``load`` is told by which one a value was written. ``len`` of
    a value is the number of its elements.
    """

    __slots__ = ()

    TYPE: ClassVar[bytes]
    VERSION: ClassVar[int] = 0

    def __len__(self) -> int:
        raise NotImplementedError

    def save(self) -> Iterable[Item]:
        """The value as a flat sequence; integers from -2**63 to 2**64 - 1."""
        raise NotImplementedError

    @classmethod
    def load(cls, items: list[Any], version: int) -> Any:
        """The value of such a sequence; ValueError, IndexError or TypeError where it makes no sense."""
        raise NotImplementedError

    def copy(self) -> Any:
        """A value that shares nothing that changes (COPY)."""
        return self.load(list(self.save()), self.VERSION)

    def encoding(self, config: Any) -> str:
        """What OBJECT ENCODING answers."""
        return "raw"

    def memory(self) -> int:
        """Bytes that the value takes, about (MEMORY USAGE, ``maxmemory``)."""
        return 64 + sum(64 + len(item) if isinstance(item, bytes) else 32 for item in self.save())

    def digest(self) -> Iterable[Item]:
        """What DEBUG DIGEST is made of: the same for equal values, whatever the order inside of them."""
        return self.save()


def check_type(cls: type[OwnValue]) -> None:
    """Raises ValueError if no file could say that a value is of the type ``cls``."""
    name = cls.TYPE.decode("latin-1")
    if len(name) != NAME_LENGTH or not set(name) <= set(ALPHABET):
        raise ValueError(f"the name of a type has {NAME_LENGTH} characters of A-Za-z0-9-_, not {name!r}")
    if not 0 <= cls.VERSION <= MOST_VERSION:
        raise ValueError(f"the version of a type is 0 to {MOST_VERSION}, not {cls.VERSION}")
