"""The arithmetic of vector sets in Python (see ``kernel.py``).

Python's floats have 64 bits. An ``array`` of floats rounds what it gets to 32 bits, which gives the result that an
operation on floats of 32 bits would have: 64 bits are enough for that.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import nsmallest
from itertools import repeat
from operator import add, mul, truediv

from twisted_redis.datatypes.vectors.links_pure import links, sign_bits
from twisted_redis.datatypes.vectors.quantisation import Quantisation, Quantised
from twisted_redis.datatypes.vectors.rows import Rows

__all__ = ["links", "nearest", "ordered", "project", "projection", "quantise", "restore"]

_LEVELS = 127
"""The greatest stored component of Q8."""


def _plain_dot(first: Iterable[int], second: Iterable[int]) -> int:
    return sum(map(mul, first, second))


_dot: Callable[[Iterable[int], Iterable[int]], int] = getattr(math, "sumprod", _plain_dot)


def _rounded(value: float) -> float:
    """Returns ``value`` with 32 bits."""
    return array("f", (value,))[0]


def _running_sum(start: float, terms: Iterable[float]) -> float:
    """Adds terms of 32 bits one after another, with a sum of 32 bits."""
    total = array("f", (start,))
    for term in terms:
        total[0] += term
    return total[0]


def _norm(vector: array[float]) -> float:
    squares = array("f", map(mul, vector, vector))
    whole = len(vector) // 4 * 4
    fours = array("f", map(add, squares[0:whole:4], squares[1:whole:4]))
    fours = array("f", map(add, fours, squares[2:whole:4]))
    fours = array("f", map(add, fours, squares[3:whole:4]))
    total = _running_sum(_running_sum(0.0, fours), squares[whole:])
    return _rounded(math.sqrt(total))


def quantise(vector: bytes, kind: Quantisation) -> Quantised:
    """Normalises a vector and returns it as it is stored."""
    values = array("f", vector)
    norm = _norm(values)
    if norm == 0:
        norm = 1.0
    else:
        values = array("f", map(truediv, values, repeat(norm)))
    if kind is Quantisation.NONE:
        return Quantised(values.tobytes(), norm, 0.0)
    if kind is Quantisation.BIN:
        return Quantised(sign_bits(values), norm, 0.0)
    largest = max((abs(value) for value in values if value == value), default=0.0)
    if largest == 0 or largest == math.inf:
        return Quantised(bytes(len(values)), norm, 0.0)
    scaled = array("f", map(mul, values, repeat(_rounded(_LEVELS / largest))))
    return Quantised(array("b", map(_level, scaled)).tobytes(), norm, largest)


def _level(scaled: float) -> int:
    if scaled != scaled:
        return 0
    size = min(int(abs(scaled) + 0.5), _LEVELS) if abs(scaled) < _LEVELS else _LEVELS
    return size if scaled >= 0 else -size


def restore(stored: Quantised, kind: Quantisation, dimension: int) -> list[float]:
    """Returns the components of a stored vector, about as long as they were before it was stored."""
    data, norm, largest = stored
    if kind is Quantisation.BIN:
        bits = int.from_bytes(data, "little")
        return [1.0 if bits >> place & 1 else -1.0 for place in range(dimension)]
    if kind is Quantisation.NONE:
        values = array("f", data)
    else:
        values = array("f", map(mul, memoryview(data).cast("b"), repeat(largest)))
        values = array("f", map(truediv, values, repeat(_LEVELS)))
    return array("f", map(mul, values, repeat(norm))).tolist()


def projection(rows: int, columns: int) -> bytes:
    """Returns the matrix that reduces vectors of ``columns`` components to ``rows`` components, as floats."""
    scale = 1.0 / math.sqrt(columns)
    matrix = array("f")
    for row in range(rows):
        matrix.extend([-scale if (row & column).bit_count() & 1 else scale for column in range(columns)])
    return matrix.tobytes()


def project(vector: bytes, matrix: bytes, rows: int) -> bytes:
    """Returns the product of a matrix of ``rows`` rows with a vector."""
    size = len(matrix) // rows
    values = array("f", vector)
    found = array("f")
    for start in range(0, len(matrix), size):
        line = array("f", matrix[start : start + size])
        found.append(_running_sum(0.0, array("f", map(mul, line, values))))
    return found.tobytes()


def _distances(rows: Rows, query: Quantised, among: Iterable[int]) -> Iterator[float]:
    """Yields the distances of rows from ``query``."""
    size, data = rows.size, memoryview(rows.data)
    starts = map(mul, among, repeat(size))
    if rows.kind is Quantisation.BIN:
        wanted, dimension = int.from_bytes(query.data, "little"), rows.dimension
        from_bytes = int.from_bytes
        for start in starts:
            yield _rounded((from_bytes(data[start : start + size], "little") ^ wanted).bit_count() * 2 / dimension)
    elif rows.kind is Quantisation.NONE:
        floats, values, dimension = data.cast("f"), array("f", query.data), rows.dimension
        for start in starts:
            place = start // 4
            yield _rounded(1 - _rounded(sum(map(mul, floats[place : place + dimension], values))))
    else:
        yield from _distances_of_levels(rows, query, starts)


def _distances_of_levels(rows: Rows, query: Quantised, starts: Iterable[int]) -> Iterator[float]:
    size, ranges = rows.size, rows.ranges
    levels, wanted = memoryview(rows.data).cast("b"), memoryview(query.data).cast("b").tolist()
    unit = _rounded(query.range / _LEVELS)
    # Each sum is exact; the rest is done with 32 bits.
    for start in starts:
        largest = ranges[start // size]
        if not largest or not unit:
            yield 1.0
            continue
        scale = _rounded(_rounded(largest / _LEVELS) * unit)
        product = _rounded(_rounded(_dot(levels[start : start + size], wanted)) * scale)
        yield min(max(_rounded(1 - product), 0.0), 2.0)


def nearest(rows: Rows, query: Quantised, count: int) -> list[tuple[float, int]]:
    """Returns the distances and numbers of the ``count`` rows that are nearest to ``query``, nearest first."""
    return nsmallest(count, _pairs(rows, query, range(len(rows))))


def ordered(rows: Rows, query: Quantised, among: Sequence[int]) -> list[tuple[float, int]]:
    """As ``nearest``, for all rows with the numbers in ``among``, which are in ascending order."""
    return sorted(_pairs(rows, query, among))


def _pairs(rows: Rows, query: Quantised, among: Iterable[int]) -> Iterator[tuple[float, int]]:
    distances = _distances(rows, query, among)
    return (
        (math.inf if distance != distance else distance, row) for distance, row in zip(distances, among, strict=True)
    )
