"""Finds near vectors to link, in Python.

Only the signs of components count here: how many of them differ takes one operation on large numbers. The vectors are
split into small groups, several times and each time in another way, and compared within their groups.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from heapq import nsmallest
from random import Random

from twisted_redis.datatypes.vectors.links import Links, links_of_all, links_of_pairs
from twisted_redis.datatypes.vectors.quantisation import Quantisation
from twisted_redis.datatypes.vectors.rows import Rows

__all__ = ["links", "sign_bits"]

_GROUP = 48
_ROUNDS = 3

_POSITIVE = bytes(1 if 0 < level < 128 else 0 for level in range(256))


def sign_bits(values: array[float]) -> bytes:
    """Returns a bit for each of some floats, set if it is positive, in words of 64 bits."""
    size = (len(values) + 63) // 64 * 8
    text = "".join(["1" if value > 0 else "0" for value in reversed(values)])
    return int(text, 2).to_bytes(size, "little")


def _signs(rows: Rows, row: int) -> int:
    """Returns a number in which vectors of different signs differ in many bits."""
    data = rows[row].data
    if rows.kind is Quantisation.NONE:
        data = sign_bits(array("f", data))
    elif rows.kind is Quantisation.Q8:
        data = data.translate(_POSITIVE)
    return int.from_bytes(data, "little")


def links(rows: Rows, members: range, limit: int) -> Links:
    """Links each of the rows in ``members`` with rows that are near to it, in a connected graph.

    Each member gets at most ``limit`` links.
    """
    count = len(members)
    if count <= limit + 1:
        return links_of_all(count)
    signs = [_signs(rows, row) for row in members]
    random = Random(count)
    most = limit // 2 - 1
    near: list[dict[int, int]] = [{} for _ in range(count)]
    for _ in range(_ROUNDS):
        for group in _groups(signs, random):
            for member in group:
                own, found = signs[member], near[member]
                for other in group:
                    if other != member:
                        found[other] = (own ^ signs[other]).bit_count()
                if len(found) > most:
                    near[member] = dict(nsmallest(most, found.items(), lambda pair: pair[1]))
    return links_of_pairs(count, _pairs(near, most, random))


def _groups(signs: list[int], random: Random) -> Iterator[list[int]]:
    """Splits members into small groups, by whether they are nearer to one or the other of two random members."""
    stack = [list(range(len(signs)))]
    while stack:
        group = stack.pop()
        if len(group) <= _GROUP:
            yield group
            continue
        here, there = (signs[member] for member in random.sample(group, 2))
        group.sort(key=lambda member: (signs[member] ^ here).bit_count() - (signs[member] ^ there).bit_count())
        half = len(group) // 2
        stack += group[:half], group[half:]


def _pairs(near: list[dict[int, int]], most: int, random: Random) -> Iterator[tuple[int, int]]:
    """Yields pairs to be linked: a ring of all members, and each with those near to it that have room for the link."""
    ring = list(range(len(near)))
    random.shuffle(ring)
    yield from zip(ring, ring[1:] + ring[:1], strict=True)
    coming: list[list[tuple[int, int]]] = [[] for _ in near]
    for member, found in enumerate(near):
        for other, distance in found.items():
            coming[other].append((distance, member))
    for member, offers in enumerate(coming):
        for _, other in nsmallest(most, offers):
            yield member, other
