"""Sorted sets: unions, intersections and differences.  Plain sets take part too; their members all have the score 1."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, islice
from math import isnan
from typing import TYPE_CHECKING, Any

from twisted_redis.datatypes.set import Set
from twisted_redis.datatypes.zset import ZSet
from twisted_redis.engine.declare.flags import DENYOOM, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, OW, RO, UPDATE, counted_keys, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_, WrongType
from twisted_redis.engine.parse import float_number, integer, positive
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.doubles import double_texts
from twisted_redis.resp.types import Bulks, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("sorted-set", since="6.2.0")

_UNION = "O(N)+O(M*log(M)) for N members in all sets together and M in the result"
_INTERSECTION = "O(N*K)+O(M*log(M)) at worst, for K sets of which the smallest has N members, and M in the result"
_DIFFERENCE = "O(L+(N-K)*log(N)) at worst, for L members in all sets, N in the first one and K in the result"


def _sum(one: float, other: float) -> float:
    total = one + other
    # The sum of opposite infinities is 0.
    return 0.0 if isnan(total) else total


# A score that is NaN (an infinite score whose weight is 0) never wins.


def _lower(one: float, other: float) -> float:
    return other if other < one else one


def _higher(one: float, other: float) -> float:
    return other if other > one else one


# COUNT adds the weights: each member has the score 1 then.
_AGGREGATES: dict[bytes, Callable[[float, float], float]] = {
    b"SUM": _sum,
    b"MIN": _lower,
    b"MAX": _higher,
    b"COUNT": _sum,
}


class _Source:
    """One of the sets to combine, with its weight; a missing key is an empty set."""

    __slots__ = ("members", "scores", "value", "weight")

    def __init__(self, value: Any) -> None:
        if value is None:
            value = Set()
        elif value.__class__ is not ZSet and value.__class__ is not Set:
            raise WrongType
        self.value: Set | ZSet = value
        self.weight = 1.0
        #: Scores by member; None for a plain set.
        self.scores: dict[bytes, float] | None = value.lookup() if isinstance(value, ZSet) else None
        #: A container whose ``in`` is fast.
        self.members: Any = self.scores if isinstance(value, ZSet) else value.lookup()

    def __len__(self) -> int:
        return len(self.members)

    def items(self) -> Iterable[tuple[bytes, float]]:
        if self.scores is not None:
            return self.scores.items()
        return ((member, 1.0) for member in self.members)

    def find(self, member: bytes) -> float | None:
        if self.scores is not None:
            return self.scores.get(member)
        return 1.0 if member in self.members else None


class _Call:
    """The parsed arguments of one of these commands: ``numkeys key [key ...]`` and the options."""

    __slots__ = ("aggregate", "limit", "sources", "with_scores")

    def __init__(self, ctx: Client, name: str, arguments: tuple[bytes, ...], allowed: frozenset[bytes]) -> None:
        number = integer(arguments[0])
        if number < 1:
            raise CommandError(f"ERR at least 1 input key is needed for '{name}' command")
        if number > len(arguments) - 1:
            raise SyntaxError_
        db = ctx.db
        self.sources = [_Source(db.live(key, db.lookup(key))) for key in arguments[1 : number + 1]]
        self.aggregate = _AGGREGATES[b"SUM"]
        self.with_scores = False
        self.limit = 0
        counts = False
        rest = list(arguments[:number:-1])
        while rest:
            word = keyword(rest.pop())
            if word not in allowed:
                raise SyntaxError_
            if word == b"WITHSCORES":
                self.with_scores = True
            elif word == b"WEIGHTS" and len(rest) >= number:
                for source in self.sources:
                    source.weight = float_number(rest.pop(), "ERR weight value is not a float")
            elif word == b"AGGREGATE" and rest:
                function = keyword(rest.pop())
                if function not in _AGGREGATES:
                    raise SyntaxError_
                self.aggregate = _AGGREGATES[function]
                counts = function == b"COUNT"
            elif word == b"LIMIT" and rest:
                self.limit = positive(rest.pop(), "ERR LIMIT can't be negative")
            else:
                raise SyntaxError_
        if counts:
            for source in self.sources:
                source.scores = None

    def ascending(self) -> list[_Source]:
        """The sources, the smallest first: sums of doubles depend on the order, and this is Redis' order."""
        return sorted(self.sources, key=len)


_WEIGHTED = frozenset((b"WEIGHTS", b"AGGREGATE"))
_NO_OPTIONS: frozenset[bytes] = frozenset()
_WITH_SCORES = frozenset((b"WITHSCORES",))


def _union(call: _Call) -> dict[bytes, float]:
    result: dict[bytes, float] = {}
    aggregate = call.aggregate
    for source in call.ascending():
        weight = source.weight
        if not result and weight == 1.0:
            result = dict(source.items())
            continue
        for member, score in source.items():
            score *= weight
            if isnan(score):
                score = 0.0
            before = result.get(member)
            result[member] = score if before is None else aggregate(before, score)
    return result


