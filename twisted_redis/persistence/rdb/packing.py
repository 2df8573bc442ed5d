"""Packed collections (``datatypes.packed``) in files and dumps.

The listpack or intset of a packed collection is what the RDB format stores for it, so it is written as it is.  In the
other direction ``read_still`` checks a value like any other, and returns the stored bytes themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted_redis.datatypes import listpack
from twisted_redis.datatypes.list import List
from twisted_redis.datatypes.packed import PackedHash, PackedIntset, PackedList, PackedSet, PackedZSet, packed, rested
from twisted_redis.persistence.rdb import hashes, lists, sets, sorted_sets
from twisted_redis.persistence.rdb.codec import Codec, Limits
from twisted_redis.persistence.rdb.numbers import length_bytes
from twisted_redis.persistence.rdb.strings import add_strings, read_string, string_bytes

__all__ = ["CODECS_OF_PACKED", "STILL_READERS"]


# writing


def _write_list(value: bytes, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    head = length_bytes(1) + length_bytes(lists.NODE_PACKED)
    return lists.LIST_QUICKLIST_2, [head, string_bytes(bytes(value), compressed)]


def _write_set(value: bytes, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    if version > sets.WITHOUT_LISTPACKS:
        return sets.SET_LISTPACK, [string_bytes(bytes(value), compressed)]
    members = listpack.decode(value)
    parts = [length_bytes(len(members))]
    add_strings(parts.append, members, compressed)
    return sets.SET, parts


def _as_it_is(kind: int) -> Callable[[bytes, int, bool], tuple[int, list[bytes]]]:
    """Returns a writer of the string that a packed collection is, in the encoding ``kind``."""

    def write(value: bytes, version: int, compressed: bool) -> tuple[int, list[bytes]]:
        return kind, [string_bytes(bytes(value), compressed)]

    return write


CODECS_OF_PACKED: Final[dict[type, Codec]] = {
    PackedList: Codec(_write_list, ()),
    PackedSet: Codec(_write_set, ()),
    PackedIntset: Codec(_as_it_is(sets.SET_INTSET), ()),
    PackedZSet: Codec(_as_it_is(sorted_sets.ZSET_LISTPACK), ()),
    PackedHash: Codec(_as_it_is(hashes.HASH_LISTPACK), ()),
}


# reading

StillReader = Callable[[bytes, int, Limits], "tuple[Any, int]"]


def _reader(of_blob: Callable[[bytes, int, Limits], Any], form: str, cls: Callable[[bytes], Any]) -> StillReader:
    """Returns a reader of one string, which stays a ``cls`` if the value that it means has the encoding ``form``."""

    def read(data: bytes, pos: int, config: Limits) -> tuple[Any, int]:
        blob, pos = read_string(data, pos)
        value = of_blob(blob, pos, config)
        return (cls(blob) if value.encoding() == form else value), pos

    return read


def _read_list(data: bytes, pos: int, config: Limits) -> tuple[Any, int]:
    if data[pos] != 1 or data[pos + 1] != lists.NODE_PACKED:
        return lists.read_quicklist2(data, pos, config)
    blob, end = read_string(data, pos + 2)
    elements = listpack.decode(blob)
    if not elements:
        return lists.read_quicklist2(data, pos, config)
    value = List.from_nodes([(False, elements)], config)
    return (PackedList(blob) if value.encoding() == "listpack" else value), end


def _read_set(data: bytes, pos: int, config: Limits) -> tuple[Any, int]:
    # Files that older servers can load have no listpacks of sets.
    value, pos = sets.read_set(data, pos, config)
    resting = rested(value)
    return (value if resting is None else packed(resting)), pos


def _read_zset(data: bytes, pos: int, config: Limits) -> tuple[Any, int]:
    blob, pos = read_string(data, pos)
    value = sorted_sets.of_listpack(blob, pos, config)
    # Redis does not check the order in a file, but a packed one must be in order.
    in_order = value.encoding() == "listpack" and list(value) == listpack.texts(blob)[::2]
    return (PackedZSet(blob) if in_order else value), pos


STILL_READERS: Final[dict[int, StillReader]] = {
    lists.LIST_QUICKLIST_2: _read_list,
    sets.SET: _read_set,
    sets.SET_LISTPACK: _reader(sets.of_listpack, "listpack", PackedSet),
    sets.SET_INTSET: _reader(sets.of_intset, "intset", PackedIntset),
    sorted_sets.ZSET_LISTPACK: _read_zset,
    hashes.HASH_LISTPACK: _reader(hashes.of_listpack, "listpack", PackedHash),
}
"""Readers that return packed collections if the value is a small one; by number of the encoding."""
