"""A graph for Redis, which finds vectors by their links and refuses a file without them.

It has the form of an HNSW graph: layer 0 has all vectors, and each layer above has a quarter of the one below. A vector
is linked with some that are near to it, at most ``2 * m`` in layer 0 and ``m`` above, and with two others that make all
vectors of a layer reachable. Redis' own graph is made by a search for each vector. This one is made when it is saved,
from comparisons within groups, which takes seconds for 100,000 vectors.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted_redis.datatypes.vectors.links import Links
from twisted_redis.datatypes.vectors.vector_set import VectorSet

__all__ = ["node_links"]

_SHARE = 4
"""A layer has this many times the vectors of the layer above."""


def node_links(value: VectorSet) -> Iterator[list[list[int]]]:
    """Yields the links of each row, in order: a list of rows for each layer of the row, layer 0 first."""
    size = len(value)
    layers: list[tuple[range, Links]] = []
    step = 1
    while step <= size:
        members = range(step - 1, size, step)
        limit = value.m if layers else 2 * value.m
        layers.append((members, value.links(members, limit)))
        step *= _SHARE
    for row in range(size):
        found = []
        for members, links in layers:
            if row not in members:
                break
            found.append([members[other] for other in links[members.index(row)]])
        yield found
