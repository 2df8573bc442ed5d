"""Sorted sets: members with their scores (texts or doubles), or one ziplist or listpack of both."""

from __future__ import annotations

from struct import Struct

from twisted_redis.datatypes import listpack
from twisted_redis.datatypes.packed import zset_listpack
from twisted_redis.datatypes.zset import ZSet
from twisted_redis.persistence.rdb import ziplist
from twisted_redis.persistence.rdb.codec import (
    Codec,
    Encoding,
    Limits,
    check_different,
    check_tuples,
    read_count,
)
from twisted_redis.persistence.rdb.errors import CorruptData
from twisted_redis.persistence.rdb.numbers import SHORT, length_bytes, read_double
from twisted_redis.persistence.rdb.strings import from_string, read_string, string_bytes

__all__ = ["CODEC"]

ZSET = 3
ZSET_2 = 5
ZSET_ZIPLIST = 12
ZSET_LISTPACK = 17

_double = Struct("<d")


def _write(value: ZSet, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    if not value.large:
        return ZSET_LISTPACK, [string_bytes(zset_listpack(value), compressed)]
    pairs = value.pairs(0, len(value))
    parts = [length_bytes(len(pairs))]
    append = parts.append
    pack = _double.pack
    # The greatest comes first, because Redis inserts at the head of its skiplist at no cost.
    for member, score in reversed(pairs):
        length = len(member)
        if length < 21 and (member >= b":" or length > 11):
            append(SHORT[length] + member + pack(score))
        else:
            append(string_bytes(member, compressed) + pack(score))
    return ZSET_2, parts


def _read_zset2(data: bytes, pos: int, config: Limits) -> tuple[ZSet, int]:
    count, pos = read_count(data, pos)
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
    check_different(len(scores), count)
    _check_numbers(scores)
    return ZSet.from_pairs(scores.items(), config), pos


def _read_zset(data: bytes, pos: int, config: Limits) -> tuple[ZSet, int]:
    count, pos = read_count(data, pos)
    scores: dict[bytes, float] = {}
    for _ in range(count):
        member, pos = read_string(data, pos)
        scores[member], pos = read_double(data, pos)
    check_different(len(scores), count)
    _check_numbers(scores)
    return ZSet.from_pairs(scores.items(), config), pos


def _check_numbers(scores: dict[bytes, float]) -> None:
    if any(score != score for score in scores.values()):
        raise CorruptData("a score that is no number")


def _read_zset_ziplist(data: bytes, pos: int, config: Limits) -> tuple[ZSet, int]:
    blob, pos = read_string(data, pos)
    return _zset_of(ziplist.decode(blob), pos, config), pos


def of_listpack(blob: bytes, pos: int, config: Limits) -> ZSet:
    """Returns the sorted set of a listpack that ends at ``pos``."""
    return _zset_of(listpack.decode(blob), pos, config)


def _zset_of(texts: list[bytes], pos: int, config: Limits) -> ZSet:
    check_tuples(texts, 2, pos)
    try:
        scores = dict(zip(texts[::2], map(float, texts[1::2]), strict=True))
    except ValueError:
        raise CorruptData("a score that is no number") from None
    check_different(2 * len(scores), len(texts))
    _check_numbers(scores)
    # Redis looks at the number of members alone, not at their sizes.
    return ZSet.of(scores, large=len(scores) > config.zset_max_listpack_entries)


CODEC = Codec(
    _write,
    (
        Encoding(ZSET, "zset-v1", _read_zset),
        Encoding(ZSET_2, "zset-v2", _read_zset2),
        Encoding(ZSET_ZIPLIST, "zset-ziplist", _read_zset_ziplist, "Zset ziplist"),
        Encoding(ZSET_LISTPACK, "zset-listpack", from_string(of_listpack), "Zset listpack"),
    ),
)
