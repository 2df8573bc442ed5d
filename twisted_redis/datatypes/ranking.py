"""A ranking: pairs of a score and a member in ascending order, for sorted sets.

It finds the rank of a pair, and the pairs of a range of ranks.

    >>> ranking = Ranking([(1.0, b"a"), (2.0, b"b"), (2.0, b"c")])
    >>> ranking.add(1.5, b"d")
    >>> list(ranking)
    [b'a', b'd', b'b', b'c']
    >>> ranking.rank(2.0, b"c")
    3
    >>> ranking.members(1, 3)
    [b'd', b'b']

The pairs are stored in blocks of some hundred to a thousand.  A block has its scores in an ``array`` and its members in
a list beside it.  That takes 16 bytes for each pair, and the garbage collector has nothing in it to follow.  A search
bisects the scores, which lie side by side in memory.  It looks at members only among those that have the same score.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from math import inf, nextafter
from typing import ClassVar

from twisted_redis.datatypes import sizes

__all__ = ["Ranking"]

_MOST = 1024
"""A block with more pairs is split.  Twice as many made each change a tenth slower, half as many gained nothing."""

_FILLED = 768
"""The size of new blocks when many pairs come at once, and the greatest size of two blocks that are joined."""

_FEW = 128
"""A block with fewer pairs is joined with a neighbour, if that has room."""

_LATE = 512
"""The number of additions, or of removals, after which the ranks of the blocks are counted again."""


class Ranking:
    """Pairs of (score, member), all different.  A score is never nan.

    The costs below are for N pairs in B blocks, where B is about N/700.  A change within a block moves at most 1024
    entries of 8 bytes, which counts as constant.  A block that is split, joined or emptied costs O(B) for the lists of
    blocks; that happens at most once in several hundred changes, except by ``pop_first`` and ``pop_last`` of blocks
    that are nearly empty.

    ``_last_scores`` and ``_last_members`` have an upper bound for each block: no pair in the block is greater, all
    pairs of later blocks are.  It is the last pair of the block, or one that was the last and has been removed.
    ``_starts`` has the rank of the first
    pair of each block.  It is counted when a caller needs ranks.  ``_grown`` and ``_shrunk`` list the blocks that have
    gained or lost a pair since then, in ascending order.
    """

    #: The attributes that hold elements, in which a large one is freed bit by bit.
    PARTS: ClassVar[tuple[str, ...]] = ("_members", "_scores", "_last_scores", "_last_members")

    __slots__ = ("_grown", "_last_members", "_last_scores", "_members", "_scores", "_shrunk", "_size", "_starts")

    def __init__(self, pairs: Sequence[tuple[float, bytes]] = ()) -> None:
        """Takes ``pairs``, which must be in ascending order.  O(N)."""
        self._last_scores: list[float] = []
        self._last_members: list[bytes] = []
        self._members: list[list[bytes]] = []
        self._scores: list[array[float]] = []
        self._starts: list[int] | None = None
        self._grown: list[int] = []
        self._shrunk: list[int] = []
        self._size = len(pairs)
        for start in range(0, len(pairs), _FILLED):
            block = pairs[start : start + _FILLED]
            self._scores.append(array("d", [score for score, _ in block]))
            self._members.append([member for _, member in block])
            self._last_scores.append(block[-1][0])
            self._last_members.append(block[-1][1])

    def __len__(self) -> int:
        """The number of pairs.  O(1)."""
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        """The members in ascending order.  O(N)."""
        return chain.from_iterable(self._members)

    def copy(self) -> Ranking:
        """Returns an independent ranking of the same pairs.  O(N)."""
        twin = Ranking()
        twin._last_scores = self._last_scores[:]
        twin._last_members = self._last_members[:]
        twin._members = [block[:] for block in self._members]
        twin._scores = [block[:] for block in self._scores]
        twin._size = self._size
        return twin

    def memory(self) -> int:
        """Estimates the size of the ranking in bytes, without the members themselves.  O(1)."""
        blocks = len(self._members)
        size = 64 + sizes.of_container(self._members) + sizes.of_container(self._scores) + 64 * blocks
        if not blocks:
            return size
        middle = blocks // 2
        of_one = sizes.of_container(self._members[middle]) + sizes.of_container(self._scores[middle])
        return size + blocks * of_one

    # changes

    def add(self, score: float, member: bytes) -> None:
        """Adds a pair, which must be new.  O(log N)."""
        lasts = self._last_scores
        index = bisect_left(lasts, score)
        if index < len(lasts) and lasts[index] == score:
            index = bisect_left(self._last_members, member, index, bisect_right(lasts, score, index))
        self._size += 1
        if index < len(lasts):
            scores, members = self._scores[index], self._members[index]
            place = bisect_left(scores, score)
            if place < len(scores) and scores[place] == score:
                place = bisect_left(members, member, place, bisect_right(scores, score, place))
            scores.insert(place, score)
            members.insert(place, member)
            if self._starts is not None:
                self._note(self._grown, index)
            if len(members) > _MOST:
                self._split(index)
        elif index and len(self._members[-1]) < _MOST:
            self._scores[-1].append(score)
            self._members[-1].append(member)
            lasts[-1] = score
            self._last_members[-1] = member
            if self._starts is not None:
                self._note(self._grown, index - 1)
        else:
            # Pairs that come in ascending order fill whole blocks.
            self._scores.append(array("d", (score,)))
            self._members.append([member])
            lasts.append(score)
            self._last_members.append(member)
            self._starts = None

    def remove(self, score: float, member: bytes) -> bytes:
        """Removes a pair, which must exist.  Returns the stored member object.  O(log N)."""
        index, place = self._find(score, member)
        members = self._members[index]
        self._scores[index].pop(place)  # on PyPy a hundred times as fast as del
        stored = members.pop(place)
        self._size -= 1
        if self._starts is not None:
            self._note(self._shrunk, index)
        if len(members) < _FEW:
            self._tidy(index)
        return stored

    def pop_first(self) -> tuple[bytes, float]:
        """Removes the first pair, which must exist.  Returns its member and its score.  O(1)."""
        members = self._members[0]
        pair = members.pop(0), self._scores[0].pop(0)
        self._size -= 1
        if self._starts is not None:
            self._note(self._shrunk, 0)
        if len(members) < _FEW:
            self._tidy(0)
        return pair

    def pop_last(self) -> tuple[bytes, float]:
        """Removes the last pair, which must exist.  Returns its member and its score.  O(1)."""
        members = self._members[-1]
        pair = members.pop(), self._scores[-1].pop()
        self._size -= 1
        if self._starts is not None:
            self._note(self._shrunk, len(self._members) - 1)
        if len(members) < _FEW:
            self._tidy(len(self._members) - 1)
        return pair

    def delete(self, start: int, stop: int) -> list[bytes]:
        """Removes the pairs with ranks from ``start`` up to but not including ``stop``.  Returns their members.

        The members come in no particular order.  O(M + B) for M pairs removed.
        """
        spans = self._spans(start, stop)
        removed: list[bytes] = []
        self._starts = None
        for index, low, high in reversed(spans):
            members = self._members[index]
            removed += members[low:high]
            if high - low == len(members):
                self._drop(index)
            else:
                del members[low:high]
                del self._scores[index][low:high]
        self._size -= len(removed)
        if spans:
            # At most the first and the last of the touched blocks still hold pairs.
            for index in (spans[0][0] + 1, spans[0][0]):
                if index < len(self._members) and len(self._members[index]) < _FEW:
                    self._tidy(index)
        return removed

    def _note(self, blocks: list[int], index: int) -> None:
        insort(blocks, index)
        if len(blocks) > _LATE:
            self._starts = None

    def _split(self, index: int) -> None:
        self._starts = None
        members, scores = self._members[index], self._scores[index]
        half = len(members) // 2
        self._members[index : index + 1] = [members[:half], members[half:]]
        self._scores[index : index + 1] = [scores[:half], scores[half:]]
        self._last_scores.insert(index, scores[half - 1])
        self._last_members.insert(index, members[half - 1])

    def _drop(self, index: int) -> None:
        del self._members[index], self._scores[index], self._last_scores[index], self._last_members[index]

    def _tidy(self, index: int) -> None:
        """Deletes an empty block, or joins a small one with a neighbour that has room.  O(B)."""
        blocks = self._members
        size = len(blocks[index])
        if not size:
            self._starts = None
            self._drop(index)
        elif index + 1 < len(blocks) and size + len(blocks[index + 1]) <= _FILLED:
            self._join(index)
        elif index and size + len(blocks[index - 1]) <= _FILLED:
            self._join(index - 1)

    def _join(self, index: int) -> None:
        self._starts = None
        self._members[index] += self._members.pop(index + 1)
        self._scores[index] += self._scores.pop(index + 1)
        del self._last_scores[index], self._last_members[index]

    # ranks

    def rank(self, score: float, member: bytes) -> int:
        """Returns the rank of a pair, which must exist: the number of pairs before it.

        O(log N), or O(B) when the ranks of the blocks must be counted again.
        """
        index, place = self._find(score, member)
        return self._start(index) + place

    def before(self, score: float) -> int:
        """Returns the number of pairs with a lower score.  Costs as much as ``rank``."""
        index = bisect_left(self._last_scores, score)
        if index == len(self._last_scores):
            return self._start(index)
        return self._start(index) + bisect_left(self._scores[index], score)

    def up_to(self, score: float) -> int:
        """Returns the number of pairs with this score or a lower one.  Costs as much as ``rank``."""
        return self._start(len(self._members)) if score == inf else self.before(nextafter(score, inf))

    def before_member(self, member: bytes) -> int:
        """Returns the number of members before ``member``, if all scores are the same.  Costs as much as ``rank``."""
        index = bisect_left(self._last_members, member)
        if index == len(self._last_members):
            return self._start(index)
        return self._start(index) + bisect_left(self._members[index], member)

    def up_to_member(self, member: bytes) -> int:
        """As ``before_member``, but counts ``member`` itself if it is in the ranking."""
        return self.before_member(member + b"\0")

    def uniform(self) -> bool:
        """Returns whether all pairs have the same score.  O(1)."""
        return not self._size or self._scores[0][0] == self._scores[-1][-1]

    def members(self, start: int, stop: int) -> list[bytes]:
        """Returns the members with ranks from ``start`` up to but not including ``stop``.

        Costs as much as ``rank``, plus O(M) for M members.
        """
        spans = self._spans(start, stop)
        if len(spans) == 1:
            index, low, high = spans[0]
            return self._members[index][low:high]
        return [member for index, low, high in spans for member in self._members[index][low:high]]

    def columns(self, start: int, stop: int) -> tuple[list[bytes], list[float]]:
        """Returns the members with these ranks, and their scores.  Costs as much as ``members``."""
        members: list[bytes] = []
        scores: list[float] = []
        for index, low, high in self._spans(start, stop):
            members += self._members[index][low:high]
            scores += self._scores[index][low:high]
        return members, scores

    def _find(self, score: float, member: bytes) -> tuple[int, int]:
        """Returns the index of the block of an existing pair, and the place of the pair in it."""
        lasts = self._last_scores
        index = bisect_left(lasts, score)
        if lasts[index] == score:
            index = bisect_left(self._last_members, member, index, bisect_right(lasts, score, index))
        scores, members = self._scores[index], self._members[index]
        place = bisect_left(scores, score)
        if members[place] != member:
            place = bisect_left(members, member, place, bisect_right(scores, score, place))
        return index, place

    def _counted(self) -> list[int]:
        """Returns the rank of each block's first pair and the number of all pairs, as of the last count."""
        starts = self._starts
        if starts is None:
            starts = self._starts = list(accumulate(map(len, self._members), initial=0))
            self._grown.clear()
            self._shrunk.clear()
        return starts

    def _start(self, index: int) -> int:
        """Returns the number of pairs in the blocks before ``index``."""
        if not index:
            return 0
        if index == len(self._members):
            return self._size
        return self._counted()[index] + bisect_left(self._grown, index) - bisect_left(self._shrunk, index)

    def _block(self, rank: int) -> tuple[int, int]:
        """Returns the index of the block that has the pair with this rank, and the rank of the block's first pair."""
        blocks = self._members
        if rank < len(blocks[0]):
            return 0, 0
        before_last = self._size - len(blocks[-1])
        if rank >= before_last:
            return len(blocks) - 1, before_last
        starts = self._counted()
        # The block is near that, because few changes were made since the count.
        index = min(bisect_right(starts, rank) - 1, len(blocks) - 1)
        start = self._start(index)
        while start > rank:
            index -= 1
            start -= len(blocks[index])
        while rank >= start + len(blocks[index]):
            start += len(blocks[index])
            index += 1
        return index, start

    def _spans(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Returns (index, begin, end) for each block that has pairs with these ranks."""
        if start >= stop:
            return []
        index, before = self._block(start)
        low, left = start - before, stop - start
        spans = []
        while left:
            high = min(low + left, len(self._members[index]))
            spans.append((index, low, high))
            left -= high - low
            index += 1
            low = 0
        return spans