def _intersection(call: _Call) -> dict[bytes, float]:
    result: dict[bytes, float] = {}
    aggregate = call.aggregate
    smallest, *others = call.ascending()
    weight = smallest.weight
    found = [(source.find, source.weight) for source in others]
    for member, score in smallest.items():
        score *= weight
        if isnan(score):
            score = 0.0
        for find, of_other in found:
            value = find(member)
            if value is None:
                break
            score = aggregate(score, value * of_other)
        else:
            result[member] = score
    return result


def _difference(call: _Call) -> dict[bytes, float]:
    first, *others = call.sources
    members = [other.members for other in others if other]
    if not members:
        return dict(first.items())
    if len(members) == 1:
        taken = members[0]
        return {member: score for member, score in first.items() if member not in taken}
    return {member: score for member, score in first.items() if not any(member in taken for taken in members)}


def _reply(ctx: Client, call: _Call, result: dict[bytes, float]) -> Reply:
    pairs = sorted(zip(result.values(), result, strict=True))
    if not call.with_scores:
        return Bulks([member for _, member in pairs])
    if ctx.resp == 2:
        texts = double_texts([score for score, _ in pairs])
        return Bulks(chain.from_iterable(zip([member for _, member in pairs], texts, strict=True)))
    return [(member, score) for score, member in pairs]


def _store(ctx: Client, destination: bytes, result: dict[bytes, float], event: str) -> int:
    """Replaces the value of a key with a result, or deletes the key if the result is empty."""
    if result:
        ctx.store(destination, ZSet.from_pairs(result.items(), ctx.config), event)
    elif ctx.db.delete(destination):
        ctx.changed(destination, "del")
    return len(result)


combine_command = command.with_defaults(arity=-3, flags=READONLY, keys=counted_keys(RO | ACCESS))
_COUNT_OPTION = (("8.8.0", "`AGGREGATE COUNT`."),)
store_command = command.with_defaults(
    arity=-4, flags=WRITE | DENYOOM, keys=first_key(OW | UPDATE) + counted_keys(RO | ACCESS, index=2)
)


@combine_command("ZUNION", complexity=_UNION, history=_COUNT_OPTION)
def zunion(ctx: Client, *arguments: bytes) -> Reply:
    """ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>] [WITHSCORES]

    Returns the members of any of several sorted sets.
    """
    call = _Call(ctx, "zunion", arguments, _WEIGHTED | _WITH_SCORES)
    return _reply(ctx, call, _union(call))


@store_command("ZUNIONSTORE", since="2.0.0", complexity=_UNION, history=_COUNT_OPTION)
def zunionstore(ctx: Client, destination: bytes, *arguments: bytes) -> Reply:
    """ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>]

    Stores the members of any of several sorted sets and returns their number.
    """
    call = _Call(ctx, "zunionstore", arguments, _WEIGHTED)
    return _store(ctx, destination, _union(call), "zunionstore")


@combine_command("ZINTER", complexity=_INTERSECTION, history=_COUNT_OPTION)
def zinter(ctx: Client, *arguments: bytes) -> Reply:
    """ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>] [WITHSCORES]

    Returns the members that several sorted sets have in common.
    """
    call = _Call(ctx, "zinter", arguments, _WEIGHTED | _WITH_SCORES)
    return _reply(ctx, call, _intersection(call))


@store_command("ZINTERSTORE", since="2.0.0", complexity=_INTERSECTION, history=_COUNT_OPTION)
def zinterstore(ctx: Client, destination: bytes, *arguments: bytes) -> Reply:
    """ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>]

    Stores the members that several sorted sets have in common and returns their number.
    """
    call = _Call(ctx, "zinterstore", arguments, _WEIGHTED)
    return _store(ctx, destination, _intersection(call), "zinterstore")


@combine_command(
    "ZINTERCARD", since="7.0.0", complexity="O(N*K) at worst, for K sets of which the smallest has N members"
)
def zintercard(ctx: Client, *arguments: bytes) -> Reply:
    """ZINTERCARD numkeys key [key ...] [LIMIT limit]

    Returns the number of members that several sorted sets have in common; stops counting at a limit.
    """
    call = _Call(ctx, "zintercard", arguments, frozenset((b"LIMIT",)))
    smallest, *others = call.ascending()
    shared: Iterable[bytes] = iter(smallest.members)
    for other in others:
        shared = filter(other.members.__contains__, shared)
    return sum(1 for _ in islice(shared, call.limit or None))


@combine_command("ZDIFF", complexity=_DIFFERENCE)
def zdiff(ctx: Client, *arguments: bytes) -> Reply:
    """ZDIFF numkeys key [key ...] [WITHSCORES]

    Returns the members of the first of several sorted sets that are in none of the others.
    """
    call = _Call(ctx, "zdiff", arguments, _WITH_SCORES)
    return _reply(ctx, call, _difference(call))


@store_command("ZDIFFSTORE", complexity=_DIFFERENCE)
def zdiffstore(ctx: Client, destination: bytes, *arguments: bytes) -> Reply:
    """ZDIFFSTORE destination numkeys key [key ...]

    Stores the members of the first of several sorted sets that are in none of the others; returns their number.
    """
    call = _Call(ctx, "zdiffstore", arguments, _NO_OPTIONS)
    return _store(ctx, destination, _difference(call), "zdiffstore")
