"""Conversion of Python values to arguments, and of replies to Python values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_redis.library.errors import ReplyError
from twisted_redis.resp.types import (
    NO_REPLY,
    Attributed,
    BigNumber,
    Bulks,
    ErrorReply,
    NullArray,
    Pairs,
    Push,
    Reply,
    SetReply,
    Simple,
    Verbatim,
)

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    #: The type of the keys and values that a client returns.
    Text = TypeVar("Text", bytes, str, default=bytes)
else:
    # The standard library has no default for a type variable before Python 3.13.
    from typing import TypeVar

    Text = TypeVar("Text", bytes, str)

__all__ = ["Argument", "Text", "argument", "python_value", "text_value"]

#: An argument of a command; text is sent as UTF-8, and numbers in decimal.
Argument = bytes | bytearray | memoryview | str | int | float

_PLAIN = frozenset({bytes, int, float, bool, type(None)})
_ARRAYS = (list, tuple)


def argument(value: Argument) -> bytes:
    """The bytes of an argument; raises TypeError for values without an obvious form (None, bool, collections)."""
    kind = value.__class__
    if kind is bytes:
        return value  # type: ignore[return-value]
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bool) or not isinstance(value, int | float | bytearray | memoryview | bytes):
        raise TypeError(f"an argument is bytes, str, int or float, not {kind.__name__}")
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, float):
        return repr(value).encode()
    return bytes(value)


def python_value(reply: Reply) -> Any:
    """Converts a reply to bytes, int, float, bool, None, list, dict or set; raises ReplyError for an error.

    An error within an array, such as that of a transaction, becomes a ReplyError in the list.
    """
    if reply.__class__ in _PLAIN:
        return reply
    if isinstance(reply, ErrorReply):
        raise _error(reply)
    return _plain(reply)


def _error(reply: ErrorReply) -> ReplyError:
    error = ReplyError(reply.decode("utf-8", "backslashreplace"))
    # Within the process, an internal error has its cause.
    error.__cause__ = reply.cause
    return error


def _plain(reply: Reply) -> Any:
    kind = reply.__class__
    if kind in _PLAIN:
        return reply
    if kind is Simple or kind is Verbatim:
        return bytes(reply)
    if kind is list or kind is tuple or kind is Bulks or kind is Push:
        return [_plain(each) for each in reply]
    if kind is Pairs:
        values = [_plain(each) for each in reply]
        return dict(zip(map(_hashable, values[::2]), values[1::2], strict=True))
    if kind is dict:
        return {_hashable(_plain(key)): _plain(value) for key, value in reply.items()}
    if kind is SetReply or kind is set or kind is frozenset:
        return {_hashable(_plain(each)) for each in reply}
    if kind is ErrorReply:
        return _error(reply)
    if kind is BigNumber:
        return int(reply)
    if kind is Attributed:
        return _plain(reply.reply)
    if reply is NullArray or reply is NO_REPLY:
        return None
    if isinstance(reply, _ARRAYS):
        return [_plain(each) for each in reply]
    return bytes(reply)


def text_value(value: Any) -> Any:
    """Decodes all bytes in a Python value as UTF-8; raises UnicodeDecodeError for bytes that are not."""
    kind = value.__class__
    if kind is bytes:
        return value.decode()
    if kind is dict:
        return {text_value(key): text_value(each) for key, each in value.items()}
    if kind is list or kind is set or kind is tuple or kind is frozenset:
        return kind(map(text_value, value))
    return value


def _hashable(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_hashable(each) for each in value)
    if isinstance(value, dict):
        return tuple((key, _hashable(each)) for key, each in value.items())
    return frozenset(value) if isinstance(value, set) else value
