"""A rate limiter: CL.THROTTLE, like the Redis module redis-cell.

    ./your_program.sh --loadmodule examples/ratelimit.py
    redis-cli CL.THROTTLE user:7 15 30 60

allows ``user:7`` 30 calls in 60 seconds, and 16 at once. It uses the generic cell rate algorithm, which stores a single
time for each key: the time at which all its calls would be done at an even pace. The key expires by itself.
"""

from __future__ import annotations

from twisted_redis.extending import (
    ACCESS,
    DENYOOM,
    FAST,
    RW,
    UPDATE,
    WRITE,
    Client,
    CommandError,
    Module,
    Reply,
    call,
    first_key,
    integer,
)

module = Module("ratelimit")

MICROSECONDS = 1_000_000


@module.command(
    "CL.THROTTLE",
    arity=-5,
    flags=WRITE | DENYOOM | FAST,
    keys=first_key(RW | ACCESS | UPDATE),
    complexity="O(1)",
)
def throttle(ctx: Client, key: bytes, burst: bytes, count: bytes, period: bytes, *rest: bytes) -> Reply:
    """CL.THROTTLE key max-burst count period [quantity]

    Uses part of an allowance of calls, and returns whether the caller may continue.

    Returns five integers: 0 if the call is allowed or 1 if not, the allowance, the rest of it, the seconds to wait
    before another attempt (-1 if allowed), and the seconds until the full allowance is available again.
    """
    if len(rest) > 1:
        raise CommandError("ERR syntax error")
    allowance = _at_least(0, burst, "max-burst") + 1
    calls = _at_least(1, count, "count")
    seconds = _at_least(1, period, "period")
    quantity = _at_least(0, rest[0], "quantity") if rest else 1

    now = ctx.now * 1000
    interval = seconds * MICROSECONDS // calls
    whole = interval * allowance
    stored = ctx.db.write_string(key)
    planned = max(integer(bytes(stored)), now) if stored is not None else now

    after = planned + quantity * interval
    limited = after - now > whole
    retry = -1
    if limited:
        if quantity <= allowance:
            retry = _seconds(after - whole - now)
        after = planned
    elif quantity:
        # Replicas and files get the time instead of the call, because they would execute the call at another time.
        call(ctx, "SET", key, after, "PXAT", ctx.now + (after - now) // 1000 + 1)
    ahead = after - now
    return [int(limited), allowance, (whole - ahead) // interval, retry, _seconds(ahead)]


def _at_least(least: int, text: bytes, name: str) -> int:
    value = integer(text)
    if value < least:
        raise CommandError(f"ERR {name} must be at least {least}")
    return value


def _seconds(microseconds: int) -> int:
    """Returns whole seconds, rounded up, so that a caller who waits this long has waited long enough."""
    return -(-microseconds // MICROSECONDS)
