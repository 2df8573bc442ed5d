"""Values of types that programs declare: what a type must provide, and what the server derives from that.

A value is stored as a flat sequence of integers, floats and bytes.  A type needs to know nothing else about files.  The
server derives from this sequence the record in a snapshot, DUMP and RESTORE, the rewritten append-only file, COPY, the
digest and an estimate of the size.  A type may provide a better method for each of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from inspect import getattr_static, signature
from typing import Any, ClassVar

from twisted_redis.datatypes.stored import Item

__all__ = [
    "ALPHABET",
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

#: The arguments with which the server calls the methods of a value.
_CALLS: dict[str, tuple[str, ...]] = {
    "save": (),
    "dump": (),
    "copy": (),
    "encoding": (),
    "memory": (),
    "digest": (),
    "load": ("items", "version"),
    "arrived": ("server", "db", "key"),
    "left": ("server", "db", "key"),
}

#: The characters of a type's name, by their 6-bit codes.
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

NAME_LENGTH = 9
MOST_VERSION = 1023
LEAST_INTEGER, MOST_INTEGER = -(1 << 63), (1 << 64) - 1
#: The greatest size that a value may report, and the size assumed for a value that fails to report one (bytes).
MOST_MEMORY, GUESSED_MEMORY = 1 << 48, 64


class OwnValue:
    """The base class of values of a type that a program declares.

    ``TYPE`` is the name of the type in the reply of TYPE and in files: nine characters of ``A-Za-z0-9-_``.  ``VERSION``
    (0 to 1023) is the version of the sequence that ``save`` returns; ``load`` gets the version by which a value was
    written.  The ``len`` of a value is the number of its elements.
    """

    __slots__ = ()

    TYPE: ClassVar[bytes]
    VERSION: ClassVar[int] = 0

    def __len__(self) -> int:
        raise NotImplementedError

    def save(self) -> Iterable[Item]:
        """Returns the value as a flat sequence.  Integers must be from -2**63 to 2**64 - 1.

        ``Signed`` and ``Float32`` of ``datatypes.stored`` choose a form of a number that is not the usual one.
        """
        raise NotImplementedError

    def dump(self) -> Iterable[Item]:
        """Returns the sequence for DUMP and MIGRATE, which takes the value away from its server: usually all of it."""
        return self.save()

    def arrived(self, server: Any, db: int, key: bytes) -> None:
        """Called if a class defines it: the value is about to be stored at ``key`` of the database ``db``.

        ``server`` is the engine.  The value may be new, or come from another key, a file, a dump or the master.
        """

    def left(self, server: Any, db: int, key: bytes) -> None:
        """Called if a class defines it: the value is no longer at ``key`` of the database ``db``.

        Not called if a string of Redis takes its place.
        """

    @classmethod
    def load(cls, items: list[Any], version: int) -> Any:
        """Returns the value of such a sequence.  Raises ValueError, IndexError or TypeError if it is not valid.

        ``datatypes.stored.Reader`` checks the kind of each item.
        """
        raise NotImplementedError

    def copy(self) -> Any:
        """Returns an independent copy (COPY)."""
        return self.load(list(self.save()), self.VERSION)

    def encoding(self) -> str:
        """The reply of OBJECT ENCODING."""
        return "raw"

    def memory(self) -> int:
        """The approximate size of the value in bytes (MEMORY USAGE, ``maxmemory``)."""
        return 64 + sum(64 + len(item) if isinstance(item, bytes) else 32 for item in self.save())

    def digest(self) -> Iterable[Item]:
        """The input of DEBUG DIGEST.  It must be the same for equal values, whatever their internal order."""
        return self.save()


def check_type(cls: type[OwnValue]) -> None:
    """Raises TypeError or ValueError if values of the class ``cls`` could not be stored and loaded."""
    if not isinstance(cls, type) or not issubclass(cls, OwnValue):
        raise TypeError(f"a value type must be a subclass of OwnValue, not {cls!r}")
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
        raise TypeError(f"{cls.__name__}.load creates a value, so it must be a @classmethod")
    for method, arguments in _CALLS.items():
        _check_arguments(cls, method, arguments)


def _check_arguments(cls: type[OwnValue], method: str, arguments: tuple[str, ...]) -> None:
    """Raises TypeError if ``method`` does not take the arguments with which the server calls it."""
    needs_self = not isinstance(getattr_static(cls, method), classmethod | staticmethod)
    try:
        signature(getattr(cls, method)).bind(*("self",) * needs_self, *arguments)
    except ValueError:
        pass  # written in C, without a signature
    except TypeError as error:
        called = f"{cls.__name__}.{method}({', '.join(arguments)})"
        raise TypeError(f"the server calls {called}, which does not fit its declaration: {error}") from None


# the results of a value's methods, checked for the server


def stored_items(value: OwnValue, *, dumped: bool = False) -> Iterator[Item]:
    """The items of ``save``, or of ``dump``.

    Raises a ValueError that names the type if it fails or an item cannot be stored.
    """
    try:
        items = value.dump() if dumped else value.save()
        if isinstance(items, bytes | str):
            raise TypeError(f"save() gives {type(items).__name__} instead of a sequence of items")
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
    """The value that ``load`` makes of ``items``.  Raises a ValueError that gives the reason if it fails."""
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
    """The size (bytes) that a value reports.  Raises TypeError or ValueError if the size is impossible."""
    size = value.memory()
    if not isinstance(size, int):
        raise TypeError(f"memory() of the type {_name(value)} gives {size!r} instead of a number of bytes")
    if not 0 <= size <= MOST_MEMORY:
        raise ValueError(f"memory() of the type {_name(value)} gives {size} bytes")
    return int(size)


def memory_or_guess(value: OwnValue) -> int:
    """As ``memory_of``, but never raises, for the accounts of all keys."""
    try:
        return memory_of(value)
    except BaseException:
        return GUESSED_MEMORY


def checked_copy(value: OwnValue) -> Any:
    """Returns the result of ``copy``; raises TypeError unless it is another value of the same type."""
    made = value.copy()
    if type(made) is not type(value) or made is value:
        raise TypeError(f"copy() of the type {_name(value)} must give another value of this type, not {made!r}")
    return made


def checked_encoding(value: OwnValue) -> str:
    """Returns the result of ``encoding``; raises TypeError unless it is a str."""
    encoding: Any = value.encoding()
    if not isinstance(encoding, str):
        raise TypeError(f"encoding() of the type {_name(value)} gives {encoding!r} instead of str")
    return encoding


def length_or_guess(value: Any) -> int:
    """The length of any value.  Never raises, for the same accounts."""
    if isinstance(value, OwnValue):
        try:
            return len(value)
        except BaseException:
            return 1
    return len(value)


def _name(value: Any) -> str:
    return value.TYPE.decode("latin-1")  # type: ignore[no-any-return]
