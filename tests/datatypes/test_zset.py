"""Sorted sets: the same encodings as in Redis, order, ranges, cursors and random picks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import copysign
from random import Random

import pytest

from twisted_redis.datatypes.few import OFTEN
from twisted_redis.datatypes.short_ranking import ShortRanking
from twisted_redis.datatypes.zset import LexRange, RestingZSet, ScoreRange, ZSet


@dataclass
class Limits:
    zset_max_listpack_entries: int = 4
    zset_max_listpack_value: int = 8


LIMITS = Limits()
WIDE = Limits(128, 64)
INF = float("inf")


def made(count: int, config: Limits = WIDE) -> ZSet:
    """Returns the members m000, m001..., with their numbers as scores."""
    zset = ZSet()
    for number in range(count):
        zset.add(b"m%03d" % number, float(number), config)
    return zset


FORMS = {"tiny": WIDE, "short": Limits(40, 64), "listpack": Limits(1000, 64), "skiplist": Limits(3, 64)}


@pytest.fixture(params=FORMS)
def forms(request: pytest.FixtureRequest) -> Limits:
    """Limits that put a set of ten members into each of its forms."""
    return FORMS[request.param]


def filled(config: Limits, count: int = 10) -> ZSet:
    """Returns the members m000 to m009 in the form that ``forms`` asks for."""
    if config not in (FORMS["short"], FORMS["listpack"]):
        return made(count, config)
    # A set keeps the form that it had with more members.
    zset = made(40 if config is FORMS["short"] else 140, config)
    for number in range(count, len(zset)):
        zset.remove(b"m%03d" % number)
    if config is FORMS["listpack"]:
        zset._ranking = zset._sorted()
    assert isinstance(zset.scores, ShortRanking) == (config is FORMS["short"])
    return zset


class TestEncoding:
    def test_a_member_too_many(self) -> None:
        zset = made(4, LIMITS)
        assert zset.encoding() == "listpack"
        assert zset.add(b"m003", 9.0, LIMITS) is False
        assert zset.encoding() == "listpack"
        zset.add(b"m004", 4.0, LIMITS)
        assert zset.encoding() == "skiplist"
        zset.remove(b"m004")
        assert zset.encoding() == "skiplist"

    def test_a_member_too_long(self) -> None:
        zset = ZSet()
        zset.add(b"12345678", 1.0, LIMITS)
        assert zset.encoding() == "listpack"
        zset.add(b"123456789", 1.0, LIMITS)
        assert zset.encoding() == "skiplist"

    @pytest.mark.parametrize(("size", "encoding"), [(4, "listpack"), (5, "skiplist")])
    def test_the_number_of_members_to_come(self, size: int, encoding: str) -> None:
        assert ZSet.starting_with(b"a", size, LIMITS).encoding() == encoding
        zset = made(1, LIMITS)
        zset.expect(size, LIMITS)
        assert zset.encoding() == encoding

    def test_of_pairs(self) -> None:
        assert ZSet.from_pairs([(b"a", 1.0)], LIMITS).encoding() == "listpack"
        assert ZSet.from_pairs([(b"a" * 9, 1.0)], LIMITS).encoding() == "skiplist"
        zset = ZSet.from_pairs([(b"%d" % number, -float(number)) for number in range(5)], LIMITS)
        assert zset.encoding() == "skiplist"
        assert list(zset) == [b"4", b"3", b"2", b"1", b"0"]

    @pytest.mark.parametrize("size", [1, 16, 17, 128, 129, 200])
    def test_a_long_listpack(self, size: int) -> None:
        config = Limits(200, 64)
        zset = made(size, config)
        of_pairs = ZSet.from_pairs([(b"m%03d" % number, float(number)) for number in range(size)], config)
        for one in (zset, of_pairs):
            assert one.encoding() == "listpack"
            assert isinstance(one.scores, ShortRanking) == (17 <= size <= 128)
            assert one.pairs(0, size) == [(b"m%03d" % number, float(number)) for number in range(size)]
        zset.expect(201, config)
        assert zset.encoding() == "skiplist"
        assert list(zset) == list(of_pairs)

    @pytest.mark.parametrize("question", [lambda one: one.score(b"m005"), lambda one: one.add(b"m005", 5.0, WIDE)])
    def test_a_short_one_that_is_often_asked_gets_a_dict(self, question: Callable[[ZSet], object]) -> None:
        one = made(30)
        before = one.pairs(0, 30)
        for _ in range(OFTEN + 1):
            question(one)
        assert isinstance(one.scores, dict)
        assert (one.pairs(0, 30), one.encoding()) == (before, "listpack")
        assert one.score(b"m005") == 5.0
        assert one.set(b"m005", 40.0, WIDE) == 5.0
        assert one.add(b"new", 50.0, WIDE)
        assert one.members(28, 31) == [b"m029", b"m005", b"new"]

    @pytest.mark.parametrize("size", [0, 5, 30, 200])
    def test_all_of_it_in_order_without_a_ranking_that_stays(self, size: int) -> None:
        one = ZSet.from_pairs([(b"m%d" % number, float(number % 7)) for number in range(size)], Limits(500, 64))
        before = one.memory()
        one.sorted_columns()
        if isinstance(one.scores, dict):  # a short ranking has put itself in order
            assert one.memory() == before
        columns = one.sorted_columns()
        assert list(zip(*columns, strict=True)) == one.pairs(0, size)
        assert one.sorted_columns() == columns

    def test_questions_before_a_rest_do_not_count(self) -> None:
        one = made(30)
        for _ in range(OFTEN - 30):
            one.score(b"m005")
        one = one.moved(RestingZSet).moved(ZSet)
        for _ in range(OFTEN):
            one.score(b"m005")
        assert isinstance(one.scores, ShortRanking)

    @pytest.mark.parametrize("size", [20, 140])
    def test_a_limit_that_has_come_down(self, size: int) -> None:
        zset = made(size, Limits(200, 64))
        assert zset.add(b"m003", -1.0, LIMITS) is False
        assert zset.encoding() == "listpack"
        assert zset.add(b"new", 0.5, LIMITS) is True
        assert zset.encoding() == "skiplist"
        assert zset.members(0, 4) == [b"m003", b"m000", b"new", b"m001"]

    def test_a_long_member_of_a_short_set(self) -> None:
        zset = made(20)
        long = b"l" * 65
        zset.add(long, 1.0)
        assert zset.add(long, 2.0, WIDE) is False
        assert zset.encoding() == "listpack"
        assert zset.add(long + b"l", 2.5, WIDE) is True
        assert zset.encoding() == "skiplist"
        assert zset.members(2, 5) == [long, b"m002", long + b"l"]

    def test_without_limits_it_stays(self) -> None:
        zset = ZSet()
        for number in range(1000):
            zset.add(b"%d" % number, 1.0)
        assert zset.encoding() == "listpack"

    @pytest.mark.parametrize(("limits", "sign"), [(WIDE, 1.0), (Limits(0, 64), -1.0)])
    def test_a_listpack_knows_no_negative_zero(self, limits: Limits, sign: float) -> None:
        zset = ZSet.starting_with(b"a", 1, limits)
        zset.add(b"a", 1.0, limits)
        zset.add(b"a", -0.0, limits)
        zset.add(b"b", -0.0, limits)
        assert [copysign(1, score) for _, score in zset.pairs(0, 2)] == [sign, sign]
        gathered = ZSet.from_pairs([(b"a", -0.0)], limits)
        assert copysign(1, gathered.scores[b"a"]) == sign

    def test_a_short_set_knows_no_negative_zero(self) -> None:
        zset = made(30)
        zset.add(b"new", -0.0, WIDE)
        zset.add(b"m001", -0.0, WIDE)
        assert [copysign(1, zset.scores[member]) for member in (b"new", b"m001")] == [1, 1]
        zset = ZSet.from_pairs([(b"%d" % number, -0.0) for number in range(20)], WIDE)
        assert {copysign(1, score) for _, score in zset.pairs(0, 20)} == {1}

    def test_of_columns(self) -> None:
        zset = ZSet.from_columns([b"b", b"a"], [1.0, -0.0], LIMITS)
        assert zset is not None
        assert zset.pairs(0, 2) == [(b"a", 0.0), (b"b", 1.0)]
        assert copysign(1, zset.scores[b"a"]) == 1
        assert zset.encoding() == "listpack"
        assert ZSet.from_columns([b"a", b"b", b"a"], [1.0, 2.0, 3.0], LIMITS) is None
        assert ZSet.from_columns([b"a" * 9], [1.0], LIMITS) is None
        assert ZSet.from_columns([b"%d" % number for number in range(5)], [1.0] * 5, LIMITS) is None

    def test_lookup(self, forms: Limits) -> None:
        assert filled(forms).lookup() == {b"m%03d" % number: float(number) for number in range(10)}


class TestMembers:
    def test_add_and_remove(self, forms: Limits) -> None:
        zset = filled(forms)
        assert zset.add(b"new", 4.5) is True
        assert zset.add(b"m001", 100.0) is False
        assert zset.score(b"m001") == 100.0
        assert zset.remove(b"m005") is True
        assert zset.remove(b"m005") is False
        assert list(zset) == [
            b"m000",
            b"m002",
            b"m003",
            b"m004",
            b"new",
            *[b"m%03d" % n for n in (6, 7, 8, 9)],
            b"m001",
        ]
        assert len(zset) == 10
        assert (zset.rank(b"m001"), zset.rank(b"new"), zset.rank(b"m005")) == (9, 4, None)
        assert (zset.score(b"m005"), b"m005" in zset, b"new" in zset) == (None, False, True)

    def test_members_of_one_score_are_in_their_own_order(self, forms: Limits) -> None:
        zset = ZSet()
        for member in (b"b", b"", b"\xff", b"a\0", b"a", b"aa"):
            zset.add(member, 1.0, forms)
        assert list(zset) == [b"", b"a", b"a\0", b"aa", b"b", b"\xff"]

    def test_the_stored_member_stays(self) -> None:
        stored = b"".join([b"mem", b"ber"])
        zset = ZSet.starting_with(b"", 1, Limits(0, 64))
        zset.add(stored, 1.0)
        zset.add(b"".join([b"m", b"ember"]), 2.0)
        assert zset.members(0, 1)[0] is stored
        assert next(iter(zset.scores)) is stored

    def test_pop(self, forms: Limits) -> None:
        zset = filled(forms)
        assert zset.pop() == (b"m000", 0.0)
        assert zset.pop(last=True) == (b"m009", 9.0)
        assert zset.pop_some(2) == [(b"m001", 1.0), (b"m002", 2.0)]
        assert zset.pop_some(2, last=True) == [(b"m008", 8.0), (b"m007", 7.0)]
        assert zset.pop_some(1) == [(b"m003", 3.0)]
        assert zset.pop_some(9, last=True) == [(b"m006", 6.0), (b"m005", 5.0), (b"m004", 4.0)]
        assert len(zset) == 0
        zset.add(b"again", 1.0)
        assert zset.pop() == (b"again", 1.0)

    def test_remove_range(self, forms: Limits) -> None:
        zset = filled(forms)
        assert zset.remove_range(2, 8) == 6
        assert zset.pairs(0, 4) == [(b"m000", 0.0), (b"m001", 1.0), (b"m008", 8.0), (b"m009", 9.0)]
        assert set(zset.scores) == set(zset)
        assert zset.remove_range(0, 4) == 4
        assert list(zset) == []
        zset.add(b"again", 1.0)
        assert list(zset) == [b"again"]

    def test_a_copy_goes_its_own_way(self, forms: Limits) -> None:
        zset = filled(forms)
        twin = zset.copy()
        twin.add(b"new", -1.0)
        zset.remove(b"m000")
        assert next(iter(twin)) == b"new"
        assert next(iter(zset)) == b"m001"
        assert twin.encoding() == zset.encoding()
        assert len(twin) == 11

    def test_memory(self) -> None:
        sizes = [made(count).memory() for count in (1, 100, 10_000)]
        assert 100 < sizes[0] < 1000
        assert 80 * 10_000 < sizes[2] < 250 * 10_000


class TestRanges:
    @pytest.mark.parametrize(
        ("wanted", "ranks"),
        [
            (ScoreRange(-INF, INF), (0, 10)),
            (ScoreRange(2.0, 4.0), (2, 5)),
            (ScoreRange(2.0, 4.0, above=True), (3, 5)),
            (ScoreRange(2.0, 4.0, below=True), (2, 4)),
            (ScoreRange(1.5, 1.6), (2, 2)),
            (ScoreRange(9.0, INF, above=True), (10, 10)),
            (ScoreRange(INF, INF), (10, 10)),
        ],
    )
    def test_of_scores(self, forms: Limits, wanted: ScoreRange, ranks: tuple[int, int]) -> None:
        assert filled(forms).ranks_of_scores(wanted) == ranks

    @pytest.mark.parametrize("wanted", [ScoreRange(4.0, 2.0), ScoreRange(4.0, 4.0, above=True, below=True)])
    def test_of_no_scores(self, forms: Limits, wanted: ScoreRange) -> None:
        start, stop = filled(forms).ranks_of_scores(wanted)
        assert start >= stop

    def test_by_score(self, forms: Limits) -> None:
        zset = filled(forms)
        ranks = zset.ranks_of_scores(ScoreRange(3, 5))
        assert zset.pairs(*ranks) == [(b"m003", 3.0), (b"m004", 4.0), (b"m005", 5.0)]

    @pytest.mark.parametrize(
        ("wanted", "members"),
        [
            (LexRange(None, None), [b"", b"a", b"aa", b"b", b"c"]),
            (LexRange(b"a", b"b"), [b"a", b"aa", b"b"]),
            (LexRange(b"a", b"b", above=True, below=True), [b"aa"]),
            (LexRange(None, b"aa", below=True), [b"", b"a"]),
            (LexRange(b"b", None), [b"b", b"c"]),
            (LexRange(b"b", b"a"), []),
            (LexRange(b"b", b"b", below=True), []),
        ],
    )
    @pytest.mark.parametrize("limits", [WIDE, LIMITS])
    def test_of_members(self, limits: Limits, wanted: LexRange, members: list[bytes]) -> None:
        zset = ZSet.from_pairs([(member, 0.0) for member in (b"", b"c", b"aa", b"b", b"a")], limits)
        assert zset.members(*zset.ranks_of_members(wanted)) == members

    def test_of_members_with_several_scores(self) -> None:
        zset = ZSet.from_pairs([(b"c", 1.0), (b"a", 2.0), (b"d", 3.0), (b"b", 4.0)], WIDE)
        assert zset.ranks_of_members(LexRange(b"b", None)) == (0, 4)
        assert zset.ranks_of_members(LexRange(None, b"c")) == (0, 2)
        assert zset.ranks_of_members(LexRange(b"b", b"c"), reverse=True) == (2, 4)
        assert zset.ranks_of_members(LexRange(b"d", None)) == (0, 0)


class TestPicks:
    def test_a_scan_returns_each_member_once(self) -> None:
        zset = made(1000)
        cursor, found = zset.scan(0, 10)
        while cursor:
            cursor, more = zset.scan(cursor, 10)
            found += more
        assert sorted(found) == list(zset)

    def test_a_scan_while_members_come_and_go(self) -> None:
        zset = made(1000)
        cursor, found = zset.scan(0, 10)
        number = 0
        while cursor:
            zset.add(b"new%d" % number, float(number))
            zset.pop(last=True)
            zset.remove(b"m%03d" % (number + 500))
            zset.add(b"m%03d" % number, -1.0)
            number += 1
            cursor, more = zset.scan(cursor, 10)
            found += more
        kept = {b"m%03d" % number for number in range(500)}
        assert max(Counter(found).values()) == 1
        assert kept <= set(found)

    def test_a_scan_of_few_returns_all_in_order(self) -> None:
        assert made(5).scan(0, 1) == (0, [b"m000", b"m001", b"m002", b"m003", b"m004"])

    @pytest.mark.parametrize("config", [WIDE, LIMITS])
    def test_picks_are_even(self, config: Limits) -> None:
        zset = made(20, config)
        rng = Random(1)
        picks = {
            "random": [zset.random(rng) for _ in range(4000)],
            "few": [member for _ in range(1000) for member in zset.choices(4, rng)],
            "choices": zset.choices(4000, rng),
            "sample": [member for _ in range(1000) for member in zset.sample(4, rng)],
            "most": [member for _ in range(400) for member in zset.sample(10, rng)],
        }
        for found in picks.values():
            counts = Counter(found)
            assert len(counts) == 20
            assert min(counts.values()) > 130
            assert max(counts.values()) < 270

    def test_samples_are_different(self) -> None:
        zset = made(50)
        for count in (0, 1, 5, 25, 49, 50, 60):
            found = zset.sample(count)
            assert len(found) == len(set(found)) == min(count, 50)
