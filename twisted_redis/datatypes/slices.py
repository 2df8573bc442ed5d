"""The slices of an array: what one range of consecutive indexes holds, in one of two forms.

- sparse: sorted offsets and the values there, for a few elements far from each other;
- dense: a window of slots, some of which may be empty.

The form, the size of the window and the capacity of the sparse form follow the rules of Redis, since ARINFO shows them.
Offsets count from the first index of the slice.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import ClassVar, Protocol

from twisted_redis.datatypes import sizes

__all__ = ["ArrayLimits", "Slice"]

_LEAST_WINDOW = 8
_LEAST_CAPACITY = 4
_OBJECT = 104


class ArrayLimits(Protocol):
    """The directives on which the forms of slices depend."""

    array_slice_size: int
    array_sparse_kmax: int
    array_sparse_kmin: int


def _dense_bytes(window: int) -> int:
    """The size of a dense slice in Redis, on which the change of form depends."""
    return 32 + 8 * window


def _sparse_bytes(capacity: int) -> int:
    """The size of a sparse slice in Redis."""
    return 32 + (2 * capacity + 7 & ~7) + 8 * capacity


def _power_of_two(number: int) -> int:
    """The lowest power of two that is not below ``number``."""
    return 1 << (number - 1).bit_length()


class Slice:
    """The elements of one slice.  A new one is sparse and empty, for at most ``kmax`` elements."""

    #: The attributes that hold elements, in which a large slice is freed bit by bit.
    PARTS: ClassVar[tuple[str, ...]] = ("values",)

    __slots__ = ("capacity", "count", "offsets", "start", "top", "values")

    def __init__(self, kmax: int) -> None:
        #: The sorted offsets of the values; None in the dense form.
        self.offsets: array[int] | None = array("H")
        #: The values; in the dense form the slots of the window, None where there is no element.
        self.values: list[bytes | None] = []
        self.count = 0
        self.capacity = min(kmax, _LEAST_CAPACITY)
        #: The offset of the first slot of the window, and that of the last element (dense form only).
        self.start = 0
        self.top = 0

    def __len__(self) -> int:
        return self.count

    @property
    def last(self) -> int:
        """The offset of the last element."""
        return self.top if self.offsets is None else self.offsets[-1]

    def copy(self) -> Slice:
        """Returns a slice with the same elements and form."""
        new = Slice(0)
        new.offsets = None if self.offsets is None else self.offsets[:]
        new.values = self.values[:]
        new.count, new.capacity, new.start, new.top = self.count, self.capacity, self.start, self.top
        return new

    def memory(self) -> int:
        """The bytes that the slice takes without its elements."""
        size = _OBJECT + sizes.of_container(self.values)
        return size if self.offsets is None else size + sizes.of_container(self.offsets)

    def get(self, offset: int) -> bytes | None:
        """Returns the value at ``offset``, or None."""
        offsets, values = self.offsets, self.values
        if offsets is None:
            place = offset - self.start
            return values[place] if 0 <= place < len(values) else None
        place = bisect_left(offsets, offset)
        return values[place] if place < len(offsets) and offsets[place] == offset else None

    def filled(self, low: int, high: int) -> Iterator[tuple[int, bytes]]:
        """Yields the offset and the value of each element from ``low`` to ``high``."""
        offsets, values = self.offsets, self.values
        if offsets is None:
            low, high = max(low, self.start), min(high, self.top)
            for offset, value in enumerate(values[low - self.start : max(0, high + 1 - self.start)], low):
                if value is not None:
                    yield offset, value
            return
        for place in range(bisect_left(offsets, low), bisect_right(offsets, high)):
            found = values[place]
            assert found is not None
            yield offsets[place], found

    def filled_backwards(self, low: int, high: int) -> Iterator[tuple[int, bytes]]:
        """As ``filled``, from the last element to the first."""
        offsets, values = self.offsets, self.values
        if offsets is None:
            low, high = max(low, self.start), min(high, self.top)
            for offset in range(high, low - 1, -1):
                value = values[offset - self.start]
                if value is not None:
                    yield offset, value
            return
        for place in range(bisect_right(offsets, high) - 1, bisect_left(offsets, low) - 1, -1):
            found = values[place]
            assert found is not None
            yield offsets[place], found

    def set(self, offset: int, value: bytes, size: int, kmax: int) -> bool:
        """Stores a value in a slice of ``size`` positions; True if there was none at ``offset``."""
        if self.offsets is not None:
            place = bisect_left(self.offsets, offset)
            if place < self.count and self.offsets[place] == offset:
                self.values[place] = value
                return False
            if self.count < kmax:
                if self.count >= self.capacity:
                    self.capacity = min(2 * self.capacity, kmax)
                self.offsets.insert(place, offset)
                self.values.insert(place, value)
                self.count += 1
                return True
            self.make_dense(size)
        place = offset - self.start
        if not 0 <= place < len(self.values):
            self._widen(offset, size)
            place = offset - self.start
        new = self.values[place] is None
        self.values[place] = value
        if new:
            self.count += 1
            if offset > self.top:
                self.top = offset
        return new

    def set_run(self, offset: int, run: list[bytes], size: int) -> int:
        """Stores consecutive values in the dense form; returns how many positions had none."""
        last = offset + len(run) - 1
        if not 0 <= offset - self.start < len(self.values):
            self._widen(offset, size)
        if last - self.start >= len(self.values):
            self._widen(last, size)
        place = offset - self.start
        new = self.values[place : place + len(run)].count(None)
        self.values[place : place + len(run)] = run
        self.count += new
        self.top = max(self.top, last)
        return new

    def make_dense(self, size: int, offset: int = 0) -> None:
        """Changes the form to the dense one; the window of an empty slice begins at ``offset``."""
        offsets, values = self.offsets, self.values
        if offsets is None:
            return
        self.top = offsets[-1] if offsets else 0
        self.start = offsets[0] if offsets else offset
        window = max(_LEAST_WINDOW, _power_of_two(self.top - self.start + 1) if offsets else 0)
        if window >= size:
            window, self.start = size, 0
        elif self.start + window > size:
            self.start = size - window
        slots: list[bytes | None] = [None] * window
        for place, value in zip(offsets, values, strict=True):
            slots[place - self.start] = value
        self.offsets, self.values = None, slots

    def _widen(self, offset: int, size: int) -> None:
        """Makes the window of a dense slice wider, so that it has a slot for ``offset``."""
        start, values = self.start, self.values
        window = len(values)
        if offset >= start + window:
            while offset >= start + window and window < size:
                window *= 2
            if window >= size:
                window, start = size, 0
            elif start + window > size:
                start = size - window
        else:
            end = start + window
            window = min(size, max(_LEAST_WINDOW, _power_of_two(end - offset)))
            start = 0 if window == size else max(0, end - window)
        before = self.start - start
        slots: list[bytes | None] = [None] * before
        slots += values
        slots += [None] * (window - len(slots))
        self.start, self.values = start, slots

    def delete(self, offset: int, limits: ArrayLimits) -> bool:
        """Removes the element at ``offset``; True if there was one."""
        if self.offsets is not None:
            place = bisect_left(self.offsets, offset)
            if place == self.count or self.offsets[place] != offset:
                return False
            del self.offsets[place], self.values[place]
            self.count -= 1
            return True
        place = offset - self.start
        if not 0 <= place < len(self.values) or self.values[place] is None:
            return False
        self.values[place] = None
        self.count -= 1
        self._after_deletion(limits)
        return True

    def delete_range(self, low: int, high: int, limits: ArrayLimits) -> int:
        """Removes the elements from ``low`` to ``high``; returns their number."""
        if self.offsets is not None:
            first, behind = bisect_left(self.offsets, low), bisect_right(self.offsets, high)
            del self.offsets[first:behind], self.values[first:behind]
            self.count -= behind - first
            return behind - first
        low, high = max(low, self.start), min(high, self.top)
        if low > high:
            removed = 0
        else:
            place, behind = low - self.start, high + 1 - self.start
            removed = behind - place - self.values[place:behind].count(None)
            self.values[place:behind] = [None] * (behind - place)
            self.count -= removed
        self._after_deletion(limits)
        return removed

    def _after_deletion(self, limits: ArrayLimits) -> None:
        """Finds the last element again, and changes to the sparse form where that saves memory."""
        if not self.count:
            return
        values = self.values
        place = self.top - self.start
        while values[place] is None:
            place -= 1
        self.top = self.start + place
        kmax, kmin = limits.array_sparse_kmax, limits.array_sparse_kmin
        window = len(values)
        if not kmax or self.count > kmin or self.count > kmax or window == _LEAST_WINDOW or window < 4 * kmin:
            return
        if _dense_bytes(window) < _sparse_bytes(kmin) * 5 // 4:
            return
        pairs = list(self.filled(self.start, self.top))
        self.offsets = array("H", [offset for offset, _ in pairs])
        self.values = [value for _, value in pairs]
        self.capacity = kmin
