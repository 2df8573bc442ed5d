"""Sets: unions, intersections and differences."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from twisted_redis.datatypes.set import (
    Set,
    difference,
    gathered,
    gathered_difference,
    intersection,
    intersection_size,
    union,
)
from twisted_redis.engine.declare.flags import DENYOOM, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, OW, RO, UPDATE, counted_keys, first_key, key_range
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import INT64_MAX, integer_in, positive
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Bulks, Reply, SetReply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("set", since="1.0.0")

_PRODUCT = "O(N*M) at worst, for M sets of which the smallest has N members"
_SUM = "O(N) for N members in all sets together"


combine_command = command.with_defaults(
    arity=-2, flags=READONLY, keys=key_range(RO | ACCESS), tips=("nondeterministic_output_order",)
)
store_command = command.with_defaults(
    arity=-3, flags=WRITE | DENYOOM, keys=first_key(OW | UPDATE) + key_range(RO | ACCESS, index=2)
)


def _existing(ctx: Client, keys: tuple[bytes, ...]) -> list[Set]:
    """The sets at ``keys``, without missing ones."""
    read = ctx.db.read
    return [found for key in keys if (found := read(key, Set)) is not None]


def _to_intersect(ctx: Client, keys: tuple[bytes, ...]) -> list[Set]:
    """The sets at ``keys``; none if one is missing, because the intersection is empty then."""
    sets = _existing(ctx, keys)
    return sets if len(sets) == len(keys) else []


def _to_subtract(ctx: Client, keys: tuple[bytes, ...]) -> tuple[Set | None, list[Set]]:
    """The set at the first key, None if it is missing, and the other sets that exist."""
    return ctx.db.read(keys[0], Set), _existing(ctx, keys[1:])


def _reply(ctx: Client, members: Collection[bytes]) -> Reply:
    return Bulks(members) if ctx.resp == 2 else SetReply(members)


def _store(ctx: Client, destination: bytes, result: Set | None, event: str) -> int:
    """Replaces the value of a key with a result, or deletes the key if the result is empty."""
    if not result:
        if ctx.db.delete(destination):
            ctx.changed(destination, "del")
        return 0
    ctx.store(destination, result, event)
    return len(result)


@combine_command("SINTER", complexity=_PRODUCT)
def sinter(ctx: Client, *keys: bytes) -> Reply:
    """SINTER key [key ...]

    Returns the members that all given sets have in common.
    """
    sets = _to_intersect(ctx, keys)
    return _reply(ctx, intersection(sets) if sets else ())


@store_command("SINTERSTORE", complexity=_PRODUCT)
def sinterstore(ctx: Client, destination: bytes, *keys: bytes) -> Reply:
    """SINTERSTORE destination key [key ...]

    Stores the members that all given sets have in common and returns their number.
    """
    sets = _to_intersect(ctx, keys)
    if not sets:
        return _store(ctx, destination, None, "sinterstore")
    form = min(sets, key=len).members.__class__
    result = gathered(intersection(sets), ctx.config, form, narrow=True)
    return _store(ctx, destination, result, "sinterstore")


@command("SINTERCARD", arity=-3, flags=READONLY, keys=counted_keys(RO | ACCESS), since="7.0.0", complexity=_PRODUCT)
def sintercard(ctx: Client, numkeys: bytes, *arguments: bytes) -> Reply:
    """SINTERCARD numkeys key [key ...] [LIMIT limit]

    Returns the number of members that all given sets have in common; stops counting at a limit.
    """
    count = integer_in(numkeys, 1, INT64_MAX, "ERR numkeys should be greater than 0")
    if count > len(arguments):
        raise CommandError("ERR Number of keys can't be greater than number of args")
    limit = 0
    options = iter(arguments[count:])
    for option in options:
        value = next(options, None)
        if keyword(option) != b"LIMIT" or value is None:
            raise SyntaxError_
        limit = positive(value, "ERR LIMIT can't be negative")
    sets = _to_intersect(ctx, arguments[:count])
    return intersection_size(sets, limit) if sets else 0


@combine_command("SUNION", complexity=_SUM)
def sunion(ctx: Client, *keys: bytes) -> Reply:
    """SUNION key [key ...]

    Returns the members of any of the given sets.
    """
    return _reply(ctx, union(_existing(ctx, keys)))


@store_command("SUNIONSTORE", complexity=_SUM)
def sunionstore(ctx: Client, destination: bytes, *keys: bytes) -> Reply:
    """SUNIONSTORE destination key [key ...]

    Stores the members of any of the given sets and returns their number.
    """
    return _store(ctx, destination, gathered(union(_existing(ctx, keys)), ctx.config), "sunionstore")


@combine_command("SDIFF", complexity=_SUM)
def sdiff(ctx: Client, *keys: bytes) -> Reply:
    """SDIFF key [key ...]

    Returns the members of the first set that are in none of the others.
    """
    first, others = _to_subtract(ctx, keys)
    return _reply(ctx, () if first is None else difference(first, others))


@store_command("SDIFFSTORE", complexity=_SUM)
def sdiffstore(ctx: Client, destination: bytes, *keys: bytes) -> Reply:
    """SDIFFSTORE destination key [key ...]

    Stores the members of the first set that are in none of the others and returns their number.
    """
    first, others = _to_subtract(ctx, keys)
    result = None if first is None else gathered_difference(first, others, ctx.config)
    return _store(ctx, destination, result, "sdiffstore")
