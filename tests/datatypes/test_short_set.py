"""Short sets, compared with a dict."""

from __future__ import annotations

from itertools import count, islice
from random import Random

import pytest

from twisted_redis.datatypes.few import MOST, TAGS, Full
from twisted_redis.datatypes.short_set import ShortSet

#: Members that all have the same tag.
ALIKE = list(islice((member for member in (b"%d" % number for number in count()) if not hash(member) % TAGS), 60))
MIXED = [b"%d" % number for number in range(60)]


@pytest.mark.parametrize("members", [ALIKE, MIXED], ids=["alike", "mixed"])
@pytest.mark.parametrize("seed", range(20))
def test_random_changes(seed: int, members: list[bytes]) -> None:
    rng = Random(seed)
    expected = dict.fromkeys(rng.sample(members, rng.choice([0, 3, 40])))
    found = ShortSet(expected)
    for _ in range(200):
        member = rng.choice(members)
        doing = rng.randrange(5)
        if doing <= 1:
            assert found.add(member) == (member not in expected)
            expected[member] = None
        elif doing == 2:
            assert found.discard(member) == (member in expected)
            expected.pop(member, None)
        elif expected and doing == 3:
            place = rng.randrange(len(expected))
            member = found.at(place)
            assert list(expected)[place] == member == found.pop(place)
            del expected[member]
        assert list(found) == list(found.copy()) == list(expected)
        assert len(found) == len(expected)
        assert all((one in found) == (one in expected) for one in members)


@pytest.mark.parametrize("most", [5, MOST, MOST + 1])
def test_a_full_one_takes_no_new_member(most: int) -> None:
    found = ShortSet([b"%d" % number for number in range(min(most, MOST))])
    for limit in (0, most):
        with pytest.raises(Full):
            found.add(b"new", limit)
        assert not found.add(b"3", limit)
    assert b"new" not in found


def test_a_copy_goes_its_own_way() -> None:
    found = ShortSet([b"a", b"b"])
    twin = found.copy()
    twin.add(b"c")
    found.discard(b"a")
    assert (list(found), list(twin)) == ([b"b"], [b"a", b"b", b"c"])
