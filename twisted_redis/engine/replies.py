"""Looks at what a command of a module answers, before anything is made of it.

The server's own commands answer what they should.  A module's author learns of a mistake at its first call, with the
name of the command, wherever the reply would have gone: to a client, into a transaction, to the program around.
"""

from __future__ import annotations

from typing import Any

from twisted_redis.resp.types import (
    NO_REPLY,
    Attributed,
    BigNumber,
    Bulks,
    ErrorReply,
    NullArray,
    Raw,
    Reply,
    Simple,
    Verbatim,
)

__all__ = ["checked"]

#: What is fine whatever its value.
_PLAIN: frozenset[type] = frozenset(
    {
        bytes,
        bytearray,
        memoryview,
        type(None),
        bool,
        float,
        BigNumber,
        Bulks,
        ErrorReply,
        Raw,
        Simple,
        Verbatim,
        type(NullArray),
        type(NO_REPLY),
    }
)
_DERIVED = (bytes, bytearray, float, BigNumber)
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


def checked(reply: Reply) -> Reply:
    """``reply`` if it can be encoded; TypeError or ValueError that says what it holds instead."""
    _check(reply)
    return reply


def _check(value: Any) -> None:
    cls = value.__class__
    if cls in _PLAIN:
        return
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, _DERIVED):
        pass
    elif isinstance(value, int):
        if not _LEAST <= value <= _MOST:
            raise ValueError(f"a reply cannot hold {value}, which has more than 64 bits: use BigNumber")
    elif isinstance(value, list | tuple | set | frozenset):
        if not {*map(type, value)} <= _PLAIN:
            for item in value:
                _check(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key)
            _check(item)
    elif isinstance(value, Attributed):
        _check(value.attributes)
        _check(value.reply)
    else:
        raise TypeError(f"a reply cannot hold {cls.__name__}")
