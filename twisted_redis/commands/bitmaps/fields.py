"""BITFIELD: integers of any width at any offset in a string."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from twisted_redis.commands.bitmaps.common import bit_offset, room_for_bit
from twisted_redis.datatypes.bits import FAIL, SATURATE, WRAP, fit, get_field, parse_field_type, set_field
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, RO, RW, UPDATE, VARIABLE_FLAGS, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import c_string
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("bitmap")

_OVERFLOWS = {b"wrap": WRAP, b"sat": SATURATE, b"fail": FAIL}
#: The number of arguments that follow the name of an operation.
_TAKES = {b"get": 2, b"set": 3, b"incrby": 3, b"overflow": 1}


class _Operation(NamedTuple):
    """One operation; ``value`` is the integer to set or to add."""

    name: bytes
    signed: bool
    width: int
    offset: int
    value: int
    overflow: int


def _parse(ctx: Client, words: tuple[bytes, ...]) -> list[_Operation]:
    operations: list[_Operation] = []
    overflow = WRAP
    at = 0
    while at < len(words):
        name = c_string(words[at]).lower()
        count = _TAKES.get(name)
        arguments = words[at + 1 : at + 1 + count] if count is not None else ()
        if len(arguments) != count:
            raise SyntaxError_
        at += 1 + count
        if name == b"overflow":
            mode = _OVERFLOWS.get(c_string(arguments[0]).lower())
            if mode is None:
                raise CommandError("ERR Invalid OVERFLOW type specified")
            overflow = mode
            continue
        field = parse_field_type(arguments[0])
        if field is None:
            raise CommandError(
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
            )
        signed, width = field
        offset = bit_offset(ctx, arguments[1], width)
        value = integer(arguments[2]) if count == 3 else 0
        operations.append(_Operation(name, signed, width, offset, value, overflow))
    return operations


def _read_fields(data: bytes | bytearray, operations: list[_Operation]) -> list[int]:
    return [get_field(data, each.offset, each.width, each.signed) for each in operations]


def _integer_to_set(setting: _Operation) -> int:
    """The integer that SET stores, before the overflow rule is applied.

    Redis computes with 64 bits and therefore treats some negative integers as too high instead of too low: all negative
    integers for an unsigned field, and those just above the lowest 64-bit integer for a signed field.
    """
    value, width = setting.value, setting.width
    if value < 0 and (not setting.signed or (width < 64 and value < (1 << (width - 1)) - 2**63)):
        value += 2**64
    return value


def _keys_of_bitfield(argv: list[bytes]) -> list[tuple[int, int]]:
    at = 2
    while at < len(argv):
        name = c_string(argv[at]).lower()
        if name not in (b"get", b"overflow") or at + _TAKES[name] >= len(argv):
            return [(1, RW | ACCESS | UPDATE)]
        at += 1 + _TAKES[name]
    return [(1, RO | ACCESS)]


@command(
    "BITFIELD",
    arity=-2,
    flags=WRITE | DENYOOM,
    keys=first_key(
        RW | ACCESS | UPDATE | VARIABLE_FLAGS, notes="This command allows both access and modification of the key"
    ),
    getkeys=_keys_of_bitfield,
    since="3.2.0",
    complexity="O(1) for each operation",
)
def bitfield(ctx: Client, key: bytes, *operations: bytes) -> Reply:
    """BITFIELD key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | INCRBY encoding offset increment> ...]

    Reads, sets and increments integers of any width at any offset in a string, in the given order.

    An encoding is ``i`` (signed, up to 64 bits) or ``u`` (unsigned, up to 63) followed by the width.  An offset counts
    bits, or with ``#`` fields of that width.  GET returns the integer, SET the previous one, INCRBY the new one; null
    means that ``OVERFLOW FAIL`` left the field unchanged.
    """
    wanted = _parse(ctx, operations)
    highest = max((each.offset + each.width - 1 for each in wanted if each.name != b"get"), default=-1)
    if highest < 0:
        return _read_fields(ctx.db.read_string(key) or b"", wanted)
    data, grown = room_for_bit(ctx, key, highest)
    replies: list[int | None] = []
    changes = 0
    for each in wanted:
        before = get_field(data, each.offset, each.width, each.signed)
        if each.name == b"get":
            replies.append(before)
            continue
        adding = each.name == b"incrby"
        wish = before + each.value if adding else _integer_to_set(each)
        value = fit(wish, each.width, each.signed, each.overflow)
        if value is None:
            replies.append(None)
            continue
        replies.append(value if adding else before)
        set_field(data, each.offset, each.width, value)
        if grown or value != before:
            changes += 1
    if changes:
        ctx.changed(key, "setbit", changes)
    return replies


@command(
    "BITFIELD_RO",
    arity=-2,
    flags=READONLY | FAST,
    keys=first_key(RO | ACCESS),
    since="6.0.0",
    complexity="O(1) for each operation",
)
def bitfield_ro(ctx: Client, key: bytes, *operations: bytes) -> Reply:
    """BITFIELD_RO key [GET encoding offset [GET encoding offset ...]]

    Reads integers of any width at any offset in a string.
    """
    wanted = _parse(ctx, operations)
    if any(each.name != b"get" for each in wanted):
        raise CommandError("ERR BITFIELD_RO only supports the GET subcommand")
    return _read_fields(ctx.db.read_string(key) or b"", wanted)
