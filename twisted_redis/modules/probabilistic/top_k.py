"""Top-K sketches by HeavyKeeper: rows of counters with fingerprints, and a heap of the items with the highest counts.

The hashes, the order in the heap and the form in files are those of Redis' module.  When two items meet in a counter,
chance decides whether the counter decays.  Here each sketch has its own sequence of random numbers, whose state is a
part of the value.  So a replica, which executes the same commands, comes to the same sketch.
"""

from __future__ import annotations

from array import array
from math import log, log1p
from struct import Struct
from typing import Final

from twisted_redis.modules.probabilistic.bloom import LARGEST
from twisted_redis.modules.probabilistic.count_min import MOST_DEPTH, load_words, stored_words
from twisted_redis.modules.probabilistic.hashes import seeded

__all__ = ["ENTRY_BYTES", "Entry", "TopK"]

#: About what a place in the heap takes.
ENTRY_BYTES: Final = 150

_FINGERPRINT_SEED: Final = 1919
_MASK32: Final = 0xFFFFFFFF
_MASK64: Final = (1 << 64) - 1
#: The powers of the decay that are computed once; those of higher counts are products of these.
_POWERS: Final = 256
#: The sequence of random numbers, by Knuth's linear congruence.
_FACTOR: Final = 6364136223846793005
_STEP: Final = 1442695040888963407
_FIRST_STATE: Final = 0x853C49E6748FEA9B

#: A place in the heap: fingerprint, length, a pointer, count.  Only a process in memory can use the pointer.  The one
#: of the first place holds the state of the random numbers.
_entry = Struct("<IIQI4x")


class Entry:
    """A place in the heap.  ``item`` is None while the place is free."""

    __slots__ = ("count", "fingerprint", "item")

    def __init__(self, fingerprint: int, count: int, item: bytes | None) -> None:
        self.fingerprint = fingerprint
        self.count = count
        self.item = item


