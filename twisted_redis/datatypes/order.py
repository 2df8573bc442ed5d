"""An order beside a dict or a set of keys, for two things that these cannot do: cursors and random picks.

    >>> keys = {b"a", b"b", b"c"}
    >>> order = Order(sorted(keys))
    >>> order.scan(0, 2)
    (2, [b'b', b'c'])
    >>> order.scan(2, 2)
    (0, [b'a'])

The keys are kept in the order in which they were added.  Each has a sequence number that it never loses.  A cursor is
such a number, so it stays exact whatever is added, removed or swept between two calls.

- A scan goes from the newest key to the oldest.  Keys that are added meanwhile come behind the cursor.  So a scan ends
  however fast keys come and go, and it returns every key that exists from its first call to its last.
- A removed key stays in the order as a tombstone, and takes its old place when it is added again.  No key is there
  twice, so a scan returns none twice and a random pick is uniform.
- When the tombstones outnumber the keys they are swept, a few blocks at a time, so that no call pays for all of them.
  While a child process writes a snapshot, sweeping would copy memory that the two processes share; so a sweep begins
  much later then.

The owner of the container calls ``append`` for each new key and ``discard`` for each removed one, right after it has
changed the container.  An order that finds its count wrong reads the whole container again.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from random import Random
from typing import Any, ClassVar

from twisted_redis.datatypes import sizes

__all__ = ["RANDOM", "SWEEP_RATIO", "Order", "take_some"]

RANDOM = Random()
"""The default source of random numbers."""

SWEEP_RATIO = 2.0
"""Entries for each key beyond which a sweep begins, unless ``Order.sweep_ratio`` is set otherwise."""

_SHIFT = 8
_BLOCK = 1 << _SHIFT
"""Entries in a block, the unit of sweeping and of random picks."""

_SWEPT = 4
"""Blocks that are swept in one step."""

_PAUSE = 128
"""Removals between two looks whether a sweep must begin."""

_EXTREME = 32
"""``sweep_ratio`` while a child process writes a snapshot."""

_MISSES = 16
"""Places without a key that a random pick meets before it sweeps a block."""

_LOOKED_AT = 16
"""Blocks that stand for the memory of all."""

_RANGE = 2 * 32
"""The bytes of the ends of a range."""

_EXAMINED = 10
"""Entries that a scan may examine for each key that it was asked for."""


class Order:
    """The keys of ``container`` (a dict, a set or a dict view of keys) in the order in which they were added.

    The costs below are for N keys.  Sweeping is a part of them: each change pays for a constant number of entries.  A
    call that finds that the owner has not told of a change costs O(N) once.

    ``_blocks`` has the closed blocks.  ``_numbers`` has the sequence numbers of their entries: a range while the block
    is as it was filled, an array once it was swept.  New keys go to ``_tail``, whose first entry has the number
    ``_base``.  An entry that is None was popped; its key gets a new place when it is added again.
    """

    #: The attributes that hold elements, in which a large one is freed bit by bit.
    PARTS: ClassVar[tuple[str, ...]] = ("_blocks", "_numbers", "_dead", "_tail")

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
    """Whether a child process is writing a snapshot.  The code that starts children sets it on the class."""

    def __init__(self, container: Collection[bytes]) -> None:
        """Takes the keys that ``container`` has now.  O(N)."""
        size = len(container)
        self._container = container
        keys = iter(container)
        # Straight into blocks: the keys of a large container are not in the processor's cache, so each touch of one
        # takes time.
        self._blocks: list[list[bytes | None]] = [list(islice(keys, _BLOCK)) for _ in range(0, size, _BLOCK)]
        self._numbers: list[Sequence[int]] = [
            range(start + 1, min(start + _BLOCK, size) + 1) for start in range(0, size, _BLOCK)
        ]
        self._stored = size  # entries of the closed blocks
        self._tail: list[bytes | None] = []
        self._base = size + 1
        self._dead: set[bytes] = set()  # tombstones, whose keys may be added again
        self._holes = 0
        self._hand = 0  # the next block of a sweep that is under way
        self.sweep_ratio = SWEEP_RATIO  # a sweep begins when there are more entries for each key
        self.may_sweep = True  # whether a sweep may begin at all (DEBUG DICT-RESIZING)
        self.is_sweeping = False  # whether a sweep is under way
        self._limit = _BLOCK  # with more tombstones and holes, look whether a step is due

    def __len__(self) -> int:
        """The number of entries, tombstones included.  O(1)."""
        return self._stored + len(self._tail)

    def append(self, key: bytes) -> None:
        """Adds a key that is new in the container.  O(1)."""
        if key in self._dead:
            self._dead.remove(key)
            return
        tail = self._tail
        tail.append(key)
        if len(tail) >= _BLOCK:
            self._close()
            self._step()

    def newest(self) -> bytes | None:
        """The key that was added last, if that can be told at once; otherwise None.  O(1)."""
        return self._tail[-1] if self._tail else None

    def append_all(self, keys: Sequence[bytes]) -> None:
        """Adds different new ``keys``, which may all be in the container already.  O(M) for M keys."""
        dead = self._dead
        if not dead.isdisjoint(keys):
            # Before any sweep: that would take such a key, which is in the container, for one that has its place.
            again = dead.intersection(keys)
            dead -= again
            keys = [key for key in keys if key not in again]
        start = 0
        while start < len(keys):
            end = start + _BLOCK - len(self._tail)
            self._tail += keys[start:end]
            start = end
            if len(self._tail) >= _BLOCK:
                self._close()
                self._step()

    def discard(self, key: bytes) -> None:
        """Removes a key that has left the container.  O(1)."""
        self._dead.add(key)
        if len(self._dead) + self._holes > self._limit:
            self._step()

    def discard_all(self, keys: Collection[bytes]) -> None:
        """Removes ``keys`` that have left the container.  O(M) for M keys."""
        self._dead.update(keys)
        if len(self._dead) + self._holes > self._limit:
            self._step()

    def exchange(self, index: int, renew: Callable[[bytes], bytes], old: list[Any]) -> bool:
        """Puts ``renew(key)``, an equal object, in the place of each key of the block ``index``, which is new as well.

        ``renew`` must leave other keys as they are.  Adds what is replaced to ``old``.  Returns whether there is a next
        block.
        """
        blocks = self._blocks
        if index >= len(blocks):
            old.append(self._tail)
            self._tail = [None if key is None else renew(key) for key in self._tail]
            return False
        old += (blocks[index], self._numbers[index])
        blocks[index] = [None if key is None else renew(key) for key in blocks[index]]
        numbers = self._numbers[index]
        self._numbers[index] = range(numbers[0], numbers[-1] + 1) if isinstance(numbers, range) else numbers[:]
        return True

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Returns the cursor of the next call and up to ``count`` keys.

        A scan starts with cursor 0 and has ended when it gets 0 back.  Any number is accepted as a cursor.  A call may
        return fewer keys than asked for, even none, before the end.  O(log N + count).
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

    def use(self, container: Collection[bytes]) -> None:
        """Uses ``container``, which has the same keys, in place of the one before."""
        self._container = container

    def added(self) -> int:
        """The number of places that keys ever took; a key that came again while it was a tombstone took none."""
        return self._base + len(self._tail) - 1

    def memory(self) -> int:
        """Returns the memory of the order (bytes), the keys of tombstones included.  O(1): from some of the blocks."""
        blocks, numbers, dead = self._blocks, self._numbers, self._dead
        size = sizes.of_container(blocks) + sizes.of_container(numbers) + sizes.of_container(self._tail)
        size += sizes.of_container(dead) + sizes.of_items(dead, sizes.Sampling(_LOOKED_AT, _LOOKED_AT, 1 << 30))
        if blocks:
            step = -(-len(blocks) // _LOOKED_AT)
            some = blocks[::step]
            found = sum([sizes.of_container(block) for block in some])
            for part in numbers[::step]:
                found += _RANGE if isinstance(part, range) else sizes.of_container(part)
            size += found * len(blocks) // len(some)
        return size

    def count_blocks(self) -> int:
        """The number of blocks that ``blocks`` yields."""
        self._check()
        return len(self._blocks) + 1

    def blocks(self, start: int = 0) -> Iterator[list[bytes]]:
        """Yields all keys, in the order in which they were added, in blocks, some of which may be empty.

        ``start`` is the number of blocks that are left out.  No key may come or go until the end, and nobody may change
        a block.
        """
        container = self._container
        blocks = self._blocks
        whole = not self._dead and not self._holes
        for index in range(start, len(blocks) + 1):
            block = blocks[index] if index < len(blocks) else self._tail
            if whole:
                yield block  # type: ignore[misc]
            else:
                yield [key for key in block if key is not None and key in container]

    def random(self, rng: Random = RANDOM) -> bytes | None:
        """Returns a key, each with the same probability, or None if there is none.  O(1) on average."""
        if not self._container:
            return None
        block, offset = self._pick(rng.random)
        return block[offset]

    def pop(self, rng: Random = RANDOM) -> bytes | None:
        """Returns a random key and removes it from the order, or None.  O(1) on average.

        The caller removes the key from the container, and does not call ``discard``.
        """
        container = self._container
        blocks = self._blocks
        if blocks and not self.is_sweeping:
            # A first try is spelled out, since calling ``_pick`` takes longer than the rest.  If the place has no key,
            # or a sweep may be due, ``_pick`` draws again; so every key is as likely as any other.
            place = int(rng.random() * ((len(blocks) + 1) << _SHIFT))
            index = place >> _SHIFT
            block = blocks[index] if index < len(blocks) else self._tail
            entries, live = self._stored + len(self._tail), len(container)
            place &= _BLOCK - 1
            if (
                place < len(block)
                and (key := block[place]) is not None
                and key in container
                and entries - len(self._dead) - self._holes == live
                and entries <= self.sweep_ratio * live + _BLOCK
            ):
                block[place] = None
                self._holes += 1
                return key
        if not container:
            return None
        block, offset = self._pick(rng.random)
        key = block[offset]
        block[offset] = None
        self._holes += 1
        return key

    def figures(self) -> tuple[int, int]:
        """Returns the number of blocks that have keys, and the number of keys in the fullest one.  O(N)."""
        container = self._container
        sizes = [sum(key is not None and key in container for key in block) for block in (*self._blocks, self._tail)]
        return sum(map(bool, sizes)), max(sizes)

    def choices(self, count: int, rng: Random = RANDOM) -> list[bytes]:
        """Returns ``count`` random keys, each picked from all; there must be keys.  O(count) on average."""
        return [key for key in (self.random(rng) for _ in range(count)) if key is not None]

    def some(self, count: int, rng: Random = RANDOM) -> list[bytes]:
        """Returns up to ``count`` random keys quickly.  O(count).

        There are fewer if the order has many tombstones.  The same key may come twice.
        """
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
        # This sweeps a block if that is needed.
        key = self.random(rng)
        return found if key is None else [*found, key]

    def sample(self, count: int, rng: Random = RANDOM) -> list[bytes]:
        """Returns ``count`` different random keys.  O(count) on average if there are clearly more."""
        found: dict[bytes, None] = {}
        while len(found) < count and (key := self.random(rng)) is not None:
            found[key] = None
        return list(found)

    def _pick(self, draw: Callable[[], float]) -> tuple[list[bytes | None], int]:
        """Returns a block and the offset of a live entry in it.  There must be one."""
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
                # Blocks differ in size.  A place beyond the end of one is drawn again; otherwise keys in small
                # blocks would be picked more often.
                place = int(draw() * ((len(blocks) + bool(tail)) << _SHIFT))
                index, offset = place >> _SHIFT, place & _BLOCK - 1
                block = blocks[index] if index < len(blocks) else tail
            if offset < len(block):
                key = block[offset]
                if key is not None and key in container:
                    return block, offset
            misses += 1
            if misses > _MISSES:
                # Few live entries are left.  Sweep the block that was hit last, and join it with the one before.
                misses = 0
                if block is tail:
                    self._close()
                self._sweep(index)

    def _find(self, cursor: int) -> tuple[int, int]:
        """Returns the index of the cursor's block, and how many entries of that block come before the cursor."""
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
        """Makes a block of the tail, and starts a new tail."""
        tail = self._tail
        if tail:
            size = len(tail)
            self._blocks.append(tail)
            self._numbers.append(range(self._base, self._base + size))
            self._stored += size
            self._base += size
            self._tail = []

    def _step(self) -> None:
        """Sweeps some blocks if a sweep is under way or must begin."""
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
        """Removes the tombstones from a block; returns the index of the next block."""
        block, numbers, container = self._blocks[index], self._numbers[index], self._container
        kept = [place for place, key in enumerate(block) if key is not None and key in container]
        if len(kept) == len(block):
            return index + 1
        self._holes -= block.count(None)
        self._dead.difference_update(block)
        self._stored -= len(block) - len(kept)
        if index and len(kept) + len(self._blocks[index - 1]) <= _BLOCK:
            # Join half empty blocks, or their number would grow without end.
            before = self._blocks[index - 1]
            before += [block[place] for place in kept]
            self._numbers[index - 1] = _array([*self._numbers[index - 1], *[numbers[place] for place in kept]])
            kept = []
        if kept:
            self._blocks[index] = [block[place] for place in kept]
            self._numbers[index] = _array([numbers[place] for place in kept])
            return index + 1
        del self._blocks[index], self._numbers[index]
        return index

    def _check(self) -> None:
        """Reads the whole container again if its owner has not told of all changes."""
        if len(self) - len(self._dead) - self._holes == len(self._container):
            return
        self._close()
        seen: set[bytes] = set()
        for index in range(len(self._blocks) - 1, -1, -1):
            block: list[bytes | None] = []
            numbers: list[int] = []
            for key, number in zip(self._blocks[index], self._numbers[index], strict=True):
                if key is not None and key in self._container and key not in seen:
                    seen.add(key)
                    block.append(key)
                    numbers.append(number)
            self._blocks[index], self._numbers[index] = block, _array(numbers)
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
    """Returns ``count`` different random elements of ``keys``.  Changes the list, which the caller no longer needs."""
    draw, size = rng.random, len(keys)
    if count >= size:
        return keys
    # Moves the picked keys to the front, or the others if they are fewer.
    moved = min(count, size - count)
    for place in range(moved):
        other = place + int(draw() * (size - place))
        keys[place], keys[other] = keys[other], keys[place]
    if moved == count:
        del keys[count:]
    else:
        del keys[:moved]
    return keys


def _array(numbers: list[int]) -> array[int]:
    """The sequence numbers of a block, which ascend, in little memory."""
    return array("I" if not numbers or numbers[-1] < 1 << 32 else "Q", numbers)


def _first(numbers: Sequence[int]) -> int:
    return numbers[0]
