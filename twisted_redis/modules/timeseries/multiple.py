"""The commands that read all series whose labels meet a filter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from twisted_redis.extending import READONLY, Client, CommandError, Pairs, Reply, SetReply, WrongType
from twisted_redis.modules.timeseries.aggregators import new_aggregator
from twisted_redis.modules.timeseries.arguments import (
    Query,
    Words,
    parse_query,
    parse_reducer,
    parse_selection,
    wrong_arity,
)
from twisted_redis.modules.timeseries.labels import Labels, Matcher, parse_matchers
from twisted_redis.modules.timeseries.merging import merged
from twisted_redis.modules.timeseries.module import commands
from twisted_redis.modules.timeseries.reading import last_reply, run_query
from twisted_redis.modules.timeseries.replies import label_reply, samples_reply, selected_reply
from twisted_redis.modules.timeseries.series import Series
from twisted_redis.modules.timeseries.state import index_of


def _found(ctx: Client, matchers: list[Matcher]) -> Iterator[Series]:
    """Yields the series that meet all conditions, in the order of their keys."""
    for key in index_of(ctx).find(matchers):
        try:
            series = ctx.db.read(key, Series)
        except WrongType:
            continue
        if series is not None:
            yield series


def _labels(ctx: Client, labels: Labels, selection: tuple[bool, list[bytes]]) -> Any:
    all_wanted, selected = selection
    if all_wanted:
        return label_reply(ctx, labels)
    return selected_reply(ctx, labels, selected) if selected else label_reply(ctx, ())


@commands("TS.QUERYINDEX", flags=READONLY, complexity="O(N) for N series that meet one of the conditions")
def queryindex(ctx: Client, matcher: bytes, *matchers: bytes) -> Reply:
    """TS.QUERYINDEX filterExpr [filterExpr ...]

    Returns the keys of the series whose labels meet all conditions.
    """
    keys = [series.key for series in _found(ctx, parse_matchers([matcher, *matchers]))]
    return SetReply(keys) if ctx.resp == 3 else keys


@commands("TS.MGET", flags=READONLY, complexity="O(N) for N series that meet the filter")
def mget(ctx: Client, option: bytes, matcher: bytes, *options: bytes) -> Reply:
    """TS.MGET [LATEST] [WITHLABELS | SELECTED_LABELS label [label ...]] FILTER filterExpr [filterExpr ...]

    Returns the last sample of each series whose labels meet all conditions.
    """
    words = Words("TS.MGET", option, matcher, *options)
    place = words.place(b"FILTER")
    if not place:
        raise wrong_arity(words)
    selection = parse_selection(words)
    latest = bool(words.place(b"LATEST"))
    found = _found(ctx, parse_matchers(words[place + 1 :]))
    rows = [(series.key, [_labels(ctx, series.labels, selection), last_reply(ctx, series, latest)]) for series in found]
    return _rows_reply(ctx, rows)


@commands("TS.MRANGE", flags=READONLY, complexity="O(N) for N samples in the range")
def mrange(ctx: Client, start: bytes, end: bytes, option: bytes, *options: bytes) -> Reply:
    """TS.MRANGE fromTimestamp toTimestamp [LATEST] [FILTER_BY_TS timestamp [timestamp ...]] [FILTER_BY_VALUE min max] [WITHLABELS | SELECTED_LABELS label [label ...]] [COUNT count] [[ALIGN alignment] AGGREGATION aggregator bucketDuration [BUCKETTIMESTAMP bt] [EMPTY]] FILTER filterExpr [filterExpr ...] [GROUPBY label REDUCE reducer]

    Returns the samples of all series whose labels meet all conditions.
    """
    return _mrange(ctx, Words("TS.MRANGE", start, end, option, *options), reverse=False)


@commands("TS.MREVRANGE", flags=READONLY, complexity="O(N) for N samples in the range")
def mrevrange(ctx: Client, start: bytes, end: bytes, option: bytes, *options: bytes) -> Reply:
    """TS.MREVRANGE fromTimestamp toTimestamp [LATEST] [FILTER_BY_TS timestamp [timestamp ...]] [FILTER_BY_VALUE min max] [WITHLABELS | SELECTED_LABELS label [label ...]] [COUNT count] [[ALIGN alignment] AGGREGATION aggregator bucketDuration [BUCKETTIMESTAMP bt] [EMPTY]] FILTER filterExpr [filterExpr ...] [GROUPBY label REDUCE reducer]

    Returns the samples of all series whose labels meet all conditions, the last one first.
    """
    return _mrange(ctx, Words("TS.MREVRANGE", start, end, option, *options), reverse=True)


def _mrange(ctx: Client, words: Words, *, reverse: bool) -> Reply:
    query = parse_query(words, 1)
    place = words.place(b"FILTER")
    if not place:
        raise CommandError("ERR TSDB: missing FILTER argument")
    selection = parse_selection(words)
    group = words.place(b"GROUPBY")
    if group and group < place:
        raise CommandError("ERR TSDB: GROUPBY should always come after filter")
    conditions = words[place + 1 : group or len(words)]
    if not conditions:
        raise CommandError("ERR TSDB: missing labels for filter argument")
    matchers = parse_matchers(conditions)
    if group:
        reduce = words.place(b"REDUCE")
        if not reduce or len(words) - group != 4 or reduce + 1 >= len(words):
            raise wrong_arity(words)
        reducer = parse_reducer(words[reduce + 1])
        return _grouped(ctx, _found(ctx, matchers), words[group + 1], reducer, query, selection, reverse)
    rows = []
    for series in _found(ctx, matchers):
        row: list[Any] = [_labels(ctx, series.labels, selection)]
        if ctx.resp == 3:
            aggregators = [] if query.aggregation is None else [query.aggregation.name]
            row.append(Pairs([b"aggregators", aggregators]))
        row.append(samples_reply(ctx, run_query(ctx, series, query, reverse=reverse)))
        rows.append((series.key, row))
    return _rows_reply(ctx, rows)


def _grouped(
    ctx: Client,
    found: Iterable[Series],
    name: bytes,
    reducer: bytes,
    query: Query,
    selection: tuple[bool, list[bytes]],
    reverse: bool,
) -> Reply:
    """Returns one series for each value of the label ``name``, reduced from the series with that value."""
    groups: dict[bytes, list[Series]] = {}
    for series in found:
        value = next((value for label, value in series.labels if label == name), None)
        if value is not None:
            groups.setdefault(value, []).append(series)
    rows = []
    for value, members in sorted(groups.items()):
        everything = query._replace(limit=None)
        sources = [run_query(ctx, series, everything, reverse=False) for series in members]
        samples = list(_reduced(merged(sources), reducer))
        if reverse:
            samples.reverse()
        keys = [series.key for series in members]
        labels: Labels = ((name, value), (b"__reducer__", reducer), (b"__source__", b",".join(keys)))
        if ctx.resp == 3 and selection[0]:
            labels = labels[:1]
        row: list[Any] = [_labels(ctx, labels, selection)]
        if ctx.resp == 3:
            row += [Pairs([b"reducers", [reducer]]), Pairs([b"sources", keys])]
        row.append(samples_reply(ctx, samples[: query.limit]))
        rows.append((name + b"=" + value, row))
    return _rows_reply(ctx, rows)


def _reduced(samples: Iterator[tuple[int, float]], reducer: bytes) -> Iterator[tuple[int, float]]:
    """Yields one sample for each time.  Values that are not a number do not count beside others."""
    aggregator = new_aggregator(reducer)
    before: int | None = None
    is_number = False
    for time, value in samples:
        if time != before:
            if before is not None:
                yield before, _take(aggregator.result) if is_number else float("nan")
                if is_number:
                    aggregator.reset()
            before = time
            is_number = False
        if value == value:
            aggregator.add(value, time)
            is_number = True
    if before is not None:
        yield before, _take(aggregator.result) if is_number else float("nan")


def _take(result: Callable[[], float | None]) -> float:
    value = result()
    return 0.0 if value is None else value


def _rows_reply(ctx: Client, rows: list[tuple[bytes, list[Any]]]) -> Reply:
    """Returns a map from keys to lists, or a list of lists in RESP2."""
    if ctx.resp == 3:
        return Pairs([item for row in rows for item in row])
    return [[key, *row] for key, row in rows]
