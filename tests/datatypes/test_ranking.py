"""Rankings with small blocks, compared with a sorted list of tuples."""

from __future__ import annotations

from bisect import insort
from random import Random

import pytest

from twisted_redis.datatypes import ranking
from twisted_redis.datatypes.ranking import Ranking

Pair = tuple[float, bytes]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_MOST": 8, "_FILLED": 6, "_FEW": 3, "_LATE": 5}.items():
        monkeypatch.setattr(ranking, name, value)


def pair(rng: Random) -> Pair:
    return float(rng.randint(0, 20)), b"%d" % rng.randint(0, 300)


def numbered(count: int) -> list[Pair]:
    return [(float(number), b"%03d" % number) for number in range(count)]


def check(found: Ranking, expected: list[Pair]) -> None:
    assert len(found) == len(expected)
    assert list(found) == [member for _, member in expected]
    assert found.columns(0, len(expected))[1] == [score for score, _ in expected]
    assert [found.rank(*one) for one in expected] == list(range(len(expected)))


@pytest.mark.parametrize("seed", range(40))
def test_random_changes(seed: int) -> None:
    rng = Random(seed)
    expected = sorted({pair(rng) for _ in range(rng.choice([0, 3, 60, 200]))})
    found = Ranking(expected)
    for _ in range(300):
        doing = rng.randint(0, 8)
        if doing <= 3:
            one = pair(rng)
            if one not in expected:
                insort(expected, one)
                found.add(*one)
        elif not expected:
            continue
        elif doing == 4:
            one = expected.pop(rng.randrange(len(expected)))
            assert found.remove(*one) == one[1]
        elif doing == 5:
            assert found.pop_first() == expected.pop(0)[::-1]
        elif doing == 6:
            assert found.pop_last() == expected.pop()[::-1]
        elif doing == 7:
            start = rng.randint(0, len(expected))
            stop = min(start + rng.choice([0, 1, 5, 30]), len(expected))
            members = [member for _, member in expected[start:stop]]
            assert found.members(start, stop) == members
            assert found.columns(start, stop) == (members, [score for score, _ in expected[start:stop]])
            if rng.random() < 0.4:
                assert sorted(found.delete(start, stop)) == sorted(members)
                del expected[start:stop]
        else:
            score = float(rng.randint(-1, 21))
            assert found.before(score) == sum(one[0] < score for one in expected)
            assert found.up_to(score) == sum(one[0] <= score for one in expected)
            one = rng.choice(expected)
            assert found.rank(*one) == expected.index(one)
    check(found, expected)


def test_blocks_stay_within_their_size() -> None:
    found = Ranking(numbered(200))
    for number in range(0, 200, 2):
        found.remove(float(number), b"%03d" % number)
    for number in range(500):
        found.add(float(number % 50), b"x%d" % number)
    for _ in range(490):
        found.pop_first()
    sizes = [len(block) for block in found._members]
    assert sum(sizes) == len(found) == 110
    assert max(sizes) <= 8
    assert len(sizes) < 60


def test_pairs_that_come_in_order_fill_their_blocks() -> None:
    found = Ranking()
    for score, member in numbered(80):
        found.add(score, member)
    assert [len(block) for block in found._members] == [8] * 10


def test_infinite_scores() -> None:
    inf = float("inf")
    found = Ranking([(-inf, b"a"), (0.0, b"b"), (inf, b"c"), (inf, b"d")])
    assert [found.before(score) for score in (-inf, 0.0, inf)] == [0, 1, 2]
    assert [found.up_to(score) for score in (-inf, 0.0, inf)] == [1, 2, 4]


def test_members_of_one_score() -> None:
    members = [b"", b"a", b"a\0", b"aa", b"b", *[b"c%03d" % number for number in range(50)]]
    found = Ranking([(1.0, member) for member in members])
    assert found.uniform()
    for place, member in enumerate(members):
        assert found.before_member(member) == place
        assert found.up_to_member(member) == place + 1
    assert found.before_member(b"zz") == found.up_to_member(b"zz") == len(members)
    found.add(2.0, b"a")
    assert not found.uniform()


def test_blocks_may_end_with_the_same_score() -> None:
    members = [b"%05d" % number for number in range(100)]
    found = Ranking([])
    for member in Random(1).sample(members, 100):
        found.add(1.0, member)
        found.add(2.0, member)
    check(found, sorted([(score, member) for score in (1.0, 2.0) for member in members]))
    for member in Random(2).sample(members, 60):
        found.remove(1.0, member)
        members.remove(member)
    for place, member in enumerate(members):
        assert found.rank(1.0, member) == place


def test_the_stored_member_is_what_comes_back() -> None:
    stored = b"".join([b"mem", b"ber"])
    found = Ranking([(1.0, stored)])
    assert found.remove(1.0, b"".join([b"m", b"ember"])) is stored


def test_a_copy_goes_its_own_way() -> None:
    found = Ranking(numbered(30))
    twin = found.copy()
    twin.add(0.5, b"new")
    found.delete(10, 30)
    check(found, numbered(10))
    check(twin, sorted([*numbered(30), (0.5, b"new")]))


def test_negative_zero_is_zero_with_a_sign() -> None:
    found = Ranking([(-1.0, b"a"), (1.0, b"b")])
    found.add(-0.0, b"c")
    found.add(0.0, b"d")
    assert [str(score) for score in found.columns(0, 4)[1]] == ["-1.0", "-0.0", "0.0", "1.0"]
    assert (found.before(0.0), found.up_to(-0.0)) == (1, 3)


def test_nothing() -> None:
    found = Ranking()
    assert list(found) == found.members(0, 0) == found.delete(0, 0) == []
    assert found.before(1.0) == found.up_to(1.0) == found.before_member(b"") == 0
    assert found.uniform()
    assert found.memory() > 0
