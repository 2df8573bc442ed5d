"""The table of data types: one row describes everything that other modules need to know about a type.

The value of a key is plain ``bytes`` or an object of one of the classes below.  Code whose behaviour depends on the
type looks it up with ``type_of(value)``; no other module lists the types.  Only the RDB codec of a type stands in
another table (``persistence/rdb/table.py``), because the RDB format is a layer above the values.

To add a type, write its class and its codec, and add one row to each table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice, repeat
from typing import Any

from twisted_redis.datatypes import sizes, strings
from twisted_redis.datatypes.array import Array
from twisted_redis.datatypes.digests import hashed, mix, mix_all, pair_digest
from twisted_redis.datatypes.hash import Hash, RestingHash
from twisted_redis.datatypes.list import List, RestingList, SettledList
from twisted_redis.datatypes.own import OwnValue, checked_copy, checked_encoding, memory_of, memory_or_guess
from twisted_redis.datatypes.packed import PackedHash, PackedIntset, PackedList, PackedSet, PackedZSet, awake, length
from twisted_redis.datatypes.set import RestingSet, Set
from twisted_redis.datatypes.stream import RestingStream, SettledStream, Stream
from twisted_redis.datatypes.stream_groups import Group
from twisted_redis.datatypes.stream_idempotence import DURATION, MAXSIZE
from twisted_redis.datatypes.stream_ids import id_text
from twisted_redis.datatypes.strings import Text
from twisted_redis.datatypes.vectors.vector_set import VectorSet
from twisted_redis.datatypes.zset import RestingZSet, ZSet
from twisted_redis.resp.doubles import double_text
from twisted_redis.resp.grisu import grisu_text

__all__ = [
    "OWN",
    "TYPES",
    "DataType",
    "copy_value",
    "encoding_of",
    "exact_size",
    "type_name",
    "type_of",
    "value_size",
]

Command = tuple[bytes, ...]


def _one(value: Any) -> int:
    return 1


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class DataType:
    """One row: the facts about a type, and functions that take a value of that type."""

    name: bytes
    """The answer of TYPE.  Empty for the types of modules, whose classes hold their names (``OwnValue.TYPE``)."""
    number: int
    """Redis' number of the type, which is a part of digests."""
    copy: Callable[[Any], Any]
    """Returns a copy that shares nothing mutable with the value (COPY)."""
    encoding: Callable[[Any], str]
    """Returns the answer of OBJECT ENCODING."""
    size: Callable[[Any, sizes.Sampling], int]
    """Estimates the bytes that the value takes, from some of its items."""
    digest: Callable[[int, Any], int]
    """Returns a digest with the value added to it (DEBUG DIGEST)."""
    shown: Callable[[Any], Any]
    """Returns the value as lists, dicts, bytes and numbers, for people to read."""
    commands: Callable[[bytes, Any], Iterable[Command]] | None = None
    """Returns the commands that create the value at a key.  None: RESTORE creates it from its dump."""
    length: Callable[[Any], int] = len
    """Returns the number of elements, or the length of a string."""
    keysizes: str = ""
    """The name of the type's histogram in INFO keysizes; empty for the types that Redis leaves out there."""
    effort: Callable[[Any], int] = _one
    """Returns the number of parts that Redis would free one by one."""
    parts: tuple[str, ...] = ()
    """The attributes that hold the elements.  The order of a container precedes that container."""
    next_expiry: Callable[[Any], int | None] | None = None
    """Returns the time (ms) at which the next part of the value expires, or None.  Only hashes have such parts."""
    forget_old: Callable[[Any, int], bool] | None = None
    """Drops what the value remembers for some time only, as of a time (ms); returns whether it still remembers any."""
    refuses_copy: bool = False
    """Whether COPY refuses such a value, as Redis does for the types of its modules."""
    wakes_on_delete: bool = False
    """Whether clients that wait for such a key are told when another value replaces it."""


# strings


