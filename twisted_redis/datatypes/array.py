"""Arrays: values at indexes from 0 to 2**64 - 2, most of which may be empty.

An array is cut into slices of equal size (a power of two), of which only those with elements exist.  So neither the
highest index nor the gaps cost anything: an operation on a range walks through the slices that exist in it.

A new array takes its slice size from the configuration and keeps it.  The size of the directory that ARINFO shows is
computed as in Redis, though a dict takes its place here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import ClassVar

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.slices import ArrayLimits, Slice

__all__ = ["MAX_INDEX", "Array", "ArrayLimits", "Details"]

MAX_INDEX = 2**64 - 2
"""The highest index of an element."""

_BLOCK_BITS = 11
"""Redis keeps one table of slices up to number 2047, and a table for each so many slices above."""

_OBJECT = 160
_INTEGER = 32
_GOLDEN = 0.6180339887498949


class Details:
    """Figures about all slices of an array."""

    __slots__ = ("dense", "dense_elements", "dense_slots", "sparse", "sparse_slots")

    def __init__(self) -> None:
        self.dense = self.dense_elements = self.dense_slots = self.sparse = self.sparse_slots = 0


class Array:
    """An array.  Callers may read ``count``, ``cursor``, ``slice_size`` and the figures of the directory.

    ``cursor`` is the index at which ARINSERT or ARRING has written last, or -1.
    """

    #: The attributes that hold elements, in which a large array is freed bit by bit.
    PARTS: ClassVar[tuple[str, ...]] = ("slices", "ids")
    NESTED_PARTS: ClassVar[tuple[str, ...]] = ("slices",)

    __slots__ = ("bits", "blocks", "count", "cursor", "directory", "ids", "slice_size", "slices")

    def __init__(self, slice_size: int) -> None:
        self.slice_size = slice_size
        self.bits = slice_size.bit_length() - 1
        self.count = 0
        self.cursor = -1
        #: The slices by number, and their numbers in order.
        self.slices: dict[int, Slice] = {}
        self.ids: list[int] = []
        #: The entries of Redis' directory: of its one table, or, if ``blocks`` is not None, of the table of tables.
        self.directory = 0
        #: The slices that each table of Redis has, once there is more than one table.
        self.blocks: dict[int, int] | None = None

    def __len__(self) -> int:
        return self.count

    def __bool__(self) -> bool:
        return True

    @property
    def length(self) -> int:
        """The highest index with an element and one more; 0 without elements."""
        if not self.ids:
            return 0
        number = self.ids[-1]
        return (number << self.bits | self.slices[number].last) + 1

    @property
    def blocks_used(self) -> int:
        """The tables of slices in Redis; 0 while there is only one."""
        return 0 if self.blocks is None else len(self.blocks)

    def encoding(self) -> str:
        """The reply of OBJECT ENCODING."""
        return "sliced-array"

    def copy(self) -> Array:
        """Returns a copy that shares only the values."""
        new = Array(self.slice_size)
        new.count, new.cursor, new.directory = self.count, self.cursor, self.directory
        new.slices = {number: each.copy() for number, each in self.slices.items()}
        new.ids = self.ids[:]
        new.blocks = None if self.blocks is None else dict(self.blocks)
        return new

    def take(self, other: Array) -> None:
        """Becomes what ``other`` is, which must not be used any more."""
        self.slice_size, self.bits = other.slice_size, other.bits
        self.count, self.cursor, self.directory = other.count, other.cursor, other.directory
        self.slices, self.ids, self.blocks = other.slices, other.ids, other.blocks

    def details(self) -> Details:
        """Returns figures about the slices, which are gone through."""
        found = Details()
        for each in self.slices.values():
            if each.offsets is None:
                found.dense += 1
                found.dense_elements += each.count
                found.dense_slots += len(each.values)
            else:
                found.sparse += 1
                found.sparse_slots += each.capacity
        return found

    def memory(self, how: sizes.Sampling) -> int:
        """Estimates the bytes that the array takes, from some of its slices and elements."""
        ids = self.ids
        chosen, share = ids, None
        if how.samples is not None:
            if len(ids) > how.samples:
                chosen = [ids[int(number * _GOLDEN % 1 * len(ids))] for number in range(how.samples)]
            share = max(1, how.samples // max(1, len(chosen)))
        inner = 0
        values: list[bytes] = []
        for number in chosen:
            each = self.slices[number]
            inner += each.memory()
            values += islice((value for value in each.values if value is not None), share)
        size = _OBJECT + sizes.of_container(self.slices) + sizes.of_container(ids) + _INTEGER * len(ids)
        if not values:
            return size
        size += inner * len(ids) // len(chosen)
        return size + sizes.of_items(values, sizes.Sampling(None, how.reach, how.spare), kept=1) * self.count // len(
            values
        )

    # reading

    def get(self, index: int) -> bytes | None:
        """Returns the value at ``index``, or None."""
        found = self.slices.get(index >> self.bits)
        return None if found is None else found.get(index & self.slice_size - 1)

    def items(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yields (index, value) of the elements from ``start`` to ``end``, backwards if ``start`` is the higher one.

        The array must not change meanwhile.
        """
        low, high = (end, start) if start > end else (start, end)
        bits, ids, top = self.bits, self.ids, self.slice_size - 1
        first, last = low >> bits, high >> bits
        numbers = ids[bisect_left(ids, first) : bisect_right(ids, last)]
        backwards = start > end
        for number in reversed(numbers) if backwards else numbers:
            each = self.slices[number]
            base = number << bits
            least = low - base if number == first else 0
            most = high - base if number == last else top
            for offset, value in each.filled_backwards(least, most) if backwards else each.filled(least, most):
                yield base | offset, value

    def everything(self) -> Iterator[tuple[int, bytes]]:
        """Yields (index, value) of all elements in order."""
        return self.items(0, MAX_INDEX)

    def values_at(self, low: int, high: int) -> list[bytes | None]:
        """Returns the values at all positions from ``low`` to ``high``, None for each that is empty."""
        bits, size = self.bits, self.slice_size
        found: list[bytes | None] = []
        position = low
        while position <= high:
            base = position >> bits << bits
            behind = min(high + 1, base + size)
            each = self.slices.get(position >> bits)
            if each is None:
                found += [None] * (behind - position)
            elif each.offsets is None:
                first, last = position - base - each.start, behind - base - each.start
                window = each.values[max(0, first) : max(0, last)]
                before = min(max(0, -first), behind - position)
                found += [None] * before
                found += window
                found += [None] * (behind - position - before - len(window))
            else:
                run: list[bytes | None] = [None] * (behind - position)
                for offset, value in each.filled(position - base, behind - base - 1):
                    run[base + offset - position] = value
                found += run
            position = behind
        return found

    # writing

    def set(self, index: int, value: bytes, limits: ArrayLimits) -> None:
        """Stores a value at ``index``."""
        number = index >> self.bits
        found = self.slices.get(number)
        offset = index & self.slice_size - 1
        if found is None:
            found = self._add_slice(number, offset, limits, dense=not limits.array_sparse_kmax)
        if found.set(offset, value, self.slice_size, limits.array_sparse_kmax):
            self.count += 1

    def set_all(self, index: int, values: Sequence[bytes], limits: ArrayLimits) -> None:
        """Stores values at ``index`` and the positions behind it."""
        if len(values) == 1:
            self.set(index, values[0], limits)
            return
        kmax, size = limits.array_sparse_kmax, self.slice_size
        behind = index + len(values)
        self._reserve(behind - 1 >> self.bits)
        position = index
        while position < behind:
            number = position >> self.bits
            offset = position & size - 1
            run = list(values[position - index : position - index + size - offset])
            found = self.slices.get(number)
            if found is None:
                found = self._add_slice(number, offset, limits, dense=not kmax or len(run) > kmax)
            elif found.offsets is not None:
                new = len(run) - sum(1 for _ in found.filled(offset, offset + len(run) - 1))
                if kmax and (len(run) > kmax or found.count + new > kmax):
                    found.make_dense(size)
            if found.offsets is None:
                self.count += found.set_run(offset, run, size)
            else:
                for place, value in enumerate(run, offset):
                    self.count += found.set(place, value, size, kmax)
            position += len(run)

    def delete(self, index: int, limits: ArrayLimits) -> bool:
        """Removes the element at ``index``; True if there was one."""
        number = index >> self.bits
        found = self.slices.get(number)
        if found is None or not found.delete(index & self.slice_size - 1, limits):
            return False
        self.count -= 1
        if not found.count:
            place = bisect_left(self.ids, number)
            self._remove_slices(place, place + 1)
            self._shrink_directory()
        return True

    def delete_range(self, low: int, high: int, limits: ArrayLimits) -> int:
        """Removes the elements from ``low`` to ``high``; returns their number."""
        bits, ids, top = self.bits, self.ids, self.slice_size - 1
        first, last = low >> bits, high >> bits
        before = self.count
        for number in {first, last}:
            found = self.slices.get(number)
            if found is not None:
                least = low & top if number == first else 0
                most = high & top if number == last else top
                self.count -= found.delete_range(least, most, limits)
                if not found.count:
                    place = bisect_left(ids, number)
                    self._remove_slices(place, place + 1)
        place, behind = bisect_right(ids, first), bisect_left(ids, last)
        if place < behind:
            self.count -= sum(self.slices[number].count for number in ids[place:behind])
            self._remove_slices(place, behind)
        self._shrink_directory()
        return before - self.count

    # slices

    def _reserve(self, number: int) -> None:
        """Extends the directory, so that it has an entry for the slice ``number``."""
        if self.blocks is not None:
            return
        if number >> _BLOCK_BITS:
            self.blocks = {0: len(self.ids)} if self.directory else {}
            self.directory = 4
        elif number >= self.directory:
            self.directory = 1 << number.bit_length()

    def _add_slice(self, number: int, offset: int, limits: ArrayLimits, *, dense: bool) -> Slice:
        self._reserve(number)
        self.slices[number] = new = Slice(limits.array_sparse_kmax)
        if dense:
            new.make_dense(self.slice_size, offset)
        ids = self.ids
        if not ids or number > ids[-1]:
            ids.append(number)
        else:
            insort(ids, number)
        blocks = self.blocks
        if blocks is not None:
            block = number >> _BLOCK_BITS
            if block not in blocks and len(blocks) >= self.directory:
                self.directory *= 2
            blocks[block] = blocks.get(block, 0) + 1
        return new

    def _remove_slices(self, place: int, behind: int) -> None:
        """Removes the slices from ``place`` to ``behind`` in the order of their numbers."""
        blocks = self.blocks
        for number in self.ids[place:behind]:
            del self.slices[number]
            if blocks is not None:
                block = number >> _BLOCK_BITS
                blocks[block] -= 1
                if not blocks[block]:
                    del blocks[block]
        del self.ids[place:behind]

    def _shrink_directory(self) -> None:
        if self.blocks is None and self.ids and self.ids[-1] < self.directory * 9 // 10:
            self.directory = min(self.directory, 1 << self.ids[-1].bit_length())
