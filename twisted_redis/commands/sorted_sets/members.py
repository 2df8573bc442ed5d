"""Sorted sets: their members.  The modules beside this one hold the ranges, the pops and the combinations of sets."""

from __future__ import annotations

from math import isinf, isnan
from typing import TYPE_CHECKING

from twisted_redis.commands.common import cursors
from twisted_redis.commands.common.picks import check_picks
from twisted_redis.datatypes.zset import ZSet
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, DELETE, RO, RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, OutOfRange, SyntaxError_
from twisted_redis.engine.parse import INT64_MAX, float_number, float_or_none, integer_in
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.doubles import double_text
from twisted_redis.resp.types import Bulks, NullArray, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("sorted-set", since="1.2.0", complexity="O(1)")

_READ = first_key(RO | ACCESS)

_NX, _XX, _GT, _LT, _CH, _INCR = 1, 2, 4, 8, 16, 32
_OPTIONS = {b"NX": _NX, b"XX": _XX, b"GT": _GT, b"LT": _LT, b"CH": _CH, b"INCR": _INCR}


# Adding


@command(
    "ZADD",
    arity=-4,
    flags=WRITE | DENYOOM | FAST,
    keys=first_key(RW | UPDATE),
    complexity="O(log(N)) for each member, in a sorted set of N",
    history=(
        ("2.4.0", "Several members in one call."),
        ("3.0.2", "Options `XX`, `NX`, `CH` and `INCR`."),
        ("6.2.0", "Options `GT` and `LT`."),
    ),
)
def zadd(ctx: Client, key: bytes, *arguments: bytes) -> Reply:
    """ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]

    Adds members to a sorted set or updates their scores; returns the number of new members.
    """
    if len(arguments) != 2 or (score := float_or_none(arguments[0])) is None:
        return _add(ctx, key, arguments, 0)
    # One member without options is by far the most frequent call, so it is spelled out.
    member = arguments[1]
    db, config = ctx.db, ctx.config
    target = db.write(key, ZSet)
    if target is None:
        target = ZSet.starting_with(member, 1, config)
        db.add(key, target)
    elif not config.zset_max_listpack_entries:
        target.expect(1, config)
    before = target.set(member, score, config)
    if before == score:
        return 0
    ctx.changed(key, "zadd")
    return 1 if before is None else 0


def _add(ctx: Client, key: bytes, arguments: tuple[bytes, ...], options: int) -> Reply:
    """The body of ZADD and, with INCR among ``options``, of ZINCRBY, which accepts the options of ZADD as well."""
    first = 0
    for word in arguments:
        option = _OPTIONS.get(keyword(word))
        if option is None:
            break
        options |= option
        first += 1
    members = arguments[first + 1 :: 2]
    if (len(arguments) - first) % 2 or not members:
        raise SyntaxError_
    if options & _NX and options & _XX:
        raise CommandError("ERR XX and NX options at the same time are not compatible")
    if (options & (_GT | _LT | _NX)).bit_count() > 1:
        raise CommandError("ERR GT, LT, and/or NX options at the same time are not compatible")
    if options & _INCR and len(members) > 1:
        raise CommandError("ERR INCR option supports a single increment-element pair")
    given = [float_number(text) for text in arguments[first::2]]

    db, config = ctx.db, ctx.config
    target = db.write(key, ZSet)
    if target is None:
        if options & _XX:
            return None if options & _INCR else 0
        if not options & _INCR:
            target = ZSet.from_columns(members, given, config)
            if target is not None:
                db.add(key, target)
                ctx.changed(key, "zadd", len(members))
                return len(members)
        target = ZSet.starting_with(members[0], len(members), config)
        db.add(key, target)
    else:
        target.expect(len(members), config)
    added = updated = 0
    result: float | None = None
    for score, member in zip(given, members, strict=True):
        if not options:
            before = target.set(member, score, config)
            if before is None:
                added += 1
            elif before != score:
                updated += 1
            continue
        before = target.score(member)
        if before is None:
            if options & _XX:
                continue
            added += 1
        else:
            if options & _NX:
                continue
            if options & _INCR:
                score += before
                if isnan(score):
                    raise CommandError("ERR resulting score is not a number (NaN)")
            if (options & _LT and score >= before) or (options & _GT and score <= before):
                continue
            if score != before:
                updated += 1
        result = score
        target.set(member, score, config)
    if added or updated:
        ctx.changed(key, "zincr" if options & _INCR else "zadd", added + updated)
    if options & _INCR:
        return result
    return added + updated if options & _CH else added


@command(
    "ZINCRBY",
    arity=4,
    flags=WRITE | DENYOOM | FAST,
    keys=first_key(RW | ACCESS | UPDATE),
    complexity="O(log(N)) in a sorted set of N members",
)
def zincrby(ctx: Client, key: bytes, increment: bytes, member: bytes) -> Reply:
    """ZINCRBY key increment member

    Adds a number to the score of a member and returns the score; a missing member counts as 0.
    """
    return _add(ctx, key, (increment, member), _INCR)


@command(
    "ZREM",
    arity=-3,
    flags=WRITE | FAST,
    keys=first_key(RW | DELETE),
    complexity="O(M*log(N)) for M members to be removed from a sorted set of N",
    history=(("2.4.0", "Several members in one call."),),
)
def zrem(ctx: Client, key: bytes, *members: bytes) -> Reply:
    """ZREM key member [member ...]

    Removes members from a sorted set and returns how many of them existed.
    """
    target = ctx.db.write(key, ZSet)
    if target is None:
        return 0
    removed = 0
    for member in members:
        if target.remove(member):
            removed += 1
    if removed:
        ctx.changed(key, "zrem", removed)
        if not target.scores:
            ctx.removed(key)
    return removed


