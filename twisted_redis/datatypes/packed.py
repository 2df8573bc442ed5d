"""Small collections in a packed form, one ``bytes`` object each: what nobody uses takes little memory.

A live collection is made of Python objects, several times the size of the listpack that Redis has.  So a small
collection that nobody has accessed for some time is *packed*: it becomes an object of one of the classes below, which
is the listpack or the intset itself.  That is also what snapshots, dumps and replicas get, so they take it as it is.

    live  --rested()-->  resting  --packed()-->  packed
      ^                     |                       |
      +------ awake() ------+-----------------------+

Nothing notes when a collection is accessed; that would cost every command.  Instead a collection *rests* before it is
packed: it gets another class, which does not change anything else.  Each access tests the class of a value anyway.
The first access finds a class that it does not expect, and wakes the collection.  What still rests when the next look
comes was not accessed in between.

Packed are hashes without expiry times of fields, sets, sorted sets and lists, as long as Redis would store them as a
listpack or an intset too.  Other collections *settle*, which means that they stay as they are but pack their elements.
All elements of a quicklist go into blocks (``datatypes.list_blocks``).  The full nodes of a stream are packed anyway,
and now the last one is as well.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from struct import Struct
from typing import Any, Final

from twisted_redis.datatypes import intset, listpack
from twisted_redis.datatypes.hash import Hash, RestingHash
from twisted_redis.datatypes.list import List, RestingList, SettledList
from twisted_redis.datatypes.set import RestingSet, Set, listpack_members
from twisted_redis.datatypes.stream import RestingStream, SettledStream, Stream
from twisted_redis.datatypes.zset import RestingZSet, ZSet
from twisted_redis.resp.grisu import grisu_text

__all__ = [
    "CAN_REST",
    "LIVE_CLASS",
    "PACKED",
    "STILL",
    "Encoded",
    "PackedHash",
    "PackedIntset",
    "PackedList",
    "PackedSet",
    "PackedZSet",
    "awake",
    "awake_once",
    "encoded",
    "finished",
    "length",
    "packed",
    "rested",
    "zset_listpack",
]

_EXACT = float(1 << 52)
"""Listpacks store whole scores up to this one as integers."""

_UNCOUNTED = 0xFFFF

_listpack_header = Struct("<IH")
_intset_header = Struct("<II")


Encoded = tuple[Callable[[Any], Any], Any]
"""A function, and the argument with which it returns a packed collection."""


class PackedList(bytes):
    """The listpack of a list: its elements."""

    __slots__ = ()


class PackedSet(bytes):
    """The listpack of a set: its members."""

    __slots__ = ()


class PackedIntset(bytes):
    """The intset of a set of integers."""

    __slots__ = ()


class PackedZSet(bytes):
    """The listpack of a sorted set: members and scores alternate, in the order of the scores."""

    __slots__ = ()


class PackedHash(bytes):
    """The listpack of a hash: fields and values alternate."""

    __slots__ = ()


# packing


def rested(value: Any) -> Any:
    """Returns the live collection ``value`` as a resting one; None if it cannot be packed."""
    rest = _RESTS.get(value.__class__)
    return None if rest is None else rest(value)


def encoded(value: Any) -> Encoded:
    """Returns what ``finished`` makes the packed form of a resting collection of."""
    return _ENCODERS[value.__class__](value)


def finished(encoded: Encoded) -> Any:
    """Returns the packed form of the resting collection that was encoded.

    This is a step of its own for the sake of memory.  An encoder allocates several times the result.  If the results
    are made one after the other, they stand side by side, and not in the gaps that the encoders have left.
    """
    make, content = encoded
    return make(content)


def packed(value: Any) -> Any:
    """Returns the packed form of a resting collection."""
    return finished(encoded(value))


def _rest_list(value: List) -> RestingList:
    return value.moved(RestingList)  # type: ignore[return-value]


def _rest_set(value: Set) -> RestingSet | None:
    return None if isinstance(value.members, set) else value.moved(RestingSet)  # type: ignore[return-value]


def _rest_zset(value: ZSet) -> RestingZSet | None:
    return None if value.large else value.moved(RestingZSet)  # type: ignore[return-value]


def _rest_hash(value: Hash) -> RestingHash | None:
    return None if value.large or value.times is not None else value.moved(RestingHash)  # type: ignore[return-value]


def _rest_stream(value: Stream) -> RestingStream:
    return value.moved(RestingStream)  # type: ignore[return-value]


def _settle(value: Stream) -> Encoded:
    value.settle()
    return value.moved, SettledStream


def _encode_list(value: List) -> Encoded:
    if value.encoding() == "listpack":
        return PackedList, listpack.encode(value)
    return SettledList.renewed, SettledList.of(value)


def _encode_set(value: Set) -> Encoded:
    members = value.members
    if isinstance(members, array):
        return PackedIntset, intset.encode(members)
    return PackedSet, listpack.encode(members)


def zset_listpack(value: ZSet) -> bytes:
    """Returns the listpack of a sorted set that is not large."""
    members, scores = value.sorted_columns()
    parts: list[bytes] = [b""] * (2 * len(members))
    parts[::2] = listpack.entries(members)
    integer, text = listpack.integer_entry, listpack.entry
    parts[1::2] = [
        integer(int(score)) if score.is_integer() and -_EXACT < score < _EXACT else text(_fraction_text(score))
        for score in scores
    ]
    return listpack.encode_parts(parts, len(parts))


def _fraction_text(score: float) -> bytes:
    """Returns the text of a score that is not whole, or not small."""
    text = repr(score)
    # Of the usual scores this is the text that Redis has, too, and it takes a tenth of the time.
    return text.encode() if len(text) < 17 and "e" not in text else grisu_text(score)


def _encode_zset(value: ZSet) -> Encoded:
    return PackedZSet, zset_listpack(value)


def _encode_hash(value: Hash) -> Encoded:
    fields = value.fields
    texts: list[bytes] = [b""] * (2 * len(fields))
    texts[::2] = fields
    texts[1::2] = fields.values()
    return PackedHash, listpack.encode(texts)


# unpacking


def awake(value: Any) -> Any:
    """Returns a resting or packed collection as a live one.  A resting one must not be used any more."""
    return _WAKERS[value.__class__](value)


def awake_once(value: Any) -> Any:
    """Returns a packed collection as a live one to read from; ``value`` stays as it is."""
    return value.glimpse() if value.__class__ is SettledList else awake(value)


def _unpack_list(value: PackedList) -> List:
    return List.of_listpack(listpack.texts(value), len(value))


def _unpack_set(value: PackedSet) -> Set:
    return Set(listpack_members(listpack.texts(value)))


def _unpack_intset(value: PackedIntset) -> Set:
    return Set(intset.decode(value))


def _unpack_zset(value: PackedZSet) -> ZSet:
    texts = listpack.texts(value)
    return ZSet.in_order(texts[::2], array("d", map(float, texts[1::2])))


def _unpack_hash(value: PackedHash) -> Hash:
    texts = listpack.texts(value)
    return Hash.of_small(texts[::2], texts[1::2])


# the tables

_RESTS: Final[dict[type, Callable[[Any], Any]]] = {
    List: _rest_list,
    Set: _rest_set,
    ZSet: _rest_zset,
    Hash: _rest_hash,
    Stream: _rest_stream,
}

CAN_REST: Final[frozenset[type]] = frozenset(_RESTS)
"""The classes of live collections that ``rested`` may accept."""

_ENCODERS: Final[dict[type, Callable[[Any], Encoded]]] = {
    RestingList: _encode_list,
    RestingSet: _encode_set,
    RestingZSet: _encode_zset,
    RestingHash: _encode_hash,
    RestingStream: _settle,
}

_WAKERS: Final[dict[type, Callable[[Any], Any]]] = {
    RestingList: lambda value: value.moved(List),
    RestingSet: lambda value: value.moved(Set),
    RestingZSet: lambda value: value.moved(ZSet),
    RestingHash: lambda value: value.moved(Hash),
    RestingStream: lambda value: value.moved(Stream),
    SettledList: SettledList.awake,
    SettledStream: lambda value: value.moved(Stream),
    PackedList: _unpack_list,
    PackedSet: _unpack_set,
    PackedIntset: _unpack_intset,
    PackedZSet: _unpack_zset,
    PackedHash: _unpack_hash,
}

LIVE_CLASS: Final[dict[type, type]] = {
    RestingList: List,
    RestingSet: Set,
    RestingZSet: ZSet,
    RestingHash: Hash,
    RestingStream: Stream,
    SettledList: List,
    SettledStream: Stream,
    PackedList: List,
    PackedSet: Set,
    PackedIntset: Set,
    PackedZSet: ZSet,
    PackedHash: Hash,
}
"""The classes of resting and packed collections, each with the class of the live one."""

PACKED: Final[frozenset[Any]] = frozenset((PackedList, PackedSet, PackedIntset, PackedZSet, PackedHash, SettledList))
"""The classes of collections that take more memory as soon as they are awake."""

STILL: Final[frozenset[Any]] = PACKED | {SettledStream}
"""The classes of collections that are in their last form."""


def length(value: bytes) -> int:
    """Returns the number of elements of a packed collection; O(1), but for one of 65535 entries or more."""
    if value.__class__ is PackedIntset:
        return int(_intset_header.unpack_from(value)[1])
    count = int(_listpack_header.unpack_from(value)[1])
    if count == _UNCOUNTED:
        count = len(listpack.decode(value))
    return count >> 1 if value.__class__ is PackedHash or value.__class__ is PackedZSet else count
