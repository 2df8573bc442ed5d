"""Quicklists that nobody uses: their elements are packed, and they come back as they were."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.datatypes.test_list import DEFAULT, LARGE, contents, nodes, pushed
from twisted_redis.datatypes import packed as forms
from twisted_redis.datatypes.list import List, RestingList, SettledList
from twisted_redis.datatypes.list_elements import LONGEST
from twisted_redis.datatypes.quicklist import measure
from twisted_redis.datatypes.table import TYPES, copy_value, encoding_of, type_of, value_size
from twisted_redis.persistence.rdb.table import value_parts


def texts(count: int) -> list[bytes]:
    return [b"e%09d" % number for number in range(count)]


def of_size(count: int) -> Callable[[], List]:
    def make() -> List:
        return pushed(texts(count))

    return make


def with_room() -> List:
    made = pushed(texts(900))
    for text in texts(600):
        made.push_left([text], DEFAULT)
    for _ in range(100):
        made.pop_left(DEFAULT)
    return made


def uncounted() -> List:
    made = pushed(texts(1000))
    for text in texts(LONGEST):
        made.push_right([text], DEFAULT)
        made.push_left([text], DEFAULT)
    return made


def of_one_node() -> List:
    made = pushed(texts(1000))
    made.trim(250, 250, DEFAULT)
    return made


def plain() -> List:
    return pushed([LARGE, *texts(20), LARGE, LARGE, *texts(700), b"", b"17", LARGE])


def of_all_separators() -> List:
    return pushed([bytes((number % 256, 0xFE, 0xC0, 0xF9, 0xFA, 0xFB, 0xF5)) for number in range(2000)])


def few() -> List:
    return List([b"x", b"y"], DEFAULT, quicklist=True)


MIDDLE = [of_size(1000), of_size(LONGEST), of_size(LONGEST + 1), of_size(20_000), with_room, uncounted]
ALL = [*MIDDLE, of_one_node, plain, of_all_separators, few]


def settled(value: List) -> SettledList:
    resting = forms.rested(value)
    assert type(resting) is RestingList
    still = forms.packed(resting)
    assert type(still) is SettledList
    return still


def same(one: List | SettledList, other: List) -> bool:
    if isinstance(one, SettledList):
        assert len(one) == len(other)
        one = one.glimpse()
    assert contents(one) == list(one) == contents(other)
    assert nodes(one) == nodes(other)
    assert one.encoding() == other.encoding()
    assert one.debug_details(False) == other.debug_details(False)
    return True


@pytest.mark.parametrize("make", ALL)
def test_it_is_the_same_while_it_is_settled_and_after_it(make: Callable[[], List]) -> None:
    still = settled(make())
    assert same(still, make())
    assert same(forms.awake(still), make())


@pytest.mark.parametrize("make", ALL)
def test_it_goes_on_as_if_it_had_never_settled(make: Callable[[], List]) -> None:
    one, other = forms.awake(settled(make())), make()
    for value in (one, other):
        for number in range(300):
            value.push_left([b"left%d" % number], DEFAULT)
            value.push_right([b"right%d" % number], DEFAULT)
        assert value.set(100, b"set", DEFAULT)
        assert value.insert(b"set", b"inserted", after=True, config=DEFAULT)
        assert value.remove(b"left7", 0, DEFAULT)
    assert same(one, other)
    while len(other) > 1:
        assert one.pop_left(DEFAULT) == other.pop_left(DEFAULT)
        assert one.pop_right(DEFAULT) == other.pop_right(DEFAULT)
        assert one.encoding() == other.encoding()


@pytest.mark.parametrize("make", ALL)
def test_the_table_has_the_facts_about_it(make: Callable[[], List]) -> None:
    before, still = make(), settled(make())
    row = TYPES[SettledList]
    assert forms.LIVE_CLASS[SettledList] is List
    assert encoding_of(still) == encoding_of(before) == "quicklist"
    assert row.length(still) == len(before)
    assert row.digest(7, still) == type_of(before).digest(7, before)
    assert list(row.commands(b"k", still)) == list(type_of(before).commands(b"k", before))
    assert row.shown(still) == list(before)
    assert value_parts(still) == value_parts(before)


@pytest.mark.parametrize("make", ALL)
def test_a_copy_is_independent(make: Callable[[], List]) -> None:
    still = settled(make())
    twin = forms.awake(copy_value(still))
    assert same(twin, make())
    twin.push_left([b"new"], DEFAULT)
    twin.set(-1, b"other", DEFAULT)
    twin.trim(len(twin) // 2, 1, DEFAULT)
    assert same(still, make())
    assert same(forms.awake(still), make())


@pytest.mark.parametrize("make", ALL)
def test_a_read_may_leave_it_settled(make: Callable[[], List]) -> None:
    before, still = make(), settled(make())
    once = forms.awake_once(still)
    assert type(once) is List
    middle = len(before) // 2
    wanted = before.get(middle)
    assert wanted is not None
    assert (once.get(0), once.get(middle), once.get(-1)) == (before.get(0), wanted, before.get(-1))
    for rank in (1, -1, 2):
        assert once.find(wanted, rank, 0, 0) == before.find(wanted, rank, 0, 0)
    assert once.range(middle, -1) == before.range(middle, -1)
    assert same(still, before)
    assert same(forms.awake(still), before)


@pytest.mark.parametrize("make", MIDDLE)
def test_it_takes_about_as_much_memory_as_listpacks(make: Callable[[], List]) -> None:
    value = make()
    assert value_size(settled(make())) < 1.1 * measure(value)


def test_large_elements_and_few_of_them_take_little_more_memory_than_before() -> None:
    for make in (plain, few, of_all_separators):
        assert value_size(settled(make())) <= value_size(make()) * 1.01 + 300


@pytest.mark.parametrize("count", [1000, LONGEST, 20_000])
def test_the_elements_of_an_awake_list_are_python_objects_again(count: int) -> None:
    one = forms.awake(settled(pushed(texts(count))))
    if count <= LONGEST:
        assert len(one.items) == count
    else:
        assert 256 < len(one.items) < LONGEST


def test_a_long_list_that_often_settles_keeps_its_blocks_full() -> None:
    one = pushed(texts(20_000))
    for number in range(300):
        one.push_left([b"left%05d" % number] * 7, DEFAULT)
        one.push_right([b"right%05d" % number] * 5, DEFAULT)
        one = forms.awake(settled(one))
    assert value_size(settled(one)) < 1.1 * measure(one)
