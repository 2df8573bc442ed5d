"""The samples of a series in a range of times, chunk by chunk, and the filters of a query.

A query reads lists of samples, one for each chunk, and some may be empty.  The readers behind it end at the first empty
list, as those of Redis do; so the lists come exactly as Redis has them, the empty ones too.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from twisted_redis.modules.timeseries.series import Series

__all__ = ["END", "Sample", "Samples", "filter_times", "filter_values", "first_in", "read", "samples_in"]

#: The greatest time that a sample may have.
END = (1 << 64) - 1


class Sample(NamedTuple):
    """The time (ms) and the value of one sample."""

    time: int
    value: float


#: Times and values, as many of each.
Samples = tuple[Sequence[int], Sequence[float]]

_NOTHING: Samples = ((), ())


def read(
    series: Series,
    start: int,
    end: int,
    *,
    reverse: bool = False,
    reverse_chunks: bool = False,
    with_open: bool = False,
    latest: Sample | None = None,
) -> Iterator[Samples]:
    """Yields the samples from ``start`` to ``end`` that the retention keeps, in lists.

    ``reverse`` begins with the last chunk, and ``reverse_chunks`` with the last sample of each.  ``with_open`` includes
    the bucket that is not complete yet: ``latest`` is its sample, or None.
    """
    if series.retention:
        start = max(start, series.last_time - series.retention)
    open_bucket = with_open and end > series.last_time
    extra = _NOTHING
    if latest is not None and start <= latest.time <= end:
        extra = (latest.time,), (latest.value,)
    chunks = series.chunks
    if reverse:
        if open_bucket:
            yield extra
        for place in range(series.chunk_at(end), -1, -1):
            chunk = chunks[place]
            if not len(chunk):
                return
            if chunk.last < start or chunk.first > end:
                yield _NOTHING
                return
            yield _cut(chunk.samples(start), start, end, reverse_chunks)
        return
    for place in range(series.chunk_at(start), len(chunks)):
        chunk = chunks[place]
        if not len(chunk):
            break
        if chunk.last < start:
            continue
        found = _cut(chunk.samples(start), start, end, False) if chunk.first <= end else _NOTHING
        if not found[0] and open_bucket:
            open_bucket = False
            yield extra
            continue
        yield found
        if chunk.first > end:
            return
    if open_bucket:
        yield extra


def _cut(samples: Samples, start: int, end: int, reverse: bool) -> Samples:
    times, values = samples
    low, high = bisect_left(times, start), bisect_right(times, end)
    if low or high < len(times):
        times, values = times[low:high], values[low:high]
    return (times[::-1], values[::-1]) if reverse else (times, values)


def filter_times(lists: Iterable[Samples], wanted: frozenset[int], reverse: bool) -> Iterator[Samples]:
    """Yields the samples at the times in ``wanted``.  The lists must be in ascending order."""
    for times, values in lists:
        if not times:
            return
        kept = [place for place, time in enumerate(times) if time in wanted]
        if kept:
            if reverse:
                kept.reverse()
            yield [times[place] for place in kept], [values[place] for place in kept]


def filter_values(lists: Iterable[Samples], least: float, greatest: float) -> Iterator[Samples]:
    """Yields the samples whose values are from ``least`` to ``greatest``."""
    for times, values in lists:
        kept = [place for place, value in enumerate(values) if least <= value <= greatest]
        if kept:
            yield [times[place] for place in kept], [values[place] for place in kept]


def samples_in(series: Series, start: int, end: int, *, reverse: bool = False) -> Iterator[Sample]:
    """Yields the samples from ``start`` to ``end`` that the retention keeps, one by one."""
    for times, values in read(series, start, end, reverse=reverse, reverse_chunks=reverse):
        if not times:
            return
        yield from map(Sample, times, values)


def first_in(series: Series, start: int, end: int, *, reverse: bool = False) -> Sample | None:
    """Returns the first sample from ``start`` to ``end``, or the last one with ``reverse``; None without samples."""
    return next(samples_in(series, start, end, reverse=reverse), None)
