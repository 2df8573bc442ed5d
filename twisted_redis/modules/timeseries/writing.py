"""The commands that add samples, or delete them."""

from __future__ import annotations

from twisted_redis.extending import (
    ACCESS,
    DELETE,
    DENYOOM,
    INSERT,
    RW,
    UPDATE,
    WRITE,
    Client,
    CommandError,
    ErrorReply,
    Reply,
    WrongArity,
    WrongType,
    first_key,
    float_or_none,
    integer_or_none,
    key_range,
)
from twisted_redis.modules.timeseries.arguments import (
    Words,
    parse_creation,
    parse_policy,
    parse_query,
    parse_time,
    parse_value,
)
from twisted_redis.modules.timeseries.creation import create_rules, create_series
from twisted_redis.modules.timeseries.module import commands
from twisted_redis.modules.timeseries.rules import LAST, add_sample, delete_samples
from twisted_redis.modules.timeseries.series import Series
from twisted_redis.modules.timeseries.settings import settings_of
from twisted_redis.modules.timeseries.state import WRONG_TYPE, write_series

#: The code of the digit 0.
_ZERO = 48
#: All shorter integers fit in 64 bits, and all shorter numbers are finite.
_SHORT, _FINITE = 19, 300
_NOT_SERIES = "ERR TSDB: the key is not a TSDB key"


@commands("TS.ADD", flags=WRITE | DENYOOM, keys=first_key(RW | INSERT), complexity="O(M) for M rules")
def add(ctx: Client, key: bytes, timestamp: bytes, value: bytes, *options: bytes) -> Reply:
    """TS.ADD key timestamp value [RETENTION duration] [ENCODING COMPRESSED | UNCOMPRESSED] [CHUNK_SIZE size] [DUPLICATE_POLICY policy] [ON_DUPLICATE policy] [IGNORE max-time-diff max-val-diff] [LABELS [label value ...]]

    Adds a sample to a series, which it creates if it is missing. Returns the time of the sample.
    """
    try:
        # Most numbers consist of a few digits, and most samples are newer than all others, so that nothing can refuse
        # or ignore them.  Both cases are spelled out, since a call costs as much as a look-up.
        whole, _, fraction = value.partition(b".")
        if (
            whole.isdigit()
            and (fraction.isdigit() or len(whole) == len(value))
            and (whole[0] != _ZERO or len(whole) == 1)
            and len(value) < _FINITE
        ):
            number = float(value)
        else:
            number = parse_value(value)
        if timestamp.isdigit() and timestamp[0] != _ZERO and len(timestamp) < _SHORT:
            time = int(timestamp)
        else:
            time = ctx.now if timestamp == b"*" else _time_of(timestamp)
        try:
            series = ctx.db.write(key, Series)
        except WrongType:
            raise CommandError(_NOT_SERIES) from None
        if series is not None and not options and time - series.last_time > series.ignore_time and not series.rules:
            series.append(time, number)
            ctx.changed(key, "ts.add")
            if timestamp == b"*":
                ctx.propagate_as([b"TS.ADD", key, b"%d" % time, value])
            return time
        policy = 0
        if series is None:
            series = _created(ctx, Words("TS.ADD", key, timestamp, value, *options), key)
        elif options:
            policy = parse_policy(Words("TS.ADD", key, timestamp, value, *options), b"ON_DUPLICATE")
        stored = add_sample(ctx, series, time, number, policy)
    except CommandError:
        ctx.notify(key, "ts.add")
        raise
    if not stored:
        ctx.notify(key, "ts.add")
        return series.last_time
    ctx.changed(key, "ts.add")
    if timestamp == b"*":
        ctx.propagate_as([b"TS.ADD", key, b"%d" % time, value, *options])
    return time


def _time_of(word: bytes) -> int:
    time = integer_or_none(word)
    if time is None:
        raise CommandError("ERR TSDB: invalid timestamp")
    if time < 0:
        raise CommandError("ERR TSDB: invalid timestamp, must be a nonnegative integer")
    return time


def _series(ctx: Client, key: bytes) -> Series | None:
    try:
        return ctx.db.write(key, Series)
    except WrongType:
        raise CommandError(_NOT_SERIES) from None


def _created(ctx: Client, words: Words, key: bytes) -> Series:
    settings = settings_of(ctx)
    series = create_series(ctx, key, parse_creation(words, settings))
    create_rules(ctx, series, settings.compactions)
    return series


