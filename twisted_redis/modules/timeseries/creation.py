"""The commands that create and alter series and rules."""

from __future__ import annotations

from twisted_redis.extending import (
    ACCESS,
    DENYOOM,
    INSERT,
    OK,
    RW,
    UPDATE,
    WRITE,
    Client,
    CommandError,
    Reply,
    first_key,
    key_range,
)
from twisted_redis.modules.timeseries.arguments import (
    Creation,
    Words,
    parse_aggregator,
    parse_alignment,
    parse_creation,
    wrong_arity,
)
from twisted_redis.modules.timeseries.module import commands
from twisted_redis.modules.timeseries.rules import drop_dead
from twisted_redis.modules.timeseries.series import COMPRESSED, UNCOMPRESSED, Rule, Series
from twisted_redis.modules.timeseries.settings import Compaction, settings_of
from twisted_redis.modules.timeseries.state import index_of, write_series

__all__ = ["create_rules", "create_series"]


def create_series(ctx: Client, key: bytes, creation: Creation) -> Series:
    """Stores a new series at ``key``, which is missing, and returns it."""
    series = Series(key, creation.chunk_size, creation.options)
    series.retention = creation.retention
    series.policy = creation.policy
    series.ignore_time = creation.ignore_time
    series.ignore_value = creation.ignore_value
    series.labels = creation.labels
    ctx.db.add(key, series)
    return series


def create_rules(ctx: Client, series: Series, compactions: tuple[Compaction, ...]) -> None:
    """Gives a new series the rules of the server's policy, and creates the series that they fill."""
    for compaction in compactions:
        name = compaction.name.upper()
        numbers = [compaction.duration, *([compaction.alignment] if compaction.alignment else [])]
        target = b"_".join([series.key, name, *(b"%d" % number for number in numbers)])
        if ctx.db.exists(target):
            ctx.engine.log("warning", f"Cannot create compacted key, key '{target!r}' already exists")
            continue
        settings = settings_of(ctx)
        labels = (*series.labels, (b"aggregation", name), (b"time_bucket", b"%d" % compaction.duration))
        options = settings.encoding & UNCOMPRESSED or COMPRESSED
        made = create_series(
            ctx, target, Creation(compaction.retention, settings.chunk_size, options, 0, 0, 0.0, labels)
        )
        made.source = series.key
        series.rules.append(Rule(target, compaction.name, compaction.duration, compaction.alignment))
        ctx.changed(target, "", 0)


@commands("TS.CREATE", flags=WRITE | DENYOOM, keys=first_key(RW | INSERT), complexity="O(1)")
def create(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """TS.CREATE key [RETENTION duration] [ENCODING COMPRESSED | UNCOMPRESSED] [CHUNK_SIZE size] [DUPLICATE_POLICY policy] [IGNORE max-time-diff max-val-diff] [LABELS [label value ...]]

    Creates a series.
    """
    creation = parse_creation(Words("TS.CREATE", key, *options), settings_of(ctx))
    if ctx.db.lookup_write(key) is not None:
        raise CommandError("ERR TSDB: key already exists")
    create_series(ctx, key, creation)
    ctx.changed(key, "ts.create")
    return OK


@commands("TS.ALTER", flags=WRITE | DENYOOM, keys=first_key(RW | UPDATE), complexity="O(N) for N labels")
def alter(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """TS.ALTER key [RETENTION duration] [CHUNK_SIZE size] [DUPLICATE_POLICY policy] [IGNORE max-time-diff max-val-diff] [LABELS [label value ...]]

    Changes options of a series.
    """
    words = Words("TS.ALTER", key, *options)
    creation = parse_creation(words, settings_of(ctx))
    series = write_series(ctx, key)
    if words.place(b"RETENTION"):
        series.retention = creation.retention
    if words.place(b"CHUNK_SIZE"):
        series.chunk_size = creation.chunk_size
    if words.place(b"DUPLICATE_POLICY"):
        series.policy = creation.policy
    if words.place(b"LABELS"):
        series.labels = creation.labels
        index_of(ctx).put(key, series.labels)
    if words.place(b"IGNORE"):
        series.ignore_time, series.ignore_value = creation.ignore_time, creation.ignore_value
    ctx.changed(key, "ts.alter")
    return OK


@commands(
    "TS.CREATERULE",
    flags=WRITE | DENYOOM,
    keys=key_range(RW | ACCESS | UPDATE, 1, 1, 1),
    complexity="O(1)",
)
def create_rule(
    ctx: Client,
    source: bytes,
    target: bytes,
    keyword: bytes,
    aggregator: bytes,
    duration: bytes,
    alignment: bytes | None = None,
) -> Reply:
    """TS.CREATERULE sourceKey destKey AGGREGATION aggregator bucketDuration [alignTimestamp]

    Has the buckets of a series stored in another one from now on.
    """
    words = Words("TS.CREATERULE", source, target, keyword, aggregator, duration)
    if alignment is not None:
        words = Words("TS.CREATERULE", source, target, keyword, aggregator, duration, alignment)
    place = words.place(b"AGGREGATION")
    if not place:
        raise wrong_arity(words)
    name, length = parse_aggregator(words, place)
    start = parse_alignment(words, place + 3) if alignment is not None else 0
    if source == target:
        raise CommandError("ERR TSDB: the source key and destination key should be different")
    series = _linked(ctx, source)
    if series.source is not None:
        raise CommandError("ERR TSDB: the source key already has a source rule")
    filled = _linked(ctx, target)
    if filled.rules:
        raise CommandError("ERR TSDB: the destination key already has a dst rule")
    if filled.source is not None:
        raise CommandError("ERR TSDB: the destination key already has a src rule")
    filled.source = source
    series.rules.append(Rule(target, name, length, start))
    ctx.changed(source, "ts.createrule:src")
    ctx.changed(target, "ts.createrule:dest")
    return OK


def _linked(ctx: Client, key: bytes) -> Series:
    series = write_series(ctx, key)
    drop_dead(ctx, series)
    return series


@commands("TS.DELETERULE", flags=WRITE, keys=key_range(RW | UPDATE, 1, 1, 1), complexity="O(1)")
def delete_rule(ctx: Client, source: bytes, target: bytes) -> Reply:
    """TS.DELETERULE sourceKey destKey

    Deletes the rule between two series.
    """
    series = _linked(ctx, source)
    rules = [rule for rule in series.rules if rule.target != target]
    if len(rules) == len(series.rules):
        raise CommandError("ERR TSDB: compaction rule does not exist")
    series.rules = rules
    filled = _linked(ctx, target)
    if filled.source == source:
        filled.source = None
    ctx.changed(source, "ts.deleterule:src")
    ctx.changed(target, "ts.deleterule:dest")
    return OK
