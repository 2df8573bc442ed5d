"""A ranking: pairs of a score and a member in ascending order, with the rank of each and the pairs of any ranks.

The pairs stand in blocks of some hundred to two thousand, scores in an ``array`` and members in a list beside it:
16 bytes a pair, and nothing in it that the garbage collector follows. A place in a block is found by bisection
over doubles first, and over the members of the same score then; all of it runs in C.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from math import inf, nextafter
from operator import itemgetter

from twisted_redis.datatypes import sizes

__all__ = ["Ranking"]

_MOST = 2048
"""Pairs of a block at which it is split."""

_FILLED = 1536
"""Pairs of a block when many come at once, and the most that two blocks are joined to."""

_FEW = 256
"""Pairs of a block under which it is joined with a neighbour, if that has room."""

_LATE = 512
"""Pairs that come or go until the ranks of the blocks are counted anew."""

_member_of = itemgetter(1)


class Ranking:
    """Pairs of (score, member), without one that is there twice; no score is nan.

    ``_lasts`` has for each block a pair that none in it exceeds and that all behind it do: its last one, or one
    that was its last before it was removed. ``_starts`` has the rank of each block's first pair as it was counted
    when somebody needed it, ``_grown`` and ``_shrunk`` the blocks that have got or lost a pair since, in order.
    """

    __slots__ = ("_grown", "_lasts", "_members", "_scores", "_shrunk", "_size", "_starts")

    def __init__(self, pairs: Sequence[tuple[float, bytes]] = ()) -> None:
        """Takes ``pairs``, which are in order."""
        self._lasts: list[tuple[float, bytes]] = []
        self._members: list[list[bytes]] = []
        self._scores: list[array[float]] = []
        self._starts: list[int] | None = None
        self._grown: list[int] = []
        self._shrunk: list[int] = []
        self._size = len(pairs)
        for start in range(0, len(pairs), _FILLED):
            block = pairs[start : start + _FILLED]
            self._lasts.append(block[-1])
            self._scores.append(array("d", [score for score, _ in block]))
            self._members.append([member for _, member in block])

    def __len__(self) -> int:
        """The number of pairs."""
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        """The members in ascending order."""
        return chain.from_iterable(self._members)

    def copy(self) -> Ranking:
        """Returns a ranking of its own with the same pairs."""
        twin = Ranking()
        twin._lasts = self._lasts[:]
        twin._members = [block[:] for block in self._members]
        twin._scores = [block[:] for block in self._scores]
        twin._size = self._size
        return twin

    def memory(self) -> int:
        """Estimates the bytes that the ranking takes, without the members themselves."""
        blocks = len(self._members)
        size = 64 + sizes.of_container(self._members) + sizes.of_container(self._scores) + 64 * blocks
        if not blocks:
            return size
        middle = blocks // 2
        of_one = sizes.of_container(self._members[middle]) + sizes.of_container(self._scores[middle])
        return size + blocks * of_one

    # changes

    def add(self, score: float, member: bytes) -> None:
        """Takes in a pair that is not there."""
        pair = (score, member)
        lasts = self._lasts
        index = bisect_left(lasts, pair)
        self._size += 1
        if index < len(lasts):
            scores, members = self._scores[index], self._members[index]
            place = bisect_left(scores, score)
            end = bisect_right(scores, score, place)
            if place != end:
                place = bisect_left(members, member, place, end)
            scores.insert(place, score)
            members.insert(place, member)
            if self._starts is not None:
                self._note(self._grown, index)
            if len(members) > _MOST:
                self._split(index)
        elif index and len(self._members[-1]) < _MOST:
            self._scores[-1].append(score)
            self._members[-1].append(member)
            lasts[-1] = pair
            if self._starts is not None:
                self._note(self._grown, index - 1)
        else:
            # What comes in order fills its blocks.
            self._scores.append(array("d", (score,)))
            self._members.append([member])
            lasts.append(pair)
            self._starts = None

    def remove(self, score: float, member: bytes) -> bytes:
        """Removes a pair that is there; returns its member, the very object."""
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
        """Removes the first pair of some; returns its member and its score."""
        members = self._members[0]
        pair = members.pop(0), self._scores[0].pop(0)
        self._size -= 1
        if self._starts is not None:
            self._note(self._shrunk, 0)
        if len(members) < _FEW:
            self._tidy(0)
        return pair

    def pop_last(self) -> tuple[bytes, float]:
        """Removes the last pair of some; returns its member and its score."""
        members = self._members[-1]
        pair = members.pop(), self._scores[-1].pop()
        self._size -= 1
        if self._starts is not None:
            self._note(self._shrunk, len(self._members) - 1)
        if len(members) < _FEW:
            self._tidy(len(self._members) - 1)
        return pair

    def delete(self, start: int, stop: int) -> list[bytes]:
        """Removes the pairs of the ranks from ``start`` up to, not with, ``stop``; returns their members."""
        spans = self._spans(start, stop)
        removed: list[bytes] = []
        self._starts = None
        for index, low, high in reversed(spans):
            members = self._members[index]
            removed += members[low:high]
            if high - low == len(members):
                del self._members[index], self._scores[index], self._lasts[index]
            else:
                del members[low:high]
                del self._scores[index][low:high]
        self._size -= len(removed)
        if spans:
            # Of the blocks that were touched only the first and the last one can be left.
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
        self._lasts.insert(index, (scores[half - 1], members[half - 1]))

    def _tidy(self, index: int) -> None:
        """Drops a block without pairs, and joins one of few with a neighbour that has room."""
        blocks = self._members
        size = len(blocks[index])
        if not size:
            self._starts = None
            del self._members[index], self._scores[index], self._lasts[index]
        elif index + 1 < len(blocks) and size + len(blocks[index + 1]) <= _FILLED:
            self._join(index)
        elif index and size + len(blocks[index - 1]) <= _FILLED:
            self._join(index - 1)

    def _join(self, index: int) -> None:
        self._starts = None
        self._members[index] += self._members.pop(index + 1)
        self._scores[index] += self._scores.pop(index + 1)
        del self._lasts[index]

    # ranks

    def rank(self, score: float, member: bytes) -> int:
        """Returns the rank of a pair that is there, which is how many come before it."""
        index, place = self._find(score, member)
        return self._start(index) + place

    def before(self, score: float) -> int:
        """Returns how many pairs have a lower score."""
        index = bisect_left(self._lasts, (score,))
        if index == len(self._lasts):
            return self._start(index)
        return self._start(index) + bisect_left(self._scores[index], score)

    def up_to(self, score: float) -> int:
        """Returns how many pairs have that score or a lower one."""
        return self._start(len(self._members)) if score == inf else self.before(nextafter(score, inf))

    def before_member(self, member: bytes) -> int:
        """Returns how many members come before ``member``, where all scores are the same."""
        index = bisect_left(self._lasts, member, key=_member_of)
        if index == len(self._lasts):
            return self._start(index)
        return self._start(index) + bisect_left(self._members[index], member)

    def up_to_member(self, member: bytes) -> int:
        """Returns how many members come before ``member`` or are that, where all scores are the same."""
        return self.before_member(member + b"\0")

    def uniform(self) -> bool:
        """Tells whether all pairs have the same score."""
        return not self._size or self._scores[0][0] == self._scores[-1][-1]

    def members(self, start: int, stop: int) -> list[bytes]:
        """Returns the members of the ranks from ``start`` up to, not with, ``stop``."""
        spans = self._spans(start, stop)
        if len(spans) == 1:
            index, low, high = spans[0]
            return self._members[index][low:high]
        return [member for index, low, high in spans for member in self._members[index][low:high]]

    def columns(self, start: int, stop: int) -> tuple[list[bytes], list[float]]:
        """Returns the members of these ranks, and their scores."""
        members: list[bytes] = []
        scores: list[float] = []
        for index, low, high in self._spans(start, stop):
            members += self._members[index][low:high]
            scores += self._scores[index][low:high]
        return members, scores

    def _find(self, score: float, member: bytes) -> tuple[int, int]:
        """Returns the block of a pair that is there, and its place in it."""
        index = bisect_left(self._lasts, (score, member))
        scores = self._scores[index]
        place = bisect_left(scores, score)
        end = bisect_right(scores, score, place)
        if end - place > 1:
            place = bisect_left(self._members[index], member, place, end)
        return index, place

    def _counted(self) -> list[int]:
        """Returns the ranks at which the blocks began when they were counted, and the number of all pairs then."""
        starts = self._starts
        if starts is None:
            starts = self._starts = list(accumulate(map(len, self._members), initial=0))
            self._grown.clear()
            self._shrunk.clear()
        return starts

    def _start(self, index: int) -> int:
        """Returns how many pairs stand in the blocks before that at ``index``."""
        if not index:
            return 0
        if index == len(self._members):
            return self._size
        return self._counted()[index] + bisect_left(self._grown, index) - bisect_left(self._shrunk, index)

    def _block(self, rank: int) -> tuple[int, int]:
        """Returns the block of the pair with that rank, which is below the number of all, and the rank of its first."""
        blocks = self._members
        if rank < len(blocks[0]):
            return 0, 0
        before_last = self._size - len(blocks[-1])
        if rank >= before_last:
            return len(blocks) - 1, before_last
        starts = self._counted()
        # Near, for there were few changes since the count.
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
        """Returns a block, and where to begin and end in it, for each block with pairs of these ranks."""
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
