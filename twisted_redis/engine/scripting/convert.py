"""Converts replies to Lua for ``redis.call``, and the results of scripts to replies.

A result arrives as a flat stream of tokens (``sandbox.lua``).  Each token is a code, followed by the items that belong
to it; a container comes before its contents.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from twisted_redis.engine.scripting.interpreter import Interpreter
from twisted_redis.resp.doubles import double_text
from twisted_redis.resp.encoder import encode2, encode3
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

__all__ = ["argument", "from_lua", "one_line", "scalar", "to_lua"]

_STRING, _NUMBER, _TRUE, _FALSE, _NIL, _ERROR, _STATUS, _DOUBLE, _BIG, _VERBATIM, _MAP, _SET, _ARRAY, _TOO_DEEP = range(
    1, 15
)
_LIMIT = b"ERR reached lua stack limit"
#: A whole number up to this size reaches a command as plain digits.
_PLAIN = 2**62
#: The types whose values reach Lua as they are.
_UNCHANGED = frozenset((bytes, int))
_ARRAYS = frozenset((list, tuple))
#: Results nested more deeply than this are encoded without recursion.
_DEEP = 100


def argument(value: Any) -> bytes | None:
    """Returns an argument of ``redis.call`` as bytes; None if the type is not allowed."""
    if value.__class__ is bytes:
        return value
    if value.__class__ is int:
        # A Lua number, which arrives as an int if it is whole.
        return b"%d" % value if -_PLAIN <= value <= _PLAIN else double_text(float(value))
    if value.__class__ is float:
        return b"-nan" if value != value and math.copysign(1.0, value) < 0 else double_text(value)
    return None


def to_lua(lua: Interpreter, reply: Reply, version: int) -> Any:
    """Returns the Lua value of ``reply`` under RESP ``version``."""
    kind = reply.__class__
    if kind is bytes or kind is int:
        return reply
    if reply is None or reply is NullArray:
        return None if version == 3 else False
    if kind is list or kind is tuple or kind is Bulks:
        if not _UNCHANGED.issuperset(map(type, reply)):
            if version == 3 and _is_scored(reply):
                return lua.scored(*map(lua.table, zip(*reply, strict=True)))
            reply = [to_lua(lua, value, version) for value in reply]
        return lua.table(reply)
    if kind is Simple:
        return lua.status(bytes(reply))
    if kind is ErrorReply:
        return lua.error(bytes(reply), True)
    if kind is bool:
        return reply if version == 3 else int(reply)
    if kind is float:
        return lua.double(reply) if version == 3 else double_text(reply)
    if kind is dict:
        return _map(lua, list(reply.items()), version)
    if kind is Pairs:
        return _map(lua, list(zip(reply[::2], reply[1::2], strict=True)), version)
    if kind in (set, frozenset, SetReply):
        members = [to_lua(lua, member, version) for member in reply]
        return lua.set(lua.table(dict.fromkeys(members, True))) if version == 3 else lua.table(members)
    if kind is BigNumber:
        return lua.big(b"%d" % reply) if version == 3 else b"%d" % reply
    if kind is Verbatim:
        return lua.verbatim(reply.format, bytes(reply)) if version == 3 else bytes(reply)
    if kind is Attributed:
        return to_lua(lua, reply.reply, version)
    if kind is Push:
        return lua.table([to_lua(lua, value, version) for value in reply])
    if reply is NO_REPLY:
        return None
    if isinstance(reply, bytes | bytearray):
        return bytes(reply)
    if isinstance(reply, list | tuple):
        return lua.table([to_lua(lua, value, version) for value in reply])
    raise TypeError(f"a script cannot receive {kind}")


def _is_scored(reply: Reply) -> bool:
    """True if ``reply`` consists of (member, score) pairs, as that of ZRANGE WITHSCORES does in RESP3."""
    kinds = {*map(type, reply)}
    return (
        len(kinds) == 1
        and kinds <= _ARRAYS
        and {*map(len, reply)} == {2}
        and all(member.__class__ is bytes and score.__class__ is float for member, score in reply)
    )


def _map(lua: Interpreter, items: list[tuple[Any, Any]], version: int) -> Any:
    converted = [(to_lua(lua, key, version), to_lua(lua, value, version)) for key, value in items]
    if version == 3:
        return lua.map(lua.table(dict(converted)))
    return lua.table([part for item in converted for part in item])


def _integer(value: float) -> int:
    if not math.isfinite(value) or not -(2.0**63) <= value < 2.0**63:
        return -(2**63)
    return int(value)


def scalar(value: Any, version: int) -> Reply:
    """Returns the reply for a result other than a table; ``version`` is the one set by ``redis.setresp``."""
    kind = value.__class__
    if kind is bytes:
        return value
    if kind is int and -_PLAIN <= value <= _PLAIN:
        return value
    if kind is int or kind is float:
        return _integer(value)
    if kind is bool:
        if version == 3:
            return value
        return 1 if value else None
    return None


#: The errors in a result: (text, True if the statistics have counted it already).
_Errors = list[tuple[bytes, bool]]


def from_lua(tokens: list[Any], depth: int, version: int, resp: int, errors: _Errors) -> Reply:
    """Returns the reply for a stream of tokens, for a client of RESP ``resp``; adds its errors to ``errors``.

    ``depth`` is that of the most deeply nested container; the outermost one has the depth 0.
    """
    if depth >= _DEEP:
        return Raw(b"".join(_encoded(tokens, version, resp, errors)))
    return _nested(iter(tokens), version, resp, errors)


def _leaf(code: int, tokens: Iterator[Any], version: int, resp: int, errors: _Errors) -> Reply:
    if code == _STRING:
        return next(tokens)
    if code == _NUMBER:
        return _integer(next(tokens))
    if code in (_TRUE, _FALSE):
        return scalar(code == _TRUE, version)
    if code == _ERROR:
        text = one_line(next(tokens))
        errors.append((text, next(tokens)))
        return ErrorReply(text)
    if code == _STATUS:
        return Simple(one_line(next(tokens)))
    if code == _DOUBLE:
        return float(next(tokens))
    if code == _BIG:
        # Keep the text of the script: its digits are not checked.
        text = next(tokens).replace(b"\r", b" ").replace(b"\n", b" ")
        return Raw(b"(%b\r\n" % text) if resp == 3 else text
    if code == _VERBATIM:
        format_ = next(tokens)
        verbatim = Verbatim(next(tokens))
        verbatim.format = format_
        return verbatim
    if code == _TOO_DEEP:
        errors.append((_LIMIT, False))
        return ErrorReply(_LIMIT)
    return None


def one_line(text: bytes) -> bytes:
    """Returns a text as Redis sends it, where a string ends at a zero byte."""
    return text.partition(b"\0")[0].replace(b"\r", b" ").replace(b"\n", b" ")


def _nested(tokens: Iterator[Any], version: int, resp: int, errors: _Errors) -> Reply:
    code = next(tokens)
    if code == _STRING:
        return next(tokens)  # the most frequent leaf, without another call
    if code == _ARRAY:
        return [_nested(tokens, version, resp, errors) for _ in range(next(tokens))]
    if code == _MAP:
        return Pairs(_nested(tokens, version, resp, errors) for _ in range(2 * next(tokens)))
    if code == _SET:
        return SetReply(_nested(tokens, version, resp, errors) for _ in range(next(tokens)))
    return _leaf(code, tokens, version, resp, errors)


def _encoded(tokens: list[Any], version: int, resp: int, errors: _Errors) -> Iterator[bytes]:
    encode = encode3 if resp == 3 else encode2
    each = iter(tokens)
    for code in each:
        if code == _ARRAY:
            yield b"*%d\r\n" % next(each)
        elif code == _MAP:
            count = next(each)
            yield b"%%%d\r\n" % count if resp == 3 else b"*%d\r\n" % (2 * count)
        elif code == _SET:
            yield b"~%d\r\n" % next(each) if resp == 3 else b"*%d\r\n" % next(each)
        else:
            yield encode(_leaf(code, each, version, resp, errors))
