"""A rate limiter: CL.THROTTLE, in the manner of the Redis module redis-cell.

    ./your_program.sh --loadmodule examples/ratelimit.py
    redis-cli CL.THROTTLE user:7 15 30 60

allows ``user:7`` 30 calls in 60 seconds, and 16 at once. The algorithm is the generic cell rate algorithm: of each key
only one time is kept, the one at which all its calls would have been made at an even pace. The key expires by itself.
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

    Takes part of an allowance of calls, and tells whether the caller may go on.

    Answers five integers: 0 for allowed and 1 for not, the allowance, what is left of it, in how many seconds to try
    again (-1 if allowed), and in how many seconds the allowance is whole.
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
        # In a replica or a file the time is what counts, not the call: it would be made at another time there.
        call(ctx, "SET", key, after, "PXAT", ctx.now + (after - now) // 1000 + 1)
    ahead = after - now
    return [int(limited), allowance, (whole - ahead) // interval, retry, _seconds(ahead)]


def _at_least(least: int, text: bytes, name: str) -> int:
    value = integer(text)
    if value < least:
        raise CommandError(f"ERR {name} must be at least {least}")
    return value


def _seconds(microseconds: int) -> int:
    """Whole seconds, rounded up: who waits for that long has waited long enough."""
    return -(-microseconds // MICROSECONDS)
