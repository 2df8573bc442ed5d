"""Packed collections in files and dumps: the bytes of the live ones, and a way back that does not unpack."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.datatypes.test_packed import SMALL
from twisted_redis.config import Config
from twisted_redis.datatypes import listpack
from twisted_redis.datatypes.hash import Hash
from twisted_redis.datatypes.list import List
from twisted_redis.datatypes.packed import PACKED, packed, rested
from twisted_redis.datatypes.set import Set
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


def calls_of(work: Callable[[], object]) -> set[Any]:
    """Returns the code of every Python function that ``work`` calls."""
    found = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        found.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return found


@pytest.mark.parametrize("version", [10, types.VERSION])
@pytest.mark.parametrize("make", SMALL)
def test_no_live_collection_is_made_meanwhile(make: Any, version: int) -> None:
    kind, parts = value_parts(make(), version)
    data = b"".join(parts)
    # Compiled constructors cannot be seen.
    makers = {getattr(cls.__init__, "__code__", None) for cls in (Hash, List, Set, ZSet)} - {None}
    live = calls_of(lambda: read_value(kind, data, 0, CONFIG))
    assert not makers or live & makers
    assert not calls_of(lambda: read_value(kind, data, 0, CONFIG, still=True)) & makers


texts = st.one_of(st.binary(max_size=70), st.integers(-(1 << 63), (1 << 63) - 1).map(b"%d".__mod__))
few = {"max_size": 6}
scores = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=False)).map(lambda score: score + 0.0)


def zset_of(pairs: dict[bytes, float]) -> ZSet:
    return ZSet.of(dict(pairs), large=False)


values = st.one_of(
    st.dictionaries(texts, texts, min_size=1, **few).map(Hash),  # type: ignore[arg-type]
    st.lists(texts, min_size=1, **few).map(List),  # type: ignore[arg-type]
    st.sets(texts, min_size=1, **few).map(lambda members: Set(dict.fromkeys(sorted(members)))),  # type: ignore[arg-type]
    st.sets(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, **few).map(  # type: ignore[arg-type]
        lambda members: Set(array("q", sorted(members)))
    ),
    st.dictionaries(texts, scores, min_size=1, **few).map(zset_of),  # type: ignore[arg-type]
)


@given(values, st.integers(1, 7), st.integers(-2, 7), st.integers(0, 70), st.sampled_from([10, types.VERSION]))
def test_what_is_read_is_packed_exactly_if_the_live_one_would_be_small(
    value: Any, most: int, fill: int, longest: int, version: int
) -> None:
    config = Config()
    config.hash_max_listpack_entries = config.zset_max_listpack_entries = most
    config.set_max_listpack_entries = config.set_max_intset_entries = most
    config.set_max_listpack_value = longest
    config.list_max_listpack_size = fill
    kind, parts = value_parts(value, version)
    data = b"".join(parts)
    live, end = read_value(kind, data, 0, config)
    still, still_end = read_value(kind, data, 0, config, still=True)
    assert still_end == end
    assert (still.__class__ in PACKED) == (live.encoding() in ("listpack", "intset"))
    assert type_of(still).shown(still) == type_of(live).shown(live)


@pytest.mark.parametrize("first", [b"nan", b"x", b"1"])
def test_scores_that_are_no_numbers_are_refused(first: bytes) -> None:
    data = string_bytes(listpack.encode([b"a", first, b"b", b"nan"]))
    with pytest.raises(CorruptData, match="a score that is no number"):
        read_value(ZSET_LISTPACK, data, 0, CONFIG, still=True)


def test_infinite_scores_of_both_signs_are_numbers() -> None:
    data = string_bytes(listpack.encode([b"a", b"-inf", b"b", b"inf"]))
    value, _ = read_value(ZSET_LISTPACK, data, 0, CONFIG, still=True)
    assert value.__class__ in PACKED
