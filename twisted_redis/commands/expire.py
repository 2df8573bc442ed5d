"""Times to live: setting, reading and removing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.declare.flags import FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, RO, RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, refusal
from twisted_redis.engine.parse import INT64_MAX, INT64_MIN, integer
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("generic", since="2.6.0", complexity="O(1)")

_CONDITIONS = (b"NX", b"XX", b"GT", b"LT")
_HISTORY = (("7.0.0", "Options `NX`, `XX`, `GT` and `LT`."),)
_MISSING_KEY = (("2.8.0", "Returns -2 for a missing key."),)


def _conditions(options: tuple[bytes, ...]) -> set[bytes]:
    found = set()
    for given in options:
        option = keyword(given)
        if option not in _CONDITIONS:
            raise refusal(b"ERR Unsupported option %b", given)
        found.add(option)
    if b"NX" in found and len(found) > 1:
        raise CommandError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if b"GT" in found and b"LT" in found:
        raise CommandError("ERR GT and LT options at the same time are not compatible")
    return found


def _allowed(conditions: set[bytes], current: int | None, when: int) -> bool:
    """True if a key that expires at ``current`` may expire at ``when`` instead; without an expiry it lives forever."""
    return not (
        (b"NX" in conditions and current is not None)
        or (b"XX" in conditions and current is None)
        or (b"GT" in conditions and (current is None or when <= current))
        or (b"LT" in conditions and current is not None and when >= current)
    )


expire_command = command.with_defaults(arity=-3, flags=WRITE | FAST, keys=first_key(RW | UPDATE), history=_HISTORY)


def _expire(
    ctx: Client, key: bytes, amount: bytes, options: tuple[bytes, ...], *, base: int, factor: int, name: str
) -> int:
    """Sets the expiry of a key to ``base`` plus ``amount`` times ``factor`` ms, or deletes the key if that has passed.

    Returns 1 if it did so, 0 if the key does not exist or ``options`` forbid it.
    """
    conditions = _conditions(options)
    when = integer(amount) * factor
    if not INT64_MIN <= when <= INT64_MAX - base:
        raise CommandError(f"ERR invalid expire time in '{name}' command")
    when += base
    db = ctx.db
    if db.lookup_write(key) is None or (conditions and not _allowed(conditions, db.expiry(key), when)):
        return 0
    if when <= ctx.now and not db.state.hide_expired:
        db.delete(key)
        ctx.changed(key, "del")
        ctx.propagate_as([b"UNLINK" if ctx.config.lazyfree_lazy_expire else b"DEL", key])
        return 1
    db.expire_at(key, when)
    ctx.changed(key, "expire")
    if ctx.effects.recording:
        ctx.propagate_as([b"PEXPIREAT", key, b"%d" % when, *options])
    return 1


@expire_command("EXPIRE", since="1.0.0")
def expire(ctx: Client, key: bytes, seconds: bytes, *options: bytes) -> Reply:
    """EXPIRE key seconds [NX | XX | GT | LT]

    Sets the time to live of a key in seconds.
    """
    return _expire(ctx, key, seconds, options, base=ctx.now, factor=1000, name="expire")


@expire_command("PEXPIRE")
def pexpire(ctx: Client, key: bytes, milliseconds: bytes, *options: bytes) -> Reply:
    """PEXPIRE key milliseconds [NX | XX | GT | LT]

    Sets the time to live of a key in milliseconds.
    """
    return _expire(ctx, key, milliseconds, options, base=ctx.now, factor=1, name="pexpire")


@expire_command("EXPIREAT", since="1.2.0")
def expireat(ctx: Client, key: bytes, unix_time_seconds: bytes, *options: bytes) -> Reply:
    """EXPIREAT key unix-time-seconds [NX | XX | GT | LT]

    Sets the time at which a key expires, in seconds since 1970.
    """
    return _expire(ctx, key, unix_time_seconds, options, base=0, factor=1000, name="expireat")


@expire_command("PEXPIREAT")
def pexpireat(ctx: Client, key: bytes, unix_time_milliseconds: bytes, *options: bytes) -> Reply:
    """PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]

    Sets the time at which a key expires, in milliseconds since 1970.
    """
    return _expire(ctx, key, unix_time_milliseconds, options, base=0, factor=1, name="pexpireat")


ttl_command = command.with_defaults(arity=2, flags=READONLY | FAST, keys=first_key(RO | ACCESS))


def _expiry_or_code(ctx: Client, key: bytes, *, relative: bool) -> int:
    """The expiry (ms) of a key, relative to now or since 1970; -1 if it has none, -2 if the key does not exist."""
    db = ctx.db
    if db.lookup_untouched(key) is None:
        return -2
    when = db.expiry(key)
    if when is None:
        return -1
    return max(0, when - ctx.now if relative else when)


def _to_seconds(milliseconds: int) -> int:
    return (milliseconds + 500) // 1000 if milliseconds >= 0 else milliseconds


@ttl_command("TTL", since="1.0.0", tips=("nondeterministic_output",), history=_MISSING_KEY)
def ttl(ctx: Client, key: bytes) -> Reply:
    """TTL key

    Returns the remaining time to live of a key in seconds; -1 if it does not expire, -2 if it does not exist.
    """
    return _to_seconds(_expiry_or_code(ctx, key, relative=True))


@ttl_command("PTTL", tips=("nondeterministic_output",), history=_MISSING_KEY)
def pttl(ctx: Client, key: bytes) -> Reply:
    """PTTL key

    Returns the remaining time to live of a key in milliseconds; -1 if it does not expire, -2 if it does not exist.
    """
    return _expiry_or_code(ctx, key, relative=True)


@ttl_command("EXPIRETIME", since="7.0.0")
def expiretime(ctx: Client, key: bytes) -> Reply:
    """EXPIRETIME key

    Returns the time at which a key expires, in seconds since 1970; -1 if it does not expire, -2 if it does not exist.
    """
    return _to_seconds(_expiry_or_code(ctx, key, relative=False))


@ttl_command("PEXPIRETIME", since="7.0.0")
def pexpiretime(ctx: Client, key: bytes) -> Reply:
    """PEXPIRETIME key

    Returns the time at which a key expires, in ms since 1970; -1 if it does not expire, -2 if it does not exist.
    """
    return _expiry_or_code(ctx, key, relative=False)


@command("PERSIST", arity=2, flags=WRITE | FAST, keys=first_key(RW | UPDATE), since="2.2.0")
def persist(ctx: Client, key: bytes) -> Reply:
    """PERSIST key

    Removes the expiry of a key.
    """
    db = ctx.db
    if db.lookup_write(key) is None or not db.persist(key):
        return 0
    ctx.changed(key, "persist")
    return 1
