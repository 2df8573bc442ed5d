"""Python values to RESP2 and RESP3.

One table from a value's class to its writer for each protocol.  A subclass that is not in the table is looked up by
its bases once and remembered.  Doubles come out as Redis prints them: the shortest text that reads back as the same
double, ``inf``, ``-inf`` and ``nan`` in lower case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_redis.resp.accelerated import pack_bulks
from twisted_redis.resp.doubles import double_text
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
    SetReply,
    Simple,
    Verbatim,
)

__all__ = ["encode2", "encode3", "encoder_for"]

Encoder = Callable[[Any], bytes]


def _bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


def _view(value: memoryview) -> bytes:
    return _bulk(value.tobytes())


def _text(value: str) -> bytes:
    # Text is a string in UTF-8: everybody's first own command returns it.
    return _bulk(value.encode())


def _simple(value: bytes) -> bytes:
    return b"+%b\r\n" % value


def _error(value: bytes) -> bytes:
    # A CR or LF inside an error would end the line early and shift every later reply.
    return b"-%b\r\n" % value.replace(b"\r", b" ").replace(b"\n", b" ")


def _integer(value: int) -> bytes:
    return b":%d\r\n" % value


def _raw(value: bytes) -> bytes:
    return bytes(value)


def _nothing(value: object) -> bytes:
    return b""


def _null_bulk(value: object) -> bytes:
    return b"$-1\r\n"


def _null(value: object) -> bytes:
    return b"_\r\n"


def _bool2(value: bool) -> bytes:
    return b":1\r\n" if value else b":0\r\n"


def _bool3(value: bool) -> bytes:
    return b"#t\r\n" if value else b"#f\r\n"


def _double2(value: float) -> bytes:
    return _bulk(double_text(value))


def _double3(value: float) -> bytes:
    return b",%b\r\n" % double_text(value)


def _big2(value: int) -> bytes:
    return _bulk(b"%d" % value)


def _big3(value: int) -> bytes:
    return b"(%d\r\n" % value


def _verbatim3(value: Verbatim) -> bytes:
    return b"=%d\r\n%b:%b\r\n" % (len(value) + 4, value.format, value)


def _array(encode: Encoder, mark: bytes) -> Encoder:
    head = mark + b"%d\r\n"

    def array(value: Any) -> bytes:
        return head % len(value) + b"".join([encode(item) for item in value])

    return array


def _map(encode: Encoder, mark: bytes, factor: int) -> Encoder:
    head = mark + b"%d\r\n"

    def mapping(value: dict[Any, Any]) -> bytes:
        parts = [head % (len(value) * factor)]
        for key, item in value.items():
            parts.append(encode(key))
            parts.append(encode(item))
        return b"".join(parts)

    return mapping


def _pairs3(encode: Encoder) -> Encoder:
    def pairs(value: list[Any]) -> bytes:
        return b"%%%d\r\n" % (len(value) // 2) + b"".join([encode(item) for item in value])

    return pairs


def _list(encode: Encoder) -> Encoder:
    """Arrays: plain bytes throughout, which most are, take the fast way."""
    array = _array(encode, b"*")

    def encode_list(value: Any) -> bytes:
        if len(value) > 4 and {*map(type, value)} == {bytes}:
            return pack_bulks(tuple(value))
        return array(value)

    return encode_list


def _attributed2(value: Attributed) -> bytes:
    return encode2(value.reply)


def _attributed3(value: Attributed) -> bytes:
    return b"|%d\r\n" % (len(value.attributes) // 2) + b"".join(map(encode3, value.attributes)) + encode3(value.reply)


def _resolve(table: dict[type, Encoder], cls: type) -> Encoder:
    for base in cls.__mro__[1:]:
        writer = table.get(base)
        if writer is not None:
            table[cls] = writer
            return writer
    raise TypeError(f"a reply cannot hold {cls.__name__}")


def encode2(value: Any) -> bytes:
    """The bytes of ``value`` in RESP2."""
    cls = value.__class__
    return (_TWO.get(cls) or _resolve(_TWO, cls))(value)


def encode3(value: Any) -> bytes:
    """The bytes of ``value`` in RESP3."""
    cls = value.__class__
    return (_THREE.get(cls) or _resolve(_THREE, cls))(value)


def encoder_for(version: int) -> Encoder:
    """The encoder of protocol ``version`` (2 or 3)."""
    return encode3 if version == 3 else encode2


_COMMON: dict[type, Encoder] = {
    bytes: _bulk,
    bytearray: _bulk,
    memoryview: _view,
    str: _text,
    int: _integer,
    Simple: _simple,
    ErrorReply: _error,
    Raw: _raw,
    Bulks: pack_bulks,
    type(NO_REPLY): lambda value: _nothing(value) if value is NO_REPLY else b"*-1\r\n",
}

_TWO: dict[type, Encoder] = {
    **_COMMON,
    type(None): _null_bulk,
    bool: _bool2,
    float: _double2,
    BigNumber: _big2,
    Verbatim: _bulk,
    list: _list(encode2),
    tuple: _list(encode2),
    set: _list(encode2),
    frozenset: _list(encode2),
    SetReply: _list(encode2),
    Pairs: _list(encode2),
    Push: _array(encode2, b"*"),
    dict: _map(encode2, b"*", 2),
    Attributed: _attributed2,
}

_THREE: dict[type, Encoder] = {
    **_COMMON,
    type(None): _null,
    type(NullArray): lambda value: _nothing(value) if value is NO_REPLY else b"_\r\n",
    bool: _bool3,
    float: _double3,
    BigNumber: _big3,
    Verbatim: _verbatim3,
    list: _list(encode3),
    tuple: _list(encode3),
    set: _array(encode3, b"~"),
    frozenset: _array(encode3, b"~"),
    SetReply: _array(encode3, b"~"),
    Pairs: _pairs3(encode3),
    Push: _array(encode3, b">"),
    dict: _map(encode3, b"%%", 1),
    Attributed: _attributed3,
}
