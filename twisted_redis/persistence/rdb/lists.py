"""Lists: elements, one ziplist, or the nodes of a quicklist."""

from __future__ import annotations

from collections.abc import Iterable

from twisted_redis.datatypes import listpack
from twisted_redis.datatypes.list import List
from twisted_redis.persistence.rdb import ziplist
from twisted_redis.persistence.rdb.codec import Codec, Encoding, Limits, read_count
from twisted_redis.persistence.rdb.errors import CorruptData, EmptyValue
from twisted_redis.persistence.rdb.numbers import length_bytes, read_length
from twisted_redis.persistence.rdb.strings import read_string, read_strings, string_bytes

__all__ = ["CODEC", "read_quicklist"]

LIST = 1
LIST_ZIPLIST = 10
LIST_QUICKLIST = 14
LIST_QUICKLIST_2 = 18

NODE_PLAIN = 1
"""A node of a quicklist that is one large element."""
NODE_PACKED = 2
"""A node of a quicklist that is a listpack."""


def _write(value: List, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    # The nodes are written one by one: only a few elements of a packed list are unpacked at a time.
    parts = [b""]
    count = 0
    for plain, elements in value.nodes():
        count += 1
        if plain:
            parts.append(length_bytes(NODE_PLAIN))
            parts.append(string_bytes(elements[0], compressed))
        else:
            parts.append(length_bytes(NODE_PACKED))
            parts.append(string_bytes(listpack.encode(elements), compressed))
    parts[0] = length_bytes(count)
    return LIST_QUICKLIST_2, parts


def _read_list(data: bytes, pos: int, config: Limits) -> tuple[List, int]:
    count, pos = read_count(data, pos)
    elements, pos = read_strings(data, pos, count)
    return List(elements, config), pos


def _read_list_ziplist(data: bytes, pos: int, config: Limits) -> tuple[List, int]:
    blob, pos = read_string(data, pos)
    elements = ziplist.decode(blob)
    if not elements:
        raise EmptyValue(pos)
    # This is the only form of a list that Redis does not turn into a listpack.
    return List(elements, config, quicklist=True), pos


def _read_quicklist_of_ziplists(data: bytes, pos: int, config: Limits) -> tuple[List, int]:
    count, pos = read_count(data, pos)
    blobs: list[bytes] = []
    for _ in range(count):
        blob, pos = read_string(data, pos)
        blobs.append(blob)
    return _list_of(((False, ziplist.decode(blob)) for blob in blobs), config, pos), pos


def read_quicklist(data: bytes, pos: int, config: Limits) -> tuple[List, int]:
    """Returns the list at ``pos``, stored as nodes of a quicklist, and the position behind it."""
    count, pos = read_count(data, pos)
    nodes: list[tuple[bool, bytes]] = []
    for _ in range(count):
        form, pos = read_length(data, pos)
        blob, pos = read_string(data, pos)
        if form != NODE_PACKED and (form != NODE_PLAIN or not blob):
            raise CorruptData("a node of a list is neither a listpack nor an element")
        nodes.append((form == NODE_PLAIN, blob))
    decoded = ((plain, [blob] if plain else listpack.decode(blob)) for plain, blob in nodes)
    return _list_of(decoded, config, pos), pos


def _list_of(nodes: Iterable[tuple[bool, list[bytes]]], config: Limits, pos: int) -> List:
    """Returns the list of ``nodes``, which are decoded one by one, since a long list is packed meanwhile."""
    made = List.from_nodes(nodes, config)
    if not made:
        raise EmptyValue(pos)
    return made


CODEC = Codec(
    _write,
    (
        Encoding(LIST, "list-linked", _read_list),
        Encoding(LIST_ZIPLIST, "list-ziplist", _read_list_ziplist, "List ziplist"),
        Encoding(LIST_QUICKLIST, "quicklist", _read_quicklist_of_ziplists, "Ziplist"),
        Encoding(LIST_QUICKLIST_2, "quicklist-v2", read_quicklist, "Listpack"),
    ),
)
