"""The time-weighted average: the mean of the line through the samples, over the bucket.

The line reaches from sample to sample, so the aggregator also needs the neighbours of the bucket's samples: the last
sample before the bucket and the first one after it.  With ``reverse`` the samples come from the last to the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from math import copysign, inf, nan

from twisted_redis.extending import Reader

__all__ = ["TimeWeighted"]

_MASK = (1 << 64) - 1


class TimeWeighted:
    """The state between two samples of a bucket.

    ``area`` is the area under the line so far, from ``first_time`` to ``last_time``.  ``time`` and ``value`` are the
    last sample.  ``bucket_start`` is the edge at which the samples enter the bucket, ``bucket_end`` the other one.
    """

    __slots__ = (
        "area",
        "bucket_end",
        "bucket_start",
        "count",
        "first_time",
        "last_time",
        "lonely",
        "reverse",
        "time",
        "value",
    )

    empty = nan

    def __init__(self, reverse: bool = False) -> None:
        self.reverse = reverse
        self.reset()

    def reset(self) -> None:
        """Begins the next bucket."""
        self.area = 0.0
        self.time = 0
        self.value = 0.0
        self.bucket_start = 0
        self.bucket_end = 0
        self.first_time = 0
        self.last_time = 0
        #: Whether no sample before the bucket is known.
        self.lonely = True
        self.count = 0

    def set_bucket(self, start: int, end: int) -> None:
        """Sets the edges of the bucket."""
        if self.reverse:
            start, end = end, start
        self.bucket_start = start
        self.bucket_end = end

    def add_before(self, value: float, time: int) -> None:
        """Takes the last sample before the bucket, in the order of the samples."""
        self.value = value
        self.time = time
        self.lonely = False

    def add(self, value: float, time: int) -> None:
        """Takes a sample of the bucket."""
        if self.count == 0:
            if self.lonely:
                self.first_time = time
            else:
                start = self.bucket_start
                self.first_time = start
                t1, v1, t2, v2 = self._line_to(time, value)
                edge = v1 + _divided(_times(start - t1, v2 - v1), _span(t2 - t1))
                if self.reverse:
                    self.area += _times(start - t1, edge + v1) / 2.0
                else:
                    self.area += _times(t2 - start, edge + v2) / 2.0
        else:
            t1, v1, t2, v2 = self._line_to(time, value)
            self.area += _times(t2 - t1, v1 + v2) / 2.0
        self.last_time = self.time = time
        self.value = value
        self.count += 1

    def add_after(self, value: float, time: int) -> None:
        """Takes the first sample after the bucket, in the order of the samples."""
        end = self.bucket_end
        t1, v1, t2, v2 = self._line_to(time, value)
        edge = v1 + _divided(_times(end - t1, v2 - v1), _span(t2 - t1))
        if self.reverse:
            self.area += _times(t2 - end, edge + v2) / 2.0
        else:
            self.area += _times(end - t1, edge + v1) / 2.0
        self.last_time = end

    def result(self) -> float | None:
        """Returns the mean of the line; the value of the sample if the line is a point."""
        if self.last_time == self.first_time:
            return self.value
        span = (self.last_time - self.first_time) & _MASK
        return self.area / float(min(span, (1 << 64) - span))

    def of_empty(self) -> float:
        """Returns the value of a bucket without samples."""
        return nan

    def save(self) -> Iterator[int | float]:
        """Yields the stored form."""
        yield self.area
        yield self.time
        yield self.value
        yield self.bucket_start
        yield self.bucket_end
        yield self.first_time
        yield self.last_time
        yield int(self.lonely)
        yield self.count
        yield int(self.reverse)

    def load(self, read: Reader, version: int) -> None:
        """Takes over a stored form; raises ValueError if it is not valid."""
        self.area = read.number()
        self.time = read.integer(0, _MASK)
        self.value = read.number()
        self.bucket_start = read.integer(0, _MASK)
        self.bucket_end = read.integer(0, _MASK)
        self.first_time = read.integer(0, _MASK)
        self.last_time = read.integer(0, _MASK)
        self.lonely = bool(read.integer(0, _MASK))
        self.count = read.integer(0, _MASK)
        self.reverse = bool(read.integer(0, _MASK))

    def copy(self) -> TimeWeighted:
        """Returns an independent copy."""
        return copy(self)

    def _line_to(self, time: int, value: float) -> tuple[int, float, int, float]:
        """Returns the last sample and the given one, the earlier one first."""
        if self.reverse:
            return time, value, self.time, self.value
        return self.time, self.value, time, value


def _span(difference: int) -> float:
    """Returns a difference of unsigned 64-bit integers as Redis does: a negative one wraps."""
    return float(difference & _MASK)


def _times(difference: int, factor: float) -> float:
    return float(difference & _MASK) * factor


def _divided(number: float, divisor: float) -> float:
    """Returns the quotient as C does."""
    if divisor:
        return number / divisor
    if number == 0.0 or number != number:
        return -nan if number == 0.0 else number
    return copysign(inf, number)
