"""The aggregators."""

from __future__ import annotations

from math import inf, isnan
from random import Random
from statistics import fmean, pstdev, pvariance, stdev, variance

import pytest

from twisted_redis.extending import Reader
from twisted_redis.modules.timeseries.aggregators import AGGREGATORS, NAMES, REDUCERS, load_aggregator, new_aggregator

EXPECTED = {
    b"avg": fmean,
    b"first": lambda values: values[0],
    b"last": lambda values: values[-1],
    b"min": min,
    b"max": max,
    b"sum": sum,
    b"range": lambda values: max(values) - min(values),
    b"count": len,
    b"std.p": pstdev,
    b"std.s": stdev,
    b"var.p": pvariance,
    b"var.s": variance,
}


def test_there_are_thirteen() -> None:
    assert set(AGGREGATORS) == {*EXPECTED, b"twa"}
    assert set(EXPECTED) - {b"first", b"last"} == REDUCERS
    assert sorted(NAMES.values()) == list(range(1, 14))


@pytest.mark.parametrize("name", EXPECTED)
def test_the_value_of_a_bucket(name: bytes) -> None:
    random = Random(5)
    aggregator = new_aggregator(name)
    for _ in range(3):
        values = [random.uniform(-100, 100) for _ in range(random.randint(2, 50))]
        for time, value in enumerate(values):
            aggregator.add(value, time)
        assert aggregator.result() == pytest.approx(EXPECTED[name](values))
        aggregator.reset()


@pytest.mark.parametrize("name", AGGREGATORS)
def test_the_stored_form_continues_in_the_middle_of_a_bucket(name: bytes) -> None:
    one = new_aggregator(name)
    for time, value in ((10, 3.0), (13, -1.5), (17, 8.25)):
        one.add(value, time)
    other = load_aggregator(name, Reader(list(one.save())), 8)
    clone = one.copy()
    for aggregator in (one, other):
        aggregator.add(2.0, 19)
    assert one.result() == other.result()
    assert list(one.save()) == list(other.save())
    clone.add(100.0, 19)
    clone.add(-100.0, 20)
    assert clone.result() != one.result() or name == b"first"


@pytest.mark.parametrize("name", AGGREGATORS)
def test_a_damaged_stored_form_is_refused(name: bytes) -> None:
    stored = list(new_aggregator(name).save())
    for length in range(len(stored)):
        with pytest.raises(ValueError, match="too early"):
            load_aggregator(name, Reader(stored[:length]), 8)
        with pytest.raises(ValueError, match="missing"):
            load_aggregator(name, Reader([*stored[:length], b"text", *stored[length + 1 :]]), 8)


def test_empty_buckets() -> None:
    empty = {name: new_aggregator(name).of_empty() for name in AGGREGATORS}
    assert {name for name, value in empty.items() if value == 0.0} == {b"sum", b"count", b"last"}
    assert all(isnan(empty[name]) for name in set(empty) - {b"sum", b"count", b"last"})
    last = new_aggregator(b"last")
    last.add(7.0, 1)
    last.reset()
    assert last.of_empty() == 7.0


def test_the_mean_of_values_whose_sum_is_too_large() -> None:
    mean = new_aggregator(b"avg")
    for value in (1.7e308, 1.7e308, 1.1e308):
        mean.add(value, 0)
    assert mean.result() == pytest.approx(1.5e308, rel=1e-15)
    mean.add(inf, 0)
    assert mean.result() == inf


def test_the_variance_of_equal_large_values_may_be_a_little_wrong_but_has_a_root() -> None:
    deviation = new_aggregator(b"std.p")
    for _ in range(7):
        deviation.add(1e8 + 0.1, 0)
    result = deviation.result()
    assert result is not None
    assert isnan(result) or result < 1


def test_the_time_weighted_average_of_a_line() -> None:
    weighted = new_aggregator(b"twa")
    weighted.set_bucket(10, 20)
    weighted.add_before(0.0, 0)
    weighted.add(15.0, 15)
    weighted.add_after(30.0, 30)
    assert weighted.result() == 15.0
    backwards = new_aggregator(b"twa", reverse=True)
    backwards.set_bucket(10, 20)
    backwards.add_before(30.0, 30)
    backwards.add(15.0, 15)
    backwards.add_after(0.0, 0)
    assert backwards.result() == 15.0


def test_the_time_weighted_average_of_one_sample_is_its_value() -> None:
    weighted = new_aggregator(b"twa")
    weighted.set_bucket(0, 10)
    weighted.add(4.0, 3)
    assert weighted.result() == 4.0
