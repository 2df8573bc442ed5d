"""Strings: reading and writing parts of values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.clients import MASTER
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, INSERT, RO, RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.parse import integer
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("string")

_OF_THE_RESULT = "O(N) where N is the length of the part returned"


def _check_length(ctx: Client, length: int) -> None:
    # A replica accepts any value that its master accepted.
    if length > ctx.config.proto_max_bulk_len and not ctx.gates & MASTER:
        raise CommandError("ERR string exceeds maximum allowed size (proto-max-bulk-len)")


def _writable(ctx: Client, key: bytes, value: bytes | bytearray) -> bytearray:
    """The value of ``key`` as a bytearray, which the database now stores, so that it can be changed in place."""
    if isinstance(value, bytearray):
        return value
    changeable = bytearray(value)
    ctx.db.replace(key, changeable)
    return changeable


@command(
    "APPEND",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=first_key(RW | INSERT),
    since="2.0.0",
    complexity="O(1) for small values, because the allocated space doubles when it runs out",
)
def append(ctx: Client, key: bytes, value: bytes) -> Reply:
    """APPEND key value

    Appends bytes to the string stored at a key. Creates the string if the key does not exist.
    """
    db = ctx.db
    before = db.write_string(key)
    if before is None:
        db.add(key, value)
        length = len(value)
    else:
        length = len(before) + len(value)
        _check_length(ctx, length)
        changeable = _writable(ctx, key, before)
        changeable += value
    ctx.changed(key, "append")
    return length


@command(
    "SETRANGE",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=first_key(RW | UPDATE),
    since="2.2.0",
    complexity="O(N) where N is the length of the value and of the zero bytes that fill a gap before it",
)
def setrange(ctx: Client, key: bytes, offset: bytes, value: bytes) -> Reply:
    """SETRANGE key offset value

    Overwrites a part of the string stored at a key, starting at an offset. Zero bytes fill any gap before the offset.
    """
    start = integer(offset)
    if start < 0:
        raise CommandError("ERR offset is out of range")
    before = ctx.db.write_string(key)
    if not value:
        return 0 if before is None else len(before)
    end = start + len(value)
    _check_length(ctx, end)
    if before is None:
        changeable = bytearray()
        ctx.db.add(key, changeable)
    else:
        changeable = _writable(ctx, key, before)
    if len(changeable) < start:
        changeable += bytes(start - len(changeable))
    changeable[start:end] = value
    ctx.changed(key, "setrange")
    return len(changeable)


def _substring(ctx: Client, key: bytes, first: bytes, last: bytes) -> bytes:
    start, end = integer(first), integer(last)
    value = ctx.db.read_string(key)
    if value is None or (start < 0 and end < 0 and start > end):
        return b""
    size = len(value)
    if start < 0:
        start = max(start + size, 0)
    if end < 0:
        # An end before the string refers to its first byte: GETRANGE abc 0 -9 returns "a".
        end = max(end + size, 0)
    return bytes(value[start : end + 1])


range_command = command.with_defaults(arity=4, flags=READONLY, keys=first_key(RO | ACCESS), complexity=_OF_THE_RESULT)


@range_command("GETRANGE", since="2.4.0")
def getrange(ctx: Client, key: bytes, start: bytes, end: bytes) -> Reply:
    """GETRANGE key start end

    Returns the part of a string between two inclusive offsets; negative offsets count from the end.
    """
    return _substring(ctx, key, start, end)


@range_command("SUBSTR", since="1.0.0", deprecated_since="2.0.0", replaced_by="`GETRANGE`")
def substr(ctx: Client, key: bytes, start: bytes, end: bytes) -> Reply:
    """SUBSTR key start end

    Returns a part of a string. This is the old name of GETRANGE.
    """
    return _substring(ctx, key, start, end)
