"""XDELEX and XACKDEL: removing entries that consumer groups may refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.streams.common import exact_id, record
from twisted_redis.commands.streams.trimming import REFERRING, Referring, may_delete
from twisted_redis.datatypes.stream import Stream
from twisted_redis.engine.declare.flags import FAST, WRITE
from twisted_redis.engine.declare.keyspecs import DELETE, RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import INT64_MAX, integer_in
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("stream", since="8.2.0", complexity="O(1) for each ID")

_MISSING, _REMOVED, _REFERENCED = -1, 1, 2


def _options(args: tuple[bytes, ...]) -> tuple[Referring, tuple[bytes, ...]]:
    """Parses the options that both commands have; returns also the IDs, as they are written."""
    referring: Referring | None = None
    ids: tuple[bytes, ...] = ()
    at = 0
    while at < len(args):
        option = keyword(args[at])
        if option in REFERRING and referring is None:
            referring = REFERRING[option]
            at += 1
        elif option == b"IDS" and at + 1 < len(args):
            count = integer_in(args[at + 1], 1, INT64_MAX, "ERR Number of IDs must be a positive integer")
            at += 2
            if count > len(args) - at:
                raise CommandError("ERR The `numids` parameter must match the number of arguments")
            ids = args[at : at + count]
            at += count
        else:
            raise SyntaxError_
    if not ids:
        raise CommandError("ERR IDS option is required")
    return referring or Referring.KEEPREF, ids


@command("XDELEX", arity=-5, flags=WRITE | FAST, keys=first_key(RW | DELETE))
def xdelex(ctx: Client, key: bytes, *args: bytes) -> Reply:
    """XDELEX key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]

    Removes entries from a stream, and with DELREF also from the groups.  With ACKED entries stay that a group refers
    to.  Returns for each ID 1 if its entry was removed, 2 if it stays, and -1 if there is none.
    """
    stream = ctx.db.write(key, Stream)
    referring, ids = _options(args)
    if stream is None:
        return [_MISSING] * len(ids)
    reply: list[Reply] = []
    removed = 0
    for entry_id in [exact_id(text) for text in ids]:
        if not may_delete(stream, entry_id, referring):
            reply.append(_REFERENCED)
        elif stream.delete(entry_id):
            removed += 1
            reply.append(_REMOVED)
        else:
            reply.append(_MISSING)
    if removed:
        stream.find_first()
        ctx.changed(key, "xdel", removed)
    return reply


@command("XACKDEL", arity=-6, flags=WRITE | FAST, keys=first_key(RW | UPDATE | DELETE))
def xackdel(ctx: Client, key: bytes, name: bytes, *args: bytes) -> Reply:
    """XACKDEL key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]

    Acknowledges entries and removes them from the stream, and with DELREF also from the other groups.  With ACKED
    entries stay that another group refers to.  Returns for each ID 1 if its entry was removed, 2 if it stays, and -1 if
    it was not pending.
    """
    stream = ctx.db.read(key, Stream)
    referring, ids = _options(args)
    group = None if stream is None else stream.groups.get(name)
    if stream is None or group is None:
        return [_MISSING] * len(ids)
    reply: list[Reply] = []
    removed = acknowledged = 0
    for entry_id in [exact_id(text) for text in ids]:
        if not group.acknowledge(entry_id):
            reply.append(_MISSING)
            continue
        acknowledged += 1
        if may_delete(stream, entry_id, referring):
            removed += stream.delete(entry_id)
            reply.append(_REMOVED)
        else:
            reply.append(_REFERENCED)
    if removed:
        stream.find_first()
        ctx.changed(key, "xdel", acknowledged)
    elif acknowledged:
        record(ctx, acknowledged, b"XACKDEL", key, name, *args)
    return reply