class TopK:
    """A sketch of the ``k`` most frequent items with ``depth`` rows of ``width`` counters."""

    __slots__ = ("_powers", "_seeds", "_state", "cells", "decay", "depth", "heap", "item_bytes", "k", "places", "width")

    def __init__(self, k: int, width: int, depth: int, decay: float, cells: array[int], heap: list[Entry]) -> None:
        self.k = k
        self.width = width
        self.depth = depth
        self.decay = decay
        #: The fingerprint and the count of each counter in turn.
        self.cells = cells
        self.heap = heap
        #: The index in the heap of each item there.
        self.places = {entry.item: at for at, entry in enumerate(heap) if entry.item is not None}
        #: The bytes of the items in the heap.
        self.item_bytes = sum(map(len, self.places))
        #: The seeds of the rows, and that of the fingerprints.
        self._seeds = (*range(depth), _FINGERPRINT_SEED)
        self._state = _FIRST_STATE
        self._powers = [decay**power for power in range(_POWERS)]

    @classmethod
    def create(cls, k: int, width: int, depth: int, decay: float) -> TopK:
        """Returns an empty sketch.  Raises MemoryError if it is too large."""
        if width * depth * 8 + k * ENTRY_BYTES > LARGEST or depth > MOST_DEPTH:
            raise MemoryError
        cells = array("I", bytes(8)) * (width * depth)
        return cls(k, width, depth, decay, cells, [Entry(0, 0, None) for _ in range(k)])

    # counting

    def add(self, item: bytes, amount: int) -> bytes | None:
        """Counts ``item`` so many times more; returns the item that leaves the heap for it, if one does."""
        cells, width = self.cells, self.width
        *hashes, fingerprint = seeded(item, self._seeds)
        most = 0
        for row, hashed in enumerate(hashes):
            at = 2 * (row * width + hashed % width)
            count = cells[at + 1]
            if count == 0:
                cells[at] = fingerprint
                count = amount
            elif cells[at] == fingerprint:
                count = count + amount & _MASK32
            else:
                left, rest = self._compete(count, amount)
                cells[at + 1] = left or rest
                if left or not rest:
                    continue
                cells[at] = fingerprint
                count = rest
            cells[at + 1] = count
            if count > most:
                most = count
        return self._enter(item, fingerprint, most) if most >= self.heap[0].count else None

    def _compete(self, count: int, amount: int) -> tuple[int, int]:
        """What is left of the ``count`` of another item after so many trials; if nothing, the trials that are left too.

        Each trial decreases the count with a probability that falls with the count.  The number of trials until that
        happens is drawn at once.
        """
        if self.decay == 1:
            return (count - amount, 0) if amount < count else (0, amount - count + 1)
        while amount > 0:
            chance = self._chance(count)
            if chance <= 0:
                break
            if chance < 1:
                skipped = log(self._random()) / log1p(-chance)
                if skipped >= amount:
                    break
                amount -= int(skipped)
            count -= 1
            if count == 0:
                return 0, amount
            amount -= 1
        return count, 0

    def _chance(self, count: int) -> float:
        """The decay to the power of ``count``."""
        powers = self._powers
        if count < _POWERS:
            return powers[count]
        last = _POWERS - 1
        power: float = powers[last] ** (count // last)
        return power * powers[count % last]

    def _random(self) -> float:
        """A random number above 0 and at most 1."""
        self._state = self._state * _FACTOR + _STEP & _MASK64
        return ((self._state >> 11) + 1) / (1 << 53)

    def _enter(self, item: bytes, fingerprint: int, count: int) -> bytes | None:
        at = self.places.get(item)
        if at is not None:
            self.heap[at].count = count
            self._sink(at)
            return None
        expelled = self.heap[0].item
        if expelled is not None:
            self.places.pop(expelled, None)
            self.item_bytes -= len(expelled)
        self.heap[0] = Entry(fingerprint, count, item)
        self.places[item] = 0
        self.item_bytes += len(item)
        self._sink(0)
        return expelled

    def _sink(self, at: int) -> None:
        """Moves the entry at ``at`` down the heap, below all that have less."""
        heap, places, length = self.heap, self.places, len(self.heap)
        moved = heap[at]
        while True:
            child = 2 * at + 1
            if child >= length:
                break
            if child + 1 < length and heap[child].count > heap[child + 1].count:
                child += 1
            lesser = heap[child]
            # At the start an equal child moves up, too; later only a lesser one does.
            if lesser.count > moved.count or (lesser.count == moved.count and heap[at] is not moved):
                break
            heap[at] = lesser
            if lesser.item is not None:
                places[lesser.item] = at
            at = child
        heap[at] = moved
        if moved.item is not None:
            places[moved.item] = at

    # asking

    def holds(self, item: bytes) -> bool:
        """Whether ``item`` is among the most frequent ones."""
        return item in self.places

    def count(self, item: bytes) -> int:
        """An estimate of how often ``item`` was counted, which may be too low."""
        cells, width = self.cells, self.width
        *hashes, fingerprint = seeded(item, self._seeds)
        least = self.heap[0].count if item in self.places else 0
        most = 0
        for row, hashed in enumerate(hashes):
            at = 2 * (row * width + hashed % width)
            if cells[at] == fingerprint and cells[at + 1] >= least:
                most = max(most, cells[at + 1])
        return most

    def ranking(self) -> list[tuple[bytes, int]]:
        """The most frequent items and their counts, the highest first."""
        entries = sorted(self.heap, key=lambda entry: -entry.count)
        return [(entry.item or b"", entry.count) for entry in entries if entry.count]

    # files

    def stored_cells(self) -> bytes:
        """The counters as a file has them."""
        return stored_words(self.cells)

    def stored_heap(self) -> bytes:
        """The heap as a file has it, without the items."""
        parts = []
        for at, entry in enumerate(self.heap):
            length = len(entry.item or b"")
            parts.append(_entry.pack(entry.fingerprint, length, 0 if at else self._state, entry.count))
        return b"".join(parts)

    @classmethod
    def load(cls, k: int, width: int, depth: int, decay: float, cells: bytes, heap: bytes, items: list[bytes]) -> TopK:
        """Returns the sketch of these parts of a file.  Raises ValueError if they do not fit together."""
        if not 0 < decay <= 1 or len(cells) != width * depth * 8 or len(heap) != k * _entry.size or len(items) != k:
            raise ValueError("the parts of a sketch do not fit together")
        fields = list(_entry.iter_unpack(heap))
        entries = []
        for (fingerprint, _, _, count), item in zip(fields, items, strict=True):
            if item[-1:] != b"\0":
                raise ValueError("an item has no end")
            # A free place and the empty item look the same, but for the fingerprint.
            entries.append(Entry(fingerprint, count, item[:-1] if fingerprint or len(item) > 1 else None))
        made = cls(k, width, depth, decay, load_words(cells), entries)
        made._state = fields[0][2] or _FIRST_STATE
        return made