def _copy_of_string(value: bytes | bytearray) -> bytes | bytearray:
    return bytearray(value) if value.__class__ is bytearray else value


def _size_of_string(value: bytes | bytearray, how: sizes.Sampling) -> int:
    if isinstance(value, bytes):
        return strings.own_size(value)
    try:
        return sys.getsizeof(value)
    except TypeError:  # PyPy does not know
        return 64 + len(value)


def _commands_of_string(key: bytes, value: bytes | bytearray) -> Iterator[Command]:
    yield b"SET", key, bytes(value)


_STRING = DataType(
    name=b"string",
    number=0,
    copy=_copy_of_string,
    encoding=strings.encoding,
    size=_size_of_string,
    digest=mix,
    shown=bytes,
    commands=_commands_of_string,
    keysizes="strings_sizes",
)


# collections

_ITEMS = 64
"""Elements of a value that one command adds."""


def _adding(head: tuple[bytes, ...], items: Iterable[bytes], width: int = 1) -> Iterator[Command]:
    """The commands that begin with ``head`` and add ``items``, each of which takes ``width`` arguments."""
    rest = iter(items)
    while some := tuple(islice(rest, _ITEMS * width)):
        yield head + some


# lists

_LIST_NODE = 128
"""Elements of a list that Redis has in a node, about."""


def _commands_of_list(key: bytes, value: List) -> Iterator[Command]:
    return _adding((b"RPUSH", key), value)


def _effort_of_list(value: List) -> int:
    return len(value) // _LIST_NODE


_LIST = DataType(
    name=b"list",
    number=1,
    copy=List.copy,
    encoding=List.encoding,
    size=List.memory,
    digest=mix_all,
    shown=list,
    commands=_commands_of_list,
    keysizes="lists_items",
    effort=_effort_of_list,
    parts=List.PARTS,
)


# sets


def _digest_of_set(digest: int, value: Set) -> int:
    for member in value:
        digest ^= hashed(member)
    return digest


def _commands_of_set(key: bytes, value: Set) -> Iterator[Command]:
    return _adding((b"SADD", key), value)


def _effort_of_set(value: Set) -> int:
    return len(value) if isinstance(value.members, set) else 1


_SET = DataType(
    name=b"set",
    number=2,
    copy=Set.copy,
    encoding=Set.encoding,
    size=Set.memory,
    digest=_digest_of_set,
    shown=list,
    commands=_commands_of_set,
    keysizes="sets_items",
    effort=_effort_of_set,
    parts=Set.PARTS,
)


# sorted sets


def _digest_of_zset(digest: int, value: ZSet) -> int:
    for member, score in value.scores.items():
        digest ^= pair_digest(member, grisu_text(score))
    return digest


def _shown_of_zset(value: ZSet) -> Any:
    """Members with their scores."""
    return [list(pair) for pair in value.pairs(0, len(value))]


def _commands_of_zset(key: bytes, value: ZSet) -> Iterator[Command]:
    pairs = ((double_text(score), member) for member, score in value.scores.items())
    return _adding((b"ZADD", key), chain.from_iterable(pairs), 2)


def _effort_of_zset(value: ZSet) -> int:
    return len(value) if value.large else 1


_ZSET = DataType(
    name=b"zset",
    number=3,
    copy=ZSet.copy,
    encoding=ZSet.encoding,
    size=ZSet.memory,
    digest=_digest_of_zset,
    shown=_shown_of_zset,
    commands=_commands_of_zset,
    keysizes="zsets_items",
    effort=_effort_of_zset,
    parts=ZSet.PARTS,
)


# hashes

_FIELD_EXPIRES = hashed(b"!!hexpire!!")


def _digest_of_hash(digest: int, value: Hash) -> int:
    times = value.times or {}
    for field, content in value.fields.items():
        # That a field expires counts, when it does so does not.
        digest ^= pair_digest(field, content, _FIELD_EXPIRES if field in times else 0)
    return digest


