"""Aggregation: the samples of a query in buckets of equal duration, each with one value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from twisted_redis.extending import CommandError
from twisted_redis.modules.timeseries.aggregators import new_aggregator
from twisted_redis.modules.timeseries.samples import END, Sample, Samples, first_in
from twisted_redis.modules.timeseries.series import Series

__all__ = ["MOST_SAMPLES", "Aggregation", "aggregate"]

#: The most samples, and the most empty buckets in a row, that a reply about one series may hold.
MOST_SAMPLES = 10_000_000


class Aggregation(NamedTuple):
    """How to aggregate: the name of the aggregator, and the duration of a bucket (ms).

    ``shift`` is added to the start of a bucket to give the time of its sample.  ``empty`` says that buckets without
    samples are part of the result.
    """

    name: bytes
    duration: int
    shift: int
    empty: bool


class _Range(NamedTuple):
    """A query that is aggregated: its series, the edges of its range, and the time at which a bucket starts."""

    series: Series
    start: int
    end: int
    alignment: int
    reverse: bool
    duration: int
    limit: int

    def bucket_of(self, time: int) -> int:
        """Returns the start of the bucket of a time.  The first bucket may start before 0."""
        return time - (time - self.alignment) % self.duration


def aggregate(
    lists: Iterable[Samples],
    aggregation: Aggregation,
    series: Series,
    start: int,
    end: int,
    alignment: int,
    reverse: bool,
    limit: int,
) -> Iterator[Sample]:
    """Yields a sample for each bucket of the samples in ``lists``, which end at the first empty list.

    The caller takes ``limit`` of them at most.  Raises CommandError if there are too many empty buckets in a row.
    """
    query = _Range(series, start, end, alignment, reverse, aggregation.duration, limit)
    samples = _until_empty(lists)
    if aggregation.name == b"twa":
        found = _weighted(samples, aggregation, query)
    else:
        found = _plain(samples, aggregation, query)
    shift = aggregation.shift
    return (Sample(time + shift, value) for time, value in found) if shift else found


def _until_empty(lists: Iterable[Samples]) -> Iterator[tuple[int, float]]:
    for times, values in lists:
        if not times:
            return
        yield from zip(times, values, strict=True)


def _plain(samples: Iterator[tuple[int, float]], aggregation: Aggregation, query: _Range) -> Iterator[Sample]:
    aggregator = new_aggregator(aggregation.name)
    add = aggregator.add
    duration, reverse = aggregation.duration, query.reverse
    low = high = -1
    for time, value in samples:
        if high == -1 or (time < low if reverse else time >= high):
            before = high
            if before != -1:
                yield Sample(low, aggregator.result())
                aggregator.reset()
            start = query.bucket_of(time)
            high = start + duration
            low = max(start, 0)
            if aggregation.empty and before != -1:
                yield from _empty(_between(before, start, query), aggregator.of_empty, query.limit)
        add(value, time)
    if high != -1:
        yield Sample(low, aggregator.result())


def _between(before: int, start: int, query: _Range) -> range:
    """Returns the starts of the buckets between two with samples, which end at ``before`` and start at ``start``."""
    duration = query.duration
    if query.reverse:
        return range(before - 2 * duration, start, -duration)
    return range(before, start, duration)


def _empty(starts: range, value: Callable[[], float], limit: int) -> Iterator[Sample]:
    _check(starts, limit)
    for start in starts:
        yield Sample(max(start, 0), value())


def _check(starts: range, limit: int) -> None:
    if min(len(starts), limit) > MOST_SAMPLES:
        raise CommandError(f"ERR TSDB: more than {MOST_SAMPLES} empty buckets in a row")


# the time-weighted average


def _weighted(samples: Iterator[tuple[int, float]], aggregation: Aggregation, query: _Range) -> Iterator[Sample]:
    duration, reverse = aggregation.duration, query.reverse
    aggregator = new_aggregator(b"twa", reverse=reverse)
    low = high = -1
    for time, value in samples:
        if high == -1:
            start = query.bucket_of(time)
            if aggregation.empty:
                yield from _weighted_empty(_before_first(start, query), query)
            low, high = max(start, 0), start + duration
            aggregator.set_bucket(max(low, query.start), min(high, query.end))
            before = _neighbour(query.series, time, backwards=not reverse)
            if before is not None:
                aggregator.add_before(before.value, before.time)
        elif time < low if reverse else time >= high:
            aggregator.add_after(value, time)
            last_time, last_value = aggregator.time, aggregator.value
            yield Sample(low, aggregator.result())
            aggregator.reset()
            start = query.bucket_of(time)
            if aggregation.empty:
                yield from _weighted_empty(_between(high, start, query), query)
            low, high = max(start, 0), start + duration
            aggregator.add_before(last_value, last_time)
            if reverse:
                aggregator.set_bucket(max(low, query.start), high)
            else:
                aggregator.set_bucket(low, min(high, query.end))
        aggregator.add(value, time)
    if high == -1:
        if aggregation.empty:
            yield from _weighted_empty(_whole(query), query)
        return
    after = _neighbour(query.series, aggregator.time, backwards=reverse)
    if after is not None:
        aggregator.add_after(after.value, after.time)
    yield Sample(low, aggregator.result())
    if aggregation.empty:
        yield from _weighted_empty(_after_last(low + aggregation.shift, query), query)


def _neighbour(series: Series, time: int, *, backwards: bool) -> Sample | None:
    """Returns the sample next to the one at ``time``, whether the query has it or not."""
    if backwards:
        return first_in(series, 0, time - 1, reverse=True) if time else None
    return first_in(series, time + 1, END)


def _whole(query: _Range) -> range:
    first, last = query.bucket_of(query.start), query.bucket_of(query.end)
    if query.reverse:
        return range(last, first - 1, -query.duration)
    return range(first, last + 1, query.duration)


def _before_first(start: int, query: _Range) -> range:
    """Returns the buckets of the range that come before the one at ``start``; none if one of them starts before 0."""
    if query.reverse:
        return range(query.bucket_of(query.end), start, -query.duration)
    first = query.bucket_of(query.start)
    return range(first if first >= 0 else start, start, query.duration)


def _after_last(time: int, query: _Range) -> range:
    """Returns the buckets of the range that come after the one of ``time``; none if one of them starts before 0."""
    start = query.bucket_of(time)
    last = query.bucket_of(query.start)
    if start < 0 or (query.reverse and last < 0):
        return range(0)
    if query.reverse:
        return range(start - query.duration, last - 1, -query.duration)
    return range(start + query.duration, query.bucket_of(query.end) + 1, query.duration)


def _weighted_empty(starts: range, query: _Range) -> Iterator[Sample]:
    """Yields the values of empty buckets on the line between their neighbours; nothing if a neighbour is missing."""
    if not starts:
        return
    duration = query.duration
    edge = max(starts[0], query.start)
    before = first_in(query.series, 0, edge - 1, reverse=True) if edge else None
    after = first_in(query.series, edge, END)
    if before is None or after is None:
        return
    _check(starts, query.limit)
    rise = after.value - before.value
    span = float(after.time - before.time)
    for start in starts:
        low, high = max(start, query.start), min(start + duration, query.end)
        at_low = before.value + _scaled(low - before.time, rise) / span
        at_high = before.value + _scaled(high - before.time, rise) / span
        yield Sample(max(start, 0), (at_low + at_high) / 2.0)


def _scaled(difference: int, factor: float) -> float:
    return float(difference & END) * factor
