"""XNACK: giving pending entries back to their group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.streams.common import exact_id, no_group, record, wake
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.stream_groups import MOST_DELIVERIES
from twisted_redis.engine.declare.flags import FAST, WRITE
from twisted_redis.engine.declare.keyspecs import RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, refusal
from twisted_redis.engine.parse import integer, integer_in
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("stream", since="8.8.0", complexity="O(1) for each ID")

_MOST_IDS = 2**31 - 1


@command("XNACK", arity=-7, flags=WRITE | FAST, keys=first_key(RW | UPDATE))
def xnack(ctx: Client, key: bytes, name: bytes, mode: bytes, *args: bytes) -> Reply:
    """XNACK key group <SILENT | FAIL | FATAL> IDS numids id [id ...] [RETRYCOUNT count] [FORCE]

    Gives pending entries back to their group, so that other consumers can claim them at once; returns their number.
    SILENT takes one delivery from the count, and FATAL sets the count to its greatest value.  With FORCE entries become
    pending that were not.
    """
    stream = ctx.db.write(key, Stream)
    group = None if stream is None else stream.groups.get(name)
    if stream is None or group is None:
        raise no_group(key, name)
    how = keyword(mode)
    if how not in (b"SILENT", b"FAIL", b"FATAL"):
        raise CommandError("ERR mode must be SILENT, FAIL, or FATAL")
    ids: tuple[bytes, ...] = ()
    force = False
    count: int | None = None
    at = 0
    while at < len(args):
        option = keyword(args[at])
        more = at + 1 < len(args)
        if option == b"IDS" and more:
            number = integer_in(args[at + 1], 1, _MOST_IDS, "ERR numids must be a positive integer")
            at += 2
            if number > len(args) - at:
                raise CommandError("ERR number of IDs doesn't match numids")
            ids = args[at : at + number]
            at += number
        elif option == b"FORCE":
            force = True
            at += 1
        elif option == b"RETRYCOUNT" and more:
            count = integer(args[at + 1])
            if count < 0:
                raise CommandError("ERR Invalid RETRYCOUNT value, must be >= 0")
            at += 2
        else:
            raise refusal(b"ERR Unrecognized XNACK option '%b'", args[at])
    if not ids:
        raise CommandError("ERR syntax error, expected IDS keyword")

    given_back = 0
    for entry_id in [exact_id(text) for text in ids]:
        entry = group.pending.get(entry_id)
        if entry is None and not (force and entry_id in stream):
            continue
        deliveries = 0 if entry is None else entry[2]
        if count is not None:
            deliveries = count
        elif how == b"FATAL":
            deliveries = MOST_DELIVERIES
        elif how == b"SILENT":
            deliveries = max(deliveries - 1, 0)
        group.give_back(entry_id, deliveries)
        given_back += 1
    if given_back:
        record(ctx, given_back, b"XNACK", key, name, mode, *args)
        wake(ctx, key)
    return given_back
