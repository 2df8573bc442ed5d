"""The markers a reply is made of, where a plain Python value does not say enough.

A reply is a Python value: ``bytes`` is a bulk string, ``int`` an integer, ``None`` a null, ``list`` and ``tuple``
arrays, ``dict`` a map, ``set`` and ``frozenset`` sets, ``float`` a double, ``bool`` a boolean.  Only the encoder
knows how each of them looks in RESP2 and in RESP3.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "NO_REPLY",
    "OK",
    "PONG",
    "QUEUED",
    "Attributed",
    "BigNumber",
    "Bulks",
    "ErrorReply",
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


class Simple(bytes):
    """A status reply (``+OK``): bytes without CR or LF."""

    __slots__ = ()


class ErrorReply(bytes):
    """An error as a value (an answer inside EXEC's array): the text without the leading ``-``.

    ``cause`` is the exception that is behind an internal error.
    """

    cause: BaseException | None = None


class Verbatim(bytes):
    """Text for people: ``=`` with the format ``txt`` in RESP3, a bulk string in RESP2."""

    format = b"txt"


class BigNumber(int):
    """An integer that may exceed 64 bits: ``(`` in RESP3, a bulk string in RESP2."""


class Raw(bytes):
    """Bytes that are encoded already and go out as they are."""

    __slots__ = ()


class Unsilenced(Raw):
    """Encoded bytes that go out whatever CLIENT REPLY has said."""

    __slots__ = ()


class Bulks(tuple[bytes, ...]):
    """A tuple known to hold nothing but bytes: an array of bulk strings, encoded in one call."""

    __slots__ = ()


class Pairs(list[Any]):
    """A flat list key, value, key, value...: a map in RESP3, a flat array in RESP2."""

    __slots__ = ()


class SetReply(list[Any]):
    """Members in a given order: a set in RESP3, an array in RESP2."""

    __slots__ = ()


class Push(list[Any]):
    """An out-of-band message: ``>`` in RESP3, an array in RESP2."""

    __slots__ = ()


class Attributed:
    """A reply with an attribute map before it in RESP3; in RESP2 the reply alone."""

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


OK = Simple(b"OK")
PONG = Simple(b"PONG")
QUEUED = Simple(b"QUEUED")
#: ``*-1`` in RESP2 where Redis answers a null array; ``_`` in RESP3.
NullArray = _Marker("NullArray")
#: The command has answered by itself, or not at all.
NO_REPLY = _Marker("NO_REPLY")
