"""A ranking of few members that also finds the score of a member: a small sorted set without a dict.

    >>> ranking = ShortRanking({b"a": 1.0, b"c": 2.0})
    >>> ranking.set(1.5, b"b")
    >>> ranking.get(b"b")
    1.5
    >>> list(ranking)
    [b'a', b'b', b'c']
    >>> ranking.rank_of(b"c")
    2

It takes 18 bytes for each member, besides the member itself.  A dict of members and float objects takes up to 70 bytes,
and after many additions and removals up to 140.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.few import MOST, TAGS, Few, Full

__all__ = ["ShortRanking"]


class ShortRanking(Few):
    """Pairs of (score, member), whose members are all different.  A score is never nan.

    A third sequence, beside the members and their tags, has the scores.

    The pairs are in no order until a caller asks for one.  After that they are kept in ascending order.
    """

    __slots__ = ("_ordered", "_scores")

    def __init__(self, scores: dict[bytes, float]) -> None:
        super().__init__(scores)
        self._scores: array[float] = array("d", scores.values())
        self._ordered = False

    @classmethod
    def in_order(cls, members: list[bytes], scores: array[float]) -> ShortRanking:
        """Returns a ranking of different ``members`` with their ``scores``, which are in ascending order."""
        made = cls({})
        made._members = members
        made._tags = bytearray([hash(member) % TAGS for member in members])
        made._scores = scores
        made._ordered = True
        return made

    def __iter__(self) -> Iterator[bytes]:
        """The members in ascending order."""
        self._arrange()
        return iter(self._members)

    def __getitem__(self, member: bytes) -> float:
        """Returns the score of ``member``; raises KeyError if it is missing."""
        place = self._place(member)
        if place < 0:
            raise KeyError(member)
        return self._scores[place]

    def get(self, member: bytes) -> float | None:
        """Returns the score of ``member``, or None if it is missing."""
        # ``_place`` spelled out.
        tag = hash(member) % TAGS
        tags = self._tags
        place = tags.find(tag)
        if place < 0:
            return None
        members = self._members
        while members[place] != member:
            place = tags.find(tag, place + 1)
            if place < 0:
                return None
        return self._scores[place]

    def items(self) -> list[tuple[bytes, float]]:
        """Returns the members with their scores, in any order."""
        return list(zip(self._members, self._scores, strict=True))

    def copy(self) -> ShortRanking:
        """Returns an independent ranking of the same pairs."""
        twin = ShortRanking({})
        twin._members = self._members[:]
        twin._scores = self._scores[:]
        twin._tags = self._tags[:]
        twin._ordered = self._ordered
        return twin

    def memory(self, how: sizes.Sampling) -> int:
        """Estimates the size of the ranking and its members in bytes."""
        members = self._members
        size = 64 + sizes.of_container(members) + sizes.of_container(self._scores) + sizes.of_container(self._tags)
        return size + sizes.of_items(members, how)

    # changes

    def set(self, score: float, member: bytes, most: int = MOST) -> float | None:
        """Adds ``member`` or changes its score; returns the score before, or None.  The stored object stays.

        A score of minus zero becomes zero, because a listpack cannot store it.

        Raises Full if the member is new and there are already ``most`` members, or ``MOST``.
        """
        # ``_place`` spelled out, for members that are often new.
        tag = hash(member) % TAGS
        tags, members, scores = self._tags, self._members, self._scores
        if tag in tags:
            place = tags.find(tag)
            while place >= 0:
                if members[place] == member:
                    before = scores[place]
                    if before != score:
                        self._change(place, score + 0.0)
                    return before
                place = tags.find(tag, place + 1)
        length = len(members)
        if length >= most or length >= MOST:
            raise Full
        if self._ordered:
            self._insert(score + 0.0, member, tag)
        else:
            scores.append(score + 0.0)
            members.append(member)
            tags.append(tag)
        return None

    def _insert(self, score: float, member: bytes, tag: int) -> None:
        """Inserts a pair into the order."""
        scores, members = self._scores, self._members
        place = bisect_left(scores, score)
        if place < len(scores) and scores[place] == score:
            place = bisect_left(members, member, place, bisect_right(scores, score, place))
        scores.insert(place, score)
        members.insert(place, member)
        self._tags.insert(place, tag)

    def _change(self, place: int, score: float) -> None:
        """Changes the score of the member at ``place``."""
        scores = self._scores
        if self._ordered and (
            (place and scores[place - 1] >= score) or (place + 1 < len(scores) and scores[place + 1] <= score)
        ):
            scores.pop(place)
            self._insert(score, self._members.pop(place), self._tags.pop(place))
        else:
            scores[place] = score

    def discard(self, member: bytes) -> bool:
        """Removes ``member``; returns whether it was there."""
        # ``_place`` spelled out.
        tag = hash(member) % TAGS
        tags, members = self._tags, self._members
        place = tags.find(tag)
        if place < 0:
            return False
        while members[place] != member:
            place = tags.find(tag, place + 1)
            if place < 0:
                return False
        tags.pop(place)
        members.pop(place)
        self._scores.pop(place)
        return True

    def pop_first(self) -> tuple[bytes, float]:
        """Removes the first pair, which must exist.  Returns its member and its score."""
        self._arrange()
        self._tags.pop(0)
        return self._members.pop(0), self._scores.pop(0)

    def pop_last(self) -> tuple[bytes, float]:
        """Removes the last pair, which must exist.  Returns its member and its score."""
        self._arrange()
        self._tags.pop()
        return self._members.pop(), self._scores.pop()

    def delete(self, start: int, stop: int) -> None:
        """Removes the pairs with ranks from ``start`` up to but not including ``stop``."""
        self._arrange()
        del self._tags[start:stop]
        del self._members[start:stop]
        del self._scores[start:stop]

    def _arrange(self) -> None:
        """Brings the pairs into ascending order."""
        if not self._ordered:
            self._ordered = True
            pairs = sorted(zip(self._scores, self._members, strict=True))
            self._scores = array("d", [score for score, _ in pairs])
            self._members = members = [member for _, member in pairs]
            self._tags = bytearray([hash(member) % TAGS for member in members])

    # ranks

    def rank_of(self, member: bytes) -> int | None:
        """Returns the number of pairs before that of ``member``, or None if it is missing."""
        self._arrange()
        place = self._place(member)
        return None if place < 0 else place

    def before(self, score: float) -> int:
        """Returns the number of pairs with a lower score."""
        self._arrange()
        return bisect_left(self._scores, score)

    def up_to(self, score: float) -> int:
        """Returns the number of pairs with this score or a lower one."""
        self._arrange()
        return bisect_right(self._scores, score)

    def before_member(self, member: bytes) -> int:
        """Returns the number of members before ``member``, if all scores are the same."""
        self._arrange()
        return bisect_left(self._members, member)

    def up_to_member(self, member: bytes) -> int:
        """As ``before_member``, but counts ``member`` itself if it is in the ranking."""
        self._arrange()
        return bisect_right(self._members, member)

    def uniform(self) -> bool:
        """Returns whether all pairs have the same score."""
        self._arrange()
        return not self._scores or self._scores[0] == self._scores[-1]

    def members(self, start: int, stop: int) -> list[bytes]:
        """Returns the members with ranks from ``start`` up to but not including ``stop``."""
        self._arrange()
        return self._members[start:stop]

    def columns(self, start: int, stop: int) -> tuple[list[bytes], list[float]]:
        """Returns the members with these ranks, and their scores."""
        self._arrange()
        return self._members[start:stop], self._scores[start:stop].tolist()
