"""Lists: their elements (``datatypes.list_elements``), and the encoding that Redis would choose.

``datatypes.quicklist`` has the rules of the encoding.  A list is *single* while it is a listpack or a quicklist of
fewer than two nodes.  Then every change is counted at once, because the next one may change the encoding, and nothing
is hidden in a packed middle.  Any other list may have elements at its ends that no node counts yet, so a push costs
nothing more than the push.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar, Final

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.list_blocks import Block, Blocks
from twisted_redis.datatypes.list_elements import LONGEST, SMALL_ROOM, Elements
from twisted_redis.datatypes.quicklist import (
    EMPTY_LISTPACK,
    PLAIN,
    DefaultLimits,
    ListLimits,
    Nodes,
    entry_size,
    exceeds,
    limits,
    measure,
)

__all__ = ["List", "ListLimits", "RestingList", "SettledList"]

_NOTHING: Any = None
_AHEAD = 4
"""The number of nodes to count at a time: enough to count rarely, few enough to be quick."""

_ALL = 1 << 62
_ALWAYS_FITS = 4096
"""A listpack of this many bytes is within the limits of every size class."""

_SOON = 1 << 14
"""A cheap change counts at most so many elements on its way."""

_DEFAULT_LIMITS = DefaultLimits()


class List(Elements):
    """A list of bytes.  Callers may read ``items`` and ``head``; only the methods change them.

    A list made of ``elements`` gets the encoding that SORT with STORE gives its result under the limits of ``config``,
    or is a quicklist if ``quicklist`` says so.
    """

    __slots__ = ("_nodes", "_single", "_size")

    def __init__(
        self, elements: Iterable[bytes] = (), config: ListLimits = _DEFAULT_LIMITS, *, quicklist: bool = False
    ) -> None:
        self.items = list(elements)
        self.head = 0
        self._middle = None
        self._hidden = 0
        self._cut = -1
        #: The nodes of a quicklist; None for a listpack.
        self._nodes: Nodes | None = None
        self._single = True
        #: The size of the listpack (bytes).
        self._size = EMPTY_LISTPACK
        #: In a list that is not single, the nodes count the elements from the place _left to before the place _right.
        self._left = self._right = 0
        if self.items:
            self._nodes = nodes = Nodes(config)
            self._right = nodes.append(self._between, 0, len(self.items), _AHEAD)
            self._single = len(nodes) < 2
            if not quicklist:
                self._convert(config.list_max_listpack_size, 1)
            if len(self.items) > LONGEST and not self._single:
                self._pack()

    @classmethod
    def from_nodes(cls, nodes: Iterable[tuple[bool, list[bytes]]], config: ListLimits) -> List:
        """Returns a list made of ``nodes`` as dumps store them: for each, whether it is plain, and its elements."""
        new = cls()
        new._nodes = chain = Nodes(config)
        for plain, elements in nodes:
            if elements:
                new.items += elements
                chain.counts.append(PLAIN if plain else len(elements))
                if len(new.items) > LONGEST and len(chain) > 1:
                    new._pack()
        new._right = len(new)
        new._single = len(chain) < 2
        new._convert(config.list_max_listpack_size, 1)
        return new

    @classmethod
    def of_listpack(cls, elements: list[bytes], size: int) -> List:
        """Returns a list that is a listpack of ``size`` bytes with these ``elements``."""
        made = cls()
        made.items, made._size = elements, size
        return made

    def moved(self, cls: type[List]) -> List:
        """Returns a ``cls`` with everything that this list has.  This one must not be used any more."""
        made = cls()
        made.items, made.head, made._size = self.items, self.head, self._size
        made._middle, made._hidden, made._cut = self._middle, self._hidden, self._cut
        made._nodes, made._single = self._nodes, self._single
        made._left, made._right = self._left, self._right
        return made

    def copy(self) -> List:
        """Returns an independent list with the same elements and the same encoding."""
        twin = List()
        self._copy_to(twin)
        twin._single = self._single
        twin._size = self._size
        twin._nodes = None if self._nodes is None else self._nodes.copy()
        return twin

    def encoding(self) -> str:
        """The reply of OBJECT ENCODING: ``listpack`` or ``quicklist``."""
        return "listpack" if self._nodes is None else "quicklist"

    # nodes, as dumps and DEBUG OBJECT show them

    def nodes(self) -> Iterator[tuple[bool, list[bytes]]]:
        """Yields for each node whether it is plain, and its elements.  A listpack is one node."""
        if self._nodes is None:
            yield False, self.items[self.head :]
            return
        elements = iter(self)
        for count in self._counted().counts:
            yield count == PLAIN, list(islice(elements, abs(count)))

    def debug_details(self, compressed: bool) -> str:
        """The part of DEBUG OBJECT about a quicklist: its nodes, their fill and size, and whether it is compressed."""
        return "" if self._nodes is None else self._counted().debug_details(self._between, self.head, compressed)

    # pushing and popping

    def push_left(self, elements: Sequence[bytes], config: ListLimits) -> int:
        """Pushes ``elements`` at the head one by one, so that the last one comes first; returns the length."""
        items = self.items
        head = self.head
        if len(elements) == 1:
            if not self._single:
                if head:
                    self.head = head = head - 1
                    items[head] = elements[0]
                    length = len(items) - head
                    return length + self._hidden if length <= LONGEST else self._pack()
            elif self._nodes is None and self._takes(elements[0], len(items) - head, config):
                if not head:
                    self._make_room(1)
                    head = self.head
                self.head = head = head - 1
                items[head] = elements[0]
                return len(items) - head
        if self._single:
            self._before_push(elements, config)
        count = len(elements)
        if count > self.head:
            self._make_room(count)
        end = self.head
        self.head = head = end - count
        items[head:end] = elements[::-1]
        if self._single:
            self._pushed_left(elements)
        length = len(items) - head
        return length + self._hidden if length <= LONGEST or self._single else self._pack()

    def push_right(self, elements: Sequence[bytes], config: ListLimits) -> int:
        """Pushes ``elements`` at the tail one by one; returns the length."""
        items = self.items
        if self._single:
            if self._nodes is None and len(elements) == 1 and self._takes(elements[0], len(items) - self.head, config):
                items.append(elements[0])
            else:
                self._before_push(elements, config)
                items += elements
                self._pushed_right(elements)
        else:
            items += elements
        length = len(items) - self.head
        return length + self._hidden if length <= LONGEST or self._single else self._pack()

    def pop_left(self, config: ListLimits | None) -> bytes:
        """Removes and returns the first element.  The list must not be empty.

        Without ``config`` the encoding does not change until ``shrink`` is called.
        """
        head = self.head
        items = self.items
        element = items[head]
        items[head] = _NOTHING
        self.head = head = head + 1
        if self._single:
            if self._nodes is None:
                length = len(element)
                self._size -= length + 2 if length < 64 and element >= b":" else entry_size(element)
            else:
                self._nodes.drop_first(element)
                self._popped(config)
        else:
            if head > self._left:
                self._left = head
                nodes: Nodes = self._nodes  # type: ignore[assignment]
                count = nodes.counts[0]
                if count > 1:
                    # ``drop_first`` spelled out, for more than one node.
                    nodes.counts[0] = count - 1
                    size = nodes.first
                    if size is not None:
                        length = len(element)
                        nodes.first = size - (length + 2 if length < 64 and element >= b":" else entry_size(element))
                else:
                    nodes.drop_first(element)
                    self._popped(config)
            if head == self._cut:
                self._settle()
        if head > SMALL_ROOM and head + head > len(items):
            self._give_back()
        return element

    def pop_right(self, config: ListLimits | None) -> bytes:
        """Removes and returns the last element, as ``pop_left`` does the first."""
        items = self.items
        element = items.pop()
        length = len(items)
        if self._single:
            if self._nodes is None:
                width = len(element)
                self._size -= width + 2 if width < 64 and element >= b":" else entry_size(element)
            else:
                self._nodes.drop_last(element)
                self._popped(config)
        else:
            end = length + self._hidden
            if end < self._right:
                self._right = end
                nodes: Nodes = self._nodes  # type: ignore[assignment]
                count = nodes.counts[-1]
                if count > 1:
                    nodes.counts[-1] = count - 1
                    size = nodes.last
                    if size is not None:
                        width = len(element)
                        nodes.last = size - (width + 2 if width < 64 and element >= b":" else entry_size(element))
                else:
                    nodes.drop_last(element)
                    self._popped(config)
            if length == self._cut:
                self._settle()
        if self.head > SMALL_ROOM and self.head + self.head > len(items):
            self._give_back()
        return element

    def take_left(self, count: int, config: ListLimits) -> list[bytes]:
        """Removes up to ``count`` elements at the head and returns them."""
        taken = self._between(self.head, min(self.head + count, len(self.items) + self._hidden))
        self._cut_left(len(taken))
        self.shrink(config)
        return taken

    def take_right(self, count: int, config: ListLimits) -> list[bytes]:
        """Removes up to ``count`` elements at the tail and returns them, the last one first."""
        end = len(self.items) + self._hidden
        taken = self._between(max(self.head, end - count), end)
        self._cut_right(len(taken))
        self.shrink(config)
        taken.reverse()
        return taken

    def trim(self, before: int, behind: int, config: ListLimits) -> None:
        """Removes ``before`` elements at the head and ``behind`` elements at the tail."""
        if before:
            self._cut_left(before)
        if behind:
            self._cut_right(behind)
        self.shrink(config)

    # changes in the middle

    def insert(self, pivot: bytes, element: bytes, *, after: bool, config: ListLimits) -> bool:
        """Inserts ``element`` before or after the first ``pivot``; returns whether there is one."""
        # Redis prepares the list for growth before it knows whether there is a pivot.
        if self._nodes is None:
            self._before_push((element,), config)
        place = next(self._forward(pivot, self.head, len(self.items) + self._hidden), -1)
        if place < 0:
            return False
        center = None
        left, counted = self._ready()
        if self._nodes is None:
            self._size += entry_size(element)
        elif place < left:
            left += 1
        elif place < left + counted:
            center = self._nodes.insert(self._between, left, place, len(element), after=after)
            counted += 1
        if after:
            place += 1
        left += self._insert(place, element)
        self._changed(left, counted, center)
        if len(self.items) - self.head > LONGEST and not self._single:
            self._pack()
        return True

    def set(self, index: int, element: bytes, config: ListLimits) -> bool:
        """Replaces the element at ``index`` (a negative one counts from the end); returns whether there is one."""
        # Here Redis computes as if the element were an additional one.
        if self._nodes is None:
            self._before_push((element,), config)
        old = self.get(index)
        if old is None:
            return False
        place = index + (self.head if index >= 0 else len(self.items) + self._hidden)
        nodes = self._nodes
        if nodes is None:
            self._size += entry_size(element) - entry_size(old)
            self._store(place, element)
        else:
            left, counted = self._ready()
            inside = left <= place < left + counted
            if inside and (nodes.is_large(len(element)) or nodes.is_large(len(old))):
                center = nodes.replace(self._between, left, place, len(element))
                self._store(place, element)
                self._changed(left, counted, center)
            else:
                # The nodes stay as they are, even beyond the limit.
                self._store(place, element)
                if self._single:
                    nodes.resized(entry_size(element) - entry_size(old))
                else:
                    nodes.first = nodes.last = None
        self.shrink(config)
        return True

    def remove(self, element: bytes, count: int, config: ListLimits) -> int:
        """Removes the first ``count`` elements equal to ``element``; the last ones if negative, all if 0.

        Returns the number of removed elements.
        """
        places = self.find(element, -1 if count < 0 else 1, abs(count), 0)
        if not places:
            return 0
        if count < 0:
            places.reverse()
        left, counted = self._ready()
        if self._nodes is None:
            self._size -= entry_size(element) * len(places)
        else:
            before = bisect_left(places, left - self.head)
            behind = bisect_left(places, left + counted - self.head)
            self._nodes.remove([self.head + place - left for place in places[before:behind]])
            left -= before
            counted -= behind - before
        self._delete(places, element)
        self._changed(left, counted, None)
        self.shrink(config)
        return len(places)

    # the encoding

    def _takes(self, element: bytes, count: int, config: ListLimits) -> bool:
        """Counts ``element`` in a listpack of ``count`` other elements, if there is room for it."""
        length = len(element)
        size = self._size
        fill = config.list_max_listpack_size
        if fill < 0 or count < fill if size + length <= _ALWAYS_FITS else not exceeds(fill, size + length, count + 1):
            self._size = size + (length + 2 if length < 64 and element >= b":" else entry_size(element))
            return True
        return False

    def _before_push(self, elements: Sequence[bytes], config: ListLimits) -> None:
        """Prepares a single list for ``elements``: turns a listpack that would be too large into a quicklist."""
        if self._nodes is None:
            fill = config.list_max_listpack_size
            length = len(self.items) - self.head
            if not exceeds(fill, self._size + sum(map(len, elements)), length + len(elements)):
                return
            self._nodes = Nodes(config, length, self._size)
        self._left = self.head
        self._right = len(self.items)

    def _pushed_left(self, elements: Sequence[bytes]) -> None:
        nodes = self._nodes
        if nodes is None:
            for element in elements:
                self._size += entry_size(element)
        else:
            self._left = nodes.prepend(self._between, self.head, self._left, 2)
            self._single = len(nodes) < 2

    def _pushed_right(self, elements: Sequence[bytes]) -> None:
        nodes = self._nodes
        if nodes is None:
            for element in elements:
                self._size += entry_size(element)
        else:
            self._right = nodes.append(self._between, self._right, len(self.items), 2)
            self._single = len(nodes) < 2

    def _popped(self, config: ListLimits | None) -> None:
        """Follows the loss of a counted element at an end of a quicklist."""
        if not self._single:
            if len(self._nodes) > 1:  # type: ignore[arg-type]
                return
            self._count_second_node()
        if config is not None:
            self.shrink(config)

    def _count_second_node(self) -> None:
        """Counts more elements until there are two nodes, or no more elements."""
        nodes = self._nodes
        assert nodes is not None
        if len(nodes) < 2:
            self._right = nodes.append(self._between, self._right, len(self.items) + self._hidden, _AHEAD)
            if len(nodes) < 2:
                self._left = nodes.prepend(self._between, self.head, self._left, _AHEAD)
        self._note_nodes(nodes)

    def _note_nodes(self, nodes: Nodes) -> None:
        """Notes whether the list is single, and unpacks all of it then."""
        self._single = len(nodes) < 2
        if self._single:
            self._unpack()

    def _cut_left(self, count: int) -> None:
        head = self.head + count
        nodes = self._nodes
        if nodes is None:
            self._size -= sum(map(entry_size, self.items[self.head : head]))
        elif count:
            end = len(self.items) + self._hidden
            if self._single:
                self._left, self._right = self.head, end
            while self._left < head:
                self._left += nodes.cut_first(head - self._left)
                if len(nodes) < 2:
                    # This is the last node now, and it was whole when elements were pushed at the tail.
                    self._right = nodes.append(self._between, self._right, end, _AHEAD)
        self._drop_left(count)
        if nodes is not None:
            self._note_nodes(nodes)

    def _cut_right(self, count: int) -> None:
        end = len(self.items) + self._hidden
        nodes = self._nodes
        if nodes is None:
            self._size -= sum(map(entry_size, self.items[end - count :]))
        elif count:
            if self._single:
                self._left, self._right = self.head, end
            while self._right > end - count:
                self._right -= nodes.cut_last(self._right - end + count)
                if len(nodes) < 2:
                    self._left = nodes.prepend(self._between, self.head, self._left, _AHEAD)
        self._drop_right(count)
        if nodes is not None:
            self._note_nodes(nodes)

    def _counted(self) -> Nodes:
        """The nodes of a quicklist, after all elements were counted."""
        nodes = self._nodes
        assert nodes is not None
        if not self._single:
            # While there are two nodes the ends do not affect each other.
            self._left = nodes.prepend(self._between, self.head, self._left, _ALL)
            self._right = nodes.append(self._between, self._right, len(self.items) + self._hidden, _ALL)
        return nodes

    def _ready(self) -> tuple[int, int]:
        """Prepares the nodes for a change in the middle.

        Returns the first counted place and the number of counted elements.  The elements at the ends must be counted
        before the change, because Redis cut their nodes before it.  If they are too many, they are counted later, as if
        the change had come first.
        """
        if self._single:
            return self.head, len(self.items) - self.head
        if len(self) - (self._right - self._left) < _SOON:
            self._counted()
        return self._left, self._right - self._left

    def _changed(self, left: int, counted: int, center: int | None) -> None:
        """Follows a change in the middle: merges nodes around ``center`` if needed."""
        nodes = self._nodes
        if nodes is not None:
            self._left = left
            self._right = left + counted
            if center is not None:
                nodes.merge(center, self._between, left)
            self._count_second_node()

    def shrink(self, config: ListLimits) -> None:
        """Turns a quicklist that has become small into a listpack.

        Small means half of the limit of a listpack, so that a list near the limit does not change back and forth.
        """
        if self._single and self._nodes is not None:
            self._convert(config.list_max_listpack_size, 2)

    def _convert(self, fill: int, divisor: int) -> None:
        """Turns a quicklist of one packed node into a listpack if it is within the limits divided by ``divisor``."""
        nodes = self._nodes
        if nodes is None or len(nodes) != 1 or nodes.counts[0] == PLAIN:
            return
        most_bytes, most = limits(fill)
        if nodes.counts[0] > most // divisor:
            return
        size = nodes.first
        if size is None:
            size = nodes.first = nodes.last = measure(self)
        if size <= most_bytes // divisor:
            self._nodes = None
            self._size = size
            self._single = True


class RestingList(List):
    """A list that was not accessed since the last look for lists to pack (``datatypes.packed``)."""

    __slots__ = ()


class SettledList:
    """A quicklist that was not accessed for longer: all elements in ``blocks``, which nothing changes.

    ``numbers`` has what else the list is made of, in one array, because a lot of small objects all over the memory
    would keep it from being given back.
    """

    #: The attributes that hold elements, in which a large one is freed bit by bit.
    PARTS: ClassVar[tuple[str, ...]] = ("blocks",)

    __slots__ = ("blocks", "config", "numbers")

    def __init__(self, blocks: list[Block], numbers: array[int], config: ListLimits) -> None:
        self.blocks = blocks
        self.numbers = numbers
        self.config = config

    @classmethod
    def of(cls, value: List) -> SettledList:
        """Returns the quicklist ``value`` in this form.  It stays as it is."""
        twin = value.copy()
        twin._hide()
        nodes, middle = twin._nodes, twin._middle
        assert nodes is not None
        assert middle is not None
        ends, size = middle.facts()
        first, last = (-1 if size is None else size for size in (nodes.first, nodes.last))
        facts = (len(middle), size, twin._single, twin._left, twin._right, nodes.fill, first, last, len(nodes))
        return cls(middle.blocks, array("q", [*facts, *nodes.counts]) + ends, nodes.config)

    def __len__(self) -> int:
        return self.numbers[0]

    def renewed(self) -> SettledList:
        """Returns the same list, made of other objects, except for the blocks themselves."""
        return SettledList(self.blocks[:], self.numbers[:], self.config)

    def memory(self, how: sizes.Sampling = sizes.USUAL) -> int:
        """The memory that the list takes (bytes)."""
        size = 64 + sizes.of_container(self.blocks) + sizes.of_container(self.numbers)
        return size + sizes.charged(self.blocks, self.numbers[1], how)

    def glimpse(self) -> List:
        """Returns a list to read from, which unpacks nothing.  It must not be changed."""
        made = List()
        length, size, single, made._left, made._right, fill, first, last, count = self.numbers[:_FACTS]
        made._nodes = nodes = Nodes(self.config)
        nodes.fill = fill
        nodes.counts.extend(self.numbers[_FACTS : _FACTS + count])
        nodes.first = None if first < 0 else first
        nodes.last = None if last < 0 else last
        made._single = single == 1
        made._middle = Blocks.of(self.blocks[:], self.numbers[_FACTS + count :], size)
        made._hidden = length
        made._cut = 0
        return made

    def awake(self) -> List:
        """Returns a list with the same elements and the same encoding, for use."""
        made = self.glimpse()
        made._open(whole=made._single)
        return made


_FACTS: Final = 9
"""Numbers of a settled list before those of its nodes; behind these are the ends of its blocks."""
