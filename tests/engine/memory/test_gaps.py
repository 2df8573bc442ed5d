"""Gaps in the interpreter's memory are filled, so that new objects stand side by side."""

from __future__ import annotations

import sys
from collections import Counter
from random import Random

import pytest

from twisted_redis.engine.memory.gaps import Plugs

POOL = 1 << 14
ARENA = 1 << 20


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="about the allocator of CPython")
def test_new_objects_stand_side_by_side_while_the_gaps_are_filled() -> None:
    random = Random(1)
    some = [bytes(70) for _ in range(100_000)]
    # One of a hundred stays, so that almost every pool has gaps; some pools are empty.
    kept = [each for place, each in enumerate(some) if place % 5000 > 2500 and random.random() < 0.01]
    del some
    size = sys.getsizeof(bytes(70)) + 15 & ~15
    plugs = Plugs()
    for _ in plugs.fill(1 << 28):
        pass
    new = [bytes(70) for _ in range(5000)]
    pools = {id(each) // POOL for each in new}
    assert len(pools) <= len(new) * size // POOL + 2
    # They are in arenas of their own, but for what is left of a pool.
    old = {id(each) // ARENA for each in kept}
    assert sum(id(each) // ARENA in old for each in new) < POOL // size
    del new
    for _ in plugs.free():
        pass
    # The reserve stands there as well.
    later = [bytes(70) for _ in range(100)]
    assert not {id(each) // ARENA for each in later} & old


def test_what_is_held_stays_until_it_is_freed() -> None:
    freed = []

    class Told:
        def __del__(self) -> None:
            freed.append(True)

    plugs = Plugs()
    plugs.hold([Told(), Told()])
    assert not freed
    for _ in plugs.free():
        pass
    assert len(freed) == 2


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="about the allocator of CPython")
def test_the_process_does_not_grow_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is allocated meanwhile, so that the end of the gaps cannot be seen."""
    sizes = iter(range(100 << 20, 1 << 40, 1 << 20))
    monkeypatch.setattr("twisted_redis.engine.memory.gaps.resident_bytes", lambda: next(sizes))
    monkeypatch.setattr("twisted_redis.engine.memory.gaps.Counter", lambda places: Counter({0: len(list(places))}))
    assert sum(1 for _ in Plugs().fill(1 << 40)) < 30