# Looking up


@command("ZCARD", arity=2, flags=READONLY | FAST, keys=first_key(RO))
def zcard(ctx: Client, key: bytes) -> Reply:
    """ZCARD key

    Returns how many members a sorted set has.
    """
    found = ctx.db.read(key, ZSet)
    return 0 if found is None else len(found.scores)


@command("ZSCORE", arity=3, flags=READONLY | FAST, keys=_READ)
def zscore(ctx: Client, key: bytes, member: bytes) -> Reply:
    """ZSCORE key member

    Returns the score of a member of a sorted set, or null if it has no such member.
    """
    found = ctx.db.read(key, ZSet)
    return None if found is None else found.score(member)


@command(
    "ZMSCORE", arity=-3, flags=READONLY | FAST, keys=_READ, since="6.2.0", complexity="O(N) for N members asked for"
)
def zmscore(ctx: Client, key: bytes, *members: bytes) -> Reply:
    """ZMSCORE key member [member ...]

    Returns the scores of members of a sorted set, with null for each missing member.
    """
    found = ctx.db.read(key, ZSet)
    return [None] * len(members) if found is None else list(map(found.scores.get, members))


rank_command = command.with_defaults(
    arity=-3,
    flags=READONLY | FAST,
    keys=_READ,
    since="2.0.0",
    complexity="O(log(N)) in a sorted set of N members",
    history=(("7.2.0", "Option `WITHSCORE`."),),
)


def _rank(ctx: Client, key: bytes, member: bytes, options: tuple[bytes, ...], *, reverse: bool) -> Reply:
    if len(options) > 1:
        raise CommandError(f"ERR wrong number of arguments for '{'zrevrank' if reverse else 'zrank'}' command")
    if options and keyword(options[0]) != b"WITHSCORE":
        raise SyntaxError_
    found = ctx.db.read(key, ZSet)
    rank = None if found is None else found.rank(member)
    if found is None or rank is None:
        return NullArray if options else None
    if reverse:
        rank = len(found.scores) - 1 - rank
    return [rank, found.scores[member]] if options else rank


@rank_command("ZRANK")
def zrank(ctx: Client, key: bytes, member: bytes, *options: bytes) -> Reply:
    """ZRANK key member [WITHSCORE]

    Returns the number of members of a sorted set that precede a member.
    """
    return _rank(ctx, key, member, options, reverse=False)


@rank_command("ZREVRANK")
def zrevrank(ctx: Client, key: bytes, member: bytes, *options: bytes) -> Reply:
    """ZREVRANK key member [WITHSCORE]

    Returns the number of members of a sorted set that follow a member.
    """
    return _rank(ctx, key, member, options, reverse=True)


# Random members and cursors


@command(
    "ZRANDMEMBER",
    arity=-2,
    flags=READONLY,
    keys=_READ,
    since="6.2.0",
    complexity="O(N) for N members returned",
    tips=("nondeterministic_output",),
)
def zrandmember(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """ZRANDMEMBER key [count [WITHSCORES]]

    Returns random members of a sorted set. A positive count returns different members, a negative one may repeat them.

    One call picks at most ten million members with repetition; Redis would go on until its memory is exhausted.
    """
    if not options:
        found = ctx.db.read(key, ZSet)
        return None if found is None else found.random()
    count = integer_in(options[0], -INT64_MAX, INT64_MAX)
    with_scores = len(options) == 2 and keyword(options[1]) == b"WITHSCORES"
    if len(options) > 1 and not with_scores:
        raise SyntaxError_
    if with_scores and abs(count) > INT64_MAX // 2:
        raise OutOfRange
    found = ctx.db.read(key, ZSet)
    if found is None:
        return []
    if count < 0:
        check_picks(ctx, -count)
    members = found.sample(count) if count >= 0 else found.choices(-count)
    if not with_scores:
        return Bulks(members)
    scores = found.scores
    if ctx.resp == 2:
        return [item for member in members for item in (member, scores[member])]
    return [[member, scores[member]] for member in members]


def _scanned_score(score: float) -> bytes:
    if isinf(score):
        return b"inf" if score > 0 else b"-inf"
    return b"%.17g" % score


@command(
    "ZSCAN",
    arity=-3,
    flags=READONLY,
    keys=_READ,
    since="2.8.0",
    complexity="O(1) for each call, O(N) for a whole iteration over N members",
    tips=("nondeterministic_output",),
)
def zscan(ctx: Client, key: bytes, cursor: bytes, *options: bytes) -> Reply:
    """ZSCAN key cursor [MATCH pattern] [COUNT count]

    Returns some members of a sorted set with their scores, and the cursor for the next call; 0 starts and ends an
    iteration.
    """
    place = cursors.cursor(cursor)
    found = ctx.db.read(key, ZSet)
    if found is None:
        return [b"0", []]
    wanted, matches, _ = cursors.options(options)
    following, members = found.scan(place, wanted)
    if matches is not None:
        members = list(filter(matches, members))
    scores = found.scores
    # Redis prints the scores of a large set differently here, with superfluous digits.
    text = _scanned_score if found.large else double_text
    return [b"%d" % following, Bulks(item for member in members for item in (member, text(scores[member])))]
