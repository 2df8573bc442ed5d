"""The nodes in which Redis would store a long list.

Redis stores a short list as one listpack and a long one as a chain of listpacks, a quicklist.  OBJECT ENCODING shows
which of the two it is, and that depends on the boundaries of the nodes.  Our lists keep their elements in another way
(``list_elements``), so this module only keeps the number of elements that each node would have.  It gets elements by
calling ``read`` with two places: the first one to get, and the first one behind them.

The rules:

- A node takes elements up to the limit that ``list-max-listpack-size`` (the *fill*) sets.  A negative fill is a size
  class.  A positive one is a number of elements, with at most 8 KiB.
- An element beyond the size limit is *plain*: it has a node of its own, which takes no other element.
- A push or pop at an end touches only the first or the last node.  So while there are two nodes the ends do not affect
  each other, and pushed elements may be counted later, in the order in which they were pushed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple, Protocol

__all__ = ["PLAIN", "DefaultLimits", "ListLimits", "Nodes", "Read", "entry_size", "exceeds", "limits", "measure"]

PLAIN = -1
"""The count of a node that holds one large element."""

EMPTY_LISTPACK = 7
"""The size of an empty listpack: header and end mark (bytes)."""

_UNLIMITED = 1 << 62
_CLASSES = (4096, 8192, 16384, 32768, 65536)
_SAFE_SIZE = 8192
_COPIED = 512
"""The number of elements to copy at a time for counting them."""

_ENTRY_OVERHEAD = 8
"""The header size that Redis assumes for an entry when it checks whether a node has room (bytes)."""


Read = Callable[[int, int], list[bytes]]
"""Returns the elements between two places."""


class ListLimits(Protocol):
    """The settings of a server that determine the encodings of its lists."""

    @property
    def list_max_listpack_size(self) -> int:
        """The fill."""

    @property
    def quicklist_packed_threshold(self) -> int:
        """Elements of at least this many bytes are plain; 0 lets the fill decide."""


class DefaultLimits(NamedTuple):
    """The limits of lists that do not belong to a server."""

    list_max_listpack_size: int = -2
    quicklist_packed_threshold: int = 0


def limits(fill: int) -> tuple[int, int]:
    """The maximum size (bytes) and the maximum number of elements of a node."""
    if fill >= 0:
        return _UNLIMITED, fill or 1
    return _CLASSES[min(-fill, len(_CLASSES)) - 1], _UNLIMITED


def exceeds(fill: int, size: int, count: int) -> bool:
    """Whether a node of ``size`` bytes and ``count`` elements is beyond the limit."""
    if fill >= 0:
        return size > _SAFE_SIZE or count > (fill or 1)
    return size > _CLASSES[min(-fill, len(_CLASSES)) - 1]


def entry_size(element: bytes) -> int:
    """The size of ``element`` in a listpack (bytes)."""
    length = len(element)
    if length < 21 and element < b":":
        if element.isdigit():
            is_integer = length == 1 or element[0] != 48
        else:
            is_integer = element[:1] == b"-" and element[1:].isdigit() and element[1] != 48
        if is_integer:
            value = int(element)
            if 0 <= value <= 127:
                return 2
            # There is an encoding of 13 bits, but none of 8.
            if -4096 <= value <= 4095:
                return 3
            bits = (value if value >= 0 else ~value).bit_length()
            if bits <= 63:
                return 4 if bits <= 15 else 5 if bits <= 23 else 6 if bits <= 31 else 10
    if length < 64:
        return length + 2
    length += 2 if length < 4096 else 5
    # The length is stored again after the entry, in groups of seven bits.
    if length <= 127:
        return length + 1
    return length + (2 if length < 16383 else 3 if length < 2097151 else 4 if length < 268435455 else 5)


def measure(elements: Iterable[bytes]) -> int:
    """The size of a listpack of ``elements`` (bytes)."""
    return EMPTY_LISTPACK + sum(map(entry_size, elements))


def _rising(read: Read, start: int, stop: int) -> Iterator[bytes]:
    """The elements between two places, the first one first."""
    while start < stop:
        yield from read(start, min(start + _COPIED, stop))
        start += _COPIED


def _falling(read: Read, start: int, stop: int) -> Iterator[bytes]:
    """The elements between two places, the last one first."""
    while start < stop:
        yield from reversed(read(max(stop - _COPIED, start), stop))
        stop -= _COPIED


class Nodes:
    """The chain of nodes of a list, which counts the elements from some place of the list on.

    ``counts`` has the number of elements of each node, ``PLAIN`` for a plain one.  ``first`` and ``last`` are the sizes
    of the first and the last node in bytes, or None while they are unknown; with one node they are the same.  As in
    Redis, ``fill`` keeps the value that it had when the chain was made, while the threshold of plain elements is read
    from ``config`` each time.
    """

    __slots__ = ("config", "counts", "fill", "first", "last")

    def __init__(self, config: ListLimits, count: int = 0, size: int | None = None) -> None:
        self.config = config
        self.fill = config.list_max_listpack_size
        self.counts: deque[int] = deque((count,) if count else ())
        self.first = size
        self.last = size

    def __len__(self) -> int:
        return len(self.counts)

    def copy(self) -> Nodes:
        """Returns an independent chain with the same nodes."""
        twin = Nodes(self.config)
        twin.fill = self.fill
        twin.counts = self.counts.copy()
        twin.first = self.first
        twin.last = self.last
        return twin

    def is_large(self, length: int) -> bool:
        """Whether an element of ``length`` bytes is plain."""
        threshold = self.config.quicklist_packed_threshold
        if threshold:
            return length >= threshold
        return length > (_SAFE_SIZE if self.fill >= 0 else limits(self.fill)[0])

    # the ends

    def append(self, read: Read, place: int, end: int, enough: int) -> int:
        """Counts the elements from ``place`` to ``end`` as if pushed at the tail, until there are ``enough`` nodes.

        Returns the place of the first element that is not counted.
        """
        if place >= end:
            return place
        counts = self.counts
        count = counts[-1] if counts else PLAIN
        size = self.last
        if size is None or not counts:
            size = measure(read(place - count, place)) if count > 0 else _UNLIMITED
        count, size, taken = self._push(_rising(read, place, end), count, size, enough, at_tail=True)
        if counts:
            counts[-1] = count
        self.last = size
        if len(counts) == 1:
            self.first = size
        return place + taken

    def prepend(self, read: Read, start: int, place: int, enough: int) -> int:
        """Counts the elements from ``start`` to ``place`` as if pushed at the head, the last one first.

        It stops when there are ``enough`` nodes.

        Returns the place after the elements that are not counted.
        """
        if place <= start:
            return place
        counts = self.counts
        count = counts[0] if counts else PLAIN
        size = self.first
        if size is None or not counts:
            size = measure(read(place, place + count)) if count > 0 else _UNLIMITED
        count, size, taken = self._push(_falling(read, start, place), count, size, enough, at_tail=False)
        counts[0] = count
        self.first = size
        if len(counts) == 1:
            self.last = size
        return place - taken

    def _push(
        self, pushed: Iterable[bytes], count: int, size: int, enough: int, *, at_tail: bool
    ) -> tuple[int, int, int]:
        """Pushes onto an end node of ``count`` elements and ``size`` bytes.

        Returns count and size of the node that is at the end afterwards, which the caller stores, and the number of
        elements taken.
        """
        counts = self.counts
        end = -1 if at_tail else 0
        grow = counts.append if at_tail else counts.appendleft
        most_bytes, most = limits(self.fill)
        if self.fill >= 0:
            most_bytes = _SAFE_SIZE
        large = self.config.quicklist_packed_threshold or most_bytes + 1
        room = most_bytes - _ENTRY_OVERHEAD
        taken = 0
        for element in pushed:
            length = len(element)
            taken += 1
            if size + length <= room and count < most and length < large:
                count += 1
                size += length + 2 if length < 64 and element >= b":" else entry_size(element)
                continue
            if counts:
                counts[end] = count
                if len(counts) == 1:
                    self.first = self.last = size
            if length < large:
                count, size = 1, EMPTY_LISTPACK + entry_size(element)
            else:
                count, size = PLAIN, _UNLIMITED
            grow(count)
            if len(counts) >= enough:
                break
        return count, size, taken

    def drop_first(self, element: bytes) -> None:
        """Removes ``element`` at the head."""
        counts = self.counts
        count = counts[0]
        if count > 1:
            counts[0] = count - 1
            if self.first is not None:
                self.first -= entry_size(element)
            if len(counts) == 1:
                self.last = self.first
        else:
            counts.popleft()
            self.first = self.last if len(counts) == 1 else None

    def drop_last(self, element: bytes) -> None:
        """Removes ``element`` at the tail."""
        counts = self.counts
        count = counts[-1]
        if count > 1:
            counts[-1] = count - 1
            if self.last is not None:
                self.last -= entry_size(element)
            if len(counts) == 1:
                self.first = self.last
        else:
            counts.pop()
            self.last = self.first if len(counts) == 1 else None

    def cut_first(self, most: int) -> int:
        """Removes up to ``most`` elements from the first node; returns their number."""
        counts = self.counts
        held = abs(counts[0])
        if held <= most:
            counts.popleft()
            self.first = self.last if len(counts) == 1 else None
            return held
        counts[0] = held - most
        self.first = None
        if len(counts) == 1:
            self.last = None
        return most

    def cut_last(self, most: int) -> int:
        """Removes up to ``most`` elements from the last node; returns their number."""
        counts = self.counts
        held = abs(counts[-1])
        if held <= most:
            counts.pop()
            self.last = self.first if len(counts) == 1 else None
            return held
        counts[-1] = held - most
        self.last = None
        if len(counts) == 1:
            self.first = None
        return most

    def resized(self, difference: int) -> None:
        """Follows the growth of the only node by ``difference`` bytes."""
        if self.first is not None:
            self.first += difference
            self.last = self.first

    # the middle: all elements from the place ``head`` on must be counted

    def _find(self, place: int, head: int) -> tuple[int, int]:
        """The node that has ``place``, and the place where that node begins."""
        begin = head
        for index, count in enumerate(self.counts):
            width = abs(count)
            if place < begin + width:
                return index, begin
            begin += width
        raise IndexError(place)

    def _size(self, index: int, read: Read, head: int) -> int:
        begin = head + sum(map(abs, islice(self.counts, index)))
        return measure(read(begin, begin + self.counts[index]))

    def _has_room(self, index: int, read: Read, head: int, length: int) -> bool:
        counts = self.counts
        if not 0 <= index < len(counts) or counts[index] == PLAIN or self.is_large(length):
            return False
        size = self._size(index, read, head) + length + _ENTRY_OVERHEAD
        return not exceeds(self.fill, size, counts[index] + 1)

    def insert(self, read: Read, head: int, pivot: int, length: int, *, after: bool) -> int | None:
        """Counts an element of ``length`` bytes that will be inserted beside the place ``pivot``.

        Returns the node to pass to ``merge`` after the insertion, or None if nothing is to be merged.
        """
        self.first = self.last = None
        counts = self.counts
        index, begin = self._find(pivot, head)
        count, offset = counts[index], pivot - begin
        width = abs(count)
        at_edge = offset == width - 1 if after else offset == 0
        beside = index + 1 if after else index
        if self.is_large(length):
            if at_edge:
                counts.insert(beside, PLAIN)
                return None
            kept = offset + 1 if after else offset
            counts[index] = kept
            counts.insert(index + 1, PLAIN)
            counts.insert(index + 2, width - kept)
            return None
        if self._has_room(index, read, head, length):
            counts[index] += 1
            return None
        if at_edge:
            neighbour = index + 1 if after else index - 1
            if self._has_room(neighbour, read, head, length):
                counts[neighbour] += 1
            else:
                counts.insert(beside, 1)
            return None
        # The node is full.  It is split, and the element goes to the new part.
        if after:
            counts[index] = offset + 1
            counts.insert(index + 1, width - offset)
            return index
        counts[index] = offset + 1
        counts.insert(index + 1, width - offset)
        return index + 1

    def replace(self, read: Read, head: int, place: int, length: int) -> int | None:
        """Counts an element of ``length`` bytes that will be stored at ``place``; returns the same as ``insert``."""
        self.first = self.last = None
        counts = self.counts
        index, begin = self._find(place, head)
        count, offset = counts[index], place - begin
        if count == PLAIN:
            if not self.is_large(length):
                if self._has_room(index + 1, read, head, length):
                    counts[index + 1] += 1
                    del counts[index]
                else:
                    counts[index] = 1
            return None
        if not self.is_large(length):
            # An entry that grows may bring its node beyond the limit.
            return None
        counts[index] = offset
        counts.insert(index + 1, PLAIN)
        if offset + 1 < count:
            counts.insert(index + 2, count - offset - 1)
        if not offset:
            del counts[index]
            return None
        return index + 1

    def merge(self, center: int, read: Read, head: int) -> None:
        """Joins nodes around ``center`` that fit into one."""
        if self._join(center - 2, read, head):
            center -= 1
        self._join(center + 1, read, head)
        if self._join(center - 1, read, head):
            center -= 1
        self._join(center, read, head)

    def _join(self, index: int, read: Read, head: int) -> bool:
        counts = self.counts
        if index < 0 or index + 1 >= len(counts):
            return False
        ours, theirs = counts[index], counts[index + 1]
        if ours == PLAIN or theirs == PLAIN:
            return False
        size = self._size(index, read, head) + self._size(index + 1, read, head) - EMPTY_LISTPACK
        if exceeds(self.fill, size, ours + theirs):
            return False
        counts[index] = ours + theirs
        del counts[index + 1]
        return True

    def remove(self, indexes: list[int]) -> None:
        """Removes the elements at ``indexes`` (from the head, in ascending order)."""
        self.first = self.last = None
        kept: deque[int] = deque()
        begin = at = 0
        for count in self.counts:
            end = begin + abs(count)
            gone = at
            while at < len(indexes) and indexes[at] < end:
                at += 1
            gone = at - gone
            if count == PLAIN:
                if not gone:
                    kept.append(PLAIN)
            elif count > gone:
                kept.append(count - gone)
            begin = end
        self.counts = kept

    def debug_details(self, read: Read, head: int, compressed: bool) -> str:
        """The part of DEBUG OBJECT about a quicklist, all elements of which are counted."""
        average = sum(map(abs, self.counts)) / len(self)
        return (
            f" ql_nodes:{len(self)} ql_avg_node:{average:.2f} ql_listpack_max:{self.fill}"
            f" ql_compressed:{int(compressed)} ql_uncompressed_size:{self.size(read, head)}"
        )

    def size(self, read: Read, head: int) -> int:
        """The size of all nodes (bytes)."""
        total = 0
        begin = head
        for count in self.counts:
            end = begin + abs(count)
            total += measure(read(begin, end)) if count > 0 else len(read(begin, end)[0])
            begin = end
        return total
