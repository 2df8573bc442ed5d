"""Packed collections (``datatypes.packed``) in files and dumps.

The listpack or intset of a packed collection is what the RDB format stores for it, so it is written as it is.  In the
other direction the readers here check the stored bytes, and return those.  They make no live collection.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from twisted_redis.datatypes import intset, listpack
from twisted_redis.datatypes.list import SettledList
from twisted_redis.datatypes.packed import (
    PackedHash,
    PackedIntset,
    PackedList,
    PackedSet,
    PackedZSet,
    packed,
    rested,
)
from twisted_redis.datatypes.quicklist import limits
from twisted_redis.persistence.rdb import hashes, lists, sets, sorted_sets
from twisted_redis.persistence.rdb.codec import Codec, Limits
from twisted_redis.persistence.rdb.numbers import length_bytes, read_length
from twisted_redis.persistence.rdb.strings import add_strings, read_string, read_strings, string_bytes

__all__ = ["CODECS_OF_PACKED", "STILL_READERS"]


# writing


def _write_list(value: bytes, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    head = length_bytes(1) + length_bytes(lists.NODE_PACKED)
    return lists.LIST_QUICKLIST_2, [head, string_bytes(value, compressed)]


def _write_set(value: bytes, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    if version > sets.WITHOUT_LISTPACKS:
        return sets.SET_LISTPACK, [string_bytes(value, compressed)]
    members = listpack.texts(value)
    parts = [length_bytes(len(members))]
    add_strings(parts.append, members, compressed)
    return sets.SET, parts


def _as_it_is(kind: int) -> Callable[[bytes, int, bool], tuple[int, list[bytes]]]:
    """Returns a writer of the string that a packed collection is, in the encoding ``kind``."""

    def write(value: bytes, version: int, compressed: bool) -> tuple[int, list[bytes]]:
        return kind, [string_bytes(value, compressed)]

    return write


def _write_settled_list(value: SettledList, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    return lists.CODEC.write(value.glimpse(), version, compressed)


CODECS_OF_PACKED: Final[dict[type, Codec]] = {
    SettledList: Codec(_write_settled_list, ()),
    PackedList: Codec(_write_list, ()),
    PackedSet: Codec(_write_set, ()),
    PackedIntset: Codec(_as_it_is(sets.SET_INTSET), ()),
    PackedZSet: Codec(_as_it_is(sorted_sets.ZSET_LISTPACK), ()),
    PackedHash: Codec(_as_it_is(hashes.HASH_LISTPACK), ()),
}


# reading


_MOST_NODES: Final = 63
"""Nodes of a list that is packed while it is read; a longer one is when it was idle."""

StillReader = Callable[[bytes, int, Limits], "tuple[Any, int] | None"]
"""Returns the packed collection at a position and the position behind it.

Returns None, or raises ``CorruptData`` or IndexError, unless the collection is in order and small: only the reader of
live values knows what the value is then, or what is wrong.
"""


class _Pairs(NamedTuple):
    """A listpack that alternates names and what belongs to each, and the position behind it."""

    blob: bytes
    names: list[bytes]
    others: list[bytes]
    end: int


def _pairs(data: bytes, pos: int, most: int) -> _Pairs | None:
    """Returns up to ``most`` pairs with different names; None if there are none, more, or equal names."""
    blob, end = read_string(data, pos)
    texts = listpack.decode(blob)
    names, others = texts[::2], texts[1::2]
    count = len(names)
    if not 0 < count <= most or len(others) != count or len(set(names)) < count:
        return None
    return _Pairs(blob, names, others, end)


def _read_hash(data: bytes, pos: int, config: Limits) -> tuple[bytes, int] | None:
    found = _pairs(data, pos, config.hash_max_listpack_entries)
    return None if found is None else (PackedHash(found.blob), found.end)


def _read_list(data: bytes, pos: int, config: Limits) -> tuple[Any, int] | None:
    nodes = data[pos]
    if nodes != 1 or data[pos + 1] != lists.NODE_PACKED:
        if nodes > _MOST_NODES:
            return None
        value, end = lists.read_quicklist(data, pos, config)
        return packed(rested(value)), end
    blob, end = read_string(data, pos + 2)
    most_bytes, most = limits(config.list_max_listpack_size)
    if len(blob) > most_bytes or not 0 < len(listpack.decode(blob)) <= most:
        return None
    return PackedList(blob), end


def _read_set_listpack(data: bytes, pos: int, config: Limits) -> tuple[bytes, int] | None:
    blob, end = read_string(data, pos)
    members = listpack.decode(blob)
    if not 0 < len(members) <= config.set_max_listpack_entries or len(set(members)) < len(members):
        return None
    return PackedSet(blob), end


def _read_intset(data: bytes, pos: int, config: Limits) -> tuple[bytes, int] | None:
    blob, end = read_string(data, pos)
    return (PackedIntset(blob), end) if len(intset.decode(blob)) <= config.set_max_intset_entries else None


def _read_set(data: bytes, pos: int, config: Limits) -> tuple[bytes, int] | None:
    # Files that older servers can load have no listpacks of sets.
    count, pos = read_length(data, pos)
    if not 0 < count <= sets.most_integers(config):
        return None
    members, end = read_strings(data, pos, count)
    if len(set(members)) < count:
        return None
    numbers = sets.integers(members)
    if numbers is not None:
        return PackedIntset(intset.encode(array("q", sorted(numbers)))), end
    if count > config.set_max_listpack_entries or max(map(len, members)) > config.set_max_listpack_value:
        return None
    return PackedSet(listpack.encode(members)), end


def _read_zset(data: bytes, pos: int, config: Limits) -> tuple[bytes, int] | None:
    found = _pairs(data, pos, config.zset_max_listpack_entries)
    if found is None:
        return None
    blob, members, texts, end = found
    count = len(members)
    try:
        scores = list(map(float, texts))
    except ValueError:
        return None
    # Redis does not check the order in a file, but a packed one must be in order.
    if sorted(scores) != scores:
        return None
    total = sum(scores)
    if total != total and any(score != score for score in scores):
        return None
    if len(set(scores)) < count and sorted(pairs := list(zip(scores, members, strict=True))) != pairs:
        return None
    return PackedZSet(blob), end


STILL_READERS: Final[dict[int, StillReader]] = {
    lists.LIST_QUICKLIST_2: _read_list,
    sets.SET: _read_set,
    sets.SET_LISTPACK: _read_set_listpack,
    sets.SET_INTSET: _read_intset,
    sorted_sets.ZSET_LISTPACK: _read_zset,
    hashes.HASH_LISTPACK: _read_hash,
}
"""Readers of small collections that stay as they are stored; by number of the encoding."""
