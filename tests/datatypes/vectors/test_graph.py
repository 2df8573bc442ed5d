"""The graph that is written for Redis: it is what Redis accepts, and near vectors are linked."""

from __future__ import annotations

from array import array
from random import Random
from typing import Any

import pytest

from twisted_redis.datatypes.vectors import pure
from twisted_redis.datatypes.vectors.graph import node_links
from twisted_redis.datatypes.vectors.quantisation import Quantisation
from twisted_redis.datatypes.vectors.vector_set import VectorSet


@pytest.fixture(params=["pure", "by_numpy"])
def module(request: pytest.FixtureRequest) -> Any:
    if request.param == "pure":
        return pure
    pytest.importorskip("numpy")
    from twisted_redis.datatypes.vectors import by_numpy

    return by_numpy


def filled(module: Any, count: int, m: int, kind: Quantisation, dimension: int = 8) -> VectorSet:
    random = Random(count)
    made = VectorSet(kind, dimension, m, kernel=module)
    centres = [[random.gauss(0, 1) for _ in range(dimension)] for _ in range(10)]
    for number in range(count):
        centre = centres[number % 10]
        made.add(b"%d" % number, array("f", [part + random.gauss(0, 0.3) for part in centre]).tobytes())
    return made


@pytest.mark.parametrize("kind", list(Quantisation))
@pytest.mark.parametrize(("count", "m"), [(1, 16), (2, 4), (33, 16), (34, 16), (100, 4), (700, 16)])
def test_links_go_both_ways_and_reach_everything(module: Any, count: int, m: int, kind: Quantisation) -> None:
    graph = list(node_links(filled(module, count, m, kind)))
    assert len(graph) == count
    for layer in range(max(map(len, graph))):
        members = {row for row, layers in enumerate(graph) if len(layers) > layer}
        for row in members:
            linked = graph[row][layer]
            assert len(linked) <= (m if layer else 2 * m)
            assert row not in linked and len(set(linked)) == len(linked)
            assert all(other in members and row in graph[other][layer] for other in linked)
        reached, rest = set(), [min(members)]
        while rest:
            row = rest.pop()
            if row not in reached:
                reached.add(row)
                rest += graph[row][layer]
        assert reached == members


def test_equal_vectors_are_linked_too(module: Any) -> None:
    made = VectorSet(Quantisation.Q8, 4, 4, kernel=module)
    for number in range(600):
        made.add(b"%d" % number, array("f", [1, 2, 3, 4]).tobytes())
    assert all(2 <= len(layers[0]) <= 8 for layers in node_links(made))


def test_most_links_lead_to_near_vectors(module: Any) -> None:
    made = filled(module, 600, 16, Quantisation.Q8)
    graph = list(node_links(made))
    same = sum(row % 10 == other % 10 for row, layers in enumerate(graph) for other in layers[0])
    assert same > 0.6 * sum(len(layers[0]) for layers in graph)
