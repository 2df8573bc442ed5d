"""Bytes from values.

The type that is written follows from the form that a value has, as in Redis 8, and from the version of the format that
is written: a file is of one version, and a dump may be of the lowest one that can hold its value, so that older servers
take it too.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from twisted_redis.datatypes.hash import Hash
from twisted_redis.datatypes.list import List
from twisted_redis.datatypes.own import OwnValue
from twisted_redis.datatypes.set import Set
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.zset import ZSet
from twisted_redis.persistence.rdb import intset, listpack, types
from twisted_redis.persistence.rdb.numbers import SHORT, length_bytes, time_bytes
from twisted_redis.persistence.rdb.own import own_parts
from twisted_redis.persistence.rdb.streams import needs_active_times, stream_parts
from twisted_redis.persistence.rdb.strings import add_strings, string_bytes
from twisted_redis.resp.grisu import grisu_text

__all__ = ["least_version", "value_parts"]

_double = Struct("<d").pack

_EXACT = float(1 << 52)
"""Whole scores up to here are stored in listpacks as integers."""


def least_version(value: Any) -> int:
    """The lowest version of the format that can hold ``value``."""
    if value.__class__ is Hash:
        if value.times or (value.times is not None and not value.large):
            return 12
    elif value.__class__ is Stream and needs_active_times(value):
        return 11
    return types.OLDEST_TARGET


def value_parts(value: Any, version: int = types.VERSION, compressed: bool = True) -> tuple[int, list[bytes]]:
    """The type of ``value`` in a ``version`` of the format, at least ``least_version``, and its bytes in pieces."""
    if isinstance(value, bytes | bytearray):
        return types.STRING, [string_bytes(value, compressed)]
    if isinstance(value, Hash):
        return _hash_parts(value, compressed)
    if isinstance(value, List):
        return types.LIST_QUICKLIST_2, _list_parts(value, compressed)
    if isinstance(value, Set):
        return _set_parts(value, version, compressed)
    if isinstance(value, ZSet):
        return _zset_parts(value, compressed)
    if isinstance(value, Stream):
        kind = types.STREAM_LISTPACKS_3 if version > 10 else types.STREAM_LISTPACKS_2
        return kind, stream_parts(value, kind, compressed)
    if isinstance(value, OwnValue):
        return types.MODULE_2, own_parts(value, compressed)
    raise TypeError(f"{value.__class__.__name__} is no value of a key")


def _list_parts(value: List, compressed: bool) -> list[bytes]:
    nodes = list(value.nodes())
    parts = [length_bytes(len(nodes))]
    for plain, elements in nodes:
        if plain:
            parts.append(length_bytes(types.NODE_PLAIN))
            parts.append(string_bytes(elements[0], compressed))
        else:
            parts.append(length_bytes(types.NODE_PACKED))
            parts.append(string_bytes(listpack.encode(elements), compressed))
    return parts


def _set_parts(value: Set, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    form = value.encoding()
    if form == "intset":
        return types.SET_INTSET, [string_bytes(intset.encode(value.members), compressed)]  # type: ignore[arg-type]
    if form == "listpack" and version > 10:
        return types.SET_LISTPACK, [string_bytes(listpack.encode(value), compressed)]
    parts = [length_bytes(len(value))]
    add_strings(parts.append, value, compressed)
    return types.SET, parts


def _zset_parts(value: ZSet, compressed: bool) -> tuple[int, list[bytes]]:
    pairs = value.pairs(0, len(value))
    if not value.large:
        texts: list[bytes] = []
        for member, score in pairs:
            whole = -_EXACT < score < _EXACT and score == int(score)
            texts += (member, b"%d" % score if whole else grisu_text(score))
        return types.ZSET_LISTPACK, [string_bytes(listpack.encode(texts), compressed)]
    parts = [length_bytes(len(pairs))]
    append = parts.append
    # From the greatest to the smallest, since Redis inserts at the head of its skiplist at no cost.
    for member, score in reversed(pairs):
        length = len(member)
        if length < 21 and (member >= b":" or length > 11):
            append(SHORT[length] + member + _double(score))
        else:
            append(string_bytes(member, compressed) + _double(score))
    return types.ZSET_2, parts


def _hash_parts(value: Hash, compressed: bool) -> tuple[int, list[bytes]]:
    fields, times = value.fields, value.times
    texts: list[bytes] = [b""] * (2 * len(fields))
    if not value.large:
        if times is not None:
            return types.HASH_LISTPACK_EX, _timed_listpack_parts(value, compressed)
        texts[::2] = fields
        texts[1::2] = fields.values()
        return types.HASH_LISTPACK, [string_bytes(listpack.encode(texts), compressed)]
    if not times:
        texts[::2] = fields
        texts[1::2] = fields.values()
        parts = [length_bytes(len(fields))]
        add_strings(parts.append, texts, compressed)
        return types.HASH, parts
    first = min(times.values())
    parts = [time_bytes(first), length_bytes(len(fields))]
    append = parts.append
    for field, content in fields.items():
        when = times.get(field)
        append(b"\0" if when is None else length_bytes(when - first + 1))
        add_strings(append, (field, content), compressed)
    return types.HASH_METADATA, parts


def _timed_listpack_parts(value: Hash, compressed: bool) -> list[bytes]:
    """Fields with values and times, the first to expire first, 0 for those that do not."""
    fields, times = value.fields, value.times
    assert times is not None
    texts: list[bytes] = []
    for field in sorted(times, key=times.__getitem__):
        texts += (field, fields[field], b"%d" % times[field])
    for field, content in fields.items():
        if field not in times:
            texts += (field, content, b"0")
    first = min(times.values()) if times else 0
    return [time_bytes(first), string_bytes(listpack.encode(texts), compressed)]
