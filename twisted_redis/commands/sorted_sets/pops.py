"""Sorted sets: popping members with the lowest or highest scores, and waiting for members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.datatypes.zset import ZSet
from twisted_redis.engine.blocking import Block
from twisted_redis.engine.declare.flags import BLOCKING, FAST, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, DELETE, RW, counted_keys, first_key, key_range
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import SyntaxError_
from twisted_redis.engine.parse import INT64_MAX, integer_in, positive, timeout
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import NullArray, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("sorted-set", since="5.0.0")

_POPPED = RW | ACCESS | DELETE

_EACH_POPPED = "O(M*log(N)) for M members popped off a sorted set of N"
_ONE_POPPED = "O(log(N)) in a sorted set of N members"
_KEYS_AND_MEMBERS = "O(K) + O(M*log(N)) for K keys and M members popped off a sorted set of N"

_FRACTIONS = (("6.0.0", "`timeout` may have a fraction."),)


def _pop_one(ctx: Client, key: bytes, target: ZSet, *, last: bool) -> tuple[bytes, float]:
    """Pops one member of a sorted set that is not empty."""
    pair = target.pop(last=last)
    ctx.changed(key, "zpopmax" if last else "zpopmin")
    if not target.scores:
        ctx.removed(key)
    return pair


def _pop_several(ctx: Client, key: bytes, target: ZSet, count: int, *, last: bool) -> list[tuple[bytes, float]]:
    """Pops up to ``count`` members of a sorted set that is not empty."""
    taken = target.pop_some(count, last=last)
    ctx.changed(key, "zpopmax" if last else "zpopmin", len(taken))
    if not target.scores:
        ctx.removed(key)
    return taken


pop_command = command.with_defaults(arity=-2, flags=WRITE | FAST, keys=first_key(_POPPED), complexity=_EACH_POPPED)


def _pop_count(ctx: Client, key: bytes, options: tuple[bytes, ...], *, last: bool) -> Reply:
    if len(options) > 1:
        raise SyntaxError_
    count = positive(options[0])
    target = ctx.db.write(key, ZSet)
    if target is None or not count:
        return []
    taken = _pop_several(ctx, key, target, count, last=last)
    return [item for pair in taken for item in pair] if ctx.resp == 2 else taken


@pop_command("ZPOPMIN")
def zpopmin(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """ZPOPMIN key [count]

    Pops the members with the lowest scores from a sorted set; returns them with their scores.
    """
    if options:
        return _pop_count(ctx, key, options, last=False)
    target = ctx.db.write(key, ZSet)
    return [] if target is None else _pop_one(ctx, key, target, last=False)


@pop_command("ZPOPMAX")
def zpopmax(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """ZPOPMAX key [count]

    Pops the members with the highest scores from a sorted set; returns them with their scores.
    """
    if options:
        return _pop_count(ctx, key, options, last=True)
    target = ctx.db.write(key, ZSet)
    return [] if target is None else _pop_one(ctx, key, target, last=True)


# Popping from the first of several sorted sets


def _parse_mpop(arguments: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], bool, int]:
    """Parses ``numkeys key [key ...] <MIN | MAX> [COUNT count]``: the keys, whether MAX is given, and the count."""
    number = integer_in(arguments[0], 1, INT64_MAX, "ERR numkeys should be greater than 0")
    if len(arguments) <= number + 1:
        raise SyntaxError_
    end = keyword(arguments[number + 1])
    if end not in (b"MIN", b"MAX"):
        raise SyntaxError_
    options = arguments[number + 2 :]
    count = 1
    # Redis checks the number of the first COUNT before it rejects a second COUNT or any other word.
    if len(options) > 1 and keyword(options[0]) == b"COUNT":
        count = integer_in(options[1], 1, INT64_MAX, "ERR count should be greater than 0")
        options = options[2:]
    if options:
        raise SyntaxError_
    return arguments[1 : number + 1], end == b"MAX", count


def _pop_first_of(ctx: Client, keys: tuple[bytes, ...], count: int, *, last: bool) -> Reply:
    """Pops up to ``count`` members from the first sorted set that exists.

    Returns the key and the members with their scores, or None if no sorted set exists.
    """
    for key in keys:
        target = ctx.db.write(key, ZSet)
        if target is not None:
            taken = _pop_several(ctx, key, target, count, last=last)
            ctx.propagate_as([b"ZPOPMAX" if last else b"ZPOPMIN", key, b"%d" % len(taken)])
            return [key, taken]
    return None


@command("ZMPOP", arity=-4, flags=WRITE, keys=counted_keys(_POPPED), since="7.0.0", complexity=_KEYS_AND_MEMBERS)
def zmpop(ctx: Client, *arguments: bytes) -> Reply:
    """ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]

    Pops members from the first sorted set that exists; returns its key and the members with their scores.
    """
    keys, last, count = _parse_mpop(arguments)
    return _pop_first_of(ctx, keys, count, last=last) or NullArray


# Waiting


@command(
    "BZMPOP",
    arity=-5,
    flags=WRITE | BLOCKING,
    keys=counted_keys(_POPPED, index=2),
    since="7.0.0",
    complexity=_KEYS_AND_MEMBERS,
)
def bzmpop(ctx: Client, time: bytes, *arguments: bytes) -> Reply:
    """BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]

    Pops members from the first sorted set that exists; waits while none exists.
    """
    keys, last, count = _parse_mpop(arguments)
    seconds = timeout(time)
    return _pop_first_of(ctx, keys, count, last=last) or Block(keys, "zset", seconds)


blocking_pop_command = command.with_defaults(
    arity=-3,
    flags=WRITE | BLOCKING | FAST,
    keys=key_range(_POPPED, last=-2),
    complexity=_ONE_POPPED,
    history=_FRACTIONS,
)


def _blocking_pop(ctx: Client, arguments: tuple[bytes, ...], *, last: bool) -> Reply:
    keys = arguments[:-1]
    seconds = timeout(arguments[-1])
    for key in keys:
        target = ctx.db.write(key, ZSet)
        if target is not None:
            member, score = _pop_one(ctx, key, target, last=last)
            ctx.propagate_as([b"ZPOPMAX" if last else b"ZPOPMIN", key])
            return [key, member, score]
    return Block(keys, "zset", seconds)


@blocking_pop_command("BZPOPMIN")
def bzpopmin(ctx: Client, *arguments: bytes) -> Reply:
    """BZPOPMIN key [key ...] timeout

    Pops the member with the lowest score from the first sorted set that exists; waits while none exists.
    """
    return _blocking_pop(ctx, arguments, last=False)


@blocking_pop_command("BZPOPMAX")
def bzpopmax(ctx: Client, *arguments: bytes) -> Reply:
    """BZPOPMAX key [key ...] timeout

    Pops the member with the highest score from the first sorted set that exists; waits while none exists.
    """
    return _blocking_pop(ctx, arguments, last=True)
