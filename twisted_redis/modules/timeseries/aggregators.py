"""The aggregators: what becomes of the samples of a bucket.

``add`` takes the samples one after the other, and ``result`` gives the value of the bucket, or None if there is none.
``reset`` begins the next bucket.  The stored form of an aggregator in the middle of its bucket is that of Redis.

The results depend on the order of the floating-point operations.  It is that of Redis, so that both give the same value
to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from fractions import Fraction
from math import inf, nan, sqrt
from typing import Any

from twisted_redis.extending import Reader
from twisted_redis.modules.timeseries.weighted import TimeWeighted

__all__ = ["AGGREGATORS", "NAMES", "NUMBERS", "REDUCERS", "Aggregator", "load_aggregator", "new_aggregator"]

_MOST = 1.7976931348623157e308
_MASK = (1 << 64) - 1


class Aggregator:
    """What the aggregators have in common.  ``empty`` is the value of a bucket without samples."""

    __slots__ = ()

    empty: float = nan

    def add(self, value: float, time: int) -> None:
        """Takes a sample."""
        raise NotImplementedError

    def result(self) -> float | None:
        """Returns the value of the bucket, or None if the aggregator gives none."""
        raise NotImplementedError

    def reset(self) -> None:
        """Begins the next bucket."""
        raise NotImplementedError

    def of_empty(self) -> float:
        """Returns the value of a bucket without samples."""
        return self.empty

    def save(self) -> Iterator[int | float]:
        """Yields the stored form."""
        raise NotImplementedError

    def load(self, read: Reader, version: int) -> None:
        """Takes over a stored form; raises ValueError if it is not valid."""
        raise NotImplementedError

    def copy(self) -> Aggregator:
        """Returns an independent copy."""
        return copy(self)


class _Single(Aggregator):
    __slots__ = ("value",)

    empty = 0.0

    def __init__(self) -> None:
        self.value = 0.0

    def result(self) -> float | None:
        return self.value

    def reset(self) -> None:
        self.value = 0.0

    def save(self) -> Iterator[int | float]:
        yield self.value

    def load(self, read: Reader, version: int) -> None:
        self.value = read.number()
        if 3 <= version < 7:
            read.integer(0, _MASK)


class Sum(_Single):
    """The sum of the values."""

    __slots__ = ()

    def add(self, value: float, time: int) -> None:
        """Takes a sample."""
        self.value += value


class Count(_Single):
    """The number of samples."""

    __slots__ = ()

    def add(self, value: float, time: int) -> None:
        """Takes a sample."""
        self.value += 1


class Last(_Single):
    """The last value.  Empty buckets have the value of the bucket before."""

    __slots__ = ()

    def add(self, value: float, time: int) -> None:
        """Takes a sample."""
        self.value = value

    def reset(self) -> None:
        """Keeps the value for empty buckets that follow."""

    def of_empty(self) -> float:
        """Returns the last value before the empty bucket."""
        return self.value


class First(Aggregator):
    """The first value."""

    __slots__ = ("is_new", "value")

    def __init__(self) -> None:
        self.value = 0.0
        self.is_new = True

    def add(self, value: float, time: int) -> None:
        """Takes a sample."""
        if self.is_new:
            self.is_new = False
            self.value = value

    def result(self) -> float | None:
        """Returns the first value."""
        return self.value

    def reset(self) -> None:
        """Begins the next bucket."""
        self.value = 0.0
        self.is_new = True

    def save(self) -> Iterator[int | float]:
        """Yields the stored form."""
        yield self.value
        yield int(self.is_new)

    def load(self, read: Reader, version: int) -> None:
        """Takes over a stored form."""
        self.value = read.number()
        if version >= 3:
            self.is_new = bool(read.integer(0, _MASK) & 0xFF)


class _Bounds(Aggregator):
    __slots__ = ("greatest", "least")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.least = _MOST
        self.greatest = -_MOST

    def save(self) -> Iterator[int | float]:
        yield self.greatest
        yield self.least

    def load(self, read: Reader, version: int) -> None:
        self.greatest = read.number()
        self.least = read.number()
        if version < 6:
            read.data()


class Max(_Bounds):
    """The greatest value."""

    __slots__ = ()

    def add(self, value: float, time: int) -> None:
        """Takes a sample."""
        if value > self.greatest:
            self.greatest = value

    def result(self) -> float | None:
        """Returns the greatest value."""
        return self.greatest


class Min(_Bounds):
    """The least value."""

    __slots__ = ()

    def add(self, value: float, time: int) -> None:
        """Takes a sample."""
        if value < self.least:
            self.least = value

    def result(self) -> float | None:
        """Returns the least value."""
        return self.least


class Range(_Bounds):
    """The difference between the greatest and the least value."""

    __slots__ = ()

    def add(self, value: float, time: int) -> None:
        """Takes a sample."""
        if value > self.greatest:
            self.greatest = value
        if value < self.least:
            self.least = value

    def result(self) -> float | None:
        """Returns the difference."""
        return self.greatest - self.least


class Average(Aggregator):
    """The mean of the values.  After an overflow of their sum, ``value`` is the mean so far."""

    __slots__ = ("count", "overflowed", "value")

    def __init__(self) -> None:
        self.value = 0.0
        self.count = 0.0
        self.overflowed = False

    def add(self, value: float, time: int) -> None:
        """Takes a sample."""
        self.count += 1.0
        total = self.value
        if self.overflowed or ((total < 0.0) == (value < 0.0) and abs(total) > _MOST - abs(value)):
            self.value = _next_mean(total, value, self.count, self.overflowed)
            self.overflowed = True
        else:
            self.value = total + value

    def result(self) -> float | None:
        """Returns the mean; None without samples."""
        if not self.count:
            return None
        return self.value if self.overflowed else self.value / self.count

    def reset(self) -> None:
        """Begins the next bucket."""
        self.value = 0.0
        self.count = 0.0
        self.overflowed = False

    def save(self) -> Iterator[int | float]:
        """Yields the stored form."""
        yield self.value
        yield self.count
        yield int(self.overflowed)

    def load(self, read: Reader, version: int) -> None:
        """Takes over a stored form."""
        self.value = read.number()
        self.count = read.number()
        if version >= 4:
            self.overflowed = bool(read.integer(0, _MASK))


class _Moments(Aggregator):
    __slots__ = ("count", "squares", "total")

    def __init__(self) -> None:
        self.reset()

    def add(self, value: float, time: int) -> None:
        self.count += 1
        self.total += value
        self.squares += value * value

    def reset(self) -> None:
        self.count = 0
        self.total = 0.0
        self.squares = 0.0

    def save(self) -> Iterator[int | float]:
        yield self.total
        yield self.squares
        yield self.count

    def load(self, read: Reader, version: int) -> None:
        self.total = read.number()
        self.squares = read.number()
        self.count = read.integer(0, _MASK)

    def variance(self) -> float:
        """Returns the variance of the whole population."""
        mean = self.total / self.count
        count = float(self.count)
        return (self.squares - 2 * self.total * self.total / count + mean * mean * count) / count

    def sample_variance(self) -> float:
        """Returns the variance of a sample."""
        return 0.0 if self.count == 1 else self.variance() * self.count / (self.count - 1)


class VarianceOfPopulation(_Moments):
    """The variance of the values as a whole population."""

    __slots__ = ()

    def result(self) -> float | None:
        """Returns the variance; None without samples."""
        return self.variance() if self.count else None


class VarianceOfSample(_Moments):
    """The variance of the values as a sample."""

    __slots__ = ()

    def result(self) -> float | None:
        """Returns the variance; None without samples."""
        return self.sample_variance() if self.count else None


class DeviationOfPopulation(_Moments):
    """The standard deviation of the values as a whole population."""

    __slots__ = ()

    def result(self) -> float | None:
        """Returns the deviation; None without samples."""
        return _root(self.variance()) if self.count else None


class DeviationOfSample(_Moments):
    """The standard deviation of the values as a sample."""

    __slots__ = ()

    def result(self) -> float | None:
        """Returns the deviation; None without samples."""
        return _root(self.sample_variance()) if self.count else None


#: The aggregators by their numbers in the stored form.
NUMBERS: dict[int, tuple[bytes, Any]] = {
    1: (b"min", Min),
    2: (b"max", Max),
    3: (b"sum", Sum),
    4: (b"avg", Average),
    5: (b"count", Count),
    6: (b"first", First),
    7: (b"last", Last),
    8: (b"range", Range),
    9: (b"std.p", DeviationOfPopulation),
    10: (b"std.s", DeviationOfSample),
    11: (b"var.p", VarianceOfPopulation),
    12: (b"var.s", VarianceOfSample),
    13: (b"twa", TimeWeighted),
}
#: The aggregators, and their numbers, by name.
AGGREGATORS: dict[bytes, Any] = dict(NUMBERS.values())
NAMES: dict[bytes, int] = {name: number for number, (name, _) in NUMBERS.items()}
#: The aggregators that can reduce several series to one.
REDUCERS = frozenset(AGGREGATORS) - {b"first", b"last", b"twa"}


def new_aggregator(name: bytes, *, reverse: bool = False) -> Any:
    """Returns an aggregator by its name; ``reverse`` says that the samples come from the last to the first."""
    return TimeWeighted(reverse) if name == b"twa" else AGGREGATORS[name]()


def load_aggregator(name: bytes, read: Reader, version: int) -> Any:
    """Returns an aggregator of a stored form; raises ValueError if the form is not valid."""
    made = new_aggregator(name)
    made.load(read, version)
    return made


def _root(value: float) -> float:
    return sqrt(value) if value >= 0.0 else -nan if value < 0.0 else value


def _next_mean(before: float, value: float, count: float, is_mean: bool) -> float:
    """Returns the mean of ``count`` values; ``before`` is the sum, or the mean, of all but the last.

    Redis calculates with 64 bits of precision here.
    """
    if not all(-inf < number < inf for number in (before, value)):
        return before + value
    mean = _extended(Fraction(before) / Fraction(count))
    if is_mean:
        mean = _extended(mean * Fraction(count - 1))
    total = _extended(mean + _extended(Fraction(value) / Fraction(count)))
    try:
        return float(total)
    except OverflowError:
        return inf if total > 0 else -inf


def _extended(number: Fraction) -> Fraction:
    """Rounds a number to 64 bits of precision, ties to even."""
    if not number:
        return number
    shift = 64 - (abs(number.numerator).bit_length() - number.denominator.bit_length())
    scaled = number * Fraction(2) ** shift
    while abs(scaled) >= 1 << 64:
        shift -= 1
        scaled /= 2
    return Fraction(round(scaled)) / Fraction(2) ** shift
