"""XREAD and XREADGROUP: reading new entries of streams, and waiting for them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from twisted_redis.commands.streams.common import (
    claim_effect,
    exact_id,
    group_effect,
    make_consumer,
    no_group,
    shown_entries,
)
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.stream_groups import Consumer, Group, one_more
from twisted_redis.datatypes.stream_ids import MAX_ID, id_text
from twisted_redis.engine.blocking import Block
from twisted_redis.engine.declare.flags import BLOCKING, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, RO, after_keyword
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import INT64_MAX, integer
from twisted_redis.resp.cstrings import c_string, keyword
from twisted_redis.resp.types import Bulks, NullArray, Pairs, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("stream", since="5.0.0")

_NEW = MAX_ID
"""The ID that represents > in XREADGROUP; a client that gives this number means the same."""


class _Request:
    """The parsed arguments of XREAD or XREADGROUP.

    ``timeout`` (ms) is None without BLOCK, and ``count`` is 0 without COUNT.  ``min_idle`` (ms) is None without CLAIM.
    """

    __slots__ = ("consumer", "count", "group", "ids", "keys", "min_idle", "noack", "timeout")

    def __init__(self, ctx: Client, args: tuple[bytes, ...], *, grouped: bool) -> None:
        self.timeout: int | None = None
        self.count = 0
        self.group: bytes | None = None
        self.consumer = b""
        self.noack = False
        self.min_idle: int | None = None
        streams: tuple[bytes, ...] = ()
        last = len(args) - 1
        at = 0
        while at <= last:
            option = keyword(args[at])
            if option == b"BLOCK" and at < last:
                at += 1
                self.timeout = _timeout(ctx, args[at])
            elif option == b"CLAIM" and at < last:
                if not grouped:
                    raise _only_grouped("CLAIM")
                at += 1
                self.min_idle = integer(args[at], "ERR min-idle-time is not an integer or out of range")
                if self.min_idle < 0:
                    raise CommandError("ERR min-idle-time must be a positive integer")
            elif option == b"COUNT" and at < last:
                at += 1
                self.count = max(integer(args[at]), 0)
            elif option == b"STREAMS" and at < last:
                streams = args[at + 1 :]
                if len(streams) & 1:
                    raise _unbalanced(grouped)
                break
            elif option == b"GROUP" and at < last - 1:
                if not grouped:
                    raise _only_grouped("GROUP")
                self.group, self.consumer = args[at + 1 : at + 3]
                at += 2
            elif option == b"NOACK":
                if not grouped:
                    raise _only_grouped("NOACK")
                self.noack = True
            else:
                raise SyntaxError_
            at += 1
        if not streams:
            raise SyntaxError_
        if grouped and self.group is None:
            raise CommandError("ERR Missing GROUP option for XREADGROUP")
        half = len(streams) // 2
        self.keys = streams[:half]
        self.ids = streams[half:]


def _timeout(ctx: Client, text: bytes) -> int:
    timeout = integer(text, "ERR timeout is not an integer or out of range")
    if timeout < 0:
        raise CommandError("ERR timeout is negative")
    if timeout > INT64_MAX - ctx.now:
        raise CommandError("ERR timeout is out of range")
    return timeout


def _unbalanced(grouped: bool) -> CommandError:
    name, wanted = ("xreadgroup", "ID or '>'") if grouped else ("xread", "ID, '+', or '$'")
    return CommandError(f"ERR Unbalanced '{name}' list of streams: for each stream key an {wanted} must be specified.")


def _only_grouped(option: str) -> CommandError:
    return CommandError(f"ERR The {option} option is only supported by XREADGROUP. You called XREAD instead.")


def _meaningless(sign: str) -> CommandError:
    return CommandError(
        f"ERR The {sign} ID is meaningless in the context of XREADGROUP: you want to read the history of "
        "this consumer by specifying a proper ID, or use the > ID to get new messages. "
        f"The {sign} ID would just return an empty result set."
    )


def _reply(ctx: Client, found: list[tuple[bytes, Reply]]) -> Reply:
    if ctx.resp == 2:
        return found
    return Pairs([part for pair in found for part in pair])


def _wait(request: _Request, ids: list[int], *, wake_on_delete: bool, look_in: float | None = None) -> Reply:
    if request.timeout is None:
        return NullArray
    return Block(
        request.keys,
        "stream",
        request.timeout / 1000,
        NullArray,
        state=ids,
        wake_on_delete=wake_on_delete,
        look_in=look_in,
    )


#: The number of arguments of each option that may come before STREAMS.
_OPTIONS = {b"BLOCK": 1, b"CLAIM": 1, b"COUNT": 1, b"GROUP": 2, b"NOACK": 0}


def _keys_of_reading(argv: list[bytes]) -> list[tuple[int, int]]:
    """The keys after the option STREAMS, which may also be the name of a group or of a consumer before it."""
    at = 1
    while at < len(argv) and (arguments := _OPTIONS.get(keyword(argv[at]))) is not None:
        at += 1 + arguments
    if at >= len(argv) or keyword(argv[at]) != b"STREAMS":
        return []
    keys, odd = divmod(len(argv) - at - 1, 2)
    return [] if odd else [(place, RO | ACCESS) for place in range(at + 1, at + 1 + keys)]


@command(
    "XREAD",
    arity=-4,
    flags=READONLY | BLOCKING,
    keys=after_keyword("STREAMS", RO | ACCESS, 1, limit=2),
    getkeys=_keys_of_reading,
)
def xread(ctx: Client, *args: bytes) -> Reply:
    """XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]

    Returns the entries of streams after the given IDs; with BLOCK, waits while there are none.

    The ID $ means the last ID at the time of the call.  The ID + means the ID before the last one, so that the last
    entry is returned.
    """
    request = _Request(ctx, args, grouped=False)
    resolved: list[int] | None = ctx.blocked_state
    db = ctx.db
    ids: list[int] = []
    for place, text in enumerate(request.ids):
        stream = db.read(request.keys[place], Stream)
        special = c_string(text)
        if special == b"$":
            if resolved is not None:
                ids.append(resolved[place])
            else:
                ids.append(0 if stream is None else stream.last_id)
        elif special == b"+":
            ids.append(0 if stream is None or not stream.length else stream.top_id() - 1)
        elif special == b">":
            raise CommandError(
                "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
            )
        else:
            ids.append(exact_id(text))

    found: list[tuple[bytes, Reply]] = []
    for key, after in zip(request.keys, ids, strict=True):
        stream = db.read(key, Stream)
        if stream is not None and stream.length and stream.top_id() > after:
            entries = stream.range(after + 1, MAX_ID, request.count)
            found.append((key, shown_entries(entries)))
    if found:
        return _reply(ctx, found)
    return _wait(request, ids, wake_on_delete=False)


@command(
    "XREADGROUP",
    arity=-7,
    flags=WRITE | BLOCKING,
    keys=after_keyword("STREAMS", RO | ACCESS, 4, limit=2),
    getkeys=_keys_of_reading,
    complexity="O(log N + M) for each stream of N entries, of which M are returned; XADD takes O(N) for N clients that wait",
)
def xreadgroup(ctx: Client, *args: bytes) -> Reply:
    """XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [CLAIM min-idle-time] [NOACK] \
