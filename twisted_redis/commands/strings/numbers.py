"""Strings: values that are numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted_redis.datatypes import long_double
from twisted_redis.datatypes.strings import SMALL_INTEGERS, Text, is_integer_encoded
from twisted_redis.engine.declare.flags import DENYOOM, FAST, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, NotFloat, NotInteger
from twisted_redis.engine.parse import INT64_MAX, INT64_MIN, integer, integer_or_none
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup(
    "string", flags=WRITE | DENYOOM | FAST, keys=first_key(RW | ACCESS | UPDATE), since="1.0.0", complexity="O(1)"
)


#: The numbers of the texts up to 1023.  Most counters are small, and then two look-ups replace a check, a conversion and
#: a format (0.04 instead of 0.18 µs).
_NUMBERS: Final = {text: number for number, text in enumerate(SMALL_INTEGERS[:1024])}


def _add(ctx: Client, key: bytes, amount: int) -> int:
    db = ctx.db
    values = db.quick_writes
    value: Any = values.get(key)
    quick = value.__class__ is bytes and key not in db.expires
    if not quick:
        value = db.write_string(key)
        if value is None:
            db.add(key, SMALL_INTEGERS[amount] if -1 < amount < 10_000 else b"%d" % amount)
            ctx.changed(key, "incrby")
            return amount
        value = bytes(value)
    text: bytes = value
    number = _NUMBERS.get(text)
    if number is None:
        number = integer_or_none(text)
        if number is None:
            raise NotInteger
    number += amount
    if -1 < number < 10_000:
        text = SMALL_INTEGERS[number]
    elif INT64_MIN <= number <= INT64_MAX:
        text = b"%d" % number
    else:
        raise CommandError("ERR increment or decrement would overflow")
    # The key exists and keeps its expiry, so only the value changes.  A database that records access times or sizes
    # needs its own method.
    if quick:
        values[key] = text
    else:
        db.replace(key, text)
    ctx.changed(key, "incrby")
    return number


@command("INCR", arity=2)
def incr(ctx: Client, key: bytes) -> Reply:
    """INCR key

    Adds one to the integer stored at a key; a missing key counts as 0.
    """
    return _add(ctx, key, 1)


@command("DECR", arity=2)
def decr(ctx: Client, key: bytes) -> Reply:
    """DECR key

    Subtracts one from the integer stored at a key; a missing key counts as 0.
    """
    return _add(ctx, key, -1)


@command("INCRBY", arity=3)
def incrby(ctx: Client, key: bytes, increment: bytes) -> Reply:
    """INCRBY key increment

    Adds a number to the integer stored at a key; a missing key counts as 0.
    """
    return _add(ctx, key, integer(increment))


@command("DECRBY", arity=3)
def decrby(ctx: Client, key: bytes, decrement: bytes) -> Reply:
    """DECRBY key decrement

    Subtracts a number from the integer stored at a key; a missing key counts as 0.
    """
    amount = integer(decrement)
    if amount == INT64_MIN:
        raise CommandError("ERR decrement would overflow")
    return _add(ctx, key, -amount)


@command("INCRBYFLOAT", arity=3, since="2.6.0")
def incrbyfloat(ctx: Client, key: bytes, increment: bytes) -> Reply:
    """INCRBYFLOAT key increment

    Adds a floating-point number to the number stored at a key; a missing key counts as 0.
    """
    db = ctx.db
    value = db.write_string(key)
    number = long_double.parse(b"0" if value is None else value)
    amount = long_double.parse(increment)
    if number is None or amount is None:
        raise NotFloat
    total = long_double.add(number, amount)
    if total is None:
        raise CommandError("ERR increment would produce NaN or Infinity")
    text = long_double.to_text(total)
    db.replace(key, Text(text) if is_integer_encoded(text) else text)
    ctx.changed(key, "incrbyfloat")
    # Propagates the result rather than the addition, because another machine may round differently.
    ctx.propagate_as([b"SET", key, text, b"KEEPTTL"])
    return text