def _shown_of_hash(value: Hash) -> Any:
    """Fields with their values, and with the time (ms) where they expire."""
    times = value.times or {}
    return [
        [field, content, times[field]] if field in times else [field, content]
        for field, content in value.fields.items()
    ]


def _commands_of_hash(key: bytes, value: Hash) -> Iterator[Command]:
    times = value.times
    if not times:
        yield from _adding((b"HMSET", key), chain.from_iterable(value.fields.items()), 2)
        return
    for field, content in value.fields.items():
        yield b"HMSET", key, field, content
        when = times.get(field)
        if when is not None:
            yield b"HPEXPIREAT", key, b"%d" % when, b"FIELDS", b"1", field


def _effort_of_hash(value: Hash) -> int:
    return len(value) if value.large else 1


_HASH = DataType(
    name=b"hash",
    number=4,
    copy=Hash.copy,
    encoding=Hash.encoding,
    size=Hash.memory,
    digest=_digest_of_hash,
    shown=_shown_of_hash,
    commands=_commands_of_hash,
    keysizes="hashes_items",
    effort=_effort_of_hash,
    parts=Hash.PARTS,
    next_expiry=Hash.next_expiry,
)


# streams


def _digest_of_stream(digest: int, value: Stream) -> int:
    # Groups are no part of it.
    for ms, sequence, row in value.range():
        digest = mix_all(mix(digest, b"%d.%d" % (ms, sequence)), row)
    return digest


def _shown_of_stream(value: Stream) -> Any:
    return {
        "last_id": id_text(value.last_id),
        "entries_added": value.entries_added,
        "max_deleted_id": id_text(value.max_deleted_id),
        "entries": [[b"%d-%d" % (ms, sequence), list(row)] for ms, sequence, row in value.range()],
        "groups": [{"name": name, **_shown_of_group(group)} for name, group in value.groups.items()],
    }


def _shown_of_group(group: Group) -> dict[str, Any]:
    return {
        "last_id": id_text(group.last_id),
        "entries_read": group.entries_read,
        "pending": [
            {"id": id_text(entry_id), "consumer": consumer or b"", "delivered_ms": time, "count": count}
            for entry_id, (consumer, time, count) in group.pending_from()
        ],
        "consumers": [
            {"name": consumer.name, "seen_ms": consumer.seen_time, "active_ms": consumer.active_time}
            for consumer in group.consumers.values()
        ],
    }


def _commands_of_stream(key: bytes, value: Stream) -> Iterator[Command]:
    if value.length:
        for ms, sequence, row in value.range():
            yield b"XADD", key, b"%d-%d" % (ms, sequence), *row
    else:
        # A stream may be there without entries: one is added and trimmed away at once.
        yield b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"
    added, deleted = b"%d" % value.entries_added, id_text(value.max_deleted_id)
    yield b"XSETID", key, id_text(value.last_id), b"ENTRIESADDED", added, b"MAXDELETEDID", deleted
    for name, group in value.groups.items():
        last = id_text(group.last_id)
        yield b"XGROUP", b"CREATE", key, name, last, b"ENTRIESREAD", b"%d" % group.entries_read
        for consumer in group.consumers.values():
            if not consumer.pending_count:
                yield b"XGROUP", b"CREATECONSUMER", key, name, consumer.name
            for entry_id, (_, delivered, count) in group.pending_of(consumer):
                claim = (b"XCLAIM", key, name, consumer.name, b"0", id_text(entry_id))
                yield *claim, b"TIME", b"%d" % delivered, b"RETRYCOUNT", b"%d" % count, b"JUSTID", b"FORCE"
        for deliveries, ids in groupby(group.nacked, lambda entry_id: group.pending[entry_id][2]):  # noqa: B023
            texts = [id_text(entry_id) for entry_id in ids]
            for start in range(0, len(texts), _ITEMS):
                some = texts[start : start + _ITEMS]
                given_back = (b"XNACK", key, name, b"FAIL", b"IDS", b"%d" % len(some), *some)
                yield *given_back, b"RETRYCOUNT", b"%d" % deliveries, b"FORCE"
    idempotence = value.idempotence
    if idempotence is None:
        return
    limits = idempotence.duration, idempotence.maxsize
    if limits != (DURATION, MAXSIZE):
        yield b"XCFGSET", key, b"IDMP-DURATION", b"%d" % limits[0], b"IDMP-MAXSIZE", b"%d" % limits[1]
    for producer, remembered in sorted(idempotence.producers.items()):
        for iid, entry_id in remembered.items():
            # XIDMPRECORD refuses IDs of entries that are gone.
            if entry_id in value:
                yield b"XIDMPRECORD", key, producer, iid, id_text(entry_id)


