"""Gaps in the interpreter's memory are filled, so that new objects stand side by side."""

from __future__ import annotations

import sys
from random import Random
from typing import Any

import pytest

from twisted_redis.engine.memory.gaps import fill_gaps, size_classes

POOL = 1 << 14


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="about the allocator of CPython")
def test_new_objects_stand_side_by_side_while_the_gaps_are_filled() -> None:
    random = Random(1)
    some = [bytes(70) for _ in range(50_000)]
    # One of a hundred stays, so that almost every pool has gaps.
    kept = [each for each in some if random.random() < 0.01]
    del some
    size = sys.getsizeof(bytes(70)) + 15 & ~15
    plugs: list[Any] = []
    for _ in fill_gaps(size, plugs, 1 << 26):
        pass
    new = [bytes(70) for _ in range(len(kept))]
    pools = {id(each) // POOL for each in new}
    assert len(pools) <= len(new) * size // POOL + 2 < len({id(each) // POOL for each in kept})


def test_the_sizes_of_pools() -> None:
    assert size_classes([b"k" * 10, b"k" * 100, b"k" * 600]) == {32, 48, 64, 144}
    assert size_classes([b"k" * 31]) == {32, 48, 64}
    assert size_classes([b"k" * 32]) == {32, 48, 64, 80}
