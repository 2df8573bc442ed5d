"""An order beside a dict or a set of keys, for what neither can do: cursors and random picks.

The keys stand in the order in which they were added, each under a sequence number that is its own for good.
A cursor is such a number, so it stays exact whatever is added, removed or tidied up between two calls.

- A scan walks from the newest key to the oldest. What is added meanwhile lands behind the cursor: however
  fast keys come and go, a scan ends, and it returns whatever was there from its first call to its last.
- A key that is removed stays in the order as a tombstone, and takes its old place when it is added again:
  no key stands twice, so a scan returns none twice and a random pick is uniform.
- When the tombstones outnumber the keys they are swept, a few blocks at a time: no call pays for all of them.
  While a child process writes a snapshot, and shares memory as long as nobody writes to it, more are endured.

The owner of the container tells the order of each key that is new (``append``) and of each that is gone
(``discard``), right after it has changed the container. An order that finds its count wrong reads the
container anew, which is right but takes time in proportion to its size.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from random import Random
from typing import ClassVar

__all__ = ["RANDOM", "SWEEP_RATIO", "Order", "take_some"]

RANDOM = Random()
"""The source of chance of whoever brings none."""

SWEEP_RATIO = 2.0
"""Entries for each key beyond which a sweep begins, unless ``Order.sweep_ratio`` is set otherwise."""

_SHIFT = 8
_BLOCK = 1 << _SHIFT
"""Entries of a block: what is swept at once, and what the choice of a random place goes through."""

_SWEPT = 4
"""Blocks swept in a step."""

_PAUSE = 128
"""Removals until it is looked again whether a sweep has to begin."""

_EXTREME = 32
"""Entries for each key beyond which they are swept even while a child process writes a snapshot."""

_MISSES = 16
"""Places without a key that a random pick meets before it tidies up."""

_EXAMINED = 10
"""Entries that a scan may look at for each key that it was asked for."""


class Order:
    """The keys of ``container`` (a dict, a set or a dict view of keys) in the order of their coming.

    Closed blocks stand in ``_blocks``, the sequence numbers of their entries in ``_numbers``: a range as long
    as the block is as it was filled, an array once it was swept. New keys go to ``_tail``, whose first entry
    has the number ``_base``. An entry that is None was popped; its key gets a new place when it comes again.
    """

    __slots__ = (
        "_base",
        "_blocks",
        "_container",
        "_dead",
        "_hand",
        "_holes",
        "_limit",
        "_numbers",
        "_stored",
        "_tail",
        "is_sweeping",
        "may_sweep",
        "sweep_ratio",
    )

    saving: ClassVar = False
    """Whether a child process is writing a snapshot: set on the class, by whoever starts children."""

    def __init__(self, container: Collection[bytes]) -> None:
        size = len(container)
        self._container = container
        keys = iter(container)
        # Straight into blocks: the keys of a large container are out of the processor's cache, so that each
        # touch takes time.
        self._blocks: list[list[bytes | None]] = [list(islice(keys, _BLOCK)) for _ in range(0, size, _BLOCK)]
        self._numbers: list[Sequence[int]] = [
            range(start + 1, min(start + _BLOCK, size) + 1) for start in range(0, size, _BLOCK)
        ]
        self._stored = size  # entries of the closed blocks
        self._tail: list[bytes | None] = []
        self._base = size + 1
        self._dead: set[bytes] = set()  # tombstones that can rise again
        self._holes = 0
        self._hand = 0  # the block to be swept next, if a sweep is under way
        self.sweep_ratio = SWEEP_RATIO  # entries for each key beyond which a sweep begins
        self.may_sweep = True  # whether a sweep may begin at all (DEBUG DICT-RESIZING)
        self.is_sweeping = False  # whether one is under way
        self._limit = _BLOCK  # tombstones and holes at which to look whether a step is due

    def __len__(self) -> int:
        """The number of entries, tombstones among them."""
        return self._stored + len(self._tail)

    def append(self, key: bytes) -> None:
        """Takes in a key that is new to the container."""
        if key in self._dead:
            self._dead.remove(key)
            return
        tail = self._tail
        tail.append(key)
        if len(tail) >= _BLOCK:
            self._close()
            self._step()

    def discard(self, key: bytes) -> None:
        """Notes that a key, which the order held, has left the container."""
        self._dead.add(key)
        if len(self._dead) + self._holes > self._limit:
            self._step()

    def discard_all(self, keys: Collection[bytes]) -> None:
        """Notes that ``keys``, which the order held, have left the container."""
        self._dead.update(keys)
        if len(self._dead) + self._holes > self._limit:
            self._step()

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Returns where to go on and up to ``count`` keys; 0 is the start of a scan and its end.

        Any number is taken for a cursor. Fewer keys than asked for, even none, do not mean the end.
        """
        self._check()
        container, blocks = self._container, self._blocks
        index, stop = self._find(cursor)
        found: list[bytes] = []
        budget = _EXAMINED * count
        while True:
            block = blocks[index] if index < len(blocks) else self._tail
            while stop and budget > 0 and len(found) < count:
                start = max(0, stop - min(budget, count - len(found)))
                found += [key for key in block[start:stop] if key is not None and key in container]
                budget -= stop - start
                stop = start
            if stop:
                return self._number(index, stop), found
            if index == 0:
                return 0, found
            if budget <= 0 or len(found) >= count:
                return self._number(index, 0), found
            index -= 1
            stop = len(blocks[index])

    def random(self, rng: Random = RANDOM) -> bytes | None:
        """Returns a key, each with the same probability, or None if there is none."""
        if not self._container:
            return None
        block, offset = self._pick(rng.random)
        return block[offset]

    def pop(self, rng: Random = RANDOM) -> bytes | None:
        """Returns a random key and forgets it: the owner removes it, and does not ``discard`` it."""
        if not self._container:
            return None
        block, offset = self._pick(rng.random)
        key = block[offset]
        block[offset] = None
        self._holes += 1
        return key

    def figures(self) -> tuple[int, int]:
        """Returns how many blocks there are that hold keys, and how many keys are in the fullest one."""
        container = self._container
        sizes = [sum(key is not None and key in container for key in block) for block in (*self._blocks, self._tail)]
        return sum(map(bool, sizes)), max(sizes)

    def choices(self, count: int, rng: Random = RANDOM) -> list[bytes]:
        """Returns ``count`` random keys of a container that has some, each picked from all of them."""
        return [key for key in (self.random(rng) for _ in range(count)) if key is not None]

    def some(self, count: int, rng: Random = RANDOM) -> list[bytes]:
        """Returns up to ``count`` random keys, quickly: fewer where much is gone, and one may come twice."""
        container, blocks, tail, draw = self._container, self._blocks, self._tail, rng.random
        closed = len(blocks)
        span = (closed + bool(tail)) << _SHIFT
        found: list[bytes] = []
        for _ in range(2 * count):
            place = int(draw() * span)
            block = blocks[place >> _SHIFT] if place >> _SHIFT < closed else tail
            place &= _BLOCK - 1
            if place < len(block):
                key = block[place]
                if key is not None and key in container:
                    found.append(key)
                    if len(found) == count:
                        return found
        # Tidies up where that is needed.
        key = self.random(rng)
        return found if key is None else [*found, key]

    def sample(self, count: int, rng: Random = RANDOM) -> list[bytes]:
        """Returns ``count`` different random keys, of which there are clearly more."""
        found: dict[bytes, None] = {}
        while len(found) < count and (key := self.random(rng)) is not None:
            found[key] = None
        return list(found)

    def _pick(self, draw: Callable[[], float]) -> tuple[list[bytes | None], int]:
        """A block and the offset of a live entry in it; there must be one."""
        container = self._container
        entries, live = self._stored + len(self._tail), len(container)
        if entries - len(self._dead) - self._holes != live:
            self._check()
        if entries > self.sweep_ratio * live + _BLOCK or self.is_sweeping:
            self._step()
        misses = 0
        while True:
            blocks, tail = self._blocks, self._tail
            if not blocks:
                index, block = 0, tail
                offset = int(draw() * len(tail))
            else:
                # Blocks differ in size: a place beyond the end of one is drawn again, or the keys of
                # small blocks would be favoured.
                place = int(draw() * ((len(blocks) + bool(tail)) << _SHIFT))
                index, offset = place >> _SHIFT, place & _BLOCK - 1
                block = blocks[index] if index < len(blocks) else tail
            if offset < len(block):
                key = block[offset]
                if key is not None and key in container:
                    return block, offset
            misses += 1
            if misses > _MISSES:
                # Too little is left: what was hit last is swept, and joined with what stands before it.
                misses = 0
                if block is tail:
                    self._close()
                self._sweep(index)

    def _find(self, cursor: int) -> tuple[int, int]:
        """The block and the number of its entries that come before the cursor."""
        blocks = self._blocks
        if cursor <= 0 or cursor >= self._base + len(self._tail):
            return len(blocks), len(self._tail)
        if cursor > self._base or not blocks:
            return len(blocks), max(0, cursor - self._base)
        index = max(0, bisect_left(self._numbers, cursor, key=_first) - 1)
        return index, bisect_left(self._numbers[index], cursor)

    def _number(self, index: int, offset: int) -> int:
        if index < len(self._blocks):
            return self._numbers[index][offset]
        return self._base + offset

    def _close(self) -> None:
        """Makes the tail a block, and starts a new one."""
        tail = self._tail
        if tail:
            size = len(tail)
            self._blocks.append(tail)
            self._numbers.append(range(self._base, self._base + size))
            self._stored += size
            self._base += size
            self._tail = []

    def _step(self) -> None:
        """Sweeps some blocks if a sweep is under way, or has to begin."""
        if not self.is_sweeping:
            entries, live = len(self), len(self._container)
            if self.may_sweep and entries > (_EXTREME if Order.saving else self.sweep_ratio) * live + _BLOCK:
                self.is_sweeping = True
                self._hand = 0
                self._close()
        if self.is_sweeping:
            for _ in range(_SWEPT):
                if self._hand >= len(self._blocks):
                    self.is_sweeping = False
                    break
                self._hand = self._sweep(self._hand)
        self._limit = -1 if self.is_sweeping else len(self._dead) + self._holes + _PAUSE

    def _sweep(self, index: int) -> int:
        """Takes the tombstones out of a block; returns the index of the next one."""
        block, numbers, container = self._blocks[index], self._numbers[index], self._container
        kept = [place for place, key in enumerate(block) if key is not None and key in container]
        if len(kept) == len(block):
            return index + 1
        self._holes -= block.count(None)
        self._dead.difference_update(block)
        self._stored -= len(block) - len(kept)
        if index and len(kept) + len(self._blocks[index - 1]) <= _BLOCK:
            # Half empty blocks are joined, or there would be ever more of them.
            before = self._blocks[index - 1]
            before += [block[place] for place in kept]
            self._numbers[index - 1] = array("Q", [*self._numbers[index - 1], *(numbers[place] for place in kept)])
            kept = []
        if kept:
            self._blocks[index] = [block[place] for place in kept]
            self._numbers[index] = array("Q", [numbers[place] for place in kept])
            return index + 1
        del self._blocks[index], self._numbers[index]
        return index

    def _check(self) -> None:
        """Reads the container anew if the order was not told of all that happened to it."""
        if len(self) - len(self._dead) - self._holes == len(self._container):
            return
        self._close()
        seen: set[bytes] = set()
        for index in range(len(self._blocks) - 1, -1, -1):
            block: list[bytes | None] = []
            numbers = array("Q")
            for key, number in zip(self._blocks[index], self._numbers[index], strict=True):
                if key is not None and key in self._container and key not in seen:
                    seen.add(key)
                    block.append(key)
                    numbers.append(number)
            self._blocks[index], self._numbers[index] = block, numbers
        self._blocks = [block for block in self._blocks if block]
        self._numbers = [numbers for numbers in self._numbers if numbers]
        self._stored = sum(map(len, self._blocks))
        self._dead.clear()
        self._holes = self._hand = 0
        self.is_sweeping = False
        for key in self._container:
            if key not in seen:
                self.append(key)


def take_some(keys: list[bytes], count: int, rng: Random = RANDOM) -> list[bytes]:
    """Returns ``count`` different ones of ``keys``, which is no longer needed and changed."""
    draw, size = rng.random, len(keys)
    if count >= size:
        return keys
    # What is picked moves to the front, unless it is less work to pick those that are left.
    moved = min(count, size - count)
    for place in range(moved):
        other = place + int(draw() * (size - place))
        keys[place], keys[other] = keys[other], keys[place]
    if moved == count:
        del keys[count:]
    else:
        del keys[:moved]
    return keys


def _first(numbers: Sequence[int]) -> int:
    return numbers[0]
