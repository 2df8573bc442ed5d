"""INCREX: a number that grows within bounds and gets a time to live."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from twisted_redis.commands.strings.options import EXPIRY_UNITS, expiry, has_passed, only_expires
from twisted_redis.datatypes import long_double
from twisted_redis.datatypes.long_double import LongDouble
from twisted_redis.datatypes.strings import Text, is_integer_encoded
from twisted_redis.engine.declare.flags import DENYOOM, FAST, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, NotFloat, SyntaxError_
from twisted_redis.engine.parse import INT64_MAX, INT64_MIN, integer
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Raw, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted_redis.engine.clients import Client

command = CommandGroup("string", since="8.8.0")


class _Options:
    """The parsed options. ``increment``, ``lower`` and ``upper`` are the words that were given."""

    __slots__ = ("amount", "enx", "floats", "increment", "lower", "persist", "saturate", "unit", "upper")

    def __init__(self, options: tuple[bytes, ...]) -> None:
        self.floats = self.saturate = self.enx = self.persist = False
        self.increment: bytes | None = None
        self.lower: bytes | None = None
        self.upper: bytes | None = None
        self.unit: bytes | None = None
        self.amount = b""
        rest = list(reversed(options))
        while rest:
            option = keyword(rest.pop())
            if option in (b"BYINT", b"BYFLOAT") and rest and self.increment is None:
                self.increment = rest.pop()
                self.floats = option == b"BYFLOAT"
                self._check_increment()
            elif option == b"LBOUND" and rest and self.lower is None:
                self.lower = rest.pop()
            elif option == b"UBOUND" and rest and self.upper is None:
                self.upper = rest.pop()
            elif option == b"SATURATE" and not self.saturate:
                self.saturate = True
            elif option == b"ENX" and not self.enx and not self.persist:
                self.enx = True
            elif option == b"PERSIST" and not (self.persist or self.enx or self.unit):
                self.persist = True
            elif option in EXPIRY_UNITS and rest and not (self.persist or self.unit):
                self.unit, self.amount = option, rest.pop()
            else:
                raise SyntaxError_

    def _check_increment(self) -> None:
        """Refuses a bad increment before the words after it are read, as Redis does."""
        word = self.increment or b""
        if not self.floats:
            integer(word, "ERR Increment is not an integer or out of range")
        elif isinstance(_long_double(word, "ERR Increment is not a valid float"), float):
            raise CommandError("ERR BYFLOAT increment cannot be Infinity")


class _Outcome(NamedTuple):
    """``text`` is the new value, or None if the result is out of bounds and nothing changes."""

    text: bytes | None
    reply: list[Reply]


def _long_double(word: bytes, error: str) -> LongDouble:
    number = long_double.parse(word)
    if number is None:
        raise CommandError(error)
    return number


@command(
    "INCREX",
    arity=-2,
    flags=WRITE | DENYOOM | FAST,
    keys=first_key(RW | ACCESS | UPDATE),
    complexity="O(1)",
)
def increx(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """INCREX key [BYFLOAT float | BYINT integer] [SATURATE] [LBOUND lowerbound] [UBOUND upperbound] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] [ENX]

    Adds a number to the number stored at a key, within bounds, and sets or removes the key's time to live.

    Returns the value and the number that was added. If the result is out of bounds, nothing changes and that number is
    0; with SATURATE, the value becomes the bound.
    """
    chosen = _Options(options)
    add = _float_sum(ctx, chosen) if chosen.floats else _integer_sum(chosen)
    if chosen.enx and not chosen.unit:
        raise CommandError("ERR ENX flag requires an expiration")
    when = expiry(ctx, chosen.unit, chosen.amount, "increx") if chosen.unit else None
    db = ctx.db
    present = db.write_string(key)
    text, reply = add(b"0" if present is None else bytes(present))
    if text is None:
        return reply
    if chosen.enx and key in db.expires:
        when = None
    if when is not None and has_passed(ctx, when):
        only_expires(ctx, key, ctx.config.lazyfree_lazy_expire)
        return reply
    db.replace(key, Text(text) if chosen.floats and is_integer_encoded(text) else text)
    ctx.changed(key, "incrbyfloat" if chosen.floats else "incrby")
    if chosen.persist:
        if db.persist(key):
            ctx.notify(key, "persist")
        ctx.propagate_as([b"SET", key, text])
    elif when is not None:
        db.expire_at(key, when)
        ctx.notify(key, "expire")
        ctx.propagate_as([b"SET", key, text, b"PXAT", b"%d" % when])
    else:
        ctx.propagate_as([b"SET", key, text, b"KEEPTTL"])
    return reply


def _bound(word: bytes | None, name: str, otherwise: int) -> int:
    return otherwise if word is None else integer(word, f"ERR {name} is not an integer or out of range")


def _check_bounds(crossed: bool) -> None:
    if crossed:
        raise CommandError("ERR LBOUND can't be greater than UBOUND")


def _integer_sum(chosen: _Options) -> Callable[[bytes], _Outcome]:
    """Returns a function that adds to an integer."""
    amount = 1 if chosen.increment is None else integer(chosen.increment)
    low, high = _bound(chosen.lower, "LBOUND", INT64_MIN), _bound(chosen.upper, "UBOUND", INT64_MAX)
    _check_bounds(low > high)

    def add(value: bytes) -> _Outcome:
        before = integer(value)
        total = before + amount
        if not low <= total <= high:
            if not chosen.saturate:
                return _Outcome(None, [before, 0])
            # A sum beyond the type is beyond the bound in the direction of the increment.
            total = (
                (high if amount >= 0 else low) if not INT64_MIN <= total <= INT64_MAX else min(max(total, low), high)
            )
        delta = total - before
        if not INT64_MIN <= delta <= INT64_MAX:
            raise CommandError("ERR applied increment would overflow")
        return _Outcome(b"%d" % total, [total, delta])

    return add


def _float_sum(ctx: Client, chosen: _Options) -> Callable[[bytes], _Outcome]:
    """Returns a function that adds to a floating-point number of Redis."""
    amount = _long_double(chosen.increment or b"", "ERR Increment is not a valid float")
    low, high = long_double.LOWEST, long_double.HIGHEST
    if chosen.lower is not None:
        low = _long_double(chosen.lower, "ERR LBOUND is not a valid float")
    if chosen.upper is not None:
        high = _long_double(chosen.upper, "ERR UBOUND is not a valid float")
    _check_bounds(long_double.is_less(high, low))

    def reply(*numbers: LongDouble) -> list[Reply]:
        texts = map(long_double.to_text, numbers)
        return [Raw(b",%b\r\n" % text) if ctx.resp == 3 else text for text in texts]

    def add(value: bytes) -> _Outcome:
        before = long_double.parse(value)
        if before is None:
            raise NotFloat
        if isinstance(before, float):
            raise CommandError("ERR value cannot be Infinity")
        total = long_double.add(before, amount)
        above = total is not None and long_double.is_less(high, total)
        below = total is not None and long_double.is_less(total, low)
        if total is None or above or below:
            if not chosen.saturate:
                return _Outcome(None, reply(before, (0, 0)))
            if total is None:
                above = not long_double.is_less(amount, (0, 0))
            total = high if above else low
        delta = long_double.add(total, long_double.negated(before))
        if delta is None:
            raise CommandError("ERR applied increment would be Infinity")
        return _Outcome(long_double.to_text(total), reply(total, delta))

    return add
