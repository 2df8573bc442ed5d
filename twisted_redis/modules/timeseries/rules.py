"""Compaction: what a change of a series does to the series that its rules fill.

A rule is noted in both series, by their keys.  A key may be gone, or hold another value, at any time; so whoever
follows a rule first drops the notes that have no counterpart (``drop_dead``).
"""

from __future__ import annotations

from typing import Any

from twisted_redis.extending import Client, CommandError
from twisted_redis.modules.timeseries.aggregators import new_aggregator
from twisted_redis.modules.timeseries.samples import END, Sample, first_in, samples_in
from twisted_redis.modules.timeseries.series import POLICIES, Rule, Series
from twisted_redis.modules.timeseries.settings import settings_of
from twisted_redis.modules.timeseries.state import find

__all__ = ["LAST", "add_sample", "delete_samples", "drop_dead", "latest_of"]

BLOCK, LAST, FIRST, MIN, MAX, SUM = range(1, 7)


def drop_dead(ctx: Client, series: Series) -> None:
    """Drops the rules whose target is gone, and the source if it has no rule for this series."""
    if series.source is not None:
        source = find(ctx, series.source)
        if source is None or all(rule.target != series.key for rule in source.rules):
            series.source = None
    if series.rules:
        alive = []
        for rule in series.rules:
            target = find(ctx, rule.target)
            if target is not None and target.source == series.key:
                alive.append(rule)
        series.rules = alive


def add_sample(ctx: Client, series: Series, time: int, value: float, policy: int) -> bool:
    """Adds a sample to a series and to the series of its rules; returns False if the sample is to be ignored.

    ``policy`` says what happens at a time that has a sample already; 0 leaves that to the series or to the server.
    Raises CommandError if the sample is not allowed.
    """
    last_time = series.last_time
    if series.retention and series.retention < last_time - time:
        raise CommandError("ERR TSDB: Timestamp is older than retention")
    policy = policy or series.policy or settings_of(ctx).policy
    total = series.total
    if (
        policy == LAST
        and total
        and series.source is None
        and 0 <= time - last_time <= series.ignore_time
        and abs(value - series.last_value) <= series.ignore_value
    ):
        return False
    if total and time <= last_time:
        series.upsert(time, value, _RESOLVERS[policy])
        if series.rules:
            drop_dead(ctx, series)
            _compact_late(ctx, series, time)
    else:
        series.append(time, value)
        if series.rules:
            drop_dead(ctx, series)
            for rule in series.rules:
                _compact(ctx, rule, time, value)
    return True


def delete_samples(ctx: Client, series: Series, start: int, end: int) -> int:
    """Deletes the samples from ``start`` to ``end``, also from the series of the rules; returns how many there were."""
    last_time = series.last_time
    deleted = series.delete(start, end)
    if series.rules:
        drop_dead(ctx, series)
        for rule in series.rules:
            target = find(ctx, rule.target)
            if target is not None:
                _compact_deleted(series, target, rule, start, end, last_time)
                ctx.changed(target.key, "", 0)
    return deleted


def latest_of(ctx: Client, series: Series) -> Sample | None:
    """Returns the bucket that is not complete yet, of the rule that fills the series; None without one."""
    source = None if series.source is None else find(ctx, series.source)
    if source is None or not source.total:
        return None
    for rule in source.rules:
        if rule.target == series.key:
            if rule.bucket is None:
                return None
            value = rule.aggregator.copy().result()
            return Sample(rule.bucket, 0.0 if value is None else value)
    return None


# the policies


def _resolve(policy: int, before: float, value: float) -> float:
    """Returns the value that stays at a time which has a sample already."""
    if before != before:
        return value
    if value != value:
        return before
    if policy == FIRST:
        return before
    if policy == MIN:
        return min(before, value) if before != value else value
    if policy == MAX:
        return max(before, value) if before != value else value
    return before + value if policy == SUM else value


def _refuse(before: float, value: float) -> float:
    raise CommandError("ERR TSDB: Error at upsert, update is not supported when DUPLICATE_POLICY is set to BLOCK mode")


def _keep_new(before: float, value: float) -> float:
    return _resolve(LAST, before, value)


_RESOLVERS = {
    BLOCK: _refuse,
    LAST: _keep_new,
    FIRST: lambda before, value: _resolve(FIRST, before, value),
    MIN: lambda before, value: _resolve(MIN, before, value),
    MAX: lambda before, value: _resolve(MAX, before, value),
    SUM: lambda before, value: _resolve(SUM, before, value),
}
assert set(_RESOLVERS) == set(range(1, len(POLICIES)))


# the rules


