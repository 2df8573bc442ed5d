"""The table of codecs: how the values of each type are written to RDB files and dumps, and read from them.

This is the part of a type's row that needs the RDB format; the rest is in ``datatypes/table.py``.

The encoding of a written value depends on the value's form, as in Redis 8, and on the version of the format.  A file
has one version.  A dump uses the lowest version that can hold its value, so that older servers accept it too.

Values are read in every encoding that a version of Redis has ever written, and take the form that Redis 8 would give
them under the limits of the configuration.  Readers always check as Redis does with ``sanitize-dump-payload yes``:
the bytes have to be gone through anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import error
from typing import Any

from twisted_redis.datatypes.array import Array
from twisted_redis.datatypes.hash import Hash, RestingHash
from twisted_redis.datatypes.list import List, RestingList
from twisted_redis.datatypes.own import OwnValue
from twisted_redis.datatypes.set import RestingSet, Set
from twisted_redis.datatypes.stream import RestingStream, SettledStream, Stream
from twisted_redis.datatypes.strings import Text
from twisted_redis.datatypes.vectors.vector_set import VectorSet
from twisted_redis.datatypes.zset import RestingZSet, ZSet
from twisted_redis.persistence.rdb import arrays, hashes, lists, own, sets, sorted_sets, streams, strings, types
from twisted_redis.persistence.rdb.codec import Codec, Encoding, Limits, Writer
from twisted_redis.persistence.rdb.errors import CorruptData, Truncated
from twisted_redis.persistence.rdb.packing import CODECS_OF_PACKED, STILL_READERS

__all__ = [
    "CODECS",
    "ENCODINGS",
    "SIMPLE_WRITERS",
    "VERSIONED",
    "codec_of",
    "encoding_name",
    "least_version",
    "read_value",
    "value_parts",
]

CODECS: dict[type, Codec] = {
    bytes: strings.CODEC,
    bytearray: strings.CODEC,
    Text: strings.CODEC,
    List: lists.CODEC,
    Set: sets.CODEC,
    ZSet: sorted_sets.CODEC,
    Hash: hashes.CODEC,
    Stream: streams.CODEC,
    Array: arrays.CODEC,
    VectorSet: own.VECTOR_SET_CODEC,
    OwnValue: own.CODEC,
    RestingList: lists.CODEC,
    RestingSet: sets.CODEC,
    RestingZSet: sorted_sets.CODEC,
    RestingHash: hashes.CODEC,
    RestingStream: streams.CODEC,
    SettledStream: streams.CODEC,
    **CODECS_OF_PACKED,
}
"""Class of a value to its codec; the codec of ``OwnValue`` serves all types of modules."""

SIMPLE_WRITERS: dict[type, Writer] = {
    cls: CODECS[cls].write
    for cls in (Hash, List, Set, ZSet, RestingHash, RestingList, RestingSet, RestingZSet, *CODECS_OF_PACKED)
}
"""The writers of the usual collections, which cannot fail."""

VERSIONED: dict[type, Callable[[Any], int]] = {
    cls: codec.least_version for cls, codec in CODECS.items() if codec.least_version is not None
}
"""Class to ``least_version`` of its codec, for the classes some values of which need more than the oldest version."""

ENCODINGS: dict[int, Encoding] = {
    encoding.number: encoding for codec in CODECS.values() for encoding in codec.encodings
}
"""Number of an encoding to the encoding, for all that can be read."""


def codec_of(value: Any) -> Codec:
    """Returns the codec for ``value``; raises TypeError if no key can hold such a value."""
    found = CODECS.get(value.__class__)
    if found is None:
        if not isinstance(value, OwnValue):
            raise TypeError(f"{value.__class__.__name__} is no value of a key")
        return CODECS[OwnValue]
    return found


def least_version(value: Any) -> int:
    """Returns the lowest version of the format that can hold ``value``."""
    version_of = codec_of(value).least_version
    return types.OLDEST_TARGET if version_of is None else version_of(value)


def value_parts(value: Any, version: int = types.VERSION, compressed: bool = True) -> tuple[int, list[bytes]]:
    """Returns the number of the encoding of ``value`` and its bytes in pieces.

    ``version`` is that of the format, ``least_version(value)`` or later.
    """
    found = CODECS.get(value.__class__)
    return (codec_of(value) if found is None else found).write(value, version, compressed)


def foreign_kind(kind: int) -> int:
    """Returns the number here of an encoding that has the number ``kind`` in files and dumps of Valkey."""
    return kind | types.OF_VALKEY if kind | types.OF_VALKEY in ENCODINGS else kind


def encoding_name(number: int) -> str:
    """Returns the name that redis-check-rdb has for an encoding; empty if there is no such encoding."""
    found = ENCODINGS.get(number)
    if found is None:
        return "module-pre-release" if number == own.MODULE_PRE_GA else ""
    return found.name


def read_value(kind: int, data: bytes, pos: int, config: Limits, still: bool = False) -> tuple[Any, int]:
    """Returns the value at ``pos``, stored in the encoding ``kind``, and the position behind it.

    The slices of ``data`` must be ``bytes``, as those of ``bytes`` itself or of a mapped file.  Raises ``CorruptData``,
    or its subclasses: ``Truncated`` if the bytes end too early, ``EmptyValue`` for an empty collection.  With ``still``
    a small collection is returned in its packed form.
    """
    encoding = ENCODINGS.get(kind)
    if encoding is None:
        raise CorruptData(f"Unknown RDB encoding type {kind}")
    try:
        if still and kind in STILL_READERS and (found := STILL_READERS[kind](data, pos, config)) is not None:
            return found
        return encoding.read(data, pos, config)
    except (IndexError, error):
        raise Truncated("a value ends too early") from None
    except CorruptData as failure:
        if failure.__class__ is not CorruptData or not encoding.packed:
            raise
        raise CorruptData(f"{encoding.packed} integrity check failed: {failure}") from None
