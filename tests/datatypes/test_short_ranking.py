"""Short rankings, compared with a dict and a sorted list of tuples."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import count, islice
from random import Random

import pytest

from twisted_redis.datatypes.few import MOST, TAGS, Full
from twisted_redis.datatypes.short_ranking import ShortRanking


def alike() -> Iterator[bytes]:
    """Members that all have the same tag."""
    return (member for member in (b"%d" % number for number in count()) if not hash(member) % TAGS)


ALIKE = list(islice(alike(), 60))
MIXED = [b"%d" % number for number in range(60)]


def ordered(scores: dict[bytes, float]) -> list[tuple[float, bytes]]:
    return sorted((score, member) for member, score in scores.items())


def check(found: ShortRanking, scores: dict[bytes, float]) -> None:
    assert len(found) == len(scores)
    assert dict(found.items()) == scores
    assert all(found[member] == score and member in found for member, score in scores.items())


def check_order(found: ShortRanking, scores: dict[bytes, float]) -> None:
    pairs = ordered(scores)
    members = [member for _, member in pairs]
    assert list(found) == found.members(0, len(pairs)) == members
    assert found.columns(0, len(pairs)) == (members, [score for score, _ in pairs])
    assert [found.rank_of(member) for member in members] == list(range(len(pairs)))
    check(found, scores)


@pytest.mark.parametrize("members", [ALIKE, MIXED], ids=["alike", "mixed"])
@pytest.mark.parametrize("seed", range(20))
def test_random_changes(seed: int, members: list[bytes]) -> None:
    rng = Random(seed)
    scores = {member: float(rng.randrange(20)) for member in rng.sample(members, rng.choice([0, 3, 40]))}
    found = ShortRanking(scores)
    check(found, scores)
    for step in range(200):
        member = rng.choice(members)
        doing = rng.randrange(7)
        if doing <= 2:
            score = float(rng.randrange(20))
            assert found.set(score, member) == scores.get(member)
            scores[member] = score
        elif doing == 3:
            assert found.discard(member) == (scores.pop(member, None) is not None)
        elif doing == 4:
            assert found.get(member) == scores.get(member)
            assert (member in found) == (member in scores)
        # Half of the rankings are in no order at first.
        elif scores and (step > 100 or seed % 2):
            pairs = ordered(scores)
            if doing == 5:
                last = rng.randrange(2)
                score, member = pairs[-last]
                assert (found.pop_last() if last else found.pop_first()) == (member, score)
                del scores[member]
            else:
                start = rng.randrange(len(pairs))
                stop = min(len(pairs), start + 2)
                assert found.members(start, stop) == [one for _, one in pairs[start:stop]]
                found.delete(start, stop)
                for _, one in pairs[start:stop]:
                    del scores[one]
        check(found, scores)
    check_order(found.copy(), scores)
    check_order(found, scores)


def test_missing_members() -> None:
    for found in (ShortRanking({}), ShortRanking(dict.fromkeys(ALIKE[:5], 1.0))):
        assert found.get(ALIKE[5]) is None
        assert found.rank_of(ALIKE[5]) is None
        assert not found.discard(ALIKE[5])
        assert ALIKE[5] not in found
        assert None not in found
        with pytest.raises(KeyError):
            found[ALIKE[5]]


@pytest.mark.parametrize("most", [5, MOST])
def test_a_full_one_takes_no_new_member(most: int) -> None:
    found = ShortRanking({})
    for number in range(most):
        found.set(float(number), b"%d" % number, most)
    with pytest.raises(Full):
        found.set(1.0, b"new", most)
    with pytest.raises(Full):
        found.set(1.0, b"new", 0)
    assert found.set(-1.0, b"3", 0) == 3.0
    assert len(found) == most
    assert found.members(0, 2) == [b"3", b"0"]


def test_a_ranking_never_has_more_than_the_greatest_number() -> None:
    found = ShortRanking({b"%d" % number: 1.0 for number in range(MOST)})
    with pytest.raises(Full):
        found.set(1.0, b"new", 1000)


@pytest.mark.parametrize("seed", range(5))
def test_ranges_of_scores(seed: int) -> None:
    rng = Random(seed)
    scores = {member: float(rng.randrange(10)) for member in MIXED}
    found = ShortRanking(scores)
    of_scores = sorted(scores.values())
    for score in (-1.0, 0.0, 3.0, 3.5, 9.0, 10.0, float("inf")):
        assert found.before(score) == bisect_left(of_scores, score)
        assert found.up_to(score) == bisect_right(of_scores, score)
    assert not found.uniform()


def test_ranges_of_members() -> None:
    found = ShortRanking(dict.fromkeys((b"c", b"a", b"", b"aa", b"a\0"), 2.0))
    assert found.uniform()
    assert ShortRanking({}).uniform()
    assert [found.before_member(member) for member in (b"", b"a", b"a\0", b"b", b"d")] == [0, 1, 2, 4, 5]
    assert [found.up_to_member(member) for member in (b"", b"a", b"a\0", b"b", b"d")] == [1, 2, 3, 4, 5]


def test_the_stored_member_stays() -> None:
    stored = b"".join([b"mem", b"ber"])
    found = ShortRanking({stored: 1.0, b"other": 5.0})
    found.set(2.0, b"".join([b"memb", b"er"]))
    assert found.members(0, 1)[0] is stored
    found.set(9.0, b"".join([b"memb", b"er"]))
    assert found.members(1, 2)[0] is stored


def test_a_copy_goes_its_own_way() -> None:
    found = ShortRanking({b"a": 1.0, b"b": 2.0})
    twin = found.copy()
    twin.set(5.0, b"a")
    found.discard(b"b")
    assert (found.items(), dict(twin.items())) == ([(b"a", 1.0)], {b"a": 5.0, b"b": 2.0})