STREAMS key [key ...] id [id ...]

    Returns entries that no consumer of the group has received yet (the ID is >) and, with BLOCK, waits for them; or
    returns the entries after an ID that are pending for this consumer.

    With CLAIM the consumer first takes over pending entries of the group that were delivered at least ``min-idle-time``
    ms ago.  Each entry then comes with its idle time and its number of deliveries before.
    """
    request = _Request(ctx, args, grouped=True)
    name = request.group
    assert name is not None
    db = ctx.db
    ids: list[int] = []
    groups: list[Group] = []
    for key, text in zip(request.keys, request.ids, strict=True):
        stream = db.read(key, Stream)
        group = None if stream is None else stream.groups.get(name)
        if group is None:
            raise no_group(key, name, b" in XREADGROUP with GROUP option")
        groups.append(group)
        special = c_string(text)
        if special in (b"$", b"+"):
            raise _meaningless(special.decode())
        ids.append(_NEW if special == b">" else exact_id(text))

    found: list[tuple[bytes, Reply]] = []
    effects: list[list[bytes]] = []
    oldest: int | None = None
    for key, after, group in zip(request.keys, ids, groups, strict=True):
        stream = db.read(key, Stream)
        assert stream is not None
        consumer = group.consumers.get(request.consumer)
        created = consumer is None
        if consumer is None:
            consumer = make_consumer(ctx, key, group, request.consumer)
        consumer.seen_time = ctx.now
        entries: list[Reply] = []
        if after != _NEW:
            found.append((key, _pending_entries(ctx, stream, group, consumer, after + 1, request.count)))
        else:
            if request.min_idle is not None:
                time = _take_over(ctx, key, stream, name, group, consumer, request, entries, effects)
                if time is not None:
                    oldest = time if oldest is None else min(oldest, time)
            is_full = request.count and len(entries) == request.count
            if not is_full and stream.length and stream.top_id() > group.last_id:
                _deliver(ctx, key, stream, name, group, consumer, request, entries, effects)
            if entries:
                found.append((key, entries))
                ctx.effects.dirty += 1
                db.note_change(key)
        # An XCLAIM makes the consumer on a replica, too.
        if created and (request.noack or not entries):
            effects.append([b"XGROUP", b"CREATECONSUMER", key, name, consumer.name])
    if effects:
        ctx.propagate_as(*effects)
    if found:
        return _reply(ctx, found)
    look_in = None
    if request.min_idle is not None:
        due = (ctx.now if oldest is None else oldest) + request.min_idle
        look_in = (due + 1 - ctx.now) / 1000
    return _wait(request, ids, wake_on_delete=True, look_in=look_in)


def _pending_entries(ctx: Client, stream: Stream, group: Group, consumer: Consumer, start: int, count: int) -> Reply:
    """The pending entries of a consumer from an ID on; returning an entry again counts as a delivery."""
    entries: list[Reply] = []
    for entry_id, (_, _, deliveries) in group.pending_of(consumer, start):
        row = stream.get(entry_id)
        if row is None:
            entries.append((id_text(entry_id), NullArray))
        else:
            entries.append((id_text(entry_id), Bulks(row)))
            group.assign(entry_id, consumer, ctx.now, one_more(deliveries))
        if len(entries) == count:
            break
    return entries


def _take_over(
    ctx: Client,
    key: bytes,
    stream: Stream,
    name: bytes,
    group: Group,
    consumer: Consumer,
    request: _Request,
    entries: list[Reply],
    effects: list[list[bytes]],
) -> int | None:
    """Moves pending entries that are idle for long enough to ``consumer``, and adds them to ``entries``.

    Returns when the first of the others was delivered (ms), or None if there is none, or if COUNT ends the search.
    """
    min_idle = request.min_idle
    assert min_idle is not None
    now = ctx.now
    last_id = id_text(group.last_id)
    with closing(group.due().take()) as due:
        for entry_id in due:
            row = stream.get(entry_id)
            if row is None:
                continue
            _, time, count = group.pending[entry_id]
            if now - time < min_idle:
                return time
            entry = group.assign(entry_id, consumer, now, one_more(count))
            consumer.active_time = now
            text = id_text(entry_id)
            entries.append((text, Bulks(row), now - time, count))
            if ctx.effects.recording:
                effects.append(claim_effect(key, name, last_id, text, entry))
            if len(entries) == request.count:
                break
    return None


def _deliver(
    ctx: Client,
    key: bytes,
    stream: Stream,
    name: bytes,
    group: Group,
    consumer: Consumer,
    request: _Request,
    entries: list[Reply],
    effects: list[list[bytes]],
) -> None:
    """Adds the entries that no consumer has received yet; they become pending for ``consumer``."""
    propagated = bool(ctx.effects.recording)
    now = ctx.now
    count = request.count and request.count - len(entries)
    claiming = request.min_idle is not None
    last_id = id_text(group.last_id)  # the XGROUP SETID at the end moves it
    for ms, sequence, row in stream.range(group.last_id + 1, MAX_ID, count):
        entry_id = ms << 64 | sequence
        text = b"%d-%d" % (ms, sequence)
        stream.advance(group, entry_id)
        if not request.noack:
            entry = group.deliver(entry_id, consumer, now)
            consumer.active_time = now
            if propagated:
                effects.append(claim_effect(key, name, last_id, text, entry))
        entries.append((text, Bulks(row), 0, 0) if claiming else (text, Bulks(row)))
    if propagated:
        effects.append(group_effect(key, name, group))
