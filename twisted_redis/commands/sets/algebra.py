"""Sets: unions, intersections and differences."""

from __future__ import annotations

from collections.abc import Collection, Iterable
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

_READ = key_range(RO | ACCESS)
_STORE = first_key(OW | UPDATE) + key_range(RO | ACCESS, index=2)

_PRODUCT = "O(N*M) at worst, for M sets of which the smallest has N members"
_SUM = "O(N) for N members in all sets together"


def _sets(ctx: Client, keys: Iterable[bytes]) -> list[Set | None]:
    read = ctx.db.read
    return [read(key, Set) for key in keys]


def _reply(ctx: Client, members: Collection[bytes]) -> Reply:
    return Bulks(members) if ctx.resp == 2 else SetReply(members)


def _store(ctx: Client, destination: bytes, result: Set | None, event: str) -> int:
    """Puts a result at a key whatever was there, or removes the key if the result is empty."""
    if not result:
        if ctx.db.delete(destination):
            ctx.changed(destination, "del")
        return 0
    ctx.store(destination, result, event)
    return len(result)


def _common(sets: list[Set | None]) -> list[Set] | None:
    """The sets of an intersection; None if one is missing, as nothing is common then."""
    return None if None in sets else [one for one in sets if one is not None]


@command("SINTER", arity=-2, flags=READONLY, keys=_READ, complexity=_PRODUCT, tips=("nondeterministic_output_order",))
def sinter(ctx: Client, *keys: bytes) -> Reply:
    """SINTER key [key ...]

    Returns the members that all given sets have in common.
    """
    sets = _common(_sets(ctx, keys))
    return _reply(ctx, intersection(sets) if sets else ())


@command("SINTERSTORE", arity=-3, flags=WRITE | DENYOOM, keys=_STORE, complexity=_PRODUCT)
def sinterstore(ctx: Client, destination: bytes, *keys: bytes) -> Reply:
    """SINTERSTORE destination key [key ...]

    Stores the members that all given sets have in common and tells how many there are.
    """
    sets = _common(_sets(ctx, keys))
    if not sets:
        return _store(ctx, destination, None, "sinterstore")
    form = min(sets, key=len).members.__class__
    result = gathered(intersection(sets), ctx.config, form, narrow=True)
    return _store(ctx, destination, result, "sinterstore")


@command("SINTERCARD", arity=-3, flags=READONLY, keys=counted_keys(RO | ACCESS), since="7.0.0", complexity=_PRODUCT)
def sintercard(ctx: Client, numkeys: bytes, *arguments: bytes) -> Reply:
    """SINTERCARD numkeys key [key ...] [LIMIT limit]

    Tells how many members all given sets have in common, counting no further than a limit.
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
    sets = _common(_sets(ctx, arguments[:count]))
    return intersection_size(sets, limit) if sets else 0


@command("SUNION", arity=-2, flags=READONLY, keys=_READ, complexity=_SUM, tips=("nondeterministic_output_order",))
def sunion(ctx: Client, *keys: bytes) -> Reply:
    """SUNION key [key ...]

    Returns the members of any of the given sets.
    """
    return _reply(ctx, union([one for one in _sets(ctx, keys) if one is not None]))


@command("SUNIONSTORE", arity=-3, flags=WRITE | DENYOOM, keys=_STORE, complexity=_SUM)
def sunionstore(ctx: Client, destination: bytes, *keys: bytes) -> Reply:
    """SUNIONSTORE destination key [key ...]

    Stores the members of any of the given sets and tells how many there are.
    """
    members = union([one for one in _sets(ctx, keys) if one is not None])
    return _store(ctx, destination, gathered(members, ctx.config), "sunionstore")


@command("SDIFF", arity=-2, flags=READONLY, keys=_READ, complexity=_SUM, tips=("nondeterministic_output_order",))
def sdiff(ctx: Client, *keys: bytes) -> Reply:
    """SDIFF key [key ...]

    Returns the members of the first set that none of the others has.
    """
    first, *others = _sets(ctx, keys)
    if first is None:
        return SetReply()
    return _reply(ctx, difference(first, [one for one in others if one is not None]))


@command("SDIFFSTORE", arity=-3, flags=WRITE | DENYOOM, keys=_STORE, complexity=_SUM)
def sdiffstore(ctx: Client, destination: bytes, *keys: bytes) -> Reply:
    """SDIFFSTORE destination key [key ...]

    Stores the members of the first set that none of the others has and tells how many there are.
    """
    first, *others = _sets(ctx, keys)
    if first is None:
        return _store(ctx, destination, None, "sdiffstore")
    result = gathered_difference(first, [one for one in others if one is not None], ctx.config)
    return _store(ctx, destination, result, "sdiffstore")
