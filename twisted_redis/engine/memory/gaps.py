"""Fills the gaps in the interpreter's memory, so that what is allocated next stands in places of its own.

CPython allocates small objects in pools of 16 KB, each for objects of one size, and 64 pools make an arena.  It returns
an arena to the system when nothing is left in it.  A new object goes to a pool that has gaps, as long as there is one;
then to an empty pool in the fullest arena.  So objects that are made anew would stand in the gaps all over the memory,
and keep every arena.  While the gaps and the empty pools are filled, they go to arenas of their own.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from twisted_redis.engine.memory.resident import resident_bytes

__all__ = ["HAS_POOLS", "Plugs"]

_ARENA_SHIFT: Final = 20
_POOL_SHIFT: Final = 14
_POOL_HEADER: Final = 48
_POOLS: Final = 63
"""Pools of an arena that does not begin where a pool does."""

_STEP: Final = 16
_LARGEST: Final = 512
_SIZES: Final = range(_STEP, _LARGEST + _STEP, _STEP)
"""The sizes of objects (bytes) for which there are pools; other objects take the next larger one."""

_BYTES_HEADER: Final = 33

_SMALL: Final = 64
_RESERVED_SMALL, _RESERVED = 4, 2
"""Pools that are reserved for each size up to ``_SMALL``, and for each other size."""

_SPARE: Final = 8 << 20
"""Bytes by which the process may grow in any case."""

_KEPT: Final = 100
"""More lists, and more dicts, than the interpreter keeps for reuse; they are in old places."""

HAS_POOLS: Final = sys.implementation.name == "cpython" and (3, 10) <= sys.version_info < (3, 15)
"""Whether this interpreter allocates small objects as described above."""


class Plugs:
    """Objects that fill gaps.  They do nothing where memory is not in pools as above.

    Call ``fill``; allocate anew what stays for long, and let ``hold`` have the old objects; call ``free``.  The
    iterators do a part of the work with each step, which takes about 0.1 ms.
    """

    def __init__(self) -> None:
        #: What is held, by the megabyte in which it stands.
        self._held: defaultdict[int, list[Any]] = defaultdict(list)
        self._reserve: list[Any] = []
        #: The resident memory (bytes) at which to stop.
        self._bound = 0
        #: One object in each pool of the reserve.  As long as it stays the pool does.
        self._anchors: list[Any] = []

    def hold(self, things: Iterable[Any]) -> None:
        """Keeps ``things`` until the end, or the next objects would be allocated in their places."""
        held = self._held
        for thing in things:
            held[id(thing) >> _ARENA_SHIFT].append(thing)

    def fill(self, most: int) -> Iterator[None]:
        """Fills the empty pools and the gaps in the others.  There cannot be more than ``most`` bytes of each."""
        if not HAS_POOLS:
            return
        # Gaps are resident already: if much more becomes resident, the end was missed.
        resident = resident_bytes()
        self._bound = resident + resident // 8 + _SPARE
        yield from self._fill_pools(most)
        for size in _SIZES:
            yield from self._fill_gaps(size, most)
        for size in _SIZES:
            some = _objects(size, _capacity(size) * (_RESERVED_SMALL if size <= _SMALL else _RESERVED))
            in_pool = Counter(id(one) >> _POOL_SHIFT for one in some)
            anchors = {id(one) >> _POOL_SHIFT: one for one in some}
            # A pool that is full of them is a new one.
            self._anchors += [one for pool, one in anchors.items() if in_pool[pool] == _capacity(size)]
            self._reserve.append(some)
        self.hold([[] for _ in range(_KEPT)])
        self.hold([{} for _ in range(_KEPT)])

    def free(self) -> Iterator[None]:
        """Frees everything, one arena after the other, so that hardly anything gets into one that is being freed.

        Then the next objects stand in the reserve, not in the gaps of old arenas.
        """
        held = self._held
        for place in sorted(held):
            del held[place]
            yield
        self._reserve.clear()

    def _fill_pools(self, most: int) -> Iterator[None]:
        capacity = _capacity(_LARGEST)
        for _ in range(0, most, 2 * _POOLS << _POOL_SHIFT):
            # All at once, since anything else that is allocated in between may take a pool.
            some = _objects(_LARGEST, 2 * _POOLS * capacity)
            before = in_a_row = longest = 0
            for start in range(0, len(some), capacity):
                pool = id(some[start]) >> _POOL_SHIFT
                self._held[id(some[start]) >> _ARENA_SHIFT] += some[start : start + capacity]
                in_a_row = in_a_row + 1 if pool == before + 1 else 1
                before = pool
                longest = max(longest, in_a_row)
            # One empty pool after the other: that is an arena which nobody has used before.
            if longest >= _POOLS - 1 or resident_bytes() > self._bound:
                return
            yield

    def _fill_gaps(self, size: int, most: int) -> Iterator[None]:
        capacity = _capacity(size)
        for _ in range(0, most, 2 * capacity * size):
            some = _objects(size, 2 * capacity)
            self.hold(some)
            # Not a list: its numbers would leave as many gaps as they are.
            in_pool = Counter(id(plug) >> _POOL_SHIFT for plug in some)
            # A pool that they fill alone was empty: there are no gaps any more.
            if max(in_pool.values()) == capacity or resident_bytes() > self._bound:
                return
            yield


def _capacity(size: int) -> int:
    """The number of objects in a pool."""
    return ((1 << _POOL_SHIFT) - _POOL_HEADER) // size


def _objects(size: int, count: int) -> list[Any]:
    """Returns ``count`` new objects of ``size`` bytes."""
    if size < _STEP * 2:
        return [object() for _ in range(count)]
    if size < _BYTES_HEADER:
        return [number + 0.5 for number in range(count)]  # floats take 24 bytes
    return [bytes(size - _BYTES_HEADER) for _ in range(count)]
