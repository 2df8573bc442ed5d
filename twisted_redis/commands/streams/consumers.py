"""Pending entries of consumer groups: acknowledging and listing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.streams.common import exact_id, interval, no_group, record
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.stream_groups import Group
from twisted_redis.datatypes.stream_ids import id_text
from twisted_redis.engine.declare.flags import FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, RO, RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import SyntaxError_
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import NullArray, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("stream", since="5.0.0")


@command("XACK", arity=-4, flags=WRITE | FAST, keys=first_key(RW | UPDATE), complexity="O(1) for each ID")
def xack(ctx: Client, key: bytes, name: bytes, *ids: bytes) -> Reply:
    """XACK key group id [id ...]

    Acknowledges entries, which are then no longer pending; returns how many of them were pending.
    """
    stream = ctx.db.read(key, Stream)
    group = None if stream is None else stream.groups.get(name)
    if group is None:
        return 0
    acknowledged = sum(map(group.acknowledge, [exact_id(text) for text in ids]))
    if acknowledged:
        record(ctx, acknowledged, b"XACK", key, name, *ids)
    return acknowledged


@command(
    "XPENDING",
    arity=-3,
    flags=READONLY,
    keys=first_key(RO | ACCESS),
    complexity="O(N) for N entries returned or skipped because of IDLE, or for N consumers without a range",
    tips=("nondeterministic_output",),
    history=(("6.2.0", "IDLE and exclusive ends."),),
)
def xpending(ctx: Client, key: bytes, name: bytes, *args: bytes) -> Reply:
    """XPENDING key group [[IDLE min-idle-time] start end count [consumer]]

    Returns a summary of the pending entries of a group, or the pending entries in an interval of IDs.
    """
    idle = 0
    if args:
        if not 3 <= len(args) <= 6:
            raise SyntaxError_
        if keyword(args[0]) == b"IDLE":
            idle = integer(args[1])
            if len(args) < 5:
                raise SyntaxError_
            args = args[2:]
        count = max(integer(args[2]), 0)
        start, end = interval(args[0], args[1])

    stream = ctx.db.read(key, Stream)
    group = None if stream is None else stream.groups.get(name)
    if group is None:
        raise no_group(key, name)
    if not args:
        return _summary(group)

    if len(args) > 3:
        consumer = group.consumers.get(args[3])
        if consumer is None:
            return []
        pending = group.pending_of(consumer, start)
    else:
        pending = group.pending_from(start)
    now = ctx.now
    found: list[Reply] = []
    if not count:
        return found
    for entry_id, entry in pending:
        if entry_id > end:
            break
        consumer_name, time, deliveries = entry
        if consumer_name is None:
            found.append((id_text(entry_id), b"", -1, deliveries))
        else:
            elapsed = now - time
            if idle and elapsed < idle:
                continue
            found.append((id_text(entry_id), consumer_name, max(elapsed, 0), deliveries))
        if len(found) == count:
            break
    return found


def _summary(group: Group) -> Reply:
    bounds = group.pending_bounds()
    if bounds is None:
        return [0, None, None, NullArray]
    return [
        len(group.pending),
        id_text(bounds[0]),
        id_text(bounds[1]),
        [
            (name, b"%d" % consumer.pending_count)
            for name, consumer in sorted(group.consumers.items())
            if consumer.pending_count
        ],
    ]
