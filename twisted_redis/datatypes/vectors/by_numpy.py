"""The arithmetic of vector sets with numpy (see ``kernel.py``).

The rows are converted block by block, each small enough for the cache of a processor, so that a search needs little
memory of its own. The function vecdot stays in one thread, unlike a product of matrices, which may start threads that
wait for one another. Each view of a buffer ends with the function that has made it (see ``Rows``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy import bitwise_count, vecdot  # so the import fails with a numpy before 2.0

from twisted_redis.datatypes.vectors.links_by_numpy import links, quietly, stored_matrix
from twisted_redis.datatypes.vectors.quantisation import Quantisation, Quantised
from twisted_redis.datatypes.vectors.rows import Rows

__all__ = ["links", "nearest", "ordered", "project", "projection", "quantise", "restore"]

_LEVELS = np.float32(127)
_BLOCK = 1 << 19
"""The components of a block."""

_FIRST = 1024
"""The rows that are sorted first."""

_FEW = 8
"""Rows of which there are this many times as many are looked at one by one."""

_EXACT = 1024
"""A sum of this many products of bytes is exact in 32 bits."""

_float = np.float32
_Array = Any


def _values(vector: bytes) -> _Array:
    return np.frombuffer(vector, _float)


def _norm(vector: _Array) -> _Array:
    squares = vector * vector
    whole = len(vector) // 4 * 4
    fours = squares[0:whole:4] + squares[1:whole:4] + squares[2:whole:4] + squares[3:whole:4]
    # The function cumsum adds one term after another; others add in another order, and so round differently.
    terms = np.concatenate((fours, squares[whole:]))
    return np.sqrt(np.cumsum(terms, dtype=_float)[-1])


@quietly
def quantise(vector: bytes, kind: Quantisation) -> Quantised:
    """Normalises a vector and returns it as it is stored."""
    values = _values(vector)
    norm = _norm(values)
    if norm == 0:
        norm = _float(1)
    else:
        values = values / norm
    if kind is Quantisation.NONE:
        return Quantised(values.tobytes(), float(norm), 0.0)
    if kind is Quantisation.BIN:
        bits = np.packbits(values > 0, bitorder="little").tobytes()
        return Quantised(bits.ljust((len(values) + 63) // 64 * 8, b"\0"), float(norm), 0.0)
    largest = np.fmax.reduce(np.abs(values))
    if not 0 < largest < np.inf:
        return Quantised(bytes(len(values)), float(norm), 0.0)
    scaled = (values * (_LEVELS / largest)).astype(np.float64)
    levels = np.clip(np.copysign(np.floor(np.abs(scaled) + 0.5), scaled), -_LEVELS, _LEVELS)
    return Quantised(np.nan_to_num(levels).astype(np.int8).tobytes(), float(norm), float(largest))


@quietly
def restore(stored: Quantised, kind: Quantisation, dimension: int) -> list[float]:
    """Returns the components of a stored vector, about as long as they were before it was stored."""
    if kind is Quantisation.BIN:
        bits = np.unpackbits(np.frombuffer(stored.data, np.uint8), count=dimension, bitorder="little")
        signs: list[float] = np.where(bits, 1.0, -1.0).tolist()
        return signs
    if kind is Quantisation.NONE:
        values = _values(stored.data)
    else:
        values = np.frombuffer(stored.data, np.int8).astype(_float) * _float(stored.range) / _LEVELS
    components: list[float] = (values * _float(stored.norm)).tolist()
    return components


def projection(rows: int, columns: int) -> bytes:
    """Returns the matrix that reduces vectors of ``columns`` components to ``rows`` components, as floats."""
    scale = _float(1.0 / np.sqrt(columns))
    line: _Array = np.arange(columns, dtype=np.uint32)
    parts = []
    for row in range(rows):
        odd = bitwise_count(line & np.uint32(row)) & 1
        parts.append(np.where(odd, -scale, scale).astype(_float).tobytes())
    return b"".join(parts)


@quietly
def project(vector: bytes, matrix: bytes, rows: int) -> bytes:
    """Returns the product of a matrix of ``rows`` rows with a vector."""
    values = _values(vector)
    lines = _values(matrix).reshape(rows, -1)
    found: _Array = np.empty(rows, _float)
    step = max(1, _BLOCK // lines.shape[1])
    for start in range(0, rows, step):
        products = lines[start : start + step] * values
        found[start : start + step] = np.cumsum(products, axis=1, dtype=_float)[:, -1]
    product: bytes = found.tobytes()
    return product


def _dots(levels: _Array, wanted: _Array) -> _Array:
    """Returns the exact products of rows of bytes with a vector of bytes, rounded to 32 bits only at the end."""
    count, dimension = levels.shape
    query = wanted.astype(_float)
    width = min(dimension, _EXACT)
    step = max(1, _BLOCK // width)
    block = np.empty((min(step, count), width), _float)
    found = np.empty(count, _float)
    for start in range(0, count, step):
        some = levels[start : start + step]
        if dimension <= _EXACT:
            part = block[: len(some)]
            np.copyto(part, some)
            vecdot(part, query, out=found[start : start + step])
            continue
        total = np.zeros(len(some))
        for column in range(0, dimension, _EXACT):
            total += vecdot(some[:, column : column + _EXACT].astype(_float), query[column : column + _EXACT])
        found[start : start + step] = total
    return found


@quietly
def _distances(rows: Rows, query: Quantised, among: _Array | None = None) -> _Array:
    """Returns the exact distances of the rows, or of those in ``among``."""
    if among is not None and len(among) * _FEW > len(rows):
        # To copy so many rows out of the buffer would take longer.
        return _distances(rows, query)[among]
    matrix = stored_matrix(rows)
    if rows.kind is Quantisation.Q8:
        ranges = np.frombuffer(rows.ranges, _float)
        if among is not None:
            matrix, ranges = matrix[among], ranges[among]
        dots = _dots(matrix, np.frombuffer(query.data, np.int8))
        largest = _float(query.range)
        found = np.clip(1 - dots * (ranges / _LEVELS * (largest / _LEVELS)), 0, 2)
        found[(ranges == 0) | (largest == 0)] = 1
        found[np.isnan(found)] = np.inf
        return found
    if rows.kind is Quantisation.BIN:
        wanted = np.frombuffer(query.data, np.uint64)
        found = np.empty(len(rows) if among is None else len(among), _float)
        step = max(1, _BLOCK // 8 // matrix.shape[1])
        for start in range(0, len(found), step):
            some = slice(start, start + step)
            differing = matrix[some if among is None else among[some]] ^ wanted
            found[some] = bitwise_count(differing).sum(axis=1, dtype=np.uint32)
        return found * _float(2) / _float(rows.dimension)
    values = _values(query.data).astype(np.float64)
    found = np.empty(len(rows) if among is None else len(among), _float)
    step = max(1, _BLOCK // rows.dimension)
    for start in range(0, len(found), step):
        some = slice(start, start + step)
        found[some] = vecdot(matrix[some if among is None else among[some]].astype(np.float64), values)
    found = 1 - found
    found[np.isnan(found)] = np.inf
    return found


def _candidates(rows: Rows, query: Quantised, count: int) -> _Array:
    """Returns the numbers of rows of floats, all of the ``count`` nearest among them, from sums of 32 bits."""
    rough = 1 - vecdot(stored_matrix(rows), _values(query.data))
    rough[np.isnan(rough)] = np.inf
    furthest = np.partition(rough, count - 1)[count - 1]
    # The sum of the products has at most this error, and so has the limit; the exact sum is rounded, too.
    return np.flatnonzero(rough <= furthest + _float((rows.dimension + 4) * 1.2e-7))


def nearest(rows: Rows, query: Quantised, count: int) -> list[tuple[float, int]]:
    """Returns the distances and numbers of the ``count`` rows that are nearest to ``query``, nearest first."""
    among = None
    if rows.kind is Quantisation.NONE and count < len(rows):
        with np.errstate(all="ignore"):
            among = _candidates(rows, query, count)
    distances = _distances(rows, query, among)
    numbers = np.arange(len(rows)) if among is None else among
    if count < len(distances):
        furthest = np.partition(distances, count - 1)[count - 1]
        chosen = np.flatnonzero(distances <= furthest)
        distances, numbers = distances[chosen], numbers[chosen]
    order = np.argsort(distances, kind="stable")[:count]
    return list(zip(distances[order].tolist(), numbers[order].tolist(), strict=True))


def ordered(rows: Rows, query: Quantised, among: Sequence[int]) -> Iterable[tuple[float, int]]:
    """As ``nearest``, for all rows with the numbers in ``among``, which are in ascending order."""
    numbers: _Array = np.arange(len(among)) if isinstance(among, range) else np.array(among, np.intp)
    return _in_order(_distances(rows, query, numbers), numbers)


def _in_order(distances: _Array, numbers: _Array) -> Iterator[tuple[float, int]]:
    """Yields the distances with their numbers, nearest first.  It sorts a few at first: most searches end with them."""
    size = _FIRST
    while size < len(distances):
        near = distances <= np.partition(distances, size - 1)[size - 1]
        yield from _sorted(distances[near], numbers[near])
        distances, numbers = distances[~near], numbers[~near]
        size *= 8
    yield from _sorted(distances, numbers)


def _sorted(distances: _Array, numbers: _Array) -> Iterator[tuple[float, int]]:
    order = np.argsort(distances, kind="stable")
    return zip(distances[order].tolist(), numbers[order].tolist(), strict=True)
