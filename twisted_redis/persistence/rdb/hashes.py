"""Hashes: fields with values, one zipmap, ziplist or listpack of both, or fields with expiry times."""

from __future__ import annotations

from twisted_redis.datatypes import listpack
from twisted_redis.datatypes.hash import Hash, shared_names
from twisted_redis.datatypes.strings import integer_value
from twisted_redis.persistence.rdb import ziplist
from twisted_redis.persistence.rdb.codec import (
    Codec,
    Encoding,
    Limits,
    Reader,
    check_different,
    check_tuples,
    read_count,
)
from twisted_redis.persistence.rdb.errors import CorruptData
from twisted_redis.persistence.rdb.numbers import length_bytes, read_length, read_time, time_bytes
from twisted_redis.persistence.rdb.strings import add_strings, from_string, read_string, read_strings, string_bytes
from twisted_redis.persistence.rdb.types import OF_VALKEY, OLDEST_TARGET, VALKEY_VERSION

__all__ = ["CODEC"]

HASH = 4
HASH_ZIPMAP = 9
HASH_ZIPLIST = 13
HASH_LISTPACK = 16
HASH_METADATA_PRE_GA = 22
HASH_LISTPACK_EX_PRE_GA = 23
HASH_METADATA = 24
HASH_LISTPACK_EX = 25
HASH_OF_VALKEY = 22 | OF_VALKEY

_WITH_TIMES = 12
"""The first version of the format with expiry times of fields."""

_LATEST = 0xFFFFFFFFFFFF
"""The latest time (ms) at which a field can expire."""


def _least_version(value: Hash) -> int:
    times = value.times
    return _WITH_TIMES if times or (times is not None and not value.large) else OLDEST_TARGET


