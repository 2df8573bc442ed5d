"""Scalable Bloom filters: a chain of layers, of which the last takes new items until it is full.

The sizes, the hashes and the two file forms are those of Redis' module, so that filters travel between both.
"""

from __future__ import annotations

from math import ceil, frexp, inf, log
from struct import Struct
from typing import TYPE_CHECKING, Final

from twisted_redis.modules.probabilistic.hashes import COMPILED, pair32, pair64

if TYPE_CHECKING:
    from mypy_extensions import i64

__all__ = [
    "ADDED",
    "CHUNK",
    "FORCE_64",
    "FULL",
    "LARGEST",
    "MOST_HASHES",
    "NO_ROUNDING",
    "NO_SCALING",
    "PRESENT",
    "STUCK",
    "Chain",
    "Layer",
]

# The options of a chain, as files have them.
NO_ROUNDING: Final = 1
SIZE_IN_BITS: Final = 2
FORCE_64: Final = 4
NO_SCALING: Final = 8
_ALL_OPTIONS: Final = 15

# The results of ``Chain.add``.
ADDED: Final = 1
PRESENT: Final = 0
#: The chain needs another layer and cannot have one.
STUCK: Final = -1
#: The chain does not grow, and is full.
FULL: Final = -2

#: The most bytes of one sketch, as of a string.
LARGEST: Final = 1 << 29
#: The most bytes of one chunk of a dump.
CHUNK: Final = 1 << 24
#: The most hashes of a layer in a file.  The smallest double as the rate of errors leads to 1074.
MOST_HASHES: Final = 1100
MOST_LAYERS: Final = 1000

_LN2: Final = 0.693147180559945
_LN2_SQUARED: Final = 0.480453013918201
_TIGHTENING: Final = 0.5
_MASK64: Final = (1 << 64) - 1
_LOW_63: Final = 0x7FFFFFFFFFFFFFFF

_header = Struct("<QIII")
_layer = Struct("<QQQddIQB")


