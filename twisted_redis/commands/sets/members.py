"""Sets: their members.  ``sets.algebra`` has the commands that combine several sets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twisted_redis.commands.common import cursors
from twisted_redis.commands.common.picks import check_picks
from twisted_redis.datatypes.set import Set
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, DELETE, INSERT, RO, RW, first_key, key_at
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import SyntaxError_, WrongType
from twisted_redis.engine.parse import INT64_MAX, integer_in, positive
from twisted_redis.resp.types import Bulks, Reply, SetReply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("set", since="1.0.0", complexity="O(1)")

_READ = first_key(RO | ACCESS)

_PROPAGATED = 1024
"""The most members that one SREM for the AOF and replicas names."""


def _reply(ctx: Client, members: Iterable[bytes]) -> Reply:
    return Bulks(members) if ctx.resp == 2 else SetReply(members)


@command(
    "SADD",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=first_key(RW | INSERT),
    complexity="O(1) for each member",
    history=(("2.4.0", "Several members in one call."),),
)
def sadd(ctx: Client, key: bytes, *members: bytes) -> Reply:
    """SADD key member [member ...]

    Adds members to a set and returns the number of new members.
    """
    db, config = ctx.db, ctx.config
    target = db.write(key, Set)
    if target is None:
        target = Set.starting_with(members[0], len(members), config)
        db.add(key, target)
    elif target.members.__class__ is not set:
        target.expect(len(members), config)
    added = int(target.add(members[0], config)) if len(members) == 1 else target.add_all(members, config)
    if added:
        ctx.changed(key, "sadd", added)
    return added


@command(
    "SREM",
    arity=-3,
    flags=WRITE | FAST,
    keys=first_key(RW | DELETE),
    complexity="O(N) for N members to be removed",
    history=(("2.4.0", "Several members in one call."),),
)
def srem(ctx: Client, key: bytes, *members: bytes) -> Reply:
    """SREM key member [member ...]

    Removes members from a set and returns how many of them existed.
    """
    target = ctx.db.write(key, Set)
    if target is None:
        return 0
    removed = sum(map(target.remove, members))
    if removed:
        ctx.changed(key, "srem", removed)
        if not target.members:
            ctx.removed(key)
    return removed


@command("SMOVE", arity=4, flags=WRITE | FAST, keys=key_at(1, RW | ACCESS | DELETE) + key_at(2, RW | INSERT))
def smove(ctx: Client, source: bytes, destination: bytes, member: bytes) -> Reply:
    """SMOVE source destination member

    Moves a member from one set to another; returns 1 if the member existed, else 0.
    """
    db = ctx.db
    left, right = (db.live(key, db.lookup_write(key)) for key in (source, destination))
    if left is None:
        return 0
    if left.__class__ is not Set or (right is not None and right.__class__ is not Set):
        raise WrongType
    if left is right:
        return int(member in left)
    if not left.remove(member):
        return 0
    ctx.changed(source, "srem")
    if not left.members:
        ctx.removed(source)
    if right is None:
        right = Set.starting_with(member, 1, ctx.config)
        db.add(destination, right)
    if right.add(member, ctx.config):
        ctx.changed(destination, "sadd")
    return 1


@command("SISMEMBER", arity=3, flags=READONLY | FAST, keys=first_key(RO))
def sismember(ctx: Client, key: bytes, member: bytes) -> Reply:
    """SISMEMBER key member

    Returns 1 if a set has a member, else 0.
    """
    found = ctx.db.read(key, Set)
    return int(found is not None and member in found)


@command(
    "SMISMEMBER", arity=-3, flags=READONLY | FAST, keys=_READ, since="6.2.0", complexity="O(N) for N members asked for"
)
def smismember(ctx: Client, key: bytes, *members: bytes) -> Reply:
    """SMISMEMBER key member [member ...]

    Returns 1 or 0 for each given member: whether a set has it.
    """
    found = ctx.db.read(key, Set)
    if found is None:
        return [0] * len(members)
    return [int(member in found) for member in members]


@command("SCARD", arity=2, flags=READONLY | FAST, keys=first_key(RO))
def scard(ctx: Client, key: bytes) -> Reply:
    """SCARD key

    Returns how many members a set has.
    """
    found = ctx.db.read(key, Set)
    return 0 if found is None else len(found.members)


@command(
    "SMEMBERS",
    arity=2,
    flags=READONLY,
    keys=_READ,
    complexity="O(N) for N members",
    tips=("nondeterministic_output_order",),
)
def smembers(ctx: Client, key: bytes) -> Reply:
    """SMEMBERS key

    Returns all members of a set in no particular order.
    """
    return _reply(ctx, ctx.db.read(key, Set) or ())


@command(
    "SPOP",
    arity=-2,
    flags=WRITE | FAST,
    keys=first_key(RW | ACCESS | DELETE),
    complexity="O(N) for N members to be removed",
    tips=("nondeterministic_output",),
    history=(("3.2.0", "Argument `count`."),),
)
def spop(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """SPOP key [count]

    Removes random members from a set and returns them.
    """
    if options:
        return _pop_several(ctx, key, options)
    target = ctx.db.write(key, Set)
    if target is None:
        return None
    member = target.pop()
    ctx.changed(key, "spop")
    if ctx.effects.recording:
        ctx.propagate_as([b"SREM", key, member])
    if not target.members:
        ctx.removed(key)
    return member


def _pop_several(ctx: Client, key: bytes, options: tuple[bytes, ...]) -> Reply:
    if len(options) > 1:
        raise SyntaxError_
    count = positive(options[0])
    target = ctx.db.write(key, Set)
    if target is None or not count:
        return SetReply()
    if count >= len(target):
        popped = list(target)
        ctx.changed(key, "spop", len(popped))
        ctx.removed(key)
        ctx.propagate_as([b"UNLINK" if ctx.config.lazyfree_lazy_server_del else b"DEL", key])
    else:
        popped = target.pop_some(count, ctx.config)
        ctx.changed(key, "spop", count)
        if ctx.effects.recording:
            parts = (popped[start : start + _PROPAGATED] for start in range(0, count, _PROPAGATED))
            ctx.propagate_as(*[[b"SREM", key, *part] for part in parts])
    return _reply(ctx, popped)


@command(
    "SRANDMEMBER",
    arity=-2,
    flags=READONLY,
    keys=_READ,
    complexity="O(N) for N members returned",
    tips=("nondeterministic_output",),
    history=(("2.6.0", "Argument `count`."),),
)
def srandmember(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """SRANDMEMBER key [count]

    Returns random members of a set. A positive count returns different members; a negative count may repeat them.

    One call picks at most ten million members with repetition; Redis would go on until its memory is exhausted.
    """
    if not options:
        found = ctx.db.read(key, Set)
        return None if found is None else found.random()
    if len(options) > 1:
        raise SyntaxError_
    count = integer_in(options[0], -INT64_MAX, INT64_MAX)
    found = ctx.db.read(key, Set)
    if found is None:
        return []
    if count < 0:
        check_picks(ctx, -count)
    return Bulks(found.sample(count) if count >= 0 else found.choices(-count))


@command(
    "SSCAN",
    arity=-3,
    flags=READONLY,
    keys=_READ,
    since="2.8.0",
    complexity="O(1) for each call, O(N) for a whole iteration over N members",
    tips=("nondeterministic_output",),
)
def sscan(ctx: Client, key: bytes, cursor: bytes, *options: bytes) -> Reply:
    """SSCAN key cursor [MATCH pattern] [COUNT count]

    Returns some members of a set and the cursor for the next call; 0 starts an iteration and ends it.
    """
    place = cursors.cursor(cursor)
    found = ctx.db.read(key, Set)
    if found is None:
        return [b"0", []]
    wanted, matches, _ = cursors.options(options)
    following, members = found.scan(place, wanted)
    if matches is not None:
        members = list(filter(matches, members))
    return [b"%d" % following, Bulks(members)]
