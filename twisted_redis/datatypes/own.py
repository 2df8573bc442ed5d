"""Values of a program's own types: what they have to bring, and what follows from that.

A value is stored as a flat sequence of integers, floats and bytes, which is all that a type has to know of files.
From it follow its record in a snapshot, DUMP and RESTORE, the rewritten append-only file, COPY, its digest and an
estimate of its size; a type may do each of them better.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from inspect import getattr_static
from typing import Any, ClassVar

__all__ = [
    "ALPHABET",
    "Item",
    "OwnValue",
    "check_type",
    "checked_copy",
    "checked_encoding",
    "length_or_guess",
    "loaded",
    "memory_of",
    "memory_or_guess",
    "stored_items",
]

#: What a value consists of in a file.
Item = int | float | bytes

#: The characters of a type's name, by their numbers of six bits.
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

NAME_LENGTH = 9
MOST_VERSION = 1023
LEAST_INTEGER, MOST_INTEGER = -(1 << 63), (1 << 64) - 1
#: Bytes: no machine has more, and what counts for a value that does not know.
MOST_MEMORY, GUESSED_MEMORY = 1 << 48, 64


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

    def encoding(self) -> str:
        """What OBJECT ENCODING answers."""
        return "raw"

    def memory(self) -> int:
        """Bytes that the value takes, about (MEMORY USAGE, ``maxmemory``)."""
        return 64 + sum(64 + len(item) if isinstance(item, bytes) else 32 for item in self.save())

    def digest(self) -> Iterable[Item]:
        """What DEBUG DIGEST is made of: the same for equal values, whatever the order inside of them."""
        return self.save()


def check_type(cls: type[OwnValue]) -> None:
    """Raises TypeError or ValueError if values of the class ``cls`` could not be stored and loaded again."""
    if not isinstance(cls, type) or not issubclass(cls, OwnValue):
        raise TypeError(f"a type of values is a class derived from OwnValue, not {cls!r}")
    name = getattr(cls, "TYPE", None)
    if not isinstance(name, bytes):
        raise TypeError(f'{cls.__name__} needs a TYPE, nine characters as bytes: TYPE = b"counter-1"')
    text = name.decode("latin-1")
    if len(text) != NAME_LENGTH or not set(text) <= set(ALPHABET):
        raise ValueError(f"the name of a type has {NAME_LENGTH} characters of A-Za-z0-9-_, not {text!r}")
    if not isinstance(cls.VERSION, int) or not 0 <= cls.VERSION <= MOST_VERSION:
        raise ValueError(f"the version of a type is a number from 0 to {MOST_VERSION}, not {cls.VERSION!r}")
    for method in ("__len__", "save", "load"):
        if getattr(cls, method).__qualname__ == f"OwnValue.{method}":
            raise TypeError(f"{cls.__name__} needs a method {method}")
    if not isinstance(getattr_static(cls, "load"), classmethod | staticmethod):
        raise TypeError(f"{cls.__name__}.load makes a value: put @classmethod before it")


# what the server gets from the methods of a value, held to what they should give


def stored_items(value: OwnValue) -> Iterator[Item]:
    """The items of ``save``; ValueError that names the type where one cannot be stored, or where it fails."""
    try:
        items = value.save()
        if isinstance(items, bytes | str):
            raise TypeError(f"save() gives {type(items).__name__} in place of a sequence of items")
        for item in items:
            if isinstance(item, bytes | float):
                yield item
            elif not isinstance(item, int):
                raise TypeError(f"save() gives {item!r}, which is neither bytes nor a number")
            elif not LEAST_INTEGER <= item <= MOST_INTEGER:
                raise ValueError(f"save() gives {item}, which has more than 64 bits")
            else:
                yield item
    except GeneratorExit:
        raise
    except MemoryError:
        raise
    except BaseException as error:
        raise ValueError(f"a value of the type {_name(value)} cannot be stored: {error!r}") from error


def loaded(cls: type[OwnValue], items: list[Any], version: int) -> OwnValue:
    """The value that ``load`` makes of ``items``; ValueError that says why there is none."""
    try:
        made = cls.load(items, version)
    except (ValueError, MemoryError):
        raise
    except BaseException as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if type(made) is not cls:
        raise ValueError(f"load() gives {type(made).__name__} in place of {cls.__name__}")
    return made


def memory_of(value: OwnValue) -> int:
    """The size (bytes) that a value tells; TypeError or ValueError if nothing has such a size."""
    size = value.memory()
    if not isinstance(size, int):
        raise TypeError(f"memory() of the type {_name(value)} gives {size!r} in place of a number of bytes")
    if not 0 <= size <= MOST_MEMORY:
        raise ValueError(f"memory() of the type {_name(value)} gives {size} bytes")
    return int(size)


def memory_or_guess(value: OwnValue) -> int:
    """As ``memory_of``, for the accounts of all keys, which go on whatever the method does."""
    try:
        return memory_of(value)
    except BaseException:
        return GUESSED_MEMORY


def checked_copy(value: OwnValue) -> Any:
    """What ``copy`` gives; TypeError unless it is another value of the same type."""
    made = value.copy()
    if type(made) is not type(value) or made is value:
        raise TypeError(f"copy() of the type {_name(value)} gives no other value of this type, but {made!r}")
    return made


def checked_encoding(value: OwnValue) -> str:
    """What ``encoding`` gives; TypeError unless it is a str."""
    encoding: Any = value.encoding()
    if not isinstance(encoding, str):
        raise TypeError(f"encoding() of the type {_name(value)} gives {encoding!r} in place of str")
    return encoding


def length_or_guess(value: Any) -> int:
    """The length of any value, for the same accounts."""
    if isinstance(value, OwnValue):
        try:
            return len(value)
        except BaseException:
            return 1
    return len(value)


def _name(value: Any) -> str:
    return value.TYPE.decode("latin-1")  # type: ignore[no-any-return]
