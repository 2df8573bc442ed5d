"""Sets of slots."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from twisted_redis.cluster.nodes import all_slots, ranges, slots_in
from twisted_redis.keyspace.slots import SLOTS


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        (set(), []),
        ({0}, [(0, 0)]),
        ({SLOTS - 1}, [(SLOTS - 1, SLOTS - 1)]),
        ({0, 1, 2, 5, 7, 8}, [(0, 2), (5, 5), (7, 8)]),
        (set(range(SLOTS)), [(0, SLOTS - 1)]),
    ],
)
def test_a_set_is_divided_into_unbroken_ranges(slots: set[int], expected: list[tuple[int, int]]) -> None:
    bits = sum(1 << slot for slot in slots)
    assert ranges(bits) == expected
    assert list(slots_in(bits)) == sorted(slots)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.99])
def test_the_ranges_of_scattered_slots_touch_no_other_range(share: float) -> None:
    random = Random(share)
    slots = [slot for slot in range(SLOTS) if random.random() < share]
    bits = sum(1 << slot for slot in slots)
    found = ranges(bits)
    assert [slot for first, last in found for slot in range(first, last + 1)] == slots
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(found))
    assert list(slots_in(all_slots() & ~bits)) == sorted(set(range(SLOTS)) - set(slots))
