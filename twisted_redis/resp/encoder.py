"""The encoder: Python values to RESP2 and RESP3.

Each protocol has one table from a value's class to the function that encodes it.  A subclass that is not in the table
is looked up by its bases once and then remembered.  Doubles have the text that Redis prints (``doubles.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted_redis.resp.accelerated import CHUNK, in_chunks, pack_bulks
from twisted_redis.resp.columns import COLUMNS_FROM, RESP2, RESP3, Form, pack_columns
from twisted_redis.resp.doubles import double_text
from twisted_redis.resp.scanner import COMPILED
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

__all__ = ["encode2", "encode3"]

Encoder = Callable[[Any], bytes]


def _bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


def _buffer(value: bytearray | memoryview) -> bytes:
    return _bulk(bytes(value))


def _text(value: str) -> bytes:
    # A str is sent as UTF-8: it is what most people's first command returns.
    return _bulk(value.encode())


def _simple(value: bytes) -> bytes:
    return b"+%b\r\n" % value


def _error(value: bytes) -> bytes:
    # A CR or LF in an error would end the line early and shift every later reply.
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
    text = double_text(value)
    return b"$%d\r\n%b\r\n" % (len(text), text)


def _double3(value: float) -> bytes:
    return b",%b\r\n" % double_text(value)


def _big2(value: int) -> bytes:
    return _bulk(b"%d" % value)


def _big3(value: int) -> bytes:
    return b"(%d\r\n" % value


def _verbatim3(value: Verbatim) -> bytes:
    # The format has exactly three bytes, whatever was given; like a C string it ends at a zero.
    kind = value.format.partition(b"\0")[0][:3].ljust(3)
    return b"=%d\r\n%b:%b\r\n" % (len(value) + 4, kind, value)


def _all_bytes(items: Any) -> bool:
    """Whether each of ``items`` is bytes.  A loop is the fastest way only if it is compiled."""
    if not COMPILED:
        return (type(items) is not list or type(items[0]) is bytes) and {*map(type, items)} == {bytes}
    for item in items:  # noqa: SIM110 - a generator would cost as much as the set
        if type(item) is not bytes:
            return False
    return True


def _array(encode: Encoder, mark: bytes) -> Encoder:
    """Makes the encoder of arrays, sets or pushes; large ones of one shape take the fast way."""
    head = mark + b"%d"
    line = head + b"\r\n%b"

    def array(value: Any) -> bytes:
        count = len(value)
        if count > CHUNK:
            return in_chunks(array, head % count, value)
        if count > 4 and _all_bytes(value):
            packed = pack_bulks(tuple(value))
            return packed if mark == b"*" else mark + packed[1:]
        if count >= COLUMNS_FROM:
            columns = pack_columns(head % count, [value], _FORMS[encode])
            if columns is None and value.__class__ is list and not count & 1 and value[0].__class__ is bytes:
                # Members and scores in turn.
                columns = pack_columns(head % count, [value[::2], value[1::2]], _FORMS[encode])
            if columns is not None:
                return columns
        table = _TABLES[encode]
        try:
            # This is ``encode``, spelled out, since an element is encoded as fast as a function is called.
            return line % (count, b"".join([table[item.__class__](item) for item in value]))
        except KeyError:
            return line % (count, b"".join([encode(item) for item in value]))

    return array


def _tuple(encode: Encoder, *, bulk: bool) -> Encoder:
    """Makes the encoder of tuples, which is an array's with a short way for a member and its score (ZPOPMIN).

    That takes a quarter of the time of three calls of encoders.  ``bulk`` says that a double is a bulk string.
    """
    array = _array(encode, b"*")

    def pair_or_more(value: tuple[Any, ...]) -> bytes:
        if len(value) == 2:
            member, score = value
            if score.__class__ is float and member.__class__ is bytes:
                text = double_text(score)
                if bulk:
                    return b"*2\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(member), member, len(text), text)
                return b"*2\r\n$%d\r\n%b\r\n,%b\r\n" % (len(member), member, text)
        return array(value)

    return pair_or_more


def _pairs(encode: Encoder, mark: bytes, factor: int) -> Encoder:
    """Makes the encoder of maps, which come as lists of keys and values in turn; each pair counts ``factor``."""
    head = mark + b"%d"

    def pairs(value: list[Any]) -> bytes:
        count = len(value)
        first = head % (count // 2 * factor)
        if count > CHUNK:
            return in_chunks(pairs, first, value)
        if count >= COLUMNS_FROM:
            columns = pack_columns(first, [value[::2], value[1::2]], _FORMS[encode])
            if columns is not None:
                return columns
        return first + b"\r\n" + b"".join([encode(item) for item in value])

    return pairs


def _map(encode: Encoder, mark: bytes, factor: int) -> Encoder:
    pairs = _pairs(encode, mark, factor)

    def mapping(value: dict[Any, Any]) -> bytes:
        flat: list[Any] = [None] * (2 * len(value))
        flat[::2] = value
        flat[1::2] = value.values()
        return pairs(flat)

    return mapping


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
    """Encodes ``value`` in RESP2."""
    cls = type(value)
    return (_TWO.get(cls) or _resolve(_TWO, cls))(value)


def encode3(value: Any) -> bytes:
    """Encodes ``value`` in RESP3."""
    cls = type(value)
    return (_THREE.get(cls) or _resolve(_THREE, cls))(value)


_FORMS: Final[dict[Encoder, Form]] = {encode2: RESP2, encode3: RESP3}


_COMMON: Final[dict[type, Encoder]] = {
    bytes: _bulk,
    bytearray: _buffer,
    memoryview: _buffer,
    str: _text,
    int: _integer,
    Simple: _simple,
    ErrorReply: _error,
    Raw: _raw,
    Bulks: pack_bulks,
    type(NO_REPLY): lambda value: _nothing(value) if value is NO_REPLY else b"*-1\r\n",
}

_TWO: Final[dict[type, Encoder]] = {
    **_COMMON,
    type(None): _null_bulk,
    bool: _bool2,
    float: _double2,
    BigNumber: _big2,
    Verbatim: _bulk,
    list: _array(encode2, b"*"),
    tuple: _tuple(encode2, bulk=True),
    set: _array(encode2, b"*"),
    frozenset: _array(encode2, b"*"),
    SetReply: _array(encode2, b"*"),
    Pairs: _array(encode2, b"*"),
    Push: _array(encode2, b"*"),
    dict: _map(encode2, b"*", 2),
    Attributed: _attributed2,
}

_THREE: Final[dict[type, Encoder]] = {
    **_COMMON,
    type(None): _null,
    type(NullArray): lambda value: _nothing(value) if value is NO_REPLY else b"_\r\n",
    bool: _bool3,
    float: _double3,
    BigNumber: _big3,
    Verbatim: _verbatim3,
    list: _array(encode3, b"*"),
    tuple: _tuple(encode3, bulk=False),
    set: _array(encode3, b"~"),
    frozenset: _array(encode3, b"~"),
    SetReply: _array(encode3, b"~"),
    Pairs: _pairs(encode3, b"%%", 1),
    Push: _array(encode3, b">"),
    dict: _map(encode3, b"%%", 1),
    Attributed: _attributed3,
}

_TABLES: dict[Encoder, dict[type, Encoder]] = {encode2: _TWO, encode3: _THREE}
