"""Packed collections in files and dumps: the bytes of the live ones, and a way back that does not unpack."""

from __future__ import annotations

from typing import Any

import pytest

from tests.datatypes.test_packed import SMALL
from twisted_redis.config import Config
from twisted_redis.datatypes import listpack
from twisted_redis.datatypes.hash import Hash
from twisted_redis.datatypes.packed import PACKED, packed, rested
from twisted_redis.datatypes.table import type_of
from twisted_redis.datatypes.zset import ZSet
from twisted_redis.persistence.rdb import types
from twisted_redis.persistence.rdb.errors import CorruptData
from twisted_redis.persistence.rdb.payload import dump
from twisted_redis.persistence.rdb.sorted_sets import ZSET_LISTPACK
from twisted_redis.persistence.rdb.strings import string_bytes
from twisted_redis.persistence.rdb.table import read_value, value_parts

CONFIG = Config()


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("version", [10, 11, 12, types.VERSION])
@pytest.mark.parametrize("make", SMALL)
def test_a_packed_collection_is_written_as_the_live_one(make: Any, version: int, compressed: bool) -> None:
    kind, parts = value_parts(make(), version, compressed)
    still_kind, still_parts = value_parts(packed(rested(make())), version, compressed)
    assert (still_kind, b"".join(still_parts)) == (kind, b"".join(parts))
    assert dump(packed(rested(make())), compressed) == dump(make(), compressed)


@pytest.mark.parametrize("make", SMALL)
def test_a_small_collection_is_read_into_its_packed_form(make: Any) -> None:
    kind, parts = value_parts(make())
    data = b"".join(parts)
    value, end = read_value(kind, data, 0, CONFIG, still=True)
    assert end == len(data)
    assert value.__class__ in PACKED
    assert type_of(value).shown(value) == type_of(make()).shown(make())
    assert read_value(kind, data, 0, CONFIG)[0].__class__ is make().__class__


@pytest.mark.parametrize("make", SMALL)
def test_what_is_large_under_the_limits_is_read_live(make: Any) -> None:
    tight = Config()
    tight.hash_max_listpack_entries = tight.zset_max_listpack_entries = 1
    tight.set_max_listpack_entries = tight.set_max_intset_entries = tight.list_max_listpack_size = 1
    kind, parts = value_parts(make())
    value, _ = read_value(kind, b"".join(parts), 0, tight, still=True)
    assert value.__class__ not in PACKED
    assert value.encoding() in ("hashtable", "skiplist", "quicklist", "listpack")


@pytest.mark.parametrize("make", SMALL)
def test_damaged_bytes_are_refused_as_ever(make: Any) -> None:
    kind, parts = value_parts(make(), compressed=False)
    data = b"".join(parts)
    for place in range(len(data)):
        damaged = bytes((*data[:place], data[place] ^ 0x55, *data[place + 1 :]))
        outcomes = []
        for still in (False, True):
            try:
                value, end = read_value(kind, damaged, 0, CONFIG, still=still)
                outcomes.append((type_of(value).shown(value), end))
            except CorruptData as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1]


def test_a_field_that_is_there_twice_is_refused() -> None:
    kind, parts = value_parts(Hash({b"a": b"1", b"b": b"2"}), compressed=False)
    data = b"".join(parts).replace(b"b", b"a")
    with pytest.raises(CorruptData):
        read_value(kind, data, 0, CONFIG, still=True)


def test_a_sorted_set_that_is_stored_in_another_order_is_read_live() -> None:
    data = string_bytes(listpack.encode([b"a", b"2", b"b", b"1", b"c", b"1"]))
    value, _ = read_value(ZSET_LISTPACK, data, 0, CONFIG, still=True)
    assert value.__class__ is ZSet
    assert list(value) == [b"b", b"c", b"a"]
