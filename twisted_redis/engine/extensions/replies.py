"""Checks the replies of modules' commands before they are used.

The server's own commands need no such check.  The author of a module learns of a mistake at the first call, with the
name of the command, wherever the reply was to go: to a client, into a transaction, or to the embedding program.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from math import inf
from typing import Any

from twisted_redis.engine.blocking import Block
from twisted_redis.resp.types import (
    NO_REPLY,
    Attributed,
    BigNumber,
    Bulks,
    ErrorReply,
    NullArray,
    Pairs,
    Push,
    Raw,
    Reply,
    SetReply,
    Simple,
    Verbatim,
)

__all__ = ["MOST_LEVELS", "checked", "checked_seconds", "checked_value"]

#: The deepest nesting of lists in a reply: encoding or converting it needs a few stack frames for each level.
MOST_LEVELS = 100
#: The types whose values can all be encoded.
_PLAIN: frozenset[type] = frozenset(
    {
        bytes,
        bytearray,
        type(None),
        bool,
        float,
        BigNumber,
        Bulks,
        ErrorReply,
        Raw,
        Verbatim,
        type(NullArray),
        type(NO_REPLY),
    }
)
_MARKED_BYTES = (ErrorReply, Raw, Verbatim)
_SEQUENCES: tuple[type[Iterable[Any]], ...] = (list, tuple, set, frozenset)
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


def checked(reply: Reply) -> Reply:
    """Returns ``reply`` if it can be encoded; otherwise raises TypeError or ValueError with the reason.

    A str becomes bytes, a dict becomes Pairs, and a value of a derived class becomes a plain one: the contents count,
    overridden methods do not.  A ``Block`` is checked together with its reply at the time-out.
    """
    cls = type(reply)
    if cls in _PLAIN:
        return reply
    return _checked_block(reply) if cls is Block else _checked(reply, 0)


def checked_value(reply: Reply) -> Reply:
    """Like ``checked``, for the result of a wait, which cannot be a ``Block``."""
    return _checked(reply, 0)


def checked_seconds(seconds: float, what: str) -> float:
    """Returns ``seconds`` if a timer can take it; otherwise raises an error that calls the value ``what``."""
    if not isinstance(seconds, int | float):
        raise TypeError(f"{what} is a number of seconds, not {type(seconds).__name__}")
    if not 0 <= seconds < inf:
        raise ValueError(f"{what} is a number of seconds from 0 on, not {seconds}")
    return seconds


def _checked_block(block: Block) -> Block:
    if not isinstance(block.keys, tuple | list) or not all(isinstance(key, bytes) for key in block.keys):
        raise TypeError(f"the keys of a Block are a tuple of bytes, not {block.keys!r}")
    if not isinstance(block.kind, str) or (block.keys and block.kind == "string" and not block.wake_on_delete):
        raise ValueError(f"the kind of a Block is the type of a collection ('list', 'zset', ...), not {block.kind!r}")
    checked_seconds(block.timeout, "the timeout of a Block")
    answer = block.on_timeout
    block.on_timeout = (lambda: _timeout_reply(answer)) if callable(answer) else _checked(answer, 0)
    return block


def _timeout_reply(function: Callable[[], Reply]) -> Reply:
    try:
        return _checked(function(), 0)
    except Exception:
        raise
    except BaseException as error:
        # The callers expect exceptions caused by bugs, but none that end the program.
        raise RuntimeError(f"the timeout function of a Block raised {type(error).__name__}") from error


def _checked(value: Any, level: int) -> Any:
    cls = type(value)
    if cls in _PLAIN:
        return value
    if issubclass(cls, str):
        return str.encode(value)
    if issubclass(cls, int):
        return int.__int__(value) if issubclass(cls, BigNumber) else _checked_integer(int.__int__(value))
    if issubclass(cls, Simple):
        if b"\r" in bytes(memoryview(value)) or b"\n" in bytes(memoryview(value)):
            raise ValueError(f"a Simple reply must be one line; send {value!r} as a string")
        return value
    if issubclass(cls, _MARKED_BYTES):
        return value
    if issubclass(cls, bytes | bytearray | memoryview):
        return memoryview(value).tobytes()
    if issubclass(cls, float):
        return float.__float__(value)
    if level >= MOST_LEVELS:
        raise ValueError(f"a reply has at most {MOST_LEVELS} nested lists, and no list that contains itself")
    if issubclass(cls, Push):
        raise TypeError("a reply cannot hold Push, which is a message outside of replies")
    for base in _SEQUENCES:
        if issubclass(cls, base):
            return _checked_items(value, cls, base, level + 1)
    if issubclass(cls, dict):
        pairs = OrderedDict.items(value) if issubclass(cls, OrderedDict) else dict.items(value)
        return Pairs([_checked(item, level + 1) for pair in pairs for item in pair])
    if cls is Attributed:
        return Attributed(_checked(value.attributes, level + 1), _checked(value.reply, level + 1))
    raise TypeError(f"a reply cannot hold {cls.__name__}")


def _checked_integer(value: int) -> int:
    if not _LEAST <= value <= _MOST:
        raise ValueError(f"a reply cannot hold {value}, which has more than 64 bits: use BigNumber")
    return value


def _checked_items(value: Any, cls: type, base: type[Iterable[Any]], level: int) -> Any:
    items = list(base.__iter__(value))
    if issubclass(cls, Pairs) and len(items) % 2:
        raise ValueError(f"Pairs hold keys and values in turn, not {len(items)} items")
    if not {*map(type, items)} <= _PLAIN:
        items = [_checked(item, level) for item in items]
    if issubclass(cls, Pairs):
        return Pairs(items)
    return SetReply(items) if base in (set, frozenset) or issubclass(cls, SetReply) else items
