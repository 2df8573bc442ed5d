"""The packed middle of a long list: blocks of some hundred elements, each in one ``bytes`` object.

A block is its elements with a separator before, between and behind them.  None of the elements contains the separator,
so Python joins and splits them in C: packing takes 30 ns for an element and unpacking 22 ns, while a listpack takes 150
ns for either.  The first byte of a block tells which separator it has.  Elements that contain all of the separators, or
that are so large that packing would not save much, are in a list instead.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import chain
from typing import ClassVar, Final

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.matches import delete_at

__all__ = ["BLOCK", "Block", "Blocks"]

BLOCK: Final = 128
"""Elements of a block that is made of a run of elements.  Changes leave it with 1 to ``2 * BLOCK``."""

_LARGE: Final = 256 * BLOCK
"""Elements of more bytes than this in a block are not joined."""

_OPENED: Final = 4
"""Blocks that are unpacked at a time at an end that has run empty."""

#: No text in UTF-8 contains the bytes of these.  Two bytes are found in random data far less often than one.  As they
#: differ, the end of an element and the beginning of a separator do not look like a separator.
_SEPARATORS: Final = (b"\xff", b"\xc1", b"\xf8", b"\xfe\xc0", b"\xf9\xfa", b"\xfb\xf5")

_BY_FIRST_BYTE: Final = {separator[0]: separator for separator in _SEPARATORS}

_FEW: Final = 16
"""With more matches in a block, looking at each element is quicker than searching for the next match."""

_FIRST: Final = 4
"""After so many matches in a block, a search counts how many more there are."""

_OBJECT: Final = 96
_LIST: Final = 56

Block = bytes | list[bytes]


def _pack(elements: list[bytes]) -> Block:
    if sum(map(len, elements)) > _LARGE:
        return elements[:]
    first = _SEPARATORS[0]
    joined = first + first.join(elements) + first
    if joined.count(first) == len(elements) + 1:
        return joined
    for separator in _SEPARATORS[1:]:
        if separator not in joined:
            return separator + separator.join(elements) + separator
    return elements[:]


def _texts(block: Block) -> list[bytes]:
    """The elements of a block."""
    if isinstance(block, list):
        return block[:]
    found = block.split(_BY_FIRST_BYTE[block[0]])
    # What is before the first separator and behind the last one.
    del found[-1], found[0]
    return found


def _element(block: Block, index: int, count: int) -> bytes:
    """The element at ``index`` of a block of ``count`` elements."""
    if isinstance(block, list):
        return block[index]
    separator = _BY_FIRST_BYTE[block[0]]
    if index + index < count:
        return block.split(separator, index + 2)[index + 1]
    return block.rsplit(separator, count - index + 1)[1]


def _matches(block: Block, element: bytes, first: int) -> list[int]:
    """The indexes of ``element`` in a block, the first element of which has the index ``first``."""
    if isinstance(block, list):
        return [first + index for index, text in enumerate(block) if text == element]
    separator = _BY_FIRST_BYTE[block[0]]
    if len(element) >= len(block) or separator in element:
        return []
    wanted = separator + element + separator
    place = block.find(wanted)
    if place < 0:
        return []
    found: list[int] = []
    index = first
    begin = 0
    while place >= 0:
        if len(found) == _FIRST and block.count(wanted, place) > _FEW:
            return [index for index, text in enumerate(_texts(block), first) if text == element]
        index += block.count(separator, begin, place)
        found.append(index)
        begin = place
        place = block.find(wanted, place + len(separator) + len(element))
    return found


def _places(block: bytes, element: bytes, separator: bytes) -> list[int]:
    """The places in ``block`` of the separators before ``element``."""
    wanted = separator + element + separator
    found: list[int] = []
    place = block.find(wanted)
    while place >= 0:
        found.append(place)
        place = block.find(wanted, place + len(separator) + len(element))
    return found


def _without(block: Block, element: bytes, indexes: list[int]) -> Block:
    """A block without the elements at ``indexes``, each of which is equal to ``element``."""
    if isinstance(block, bytes) and len(indexes) <= _FEW:
        separator = _BY_FIRST_BYTE[block[0]]
        places = _places(block, element, separator)
        if len(places) == len(indexes):
            parts: list[bytes] = []
            begin = 0
            for place in places:
                parts.append(block[begin:place])
                begin = place + len(separator) + len(element)
            parts.append(block[begin:])
            return b"".join(parts)
    texts = _texts(block)
    if texts.count(element) == len(indexes):
        return _pack([text for text in texts if text != element])
    delete_at(texts, 0, indexes)
    return _pack(texts)


def _joined(one: Block, other: Block) -> Block | None:
    """Two small blocks as one, or None if they do not fit together."""
    if isinstance(one, bytes):
        if isinstance(other, bytes) and one[0] == other[0] and len(one) + len(other) <= _LARGE:
            return one + other[len(_BY_FIRST_BYTE[one[0]]) :]
    elif isinstance(other, list):
        return one + other
    return None


def _cost(block: Block) -> int:
    """The memory that a block takes (bytes)."""
    if isinstance(block, list):
        return _LIST + 8 * len(block) + sum([sizes.of_bytes(len(element)) for element in block])
    return sizes.of_bytes(len(block))


class Blocks:
    """A sequence of elements in blocks.

    ``_ends`` has the number of elements up to the end of each block, ``_base`` included: that is where they begin to
    count.  So a change at the left end moves the base only.
    """

    #: The attributes that hold elements, in which a large one is freed bit by bit.
    PARTS: ClassVar[tuple[str, ...]] = ("blocks",)

    __slots__ = ("_base", "_ends", "_size", "blocks")

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._ends: array[int] = array("q")
        self._base = 0
        self._size = 0

    @classmethod
    def of(cls, blocks: list[Block], ends: array[int], size: int) -> Blocks:
        """Returns a sequence of these ``blocks``; ``facts`` has returned the rest."""
        made = cls()
        made.blocks, made._ends, made._size = blocks, ends, size
        return made

    def facts(self) -> tuple[array[int], int]:
        """Returns the number of elements up to the end of each block, and the bytes that the blocks take."""
        return array("q", [end - self._base for end in self._ends]), self._size

    def __len__(self) -> int:
        return self._ends[-1] - self._base if self.blocks else 0

    def __iter__(self) -> Iterator[bytes]:
        return chain.from_iterable(map(_texts, self.blocks))

    def copy(self) -> Blocks:
        """Returns independent blocks with the same elements."""
        twin = Blocks()
        twin.blocks = self.blocks[:]
        twin._ends = self._ends[:]
        twin._base = self._base
        twin._size = self._size
        return twin

    def memory(self, how: sizes.Sampling) -> int:
        """The memory that the blocks take (bytes); blocks that a copy shares are charged in part."""
        held = sizes.charged(self.blocks, self._size, how)
        return _OBJECT + sizes.of_container(self.blocks) + sizes.of_container(self._ends) + held

    # the ends

    def add_left(self, elements: list[bytes]) -> None:
        """Adds ``elements`` before all others.  If one block is smaller, it is the first, which is opened first."""
        stops = range(len(elements) % BLOCK or BLOCK, len(elements) + 1, BLOCK)
        packed = [_pack(elements[max(stop - BLOCK, 0) : stop]) for stop in stops]
        self._size += sum(map(_cost, packed))
        self.blocks[0:0] = packed
        self._base = base = self._base - len(elements)
        self._ends[0:0] = array("q", [base + stop for stop in stops])

    def add_right(self, elements: list[bytes]) -> None:
        """Adds ``elements`` behind all others."""
        packed = [_pack(elements[place : place + BLOCK]) for place in range(0, len(elements), BLOCK)]
        self._size += sum(map(_cost, packed))
        begin = self._base + len(self)
        stop = begin + len(elements)
        self.blocks += packed
        self._ends.extend([min(begin + BLOCK * number, stop) for number in range(1, len(packed) + 1)])

    def open_left(self) -> list[bytes]:
        """Removes some elements at the left end and returns them."""
        return self._cut(0, min(_OPENED, len(self.blocks)))

    def open_right(self) -> list[bytes]:
        """Removes some elements at the right end and returns them."""
        return self._cut(max(0, len(self.blocks) - _OPENED), len(self.blocks))

    def drop_left(self, count: int) -> list[bytes]:
        """Removes ``count`` elements at the left end; returns the others of the last block that they are in."""
        number, offset = self._find(count)
        self._forget(0, number)
        return self._cut(0, 1)[offset:] if offset else []

    def drop_right(self, count: int) -> list[bytes]:
        """Removes ``count`` elements at the right end; returns the others of the first block that they are in."""
        number, offset = self._find(len(self) - count)
        if not offset:
            self._forget(number, len(self.blocks))
            return []
        self._forget(number + 1, len(self.blocks))
        return self._cut(number, number + 1)[:offset]

    def _cut(self, first: int, stop: int) -> list[bytes]:
        """Removes the blocks from ``first`` to before ``stop``, which are at an end, and returns their elements."""
        found: list[bytes] = []
        for block in self.blocks[first:stop]:
            found += _texts(block)
        self._forget(first, stop)
        return found

    def _forget(self, first: int, stop: int) -> None:
        """Removes the blocks from ``first`` to before ``stop``, which are at an end."""
        self._size -= sum(map(_cost, self.blocks[first:stop]))
        if not first and stop:
            self._base = self._ends[stop - 1]
        del self.blocks[first:stop], self._ends[first:stop]

    # reading

    def _find(self, index: int) -> tuple[int, int]:
        """The number of the block that has the element at ``index``, and its index there."""
        wanted = self._base + index
        number = bisect_right(self._ends, wanted)
        return number, wanted - self._begin(number)

    def _begin(self, number: int) -> int:
        return self._ends[number - 1] if number else self._base

    def get(self, index: int) -> bytes:
        """The element at ``index``."""
        number, offset = self._find(index)
        return _element(self.blocks[number], offset, self._ends[number] - self._begin(number))

    def between(self, start: int, stop: int) -> list[bytes]:
        """The elements from ``start`` to before ``stop``."""
        if start >= stop:
            return []
        number, offset = self._find(start)
        found = _texts(self.blocks[number])
        if offset:
            del found[:offset]
        while start + len(found) < stop:
            number += 1
            found += _texts(self.blocks[number])
        del found[stop - start :]
        return found

    def forward(self, element: bytes, first: int, stop: int) -> Iterator[list[int]]:
        """Yields the indexes of ``element`` before ``stop`` in ascending order; the first block begins at ``first``."""
        if first >= stop:
            return
        shift = first - self._base
        begin = first
        for block, end in zip(self.blocks, self._ends, strict=True):
            end += shift
            found = _matches(block, element, begin)
            if end >= stop:
                yield found[: bisect_left(found, stop)]
                return
            if found:
                yield found
            begin = end

    def backward(self, element: bytes, first: int, start: int) -> Iterator[list[int]]:
        """Yields the indexes of ``element`` from ``start`` on in descending order, as ``forward``."""
        shift = first - self._base
        number = len(self.blocks)
        while number and self._ends[number - 1] + shift > start:
            number -= 1
            found = _matches(self.blocks[number], element, self._begin(number) + shift)
            if found:
                yield found[bisect_left(found, start) :][::-1]

    # changes

    def set(self, index: int, element: bytes) -> None:
        """Replaces the element at ``index``."""
        number, offset = self._find(index)
        block = self.blocks[number]
        if isinstance(block, bytes) and len(element) + len(block) <= _LARGE:
            separator = _BY_FIRST_BYTE[block[0]]
            if separator not in element:
                parts = block.split(separator, offset + 2)
                parts[offset + 1] = element
                changed = separator.join(parts)
                self._size += _cost(changed) - _cost(block)
                self.blocks[number] = changed
                return
        texts = _texts(block)
        texts[offset] = element
        self._replace(number, [texts], 0)

    def insert(self, index: int, element: bytes) -> None:
        """Inserts ``element`` before the one at ``index``."""
        number, offset = self._find(index)
        changed = _texts(self.blocks[number])
        changed.insert(offset, element)
        parts = [changed] if len(changed) <= 2 * BLOCK else [changed[:BLOCK], changed[BLOCK:]]
        self._replace(number, parts, 1)

    def _replace(self, number: int, parts: list[list[bytes]], growth: int) -> None:
        """Replaces a block by others, with ``growth`` more elements in all."""
        packed = [_pack(part) for part in parts]
        self._size += sum(map(_cost, packed)) - _cost(self.blocks[number])
        self.blocks[number : number + 1] = packed
        if not growth:
            return
        end = self._begin(number)
        ends = []
        for part in parts:
            end += len(part)
            ends.append(end)
        self._ends[number:] = array("q", ends + [later + growth for later in self._ends[number + 1 :]])

    def remove(self, indexes: list[int], element: bytes) -> None:
        """Removes the elements at ``indexes``, which are ascending; each of the elements is equal to ``element``.

        A block with fewer elements is joined with its neighbours, if they are small enough.
        """
        blocks: list[Block] = []
        ends = array("q")
        base = begin = self._base
        gone = 0
        touched = False
        for block, end in zip(self.blocks, self._ends, strict=True):
            before, gone = gone, bisect_left(indexes, end - base, gone)
            touched_before, touched = touched, gone > before
            count = end - begin - (gone - before)
            if touched and count:
                block = _without(block, element, [index + base - begin for index in indexes[before:gone]])
            begin = end
            if not count:
                continue
            if (touched or touched_before) and blocks:
                last = ends[-2] if len(ends) > 1 else base
                if ends[-1] - last + count <= BLOCK:
                    joined = _joined(blocks[-1], block)
                    if joined is not None:
                        blocks[-1] = joined
                        ends[-1] += count
                        touched = True
                        continue
            blocks.append(block)
            ends.append((ends[-1] if ends else base) + count)
        self.blocks, self._ends = blocks, ends
        self._size = sum(map(_cost, blocks))
