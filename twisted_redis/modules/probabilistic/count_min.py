"""Count-Min sketches: rows of counters, of which each item has one in every row.

The hashes and the form in files are those of Redis' module.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from math import ceil, isinf, log10
from struct import Struct
from typing import Final

from twisted_redis.modules.probabilistic.bloom import LARGEST
from twisted_redis.modules.probabilistic.hashes import seeded

__all__ = ["MOST_COUNT", "MOST_DEPTH", "CountMin", "dimensions", "load_words", "stored_words"]

#: The greatest value of a counter, which stands for all that are greater.
MOST_COUNT: Final = 0xFFFFFFFF
#: The most rows.  Each takes time whenever an item is counted, and twenty are plenty.
MOST_DEPTH: Final = 1 << 16
_MASK64: Final = (1 << 64) - 1
_INT64: Final = 1 << 63
#: The counters that are merged at a time.
_PIECE: Final = 1 << 16

_float32 = Struct("<f")


def _single(number: float) -> float:
    """``number`` rounded to 32 bits."""
    single: float = _float32.unpack(_float32.pack(number))[0]
    return single


def dimensions(error: float, probability: float) -> tuple[int, int]:
    """The width and the depth for a relative error and the probability of a greater one, both between 0 and 1.

    As in Redis' module, the depth is computed with 32 bits.  Raises OverflowError if the result is infinite.
    """
    width, chance = 2 / error, _single(probability)
    if isinf(width) or not chance:
        raise OverflowError
    # A probability just below 1 is 1 in 32 bits, and leads to a depth of 0.
    return ceil(width), ceil(_single(_single(log10(chance)) / _single(log10(0.5))))


def stored_words(words: array[int]) -> bytes:
    """The bytes of an array in the byte order of files."""
    if sys.byteorder == "big":
        words = words[:]
        words.byteswap()
    return words.tobytes()


def load_words(data: bytes) -> array[int]:
    """The array of 32-bit numbers of such bytes."""
    words = array("I", data)
    if sys.byteorder == "big":
        words.byteswap()
    return words


class CountMin:
    """A sketch of ``depth`` rows of ``width`` counters (32 bits).  ``count`` is the sum of all increments (64 bits)."""

    __slots__ = ("cells", "count", "depth", "width")

    def __init__(self, width: int, depth: int, count: int, cells: array[int]) -> None:
        self.width = width
        self.depth = depth
        self.count = count
        self.cells = cells

    @classmethod
    def create(cls, width: int, depth: int) -> CountMin:
        """Returns an empty sketch.  Raises MemoryError if it is too large."""
        if not 0 < width * depth <= LARGEST // 4 or depth > MOST_DEPTH:
            raise MemoryError
        return cls(width, depth, 0, array("I", bytes(4)) * (width * depth))

    def _places(self, item: bytes) -> list[int]:
        width = self.width
        return [hashed % width + row * width for row, hashed in enumerate(seeded(item, range(self.depth)))]

    def add(self, item: bytes, amount: int) -> int:
        """Counts ``item`` so many times more; returns its new estimate."""
        cells = self.cells
        least = MOST_COUNT
        for place in self._places(item):
            # A counter has overflown if it is less than what was added to it.
            value = cells[place] + amount & MOST_COUNT
            if value < amount:
                value = MOST_COUNT
            cells[place] = value
            if value < least:
                least = value
        self.count = self.count + amount & _MASK64
        return least

    def estimate(self, item: bytes) -> int:
        """How often ``item`` was counted at most."""
        cells = self.cells
        return min([cells[place] for place in self._places(item)])

    def merge(self, sources: Sequence[CountMin], weights: Sequence[int]) -> bool:
        """Makes this the weighted sum of sketches (at least one) of the same dimensions.

        Returns False, and changes nothing, if a number gets too large.
        """
        total = _sum([source.count for source in sources], weights)
        if total is None or total < 0:
            return False
        arrays = [source.cells for source in sources]
        if len(arrays) == 1 and weights[0] == 1:
            merged = arrays[0][:]
        else:
            # In pieces, so that no list of all sums is needed.
            merged = array("I")
            for at in range(0, len(self.cells), _PIECE):
                sums = _sums([cells[at : at + _PIECE] for cells in arrays], weights)
                if sums is None or min(sums) < 0 or max(sums) > MOST_COUNT:
                    return False
                merged.extend(sums)
        self.cells = merged
        self.count = total
        return True


def _sums(arrays: Sequence[Sequence[int]], weights: Sequence[int]) -> list[int] | None:
    """The weighted sums of the cells at each place; None as from ``_sum``."""
    if sum(map(abs, weights)) <= MOST_COUNT >> 1:
        # No sum of these products leaves 64 bits.
        return [
            sum([cell * weight for cell, weight in zip(row, weights, strict=True)]) for row in zip(*arrays, strict=True)
        ]
    sums: list[int] = []
    for row in zip(*arrays, strict=True):
        result = _sum(row, weights)
        if result is None:
            return None
        sums.append(result)
    return sums


def _sum(numbers: Sequence[int], weights: Sequence[int]) -> int | None:
    """The weighted sum; None if a product or a sum on the way has more than 64 bits."""
    total = 0
    for number, weight in zip(numbers, weights, strict=True):
        product = number * weight
        total += product
        if not -_INT64 <= product < _INT64 or not -_INT64 <= total < _INT64:
            return None
    return total
