"""XINFO: information about streams, groups and consumers."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from twisted_redis.commands.common.helptext import declare_help
from twisted_redis.commands.streams.common import shown_entries
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.stream_groups import UNKNOWN, Consumer, Group
from twisted_redis.datatypes.stream_idempotence import NOTHING_REMEMBERED
from twisted_redis.datatypes.stream_ids import id_text, signed
from twisted_redis.engine.declare.flags import READONLY
from twisted_redis.engine.declare.keyspecs import ACCESS, RO, key_at
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import NoSuchKey, WrongSubcommand, refusal
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Pairs, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

_SHOWN = 10

_KEYS = key_at(2, RO | ACCESS)

subcommand = (
    CommandGroup("stream")
    .container("XINFO", "A container for commands that look into streams.", since="5.0.0")
    .with_defaults(flags=READONLY, complexity="O(1)")
)


def _stream(ctx: Client, key: bytes) -> Stream:
    stream = ctx.db.read(key, Stream)
    if stream is None:
        raise NoSuchKey
    return stream


def _entries_read(group: Group) -> int | None:
    return None if group.entries_read == UNKNOWN else group.entries_read


@subcommand(
    "STREAM",
    arity=-3,
    keys=_KEYS,
    history=(
        ("6.0.0", "FULL."),
        ("7.0.0", "The counters of deleted, added and read entries, the first ID, and the lag."),
        ("7.2.0", "The time of a consumer's last success; its seen-time is now that of its last attempt."),
        ("8.6.0", "The limits and counters of IDMP."),
        ("8.8.0", "The number of entries that were given back."),
    ),
)
def stream_(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """XINFO STREAM key [FULL [COUNT count]]

    Returns information about a stream; with FULL also its first entries and all its groups.
    """
    stream = _stream(ctx, key)
    count = _SHOWN
    if options:
        given = [keyword(option) for option in options[:2]]
        if len(options) not in (1, 3) or given not in ([b"FULL"], [b"FULL", b"COUNT"]):
            raise WrongSubcommand
        if len(options) == 3:
            count = integer(options[2])
            if count < 0:
                count = _SHOWN

    idempotence = stream.idempotence or NOTHING_REMEMBERED
    reply = Pairs(
        [
            b"length",
            stream.length,
            b"radix-tree-keys",
            len(stream.nodes),
            b"radix-tree-nodes",
            stream.tree_nodes,
            b"last-generated-id",
            id_text(stream.last_id),
            b"max-deleted-entry-id",
            id_text(stream.max_deleted_id),
            b"entries-added",
            signed(stream.entries_added),
            b"recorded-first-entry-id",
            id_text(stream.first_id),
            b"idmp-duration",
            idempotence.duration,
            b"idmp-maxsize",
            idempotence.maxsize,
            b"pids-tracked",
            len(idempotence.producers),
            b"iids-tracked",
            idempotence.remembered(),
            b"iids-added",
            idempotence.added,
            b"iids-duplicates",
            idempotence.duplicates,
        ]
    )
    if options:
        groups = [_full_group(stream, name, group, count) for name, group in sorted(stream.groups.items())]
        reply += [b"entries", shown_entries(stream.range(count=count)), b"groups", groups]
    else:
        first = shown_entries(stream.range(count=1))
        last = shown_entries(stream.range_back(count=1))
        reply += [
            b"groups",
            len(stream.groups),
            b"first-entry",
            first[0] if first else None,
            b"last-entry",
            last[0] if last else None,
        ]
    return reply


def _full_group(stream: Stream, name: bytes, group: Group, count: int) -> Pairs:
    pending = [
        (id_text(entry_id), b"" if consumer is None else consumer, time, deliveries)
        for entry_id, (consumer, time, deliveries) in islice(group.pending_from(), count or None)
    ]
    return Pairs(
        [
            b"name",
            name,
            b"last-delivered-id",
            id_text(group.last_id),
            b"entries-read",
            _entries_read(group),
            b"lag",
            stream.lag(group),
            b"pel-count",
            len(group.pending),
            b"nacked-count",
            len(group.nacked),
            b"pending",
            pending,
            b"consumers",
            [_full_consumer(group, consumer, count) for _, consumer in sorted(group.consumers.items())],
        ]
    )


def _full_consumer(group: Group, consumer: Consumer, count: int) -> Pairs:
    pending = [
        (id_text(entry_id), time, deliveries)
        for entry_id, (_, time, deliveries) in islice(group.pending_of(consumer), count or None)
    ]
    return Pairs(
        [
            b"name",
            consumer.name,
            b"seen-time",
            consumer.seen_time,
            b"active-time",
            consumer.active_time,
            b"pel-count",
            consumer.pending_count,
            b"pending",
            pending,
        ]
    )


@subcommand(
    "GROUPS",
    arity=3,
    keys=_KEYS,
    complexity="O(N) for N groups",
    history=(("7.0.0", "The number of read entries and the lag."),),
)
def groups_(ctx: Client, key: bytes) -> Reply:
    """XINFO GROUPS key

    Returns information about the consumer groups of a stream.
    """
    stream = _stream(ctx, key)
    return [
        Pairs(
            [
                b"name",
                name,
                b"consumers",
                len(group.consumers),
                b"pending",
                len(group.pending),
                b"last-delivered-id",
                id_text(group.last_id),
                b"entries-read",
                _entries_read(group),
                b"lag",
                stream.lag(group),
            ]
        )
        for name, group in sorted(stream.groups.items())
    ]


@subcommand(
    "CONSUMERS",
    arity=4,
    keys=_KEYS,
    complexity="O(N) for N consumers",
    tips=("nondeterministic_output",),
    history=(("7.2.0", "The time since a consumer's last success; idle is now that since its last attempt."),),
)
def consumers_(ctx: Client, key: bytes, name: bytes) -> Reply:
    """XINFO CONSUMERS key group

    Returns information about the consumers of a group.
    """
    group = _stream(ctx, key).groups.get(name)
    if group is None:
        raise refusal(b"NOGROUP No such consumer group '%b' for key name '%b'", name, key)
    now = ctx.now
    return [
        Pairs(
            [
                b"name",
                consumer.name,
                b"pending",
                consumer.pending_count,
                b"idle",
                max(now - consumer.seen_time, 0),
                b"inactive",
                now - consumer.active_time if consumer.active_time != -1 else -1,
            ]
        )
        for _, consumer in sorted(group.consumers.items())
    ]


declare_help(subcommand)