def _write(value: Hash, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    fields, times = value.fields, value.times
    texts: list[bytes] = [b""] * (2 * len(fields))
    if not value.large:
        if times and version == VALKEY_VERSION:
            return HASH_OF_VALKEY & ~OF_VALKEY, _parts_for_valkey(value, compressed)
        if times is not None and version != VALKEY_VERSION:
            return HASH_LISTPACK_EX, _timed_listpack_parts(value, compressed)
        texts[::2] = fields
        texts[1::2] = fields.values()
        return HASH_LISTPACK, [string_bytes(listpack.encode(texts), compressed)]
    if not times:
        texts[::2] = fields
        texts[1::2] = fields.values()
        parts = [length_bytes(len(fields))]
        add_strings(parts.append, texts, compressed)
        return HASH, parts
    if version == VALKEY_VERSION:
        return HASH_OF_VALKEY & ~OF_VALKEY, _parts_for_valkey(value, compressed)
    first = min(times.values())
    parts = [time_bytes(first), length_bytes(len(fields))]
    append = parts.append
    for field, content in fields.items():
        when = times.get(field)
        append(b"\0" if when is None else length_bytes(when - first + 1))
        add_strings(append, (field, content), compressed)
    return HASH_METADATA, parts


def _parts_for_valkey(value: Hash, compressed: bool) -> list[bytes]:
    """Returns the fields, each with its value and the time (ms) at which it expires, or -1."""
    times = value.times
    assert times is not None
    parts = [length_bytes(len(value.fields))]
    append = parts.append
    for field, content in value.fields.items():
        add_strings(append, (field, content), compressed)
        append(time_bytes(times.get(field, -1)))
    return parts


def _timed_listpack_parts(value: Hash, compressed: bool) -> list[bytes]:
    """Returns the fields with values and expiry times, in the order of expiry; the time is 0 for fields without one."""
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


def _read_hash(data: bytes, pos: int, config: Limits) -> tuple[Hash, int]:
    count, pos = read_count(data, pos)
    texts, pos = read_strings(data, pos, 2 * count)
    value = _hash_of(texts[::2], texts[1::2], count > config.hash_max_listpack_entries)
    if not value.large:
        value.fit(texts, config)
    return value, pos


def _hash_of(names: list[bytes], values: list[bytes], large: bool) -> Hash:
    """Returns a hash of the fields, which must be different."""
    fields = dict(zip(names if large else shared_names(names), values, strict=True))
    check_different(len(fields), len(names))
    value = Hash(fields)
    value.large = large
    return value


def _read_hash_ziplist(data: bytes, pos: int, config: Limits) -> tuple[Hash, int]:
    blob, pos = read_string(data, pos)
    return _hash_of_texts(ziplist.decode(blob), pos, config), pos


def of_listpack(blob: bytes, pos: int, config: Limits) -> Hash:
    """Returns the hash of a listpack that ends at ``pos``."""
    return _hash_of_texts(listpack.decode(blob), pos, config)


def _hash_of_texts(texts: list[bytes], pos: int, config: Limits) -> Hash:
    check_tuples(texts, 2, pos)
    return _hash_of(texts[::2], texts[1::2], len(texts) > 2 * config.hash_max_listpack_entries)


def _read_hash_zipmap(data: bytes, pos: int, config: Limits) -> tuple[Hash, int]:
    blob, pos = read_string(data, pos)
    texts = ziplist.decode_zipmap(blob)
    value = _hash_of(texts[::2], texts[1::2], False)
    value.fit(texts, config)
    return value, pos


def _read_hash_with_times(from_first: bool) -> Reader:
    """Returns a reader of fields with times; with ``from_first`` these count from a first time stored in front."""

    def read(data: bytes, pos: int, config: Limits) -> tuple[Hash, int]:
        first = 0
        if from_first:
            first, pos = read_time(data, pos)
        count, pos = read_count(data, pos)
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


def _read_hash_of_valkey(data: bytes, pos: int, config: Limits) -> tuple[Hash, int]:
    """Reads fields, each with its value and the time (ms) at which it expires, or -1."""
    count, pos = read_count(data, pos)
    names: list[bytes] = []
    values: list[bytes] = []
    times: list[int] = []
    for _ in range(count):
        (name, value), pos = read_strings(data, pos, 2)
        time, pos = read_time(data, pos)
        names.append(name)
        values.append(value)
        times.append(0 if time == -1 else time or -1)  # 0 would mean that the field never expires
    made = _hash_of(names, values, count > config.hash_max_listpack_entries)
    if not made.large:
        made.fit(names + values, config)
    _set_times(made, names, times)
    return made, pos


def _read_hash_listpack_with_times(with_first: bool) -> Reader:
    """Returns a reader of listpacks with times; with ``with_first`` the first time is stored in front."""

    def read(data: bytes, pos: int, config: Limits) -> tuple[Hash, int]:
        if with_first:
            _, pos = read_time(data, pos)
        blob, pos = read_string(data, pos)
        texts = listpack.decode(blob)
        check_tuples(texts, 3, pos)
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
    """Sets the expiry times of fields (ms); 0 means never."""
    if not made.large:
        made.allow_times()
    for name, time in zip(names, times, strict=True):
        if time:
            if not 0 < time <= _LATEST:
                raise CorruptData("a field that expires at no time")
            made.set_time(name, time)


CODEC = Codec(
    _write,
    (
        Encoding(HASH, "hash-hashtable", _read_hash),
        Encoding(HASH_ZIPMAP, "hash-zipmap", _read_hash_zipmap, "Zipmap"),
        Encoding(HASH_ZIPLIST, "hash-ziplist", _read_hash_ziplist, "Hash ziplist"),
        Encoding(HASH_LISTPACK, "hash-listpack", from_string(of_listpack), "Hash listpack"),
        Encoding(HASH_METADATA_PRE_GA, "hash-hashtable-md-pre-release", _read_hash_with_times(False)),
        Encoding(
            HASH_LISTPACK_EX_PRE_GA,
            "hash-listpack-md-pre-release",
            _read_hash_listpack_with_times(False),
            "Hash listpack",
        ),
        Encoding(HASH_METADATA, "hash-hashtable-md", _read_hash_with_times(True)),
        Encoding(HASH_LISTPACK_EX, "hash-listpack-md", _read_hash_listpack_with_times(True), "Hash listpack"),
        Encoding(HASH_OF_VALKEY, "hash-of-valkey", _read_hash_of_valkey),
    ),
    _least_version,
)
