"""The elements of a list: a Python list with free room in front, and in a long list a packed middle.

``items`` begins with ``head`` places that hold None, the room; the elements follow.  A push at the head fills the room
from its end.  If there is none left, it first makes room for an eighth of the list.  A pop at the head returns a place
to the room.  When half of ``items`` is room, most of it is removed.

When ``items`` has some thousand elements, those far from both ends move to ``_middle`` (``list_blocks.Blocks``).  It
has ``_hidden`` elements, which belong before the place ``_cut`` of ``items``.  So pushes and pops at both ends change
``items`` only.  Each end has an element as long as something is hidden: one that runs empty gets some back.

``_hide`` packs all elements.  Then the list can be read, but must not be changed before ``_open``.

A *place* counts all elements, from the first place of the room on.  Up to the middle it is a place of ``items``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, ClassVar, Final

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.list_blocks import BLOCK, Blocks
from twisted_redis.datatypes.matches import backward, delete_at, forward

__all__ = ["LONGEST", "SMALL_ROOM", "Elements"]

_NOTHING: Any = None

SMALL_ROOM: Final = 16

LONGEST: Final = 4096
"""With more elements than this in ``items``, those far from the ends are packed."""

_KEPT: Final = 1024
"""Elements that stay at each end then."""


class Elements:
    """Elements at places.  ``_left`` and ``_right`` are two places that move along with the elements around them."""

    #: The attributes that hold elements, in which a large one is freed bit by bit.
    PARTS: ClassVar[tuple[str, ...]] = ("_middle", "items")

    __slots__ = ("_cut", "_hidden", "_left", "_middle", "_right", "head", "items")

    items: list[bytes]
    head: int
    _middle: Blocks | None
    _hidden: int
    _cut: int
    _left: int
    _right: int

    def __len__(self) -> int:
        return len(self.items) - self.head + self._hidden

    def __iter__(self) -> Iterator[bytes]:
        if self._middle is not None:
            before, behind = islice(self.items, self.head, self._cut), islice(self.items, self._cut, None)
            return chain(before, self._middle, behind)
        return islice(self.items, self.head, None) if self.head else iter(self.items)

    def memory(self, how: sizes.Sampling = sizes.USUAL) -> int:
        """Estimates the size of the list in bytes."""
        size = 136 + sizes.of_container(self.items) + sizes.of_items(self.items, how, first=self.head)
        return size if self._middle is None else size + self._middle.memory(how)

    def _copy_to(self, twin: Elements) -> None:
        """Makes ``twin`` a list with the same elements, but without room."""
        head = self.head
        twin.items = self.items[head:]
        twin._left = self._left - head
        twin._right = self._right - head
        if self._middle is not None:
            twin._middle = self._middle.copy()
            twin._hidden = self._hidden
            twin._cut = self._cut - head

    # reading

    def range(self, start: int, stop: int) -> list[bytes]:
        """The elements from ``start`` to ``stop`` inclusive; a negative index counts from the end."""
        head = self.head
        items = self.items
        if start < 0:
            start += len(items) - head + self._hidden
            if start < 0:
                start = 0
        if stop < 0:
            stop += len(items) - head + self._hidden
            if stop < 0:
                return []
        if self._hidden:
            return self._between(head + start, head + stop + 1)
        return items[head + start : head + stop + 1]

    def get(self, index: int) -> bytes | None:
        """The element at ``index``, or None outside the list; a negative index counts from the end."""
        items = self.items
        hidden = self._hidden
        place = index + (self.head if index >= 0 else len(items) + hidden)
        if hidden and place >= self._cut:
            if place < self._cut + hidden:
                assert self._middle is not None
                return self._middle.get(place - self._cut)
            place -= hidden
        return items[place] if self.head <= place < len(items) else None

    def find(self, element: bytes, rank: int, count: int, maxlen: int) -> list[int]:
        """The indexes of elements equal to ``element``, as LPOS returns them.

        ``rank`` is the first match to return; a negative one counts from the end.  ``count`` is the maximum number of
        matches and ``maxlen`` that of comparisons; 0 means no limit.
        """
        head = self.head
        end = len(self.items) + self._hidden
        width = min(maxlen or end, end - head)
        first = abs(rank) - 1
        if first >= width:
            return []
        matches = self._forward(element, head, head + width) if rank > 0 else self._backward(element, end - width)
        return [place - head for place in islice(matches, first, first + min(count or width, width))]

    def _between(self, start: int, stop: int) -> list[bytes]:
        """The elements from the place ``start`` to before the place ``stop``."""
        middle, cut = self._middle, self._cut
        if middle is None or stop <= cut:
            return self.items[start:stop]
        hidden = self._hidden
        if start >= cut + hidden:
            return self.items[start - hidden : stop - hidden]
        found = self.items[start:cut] if start < cut else []
        found += middle.between(max(start - cut, 0), min(stop - cut, hidden))
        if stop > cut + hidden:
            found += self.items[cut : stop - hidden]
        return found

    def _forward(self, element: bytes, start: int, stop: int) -> Iterator[int]:
        """Yields the places of ``element`` from ``start`` to before ``stop``; ``start`` must not be in the middle."""
        middle = self._middle
        if middle is None:
            return forward(self.items, element, start, stop)
        return self._forward_over(middle, element, start, stop)

    def _forward_over(self, middle: Blocks, element: bytes, start: int, stop: int) -> Iterator[int]:
        cut, hidden = self._cut, self._hidden
        before = forward(self.items, element, start, min(stop, cut))
        behind = forward(self.items, element, cut, max(cut, stop - hidden))
        hits = chain.from_iterable(middle.forward(element, cut, stop))
        return chain(before, hits, map(hidden.__add__, behind))

    def _backward(self, element: bytes, start: int) -> Iterator[int]:
        """Yields the places of ``element`` from ``start`` on, the last one first."""
        middle = self._middle
        if middle is None:
            return backward(self.items, element, start)
        return self._backward_over(middle, element, start)

    def _backward_over(self, middle: Blocks, element: bytes, start: int) -> Iterator[int]:
        cut, hidden = self._cut, self._hidden
        behind = backward(self.items, element, max(cut, start - hidden))
        before = backward(self.items[:cut], element, start)
        hits = chain.from_iterable(middle.backward(element, cut, start))
        return chain(map(hidden.__add__, behind), hits, before)

    # changes in the middle

    def _store(self, place: int, element: bytes) -> None:
        """Replaces the element at ``place``."""
        middle = self._middle
        if middle is not None and place >= self._cut:
            if place < self._cut + self._hidden:
                middle.set(place - self._cut, element)
                return
            place -= self._hidden
        self.items[place] = element

    def _insert(self, place: int, element: bytes) -> int:
        """Inserts ``element`` before the one at ``place``; returns by how much those before it have moved."""
        items, head, middle = self.items, self.head, self._middle
        if middle is not None:
            if place <= self._cut:
                items.insert(place, element)
                self._cut += 1
            elif place < self._cut + self._hidden:
                middle.insert(place - self._cut, element)
                self._hidden += 1
            else:
                items.insert(place - self._hidden, element)
        elif head and place - head < len(items) - place:
            items[head - 1 : place - 1] = items[head:place]
            items[place - 1] = element
            self.head = head - 1
            return -1
        else:
            items.insert(place, element)
        return 0

    def _delete(self, indexes: list[int], element: bytes) -> None:
        """Removes the elements at ``indexes``, which are ascending; each of the elements is equal to ``element``."""
        middle = self._middle
        if middle is None:
            delete_at(self.items, self.head, indexes)
            return
        cut, hidden = self._cut - self.head, self._hidden
        before, behind = bisect_left(indexes, cut), bisect_left(indexes, cut + hidden)
        if before < behind:
            middle.remove([index - cut for index in indexes[before:behind]], element)
        delete_at(self.items, self.head, indexes[:before] + [index - hidden for index in indexes[behind:]])
        self._cut -= before
        self._hidden -= behind - before
        self._settle()

    # the ends

    def _drop_left(self, count: int) -> None:
        """Removes ``count`` elements at the head."""
        items, head = self.items, self.head
        middle, cut = self._middle, self._cut
        if middle is not None and head + count >= cut:
            # The first remaining element is in the middle or behind it; the room is given up.
            left = head + count - cut
            self._left -= head + count
            self._right -= head + count
            self.head = self._cut = 0
            if left < self._hidden:
                first = middle.drop_left(left)
                self._hidden = len(middle)
                items[:cut] = first
                self._cut = len(first)
            else:
                del items[: cut + left - self._hidden]
                self._hidden = 0
            self._settle()
            return
        items[head : head + count] = [_NOTHING] * count
        self.head = head + count
        if self.head > SMALL_ROOM and self.head + self.head > len(items):
            self._give_back()

    def _drop_right(self, count: int) -> None:
        """Removes ``count`` elements at the tail."""
        items = self.items
        middle, cut = self._middle, self._cut
        if middle is not None and len(items) - count <= cut:
            right = cut + count - len(items)
            del items[cut:]
            if right < self._hidden:
                items += middle.drop_right(right)
                self._hidden = len(middle)
            else:
                del items[len(items) - (right - self._hidden) :]
                self._hidden = 0
            self._settle()
        else:
            del items[len(items) - count :]
        if self.head > SMALL_ROOM and self.head + self.head > len(items):
            self._give_back()

    def _pack(self) -> int:
        """Packs what is far from the ends; returns the number of all elements."""
        items, middle = self.items, self._middle
        if middle is None:
            self._middle = middle = Blocks()
            self._cut = self.head + _KEPT
        cut = self._cut
        more = (cut - self.head - _KEPT) // BLOCK * BLOCK
        if more > 0:
            cut -= more
            middle.add_left(items[cut : cut + more])
            del items[cut : cut + more]
            self._cut = cut
        more = (len(items) - cut - _KEPT) // BLOCK * BLOCK
        if more > 0:
            middle.add_right(items[cut : cut + more])
            del items[cut : cut + more]
        self._hidden = len(middle)
        return len(items) - self.head + self._hidden

    def _hide(self) -> None:
        """Packs all elements; there must be no room in front."""
        items, middle = self.items, self._middle
        if middle is None:
            self._middle = middle = Blocks()
            middle.add_right(items)
        else:
            middle.add_left(items[: self._cut])
            middle.add_right(items[self._cut :])
        self.items = []
        self._cut = 0
        self._hidden = len(middle)

    def _open(self, *, whole: bool) -> None:
        """Undoes ``_hide``: unpacks a list that is not long, or is to be ``whole``, and the ends of a long one."""
        if whole or len(self) <= LONGEST:
            self._unpack()
        else:
            self._settle()

    def _settle(self) -> None:
        """Gives an end that has run empty some elements of the middle."""
        middle, items = self._middle, self.items
        if middle is None:
            return
        cut = self._cut
        if self._hidden and cut == self.head:
            opened = middle.open_left()
            items[cut:cut] = opened
            self._cut += len(opened)
            self._hidden -= len(opened)
        if self._hidden and len(items) == self._cut:
            opened = middle.open_right()
            items += opened
            self._hidden -= len(opened)
        if not self._hidden:
            self._middle = None
            self._cut = -1

    def _unpack(self) -> None:
        """Unpacks the whole middle."""
        if self._middle is not None:
            self.items[self._cut : self._cut] = self._middle
            self._middle = None
            self._hidden = 0
            self._cut = -1

    # room in front

    def _make_room(self, least: int) -> None:
        """Makes room for at least ``least`` pushes at the head."""
        more = least + 4 + (len(self.items) >> 3)
        self.items[0:0] = [_NOTHING] * more
        self._moved(more)

    def _give_back(self) -> None:
        """Removes most of the room."""
        less = self.head - (len(self.items) - self.head >> 3)
        del self.items[:less]
        self._moved(-less)

    def _moved(self, places: int) -> None:
        self.head += places
        self._left += places
        self._right += places
        if self._middle is not None:
            self._cut += places
