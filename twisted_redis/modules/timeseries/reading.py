"""The commands that read one series."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from struct import pack, unpack
from typing import Any

from twisted_redis.extending import ACCESS, READONLY, RO, Client, CommandError, Pairs, Reply, Simple, first_key
from twisted_redis.modules.timeseries.arguments import Query, Words, parse_query
from twisted_redis.modules.timeseries.buckets import MOST_SAMPLES, aggregate
from twisted_redis.modules.timeseries.module import commands
from twisted_redis.modules.timeseries.replies import label_reply, sample_reply, samples_reply
from twisted_redis.modules.timeseries.rules import drop_dead, latest_of
from twisted_redis.modules.timeseries.samples import filter_times, filter_values, read
from twisted_redis.modules.timeseries.series import POLICIES, UNCOMPRESSED, Rule, Series
from twisted_redis.modules.timeseries.state import read_series

__all__ = ["last_reply", "run_query"]

#: The limit of a query without COUNT.
_UNLIMITED = 1 << 63


@commands("TS.RANGE", flags=READONLY, keys=first_key(RO | ACCESS), complexity="O(N) for N samples in the range")
def range_(ctx: Client, key: bytes, start: bytes, end: bytes, *options: bytes) -> Reply:
    """TS.RANGE key fromTimestamp toTimestamp [LATEST] [FILTER_BY_TS timestamp [timestamp ...]] [FILTER_BY_VALUE min max] [COUNT count] [[ALIGN alignment] AGGREGATION aggregator bucketDuration [BUCKETTIMESTAMP bt] [EMPTY]]

    Returns the samples of a series in a range of times, or its buckets.
    """
    return _range(ctx, Words("TS.RANGE", key, start, end, *options), reverse=False)


@commands("TS.REVRANGE", flags=READONLY, keys=first_key(RO | ACCESS), complexity="O(N) for N samples in the range")
def revrange(ctx: Client, key: bytes, start: bytes, end: bytes, *options: bytes) -> Reply:
    """TS.REVRANGE key fromTimestamp toTimestamp [LATEST] [FILTER_BY_TS timestamp [timestamp ...]] [FILTER_BY_VALUE min max] [COUNT count] [[ALIGN alignment] AGGREGATION aggregator bucketDuration [BUCKETTIMESTAMP bt] [EMPTY]]

    Returns the samples of a series in a range of times, or its buckets, the last one first.
    """
    return _range(ctx, Words("TS.REVRANGE", key, start, end, *options), reverse=True)


def _range(ctx: Client, words: Words, *, reverse: bool) -> Reply:
    series = read_series(ctx, words[1])
    return samples_reply(ctx, run_query(ctx, series, parse_query(words, 2), reverse=reverse))


def run_query(ctx: Client, series: Series, query: Query, *, reverse: bool) -> Iterator[tuple[int, float]]:
    """Returns the samples or the buckets that a query finds in a series, as many as a reply may hold."""
    with_open = query.latest and series.source is not None
    lists = read(
        series,
        query.start,
        query.end,
        reverse=reverse,
        reverse_chunks=reverse and query.times is None,
        with_open=with_open,
        latest=latest_of(ctx, series) if with_open else None,
    )
    if query.times is not None:
        lists = filter_times(lists, query.times, reverse)
    if query.values is not None:
        lists = filter_values(lists, *query.values)
    limit = _UNLIMITED if query.limit is None else query.limit
    found: Iterator[tuple[int, float]]
    if query.aggregation is None:
        found = chain.from_iterable(zip(times, values, strict=True) for times, values in lists)
    else:
        found = aggregate(lists, query.aggregation, series, query.start, query.end, query.alignment, reverse, limit)
    return islice(found, limit) if limit <= MOST_SAMPLES else _limited(found)


def _limited(found: Iterator[tuple[int, float]]) -> Iterator[tuple[int, float]]:
    yield from islice(found, MOST_SAMPLES)
    if next(found, None) is not None:
        raise CommandError(f"ERR TSDB: more than {MOST_SAMPLES} samples in a reply: use COUNT")


@commands("TS.GET", flags=READONLY, keys=first_key(RO | ACCESS), complexity="O(1)")
def get(ctx: Client, key: bytes, latest: bytes | None = None) -> Reply:
    """TS.GET key [LATEST]

    Returns the last sample of a series.
    """
    series = read_series(ctx, key)
    if latest is not None and not Words("TS.GET", key, latest).place(b"LATEST"):
        raise CommandError("ERR TSDB: wrong 3rd argument")
    return last_reply(ctx, series, latest is not None)


def last_reply(ctx: Client, series: Series, latest: bool) -> Reply:
    """Returns the last sample of a series, or with ``latest`` the bucket of its rule that is not complete yet."""
    found = latest_of(ctx, series) if latest and series.source is not None else None
    if found is not None:
        return sample_reply(ctx, found.time, found.value)
    return sample_reply(ctx, series.last_time, series.last_value) if series.total else []


@commands("TS.INFO", flags=READONLY, keys=first_key(RO | ACCESS), complexity="O(1)")
def info(ctx: Client, key: bytes, debug: bytes | None = None) -> Reply:
    """TS.INFO key [DEBUG]

    Returns facts about a series, and with DEBUG about its chunks.
    """
    series = read_series(ctx, key)
    drop_dead(ctx, series)
    first, skipped = series.first_kept()
    facts: list[tuple[str, Any]] = [
        ("totalSamples", series.total - skipped),
        ("memoryUsage", series.usage()),
        ("firstTimestamp", first),
        ("lastTimestamp", series.last_time),
        ("retentionTime", series.retention),
        ("chunkCount", len(series.chunks)),
        ("chunkSize", series.chunk_size),
        ("chunkType", Simple(b"uncompressed" if series.options & UNCOMPRESSED else b"compressed")),
        ("duplicatePolicy", Simple(POLICIES[series.policy]) if series.policy else None),
        ("labels", label_reply(ctx, series.labels)),
        ("sourceKey", series.source),
        ("rules", _rules_reply(ctx, series.rules)),
        ("ignoreMaxTimeDiff", series.ignore_time),
        ("ignoreMaxValDiff", series.ignore_value),
    ]
    if Words("TS.INFO", key, *(() if debug is None else (debug,))).place(b"DEBUG"):
        facts.append(("keySelfName", series.key))
        facts.append(("Chunks", [_chunk_reply(chunk) for chunk in series.chunks]))
    return _map(facts)


def _rules_reply(ctx: Client, rules: list[Rule]) -> Any:
    found = [(rule.target, [rule.duration, Simple(rule.name.upper()), rule.alignment]) for rule in rules]
    if ctx.resp == 3:
        return Pairs([item for pair in found for item in pair])
    return [[target, *facts] for target, facts in found]


def _chunk_reply(chunk: Any) -> Reply:
    count = len(chunk)
    # Redis divides with the precision of 32 bits.
    (ratio,) = unpack("f", pack("f", chunk.size / unpack("f", pack("f", count))[0])) if count else (0.0,)
    return _map(
        [
            ("startTimestamp", chunk.first if count else -1),
            ("endTimestamp", chunk.last if count else -1),
            ("samples", count),
            ("size", chunk.size),
            ("bytesPerSample", ratio),
        ]
    )


def _map(facts: list[tuple[str, Any]]) -> Pairs:
    return Pairs([item for name, value in facts for item in (Simple(name.encode()), value)])