@commands("TS.MADD", flags=WRITE | DENYOOM, keys=key_range(RW | INSERT, 1, -1, 3), complexity="O(N*M) for M rules")
def madd(ctx: Client, key: bytes, timestamp: bytes, value: bytes, *more: bytes) -> Reply:
    """TS.MADD key timestamp value [key timestamp value ...]

    Adds samples to series. Returns the time of each sample, or its error.
    """
    words = (key, timestamp, value, *more)
    if len(words) % 3:
        raise WrongArity("ts.madd")
    replies: list[Reply] = []
    effect = [b"TS.MADD"]
    for at in range(0, len(words), 3):
        name, when, text = words[at : at + 3]
        try:
            number = parse_value(text)
            time = ctx.now if when == b"*" else _time_of(when)
            series = _series(ctx, name)
            if series is None:
                raise CommandError(_NOT_SERIES)
            if add_sample(ctx, series, time, number, 0):
                ctx.changed(name, "")
                effect += [name, b"%d" % time, text]
                replies.append(time)
            else:
                replies.append(series.last_time)
        except CommandError as error:
            replies.append(ErrorReply(error.args[0].encode()))
    if len(effect) > 1:
        ctx.propagate_as(effect)
    for name in words[::3]:
        ctx.notify(name, "ts.add")
    return replies


@commands("TS.INCRBY", flags=WRITE | DENYOOM, keys=first_key(RW | ACCESS | UPDATE), complexity="O(M) for M rules")
def incrby(ctx: Client, key: bytes, addend: bytes, *options: bytes) -> Reply:
    """TS.INCRBY key addend [TIMESTAMP timestamp] [RETENTION duration] [ENCODING COMPRESSED | UNCOMPRESSED] [CHUNK_SIZE size] [DUPLICATE_POLICY policy] [IGNORE max-time-diff max-val-diff] [LABELS [label value ...]]

    Adds a sample whose value is the last one plus a number. Returns the time of the sample.
    """
    return _change(ctx, "TS.INCRBY", 1, key, addend, options)


@commands("TS.DECRBY", flags=WRITE | DENYOOM, keys=first_key(RW | ACCESS | UPDATE), complexity="O(M) for M rules")
def decrby(ctx: Client, key: bytes, subtrahend: bytes, *options: bytes) -> Reply:
    """TS.DECRBY key subtrahend [TIMESTAMP timestamp] [RETENTION duration] [ENCODING COMPRESSED | UNCOMPRESSED] [CHUNK_SIZE size] [DUPLICATE_POLICY policy] [IGNORE max-time-diff max-val-diff] [LABELS [label value ...]]

    Adds a sample whose value is the last one minus a number. Returns the time of the sample.
    """
    return _change(ctx, "TS.DECRBY", -1, key, subtrahend, options)


def _change(ctx: Client, name: str, sign: int, key: bytes, number: bytes, options: tuple[bytes, ...]) -> Reply:
    words = Words(name, key, number, *options)
    try:
        series = ctx.db.write(key, Series)
    except WrongType:
        raise CommandError(WRONG_TYPE) from None
    creation = parse_creation(words, settings_of(ctx)) if series is None else None
    amount = float_or_none(number)
    if amount is None:
        raise CommandError("ERR TSDB: invalid increase/decrease value")
    place = words.place(b"TIMESTAMP")
    automatic = not place or (place + 1 < len(words) and words[place + 1] == b"*")
    time = ctx.now if automatic else parse_time(words[place + 1]) if place + 1 < len(words) else None
    if time is None:
        raise CommandError("ERR TSDB: invalid timestamp")
    if series is not None and time < series.last_time:
        raise CommandError("TSDB: timestamp must be equal to or higher than the maximum existing timestamp")
    if creation is not None:
        series = create_series(ctx, key, creation)
        create_rules(ctx, series, settings_of(ctx).compactions)
    assert series is not None
    result = series.last_value + sign * amount
    event = name.lower()
    if not add_sample(ctx, series, time, result, LAST):
        ctx.notify(key, event)
        return series.last_time
    ctx.changed(key, event)
    if automatic:
        # LABELS takes all words behind it, so the time stands before the options.
        rest = list(options)
        if place:
            del rest[place - 3 : place - 1]
        ctx.propagate_as([name.encode(), key, number, b"TIMESTAMP", b"%d" % time, *rest])
    return time


@commands("TS.DEL", flags=WRITE, keys=first_key(RW | DELETE), complexity="O(N) for N samples in the range")
def delete(ctx: Client, key: bytes, start: bytes, end: bytes) -> Reply:
    """TS.DEL key fromTimestamp toTimestamp

    Deletes the samples of a series in a range of times. Returns how many there were.
    """
    query = parse_query(Words("TS.DEL", key, start, end), 2)
    series = write_series(ctx, key)
    if series.rules and series.retention:
        least = series.last_time - series.retention
        starts = [query.start, *(max(rule.bucket_of(query.start), 0) for rule in series.rules)]
        if min(starts) < least:
            raise CommandError(
                "ERR TSDB: When a series has compactions, deleting samples or compaction buckets beyond the series "
                "retention period is not possible"
            )
    deleted = delete_samples(ctx, series, query.start, query.end)
    ctx.changed(key, "ts.del")
    return deleted
