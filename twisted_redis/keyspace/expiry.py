"""The times at which keys expire: a hierarchical timing wheel over the dict of keys with an expiry.

Redis samples keys at random to find expired ones.  Here a key with a TTL is in a span of time together with others.
Near spans are short, those far away are long.  When the time of a span comes, its keys are put into shorter spans.  So
the active expire cycle touches only keys whose time is near, however many others there are.

An object for each time and a set for each second would take 130 to 270 bytes a key.  Here the keys of a span are in
blocks of up to 256.  A block has a list of keys and an array of times.  The owner's dict leads from a key to its block,
so that a TTL takes a dict entry and 12 to 20 bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from heapq import heappop, heappush, heapreplace
from itertools import islice

__all__ = ["Block", "ExpiryWheel"]

_FULL = 256
"""Keys of a block that gets no more."""

_SPARSE = 32
"""The keys of a block with fewer of them may move to another block of the span."""

_ATTEMPTS = 7
"""A bit mask: they may move after every eighth removal."""

_SHARE = 15
"""The bytes of a key in a block, which is full or nearly so."""

_SHIFTS = (*[0] * 5, *[4] * 6, *(6 * ((bits - 5) // 6) + 4 for bits in range(11, 65)))
"""The binary logarithm of the length (ms) of a span, by the number of the lowest bits in which its time differs from
the present.  A longer span has 64 times the length."""


class Block:
    """Keys of one span with their times (ms).  All columns have an item for each key, in the same order."""

    __slots__ = ("base", "keys", "marks", "offsets", "span")

    def __init__(self, base: int, span: Span | None) -> None:
        #: No key is due before this time.
        self.base = base
        #: None if the wheel has put the keys aside.
        self.span = span
        self.keys: list[bytes] = []
        #: The last byte of the hash of each key.  To search them takes a cycle of the processor a key, while to look
        #: at the keys would bring each of them into its cache.
        self.marks = bytearray()
        #: What is to be added to ``base`` for the time of each key.  Unsigned, so that no time before it gets here.
        self.offsets = array("Q" if span is None or span.shift > 28 else "I" if span.shift > 16 else "H")

    def place(self, key: bytes) -> int:
        """The index of a key that is here."""
        keys, marks = self.keys, self.marks
        mark = hash(key) & 255
        place = marks.index(mark)
        while keys[place] != key:
            place = marks.index(mark, place + 1)
        return place

    def time(self, key: bytes) -> int:
        """The time of a key that is here."""
        return self.base + self.offsets[self.place(key)]

    def times(self) -> list[int]:
        """The times of all keys."""
        base = self.base
        return [base + offset for offset in self.offsets]

    def add(self, key: bytes, when: int) -> None:
        """Adds a key that is not here."""
        try:
            self.offsets.append(when - self.base)
        except OverflowError:
            times = self.times()
            # Earlier and earlier times may come.  To leave room for them makes this rare.
            lowest = min(when, 2 * when - self.base)
            self.offsets = array("Q", [time - lowest for time in (*times, when)])
            self.base = lowest
        self.keys.append(key)
        self.marks.append(hash(key) & 255)

    def pop(self, place: int) -> bytes:
        """Removes and returns the key at an index.  The last key takes its place."""
        keys, marks, offsets = self.keys, self.marks, self.offsets
        last, mark, offset = keys.pop(), marks.pop(), offsets.pop()
        if place == len(keys):
            return last
        key = keys[place]
        keys[place] = last
        marks[place] = mark
        offsets[place] = offset
        return key

    def order(self) -> None:
        """Puts the latest key first; keys of the same time are in reverse order of their names."""
        pairs = sorted(zip(self.offsets, self.keys, strict=True), reverse=True)
        first = pairs[-1][0]
        self.offsets = array(self.offsets.typecode, [offset - first for offset, _ in pairs])
        self.keys = [key for _, key in pairs]
        self.marks = bytearray([hash(key) & 255 for key in self.keys])
        self.base += first


class Span:
    """A span of time: ``1 << shift`` ms from ``start`` on.  ``number`` is that of the span in its wheel."""

    __slots__ = ("blocks", "front", "number", "shift", "start")

    def __init__(self, number: int, shift: int, start: int) -> None:
        self.number = number
        self.shift = shift
        self.start = start
        #: As a set that keeps the order.
        self.blocks: dict[Block, None] = {}
        #: The block whose keys are in order and come next.
        self.front: Block | None = None

    def __lt__(self, other: Span) -> bool:
        return self.number < other.number


class ExpiryWheel:
    """Spans of time (ms) with the keys that expire in them.

    ``places`` is the owner's dict of keys and their blocks.  The wheel changes it; others only read it.  ``now`` is the
    time when the wheel is made.  The costs below are for N keys with an expiry.
    """

    __slots__ = ("_aside", "_open", "_places", "_reached", "_spans")

    def __init__(self, places: dict[bytes, Block], now: int) -> None:
        self._places = places
        #: The time up to which keys were looked for.
        self._reached = now
        #: The block of each span that gets new keys, by the number of the span.
        self._open: dict[int, Block] = {}
        #: A heap of times and spans: no key of the span is due before the time.
        self._spans: list[tuple[int, Span]] = []
        self._aside: Block | None = None

    def time(self, key: bytes) -> int | None:
        """The time at which ``key`` expires, None without one.  O(1)."""
        block = self._places.get(key)
        if block is None:
            return None
        # As Block.time, for a key whose mark no other key of the block has; that would take two calls more.
        place = block.marks.index(hash(key) & 255)
        return block.base + block.offsets[place] if block.keys[place] == key else block.time(key)

    def times(self) -> dict[bytes, int]:
        """The times of all keys.  O(N)."""
        found: dict[bytes, int] = {}
        for block in set(self._places.values()):
            found.update(zip(block.keys, block.times(), strict=True))
        return found

    def add(self, key: bytes, when: int) -> None:
        """Lets ``key``, which has no time, expire at ``when``.  O(1)."""
        reached = self._reached
        if when > reached:
            shift = _SHIFTS[(when ^ reached).bit_length()]
            number = when >> shift << 6 | shift
        else:
            # A time in the past, or one after the clock was set back: the span of that millisecond.
            number = when << 6
        block = self._open.get(number)
        if block is None or len(block.keys) >= _FULL:
            block = self._next_block(number, block)
        # As Block.add, which would take a call more.
        try:
            block.offsets.append(when - block.base)
        except OverflowError:
            block.add(key, when)
        else:
            block.keys.append(key)
            block.marks.append(hash(key) & 255)
        self._places[key] = block

    def move(self, key: bytes, when: int) -> None:
        """Lets ``key``, which has a time, expire at ``when`` instead.  O(1) on average."""
        block = self._places[key]
        span = block.span
        if (
            span is not None
            and block.base == span.start > self._reached
            and when >> span.shift << span.shift == span.start
        ):
            # It stays in its span.  The keys of the block are in no order, or its base would be the time of the first.
            block.offsets[block.place(key)] = when - block.base
            return
        # The object that is there stays, not that of the caller.
        key = block.pop(block.place(key))
        if len(block.keys) < _SPARSE:
            self._merge(block)
        self.add(key, when)

    def remove(self, key: bytes) -> None:
        """Forgets the time of ``key``, which must have one.  O(1) on average."""
        block = self._places.pop(key)
        block.pop(block.place(key))
        if len(block.keys) < _SPARSE:
            self._merge(block)

    def due(self, now: int) -> Iterator[bytes | None]:
        """Yields the keys whose time is at or before ``now``, the earliest first.

        The caller removes each of them.  A key that the caller leaves is put aside: it keeps its time, and it comes no
        more until ``resume``.  Yields None after each step that found no key, so that the caller can look at the clock
        however many keys have to be examined.  The caller may stop at any time, and may change the wheel meanwhile.
        """
        spans = self._spans
        while spans and spans[0][0] <= now:
            self._reached, span = spans[0]
            # Nothing is added here any more: what is to expire in this span is in shorter spans from now on.
            self._open.pop(span.number, None)
            block = span.front if span.front is not None else next(iter(span.blocks), None)
            if block is None:
                heappop(spans)
            elif not block.keys:
                span.blocks.pop(block, None)
                span.front = None
            elif len(span.blocks) > 1 and span.shift:
                del span.blocks[block]
                for key, when in zip(block.keys, block.times(), strict=True):
                    self.add(key, when)
                yield None
            elif span.front is None:
                block.order()
                span.front = block
                yield None
            elif block.base + block.offsets[-1] <= min([now, *(bound for bound, _ in spans[1:3])]):
                key = block.keys[-1]
                yield key
                if block.keys and block.keys[-1] is key and block.base + block.offsets[-1] <= now:
                    self._put_aside(key)
            else:
                # The next key is in another span, or a removal has changed the order.
                block.order()
                heapreplace(spans, (block.base, span))
                span.front = None if block.base > now else block
        self._reached = now

    def resume(self, key: bytes) -> None:
        """Lets ``key``, which has a time, come again when it is due."""
        when = self._places[key].time(key)
        self.remove(key)
        self.add(key, when)

    def average_ttl(self, now: int) -> int:
        """The mean time to live (ms) of a sample of the keys; 0 if there are none."""
        times = [block.time(key) for key, block in islice(self._places.items(), 64)]
        return max(0, sum(times) // len(times) - now) if times else 0

    def memory(self) -> int:
        """The memory of the wheel (bytes), without the dict of its owner.  O(1): as it usually is for so many keys."""
        return _SHARE * len(self._places)

    def _next_block(self, number: int, full: Block | None) -> Block:
        """Begins a block of the span of that number; ``full`` is the one before it, None in a span without any."""
        shift = number & 63
        start = number >> 6 << shift
        if full is not None and full.span is not None:
            span = full.span
        else:
            span = Span(number, shift, start)
            heappush(self._spans, (start, span))
        block = self._open[number] = Block(start, span)
        span.blocks[block] = None
        return block

    def _merge(self, block: Block) -> None:
        """Moves the keys of a sparse block to the one that gets the new keys of the span, now and then."""
        count = len(block.keys)
        span = block.span
        if count & _ATTEMPTS or span is None:
            return
        into = self._open.get(span.number)
        if block is into or (count and into is None):
            return
        if count and into is not None and len(into.keys) + count > _FULL:
            # There is room here for the keys of other sparse blocks, and for new ones.
            self._open[span.number] = block
            return
        if into is not None:
            for key, when in zip(block.keys, block.times(), strict=True):
                into.add(key, when)
                self._places[key] = into
            block.keys = []
        span.blocks.pop(block, None)

    def _put_aside(self, key: bytes) -> None:
        when = self._places[key].time(key)
        self.remove(key)
        aside = self._aside
        if aside is None or len(aside.keys) >= _FULL:
            aside = self._aside = Block(when, None)
        aside.add(key, when)
        self._places[key] = aside
