"""XCLAIM and XAUTOCLAIM: taking over pending entries of other consumers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.streams.common import (
    claim_effect,
    exact_id,
    group_effect,
    interval_start,
    make_consumer,
    no_group,
)
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.stream_groups import Consumer, Group, one_more
from twisted_redis.datatypes.stream_ids import id_text, parse_id
from twisted_redis.engine.declare.flags import FAST, WRITE
from twisted_redis.engine.declare.keyspecs import DELETE, RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import SyntaxError_, refusal
from twisted_redis.engine.parse import integer, integer_in
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Bulks, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("stream")

_LARGEST_COUNT = (2**63 - 1) // 16
_DEFAULT_COUNT = 100
_EXAMINED_PER_ENTRY = 10
"""How many pending entries XAUTOCLAIM examines for each entry that it may return."""


class _ClaimOptions:
    """The options that follow the IDs of XCLAIM; times are in ms, None if not given."""

    __slots__ = ("count", "force", "just_id", "last_id", "time")

    def __init__(self, now: int, options: tuple[bytes, ...]) -> None:
        self.time: int | None = None
        self.count: int | None = None
        self.force = False
        self.just_id = False
        self.last_id = 0
        rest = iter(options)
        for given in rest:
            option = keyword(given)
            if option == b"FORCE":
                self.force = True
                continue
            if option == b"JUSTID":
                self.just_id = True
                continue
            if option not in (b"IDLE", b"TIME", b"RETRYCOUNT", b"LASTID") or (value := next(rest, None)) is None:
                raise refusal(b"ERR Unrecognized XCLAIM option '%b'", given)
            if option == b"LASTID":
                self.last_id = exact_id(value)
                continue
            number = integer(value, f"ERR Invalid {option.decode()} option argument for XCLAIM")
            if option == b"RETRYCOUNT":
                self.count = number if number >= 0 else None
            elif option == b"IDLE":
                self.time = now - number
            else:
                self.time = number
        if self.time is None or not 0 <= self.time <= now:
            self.time = now


def _consumer(ctx: Client, key: bytes, group: Group, name: bytes) -> Consumer:
    """The claiming consumer; creates it if it does not exist."""
    consumer = group.consumers.get(name)
    if consumer is None:
        consumer = make_consumer(ctx, key, group, name)
    consumer.seen_time = ctx.now
    return consumer


@command(
    "XCLAIM",
    arity=-6,
    flags=WRITE | FAST,
    keys=first_key(RW | UPDATE),
    since="5.0.0",
    complexity="O(log N) for each ID, N entries being pending in the group",
    tips=("nondeterministic_output",),
)
def xclaim(ctx: Client, key: bytes, name: bytes, consumer_name: bytes, idle: bytes, *args: bytes) -> Reply:
    """XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] \
[RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]

    Assigns pending entries to another consumer and returns them.
    """
    stream = ctx.db.read(key, Stream)
    group = None if stream is None else stream.groups.get(name)
    if stream is None or group is None:
        raise no_group(key, name)
    min_idle = integer(idle, "ERR Invalid min-idle-time argument for XCLAIM")
    ids: list[int] = []
    for text in args:
        entry_id = parse_id(text)
        if entry_id is None:
            break
        ids.append(entry_id)
    now = ctx.now
    options = _ClaimOptions(now, args[len(ids) :])
    assert options.time is not None

    moved = options.last_id > group.last_id
    if moved:
        group.last_id = options.last_id
    consumer = _consumer(ctx, key, group, consumer_name)

    last_id = id_text(group.last_id)
    reply: list[Reply] = []
    effects: list[list[bytes]] = []
    for entry_id, text in zip(ids, args, strict=False):
        entry = group.pending.get(entry_id)
        row = stream.get(entry_id)
        if row is None:
            # A deleted entry cannot be claimed; it is no longer pending.
            if entry is not None:
                effects.append(claim_effect(key, name, last_id, text, entry))
                group.acknowledge(entry_id)
            continue
        if entry is None:
            if not options.force:
                continue
            entry = group.add_pending(entry_id, consumer, now)
        elif entry[0] is not None and min_idle > 0 and now - entry[1] < min_idle:
            continue
        count = options.count
        if count is None:
            count = entry[2] if options.just_id else one_more(entry[2])
        entry = group.assign(entry_id, consumer, options.time, count)
        reply.append(id_text(entry_id) if options.just_id else (id_text(entry_id), Bulks(row)))
        consumer.active_time = now
        effects.append(claim_effect(key, name, last_id, text, entry))
    # A propagated XCLAIM includes the group's last ID.
    if moved and not effects:
        effects.append(group_effect(key, name, group))
    _propagate(ctx, key, effects)
    return reply


@command(
    "XAUTOCLAIM",
    arity=-6,
    flags=WRITE | FAST,
    keys=first_key(RW | DELETE),
    since="6.2.0",
    complexity="O(1) for a small COUNT",
    tips=("nondeterministic_output",),
    history=(("7.0.0", "The IDs of deleted entries in the reply."),),
)
def xautoclaim(
    ctx: Client, key: bytes, name: bytes, consumer_name: bytes, idle: bytes, start: bytes, *options: bytes
) -> Reply:
    """XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]

    Assigns pending entries of a group that have been idle long enough to a consumer. Returns the ID for the next
    call, the entries, and the IDs of deleted entries.
    """
    stream = None
    value = ctx.db.live(key, ctx.db.lookup(key))
    min_idle = integer(idle, "ERR Invalid min-idle-time argument for XAUTOCLAIM")
    first = interval_start(start)
    count = _DEFAULT_COUNT
    just_id = False
    rest = iter(options)
    for given in rest:
        option = keyword(given)
        if option == b"COUNT" and (number := next(rest, None)) is not None:
            count = integer_in(number, 1, _LARGEST_COUNT, "ERR COUNT must be > 0")
        elif option == b"JUSTID":
            just_id = True
        else:
            raise SyntaxError_
    if value is not None:
        stream = ctx.db.write(key, Stream)
    group = None if stream is None else stream.groups.get(name)
    if stream is None or group is None:
        raise no_group(key, name)

    consumer = _consumer(ctx, key, group, consumer_name)
    now = ctx.now
    last_id = id_text(group.last_id)
    claimed: list[Reply] = []
    deleted: list[bytes] = []
    effects: list[list[bytes]] = []
    attempts = count * _EXAMINED_PER_ENTRY
    pending = group.pending_from(first)
    while attempts and count:
        attempts -= 1
        entry_id, entry = next(pending, (0, None))
        if entry is None:
            break
        row = stream.get(entry_id)
        text = id_text(entry_id)
        if row is None:
            effects.append(claim_effect(key, name, last_id, text, entry))
            group.acknowledge(entry_id)
            deleted.append(text)
            count -= 1
            continue
        owner, time, deliveries = entry
        if owner is not None and min_idle > 0 and now - time < min_idle:
            continue
        entry = group.assign(entry_id, consumer, now, deliveries if just_id else one_more(deliveries))
        claimed.append(text if just_id else (text, Bulks(row)))
        count -= 1
        consumer.active_time = now
        effects.append(claim_effect(key, name, last_id, text, entry))
    cursor, _ = next(pending, (0, None))
    _propagate(ctx, key, effects)
    return [id_text(cursor), claimed, deleted]


def _propagate(ctx: Client, key: bytes, effects: list[list[bytes]]) -> None:
    if effects:
        ctx.db.note_change(key)
        ctx.effects.dirty += len(effects)
        ctx.propagate_as(*effects)
