"""The index of a vector set: it holds the vectors, and finds those that are near to a given one.

``Index`` is the interface. ``ExactScan`` compares a query with every vector. An approximate index would be another
class with the same methods.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from twisted_redis.datatypes.vectors.kernel import Kernel
from twisted_redis.datatypes.vectors.quantisation import Quantised
from twisted_redis.datatypes.vectors.rows import Rows

__all__ = ["ExactScan", "Index"]

Found = list[tuple[float, int]]
"""Distances (0 to 2) and rows, nearest first.  A distance that is no number is infinite here; EPSILON lets it pass."""


class Index(Protocol):
    """The vectors of a set by their rows, which have no gaps."""

    rows: Rows

    def add(self, vector: Quantised) -> int:
        """Adds a vector; returns its row, which is the last one."""

    def update(self, row: int, vector: Quantised) -> None:
        """Stores another vector in a row."""

    def remove(self, row: int) -> None:
        """Removes a row; the last row takes its number."""

    def search(self, query: Quantised, count: int, epsilon: float = 2.0) -> Found:
        """Returns at most ``count`` rows near to ``query``, with a distance of at most twice ``epsilon``."""

    def search_among(
        self,
        query: Quantised,
        count: int,
        among: Sequence[int],
        passes: Callable[[int], bool],
        effort: int,
        epsilon: float,
    ) -> Found:
        """As ``search``, for those rows in ``among`` for which ``passes`` returns True.

        ``among`` is in ascending order; a range stands for all rows.  At most ``effort`` rows are asked about.
        """


class ExactScan:
    """The index that compares a query with every vector, so its answers are exact."""

    __slots__ = ("_kernel", "rows")

    def __init__(self, rows: Rows, kernel: Kernel) -> None:
        self.rows = rows
        self._kernel = kernel

    def add(self, vector: Quantised) -> int:
        """Adds a vector; returns its row, which is the last one."""
        self.rows.append(vector)
        return len(self.rows) - 1

    def update(self, row: int, vector: Quantised) -> None:
        """Stores another vector in a row."""
        self.rows.replace(row, vector)

    def remove(self, row: int) -> None:
        """Removes a row; the last row takes its number."""
        self.rows.remove(row)

    def search(self, query: Quantised, count: int, epsilon: float = 2.0) -> Found:
        """Returns at most ``count`` rows near to ``query``, with a distance of at most twice ``epsilon``."""
        found = self._kernel.nearest(self.rows, query, min(count, len(self.rows)))
        return [each for each in found if not epsilon < each[0] / 2 < math.inf] if epsilon < 2 else found

    def search_among(
        self,
        query: Quantised,
        count: int,
        among: Sequence[int],
        passes: Callable[[int], bool],
        effort: int,
        epsilon: float,
    ) -> Found:
        """As ``search``, for those rows in ``among`` for which ``passes`` returns True.

        ``among`` is in ascending order; a range stands for all rows.  At most ``effort`` rows are asked about.
        """
        found: Found = []
        for distance, row in self._kernel.ordered(self.rows, query, among):
            if len(found) == count or not effort or epsilon < distance / 2 < math.inf:
                break
            effort -= 1
            if passes(row):
                found.append((distance, row))
        return found
