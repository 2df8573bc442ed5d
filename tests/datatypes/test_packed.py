"""Packed collections: what they hold, and the way from live over resting to packed and back."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_redis.config import Config
from twisted_redis.datatypes import packed as forms
from twisted_redis.datatypes.hash import Hash
from twisted_redis.datatypes.list import List
from twisted_redis.datatypes.set import Set
from twisted_redis.datatypes.table import TYPES, copy_value, encoding_of, type_name, type_of, value_size
from twisted_redis.datatypes.zset import ZSet

CONFIG = Config()


def a_list() -> List:
    made = List()
    made.push_right([b"a", b"17", b"-5", b"x" * 100, b""], CONFIG)
    return made


def a_set() -> Set:
    made = Set({})
    for member in (b"b", b"a", b"12"):
        made.add(member, CONFIG)
    return made


def an_intset() -> Set:
    made = Set()
    for member in (b"5", b"-70000", b"12345678901"):
        made.add(member, CONFIG)
    return made


def a_zset() -> ZSet:
    made = ZSet()
    scores = {b"b": 1.5, b"a": 1.5, b"c": -3.0, b"d": float("inf"), b"e": 1e-7, b"f": 0.1 + 0.2}
    for member, score in scores.items():
        made.add(member, score, CONFIG)
    return made


def a_hash() -> Hash:
    made = Hash()
    for field, content in ((b"f", b"1"), (b"g", b"text"), (b"1", b"")):
        made.set(field, content)
    return made


SMALL = [a_list, a_set, an_intset, a_zset, a_hash]


def shown(value: Any) -> Any:
    return type_of(value).shown(value)


@pytest.mark.parametrize("make", SMALL)
def test_a_collection_is_the_same_after_it_was_packed(make: Any) -> None:
    before, value = make(), make()
    resting = forms.rested(value)
    assert forms.LIVE_CLASS[resting.__class__] is value.__class__
    assert shown(resting) == shown(before)
    still = forms.packed(resting)
    assert still.__class__ in forms.PACKED
    assert forms.LIVE_CLASS[still.__class__] is value.__class__
    again = forms.awake(still)
    assert again.__class__ is value.__class__
    assert shown(again) == shown(before)
    assert again.encoding() == before.encoding()


@pytest.mark.parametrize("make", SMALL)
def test_a_resting_collection_wakes_with_what_it_had(make: Any) -> None:
    value = make()
    awake = forms.awake(forms.rested(value))
    assert awake.__class__ is value.__class__
    assert shown(awake) == shown(make())


@pytest.mark.parametrize("make", SMALL)
def test_the_table_has_the_facts_about_packed_collections(make: Any) -> None:
    before = make()
    still = forms.packed(forms.rested(make()))
    row = TYPES[still.__class__]
    assert type_name(still) == type_name(before)
    assert encoding_of(still) == encoding_of(before)
    assert row.length(still) == len(before)
    assert row.digest(7, still) == type_of(before).digest(7, before)
    assert list(row.commands(b"k", still)) == list(type_of(before).commands(b"k", forms.awake(still)))
    assert copy_value(still) is still
    assert len(still) < value_size(still) < value_size(before)


def test_packed_bytes_are_those_of_redis() -> None:
    """The bytes between the head and the footer in DUMP of redis-server 8.0.2 with ``rdbcompression no``."""
    of_hash = "190000000600816602010181670284746578740501018001ff"
    of_intset = "080000000300000090eefeffffffffff0500000000000000351cdcdf02000000"
    of_zset = (
        "3e0000000a00816302dffd028165028431652d370581660293302e3330303030303030303030303030303034148161"
        "0283312e350481620283312e3504ff"
    )
    zset = a_zset()
    zset.remove(b"d")
    for value, wanted in ((a_hash(), of_hash), (an_intset(), of_intset), (zset, of_zset)):
        assert forms.packed(forms.rested(value)).hex() == wanted


def test_large_collections_and_hashes_with_times_do_not_rest() -> None:
    large = Hash({b"f": b"v"})
    large.large = True
    timed = Hash({b"f": b"v"})
    timed.set_time(b"f", 10)
    skiplist = a_zset()
    skiplist.enlarge()
    for value in (large, timed, skiplist, Set({b"a"}), bytearray(b"x"), b"x"):
        assert forms.rested(value) is None


def test_a_list_goes_on_from_the_size_that_it_had() -> None:
    """The encoding depends on the size of the listpack, so that must be right after the way there and back."""
    size = len(forms.packed(forms.rested(a_list())))
    for length in range(8192 - size - 12, 8192 - size + 4):
        awake = forms.awake(forms.packed(forms.rested(a_list())))
        other = a_list()
        for value in (awake, other):
            value.push_right([b"x" * length], CONFIG)
        assert awake.encoding() == other.encoding()
        assert awake.debug_details(False) == other.debug_details(False)
    assert other.encoding() == "quicklist"


def test_the_length_of_a_listpack_that_is_too_long_for_its_count() -> None:
    made = Hash({b"%d" % number: b"" for number in range(40_000)})
    assert forms.length(forms.packed(forms.rested(made))) == 40_000
