"""XREAD and XREADGROUP: reading new entries of streams, and waiting for them."""

from __future__ import annotations

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
from twisted_redis.datatypes.stream_groups import Consumer, Group
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

    ``timeout`` (ms) is None without BLOCK, and ``count`` is 0 without COUNT.
    """

    __slots__ = ("consumer", "count", "group", "ids", "keys", "noack", "timeout")

    def __init__(self, ctx: Client, args: tuple[bytes, ...], *, grouped: bool) -> None:
        self.timeout: int | None = None
        self.count = 0
        self.group: bytes | None = None
        self.consumer = b""
        self.noack = False
        streams: tuple[bytes, ...] = ()
        last = len(args) - 1
        at = 0
        while at <= last:
            option = keyword(args[at])
            if option == b"BLOCK" and at < last:
                at += 1
                self.timeout = _timeout(ctx, args[at])
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


def _wait(request: _Request, ids: list[int], *, wake_on_delete: bool) -> Reply:
    if request.timeout is None:
        return NullArray
    return Block(request.keys, "stream", request.timeout / 1000, NullArray, state=ids, wake_on_delete=wake_on_delete)


#: The number of arguments of each option that may come before STREAMS.
_OPTIONS = {b"BLOCK": 1, b"COUNT": 1, b"GROUP": 2, b"NOACK": 0}


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
    """XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] \
id [id ...]

    Returns entries that no consumer of the group has received yet (the ID is >) and, with BLOCK, waits for them; or
    returns the entries after an ID that are pending for this consumer.
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
    for key, after, group in zip(request.keys, ids, groups, strict=True):
        stream = db.read(key, Stream)
        assert stream is not None
        consumer = group.consumers.get(request.consumer)
        if consumer is None:
            consumer = make_consumer(ctx, key, group, request.consumer)
            if request.noack:
                effects.append([b"XGROUP", b"CREATECONSUMER", key, name, consumer.name])
        consumer.seen_time = ctx.now
        if after != _NEW:
            found.append((key, _pending_entries(ctx, stream, group, consumer, after + 1, request.count)))
        elif stream.length and stream.top_id() > group.last_id:
            found.append((key, _deliver(ctx, key, stream, name, group, consumer, request, effects)))
    if effects:
        ctx.propagate_as(*effects)
    if found:
        return _reply(ctx, found)
    return _wait(request, ids, wake_on_delete=True)


def _pending_entries(ctx: Client, stream: Stream, group: Group, consumer: Consumer, start: int, count: int) -> Reply:
    """The pending entries of a consumer from an ID on; returning an entry again counts as a delivery."""
    entries: list[Reply] = []
    for entry_id, (_, _, deliveries) in group.pending_of(consumer, start):
        row = stream.get(entry_id)
        if row is None:
            entries.append((id_text(entry_id), NullArray))
        else:
            entries.append((id_text(entry_id), Bulks(row)))
            group.assign(entry_id, consumer, ctx.now, deliveries + 1)
        if len(entries) == count:
            break
    return entries


def _deliver(
    ctx: Client,
    key: bytes,
    stream: Stream,
    name: bytes,
    group: Group,
    consumer: Consumer,
    request: _Request,
    effects: list[list[bytes]],
) -> Reply:
    """The entries that no consumer has received yet; they become pending for ``consumer``."""
    entries: list[Reply] = []
    propagated = bool(ctx.effects.recording)
    now = ctx.now
    for ms, sequence, row in stream.range(group.last_id + 1, MAX_ID, request.count):
        entry_id = ms << 64 | sequence
        text = b"%d-%d" % (ms, sequence)
        stream.advance(group, entry_id)
        if not request.noack:
            entry = group.deliver(entry_id, consumer, now)
            consumer.active_time = now
            if propagated:
                effects.append(claim_effect(key, name, group, text, entry))
        entries.append((text, Bulks(row)))
    if propagated:
        effects.append(group_effect(key, name, group))
    ctx.effects.dirty += 1
    return entries
