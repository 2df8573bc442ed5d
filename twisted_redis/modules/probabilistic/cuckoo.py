"""Cuckoo filters: buckets of fingerprints, of which each item has two.

The sizes, the hash, the order in which slots are tried and the two file forms are those of Redis' module, so that
filters travel between both, and both find room for an item in the same slot.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from twisted_redis.modules.probabilistic.bloom import CHUNK, LARGEST
from twisted_redis.modules.probabilistic.hashes import murmur64

__all__ = ["EXISTS", "INSERTED", "NO_MEMORY", "NO_SPACE", "Cuckoo", "Part", "next_power"]

# The results of ``Cuckoo.insert``.
INSERTED: Final = 1
EXISTS: Final = 0
NO_SPACE: Final = -1
NO_MEMORY: Final = -2

MOST_BUCKET_SIZE: Final = 255
MOST_PARTS: Final = 0xFFFF

_ALTERNATE: Final = 0x5BD1E995
_MASK64: Final = (1 << 64) - 1
#: A filter of several parts is compacted when more than this share of its items was deleted.
_DELETED_SHARE: Final = 0.10

_header = Struct("<QQQQHHH")


def next_power(number: int) -> int:
    """The smallest power of two that is not below ``number``; 0 for 0."""
    return 1 << (number - 1).bit_length() if number else 0


class Part:
    """One filter of a chain: ``buckets`` buckets of the same number of slots, one byte each.  0 is a free slot."""

    __slots__ = ("buckets", "data")

    def __init__(self, buckets: int, data: bytearray) -> None:
        self.buckets = buckets
        self.data = data


class _Places(NamedTuple):
    """The fingerprint of an item, and the two hashes that lead to its buckets."""

    fingerprint: int
    first: int
    second: int


def _places(item: bytes) -> _Places:
    hashed = murmur64(item)
    fingerprint = hashed % 255 + 1
    return _Places(fingerprint, hashed, hashed ^ fingerprint * _ALTERNATE)


class Cuckoo:
    """A Cuckoo filter of one part or more.  Each next part has ``expansion`` times as many buckets."""

    __slots__ = ("bucket_size", "buckets", "count", "deleted", "expansion", "most_moves", "parts")

    def __init__(
        self,
        parts: list[Part],
        buckets: int,
        count: int,
        deleted: int,
        bucket_size: int,
        most_moves: int,
        expansion: int,
    ) -> None:
        self.parts = parts
        #: The buckets of the first part.
        self.buckets = buckets
        self.count = count
        self.deleted = deleted
        self.bucket_size = bucket_size
        self.most_moves = most_moves
        self.expansion = expansion

    @classmethod
    def create(cls, capacity: int, bucket_size: int, most_moves: int, expansion: int) -> Cuckoo:
        """Returns an empty filter.  Raises MemoryError if it is too large."""
        made = cls([], next_power(capacity // bucket_size) or 1, 0, 0, bucket_size, most_moves, next_power(expansion))
        made._grow()
        return made

    def _grow(self) -> None:
        buckets = self.buckets * self.expansion ** len(self.parts)
        if len(self.parts) >= MOST_PARTS or buckets * self.bucket_size > LARGEST:
            raise MemoryError
        self.parts.append(Part(buckets, bytearray(buckets * self.bucket_size)))

    def _buckets_of(self, part: Part, places: _Places) -> tuple[int, int]:
        """The offsets of both buckets of an item."""
        return places.first % part.buckets * self.bucket_size, places.second % part.buckets * self.bucket_size

    def _slot(self, part: Part, places: _Places, content: int) -> int:
        """The offset of the first slot with ``content`` in the buckets of an item, or -1."""
        first, second = self._buckets_of(part, places)
        slot = part.data.find(content, first, first + self.bucket_size)
        return slot if slot >= 0 else part.data.find(content, second, second + self.bucket_size)

    def holds(self, item: bytes) -> bool:
        """Whether ``item`` has probably been added."""
        return self._has(_places(item))

    def _has(self, places: _Places) -> bool:
        return any(self._slot(part, places, places.fingerprint) >= 0 for part in self.parts)

    def occurrences(self, item: bytes) -> int:
        """How often ``item`` may have been added."""
        places = _places(item)
        size = self.bucket_size
        return sum(
            part.data.count(places.fingerprint, at, at + size)
            for part in self.parts
            for at in self._buckets_of(part, places)
        )

    def insert(self, item: bytes, *, unique: bool) -> int:
        """Adds ``item``, with ``unique`` only if it is not there yet: INSERTED, EXISTS, NO_SPACE or NO_MEMORY."""
        places = _places(item)
        if unique and self._has(places):
            return EXISTS
        while True:
            for part in reversed(self.parts):
                slot = self._slot(part, places, 0)
                if slot >= 0:
                    part.data[slot] = places.fingerprint
                    self.count += 1
                    return INSERTED
            if self._make_room(self.parts[-1], places):
                self.count += 1
                return INSERTED
            if not self.expansion:
                return NO_SPACE
            try:
                self._grow()
            except MemoryError:
                return NO_MEMORY

    def _make_room(self, part: Part, places: _Places) -> bool:
        """Puts an item into a full bucket and moves others on; if nothing becomes free, moves them back."""
        size, buckets, data = self.bucket_size, part.buckets, part.data
        fingerprint = places.fingerprint
        bucket = places.first % buckets
        victim = 0
        for _ in range(self.most_moves):
            slot = bucket * size + victim
            data[slot], fingerprint = fingerprint, data[slot]
            bucket = (bucket ^ fingerprint * _ALTERNATE) % buckets
            free = data.find(0, bucket * size, bucket * size + size)
            if free >= 0:
                data[free] = fingerprint
                return True
            victim = (victim + 1) % size
        for _ in range(self.most_moves):
            victim = (victim - 1) % size
            bucket = (bucket ^ fingerprint * _ALTERNATE) % buckets
            slot = bucket * size + victim
            data[slot], fingerprint = fingerprint, data[slot]
        return False

    def delete(self, item: bytes) -> bool:
        """Removes one occurrence of ``item``; returns whether there was one."""
        places = _places(item)
        for part in reversed(self.parts):
            slot = self._slot(part, places, places.fingerprint)
            if slot >= 0:
                part.data[slot] = 0
                self.count = self.count - 1 & _MASK64
                self.deleted += 1
                if len(self.parts) > 1 and self.deleted > self.count * _DELETED_SHARE:
                    self.compact(everything=False)
                return True
        return False

    def compact(self, *, everything: bool) -> None:
        """Moves fingerprints to earlier parts, and removes parts at the end that become empty.

        Without ``everything`` it ends at the first part, from behind, that does not become empty.
        """
        for at in range(len(self.parts) - 1, 0, -1):
            if not self._empty(at) and not everything:
                break
        self.deleted = 0

    def _empty(self, at: int) -> bool:
        """Moves what fits from the part at ``at`` to earlier ones; returns whether everything did."""
        part = self.parts[at]
        emptied = True
        for slot, fingerprint in enumerate(bytes(part.data)):
            if fingerprint:
                bucket = slot // self.bucket_size
                places = _Places(fingerprint, bucket, bucket ^ fingerprint * _ALTERNATE)
                for earlier in self.parts[:at]:
                    free = self._slot(earlier, places, 0)
                    if free >= 0:
                        earlier.data[free] = fingerprint
                        part.data[slot] = 0
                        break
                else:
                    emptied = False
        if emptied and at == len(self.parts) - 1:
            del self.parts[at]
        return emptied

    @property
    def size(self) -> int:
        """The bytes that Redis' module would take."""
        return 40 + sum(16 + len(part.data) for part in self.parts)

    # dumps in chunks

    def header(self) -> bytes:
        """Everything but the slots."""
        return _header.pack(
            self.count,
            self.buckets,
            self.deleted & _MASK64,
            len(self.parts),
            self.bucket_size,
            self.most_moves,
            self.expansion,
        )

    @classmethod
    def from_header(cls, header: bytes) -> Cuckoo:
        """Returns the filter that ``header`` describes, with no item.  Raises ValueError if it is not valid."""
        count, buckets, deleted, length, bucket_size, most_moves, expansion = _header.unpack(header)
        length &= MOST_PARTS
        made = cls([], buckets, count, deleted, bucket_size, most_moves, expansion)
        made.check()
        if length < 1 or (length > 1 and not expansion):
            raise ValueError("the filter has no parts")
        total = 0
        for at in range(length):
            total += buckets * expansion**at * bucket_size
            if total > LARGEST:
                raise ValueError("the filter is too large")
        for _ in range(length):
            made._grow()
        return made

    def check(self) -> None:
        """Raises ValueError unless the fields of a filter from a file fit together."""
        if not 0 < self.bucket_size <= MOST_BUCKET_SIZE or not 0 < self.most_moves <= 0xFFFF:
            raise ValueError("a filter has impossible parameters")
        if not 0 < self.buckets < 1 << 56 or self.buckets & (self.buckets - 1):
            raise ValueError("the number of buckets is no power of two")
        for part in self.parts:
            if part.buckets < 1 or len(part.data) != part.buckets * self.bucket_size:
                raise ValueError("a part has another size")

    def chunk(self, position: int) -> tuple[int, bytes | None]:
        """The position behind the chunk at ``position`` (from 1 on), and the chunk; (0, None) at the end.

        As in Redis' module, a part that is not larger than a chunk is returned as a whole, wherever the position is.
        """
        offset = position - 1
        for part in self.parts:
            size = len(part.data)
            if offset < size:
                begin, end = (0, size) if size <= CHUNK else (offset, min(offset + CHUNK, size))
                return position + end - begin, bytes(part.data[begin:end])
            offset -= size
        return 0, None

    def load_chunk(self, position: int, chunk: bytes) -> bool:
        """Stores a chunk that ends before ``position``; returns False if it does not fit."""
        if not chunk or position <= len(chunk):
            return False
        offset = position - len(chunk) - 1
        for part in self.parts:
            if offset < len(part.data):
                break
            offset -= len(part.data)
        # Redis' module stores what begins behind the last part in the last part.
        if len(part.data) < offset + len(chunk):
            return False
        part.data[offset : offset + len(chunk)] = chunk
        return True