class Layer:
    """One Bloom filter.  ``data`` holds its bits; ``modulus`` is how many of them are in use."""

    __slots__ = ("bits_per_entry", "count", "data", "entries", "error", "hashes", "log2_bits", "modulus", "total_bits")

    def __init__(
        self,
        entries: int,
        error: float,
        bits_per_entry: float,
        hashes: int,
        total_bits: int,
        log2_bits: int,
        data: bytearray,
        count: int,
    ) -> None:
        self.entries = entries
        self.error = error
        self.bits_per_entry = bits_per_entry
        self.hashes: i64 = hashes
        self.total_bits = total_bits
        #: The logarithm of the number of bits in use; 0 if all are.
        self.log2_bits = log2_bits
        self.modulus: i64 = 1 << log2_bits if log2_bits else total_bits
        self.data = data
        self.count = count

    @staticmethod
    def create(entries: int, error: float, options: int) -> Layer:
        """Returns an empty layer.  Raises ValueError for sizes that make no sense, MemoryError for too large ones."""
        if entries < 1 or not 0 < error < 1:
            raise ValueError("a layer needs entries and a rate of errors between 0 and 1")
        per_entry = abs(log(error) / _LN2_SQUARED)
        log2_bits = 0
        if options & SIZE_IN_BITS:
            if entries > 63:
                raise MemoryError
            log2_bits, bits = entries, 1 << entries
            entries = int(bits / per_entry)
        elif options & NO_ROUNDING:
            bits = int(entries * per_entry) or 1
        else:
            wanted = entries * per_entry
            log2_bits = frexp(wanted)[1]
            if log2_bits > 63:
                raise ValueError("a layer has less than 2**64 bits")
            log2_bits = max(log2_bits, 0)
            bits = 1 << log2_bits
            entries += int(int(bits - wanted) / per_entry)
        size = (bits + 63) // 64 * 8
        if size > LARGEST:
            raise MemoryError
        return Layer(entries, error, per_entry, ceil(_LN2 * per_entry), size * 8, log2_bits, bytearray(size), 0)

    def check(self) -> None:
        """Raises ValueError unless the fields of a layer from a file fit together."""
        if not (0 < self.error < 1 and 0 < self.bits_per_entry < inf):
            raise ValueError("a layer has an impossible rate of errors")
        if not (1 <= self.hashes <= MOST_HASHES and 1 <= self.modulus <= len(self.data) * 8):
            raise ValueError("a layer has impossible sizes")

    def holds(self, first: i64, second: i64) -> bool:
        """Whether all bits of an item with these two hashes are set."""
        if not COMPILED:
            return self._holds_interpreted(first, second)
        modulus = self.modulus
        data = self.data
        left = self.hashes
        while left > 0:
            # The lowest 64 bits of ``first`` as an unsigned number modulo ``modulus``, in signed arithmetic.
            place: i64 = ((first >> 1 & _LOW_63) % modulus * 2 + (first & 1)) % modulus
            if not data[place >> 3] >> (place & 7) & 1:
                return False
            first += second
            left -= 1
        return True

    def _holds_interpreted(self, first: int, second: int) -> bool:
        modulus: int = self.modulus
        data = self.data
        for _ in range(self.hashes):
            place = (first & _MASK64) % modulus
            if not data[place >> 3] >> (place & 7) & 1:
                return False
            first += second
        return True

    def put(self, first: i64, second: i64) -> bool:
        """Sets the bits of an item; returns whether one of them was not set."""
        if not COMPILED:
            return self._put_interpreted(first, second)
        modulus = self.modulus
        data = self.data
        left = self.hashes
        new = False
        while left > 0:
            place: i64 = ((first >> 1 & _LOW_63) % modulus * 2 + (first & 1)) % modulus
            at: i64 = place >> 3
            byte: i64 = data[at]
            bit: i64 = 1 << (place & 7)
            if not byte & bit:
                data[at] = byte | bit
                new = True
            first += second
            left -= 1
        return new

    def _put_interpreted(self, first: int, second: int) -> bool:
        modulus: int = self.modulus
        data = self.data
        new = False
        for _ in range(self.hashes):
            place = (first & _MASK64) % modulus
            byte = data[place >> 3]
            marked = byte | 1 << (place & 7)
            if marked != byte:
                data[place >> 3] = marked
                new = True
            first += second
        return new