def _effort_of_stream(value: Stream) -> int:
    return len(value.nodes) + sum(1 + len(group.pending) for group in value.groups.values())


_STREAM = DataType(
    name=b"stream",
    number=6,
    copy=Stream.copy,
    encoding=Stream.encoding,
    size=Stream.memory,
    digest=_digest_of_stream,
    shown=_shown_of_stream,
    commands=_commands_of_stream,
    effort=_effort_of_stream,
    parts=Stream.PARTS,
    wakes_on_delete=True,
    forget_old=Stream.forget_old,
)


# arrays

_NO_ELEMENT = b"(null)"
_MOST_EMPTY = 10_000_000
"""The most empty positions in a row that a digest goes through one by one, as Redis does with all of them."""


def _digest_of_array(digest: int, value: Array) -> int:
    following = 0
    for index, text in value.everything():
        empty = index - following
        if empty > _MOST_EMPTY:
            digest = mix(digest, b"%d" % empty)
        else:
            digest = mix_all(digest, repeat(_NO_ELEMENT, empty))
        digest = mix(digest, text)
        following = index + 1
    return digest


def _shown_of_array(value: Array) -> Any:
    """The next index of ARINSERT, and indexes with their values."""
    return {"next_index": value.cursor + 1, "elements": [[index, text] for index, text in value.everything()]}


