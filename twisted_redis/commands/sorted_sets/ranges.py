"""Sorted sets: reading, counting, removing and storing ranges of ranks, scores and members."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from twisted_redis.datatypes.zset import LexRange, ScoreRange, ZSet, ZSetLimits
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, DELETE, OW, RO, RW, UPDATE, first_key, key_at
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import bound_or_none, integer
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.doubles import double_texts
from twisted_redis.resp.types import Bulks, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("sorted-set", since="2.8.9")

_READ = first_key(RO | ACCESS)

_COUNTED = "O(log(N)) in a sorted set of N members"
_RETURNED = "O(log(N)+M) for M members returned of a sorted set of N"
_EACH_REMOVED = "O(log(N)+M) for M members removed from a sorted set of N"

Ranks: TypeAlias = tuple[int, int]
"""The rank of the first member, and one more than the rank of the last; the range is empty unless that is larger."""


# Parsing ranges


def _rank_range(low: bytes, high: bytes) -> Callable[[ZSet], Ranks]:
    start, stop = integer(low), integer(high)

    def ranks(zset: ZSet) -> Ranks:
        size = len(zset)
        first = max(start + size, 0) if start < 0 else start
        last = stop + size if stop < 0 else min(stop, size - 1)
        return first, last + 1

    return ranks


def _parse_score_bound(text: bytes) -> tuple[float, bool]:
    """Parses an end of a range of scores: the score, and True if the range excludes it."""
    left_out = text[:1] == b"("
    score = bound_or_none(text[1:] if left_out else text)
    if score is None:
        raise CommandError("ERR min or max is not a float")
    return score, left_out


def _score_range(low: bytes, high: bytes) -> Callable[[ZSet], Ranks]:
    lowest, above = _parse_score_bound(low)
    highest, below = _parse_score_bound(high)
    wanted = ScoreRange(lowest, highest, above, below)
    return lambda zset: zset.ranks_of_scores(wanted)


_NO_LEX = "ERR min or max not valid string range item"


def _parse_lex_bound(text: bytes) -> tuple[bytes | None, bool, bytes]:
    """Parses an end of a range of members: the member, True if the range excludes it, and the sign before it."""
    sign = text[:1]
    if sign in (b"(", b"["):
        return text[1:], sign == b"(", sign
    if sign in (b"-", b"+") and text[1:2] in (b"", b"\0"):
        return None, False, sign
    raise CommandError(_NO_LEX)


def _lex_range(low: bytes, high: bytes, reverse: bool = False) -> Callable[[ZSet], Ranks]:
    lowest, above, low_sign = _parse_lex_bound(low)
    highest, below, high_sign = _parse_lex_bound(high)
    if low_sign == b"+" or high_sign == b"-":
        return lambda zset: (0, 0)
    wanted = LexRange(lowest, highest, above, below)
    return lambda zset: zset.ranks_of_members(wanted, reverse=reverse)


# Reading

range_command = command.with_defaults(arity=-4, flags=READONLY, keys=_READ, complexity=_RETURNED)
deprecated_range_command = range_command.with_defaults(deprecated_since="6.2.0")


class _Options:
    """The options of ZRANGE; ``by`` is empty for ranks, and a negative ``limit`` means no limit."""

    __slots__ = ("by", "limit", "offset", "reverse", "with_scores")

    def __init__(self, given: tuple[bytes, ...], by: bytes | None, reverse: bool | None, *, storing: bool) -> None:
        """Parses ``given``; ``by`` and ``reverse`` are None if an option may choose them."""
        self.offset, self.limit = 0, -1
        self.with_scores = False
        chosen_by, chosen_reverse = by, reverse
        rest = list(given[::-1])
        while rest:
            word = keyword(rest.pop())
            if word == b"WITHSCORES" and not storing:
                self.with_scores = True
            elif word == b"LIMIT" and len(rest) >= 2:
                self.offset, self.limit = integer(rest.pop()), integer(rest.pop())
            elif word == b"REV" and chosen_reverse is None:
                chosen_reverse = True
            elif word in (b"BYLEX", b"BYSCORE") and chosen_by is None:
                chosen_by = word
            else:
                raise SyntaxError_
        self.by = chosen_by or b""
        self.reverse = bool(chosen_reverse)
        if self.limit != -1 and not self.by:
            raise CommandError("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
        if self.with_scores and self.by == b"BYLEX":
            raise CommandError("ERR syntax error, WITHSCORES not supported in combination with BYLEX")

    def limited(self, ranks: Ranks) -> Ranks:
        """The part of a range that offset and limit leave."""
        start, stop = ranks
        offset, limit = self.offset, self.limit
        if offset < 0:
            return 0, 0
        if self.reverse:
            stop -= offset
        else:
            start += offset
        if 0 <= limit < stop - start:
            if self.reverse:
                start = stop - limit
            else:
                stop = start + limit
        return start, stop


@lru_cache(maxsize=256)
def _options(given: tuple[bytes, ...], by: bytes | None, reverse: bool | None, storing: bool = False) -> _Options:
    # Most clients use the same few combinations of options again and again.
    return _Options(given, by, reverse, storing=storing)


def _range(
    ctx: Client,
    key: bytes,
    first: bytes,
    second: bytes,
    given: tuple[bytes, ...],
    by: bytes | None = None,
    reverse: bool | None = None,
) -> Reply:
    options = _options(given, by, reverse)
    ranks = _ranks(options, first, second)
    reverse = options.reverse
    zset = ctx.db.read(key, ZSet)
    if zset is None:
        return []
    start, stop = ranks(zset)
    if options.by:
        start, stop = options.limited((start, stop))
    elif reverse:
        start, stop = len(zset) - stop, len(zset) - start
    if start >= stop:
        return []
    if not options.with_scores:
        members = zset.members(start, stop)
        if reverse:
            members.reverse()
        return Bulks(members)
    members, scores = zset.columns(start, stop)
    if reverse:
        members.reverse()
        scores.reverse()
    if ctx.resp == 3:
        return list(zip(members, scores, strict=True))
    return Bulks(chain.from_iterable(zip(members, double_texts(scores), strict=True)))


def _ranks(options: _Options, first: bytes, second: bytes) -> Callable[[ZSet], Ranks]:
    # Reversed ranges of scores and members start with the higher end; reversed ranks count from the other end.
    if options.reverse and options.by:
        first, second = second, first
    if options.by == b"BYSCORE":
        return _score_range(first, second)
    return _lex_range(first, second, options.reverse) if options.by else _rank_range(first, second)


@range_command("ZRANGE", since="1.2.0", history=(("6.2.0", "Options `REV`, `BYSCORE`, `BYLEX` and `LIMIT`."),))
def zrange(ctx: Client, key: bytes, start: bytes, stop: bytes, *options: bytes) -> Reply:
    """ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]

    Returns the members of a sorted set in a range of ranks, scores or members.
    """
    return _range(ctx, key, start, stop, options)


@deprecated_range_command("ZREVRANGE", since="1.2.0", replaced_by="`ZRANGE` with the `REV` argument")
def zrevrange(ctx: Client, key: bytes, start: bytes, stop: bytes, *options: bytes) -> Reply:
    """ZREVRANGE key start stop [WITHSCORES]

    Returns the members of a sorted set in a range of ranks, counted from the highest score.
    """
    return _range(ctx, key, start, stop, options, b"", True)


@deprecated_range_command(
    "ZRANGEBYSCORE",
    since="1.0.5",
    history=(("2.0.0", "Option `WITHSCORES`."),),
    replaced_by="`ZRANGE` with the `BYSCORE` argument",
)
def zrangebyscore(ctx: Client, key: bytes, low: bytes, high: bytes, *options: bytes) -> Reply:
    """ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]

    Returns the members of a sorted set in a range of scores.
    """
    return _range(ctx, key, low, high, options, b"BYSCORE", False)


@deprecated_range_command(
    "ZREVRANGEBYSCORE",
    since="2.2.0",
    history=(("2.1.6", "`min` and `max` can be exclusive."),),
    replaced_by="`ZRANGE` with the `REV` and `BYSCORE` arguments",
)
def zrevrangebyscore(ctx: Client, key: bytes, high: bytes, low: bytes, *options: bytes) -> Reply:
    """ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]

    Returns the members of a sorted set in a range of scores, highest score first.
    """
    return _range(ctx, key, high, low, options, b"BYSCORE", True)


@deprecated_range_command("ZRANGEBYLEX", replaced_by="`ZRANGE` with the `BYLEX` argument")
def zrangebylex(ctx: Client, key: bytes, low: bytes, high: bytes, *options: bytes) -> Reply:
    """ZRANGEBYLEX key min max [LIMIT offset count]

    Returns a lexicographical range of members of a sorted set whose scores are all equal.
    """
    return _range(ctx, key, low, high, options, b"BYLEX", False)


@deprecated_range_command("ZREVRANGEBYLEX", replaced_by="`ZRANGE` with the `REV` and `BYLEX` arguments")
def zrevrangebylex(ctx: Client, key: bytes, high: bytes, low: bytes, *options: bytes) -> Reply:
    """ZREVRANGEBYLEX key max min [LIMIT offset count]

    Returns a lexicographical range of members of a sorted set whose scores are all equal, in reverse order.
    """
    return _range(ctx, key, high, low, options, b"BYLEX", True)


# Storing


@command(
    "ZRANGESTORE",
    arity=-5,
    flags=WRITE | DENYOOM,
    keys=key_at(1, OW | UPDATE) + key_at(2, RO | ACCESS),
    since="6.2.0",
    complexity="O(log(N)+M) for M members stored of a sorted set of N",
)
def zrangestore(ctx: Client, destination: bytes, source: bytes, low: bytes, high: bytes, *given: bytes) -> Reply:
    """ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]

    Stores the members of a sorted set in a range of ranks, scores or members; returns their number.
    """
    options = _options(given, None, None, True)
    ranks = _ranks(options, low, high)
    db = ctx.db
    zset = db.read(source, ZSet)
    pairs: list[tuple[bytes, float]] = []
    if zset is not None:
        start, stop = ranks(zset)
        if options.by:
            start, stop = options.limited((start, stop))
        elif options.reverse:
            start, stop = len(zset) - stop, len(zset) - start
        if start < stop:
            pairs = zset.pairs(start, stop)
            if options.reverse:
                pairs.reverse()
    if pairs:
        ctx.store(destination, _make_zset(pairs, ctx.config, counted=not options.by), "zrangestore")
    elif db.delete(destination):
        ctx.changed(destination, "del")
    return len(pairs)


def _make_zset(pairs: list[tuple[bytes, float]], config: ZSetLimits, *, counted: bool) -> ZSet:
    """Makes a sorted set of a range.  Redis starts it as a listpack unless it has ``counted`` too many members for one."""
    if counted and len(pairs) > config.zset_max_listpack_entries:
        return ZSet.from_pairs(pairs, config)
    # One by one: a listpack loses the sign of a zero score, and a skiplist keeps it.
    zset = ZSet()
    for member, score in pairs:
        zset.add(member, score, config)
    return zset


# Counting

count_command = command.with_defaults(arity=4, flags=READONLY | FAST, keys=_READ, complexity=_COUNTED)


def _count(ctx: Client, key: bytes, ranks: Callable[[ZSet], Ranks]) -> int:
    zset = ctx.db.read(key, ZSet)
    if zset is None:
        return 0
    start, stop = ranks(zset)
    return max(stop - start, 0)


@count_command("ZCOUNT", since="2.0.0")
def zcount(ctx: Client, key: bytes, low: bytes, high: bytes) -> Reply:
    """ZCOUNT key min max

    Returns the number of members of a sorted set in a range of scores.
    """
    return _count(ctx, key, _score_range(low, high))


@count_command("ZLEXCOUNT")
def zlexcount(ctx: Client, key: bytes, low: bytes, high: bytes) -> Reply:
    """ZLEXCOUNT key min max

    Returns the number of members in a lexicographical range, for a sorted set whose scores are all equal.
    """
    return _count(ctx, key, _lex_range(low, high))


# Removing

remove_command = command.with_defaults(arity=4, flags=WRITE, keys=first_key(RW | DELETE), complexity=_EACH_REMOVED)


def _remove(ctx: Client, key: bytes, ranks: Callable[[ZSet], Ranks], event: str) -> int:
    zset = ctx.db.write(key, ZSet)
    if zset is None:
        return 0
    start, stop = ranks(zset)
    if start >= stop:
        return 0
    zset.remove_range(start, stop)
    ctx.changed(key, event, stop - start)
    if not zset.scores:
        ctx.removed(key)
    return stop - start


@remove_command("ZREMRANGEBYRANK", since="2.0.0")
def zremrangebyrank(ctx: Client, key: bytes, start: bytes, stop: bytes) -> Reply:
    """ZREMRANGEBYRANK key start stop

    Removes the members of a sorted set in a range of ranks; returns their number.
    """
    return _remove(ctx, key, _rank_range(start, stop), "zremrangebyrank")


@remove_command("ZREMRANGEBYSCORE", since="1.2.0")
def zremrangebyscore(ctx: Client, key: bytes, low: bytes, high: bytes) -> Reply:
    """ZREMRANGEBYSCORE key min max

    Removes the members of a sorted set in a range of scores; returns their number.
    """
    return _remove(ctx, key, _score_range(low, high), "zremrangebyscore")


@remove_command("ZREMRANGEBYLEX")
def zremrangebylex(ctx: Client, key: bytes, low: bytes, high: bytes) -> Reply:
    """ZREMRANGEBYLEX key min max

    Removes a lexicographical range of members of a sorted set whose scores are all equal; returns their number.
    """
    return _remove(ctx, key, _lex_range(low, high), "zremrangebylex")
