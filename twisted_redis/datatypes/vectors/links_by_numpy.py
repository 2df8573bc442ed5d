"""Finds near vectors to link, with numpy.

The vectors are split into groups, several times and each time in another way, and compared within their groups. So the
time grows with the number of vectors, not with its square.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from twisted_redis.datatypes.vectors.links import Links, links_of_all
from twisted_redis.datatypes.vectors.quantisation import Quantisation
from twisted_redis.datatypes.vectors.rows import Rows

__all__ = ["links", "quietly", "stored_matrix"]

_GROUP = 256
_ROUNDS = 8
_SKETCH = 64
_BLOCK = 1 << 19
"""The components that are converted at a time."""

_float = np.float32
_LEVELS = _float(127)
_Array = Any
Function = TypeVar("Function", bound=Callable[..., Any])


def quietly(function: Function) -> Function:
    """Has numpy say nothing about divisions by zero and numbers out of range: the results are those of C."""
    wrapped: Function = np.errstate(all="ignore")(function)
    return wrapped


def stored_matrix(rows: Rows) -> _Array:
    """Returns a view of the stored components, one row of the array for each vector."""
    dtype = (_float, np.int8, np.uint64)[rows.kind]
    return np.frombuffer(rows.data, dtype).reshape(len(rows), -1)


def _floats(rows: Rows, members: _Array) -> _Array:
    """Returns some rows as floats, each of about the length 1."""
    some = stored_matrix(rows)[members]
    if rows.kind is Quantisation.NONE:
        return some
    if rows.kind is Quantisation.BIN:
        bits = np.unpackbits(some.view(np.uint8), axis=1, count=rows.dimension, bitorder="little")
        return (bits.astype(_float) * 2 - 1) * _float(rows.dimension**-0.5)
    scale = np.frombuffer(rows.ranges, _float)[members] / _LEVELS
    return some.astype(_float) * scale[:, None]


@quietly
def links(rows: Rows, members: range, limit: int) -> Links:
    """Links each of the rows in ``members`` with rows that are near to it, in a connected graph.

    Each member gets at most ``limit`` links.
    """
    count = len(members)
    if count <= limit + 1:
        return links_of_all(count)
    numbers = np.arange(members.start, members.stop, members.step)
    random = np.random.default_rng(count)
    most = limit // 2 - 1
    near: _Array = np.full((count, most), -1, np.int64)
    far: _Array = np.full((count, most), np.inf, _float)
    sketches = _sketches(rows, numbers, random)
    for _ in range(_ROUNDS):
        for group in _groups(sketches, random):
            _compare(_floats(rows, numbers[group]), group, near, far)
    return _linked(near, far, random)


def _sketches(rows: Rows, numbers: _Array, random: Any) -> _Array:
    """Returns a short vector for each member. Members that are near to each other have sketches that are near, too."""
    directions = random.standard_normal((rows.dimension, _SKETCH)).astype(_float)
    found: _Array = np.empty((len(numbers), _SKETCH), _float)
    step = max(1, _BLOCK // rows.dimension)
    for start in range(0, len(numbers), step):
        found[start : start + step] = _floats(rows, numbers[start : start + step]) @ directions
    return np.nan_to_num(found)


def _groups(sketches: _Array, random: Any) -> Iterator[_Array]:
    """Splits members into groups, by whether they are nearer to one or the other of two random members."""
    stack = [np.arange(len(sketches))]
    while stack:
        group = stack.pop()
        if len(group) <= _GROUP:
            yield group
            continue
        first, second = sketches[random.choice(group, 2, replace=False)]
        # Members with equal vectors must not end up in the same group each time.
        order = np.lexsort((random.random(len(group)), np.vecdot(sketches[group], second - first)))
        half = len(group) // 2
        stack += group[order[:half]], group[order[half:]]


def _compare(values: _Array, group: _Array, near: _Array, far: _Array) -> None:
    """Puts the members of a group that are near to each other into ``near``, with their distances in ``far``."""
    most = near.shape[1]
    distances = 1 - values @ values.T
    distances[np.isnan(distances)] = np.inf
    np.fill_diagonal(distances, np.inf)
    wanted = min(most, len(group) - 1)
    places = np.argpartition(distances, wanted - 1, axis=1)[:, :wanted]
    both = np.concatenate((near[group], group[places]), axis=1)
    lengths = np.concatenate((far[group], np.take_along_axis(distances, places, axis=1)), axis=1)
    order = np.argsort(both, axis=1, kind="stable")
    both = np.take_along_axis(both, order, axis=1)
    lengths = np.take_along_axis(lengths, order, axis=1)
    lengths[:, 1:][both[:, 1:] == both[:, :-1]] = np.inf
    best = np.argpartition(lengths, most - 1, axis=1)[:, :most]
    near[group] = np.take_along_axis(both, best, axis=1)
    far[group] = np.take_along_axis(lengths, best, axis=1)


def _linked(near: _Array, far: _Array, random: Any) -> Links:
    """Links all members in a ring, and each with those in ``near`` that have room for the link."""
    count, most = near.shape
    chosen = np.isfinite(far).ravel() & (near >= 0).ravel()
    sources = np.repeat(np.arange(count), most)[chosen]
    targets = near.ravel()[chosen]
    order = np.lexsort((far.ravel()[chosen], targets))
    sources, targets = sources[order], targets[order]
    rank = np.arange(len(targets)) - np.searchsorted(targets, targets)
    taken = rank < most
    ring = random.permutation(count)
    first = np.concatenate((sources[taken], ring))
    second = np.concatenate((targets[taken], np.roll(ring, -1)))
    pairs = np.unique(np.minimum(first, second) * count + np.maximum(first, second))
    first, second = np.divmod(pairs, count)
    sources = np.concatenate((first, second))
    order = np.argsort(sources, kind="stable")
    starts: list[int] = np.searchsorted(sources[order], np.arange(count + 1)).tolist()
    return Links(starts, memoryview(np.concatenate((second, first))[order]))
