"""Fills the gaps in the interpreter's memory, so that what is allocated next stands in places of its own.

CPython allocates small objects in pools of 16 KB, each for objects of one size, and 64 pools make an arena.  It returns
an arena to the system when nothing is left in it.  A new object goes to a pool that has gaps, as long as there is one;
then to an empty pool in the fullest arena.  So objects that are made anew would stand in the gaps all over the memory,
and keep every arena.  While the gaps are filled, they go to a few arenas.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

__all__ = ["HAS_POOLS", "fill_gaps", "size_classes"]

_POOL_SHIFT: Final = 14
_POOL_HEADER: Final = 48
_STEP: Final = 16
_LARGEST: Final = 512
_BYTES_HEADER: Final = 33

HAS_POOLS: Final = sys.implementation.name == "cpython" and (3, 10) <= sys.version_info < (3, 15)
"""Whether this interpreter allocates small objects as described above."""


def size_classes(keys: Iterable[bytes]) -> set[int]:
    """Returns the sizes of the pools (bytes) of ``keys``, and of the small objects that everything needs."""
    return {32, 48, 64} | {size for key in keys if (size := _BYTES_HEADER + len(key) + _STEP - 1 & -_STEP) <= _LARGEST}


def _objects(size: int, count: int) -> list[Any]:
    """Returns ``count`` new objects of ``size`` bytes."""
    if size < _BYTES_HEADER:
        return [number + 0.5 for number in range(count)]  # floats take 24 bytes
    return [bytes(size - _BYTES_HEADER) for _ in range(count)]


def fill_gaps(size: int, plugs: list[Any], most: int) -> Iterator[None]:
    """Fills the gaps in pools for objects of ``size`` bytes, and adds the objects in them to ``plugs``.

    There cannot be more than ``most`` bytes of gaps.  Does nothing where memory is not in such pools.  A step takes
    about 0.1 ms.
    """
    if not HAS_POOLS:
        return
    capacity = ((1 << _POOL_SHIFT) - _POOL_HEADER) // size
    for _ in range(0, most, 2 * capacity * size):
        some = _objects(size, 2 * capacity)
        plugs.append(some)
        # Not a list: its numbers would leave as many gaps as they are.
        in_pool = Counter(id(plug) >> _POOL_SHIFT for plug in some)
        # A pool that they fill alone was empty: there are no gaps any more.
        if max(in_pool.values()) == capacity:
            return
        yield
