"""Sorted sets: members with scores, in the order of score and then member.

``scores`` is a dict of members and scores for questions about a member.  A ``Ranking`` beside it is for questions about
the order.  A ``large`` set (a skiplist in Redis) always has a ranking.  A large set stays large.

A set that Redis would store as a listpack has one of three forms, which depend on the number of members:

- tiny: a dict, whose members are sorted each time;
- short: ``scores`` is a ``ShortRanking``, which takes much less memory and answers both kinds of questions;
- more members, if the limits allow them, or a set that is often asked about members: a dict, and a ranking as soon as
  that is needed.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import ClassVar, NamedTuple, Protocol

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.few import MOST, OFTEN, Full
from twisted_redis.datatypes.order import RANDOM, Order, take_some
from twisted_redis.datatypes.ranking import Ranking
from twisted_redis.datatypes.short_ranking import ShortRanking

__all__ = ["LexRange", "RestingZSet", "ScoreRange", "ZSet", "ZSetLimits"]

_TINY = 16
"""A set with more members becomes short.  With so few, the dict is quicker and takes little memory."""

_FLOAT = 24
"""The size of a float (bytes)."""


class ZSetLimits(Protocol):
    """The directives that limit a small sorted set.  A set beyond one of them is ``large``."""

    zset_max_listpack_entries: int
    zset_max_listpack_value: int


class ScoreRange(NamedTuple):
    """A range of scores from ``low`` to ``high``; ``above`` and ``below`` exclude these ends."""

    low: float
    high: float
    above: bool = False
    below: bool = False


class LexRange(NamedTuple):
    """A range of members from ``low`` to ``high``; ``above`` and ``below`` exclude these ends.

    None means no limit on that side.  Ranges that begin after all members or end before them are empty, and never get
    here.
    """

    low: bytes | None
    high: bytes | None
    above: bool = False
    below: bool = False


class ZSet:
    """A sorted set.  Callers may read ``scores`` as they read a dict; only the methods change it."""

    #: The attributes that hold elements, in which a large one is freed bit by bit.
    PARTS: ClassVar[tuple[str, ...]] = ("_order", "_ranking", "scores")

    __slots__ = ("_order", "_ranking", "large", "scores")

    def __init__(self) -> None:
        self.scores: dict[bytes, float] | ShortRanking = {}
        self._ranking: Ranking | None = None
        self._order: Order | None = None
        self.large = False

    @classmethod
    def starting_with(cls, first: bytes, size: int, config: ZSetLimits) -> ZSet:
        """Returns an empty sorted set in the form for ``size`` members, the first of which is ``first``."""
        made = cls()
        if size > config.zset_max_listpack_entries or len(first) > config.zset_max_listpack_value:
            made.enlarge()
        return made

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[bytes, float]], config: ZSetLimits) -> ZSet:
        """Returns a sorted set of (member, score) ``pairs`` in the encoding that Redis would choose."""
        scores = dict(pairs)
        longest = config.zset_max_listpack_value
        if len(scores) > config.zset_max_listpack_entries or any(len(member) > longest for member in scores):
            return cls.of(scores, large=True)
        return cls.of(scores, large=False)

    @classmethod
    def from_columns(cls, members: Sequence[bytes], scores: Sequence[float], config: ZSetLimits) -> ZSet | None:
        """Returns a small sorted set of ``members`` with ``scores``, or None if it would be large.

        Returns None also if there are equal members, with which the result would depend on their order.
        """
        size = len(members)
        if size > MOST or size > config.zset_max_listpack_entries:
            return None
        longest = config.zset_max_listpack_value
        for member in members:
            if len(member) > longest:
                return None
        columns = dict(zip(members, scores, strict=True))
        return cls.of(columns, large=False) if len(columns) == size else None

    @classmethod
    def of(cls, scores: dict[bytes, float], *, large: bool) -> ZSet:
        """Returns a sorted set that is ``large`` or not.  ``scores`` may become a part of it."""
        made = cls()
        made.scores = scores
        if large:
            made.enlarge()
            return made
        # A listpack cannot store a negative zero.
        if 0.0 in scores.values():
            for member, score in scores.items():
                scores[member] = score + 0.0
        if _TINY < len(scores) <= MOST:
            made.scores = ShortRanking(scores)
        return made

    @classmethod
    def in_order(cls, members: list[bytes], scores: array[float]) -> ZSet:
        """Returns a sorted set that is not large, of ``members`` with ``scores`` in ascending order."""
        made = cls()
        if _TINY < len(members) <= MOST:
            made.scores = ShortRanking.in_order(members, scores)
        else:
            made.scores = dict(zip(members, scores, strict=True))
        return made

    def moved(self, cls: type[ZSet]) -> ZSet:
        """Returns a ``cls`` with everything that this sorted set has.  This one must not be used any more."""
        made = cls()
        made.scores = self.scores
        made._ranking = self._ranking
        made._order = self._order
        made.large = self.large
        if isinstance(self.scores, ShortRanking):
            self.scores.asked = 0
        return made

    def __len__(self) -> int:
        """The number of members."""
        return len(self.scores)

    def __iter__(self) -> Iterator[bytes]:
        """The members in ascending order."""
        return iter(self._ranked())

    def __contains__(self, member: object) -> bool:
        return member in self.scores

    def copy(self) -> ZSet:
        """Returns an independent sorted set with the same members."""
        twin = ZSet()
        twin.scores = self.scores.copy()
        twin.large = self.large
        if self._ranking is not None:
            twin._ranking = self._ranking.copy()
        return twin

    def encoding(self) -> str:
        """The reply of OBJECT ENCODING."""
        return "skiplist" if self.large else "listpack"

    def memory(self, how: sizes.Sampling = sizes.USUAL) -> int:
        """Estimates the size of the sorted set in bytes."""
        scores = self.scores
        if isinstance(scores, ShortRanking):
            return 80 + scores.memory(how)
        holders = 1 + (self._ranking is not None) + (self._order is not None)
        size = 80 + sizes.of_container(scores) + sizes.of_items(scores, how, holders) + _FLOAT * len(scores)
        if self._ranking is not None:
            size += self._ranking.memory()
        if self._order is not None:
            size += 8 * len(self._order)
        return size

    # members

    def score(self, member: bytes) -> float | None:
        """Returns the score of ``member``, or None if it is missing."""
        scores = self.scores
        if isinstance(scores, ShortRanking):
            scores.asked += 1
            if scores.asked > OFTEN:
                return self._unfold(scores).get(member)
        return scores.get(member)

    def lookup(self) -> dict[bytes, float]:
        """Returns the members with their scores, for questions about many members.  Callers must not change it."""
        scores = self.scores
        return dict(scores.items()) if isinstance(scores, ShortRanking) else scores

    def add(self, member: bytes, score: float, config: ZSetLimits | None = None) -> bool:
        """Adds ``member`` or changes its score, which must not be nan; returns whether it is new.

        With ``config`` the set becomes large if it is beyond a limit.
        """
        return self.set(member, score, config) is None

    def set(self, member: bytes, score: float, config: ZSetLimits | None = None) -> float | None:
        """As ``add``; returns the score that ``member`` had before, None if it is new."""
        scores = self.scores
        if isinstance(scores, ShortRanking):
            scores.asked += 1
            if scores.asked <= OFTEN:
                try:
                    if config is None:
                        return scores.set(score, member)
                    if len(member) <= config.zset_max_listpack_value:
                        return scores.set(score, member, config.zset_max_listpack_entries)
                    if member in scores:
                        return scores.set(score, member)
                except Full:
                    pass
            scores = self._unfold(scores)
        before = scores.get(member)
        if before != score:
            self._put(scores, member, score, before, config)
        return before

    def _put(
        self,
        scores: dict[bytes, float],
        member: bytes,
        score: float,
        before: float | None,
        config: ZSetLimits | None = None,
    ) -> None:
        """Adds ``member`` to the dict ``scores`` and to the ranking, or changes its score, which is ``before`` now."""
        ranking = self._ranking
        if before is None:
            if not self.large:
                if config is not None and (
                    len(scores) >= config.zset_max_listpack_entries or len(member) > config.zset_max_listpack_value
                ):
                    ranking = self.enlarge()
                else:
                    score += 0.0
            scores[member] = score
            if ranking is not None:
                ranking.add(score, member)
            if self._order is not None:
                self._order.append(member)
            if len(scores) == _TINY + 1 and not self.large:
                self.scores = ShortRanking(scores)
                self._ranking = None
        elif before != score:
            if not self.large:
                score += 0.0
            if ranking is not None:
                # Move the stored member: the argument may be another object with the same bytes.
                ranking.add(score, ranking.remove(before, member))
            scores[member] = score

    def remove(self, member: bytes) -> bool:
        """Removes ``member``; returns whether it was there."""
        scores = self.scores
        if isinstance(scores, ShortRanking):
            return scores.discard(member)
        score = scores.pop(member, None)
        if score is None:
            return False
        if self._ranking is not None:
            self._ranking.remove(score, member)
        if self._order is not None:
            self._order.discard(member)
        return True

    def pop(self, *, last: bool = False) -> tuple[bytes, float]:
        """Removes the first or the last member; returns it with its score.  The set must not be empty."""
        scores = self.scores
        if isinstance(scores, ShortRanking):
            return scores.pop_last() if last else scores.pop_first()
        ranking = self._ranking
        if ranking is None:
            if len(scores) <= _TINY:
                score, member = (max if last else min)(zip(scores.values(), scores, strict=True))
                del scores[member]
                return member, score
            ranking = self._ranking = self._sorted()
        member, score = pair = ranking.pop_last() if last else ranking.pop_first()
        del scores[member]
        if self._order is not None:
            self._order.discard(member)
        return pair

    def pop_some(self, count: int, *, last: bool = False) -> list[tuple[bytes, float]]:
        """Removes up to ``count`` members from the start, or backwards from the end; returns them with scores."""
        size = len(self.scores)
        count = min(count, size)
        if count == 1:
            return [self.pop(last=last)]
        start, stop = (size - count, size) if last else (0, count)
        popped = self.pairs(start, stop)
        self.remove_range(start, stop)
        if last:
            popped.reverse()
        return popped

    def remove_range(self, start: int, stop: int) -> int:
        """Removes the members with ranks from ``start`` up to but not including ``stop``; returns their number."""
        scores = self.scores
        if isinstance(scores, ShortRanking):
            scores.delete(start, stop)
            return stop - start
        if stop - start == len(scores):
            scores.clear()
            self._ranking = Ranking() if self.large else None
            self._order = None
            return stop - start
        ranking = self._with_ranking()
        removed = ranking.delete(start, stop)
        for member in removed:
            del scores[member]
        if self._order is not None:
            self._order.discard_all(removed)
        return len(removed)

    def expect(self, size: int, config: ZSetLimits) -> None:
        """Becomes large at once if ``size`` members, which will be added, are too many for a listpack."""
        if not self.large and size > config.zset_max_listpack_entries:
            self.enlarge()

    def enlarge(self) -> Ranking:
        """Makes the set ``large``; returns its ranking."""
        self.large = True
        scores = self.scores
        if isinstance(scores, ShortRanking):
            self._unfold(scores)
        if self._ranking is None:
            self._ranking = self._sorted()
        return self._ranking

    def _unfold(self, scores: ShortRanking) -> dict[bytes, float]:
        """Replaces a short ranking by a dict, which it returns."""
        self.scores = unfolded = dict(scores.items())
        return unfolded

    # ranks

    def rank(self, member: bytes) -> int | None:
        """Returns the number of members before ``member``, or None if it is missing."""
        scores = self.scores
        if isinstance(scores, ShortRanking):
            return scores.rank_of(member)
        score = scores.get(member)
        if score is None:
            return None
        return self._with_ranking().rank(score, member)

    def members(self, start: int, stop: int) -> list[bytes]:
        """Returns the members with ranks from ``start`` up to but not including ``stop``; both must be valid ranks."""
        return self._ranked().members(start, stop)

    def columns(self, start: int, stop: int) -> tuple[list[bytes], list[float]]:
        """Returns the members with these ranks, and their scores."""
        return self._ranked().columns(start, stop)

    def pairs(self, start: int, stop: int) -> list[tuple[bytes, float]]:
        """Returns the members with these ranks, each with its score."""
        return list(zip(*self._ranked().columns(start, stop), strict=True))

    def sorted_columns(self) -> tuple[Sequence[bytes], Sequence[float]]:
        """Returns all members in order, and their scores.  Nothing of that is kept."""
        scores = self.scores
        if isinstance(scores, ShortRanking) or self._ranking is not None:
            return self._ranked().columns(0, len(scores))
        pairs = sorted(zip(scores.values(), scores, strict=True))
        return [member for _, member in pairs], [score for score, _ in pairs]

    def ranks_of_scores(self, wanted: ScoreRange) -> tuple[int, int]:
        """Returns the rank of the first member whose score is in the range, and one past the rank of the last.

        If there is none, the second rank is not greater than the first.
        """
        low, high, above, below = wanted
        if low > high:
            return 0, 0
        ranking = self._ranked()
        start = ranking.up_to(low) if above else ranking.before(low)
        stop = ranking.before(high) if below else ranking.up_to(high)
        return start, stop

    def ranks_of_members(self, wanted: LexRange, *, reverse: bool = False) -> tuple[int, int]:
        """Returns the first rank of the range and one past its last, for a set where all scores are the same.

        If there is none, the second rank is not greater than the first.  ``reverse`` is the direction in which the
        caller will read the range.  It matters only for a set with several scores, where the result is not meaningful,
        but is that of Redis.
        """
        low, high, above, below = wanted
        ranking = self._ranked()
        if not self.large and not ranking.uniform():
            return self._walk(wanted, reverse)
        start = 0
        if low is not None:
            start = ranking.up_to_member(low) if above else ranking.before_member(low)
        if high is None:
            return start, len(self.scores)
        return start, ranking.before_member(high) if below else ranking.up_to_member(high)

    def _walk(self, wanted: LexRange, reverse: bool) -> tuple[int, int]:
        """Finds a range of members that are not in order: from the first one that reaches it to the next beyond it."""
        low, high, above, below = wanted

        def reaches(member: bytes) -> bool:
            return low is None or (member > low if above else member >= low)

        def stays(member: bytes) -> bool:
            return high is None or (member < high if below else member <= high)

        members = list(self)
        size = len(members)
        if low is not None and high is not None and (low > high or (low == high and (above or below))):
            return 0, 0
        if not reaches(members[-1]) or not stays(members[0]):
            return 0, 0
        begins, goes_on = (stays, reaches) if reverse else (reaches, stays)
        if reverse:
            members.reverse()
        start = next((place for place in range(size) if begins(members[place])), size)
        stop = next((place for place in range(start, size) if not goes_on(members[place])), size)
        return (size - stop, size - start) if reverse else (start, stop)

    def _sorted(self) -> Ranking:
        scores = self.scores
        return Ranking(sorted([(score, member) for member, score in scores.items()]))

    def _ranked(self) -> Ranking | ShortRanking:
        scores = self.scores
        return scores if isinstance(scores, ShortRanking) else self._with_ranking()

    def _with_ranking(self) -> Ranking:
        """Returns the ranking of a set that is not short."""
        ranking = self._ranking
        if ranking is None:
            ranking = self._sorted()
            if len(self.scores) > _TINY:
                self._ranking = ranking
        return ranking

    # cursors and random picks

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Returns the next cursor and some members, or all members in order if the set is not large."""
        if not self.large:
            return 0, list(self)
        if self._order is None:
            self._order = Order(self.scores)
        return self._order.scan(cursor, count)

    def random(self, rng: Random = RANDOM) -> bytes:
        """Returns a random member.  The set must not be empty."""
        place = int(rng.random() * len(self.scores))
        return self.members(place, place + 1)[0]

    def choices(self, count: int, rng: Random = RANDOM) -> list[bytes]:
        """Returns ``count`` random members, each picked from all members, of which there must be some."""
        size = len(self.scores)
        if 4 * count < size:
            return self._at([int(rng.random() * size) for _ in range(count)])
        return rng.choices(list(self.scores), k=count)

    def sample(self, count: int, rng: Random = RANDOM) -> list[bytes]:
        """Returns up to ``count`` different random members."""
        size = len(self.scores)
        if 4 * count < size:
            return self._at(rng.sample(range(size), count))
        return take_some(list(self.scores), count, rng)

    def _at(self, ranks: list[int]) -> list[bytes]:
        members = self._ranked().members
        return [members(rank, rank + 1)[0] for rank in ranks]

    @property
    def order(self) -> Order | None:
        """The order of the members for cursors, or None if nothing has needed it.  Callers must not change it."""
        return self._order


class RestingZSet(ZSet):
    """A sorted set that was not accessed since the last look for sorted sets to pack (``datatypes.packed``)."""

    __slots__ = ()
