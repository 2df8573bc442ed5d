"""Commands on what a stream remembers of its producers: XCFGSET and XIDMPRECORD."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.streams.common import exact_id, idempotence_of, record
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.stream_idempotence import MOST_DURATION, MOST_MAXSIZE
from twisted_redis.engine.declare.flags import DENYOOM, FAST, WRITE
from twisted_redis.engine.declare.keyspecs import RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, NoSuchKey, SyntaxError_
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import OK, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("stream", complexity="O(1)")

#: The options of XCFGSET with their greatest values and units.
_OPTIONS = {b"IDMP-DURATION": (MOST_DURATION, "seconds"), b"IDMP-MAXSIZE": (MOST_MAXSIZE, "entries")}


@command(
    "XCFGSET",
    arity=-2,
    flags=WRITE | FAST,
    keys=first_key(RW | UPDATE),
    since="8.6.0",
    complexity="O(1), or O(N) if N idempotent IDs are forgotten",
)
def xcfgset(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """XCFGSET key [IDMP-DURATION idmp-duration] [IDMP-MAXSIZE idmp-maxsize]

    Sets for how many seconds a stream remembers the idempotent IDs of its producers, and how many of each producer.  A
    new value forgets all of them.
    """
    stream = ctx.db.write(key, Stream)
    if stream is None:
        raise NoSuchKey
    given: dict[bytes, int] = {}
    rest = iter(options)
    for option in map(keyword, rest):
        if option not in _OPTIONS or (value := next(rest, None)) is None:
            raise SyntaxError_
        name = option.decode()
        if option in given:
            raise CommandError(f"ERR {name} specified multiple times")
        number = given[option] = integer(value)
        most, unit = _OPTIONS[option]
        if not 1 <= number <= most:
            raise CommandError(f"ERR {name} must be between 1 and {most} {unit}")
    if not given:
        raise CommandError("ERR At least one parameter must be specified")
    if idempotence_of(stream).configure(given.get(b"IDMP-DURATION"), given.get(b"IDMP-MAXSIZE")):
        record(ctx, 1, b"XCFGSET", key, *options)
    return OK


@command("XIDMPRECORD", arity=5, flags=WRITE | DENYOOM | FAST, keys=first_key(RW | UPDATE), since="8.6.2")
def xidmprecord(ctx: Client, key: bytes, producer: bytes, iid: bytes, entry: bytes) -> Reply:
    """XIDMPRECORD key pid iid stream-id

    Has a stream remember the idempotent ID of an entry; for internal use.
    """
    entry_id = exact_id(entry)
    if not producer:
        raise CommandError("ERR producer ID must be non-empty")
    if not iid:
        raise CommandError("ERR idempotent ID must be non-empty")
    stream = ctx.db.write(key, Stream)
    if stream is None:
        raise NoSuchKey
    if entry_id not in stream:
        raise CommandError("ERR No such message in stream")
    idempotence = idempotence_of(stream)
    known = idempotence.find(producer, iid)
    if known == entry_id:
        return OK
    if known is not None:
        raise CommandError("ERR IID already exists for this producer with a different stream ID")
    idempotence.record(producer, iid, entry_id)
    ctx.db.idempotent[key] = None
    record(ctx, 1, b"XIDMPRECORD", key, producer, iid, entry)
    return OK
