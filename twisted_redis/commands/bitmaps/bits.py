"""Single bits, ranges of bits, and bitwise operations on whole strings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.bitmaps.common import bit_offset, room_for_bit
from twisted_redis.datatypes.bits import OF_TWO, OPERATIONS, combine, count_bits, find_bit, get_bit, invert, set_bit
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, OW, RO, RW, UPDATE, first_key, key_at, key_range
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import c_string
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("bitmap", complexity="O(1)")


@command("SETBIT", arity=4, flags=WRITE | DENYOOM, keys=first_key(RW | ACCESS | UPDATE), since="2.2.0")
def setbit(ctx: Client, key: bytes, offset: bytes, value: bytes) -> Reply:
    """SETBIT key offset value

    Sets one bit of a string and returns its previous value. Extends the string with zero bytes as needed.
    """
    place = bit_offset(ctx, offset)
    on = integer(value, "ERR bit is not an integer or out of range")
    if on >> 1:
        raise CommandError("ERR bit is not an integer or out of range")
    data, grown = room_for_bit(ctx, key, place)
    before = set_bit(data, place, on)
    if grown or before != on:
        ctx.changed(key, "setbit")
    return before


@command("GETBIT", arity=3, flags=READONLY | FAST, keys=first_key(RO | ACCESS), since="2.2.0")
def getbit(ctx: Client, key: bytes, offset: bytes) -> Reply:
    """GETBIT key offset

    Returns one bit of a string; all bits beyond its end are 0.
    """
    place = bit_offset(ctx, offset)
    data = ctx.db.read_string(key)
    return 0 if data is None else get_bit(data, place)


@command(
    "BITOP",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=key_at(2, OW | UPDATE) + key_range(RO | ACCESS, index=3),
    since="2.6.0",
    complexity="O(N) where N is the length of the longest string",
)
def bitop(ctx: Client, operation: bytes, destkey: bytes, *keys: bytes) -> Reply:
    """BITOP <AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey key [key ...]

    Stores the bitwise combination of strings, with shorter strings extended by zero bytes.

    DIFF keeps the bits of the first string that no other one has, DIFF1 those of the others that the first one lacks,
    ANDOR those that the first one shares with any other, and ONE those that exactly one string has.

    Returns the length (bytes) of the result; an empty result deletes the destination.
    """
    name = c_string(operation).lower()
    if name != b"not" and name not in OPERATIONS:
        raise SyntaxError_
    if name == b"not" and len(keys) != 1:
        raise CommandError("ERR BITOP NOT must be called with a single source key.")
    if name in OF_TWO and len(keys) < 2:
        raise CommandError(f"ERR BITOP {name.decode().upper()} must be called with at least two source keys.")
    db = ctx.db
    sources = [db.read_string(key) or b"" for key in keys]
    if any(sources):
        result = invert(sources[0]) if name == b"not" else combine(OPERATIONS[name], sources)
        # Looked up first, so that a key whose time has come counts as expired and not as overwritten.
        db.lookup_write(destkey)
        db.set(destkey, result)
        ctx.changed(destkey, "set")
        return len(result)
    if db.exists(destkey):
        db.delete(destkey)
        ctx.changed(destkey, "del")
    return 0


def _in_bits(unit: bytes) -> bool:
    word = c_string(unit).lower()
    if word not in (b"bit", b"byte"):
        raise SyntaxError_
    return word == b"bit"


def _bounds(start: int, end: int, size: int, bits: bool) -> tuple[int, int]:
    """The range (bits) between two indexes of bytes, or of ``bits``, in a string of ``size`` bytes.

    The range is empty if the indexes cross.
    """
    total = size * 8 if bits else size
    first = max(start + total, 0) if start < 0 else start
    last = min(max(end + total, 0) if end < 0 else end, total - 1)
    return (first, last) if bits else (first * 8, last * 8 + 7)


range_command = command.with_defaults(
    flags=READONLY,
    keys=first_key(RO | ACCESS),
    complexity="O(N) where N is the length of the range",
    history=(("7.0.0", "Ranges in bits: `BYTE|BIT`."),),
)


@range_command("BITCOUNT", arity=-2, since="2.6.0")
def bitcount(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """BITCOUNT key [start end [BYTE | BIT]]

    Counts the bits that are 1 in a string or in a range of it.

    Negative indexes count from the end.
    """
    if not options:
        data = ctx.db.read_string(key)
        return count_bits(data, 0, len(data) * 8 - 1) if data else 0
    if len(options) not in (2, 3):
        raise SyntaxError_
    start, end = integer(options[0]), integer(options[1])
    bits = _in_bits(options[2]) if len(options) == 3 else False
    data = ctx.db.read_string(key)
    if not data or (start < 0 and end < 0 and start > end):
        return 0
    first, last = _bounds(start, end, len(data), bits)
    return count_bits(data, first, last) if first <= last else 0


@range_command("BITPOS", arity=-3, since="2.8.7")
def bitpos(ctx: Client, key: bytes, bit: bytes, *options: bytes) -> Reply:
    """BITPOS key bit [start [end [BYTE | BIT]]]

    Finds the first bit that is 1 or 0 in a string or in a range of it.

    Returns the offset (bits) from the beginning of the string, or -1 if there is no such bit.  Without an end, zeros
    are assumed to follow the string.  A 0 is then always found, unless the range starts beyond the string or the string
    is empty.
    """
    wanted = integer(bit)
    if wanted not in (0, 1):
        raise CommandError("ERR The bit argument must be 1 or 0.")
    if len(options) > 3:
        raise SyntaxError_
    start = integer(options[0]) if options else 0
    bits = _in_bits(options[2]) if len(options) == 3 else False
    end = integer(options[1]) if len(options) > 1 else -1
    data = ctx.db.read_string(key)
    if data is None:
        return -wanted
    # In an empty string an end of -1 would refer to byte 0.
    first, last = _bounds(start, end, len(data), bits) if data else (0, -1)
    if first > last:
        return -1
    found = find_bit(data, wanted, first, last)
    if found < 0 and not wanted and len(options) < 2:
        return len(data) * 8
    return found
