"""Arrays: against a dict, with few and many elements in each slice."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.array import MAX_INDEX, Array
from twisted_redis.datatypes.array_values import double_text, inline_double, inline_integer


@dataclass
class Limits:
    """The directives of arrays, with small slices."""

    array_slice_size: int = 256
    array_sparse_kmax: int = 10
    array_sparse_kmin: int = 5


NEAR = st.integers(0, 600)
INDEXES = NEAR | st.integers(0, 200).map(lambda number: number * 10_007) | st.integers(MAX_INDEX - 300, MAX_INDEX)
STEPS = st.lists(
    st.tuples(st.just("set"), INDEXES, st.integers(1, 40))
    | st.tuples(st.just("delete"), INDEXES, st.just(0))
    | st.tuples(st.just("range"), INDEXES, INDEXES),
    max_size=30,
)


def check(array: Array, model: dict[int, bytes]) -> None:
    """Compares all that can be read."""
    expected = sorted(model.items())
    assert list(array.everything()) == expected
    assert array.count == len(model)
    assert array.length == (max(model) + 1 if model else 0)
    assert list(array.items(MAX_INDEX, 0)) == expected[::-1]
    assert array.ids == sorted(array.slices)
    assert array.values_at(0, 700) == [model.get(index) for index in range(701)]
    assert array.values_at(MAX_INDEX - 3, MAX_INDEX) == [model.get(index) for index in range(MAX_INDEX - 3, 2**64 - 1)]
    assert list(array.items(100, 400)) == [pair for pair in expected if 100 <= pair[0] <= 400]


@settings(max_examples=150, deadline=None)
@given(STEPS, st.sampled_from([0, 10]))
def test_an_array_is_a_dict_in_order(steps: list[tuple[str, int, int]], kmax: int) -> None:
    limits = Limits(array_sparse_kmax=kmax)
    array = Array(limits.array_slice_size)
    model: dict[int, bytes] = {}
    for number, (what, index, other) in enumerate(steps):
        if what == "set":
            values = [b"%d-%d" % (number, place) for place in range(min(other, MAX_INDEX - index + 1))]
            array.set_all(index, values, limits)
            model.update(enumerate(values, index))
        elif what == "delete":
            assert array.delete(index, limits) == (model.pop(index, None) is not None)
        else:
            low, high = min(index, other), max(index, other)
            gone = [each for each in model if low <= each <= high]
            assert array.delete_range(low, high, limits) == len(gone)
            for each in gone:
                del model[each]
    check(array, model)
    copy = array.copy()
    array.delete_range(0, MAX_INDEX, limits)
    check(array, {})
    check(copy, model)
    assert copy.memory(sizes.USUAL) > 0


def test_gaps_and_high_indexes_cost_nothing() -> None:
    limits = Limits()
    array = Array(4096)
    for index in (0, 10**9, 10**15, MAX_INDEX):
        array.set(index, b"v", limits)
    began = perf_counter()
    assert [index for index, _ in array.items(0, MAX_INDEX)] == [0, 10**9, 10**15, MAX_INDEX]
    assert array.delete_range(1, MAX_INDEX - 1, limits) == 2
    assert array.length == MAX_INDEX + 1
    assert len(array.slices) == 2
    assert perf_counter() - began < 10


def test_texts_that_redis_keeps_as_numbers() -> None:
    assert inline_integer(b"2305843009213693951") == 2**61 - 1
    assert inline_integer(b"2305843009213693952") is None
    assert inline_integer(b"007") is None
    assert inline_double(b"0.5") == 0.5
    assert inline_double(b"1.0") == 1.0
    assert inline_double(b"0.1") is None  # its lowest two bits are not zero
    assert inline_double(b"1.50") is None
    assert inline_double(b"5e3") is None
    for text in (b"0.5", b"1.0", b"-0.0", b"-2.25"):
        value = inline_double(text)
        assert value is not None
        assert double_text(value) == text
