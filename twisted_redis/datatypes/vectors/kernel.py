"""The arithmetic of vector sets: what it consists of, and the choice of the module that does it.

``pure.py`` computes in Python, and ``by_numpy.py`` with numpy, which is many times as fast. Both give the same results:
they round after each operation as Redis does, whose floats have 32 bits. PyPy compiles the pure module to machine code,
so that numpy would save less than the calls into it cost.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Protocol

from twisted_redis.datatypes.vectors import pure
from twisted_redis.datatypes.vectors.links import Links
from twisted_redis.datatypes.vectors.quantisation import Quantisation, Quantised
from twisted_redis.datatypes.vectors.rows import Rows

__all__ = ["Kernel", "chosen_kernel"]


class Kernel(Protocol):
    """The functions of both modules. A vector is passed as bytes: its components as floats of 32 bits."""

    def quantise(self, vector: bytes, kind: Quantisation) -> Quantised:
        """Normalises a vector and returns it as it is stored."""

    def restore(self, stored: Quantised, kind: Quantisation, dimension: int) -> list[float]:
        """Returns the components of a stored vector, about as long as they were before it was stored."""

    def projection(self, rows: int, columns: int) -> bytes:
        """Returns the matrix that reduces vectors of ``columns`` components to ``rows`` components, as floats."""

    def project(self, vector: bytes, matrix: bytes, rows: int) -> bytes:
        """Returns the product of a matrix of ``rows`` rows with a vector."""

    def nearest(self, rows: Rows, query: Quantised, count: int) -> list[tuple[float, int]]:
        """Returns the distances and numbers of the ``count`` rows that are nearest to ``query``, nearest first.

        The distance is from 0 (the same direction) to 2 (the opposite one). Of equally distant rows, the one with the
        lower number comes first.
        """

    def ordered(self, rows: Rows, query: Quantised, among: Sequence[int]) -> Iterable[tuple[float, int]]:
        """As ``nearest``, for all rows with the numbers in ``among``, which are in ascending order."""

    def links(self, rows: Rows, members: range, limit: int) -> Links:
        """Links each of the rows in ``members`` with rows that are near to it, in a connected graph."""


@cache
def chosen_kernel() -> Kernel:
    """Returns the module to compute with: numpy is imported when the first vector set is made."""
    if sys.implementation.name != "cpython":
        return pure
    try:
        from twisted_redis.datatypes.vectors import by_numpy
    except ImportError:
        return pure
    return by_numpy
