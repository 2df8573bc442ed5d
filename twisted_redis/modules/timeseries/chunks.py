"""Chunks, which hold the samples of a series in the order of their times: packed ones and plain ones.

Both kinds have live arrays, ``times`` and ``values``, to which ``room`` samples can be appended without a look at
anything else.  All samples of a plain chunk are there.  A packed chunk holds only its last samples in this form: as
many as surely fit in its bytes.  ``pack`` moves them to the bits.  So appending is cheap, and the chunk never takes
more memory than its bytes do in Redis.

``size`` is the number of bytes that Redis has allocated for the samples of the chunk.  It decides when a chunk is full
or is split, and it is part of the stored form.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from twisted_redis.extending import Reader
from twisted_redis.modules.timeseries.gorilla import MOST_BITS, NO_BLOCK, BitWriter, bits_of, unpack, values_of

__all__ = ["MOST_SIZE", "Chunk", "PackedChunk", "PlainChunk", "Resolve"]

#: Returns the value that stays of an old and a new one of the same time, or raises an error.
Resolve = Callable[[float, float], float]

SAMPLE_SIZE = 16
#: The bytes by which a packed chunk grows if an inserted sample does not fit.
GROWTH = 32
#: The greatest ``size`` that a stored chunk may have: splits and insertions let chunks exceed the limit of 1 MB.
MOST_SIZE = 1 << 21
_PACKED_STRUCT = 80
_PLAIN_STRUCT = 32
_UNLIMITED = 1 << 62
_MASK = (1 << 64) - 1


class PlainChunk:
    """A chunk that is not compressed: 16 bytes for each sample."""

    __slots__ = ("room", "size", "times", "values")

    STRUCT = _PLAIN_STRUCT

    def __init__(self, size: int) -> None:
        self.size = size
        self.times = array("Q")
        self.values = array("d")
        self.room = size // SAMPLE_SIZE

    def __len__(self) -> int:
        return len(self.times)

    @property
    def first(self) -> int:
        """The time of the first sample; 0 without samples."""
        return self.times[0] if self.times else 0

    @property
    def last(self) -> int:
        """The time of the last sample; 0 without samples."""
        return self.times[-1] if self.times else 0

    @property
    def last_value(self) -> float:
        """The value of the last sample; 0 without samples."""
        return self.values[-1] if self.values else 0.0

    def append(self, time: int, value: float) -> bool:
        """Adds a sample at the end; returns False if the chunk is full."""
        if len(self.times) >= self.room:
            return False
        self.times.append(time)
        self.values.append(value)
        return True

    def upsert(self, time: int, value: float, resolve: Resolve) -> tuple[int, float]:
        """Inserts a sample, or merges it with the one of the same time; returns how many were added, and the value."""
        place = bisect_left(self.times, time)
        if place < len(self.times) and self.times[place] == time:
            value = resolve(self.values[place], value)
            self.values[place] = value
            return 0, value
        if len(self.times) >= self.room:
            self.size += SAMPLE_SIZE
            self.room = self.size // SAMPLE_SIZE
        self.times.insert(place, time)
        self.values.insert(place, value)
        return 1, value

    def delete(self, start: int, end: int) -> int:
        """Deletes the samples from ``start`` to ``end``; returns how many there were."""
        low, high = bisect_left(self.times, start), bisect_right(self.times, end)
        if high <= low:
            return 0
        del self.times[low:high]
        del self.values[low:high]
        return high - low

    def split(self) -> PlainChunk:
        """Moves the second half of the samples to a new chunk; both have no spare place then."""
        half = len(self.times) - len(self.times) // 2
        made = PlainChunk((len(self.times) - half) * SAMPLE_SIZE)
        made.times, made.values = self.times[half:], self.values[half:]
        self.size = half * SAMPLE_SIZE
        self.room = half
        del self.times[half:]
        del self.values[half:]
        return made

    def samples(self, start: int = 0) -> tuple[Sequence[int], array[float]]:
        """Returns the times and the values of all samples from ``start`` on, and perhaps of earlier ones.

        The caller must not change them.
        """
        return self.times, self.values

    def copy(self) -> PlainChunk:
        """Returns an independent copy."""
        made = PlainChunk(self.size)
        made.times, made.values = self.times[:], self.values[:]
        return made

    def save(self) -> Iterator[int | bytes]:
        """Yields the stored form."""
        yield self.first
        yield len(self.times)
        yield self.size
        interleaved = array("Q", bytes(SAMPLE_SIZE * len(self.times)))
        interleaved[::2] = self.times
        interleaved[1::2] = bits_of(self.values)
        yield _little(interleaved).ljust(self.size, b"\0")

    @classmethod
    def load(cls, read: Reader) -> PlainChunk:
        """Returns the chunk of a stored form; raises ValueError if it is not valid."""
        read.integer(0, _MASK)
        count = read.integer(0, MOST_SIZE // SAMPLE_SIZE)
        size = read.integer(0, MOST_SIZE)
        data = read.data()
        if len(data) != size or count * SAMPLE_SIZE > size:
            raise ValueError("a chunk does not have the size that it states")
        interleaved = array("Q", data[: count * SAMPLE_SIZE])
        _little(interleaved)
        made = cls(size)
        made.times = interleaved[::2]
        made.values = values_of(interleaved[1::2])
        return made


class PackedChunk:
    """A compressed chunk: ``packed`` samples as bits, and those behind them in the live arrays.

    ``base_time`` and ``base_word`` belong to the first packed sample.
    """

    __slots__ = ("base_time", "base_word", "packed", "room", "size", "times", "values", "writer")

    STRUCT = _PACKED_STRUCT

    def __init__(self, size: int) -> None:
        self.size = size
        self.times = array("Q")
        self.values = array("d")
        self.packed = 0
        self.base_time = 0
        self.base_word = 0
        self.writer = BitWriter(0, 0)
        self.room = size * 8 // MOST_BITS + 1

    def __len__(self) -> int:
        return self.packed + len(self.times)

    @property
    def first(self) -> int:
        """The time of the first sample; 0 without samples."""
        if self.packed:
            return self.base_time
        return self.times[0] if self.times else 0

    @property
    def last(self) -> int:
        """The time of the last sample; 0 without samples."""
        return self.times[-1] if self.times else self.writer.time

    @property
    def last_value(self) -> float:
        """The value of the last sample; 0 without samples."""
        return self.values[-1] if self.values else values_of((self.writer.word,))[0]

    def append(self, time: int, value: float) -> bool:
        """Adds a sample at the end; returns False if the chunk is full."""
        if len(self.times) >= self.room:
            self.pack()
            if not self.room:
                fits = self.writer.append((time,), bits_of(array("d", (value,))), self.size * 8)
                self.packed += fits
                if not fits:
                    # Another chunk follows, and late samples here are rare from now on.
                    self.writer.marks.clear()
                return bool(fits)
        self.times.append(time)
        self.values.append(value)
        return True

    def pack(self) -> None:
        """Moves all samples to the bits; the chunk grows if they do not fit."""
        if not self.times:
            return
        times, words = self.times, bits_of(self.values)
        writer = self.writer
        done = 0
        if not self.packed:
            self.base_time, self.base_word = times[0], words[0]
            self.writer = writer = BitWriter(times[0], words[0])
            done = 1
        done += writer.append(times[done:], words[done:], self.size * 8)
        while done < len(times):
            self.size += GROWTH
            done += writer.append(times[done:], words[done:], self.size * 8)
        self.packed += len(times)
        self.times = array("Q")
        self.values = array("d")
        self.room = max(0, self.size * 8 - writer.length) // MOST_BITS

    def upsert(self, time: int, value: float, resolve: Resolve) -> tuple[int, float]:
        """Inserts a sample, or merges it with the one of the same time; returns how many were added, and the value."""
        if self.packed and time <= self.writer.time and not self._rewind(time):
            times, values = self._all()
        else:
            times, values = self.times, self.values
        place = bisect_left(times, time)
        if place < len(times) and times[place] == time:
            value = resolve(values[place], value)
            values[place] = value
            added = 0
        else:
            times.insert(place, time)
            values.insert(place, value)
            added = 1
        if times is not self.times:
            self._rebuild(times, values)
        elif len(times) > self.room:
            self.pack()
        return added, value

    def delete(self, start: int, end: int) -> int:
        """Deletes the samples from ``start`` to ``end``; returns how many there were."""
        times, values = self._all()
        low, high = bisect_left(times, start), bisect_right(times, end)
        if high <= low:
            return 0
        del times[low:high]
        del values[low:high]
        self._rebuild(times, values)
        return high - low

    def split(self) -> PackedChunk:
        """Moves the second half of the samples to a new chunk; both have as few bytes as possible then."""
        times, values = self._all()
        half = len(times) - len(times) // 2
        made = PackedChunk(self.size)
        made._rebuild(times[half:], values[half:])
        self._rebuild(times[:half], values[:half])
        self._trim()
        made._trim()
        return made

    def samples(self, start: int = 0) -> tuple[Sequence[int], array[float]]:
        """Returns the times and the values of all samples from ``start`` on, and perhaps of earlier ones.

        The caller must not change them.
        """
        if not self.packed or self.writer.time < start:
            return self.times, self.values
        found = self.writer.last_samples(start) if start else None
        times, words = found or unpack(self.writer.to_bytes(), self.packed, self.base_time, self.base_word)
        values = values_of(words)
        times += self.times
        values += self.values
        return times, values

    def copy(self) -> PackedChunk:
        """Returns an independent copy."""
        made = PackedChunk(self.size)
        made.times, made.values = self.times[:], self.values[:]
        made.packed, made.room = self.packed, self.room
        made.base_time, made.base_word = self.base_time, self.base_word
        made.writer = self.writer.copy()
        return made

    def save(self) -> Iterator[int | bytes]:
        """Yields the stored form."""
        self.pack()
        writer = self.writer
        yield self.size
        yield self.packed
        yield writer.length
        yield self.base_word
        yield self.base_time
        yield writer.time
        yield writer.delta & _MASK
        yield writer.word
        yield writer.leading
        yield writer.trailing
        yield writer.to_bytes().ljust(self.size, b"\0")

    @classmethod
    def load(cls, read: Reader) -> PackedChunk:
        """Returns the chunk of a stored form; raises ValueError if it is not valid."""
        size = read.integer(0, MOST_SIZE)
        count = read.integer(0, _MASK)
        length = read.integer(0, _MASK)
        if length > size * 8 or count > length // 2 + 1 or (length and not count):
            raise ValueError("a chunk has more samples than fit in it")
        made = cls(size)
        made.packed = count
        made.base_word = read.integer(0, _MASK)
        made.base_time = read.integer(0, _MASK)
        writer = made.writer = BitWriter(read.integer(0, _MASK), 0)
        writer.count = max(count, 1)
        writer.delta = _signed(read.integer(0, _MASK))
        writer.word = read.integer(0, _MASK)
        writer.leading = read.integer(0, NO_BLOCK)
        writer.trailing = read.integer(0, 63)
        if writer.leading + writer.trailing > 64:
            raise ValueError("a chunk states an impossible block")
        data = read.data()
        if len(data) != size:
            raise ValueError("a chunk does not have the size that it states")
        writer.load(data, length)
        if count:
            made.room = (size * 8 - length) // MOST_BITS
        return made

    def _rewind(self, time: int) -> bool:
        """Moves the last packed samples back to the live arrays, so that ``time`` is behind the packed ones.

        Returns False if that would be so many samples that their bits must be read from the beginning.
        """
        found = self.writer.rewind(time)
        if found is None:
            return False
        self.times = array("Q", found[0]) + self.times
        self.values = values_of(found[1]) + self.values
        self.packed = self.writer.count
        self.room = max(0, self.size * 8 - self.writer.length) // MOST_BITS
        return True

    def _all(self) -> tuple[array[int], array[float]]:
        """Returns copies of the times and the values of all samples."""
        times, values = self.samples()
        return array("Q", times), values[:]

    def _rebuild(self, times: array[int], values: array[float]) -> None:
        """Replaces all samples."""
        self.times, self.values = times, values
        self.packed = 0
        self.base_time = self.base_word = 0
        self.writer = BitWriter(0, 0)
        self.room = self.size * 8 // MOST_BITS + 1
        if len(times) > self.room:
            self.pack()

    def _trim(self) -> None:
        """Gives unused bytes back, up to a multiple of 8."""
        self.pack()
        excess = (self.size * 8 - self.writer.length) // 8
        if excess > 1:
            size = self.size - excess + 1
            self.size = size + 8 - size % 8
            self.room = (self.size * 8 - self.writer.length) // MOST_BITS


Chunk = PackedChunk | PlainChunk


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _little(words: Any) -> bytes:
    """Returns the bytes of integers in little-endian order; swaps them in place on a big-endian machine."""
    if array("H", (1,)).tobytes() == b"\0\1":
        words.byteswap()
    return words.tobytes()  # type: ignore[no-any-return]
