"""Arrays: appending at the cursor, and rings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.arrays.common import command, index_of, number_reply, writable, wrong_arity
from twisted_redis.datatypes.array import MAX_INDEX, Array, ArrayLimits
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, RO, RW, UPDATE, first_key
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

_READ = first_key(RO | ACCESS)
_CHANGE = first_key(RW | UPDATE)


@command("ARINSERT", arity=-3, flags=WRITE | DENYOOM | FAST, keys=_CHANGE, complexity="O(N) for N values")
def arinsert(ctx: Client, key: bytes, *value: bytes) -> Reply:
    """ARINSERT key value [value ...]

    Stores values behind the last inserted one; returns the index of the last value.
    """
    target = writable(ctx, key)
    last = target.cursor + len(value)
    if last > MAX_INDEX:
        raise CommandError("ERR insert index overflow")
    target.set_all(target.cursor + 1, value, ctx.config)
    target.cursor = last
    ctx.changed(key, "arinsert", len(value))
    return number_reply(last)


@command("ARNEXT", arity=2, flags=READONLY | FAST, keys=_READ)
def arnext(ctx: Client, key: bytes) -> Reply:
    """ARNEXT key

    Returns the index at which ARINSERT would store the next value.
    """
    found = ctx.db.read(key, Array)
    if found is None:
        return 0
    return number_reply(found.cursor + 1) if found.cursor < MAX_INDEX else None


@command("ARSEEK", arity=3, flags=WRITE | FAST, keys=_CHANGE)
def arseek(ctx: Client, key: bytes, index: bytes) -> Reply:
    """ARSEEK key index

    Chooses the index at which ARINSERT and ARRING store the next value; returns 0 if there is no such array, else 1.
    """
    # Behind the last index, so that nothing can be inserted: that is a state of a full array.
    position = index_of(index, MAX_INDEX + 1)
    target = ctx.db.write(key, Array)
    if target is None:
        return 0
    target.cursor = position - 1
    ctx.changed(key, "arseek")
    return 1


@command(
    "ARRING",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=_CHANGE,
    complexity="O(M) for M values; O(N+M) if the size of the ring of N elements changes",
)
def arring(ctx: Client, key: bytes, size: bytes, *value: bytes) -> Reply:
    """ARRING key size value [value ...]

    Stores values in a ring of a given size, over the oldest ones if it is full; returns the index of the last value.
    """
    positions = integer(size, "ERR invalid size")
    if positions <= 0:
        raise CommandError("ERR size must be positive")
    target = writable(ctx, key)
    config = ctx.config
    span = target.length
    if positions < span:
        target.take(_newest(target, span, positions, config))
    elif positions > span and 0 <= target.cursor < span - 1:
        # The ring has begun again at its start: it is put in order before it grows.
        target.take(_newest(target, span, span, config))
    place = target.cursor
    for each in value:
        place = (place + 1) % positions
        target.set(place, each, config)
    target.cursor = place
    ctx.changed(key, "arring", len(value))
    return number_reply(place)


def _newest(old: Array, span: int, most: int, limits: ArrayLimits) -> Array:
    """Returns an array of the newest ``most`` elements without a gap, the oldest of them first."""
    place = span - 1 if old.cursor < 0 else old.cursor % span
    values: list[bytes] = []
    while len(values) < most:
        value = old.get(place)
        if value is None:
            break
        values.append(value)
        place = (place or span) - 1
    new = Array(limits.array_slice_size)
    for index, value in enumerate(reversed(values)):
        new.set(index, value, limits)
    new.cursor = len(values) - 1
    return new


@command("ARLASTITEMS", arity=-3, flags=READONLY, keys=_READ, complexity="O(N) for N items")
def arlastitems(ctx: Client, key: bytes, count: bytes, *option: bytes) -> Reply:
    """ARLASTITEMS key count [REV]

    Returns the values at the last positions up to the cursor, the oldest first; REV turns the order.
    """
    wanted = integer(count, "ERR invalid COUNT")
    if wanted <= 0:
        return []
    if len(option) > 1:
        raise wrong_arity("arlastitems")
    if option and keyword(option[0]) != b"REV":
        raise SyntaxError_
    found = ctx.db.read(key, Array)
    if found is None:
        return []
    wanted = min(wanted, found.count)
    length = found.length
    place = length - 1 if found.cursor < 0 else found.cursor
    values: list[bytes | None] = []
    while wanted > 0:
        # Straight down to the first position; then from the end again.
        low = max(0, place + 1 - wanted)
        part = found.values_at(low, place)
        part.reverse()
        values += part
        wanted -= len(part)
        place = length - 1
    if not option:
        values.reverse()
    return values
