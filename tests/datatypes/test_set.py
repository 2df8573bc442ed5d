"""Sets: the same three encodings as in Redis, algebra, cursors and random picks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest

from twisted_redis.datatypes import set as sets
from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.few import OFTEN
from twisted_redis.datatypes.set import RestingSet, Set
from twisted_redis.datatypes.short_set import ShortSet


@dataclass
class Limits:
    set_max_intset_entries: int = 6
    set_max_listpack_entries: int = 4
    set_max_listpack_value: int = 8


LIMITS = Limits()
WIDE = Limits(512, 128, 64)


def made(*members: bytes, config: Limits = LIMITS) -> Set:
    made_set = Set.starting_with(members[0], 1, config) if members else Set()
    for member in members:
        made_set.add(member, config)
    return made_set


def integers(*values: int, config: Limits = LIMITS) -> Set:
    return made(*[b"%d" % value for value in values], config=config)


def words(count: int, config: Limits = WIDE) -> Set:
    return made(*[b"m%d" % number for number in range(count)], config=config)


def added_together(members: list[bytes], config: Limits, before: list[bytes] | None = None) -> Set:
    """Returns the set that one SADD of ``members`` makes, of the set of one SADD of ``before`` if that is given."""
    one = Set({})
    for given in (before, members) if before else (members,):
        new = set(given) - set(one)
        assert one.add_all(given, config) == len(new)
    return one


def plain(count: int) -> Set:
    return Set({b"m%d" % number for number in range(count)})


def scan_all(one: Set, count: int = 10) -> list[bytes]:
    cursor, found = one.scan(0, count)
    while cursor:
        cursor, more = one.scan(cursor, count)
        found += more
    return found


class TestForms:
    def test_integers_are_sorted(self) -> None:
        one = integers(3, -1, 2**63 - 1, -(2**63), 3)
        assert one.encoding() == "intset"
        assert list(one) == [b"-9223372036854775808", b"-1", b"3", b"9223372036854775807"]

    @pytest.mark.parametrize("member", [b"01", b"+1", b" 1", b"1 ", b"-0", b"1_0", b"", b"9223372036854775808"])
    def test_members_that_only_look_like_integers(self, member: bytes) -> None:
        one = integers(1, 2, config=WIDE)
        assert member not in one
        assert not one.remove(member)
        assert one.add(member, WIDE)
        assert one.encoding() == "listpack"
        assert list(one) == [b"1", b"2", member]

    def test_too_many_integers(self) -> None:
        assert integers(*range(6)).encoding() == "intset"
        one = integers(*range(7))
        assert one.encoding() == "hashtable"
        assert sorted(one) == [b"%d" % value for value in range(7)]

    def test_a_word_among_few_integers(self) -> None:
        one = integers(1, 2, 3)
        assert one.add(b"x", LIMITS)
        assert one.encoding() == "listpack"

    def test_a_word_among_many_integers(self) -> None:
        one = integers(1, 2, 3, 4)
        assert one.add(b"x", LIMITS)
        assert one.encoding() == "hashtable"
        assert sorted(one) == [b"1", b"2", b"3", b"4", b"x"]

    def test_a_long_word_among_integers(self) -> None:
        one = integers(1)
        assert one.add(b"123456789x", LIMITS)
        assert one.encoding() == "hashtable"

    def test_a_word_among_long_integers(self) -> None:
        one = integers(-12345678)
        assert one.add(b"x", LIMITS)
        assert one.encoding() == "hashtable"

    def test_words_keep_their_order(self) -> None:
        one = made(b"c", b"a", b"b", b"a")
        assert one.encoding() == "listpack"
        assert list(one) == [b"c", b"a", b"b"]

    def test_too_many_words(self) -> None:
        assert made(b"a", b"b", b"c", b"d").encoding() == "listpack"
        assert made(b"a", b"b", b"c", b"d", b"e").encoding() == "hashtable"

    @pytest.mark.parametrize("size", [1, 16, 17, 128, 129, 200])
    def test_a_long_listpack(self, size: int) -> None:
        config = Limits(512, 200, 64)
        members = [b"m%d" % number for number in range(size)]
        given = [*members, members[0]]
        for one in (
            words(size, config),
            sets.gathered(members, config),
            added_together(given, config),
            added_together(given, config, before=given[size // 2 :]),
        ):
            assert one.encoding() == "listpack"
            assert isinstance(one.members, ShortSet) == (17 <= size <= 128)
            assert sorted(one) == sorted(members)
            assert all(member in one for member in members)
            assert b"other" not in one
            assert list(one.copy()) == list(one)
        assert list(words(size, config)) == members
        assert set(words(size, config).lookup()) == set(members)

    @pytest.mark.parametrize("question", [lambda one: b"m5" in one, lambda one: one.add(b"m5", WIDE), Set.lookup])
    def test_a_short_set_that_is_often_asked_becomes_a_dict(self, question: Callable[[Set], object]) -> None:
        one = words(30)
        before = list(one)
        for _ in range(OFTEN + 1):
            question(one)
        assert isinstance(one.members, dict)
        assert (list(one), one.encoding()) == (before, "listpack")
        assert b"m5" in one
        assert one.add(b"new", WIDE)
        assert list(one) == [*before, b"new"]

    def test_questions_before_a_rest_do_not_count(self) -> None:
        one = words(30)
        for _ in range(OFTEN - 30):
            assert b"m5" in one
        one = one.moved(RestingSet).moved(Set)
        for _ in range(OFTEN):
            assert b"m5" in one
        assert isinstance(one.members, ShortSet)

    @pytest.mark.parametrize("size", [20, 140])
    def test_a_limit_that_has_come_down(self, size: int) -> None:
        one = words(size, Limits(512, 200, 64))
        assert not one.add(b"m3", LIMITS)
        assert one.add_all([b"m%d" % number for number in range(size)], LIMITS) == 0
        assert one.encoding() == "listpack"
        assert one.add(b"new", LIMITS)
        assert one.encoding() == "hashtable"
        assert len(one) == size + 1

    def test_a_long_word_among_many(self) -> None:
        long = b"l" * 65
        one = words(20)
        one.add(long, Limits(512, 128, 100))
        assert not one.add(long, WIDE)
        assert one.encoding() == "listpack"
        assert one.add(long + b"l", WIDE)
        assert one.encoding() == "hashtable"
        assert len(one) == 22
        one = words(20)
        assert one.add_all([b"%065d" % number for number in range(50)], WIDE) == 50
        assert one.encoding() == "hashtable"

    def test_many_words_come_and_go(self) -> None:
        one = words(100)
        rng = Random(3)
        left = [b"m%d" % number for number in range(100)]
        for number in range(60):
            assert one.random(rng) in left
            popped = one.pop(rng)
            left.remove(popped)
            assert popped not in one
            assert not one.remove(popped)
            member = left.pop(number % len(left))
            assert one.remove(member)
            assert one.add(b"new%d" % number, WIDE)
            left.append(b"new%d" % number)
            assert list(one) == left
        taken = one.pop_some(30, WIDE, rng)
        assert sorted([*taken, *one]) == sorted(left)
        assert one.encoding() == "listpack"

    def test_memory_of_a_short_set(self) -> None:
        one = words(100)
        # A bytes object of two or three bytes takes 48 bytes.
        before = one.memory(sizes.Sampling(None))
        assert 57 * 100 < before < 62 * 100
        one.remove(b"m7")
        one.add(bytes(60), WIDE)
        assert one.memory(sizes.Sampling(None)) - before == 48

    def test_a_long_word(self) -> None:
        assert made(b"12345678a").encoding() == "hashtable"
        assert made(b"a", b"12345678a").encoding() == "hashtable"

    def test_a_known_word_converts_nothing(self) -> None:
        one = made(b"a", b"b", b"c", b"d")
        assert not one.add(b"a", LIMITS)
        assert one.encoding() == "listpack"

    def test_first_form_by_the_number_expected(self) -> None:
        assert Set.starting_with(b"1", 6, LIMITS).encoding() == "intset"
        assert Set.starting_with(b"1", 7, LIMITS).encoding() == "hashtable"
        assert Set.starting_with(b"a", 4, LIMITS).encoding() == "listpack"
        assert Set.starting_with(b"a", 5, LIMITS).encoding() == "hashtable"
        # These are too many for an intset, but not for a listpack.
        assert Set.starting_with(b"1", 2, Limits(1, 4)).encoding() == "listpack"

    def test_many_more_expected(self) -> None:
        one = integers(1)
        one.expect(6, LIMITS)
        assert one.encoding() == "intset"
        one.expect(7, LIMITS)
        assert one.encoding() == "hashtable"
        other = made(b"a")
        other.expect(4, LIMITS)
        assert other.encoding() == "listpack"
        other.expect(5, LIMITS)
        assert other.encoding() == "hashtable"
        assert list(other) == [b"a"]

    def test_never_turns_back(self) -> None:
        one = integers(*range(7))
        for value in range(1, 7):
            one.remove(b"%d" % value)
        assert one.encoding() == "hashtable"
        one = made(b"1", b"x")
        one.remove(b"x")
        assert one.encoding() == "listpack"


@pytest.mark.parametrize("one", [integers(1, 2, 3), made(b"1", b"2", b"3", b"x"), Set({b"1", b"2", b"3"})])
def test_membership(one: Set) -> None:
    one = one.copy()
    before = len(one)
    assert b"2" in one
    assert b"4" not in one
    assert not one.add(b"2", LIMITS)
    assert one.remove(b"2")
    assert not one.remove(b"2")
    assert b"2" not in one
    assert len(one) == before - 1
    assert b"3" in one.lookup()
    assert b"2" not in one.lookup()


@pytest.mark.parametrize("one", [integers(1, 2), made(b"a", b"b"), Set({b"a"})])
def test_copy_is_independent(one: Set) -> None:
    twin = one.copy()
    assert twin.encoding() == one.encoding()
    assert list(twin) == list(one)
    twin.add(b"7", LIMITS)
    assert b"7" not in one


class TestGathered:
    """Returns the set that a STORE command creates from a result."""

    @pytest.mark.parametrize(
        ("members", "union", "intersection", "popped"),
        [
            ([b"1", b"2"], "intset", "intset", "listpack"),
            ([b"1", b"x"], "listpack", "listpack", "listpack"),
            ([b"1", b"2", b"3", b"4", b"5"], "intset", "intset", "hashtable"),
            ([b"%d" % value for value in range(7)], "hashtable", "hashtable", "hashtable"),
            ([b"a", b"b", b"c", b"d", b"e"], "hashtable", "hashtable", "hashtable"),
            ([b"123456789x"], "hashtable", "hashtable", "hashtable"),
        ],
    )
    def test_forms(self, members: list[bytes], union: str, intersection: str, popped: str) -> None:
        assert sets.gathered(members, LIMITS).encoding() == union
        assert sets.gathered(set(members), LIMITS, dict, narrow=True).encoding() == intersection
        assert sets.gathered(members, LIMITS, dict).encoding() == popped
        assert sorted(sets.gathered(set(members), LIMITS)) == sorted(members)

    def test_too_many_integers_for_an_intset_but_not_for_a_listpack(self) -> None:
        limits = Limits(1, 4)
        assert sets.gathered([b"1", b"2"], limits).encoding() == "hashtable"
        assert sets.gathered([b"1", b"2"], limits, dict, narrow=True).encoding() == "listpack"


def samples() -> list[Set]:
    rng = Random(5)
    return [
        integers(1, 2, 3, 4),
        integers(2, 3, 900),
        made(b"1", b"2", b"a", b"b"),
        made(b"b", b"3", b"c"),
        Set({b"%d" % rng.randrange(1000) for _ in range(300)}),
        Set({b"%d" % rng.randrange(1000) for _ in range(500)} | {b"a", b"b"}),
        Set(),
        Set(set()),
    ]


class TestAlgebra:
    @pytest.mark.parametrize("seed", range(40))
    def test_against_plain_sets(self, seed: int) -> None:
        rng = Random(seed)
        chosen = rng.choices(samples(), k=rng.randrange(1, 5))
        expected = [set(one) for one in chosen]
        before = [list(one) for one in chosen]
        common = set.intersection(*expected)
        assert set(sets.union(chosen)) == set.union(*expected)
        assert set(sets.intersection(chosen)) == common
        assert sets.intersection_size(chosen) == len(common)
        for limit in (1, 2, 100):
            assert sets.intersection_size(chosen, limit) == min(limit, len(common))
        left = expected[0].difference(*expected[1:])
        assert set(sets.difference(chosen[0], chosen[1:])) == left
        assert set(sets.gathered_difference(chosen[0], chosen[1:], LIMITS)) == left
        assert [list(one) for one in chosen] == before

    def test_results_are_nobodys_members(self) -> None:
        one = Set({b"a", b"b"})
        for result in (sets.union([one]), sets.intersection([one]), sets.difference(one, [])):
            assert result is not one.members
            assert set(result) == {b"a", b"b"}

    def test_integers_come_sorted(self) -> None:
        one, other = integers(30, 4, 100), integers(4, 7, 100)
        assert list(sets.union([one, other])) == [b"4", b"7", b"30", b"100"]
        assert list(sets.intersection([one, other])) == [b"4", b"100"]
        assert list(sets.difference(one, [other])) == [b"30"]

    def test_difference_with_itself(self) -> None:
        one = plain(1000)
        assert not sets.difference(one, [Set({b"m1"}), one])

    def test_form_of_a_difference(self) -> None:
        # With few sets, the result is built element by element. With many, the first set is copied with its encoding.
        first, few = plain(7), [Set({b"m%d" % number for number in range(6)})]
        assert sets.gathered_difference(first, few, LIMITS).encoding() == "listpack"
        many = [Set({b"m%d" % number}) for number in range(6)]
        assert sets.gathered_difference(first, many, LIMITS).encoding() == "hashtable"


class TestCursors:
    @pytest.mark.parametrize("one", [integers(1, 2, 3), made(b"a", b"b")])
    def test_a_small_set_is_returned_at_once(self, one: Set) -> None:
        assert one.scan(0, 1) == (0, list(one))

    def test_a_large_set_is_returned_in_parts(self) -> None:
        one = plain(100)
        cursor, found = one.scan(0, 10)
        assert cursor
        assert len(found) == 10
        assert sorted(scan_all(one)) == sorted(one)

    def test_members_that_stay_are_returned(self) -> None:
        one = plain(400)
        stay = {b"m%d" % number for number in range(0, 400, 4)}
        rng = Random(1)
        cursor, found = one.scan(0, 10)
        number = 0
        while cursor:
            for _ in range(10):
                number += 1
                if b"m%d" % number not in stay:
                    one.remove(b"m%d" % number)
                one.add(b"new%d" % number, LIMITS)
            popped = one.pop(rng)
            if popped in stay:
                stay.remove(popped)
            cursor, more = one.scan(cursor, 10)
            found += more
        assert stay <= set(found)

    def test_members_that_stay_when_many_are_popped(self) -> None:
        one = plain(1000)
        cursor, found = one.scan(0, 100)
        one.pop_some(700, LIMITS, Random(1))
        while cursor:
            cursor, more = one.scan(cursor, 10)
            found += more
        assert set(one) <= set(found)


@pytest.mark.parametrize("one", [integers(*range(40), config=WIDE), words(40), plain(40), plain(400)])
class TestPicks:
    def test_random_is_uniform(self, one: Set) -> None:
        rng = Random(7)
        size = len(one)
        picks: Counter[bytes] = Counter()
        for _ in range(100 * size):
            picks[one.random(rng) or b"none"] += 1
        assert set(picks) == set(one)
        assert sum((picks[member] - 100) ** 2 / 100 for member in one) < size + 5 * (2 * size) ** 0.5

    def test_pop_is_uniform(self, one: Set) -> None:
        rng = Random(8)
        size = len(one)
        picks: Counter[bytes] = Counter()
        for _ in range(100 * size):
            popped = one.pop(rng)
            picks[popped] += 1
            one.add(popped, WIDE)
        assert len(one) == size
        assert sum((picks[member] - 100) ** 2 / 100 for member in one) < size + 5 * (2 * size) ** 0.5

    @pytest.mark.parametrize("count", [0, 1, 5, 30, 39])
    def test_sample_gives_different_members(self, one: Set, count: int) -> None:
        found = one.sample(count)
        assert len(found) == len(set(found)) == count
        assert set(found) <= set(one)

    def test_sample_of_all(self, one: Set) -> None:
        assert sorted(one.sample(len(one) + 3)) == sorted(one)

    def test_random_gives_as_many_as_wanted(self, one: Set) -> None:
        found = one.choices(1000)
        assert len(found) == 1000
        assert set(found) <= set(one)

    @pytest.mark.parametrize("count", [1, 5, 20, 39])
    def test_pop_some(self, one: Set, count: int) -> None:
        one = one.copy()
        before = set(one)
        popped = one.pop_some(count, WIDE)
        assert len(popped) == len(set(popped)) == count
        assert set(one) == before - set(popped)
        assert sorted(scan_all(one)) == sorted(one)

    def test_pop_until_empty(self, one: Set) -> None:
        one = one.copy()
        before = sorted(one)
        assert sorted(one.pop() for _ in before) == before
        assert len(one) == 0


def test_popping_nearly_all_may_lead_back_to_a_listpack() -> None:
    one = plain(1000)
    one.pop_some(990, WIDE)
    assert one.encoding() == "listpack"
    one = plain(1000)
    one.pop_some(900, Limits(512, 99))
    assert one.encoding() == "hashtable"
    one = integers(*range(100), config=WIDE)
    one.pop_some(95, WIDE)
    assert one.encoding() == "intset"


def test_random_of_nothing() -> None:
    assert Set().random() is None
    assert Set().sample(3) == []


def test_integers_take_little_memory() -> None:
    assert integers(*range(500), config=WIDE).memory() < 6000
    assert 30_000 < plain(500).memory() < 60_000


@pytest.mark.parametrize("limit", [1, 3, 5, 49])
def test_limited_intersection_of_sets_in_order(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "IN_ORDER", True)
    first = Set({b"%d" % number for number in range(1000)})
    second = Set({b"%d" % number for number in range(900, 2000)})
    third = Set({b"%d" % number for number in range(0, 2000, 2)})
    assert sets.intersection_size([first, second], limit) == limit
    assert sets.intersection_size([second, third, first], limit) == limit
    assert sets.intersection_size([first, Set({b"%d" % number for number in range(998, 5000)})], limit) == min(limit, 2)
