"""Hashes: the same encodings as in Redis, field expiry, cursors and random picks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest

from twisted_redis.datatypes.hash import Hash, _names


@dataclass
class Limits:
    hash_max_listpack_entries: int = 4
    hash_max_listpack_value: int = 8


def filled(count: int) -> Hash:
    hash_ = Hash()
    for number in range(count):
        hash_.set(b"f%d" % number, b"v%d" % number)
    return hash_


def large(count: int) -> Hash:
    hash_ = filled(count)
    hash_.fit([], Limits(0))
    return hash_


def scan_all(hash_: Hash, count: int = 10) -> list[bytes]:
    cursor, found = hash_.scan(0, count)
    while cursor:
        cursor, more = hash_.scan(cursor, count)
        found += more
    return found


def test_set_tells_what_is_new() -> None:
    hash_ = Hash()
    assert hash_.set(b"f", b"1")
    assert not hash_.set(b"f", b"2")
    assert hash_.fields == {b"f": b"2"}
    assert len(hash_) == 1


def test_remove_tells_what_was_there() -> None:
    hash_ = filled(2)
    assert hash_.remove(b"f0")
    assert not hash_.remove(b"f0")
    assert hash_.fields == {b"f1": b"v1"}


def test_small_hashes_share_the_names_of_their_fields() -> None:
    one, other, big = Hash(), Hash(), large(1)
    for hash_ in (one, other, big):
        hash_.set(bytes(bytearray(b"a name")), b"v")
    names = [next(name for name in hash_.fields if name == b"a name") for hash_ in (one, other, big)]
    assert names[0] is names[1]
    assert names[0] is not names[2]


def test_shared_names_are_few() -> None:
    for number in range(20_000):
        Hash().set(b"unique:%d" % number, b"v")
    assert len(_names) <= 4097


def test_an_empty_value_is_a_value() -> None:
    hash_ = Hash()
    hash_.set(b"", b"")
    assert hash_.get(b"", 0) == b""
    assert hash_.remove(b"")


class TestEncoding:
    def test_few_short_fields(self) -> None:
        hash_ = filled(4)
        hash_.fit([b"f3", b"12345678"], Limits())
        assert hash_.encoding() == "listpack"

    def test_one_field_too_many(self) -> None:
        hash_ = filled(5)
        hash_.fit([b"f4", b"v4"], Limits())
        assert hash_.encoding() == "hashtable"

    @pytest.mark.parametrize("items", [[b"f", b"123456789"], [b"123456789", b"v"]])
    def test_too_long(self, items: list[bytes]) -> None:
        hash_ = Hash()
        hash_.set(*items)
        hash_.fit(items, Limits())
        assert hash_.encoding() == "hashtable"

    def test_the_same_field_too_often(self) -> None:
        hash_ = Hash()
        items = [b"f", b"v"] * 5
        hash_.set(b"f", b"v")
        hash_.fit(items, Limits())
        assert hash_.encoding() == "hashtable"

    def test_never_turns_back(self) -> None:
        hash_ = filled(5)
        hash_.fit([], Limits())
        for number in range(4):
            hash_.remove(b"f%d" % number)
        hash_.fit([b"f", b"v"], Limits())
        assert hash_.encoding() == "hashtable"

    def test_times_are_shown_even_when_they_are_gone(self) -> None:
        hash_ = filled(2)
        hash_.set_time(b"f0", 5)
        assert hash_.encoding() == "listpackex"
        hash_.persist(b"f0")
        assert hash_.encoding() == "listpackex"

    def test_large_with_times(self) -> None:
        hash_ = large(5)
        hash_.set_time(b"f0", 5)
        assert hash_.encoding() == "hashtable"


class TestTimes:
    def test_without_times(self) -> None:
        hash_ = filled(2)
        assert hash_.next_expiry() is None
        assert hash_.time(b"f0") is None
        assert not hash_.expired(b"f0", 10**18)
        assert not hash_.persist(b"f0")
        assert hash_.expire_fields(10**18, 10) == []
        assert hash_.live(10**18) is hash_.fields

    def test_a_field_is_there_at_its_time_and_hidden_after_it(self) -> None:
        hash_ = filled(2)
        hash_.set_time(b"f0", 100)
        assert hash_.time(b"f0") == 100
        assert not hash_.expired(b"f0", 100)
        assert hash_.expired(b"f0", 101)
        assert hash_.get(b"f0", 100) == b"v0"
        assert hash_.get(b"f0", 101) is None
        assert hash_.get(b"f1", 101) == b"v1"
        assert hash_.live(100) is hash_.fields
        assert hash_.live(101) == {b"f1": b"v1"}

    def test_fields_expire_earliest_first_and_at_their_time(self) -> None:
        hash_ = filled(5)
        for number, when in enumerate([300, 100, 200, 400]):
            hash_.set_time(b"f%d" % number, when)
        assert hash_.next_expiry() == 100
        assert hash_.expire_fields(99, 10) == []
        assert hash_.expire_fields(300, 2) == [b"f1", b"f2"]
        assert hash_.next_expiry() == 300
        assert hash_.expire_fields(300, 10) == [b"f0"]
        assert sorted(hash_.fields) == [b"f3", b"f4"]
        assert hash_.expire_fields(10**18, 10) == [b"f3"]
        assert hash_.next_expiry() is None
        assert list(hash_.fields) == [b"f4"]

    def test_set_takes_the_time_and_put_leaves_it(self) -> None:
        hash_ = filled(2)
        hash_.set_time(b"f0", 100)
        hash_.set_time(b"f1", 100)
        hash_.set(b"f0", b"x")
        hash_.put(b"f1", b"x")
        assert hash_.time(b"f0") is None
        assert hash_.time(b"f1") == 100
        assert hash_.expire_fields(100, 10) == [b"f1"]
        assert hash_.fields == {b"f0": b"x"}

    def test_a_removed_field_that_comes_again_has_no_time(self) -> None:
        hash_ = filled(1)
        hash_.set_time(b"f0", 100)
        hash_.remove(b"f0")
        assert hash_.next_expiry() is None
        hash_.set(b"f0", b"x")
        assert hash_.expire_fields(1000, 10) == []

    def test_persist(self) -> None:
        hash_ = filled(2)
        hash_.set_time(b"f0", 100)
        hash_.set_time(b"f1", 200)
        assert hash_.persist(b"f0")
        assert not hash_.persist(b"f0")
        assert hash_.next_expiry() == 200

    def test_a_new_time_replaces_the_old_one(self) -> None:
        hash_ = filled(1)
        hash_.set_time(b"f0", 100)
        hash_.set_time(b"f0", 300)
        assert hash_.next_expiry() == 300
        assert hash_.expire_fields(200, 10) == []
        hash_.set_time(b"f0", 50)
        assert hash_.next_expiry() == 50
        assert hash_.expire_fields(50, 10) == [b"f0"]

    def test_changing_times_does_not_pile_up(self) -> None:
        hash_ = filled(1)
        for when in range(10_000):
            hash_.set_time(b"f0", when)
        assert hash_._schedule is not None
        assert len(hash_._schedule) < 100
        assert hash_.next_expiry() == 9999

    def test_times_that_are_gone_count_as_looked_at(self) -> None:
        hash_ = Hash()
        names = [b"f%d" % number for number in range(1000)]
        for name in names:
            hash_.set(name, b"v")
        hash_.set_times(names, 100)
        for name in names[:-1]:
            hash_.persist(name)
        looks = 1
        while not hash_.expire_fields(100, 10):
            assert hash_.next_look() == 100
            looks += 1
        assert looks == 100
        assert len(hash_) == 999
        assert hash_.next_look() is None

    def test_times_of_many_fields(self) -> None:
        hash_ = filled(5)
        hash_.set_time(b"f0", 100)
        hash_.set_times([b"f1", b"f2", b"f0"], 100)
        hash_.set_times([b"f2", b"f2", b"f3"], 200)
        assert [hash_.time(b"f%d" % number) for number in range(5)] == [100, 100, 200, 200, None]
        assert sorted(hash_.expire_fields(100, 10)) == [b"f0", b"f1"]
        assert hash_.next_expiry() == 200
        assert sorted(hash_.expire_fields(200, 10)) == [b"f2", b"f3"]
        assert list(hash_.fields) == [b"f4"]

    @pytest.mark.parametrize("seed", range(10))
    def test_against_a_plain_model(self, seed: int) -> None:
        rng = Random(seed)
        hash_ = Hash()
        times: dict[bytes, int] = {}
        names = [b"f%d" % number for number in range(20)]
        for now in range(2000):
            name = rng.choice(names)
            match rng.randrange(5):
                case 0:
                    hash_.set(name, b"v")
                    times.pop(name, None)
                case 1 if name in hash_.fields:
                    times[name] = now + rng.randrange(40)
                    hash_.set_time(name, times[name])
                case 2:
                    assert hash_.persist(name) == (times.pop(name, None) is not None)
                case 3:
                    hash_.remove(name)
                    times.pop(name, None)
                case _:
                    due = sorted(when for when in times.values() if when <= now)
                    gone = hash_.expire_fields(now, 100)
                    assert [times.pop(field) for field in gone] == due
            assert hash_.next_expiry() == (min(times.values()) if times else None)


def test_copy_is_independent() -> None:
    hash_ = large(3)
    hash_.set_time(b"f0", 100)
    twin = hash_.copy()
    hash_.set(b"f0", b"x")
    hash_.set(b"new", b"x")
    assert twin.fields == {b"f0": b"v0", b"f1": b"v1", b"f2": b"v2"}
    assert twin.time(b"f0") == 100
    assert twin.encoding() == "hashtable"
    assert twin.expire_fields(100, 1) == [b"f0"]
    assert b"f0" in hash_.fields


class TestCursors:
    def test_a_small_hash_is_returned_at_once(self) -> None:
        cursor, found = filled(100).scan(0, 1)
        assert cursor == 0
        assert len(found) == 100

    def test_a_large_hash_is_returned_in_parts(self) -> None:
        hash_ = large(100)
        cursor, found = hash_.scan(0, 10)
        assert cursor
        assert len(found) == 10
        assert sorted(scan_all(hash_)) == sorted(hash_.fields)

    def test_fields_that_stay_are_returned(self) -> None:
        hash_ = large(300)
        stay = set(list(hash_.fields)[::3])
        cursor, found = hash_.scan(0, 10)
        number = 0
        while cursor:
            for _ in range(20):
                number += 1
                if b"f%d" % number not in stay:
                    hash_.remove(b"f%d" % number)
                hash_.set(b"new%d" % number, b"")
                hash_.put(b"other%d" % number, b"")
            cursor, more = hash_.scan(cursor, 10)
            found += more
        assert stay <= set(found)

    def test_expiry_is_followed(self) -> None:
        hash_ = large(100)
        hash_.scan(0, 10)
        for number in range(50):
            hash_.set_time(b"f%d" % number, number)
        hash_.expire_fields(49, 1000)
        assert sorted(scan_all(hash_)) == sorted(hash_.fields)


@pytest.mark.parametrize("hash_", [filled(40), large(40), large(400)])
class TestPicks:
    def test_random_is_uniform(self, hash_: Hash) -> None:
        rng = Random(7)
        size = len(hash_)
        picks: Counter[bytes] = Counter()
        for _ in range(100 * size):
            picks[hash_.random(rng) or b"none"] += 1
        assert set(picks) == set(hash_.fields)
        chi_square = sum((picks[field] - 100) ** 2 / 100 for field in hash_.fields)
        assert chi_square < size + 5 * (2 * size) ** 0.5

    @pytest.mark.parametrize("count", [0, 1, 5, 39])
    def test_sample_gives_different_fields(self, hash_: Hash, count: int) -> None:
        found = hash_.sample(count)
        assert len(found) == len(set(found)) == count
        assert set(found) <= set(hash_.fields)

    def test_sample_of_all(self, hash_: Hash) -> None:
        assert sorted(hash_.sample(len(hash_) + 3)) == sorted(hash_.fields)

    def test_random_gives_as_many_as_wanted(self, hash_: Hash) -> None:
        found = hash_.choices(1000)
        assert len(found) == 1000
        assert set(found) <= set(hash_.fields)


def test_random_of_nothing() -> None:
    assert Hash().random() is None
    assert large(0).random() is None
    assert Hash().sample(3) == []


def test_memory_grows_with_what_is_stored() -> None:
    small, big = filled(10).memory(), filled(1000).memory()
    assert 1000 < small < 4000
    assert 100_000 < big < 300_000
    timed = filled(1000)
    for field in timed.fields:
        timed.set_time(field, 100)
    assert timed.memory() > big


@pytest.mark.parametrize("size", [5, 50])
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_many_fields_at_once(size: int, ordered: bool, keep: bool) -> None:
    one, many = large(size), large(size)
    if not ordered:
        one.large = many.large = False
    for hash_ in (one, many):
        hash_.set_times([b"f0", b"f1"], 100)
        if ordered:
            hash_.scan(0, 1)
    pairs = [b"f0", b"a", b"new", b"b", b"new", b"c", b"f2", b"d"]
    for field, value in zip(pairs[::2], pairs[1::2], strict=True):
        (one.put if keep else one.set)(field, value)
    many.update(pairs, keep=keep)
    assert many.fields == one.fields
    assert many.times == one.times
    assert many.take([b"f0", b"none", b"f0", b"new"]) == [b"a", None, None, b"c"]
    assert many.time(b"f0") is None
    assert b"new" not in many.fields
    cursor, found = many.scan(0, 10_000)
    assert (cursor, sorted(found)) == (0, sorted(many.fields))


def test_times_on_a_condition() -> None:
    hash_ = filled(3)
    hash_.set_time(b"f0", 100)
    later = [b"f0", b"f1", b"none", b"f1"]
    assert hash_.set_times(later, 50, lambda before: before is None) == [False, True, None, False]
    assert [hash_.time(b"f0"), hash_.time(b"f1")] == [100, 50]
    assert hash_.set_times([b"none"], 50) == [None]
    assert hash_.next_expiry() == 50