def _commands_of_array(key: bytes, value: Array) -> Iterator[Command]:
    rest = value.everything()
    while some := tuple(islice(rest, _ITEMS // 2)):
        yield b"ARMSET", key, *chain.from_iterable((b"%d" % index, text) for index, text in some)
    if value.cursor >= 0:
        yield b"ARSEEK", key, b"%d" % (value.cursor + 1)


_ARRAY = DataType(
    name=b"array",
    number=7,
    copy=Array.copy,
    encoding=Array.encoding,
    size=Array.memory,
    digest=_digest_of_array,
    shown=_shown_of_array,
    commands=_commands_of_array,
    effort=len,
    parts=Array.PARTS,
)


# vector sets


def _digest_of_vector_set(digest: int, value: VectorSet) -> int:
    return value.digest(digest)


def _shown_of_vector_set(value: VectorSet) -> Any:
    """Elements with their vectors, and with the attribute where there is one."""
    get = value.attributes.get
    return [
        [element, value.vector(element)]
        if (attribute := get(element)) is None
        else [element, value.vector(element), attribute]
        for element in value
    ]


_VECTOR_SET = DataType(
    name=b"vectorset",
    number=5,
    copy=VectorSet.copy,
    encoding=VectorSet.encoding,
    size=VectorSet.memory,
    digest=_digest_of_vector_set,
    shown=_shown_of_vector_set,
    effort=len,
    parts=VectorSet.PARTS,
    refuses_copy=True,
)


# the types of modules


def _size_of_own(value: OwnValue, how: sizes.Sampling) -> int:
    return memory_or_guess(value)


def _digest_of_own(digest: int, value: OwnValue) -> int:
    for item in value.digest():
        digest = mix(digest, item if isinstance(item, bytes) else repr(item).encode())
    return digest


def _shown_of_own(value: OwnValue) -> Any:
    return list(value.save())


OWN = DataType(
    name=b"",
    number=5,
    copy=checked_copy,
    encoding=checked_encoding,
    size=_size_of_own,
    digest=_digest_of_own,
    shown=_shown_of_own,
)
"""The row that all types of modules share; their classes do the work."""


# packed collections (``datatypes.packed``)


def _same(value: Any) -> Any:
    return value


def _size_of_packed(value: bytes, how: sizes.Sampling) -> int:
    return sizes.of_bytes(len(value))


def _row_of_packed(row: DataType, encoding: str) -> DataType:
    """Returns the row for the packed collections of a type.  They never change, so a copy is the value itself."""
    commands = row.commands
    assert commands is not None
    return replace(
        row,
        copy=_same,
        encoding=lambda value: encoding,
        size=_size_of_packed,
        digest=lambda digest, value: row.digest(digest, awake(value)),
        shown=lambda value: row.shown(awake(value)),
        commands=lambda key, value: commands(key, awake(value)),
        length=length,
        effort=_one,
        parts=(),
        next_expiry=None,
    )


# the table

TYPES: dict[type, DataType] = {
    bytes: _STRING,
    bytearray: _STRING,
    Text: _STRING,
    List: _LIST,
    Set: _SET,
    ZSet: _ZSET,
    Hash: _HASH,
    Stream: _STREAM,
    Array: _ARRAY,
    VectorSet: _VECTOR_SET,
    RestingList: _LIST,
    RestingSet: _SET,
    RestingZSet: _ZSET,
    RestingHash: _HASH,
    RestingStream: _STREAM,
    SettledStream: _STREAM,
    PackedList: _row_of_packed(_LIST, "listpack"),
    SettledList: replace(
        _row_of_packed(_LIST, "quicklist"),
        copy=SettledList.renewed,
        size=SettledList.memory,
        length=len,
        effort=_effort_of_list,
        parts=SettledList.PARTS,
    ),
    PackedSet: _row_of_packed(_SET, "listpack"),
    PackedIntset: _row_of_packed(_SET, "intset"),
    PackedZSet: _row_of_packed(_ZSET, "listpack"),
    PackedHash: _row_of_packed(_HASH, "listpack"),
}
"""Class of a value to its type, in Redis' order."""


def type_of(value: Any) -> DataType:
    """Returns the type of ``value``; raises TypeError if no key can hold such a value."""
    found = TYPES.get(value.__class__)
    if found is None:
        if not isinstance(value, OwnValue):
            raise TypeError(f"{value.__class__.__name__} is no value of a key")
        return OWN
    return found


def type_name(value: Any) -> bytes:
    """Returns the answer of TYPE: ``string``, ``list``..."""
    return type_of(value).name or value.TYPE


def encoding_of(value: Any, key: bytes = b"") -> str:
    """Returns the answer of OBJECT ENCODING; that of a string depends on the length of its key."""
    found = TYPES.get(value.__class__)
    if found is _STRING:
        return strings.encoding(value, key)
    return type_of(value).encoding(value)


def copy_value(value: Any) -> Any:
    """Returns a copy that shares nothing mutable with ``value``."""
    return type_of(value).copy(value)


def value_size(value: Any, how: sizes.Sampling = sizes.USUAL) -> int:
    """Estimates the bytes that ``value`` takes, from some of its items."""
    # The memory account calls this all the time, so strings take a short way.
    if value.__class__ is bytes:
        return strings.own_size(value)
    found = TYPES.get(value.__class__)
    return (type_of(value) if found is None else found).size(value, how)


def exact_size(value: Any, how: sizes.Sampling = sizes.USUAL) -> int:
    """Like ``value_size``, but passes on an error that a module's type raises; the accounts use a guess instead."""
    return memory_of(value) if isinstance(value, OwnValue) else value_size(value, how)
