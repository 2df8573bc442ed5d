"""Both modules of arithmetic: that they agree, and that a search finds the nearest vectors."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_redis.datatypes.vectors import kernel, pure
from twisted_redis.datatypes.vectors.quantisation import Quantisation, Quantised, row_size
from twisted_redis.datatypes.vectors.rows import Rows
from twisted_redis.datatypes.vectors.vector_set import VectorSet

KINDS = list(Quantisation)


@pytest.fixture(scope="module")
def by_numpy() -> Any:
    pytest.importorskip("numpy")
    from twisted_redis.datatypes.vectors import by_numpy

    return by_numpy


floats = st.one_of(
    st.floats(-1, 1, width=32),
    st.floats(width=32),
    st.sampled_from([0.0, -0.0, 1e-45, 1e-30, 1e30, 3e38, math.inf, -math.inf, math.nan]),
)
blobs = st.lists(floats, min_size=1, max_size=20).map(lambda values: array("f", values).tobytes())


def texts(values: Iterable[float]) -> list[str]:
    """Returns exact texts of floats, the same for all forms of NaN."""
    return ["nan" if value != value else float(value).hex() for value in values]


def same(first: Quantised, second: Quantised, kind: Quantisation) -> None:
    if kind is Quantisation.NONE:
        assert texts(array("f", first.data)) == texts(array("f", second.data))
    else:
        assert first.data == second.data
    assert texts(first[1:]) == texts(second[1:])


@settings(deadline=None)
@given(blob=blobs, kind=st.sampled_from(KINDS))
def test_both_modules_store_a_vector_in_the_same_way(by_numpy: Any, blob: bytes, kind: Quantisation) -> None:
    one, other = pure.quantise(blob, kind), by_numpy.quantise(blob, kind)
    same(one, other, kind)
    dimension = len(blob) // 4
    assert len(one.data) == len(other.data) == row_size(kind, dimension)
    assert texts(pure.restore(one, kind, dimension)) == texts(by_numpy.restore(other, kind, dimension))


def vectors(random: Random, count: int, dimension: int) -> list[bytes]:
    return [array("f", [random.gauss(0, 1) for _ in range(dimension)]).tobytes() for _ in range(count)]


def filled(kind: Quantisation, dimension: int, stored: list[Quantised]) -> Rows:
    rows = Rows(kind, dimension)
    for vector in stored:
        rows.append(vector)
    return rows


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("count", "dimension"), [(1, 1), (60, 3), (60, 200), (7, 2100)])
def test_both_modules_find_the_same(by_numpy: Any, kind: Quantisation, count: int, dimension: int) -> None:
    random = Random(count)
    given_vectors = vectors(random, count, dimension)
    given_vectors += [*given_vectors[:3], bytes(4 * dimension)]  # equal ones, and one without a direction
    rows = filled(kind, dimension, [pure.quantise(vector, kind) for vector in given_vectors])
    for vector in [*vectors(random, 3, dimension), given_vectors[0], bytes(4 * dimension)]:
        query = pure.quantise(vector, kind)
        for wanted in (1, 2, 5, len(rows)):
            assert pure.nearest(rows, query, wanted) == by_numpy.nearest(rows, query, wanted)
        among = sorted(random.sample(range(len(rows)), len(rows) // 2 + 1))
        for numbers in (among, range(len(rows))):
            assert list(pure.ordered(rows, query, numbers)) == list(by_numpy.ordered(rows, query, numbers))


def test_rows_come_in_order_although_a_few_are_sorted_at_a_time(by_numpy: Any) -> None:
    random = Random(5)
    given_vectors = vectors(random, 2_000, 2)
    # Many rows are equally distant, also where the first part ends.
    rows = filled(Quantisation.Q8, 2, [pure.quantise(vector, Quantisation.Q8) for vector in given_vectors * 10])
    query = pure.quantise(given_vectors[0], Quantisation.Q8)
    found = list(by_numpy.ordered(rows, query, range(len(rows))))
    assert found == sorted(found)
    assert sorted(number for _, number in found) == list(range(len(rows)))


@pytest.mark.parametrize("name", ["pure", "by_numpy"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_nearest_are_those_of_the_smallest_angle(by_numpy: Any, name: str, kind: Quantisation) -> None:
    module: Any = by_numpy if name == "by_numpy" else pure
    angles = [step * 0.05 for step in range(40)]
    if kind is Quantisation.BIN:
        # The signs of 8 components: each step turns one more of them.
        made = [array("f", [-1.0] * step + [1.0] * (8 - step)).tobytes() for step in range(8)]
        dimension = 8
    else:
        made = [array("f", [math.cos(angle), math.sin(angle)]).tobytes() for angle in angles]
        dimension = 2
    rows = filled(kind, dimension, [module.quantise(vector, kind) for vector in made])
    found = module.nearest(rows, module.quantise(made[0], kind), len(made))
    assert [row for _, row in found] == list(range(len(made)))
    assert found[0][0] == pytest.approx(0, abs=1e-3)


def test_both_modules_project_alike(by_numpy: Any) -> None:
    random = Random(1)
    for rows, columns in ((1, 1), (5, 9), (64, 100)):
        matrix = pure.projection(rows, columns)
        assert matrix == by_numpy.projection(rows, columns)
        for vector in vectors(random, 3, columns):
            assert pure.project(vector, matrix, rows) == by_numpy.project(vector, matrix, rows)


def test_the_choice_of_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel.chosen_kernel.cache_clear()
    try:
        monkeypatch.setattr("sys.implementation", type("pypy", (), {"name": "pypy"}))
        assert kernel.chosen_kernel() is pure
    finally:
        monkeypatch.undo()
        kernel.chosen_kernel.cache_clear()


def test_an_old_numpy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numpy")
    kernel.chosen_kernel.cache_clear()
    monkeypatch.delattr("numpy.vecdot")
    monkeypatch.delitem(sys.modules, "twisted_redis.datatypes.vectors.by_numpy", raising=False)
    monkeypatch.delattr("twisted_redis.datatypes.vectors.by_numpy", raising=False)
    try:
        assert kernel.chosen_kernel() is pure
    finally:
        monkeypatch.undo()
        kernel.chosen_kernel.cache_clear()


@settings(deadline=None, max_examples=50)
@given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60), kind=st.sampled_from(KINDS))
def test_a_set_follows_its_changes(steps: list[tuple[bool, int]], kind: Quantisation) -> None:
    made = VectorSet(kind, 3, kernel=pure)
    model: dict[bytes, bytes] = {}
    for number, (adds, which) in enumerate(steps):
        element, vector = b"%d" % which, array("f", [which, number + 1, -1]).tobytes()
        if adds:
            assert made.add(element, vector, b"%d" % number) is (element not in model)
            model[element] = vector
        else:
            assert made.remove(element) is (model.pop(element, None) is not None)
        assert made.in_order() == sorted(model)
    assert set(made) == set(made.attributes) == set(model)
    for element, vector in model.items():
        assert made.stored(element) == pure.quantise(vector, kind)
    other = made.copy()
    assert other.digest(0) == made.digest(0)
    other.add(b"new", bytes(12))
    assert b"new" not in made
