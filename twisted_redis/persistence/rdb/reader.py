"""Values from bytes, in every encoding that a version of Redis has ever written.

Whatever the encoding, the value takes the form that Redis 8 would give it under the limits of the configuration.
Everything is checked as Redis checks with ``sanitize-dump-payload yes``: there is nothing to gain from believing bytes
that have to be looked at anyway.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from struct import Struct, error
from typing import Any, Protocol

from twisted_redis.datatypes.hash import Hash, HashLimits
from twisted_redis.datatypes.list import List, ListLimits
from twisted_redis.datatypes.set import Set, SetLimits
from twisted_redis.datatypes.strings import integer_value
from twisted_redis.datatypes.zset import ZSet, ZSetLimits
from twisted_redis.persistence.rdb import intset, listpack, types, ziplist
from twisted_redis.persistence.rdb.errors import CorruptData, EmptyValue, Truncated
from twisted_redis.persistence.rdb.numbers import read_double, read_length, read_time
from twisted_redis.persistence.rdb.own import OwnTypes, read_own
from twisted_redis.persistence.rdb.streams import read_stream
from twisted_redis.persistence.rdb.strings import read_string, read_strings

__all__ = ["Limits", "read_value"]


class Limits(HashLimits, ListLimits, SetLimits, ZSetLimits, OwnTypes, Protocol):
    """The directives on which the forms of values depend, and the types of modules."""


Reader = Callable[[bytes, int, Any], "tuple[Any, int]"]

_MAX_INTSET = 1 << 30
#: What Redis calls those types in its log.
_PACKED = {
    types.LIST_ZIPLIST: "List ziplist",
    types.LIST_QUICKLIST: "Ziplist",
    types.LIST_QUICKLIST_2: "Listpack",
    types.SET_INTSET: "Intset",
    types.SET_LISTPACK: "Set listpack",
    types.ZSET_ZIPLIST: "Zset ziplist",
    types.ZSET_LISTPACK: "Zset listpack",
    types.HASH_ZIPMAP: "Zipmap",
    types.HASH_ZIPLIST: "Hash ziplist",
    types.HASH_LISTPACK: "Hash listpack",
    types.HASH_LISTPACK_EX_PRE_GA: "Hash listpack",
    types.HASH_LISTPACK_EX: "Hash listpack",
    types.STREAM_LISTPACKS: "Stream listpack",
    types.STREAM_LISTPACKS_2: "Stream listpack",
    types.STREAM_LISTPACKS_3: "Stream listpack",
}

_LATEST = 0xFFFFFFFFFFFF
"""The latest time (ms) at which a field can expire."""

_double = Struct("<d")

_NAMES_MOST = 4096
_names: dict[bytes, bytes] = {}
"""Names of fields of small hashes, seen of late: one object serves all hashes that have such a field."""


def read_value(kind: int, data: bytes, pos: int, config: Limits) -> tuple[Any, int]:
    """The value at ``pos`` that is stored as ``kind``, and the place behind it.

    ``data`` is anything of bytes whose slices are ``bytes``: ``bytes`` itself, or a mapped file.  Raises
    ``CorruptData``; of that ``Truncated`` where the bytes end too early, ``EmptyValue`` for a collection of nothing.
    """
    reader = _READERS.get(kind)
    if reader is None:
        raise CorruptData(f"Unknown RDB encoding type {kind}")
    try:
        return reader(data, pos, config)
    except (IndexError, error):
        raise Truncated("a value ends too early") from None
    except CorruptData as failure:
        if failure.__class__ is not CorruptData or kind not in _PACKED:
            raise
        raise CorruptData(f"{_PACKED[kind]} integrity check failed: {failure}") from None


def _read_text(data: bytes, pos: int, config: Limits) -> tuple[bytes, int]:
    return read_string(data, pos)


def _read_count(data: bytes, pos: int) -> tuple[int, int]:
    count, pos = read_length(data, pos)
    if not count:
        raise EmptyValue(pos)
    return count, pos


# lists


def _read_list(data: bytes, pos: int, config: Limits) -> tuple[List, int]:
    count, pos = _read_count(data, pos)
    elements, pos = read_strings(data, pos, count)
    return List(elements, config), pos


def _read_list_ziplist(data: bytes, pos: int, config: Limits) -> tuple[List, int]:
    blob, pos = read_string(data, pos)
    elements = ziplist.decode(blob)
    if not elements:
        raise EmptyValue(pos)
    # Of all forms of lists this is the one that Redis does not make a listpack of.
    return List(elements, config, quicklist=True), pos


def _read_quicklist(data: bytes, pos: int, config: Limits) -> tuple[List, int]:
    count, pos = _read_count(data, pos)
    nodes: list[tuple[bool, list[bytes]]] = []
    for _ in range(count):
        blob, pos = read_string(data, pos)
        elements = ziplist.decode(blob)
        if elements:
            nodes.append((False, elements))
    return _list_of(nodes, config, pos), pos


def _read_quicklist2(data: bytes, pos: int, config: Limits) -> tuple[List, int]:
    count, pos = _read_count(data, pos)
    nodes: list[tuple[bool, list[bytes]]] = []
    for _ in range(count):
        form, pos = read_length(data, pos)
        blob, pos = read_string(data, pos)
        if form == types.NODE_PACKED:
            elements = listpack.decode(blob)
            if elements:
                nodes.append((False, elements))
        elif form == types.NODE_PLAIN and blob:
            nodes.append((True, [blob]))
        else:
            raise CorruptData("a node of a list is neither a listpack nor an element")
    return _list_of(nodes, config, pos), pos


def _list_of(nodes: list[tuple[bool, list[bytes]]], config: Limits, pos: int) -> List:
    if not nodes:
        raise EmptyValue(pos)
    return List.from_nodes(nodes, config)


# sets


def _read_set(data: bytes, pos: int, config: Limits) -> tuple[Set, int]:
    count, pos = _read_count(data, pos)
    members, pos = read_strings(data, pos, count)
    if count <= min(config.set_max_intset_entries, _MAX_INTSET):
        numbers = _integers(members)
        if numbers is not None:
            _check_different(len(set(numbers)), count)
            return Set(array("q", sorted(numbers))), pos
        longest = config.set_max_listpack_value
        if count <= config.set_max_listpack_entries and all(len(member) <= longest for member in members):
            small = dict.fromkeys(members)
            _check_different(len(small), count)
            return Set(small), pos
    large = set(members)
    _check_different(len(large), count)
    return Set(large), pos


def _integers(texts: list[bytes]) -> list[int] | None:
    """``texts`` as integers, None if one of them is none."""
    numbers = []
    for text in texts:
        number = integer_value(text)
        if number is None:
            return None
        numbers.append(number)
    return numbers


def _read_intset(data: bytes, pos: int, config: Limits) -> tuple[Set, int]:
    blob, pos = read_string(data, pos)
    numbers = intset.decode(blob)
    if len(numbers) > config.set_max_intset_entries:
        return Set({b"%d" % number for number in numbers}), pos
    return Set(numbers), pos


def _read_set_listpack(data: bytes, pos: int, config: Limits) -> tuple[Set, int]:
    blob, pos = read_string(data, pos)
    members = listpack.decode(blob)
    if not members:
        raise EmptyValue(pos)
    small = dict.fromkeys(members)
    _check_different(len(small), len(members))
    return Set(small if len(small) <= config.set_max_listpack_entries else set(small)), pos


def _check_different(different: int, count: int) -> None:
    if different != count:
        raise CorruptData("a collection has something twice")


# sorted sets


def _read_zset2(data: bytes, pos: int, config: Limits) -> tuple[ZSet, int]:
    count, pos = _read_count(data, pos)
    scores: dict[bytes, float] = {}
    unpack = _double.unpack_from
    for _ in range(count):
        length = data[pos]
        if length < 0x40:
            pos += 1
            end = pos + length
            (scores[data[pos:end]],) = unpack(data, end)
        else:
            member, end = read_string(data, pos)
            (scores[member],) = unpack(data, end)
        pos = end + 8
    _check_different(len(scores), count)
    _check_numbers(scores)
    return ZSet.from_pairs(scores.items(), config), pos


def _read_zset(data: bytes, pos: int, config: Limits) -> tuple[ZSet, int]:
    count, pos = _read_count(data, pos)
    scores: dict[bytes, float] = {}
    for _ in range(count):
        member, pos = read_string(data, pos)
        scores[member], pos = read_double(data, pos)
    _check_different(len(scores), count)
    _check_numbers(scores)
    return ZSet.from_pairs(scores.items(), config), pos


def _check_numbers(scores: dict[bytes, float]) -> None:
    if any(score != score for score in scores.values()):
        raise CorruptData("a score that is no number")


def _read_packed_zset(unpack: Callable[[bytes], list[bytes]]) -> Reader:
    def read(data: bytes, pos: int, config: Limits) -> tuple[ZSet, int]:
        blob, pos = read_string(data, pos)
        texts = unpack(blob)
        _check_tuples(texts, 2, pos)
        try:
            scores = dict(zip(texts[::2], map(float, texts[1::2]), strict=True))
        except ValueError:
            raise CorruptData("a score that is no number") from None
        _check_different(2 * len(scores), len(texts))
        _check_numbers(scores)
        # Redis looks at the number of members only, which saves it from going through them.
        value = ZSet()
        value.scores = scores
        if len(scores) > config.zset_max_listpack_entries:
            value.enlarge()
        return value, pos

    return read


def _check_tuples(texts: Sequence[bytes], width: int, pos: int) -> None:
    if not texts:
        raise EmptyValue(pos)
    if len(texts) % width:
        raise CorruptData("a collection with half an element")


# hashes


def _read_hash(data: bytes, pos: int, config: Limits) -> tuple[Hash, int]:
    count, pos = _read_count(data, pos)
    texts, pos = read_strings(data, pos, 2 * count)
    value = _hash_of(texts[::2], texts[1::2], count > config.hash_max_listpack_entries)
    if not value.large:
        value.fit(texts, config)
    return value, pos


def _hash_of(names: list[bytes], values: list[bytes], large: bool) -> Hash:
    """A hash of fields that have to be different."""
    if not large:
        known = _names.setdefault
        names = [known(name, name) for name in names]
        if len(_names) > _NAMES_MOST:
            _names.clear()
    fields = dict(zip(names, values, strict=True))
    _check_different(len(fields), len(names))
    value = Hash(fields)
    value.large = large
    return value


def _read_packed_hash(unpack: Callable[[bytes], list[bytes]]) -> Reader:
    def read(data: bytes, pos: int, config: Limits) -> tuple[Hash, int]:
        blob, pos = read_string(data, pos)
        texts = unpack(blob)
        _check_tuples(texts, 2, pos)
        return _hash_of(texts[::2], texts[1::2], len(texts) > 2 * config.hash_max_listpack_entries), pos

    return read


def _read_hash_zipmap(data: bytes, pos: int, config: Limits) -> tuple[Hash, int]:
    blob, pos = read_string(data, pos)
    texts = ziplist.decode_zipmap(blob)
    value = _hash_of(texts[::2], texts[1::2], False)
    value.fit(texts, config)
    return value, pos


def _read_hash_with_times(from_first: bool) -> Reader:
    """``from_first``: whether times count from the first one, which is stored in front."""

    def read(data: bytes, pos: int, config: Limits) -> tuple[Hash, int]:
        first = 0
        if from_first:
            first, pos = read_time(data, pos)
        count, pos = _read_count(data, pos)
        names: list[bytes] = []
        values: list[bytes] = []
        times: list[int] = []
        for _ in range(count):
            time, pos = read_length(data, pos)
            if time and from_first:
                time += first - 1
            (name, value), pos = read_strings(data, pos, 2)
            names.append(name)
            values.append(value)
            times.append(time)
        made = _hash_of(names, values, count > config.hash_max_listpack_entries)
        if not made.large:
            made.fit(names + values, config)
        _set_times(made, names, times)
        return made, pos

    return read


def _read_hash_listpack_with_times(with_first: bool) -> Reader:
    """``with_first``: whether the first time is stored in front."""

    def read(data: bytes, pos: int, config: Limits) -> tuple[Hash, int]:
        if with_first:
            _, pos = read_time(data, pos)
        blob, pos = read_string(data, pos)
        texts = listpack.decode(blob)
        _check_tuples(texts, 3, pos)
        times = []
        before = -1
        for text in texts[2::3]:
            time = integer_value(text)
            if time is None or (time and (not before or time < before)):
                raise CorruptData("times of fields that are not in order")
            before = time
            times.append(time)
        names = texts[::3]
        made = _hash_of(names, texts[1::3], len(names) > config.hash_max_listpack_entries)
        _set_times(made, names, times)
        return made, pos

    return read


def _set_times(made: Hash, names: list[bytes], times: list[int]) -> None:
    """Lets fields expire at ``times`` (ms), 0 being never."""
    if not made.large:
        made.allow_times()
    for name, time in zip(names, times, strict=True):
        if time:
            if not 0 < time <= _LATEST:
                raise CorruptData("a field that expires at no time")
            made.set_time(name, time)


_READERS: dict[int, Reader] = {
    types.STRING: _read_text,
    types.LIST: _read_list,
    types.LIST_ZIPLIST: _read_list_ziplist,
    types.LIST_QUICKLIST: _read_quicklist,
    types.LIST_QUICKLIST_2: _read_quicklist2,
    types.SET: _read_set,
    types.SET_INTSET: _read_intset,
    types.SET_LISTPACK: _read_set_listpack,
    types.ZSET: _read_zset,
    types.ZSET_2: _read_zset2,
    types.ZSET_ZIPLIST: _read_packed_zset(ziplist.decode),
    types.ZSET_LISTPACK: _read_packed_zset(listpack.decode),
    types.MODULE_2: read_own,
    types.HASH: _read_hash,
    types.HASH_ZIPMAP: _read_hash_zipmap,
    types.HASH_ZIPLIST: _read_packed_hash(ziplist.decode),
    types.HASH_LISTPACK: _read_packed_hash(listpack.decode),
    types.HASH_METADATA_PRE_GA: _read_hash_with_times(False),
    types.HASH_METADATA: _read_hash_with_times(True),
    types.HASH_LISTPACK_EX_PRE_GA: _read_hash_listpack_with_times(False),
    types.HASH_LISTPACK_EX: _read_hash_listpack_with_times(True),
    types.STREAM_LISTPACKS: lambda data, pos, config: read_stream(types.STREAM_LISTPACKS, data, pos),
    types.STREAM_LISTPACKS_2: lambda data, pos, config: read_stream(types.STREAM_LISTPACKS_2, data, pos),
    types.STREAM_LISTPACKS_3: lambda data, pos, config: read_stream(types.STREAM_LISTPACKS_3, data, pos),
}
