"""Shared by the commands on streams: parsing IDs, errors, and propagating changes of groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twisted_redis.datatypes.stream import Entry, Stream
from twisted_redis.datatypes.stream_groups import Consumer, Group, Pending
from twisted_redis.datatypes.stream_idempotence import DURATION, MAXSIZE, Idempotence
from twisted_redis.datatypes.stream_ids import MAX_ID, MAX_PART, id_text, parse_bound, parse_id
from twisted_redis.engine.errors import CommandError, refusal
from twisted_redis.resp.columns import COLUMNS_FROM
from twisted_redis.resp.types import Bulks, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

__all__ = [
    "claim_effect",
    "exact_id",
    "group_effect",
    "idempotence_of",
    "interval",
    "interval_start",
    "invalid_id",
    "make_consumer",
    "new_stream",
    "no_group",
    "record",
    "shown_entries",
    "wake",
]


def new_stream(ctx: Client) -> Stream:
    """An empty stream with the limits of the configuration."""
    stream = Stream()
    limits = ctx.config.stream_idmp_duration, ctx.config.stream_idmp_maxsize
    if limits != (DURATION, MAXSIZE):
        stream.idempotence = Idempotence(*limits)
    return stream


def idempotence_of(stream: Stream) -> Idempotence:
    """Returns the memory of ``stream`` about its producers, to change it."""
    if stream.idempotence is None:
        stream.idempotence = Idempotence()
    return stream.idempotence


def invalid_id() -> CommandError:
    """The error for an argument that is not an ID."""
    return CommandError("ERR Invalid stream ID specified as stream command argument")


def exact_id(text: bytes, missing: int = 0) -> int:
    """Parses an ID; ``-`` and ``+`` are errors, and ``missing`` replaces a missing sequence number."""
    entry_id = parse_id(text, missing)
    if entry_id is None:
        raise invalid_id()
    return entry_id


def _parse_interval_end(text: bytes, missing: int) -> tuple[int, bool]:
    """Parses an end of an interval: the ID, and True if a leading bracket excludes it."""
    if text[:1] == b"(" and len(text) > 1:
        return exact_id(text[1:], missing), True
    entry_id = parse_bound(text, missing)
    if entry_id is None:
        raise invalid_id()
    return entry_id, False


def interval_start(text: bytes) -> int:
    """The first ID of an interval that begins with ``text``."""
    start, excluded = _parse_interval_end(text, 0)
    if excluded:
        if start == MAX_ID:
            raise CommandError("ERR invalid start ID for the interval")
        start += 1
    return start


def interval(start: bytes, end: bytes) -> tuple[int, int]:
    """The first and the last ID of the interval between two arguments."""
    first = interval_start(start)
    last, excluded = _parse_interval_end(end, MAX_PART)
    if excluded:
        if not last:
            raise CommandError("ERR invalid end ID for the interval")
        last -= 1
    return first, last


def no_group(key: bytes, group: bytes, suffix: bytes = b"") -> CommandError:
    """The error for a missing key or a missing group."""
    return refusal(b"NOGROUP No such key '%b' or consumer group '%b'%b", key, group, suffix)


def shown_entries(found: Iterable[Entry]) -> list[Reply]:
    """Entries as replies show them."""
    entries = list(found)
    if len(entries) < COLUMNS_FROM:
        return [(b"%d-%d" % (ms, sequence), Bulks(row)) for ms, sequence, row in entries]
    return [(b"%d-%d" % (ms, sequence), row) for ms, sequence, row in entries]


def record(ctx: Client, count: int, *command: bytes) -> None:
    """Counts and propagates changes that leave the entries unchanged.

    In Redis a change of groups or counters does not count as a change of the key: WATCH and tracking do not notice it.
    """
    ctx.effects.dirty += count
    if ctx.effects.recording:
        ctx.propagate_as(list(command))


def wake(ctx: Client, key: bytes) -> None:
    """Makes the clients that wait for ``key`` look again."""
    db = ctx.db
    if key in db.waiting:
        ctx.effects.ready[(db, key)] = None
        ctx.effects.pending = True


def make_consumer(ctx: Client, key: bytes, group: Group, name: bytes) -> Consumer:
    """Adds a consumer to ``group``, which must not have it yet."""
    consumer = group.add_consumer(name, ctx.now)
    ctx.effects.dirty += 1
    ctx.notify(key, "xgroup-createconsumer")
    return consumer


def claim_effect(key: bytes, name: bytes, last_id: bytes, entry_id: bytes, entry: Pending) -> list[bytes]:
    """The XCLAIM that makes the pending ``entry`` of a replica's group equal to ours; ``last_id`` is the group's."""
    consumer, time, count = entry
    if consumer is None:
        # XCLAIM needs a consumer, so the only entry of this kind, one that is no longer pending, is acknowledged.
        return [b"XACK", key, name, entry_id]
    return [
        b"XCLAIM",
        key,
        name,
        consumer,
        b"0",
        entry_id,
        b"TIME",
        b"%d" % time,
        b"RETRYCOUNT",
        b"%d" % count,
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        last_id,
    ]


def group_effect(key: bytes, name: bytes, group: Group) -> list[bytes]:
    """The XGROUP SETID that makes the position of a replica's group equal to ours."""
    return [
        b"XGROUP",
        b"SETID",
        key,
        name,
        id_text(group.last_id),
        b"ENTRIESREAD",
        b"%d" % group.entries_read,
    ]