class Chain:
    """A Bloom filter of one layer or more.  ``growth`` is how many times as many entries each next layer has."""

    __slots__ = ("count", "growth", "layers", "options")

    def __init__(self, layers: list[Layer], count: int, options: int, growth: int) -> None:
        self.layers = layers
        self.count = count
        self.options = options
        self.growth = growth

    @staticmethod
    def create(entries: int, error: float, options: int, growth: int) -> Chain:
        """Returns an empty chain.  Raises the errors of ``Layer.create``."""
        options |= FORCE_64 | NO_ROUNDING
        first_error = error if options & NO_SCALING else error * _TIGHTENING
        return Chain([Layer.create(entries, first_error, options)], 0, options, growth & 0xFFFFFFFF)

    def holds(self, item: bytes) -> bool:
        """Whether ``item`` has probably been added."""
        first, second = pair64(item) if self.options & FORCE_64 else pair32(item)
        return self._has(first, second)

    def _has(self, first: i64, second: i64) -> bool:
        # A generator would cost more than the loop, compiled or not.
        for layer in reversed(self.layers):  # noqa: SIM110
            if layer.holds(first, second):
                return True
        return False

    def add(self, item: bytes) -> int:
        """Adds ``item``: ADDED, PRESENT, FULL or STUCK."""
        first, second = pair64(item) if self.options & FORCE_64 else pair32(item)
        layers = self.layers
        last = layers[-1]
        if len(layers) > 1 or last.count >= last.entries:
            if self._has(first, second):
                return PRESENT
            if last.count >= last.entries:
                if self.options & NO_SCALING:
                    return FULL
                if len(layers) >= MOST_LAYERS:
                    return STUCK
                try:
                    last = Layer.create(last.entries * self.growth & _MASK64, last.error * _TIGHTENING, self.options)
                except (ValueError, MemoryError):
                    return STUCK
                layers.append(last)
        if not last.put(first, second):
            return PRESENT
        last.count += 1
        self.count += 1
        return ADDED

    @property
    def capacity(self) -> int:
        """The items that fit into the layers that there are."""
        return sum([layer.entries for layer in self.layers])

    @property
    def size(self) -> int:
        """The bytes that Redis' module would take."""
        return 32 + sum([64 + len(layer.data) for layer in self.layers])

    # dumps in chunks

    def header(self) -> bytes:
        """Everything but the bits."""
        parts = [_header.pack(self.count, len(self.layers), self.options, self.growth)]
        for layer in self.layers:
            parts.append(
                _layer.pack(
                    len(layer.data),
                    layer.total_bits,
                    layer.count,
                    layer.error,
                    layer.bits_per_entry,
                    layer.hashes,
                    layer.entries,
                    layer.log2_bits,
                )
            )
        return b"".join(parts)

    @staticmethod
    def from_header(header: bytes) -> Chain:
        """Returns the chain that ``header`` describes, with no bit set.  Raises ValueError if it is not valid."""
        if len(header) < _header.size:
            raise ValueError("the header is too short")
        count, length, options, growth = _header.unpack_from(header)
        if len(header) != _header.size + length * _layer.size or not 0 < length <= MOST_LAYERS:
            raise ValueError("the header does not fit the number of layers")
        fields = list(_layer.iter_unpack(header[_header.size :]))
        if sum([size for size, *_ in fields]) > LARGEST:
            raise ValueError("the filter is too large")
        if options & ~_ALL_OPTIONS or sum([layer[2] for layer in fields]) != count:
            raise ValueError("the header contradicts itself")
        layers: list[Layer] = []
        for size, bits, added, error, per_entry, hashes, entries, log2_bits in fields:
            if not 0 < per_entry < inf or hashes != ceil(_LN2 * per_entry) or bits != size * 8 or log2_bits > 32:
                raise ValueError("a layer contradicts itself")
            if hashes > MOST_HASHES:
                raise ValueError("a layer has too many hashes")
            layer = Layer(entries, error, per_entry, hashes, bits, log2_bits, bytearray(size), added)
            layer.check()
            layers.append(layer)
        return Chain(layers, count, options, growth)

    def _find(self, offset: int) -> tuple[Layer, int] | None:
        """The layer with the byte at ``offset`` of all bits, and the offset in that layer."""
        if offset >= 0:
            for layer in self.layers:
                if offset < len(layer.data):
                    return layer, offset
                offset -= len(layer.data)
        return None

    def chunk(self, position: int) -> tuple[int, bytes]:
        """The position behind the chunk at ``position`` (from 1 on), and the chunk; (0, b"") at the end."""
        found = self._find(position - 1)
        if found is None:
            return 0, b""
        layer, offset = found
        data = bytes(layer.data[offset : offset + CHUNK])
        return position + len(data), data

    def load_chunk(self, position: int, chunk: bytes) -> str:
        """Stores a chunk that ends at ``position``.  Returns the text of an error, or ""."""
        if position <= 0 or position < len(chunk):
            return "ERR received bad data"
        found = self._find(position - len(chunk) - 1)
        if found is None:
            return "ERR invalid offset - no link found"
        layer, offset = found
        if len(chunk) > len(layer.data) - offset:
            return "ERR invalid chunk - Too big for current filter"
        layer.data[offset : offset + len(chunk)] = chunk
        return ""