def _compact(ctx: Client, rule: Rule, time: int, value: float) -> None:
    """Adds a new sample to the bucket of a rule, and completes the bucket before it."""
    start = rule.bucket_of(time)
    bucket = max(start, 0)
    aggregator = rule.aggregator
    weighted = rule.name == b"twa"
    if rule.bucket is None:
        rule.bucket = bucket
        if weighted:
            aggregator.set_bucket(bucket, start + rule.duration)
    if bucket > rule.bucket:
        target = find(ctx, rule.target)
        if target is None:
            return
        if weighted:
            aggregator.add_after(value, time)
        result = aggregator.result()
        if result is not None:
            _store(target, rule.bucket, result)
            ctx.changed(target.key, "ts.add:dest")
        if weighted:
            last_value, last_time = aggregator.value, aggregator.time
            aggregator.reset()
            aggregator.set_bucket(bucket, start + rule.duration)
            aggregator.add_before(last_value, last_time)
        else:
            aggregator.reset()
        rule.bucket = bucket
    aggregator.add(value, time)


def _store(target: Series, time: int, value: float) -> None:
    """Adds a complete bucket to the series of a rule, unless it is older than the retention of that series."""
    last_time = target.last_time
    if target.retention and target.retention < last_time - time:
        return
    if target.total and time <= last_time:
        target.upsert(time, value, _keep_new)
    else:
        target.append(time, value)


def _aggregate(series: Series, rule: Rule, start: int, end: int) -> tuple[Any, bool]:
    """Returns an aggregator of the rule with the samples from ``start`` to ``end``, and whether there are none."""
    aggregator = new_aggregator(rule.name)
    weighted = rule.name == b"twa"
    behind = end + 1 & END
    if weighted:
        aggregator.set_bucket(start, behind)
        before = first_in(series, 0, start - 1, reverse=True) if start else None
        if before is not None:
            aggregator.add_before(before.value, before.time)
    is_empty = True
    for time, value in samples_in(series, start, end):
        aggregator.add(value, time)
        is_empty = False
    if weighted:
        after = first_in(series, behind, END)
        if after is not None:
            aggregator.add_after(after.value, after.time)
    return aggregator, is_empty


def _recalculate(series: Series, target: Series, rule: Rule, time: int) -> bool:
    """Calculates the complete bucket of ``time`` again and stores it; returns False if it has no samples."""
    start = rule.bucket_of(time)
    bucket = max(start, 0)
    aggregator, is_empty = _aggregate(series, rule, bucket, start + rule.duration - 1)
    if is_empty:
        return False
    _overwrite(target, bucket, aggregator.result())
    return True


def _overwrite(target: Series, time: int, value: float) -> None:
    if target.total:
        target.upsert(time, value, _keep_new)
    else:
        target.append(time, value)


def _compact_late(ctx: Client, series: Series, time: int) -> None:
    """Calculates the buckets again that contain a sample which was not added at the end."""
    for rule in series.rules:
        start = rule.bucket_of(series.last_time)
        bucket = max(start, 0)
        if time >= bucket:
            rule.aggregator, _ = _aggregate(series, rule, bucket, start + rule.duration - 1)
            continue
        target = find(ctx, rule.target)
        if target is not None:
            if not _recalculate(series, target, rule, time):
                _overwrite(target, max(rule.bucket_of(time), 0), 0.0)
            ctx.changed(target.key, "", 0)


def _compact_deleted(series: Series, target: Series, rule: Rule, start: int, end: int, last_time: int) -> None:
    """Calculates buckets again, or deletes them, after the samples from ``start`` to ``end`` are gone.

    ``last_time`` was the time of the last sample before that.
    """
    open_start = rule.bucket_of(last_time)
    open_bucket = max(open_start, 0)
    is_empty = False
    if start >= open_bucket:
        rule.aggregator, is_empty = _aggregate(series, rule, open_bucket, open_start + rule.duration - 1)
    else:
        first_start, last_start = rule.bucket_of(start), rule.bucket_of(end)
        first_gone = max(first_start, 0)
        if _recalculate(series, target, rule, start):
            first_gone = first_start + rule.duration
        last_gone = max(last_start - rule.duration, 0)
        if end >= open_bucket:
            rule.aggregator, is_empty = _aggregate(series, rule, open_bucket, END)
        elif not _recalculate(series, target, rule, end):
            last_gone = max(last_start, 0)
        if last_gone >= first_gone:
            target.delete(first_gone, last_gone)
    if is_empty:
        _reopen(series, target, rule, last_time)


def _reopen(series: Series, target: Series, rule: Rule, last_time: int) -> None:
    """Makes the last bucket in the target the open one again, since the open one has lost all samples."""
    last = 0
    if last_time and target.total:
        chunk = target.chunks[target.chunk_at(last_time - 1)]
        last = chunk.last
        target.delete(last, last)
    bucket = max(rule.bucket_of(last), 0)
    rule.aggregator, is_empty = _aggregate(series, rule, bucket, bucket + rule.duration - 1)
    rule.bucket = None if is_empty else bucket
