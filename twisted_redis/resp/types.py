"""The types of replies that no plain Python value can express, and the type of inline requests.

A reply is a Python value: ``bytes`` is a bulk string, ``int`` an integer, ``None`` a null, ``list`` and ``tuple`` are
arrays, ``dict`` is a map, ``set`` and ``frozenset`` are sets, ``float`` is a double, and ``bool`` is a boolean.  Only
the encoder knows the form of each of them in RESP2 and in RESP3.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

__all__ = [
    "NO_REPLY",
    "OK",
    "PONG",
    "QUEUED",
    "Attributed",
    "BigNumber",
    "Bulks",
    "ErrorReply",
    "InlineRequest",
    "NullArray",
    "Pairs",
    "Push",
    "Raw",
    "Reply",
    "SetReply",
    "Simple",
    "Unsilenced",
    "Verbatim",
]

Reply = Any

Class = TypeVar("Class", bound=type)


def _interpreted(cls: Class) -> Class:
    """Has the compiler make a class as Python does.  Only such a class can inherit from a type like bytes."""
    return cls


@_interpreted
class Simple(bytes):
    """A status reply (``+OK``): bytes without CR or LF."""

    __slots__ = ()


@_interpreted
class ErrorReply(bytes):
    """An error as a value, such as one in EXEC's array: the text without the leading ``-``.

    ``cause`` is the exception behind an internal error.
    """

    cause: BaseException | None = None


@_interpreted
class Verbatim(bytes):
    """Text for humans: ``=`` with the format ``txt`` in RESP3, a bulk string in RESP2."""

    format = b"txt"


@_interpreted
class BigNumber(int):
    """An integer that may exceed 64 bits: ``(`` in RESP3, a bulk string in RESP2."""


@_interpreted
class Raw(bytes):
    """Encoded bytes, which are sent as they are."""

    __slots__ = ()


@_interpreted
class Unsilenced(Raw):
    """Encoded bytes that are sent even after CLIENT REPLY OFF or SKIP."""

    __slots__ = ()


@_interpreted
class Bulks(tuple[bytes, ...]):
    """A tuple of bytes only: an array of bulk strings, which is encoded in one call."""

    __slots__ = ()


@_interpreted
class Pairs(list[Any]):
    """A flat list key, value, key, value...: a map in RESP3, a flat array in RESP2."""

    __slots__ = ()


@_interpreted
class SetReply(list[Any]):
    """Members in a given order: a set in RESP3, an array in RESP2."""

    __slots__ = ()


@_interpreted
class InlineRequest(list[bytes]):
    """The arguments of an inline request, and the number of bytes (``size``) that the client has sent for it."""

    __slots__ = ("size",)

    def __init__(self, arguments: list[bytes], size: int) -> None:
        super().__init__(arguments)
        self.size = size


@_interpreted
class Push(list[Any]):
    """An out-of-band message: ``>`` in RESP3, an array in RESP2."""

    __slots__ = ()


class Attributed:
    """A reply with an attribute map before it in RESP3, and without it in RESP2."""

    __slots__ = ("attributes", "reply")

    def __init__(self, attributes: Pairs, reply: Reply) -> None:
        self.attributes = attributes
        self.reply = reply


class _Marker:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


OK: Final = Simple(b"OK")
PONG: Final = Simple(b"PONG")
QUEUED: Final = Simple(b"QUEUED")
#: A null array: ``*-1`` in RESP2, ``_`` in RESP3.
NullArray: Final = _Marker("NullArray")
#: The command has sent its replies itself, or sends none.
NO_REPLY: Final = _Marker("NO_REPLY")
