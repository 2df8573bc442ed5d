"""DUMP and RESTORE: values of keys in Redis' serialized form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.declare.flags import ASKING, DENYOOM, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, OW, RO, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.hash_fields import note_times
from twisted_redis.engine.parse import integer
from twisted_redis.persistence.rdb import payload
from twisted_redis.persistence.rdb.errors import CorruptData
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import OK, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("generic", since="2.6.0")

_HISTORY = (
    ("3.0.0", "REPLACE."),
    ("5.0.0", "ABSTTL."),
    ("5.0.0", "IDLETIME and FREQ."),
)
_COMPLEXITY = "O(N*M) for a value of N parts with an average size of M; O(N*M*log(N)) for a sorted set"


@command(
    "DUMP",
    arity=2,
    flags=READONLY,
    keys=first_key(RO | ACCESS),
    complexity="O(N*M) for a value of N parts with an average size of M",
    tips=("nondeterministic_output",),
)
def dump(ctx: Client, key: bytes) -> Reply:
    """DUMP key

    Returns the value of a key in a serialized form, which RESTORE accepts on this or another server.
    """
    value = ctx.db.lookup(key)
    return None if value is None else payload.dump(value, ctx.config.rdbcompression)


restore_command = command.with_defaults(arity=-4, keys=first_key(OW | UPDATE), complexity=_COMPLEXITY, history=_HISTORY)


@restore_command("RESTORE", flags=WRITE | DENYOOM, acl=("@dangerous",))
def restore(ctx: Client, key: bytes, ttl: bytes, serialized: bytes, *options: bytes) -> Reply:
    """RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]

    Creates a key from a value that DUMP serialized on this or another server.

    The time to live is in ms, 0 for none; with ABSTTL it is the time of the expiry, in ms since 1970.
    """
    return _restore(ctx, b"RESTORE", key, ttl, serialized, *options)


@restore_command(
    "RESTORE-ASKING",
    flags=WRITE | DENYOOM | ASKING,
    group="server",
    since="3.0.0",
    acl=("@keyspace", "@dangerous"),
    doc_flags=("syscmd",),
)
def restore_asking(ctx: Client, key: bytes, ttl: bytes, serialized: bytes, *options: bytes) -> Reply:
    """RESTORE-ASKING key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]

    Works like RESTORE, for a key in a slot that this cluster node is importing.
    """
    return _restore(ctx, b"RESTORE-ASKING", key, ttl, serialized, *options)


def _restore(ctx: Client, name: bytes, key: bytes, ttl: bytes, serialized: bytes, *options: bytes) -> Reply:
    replace, absolute, idle, frequency = _options(options)
    db = ctx.db
    before = db.lookup_write(key)
    if before is not None and not replace:
        raise CommandError("BUSYKEY Target key name already exists.")
    when = integer(ttl)
    if when < 0:
        raise CommandError("ERR Invalid TTL value, must be >= 0")
    if not payload.is_intact(serialized, checksum=ctx.engine.payload_checksums):
        raise CommandError("ERR DUMP payload version or checksum are wrong")
    try:
        value = payload.restore(serialized, ctx.config)
    except CorruptData as error:
        ctx.engine.log("verbose", f"Internal error in RDB reading -> {error}")
        raise CommandError("ERR Bad data format") from None

    deleted = replace and db.delete(key)
    if when and not absolute:
        when += ctx.now
    # A replica keeps an expired key until its master deletes it.
    if when and when <= ctx.now and not ctx.engine.state.hide_expired:
        if deleted:
            ctx.propagate_as([b"UNLINK" if ctx.config.lazyfree_lazy_server_del else b"DEL", key])
            ctx.changed(key, "del")
        ctx.engine.stats.expired_keys += 1
        return OK
    db.add(key, value)
    note_times(db, key, value)
    is_foreign = payload.is_foreign(serialized)
    if is_foreign:
        # A replica may be of Redis, which would refuse the payload.
        serialized = payload.dump(value, ctx.config.rdbcompression)
    if when:
        db.expire_at(key, when)
    if is_foreign or (when and not absolute):
        more = (b"ABSTTL",) if when and not absolute else ()
        ctx.propagate_as([name, key, b"%d" % when, serialized, *options, *more])
    # The eviction policy keeps only one of the two.
    if idle is not None:
        db.set_idle(key, idle * 1000)
    if frequency is not None:
        db.set_frequency(key, frequency)
    ctx.changed(key, "restore")
    ctx.overwrote(db, key, before, value)
    return OK


def _options(options: tuple[bytes, ...]) -> tuple[bool, bool, int | None, int | None]:
    """Parses the options: (replace, whether the time is absolute, idle time (s), access frequency)."""
    replace = absolute = False
    idle: int | None = None
    frequency: int | None = None
    rest = iter(options)
    for given in rest:
        option = keyword(given)
        if option == b"REPLACE":
            replace = True
        elif option == b"ABSTTL":
            absolute = True
        elif option == b"IDLETIME" and frequency is None and (text := next(rest, None)) is not None:
            idle = integer(text)
            if idle < 0:
                raise CommandError("ERR Invalid IDLETIME value, must be >= 0")
        elif option == b"FREQ" and idle is None and (text := next(rest, None)) is not None:
            frequency = integer(text)
            if not 0 <= frequency <= 255:
                raise CommandError("ERR Invalid FREQ value, must be >= 0 and <= 255")
        else:
            raise SyntaxError_
    return replace, absolute, idle, frequency
