"""The table of codecs: how the values of each type are written and read.

This is the part of a type's row that builds on the RDB format; the rest stands in ``datatypes/table.py``.

The encoding that is written follows from the form that a value has, as in Redis 8, and from the version of the format
that is written: a file is of one version, and a dump may be of the lowest one that can hold its value, so that older
servers take it too.

Every encoding that a version of Redis has ever written can be read, and the value takes the form that Redis 8 would
give it under the limits of the configuration.  Everything is checked as Redis checks with ``sanitize-dump-payload
yes``: there is nothing to gain from believing bytes that have to be looked at anyway.
"""

from __future__ import annotations

from struct import error
from typing import Any

from twisted_redis.datatypes.hash import Hash
from twisted_redis.datatypes.list import List
from twisted_redis.datatypes.own import OwnValue
from twisted_redis.datatypes.set import Set
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.strings import Text
from twisted_redis.datatypes.zset import ZSet
from twisted_redis.persistence.rdb import hashes, lists, own, sets, sorted_sets, streams, strings, types
from twisted_redis.persistence.rdb.codec import Codec, Encoding, Limits
from twisted_redis.persistence.rdb.errors import CorruptData, Truncated

__all__ = ["CODECS", "ENCODINGS", "codec_of", "encoding_name", "least_version", "read_value", "value_parts"]

CODECS: dict[type, Codec] = {
    bytes: strings.CODEC,
    bytearray: strings.CODEC,
    Text: strings.CODEC,
    List: lists.CODEC,
    Set: sets.CODEC,
    ZSet: sorted_sets.CODEC,
    Hash: hashes.CODEC,
    Stream: streams.CODEC,
    OwnValue: own.CODEC,
}
"""The codecs by the classes of values; that of ``OwnValue`` serves all types of modules."""

ENCODINGS: dict[int, Encoding] = {
    encoding.number: encoding for codec in CODECS.values() for encoding in codec.encodings
}
"""The encodings that can be read, by their numbers."""


def codec_of(value: Any) -> Codec:
    """The codec of the type that ``value`` has; TypeError for what no key can hold."""
    found = CODECS.get(value.__class__)
    if found is None:
        if not isinstance(value, OwnValue):
            raise TypeError(f"{value.__class__.__name__} is no value of a key")
        return CODECS[OwnValue]
    return found


def least_version(value: Any) -> int:
    """The lowest version of the format that can hold ``value``."""
    version_of = codec_of(value).least_version
    return types.OLDEST_TARGET if version_of is None else version_of(value)


def value_parts(value: Any, version: int = types.VERSION, compressed: bool = True) -> tuple[int, list[bytes]]:
    """The encoding of ``value`` in a ``version`` of the format, at least ``least_version``, and its bytes in pieces."""
    found = CODECS.get(value.__class__)
    return (codec_of(value) if found is None else found).write(value, version, compressed)


def encoding_name(number: int) -> str:
    """What redis-check-rdb calls an encoding, which may be one that cannot be read."""
    found = ENCODINGS.get(number)
    if found is None:
        return "module-pre-release" if number == own.MODULE_PRE_GA else ""
    return found.name


def read_value(kind: int, data: bytes, pos: int, config: Limits) -> tuple[Any, int]:
    """The value at ``pos`` that is stored as ``kind``, and the place behind it.

    ``data`` is anything of bytes whose slices are ``bytes``: ``bytes`` itself, or a mapped file.  Raises
    ``CorruptData``; of that ``Truncated`` where the bytes end too early, ``EmptyValue`` for a collection of nothing.
    """
    encoding = ENCODINGS.get(kind)
    if encoding is None:
        raise CorruptData(f"Unknown RDB encoding type {kind}")
    try:
        return encoding.read(data, pos, config)
    except (IndexError, error):
        raise Truncated("a value ends too early") from None
    except CorruptData as failure:
        if failure.__class__ is not CorruptData or not encoding.packed:
            raise
        raise CorruptData(f"{encoding.packed} integrity check failed: {failure}") from None
