"""The compression of samples: delta of delta for times, XOR for values.

The scheme is that of Facebook's paper on Gorilla, with the field widths of Redis.  The bits of a chunk form one
integer, least significant bit first, in little-endian bytes.  The first sample of a chunk stands outside of the bits.

A time is encoded by the change of its difference from the previous time:

    bits behind the mark   mark (first bit on the right)
    0                      0
    5, 8, 11, 15           01, 011, 0111, 01111
    32, 64                 011111, 111111

A value is encoded by its XOR with the previous value, both as 64 bits:

    0                                           equal to the previous value
    10, block                                   the block lies within the previous block's place
    11, leading (5), length - 1 (6), block      the block with its place: zeros before it, and its length
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import sub, xor
from typing import NamedTuple

__all__ = ["MOST_BITS", "NO_BLOCK", "BitWriter", "bits_of", "unpack", "values_of"]

#: The most bits that one sample takes.
MOST_BITS = 147
#: The place of the block before the first one, as leading and trailing zeros.
NO_BLOCK = 32

#: How many batches can be taken back.
_MARKS = 4
_MASK = (1 << 64) - 1
#: Whole groups of so many bits leave the accumulator.
_GROUP_BITS = 512
_GROUP_BYTES = 64
_GROUP = (1 << _GROUP_BITS) - 1


def bits_of(values: array[float]) -> array[int]:
    """Returns the 64 bits of each value as an integer."""
    words = array("Q")
    words.frombytes(values.tobytes())
    return words


def values_of(words: Iterable[int]) -> array[float]:
    """Returns the values whose bits are given as integers."""
    values = array("d")
    values.frombytes(array("Q", words).tobytes())
    return values


class _Mark(NamedTuple):
    """The state of a ``BitWriter`` before a batch of samples."""

    time: int
    samples: int
    length: int
    delta: int
    word: int
    leading: int
    trailing: int


class BitWriter:
    """The bits of a chunk, and the state that the next sample continues.

    ``count`` is the number of samples with the first one, and ``length`` the number of bits.  ``time``, ``delta`` and
    ``word`` belong to the last sample; ``leading`` and ``trailing`` give the place of the last block.
    """

    __slots__ = ("count", "delta", "groups", "leading", "length", "marks", "rest", "time", "trailing", "word")

    def __init__(self, time: int, word: int) -> None:
        self.groups = bytearray()
        #: The bits that do not fill a group yet.
        self.rest = 0
        self.length = 0
        self.count = 1
        #: The state before each of the last batches of samples, to which ``rewind`` can return.
        self.marks: list[_Mark] = []
        self.time = time
        self.delta = 0
        self.word = word
        self.leading = NO_BLOCK
        self.trailing = NO_BLOCK

    def copy(self) -> BitWriter:
        """Returns an independent copy."""
        made = BitWriter(self.time, self.word)
        made.groups = self.groups[:]
        made.rest = self.rest
        made.length = self.length
        made.count = self.count
        made.marks = self.marks[:]
        made.delta = self.delta
        made.leading = self.leading
        made.trailing = self.trailing
        return made

    def to_bytes(self) -> bytes:
        """Returns the bits in as few bytes as they take."""
        rest_bits = self.length % _GROUP_BITS
        return bytes(self.groups) + self.rest.to_bytes((rest_bits + 7) >> 3, "little")

    def load(self, data: bytes, length: int) -> None:
        """Replaces the bits by the first ``length`` bits of ``data``."""
        whole = length // _GROUP_BITS * _GROUP_BYTES
        self.groups = bytearray(data[:whole])
        self.rest = int.from_bytes(data[whole : (length + 7) >> 3], "little") & ((1 << length % _GROUP_BITS) - 1)
        self.length = length

    def append(self, times: Sequence[int], words: Sequence[int], limit: int) -> int:
        """Appends samples while they fit in ``limit`` bits; returns how many did."""
        done = 0
        while done < len(times):
            count = (limit - self.length) // MOST_BITS
            if count <= 0:
                if self.length + self._width(times[done], words[done]) > limit:
                    break
                count = 1
            self._write(times[done : done + count], words[done : done + count])
            done += count
        return min(done, len(times))

    def rewind(self, time: int) -> tuple[list[int], list[int]] | None:
        """Takes the samples back that were appended last, from a sample before ``time`` on; returns them.

        Returns None, and takes nothing back, if the state there is no longer known.
        """
        marks = self.marks
        while marks and marks[-1].time >= time:
            marks.pop()
        if not marks:
            return None
        mark = marks.pop()
        data = self.to_bytes()
        times, words = unpack(data, self.count - mark.samples + 1, mark.time, mark.word, mark)
        self.load(data, mark.length)
        self.count, self.time, self.delta, self.word = mark.samples, mark.time, mark.delta, mark.word
        self.leading, self.trailing = mark.leading, mark.trailing
        return times[1:], words[1:]

    def last_samples(self, start: int) -> tuple[list[int], list[int]] | None:
        """Returns the last samples, among them all from ``start`` on; None if they are not known to be the last ones."""
        mark = next((mark for mark in reversed(self.marks) if mark.time < start), None)
        if mark is None:
            return None
        times, words = unpack(self.to_bytes(), self.count - mark.samples + 1, mark.time, mark.word, mark)
        return times[1:], words[1:]

    def _width(self, time: int, word: int) -> int:
        """Returns how many bits a sample would take."""
        width = _change_bits(time - self.time - self.delta)[1]
        different = word ^ self.word
        if not different:
            return width + 1
        leading = min(64 - different.bit_length(), 31)
        trailing = (different & -different).bit_length() - 1
        size, last_size = 64 - leading - trailing, 64 - self.leading - self.trailing
        if leading >= self.leading and trailing >= self.trailing and size + 11 > last_size:
            return width + 2 + last_size
        return width + 13 + size

    def _write(self, times: Sequence[int], words: Sequence[int]) -> None:
        """Appends samples, of which there is at least one."""
        marks = self.marks
        marks.append(_Mark(self.time, self.count, self.length, self.delta, self.word, self.leading, self.trailing))
        if len(marks) > _MARKS:
            del marks[0]
        groups = self.groups
        rest = self.rest
        filled = self.length % _GROUP_BITS
        leading = self.leading
        trailing = self.trailing
        size = 64 - leading - trailing
        steps = list(map(sub, times, chain((self.time,), times)))
        changes = list(map(sub, steps, chain((self.delta,), steps)))
        xors = map(xor, words, chain((self.word,), words))
        for found, change, different in zip(map(_SMALL.get, changes), changes, xors, strict=True):
            bits, width = found or _change_bits(change)
            if not different:
                rest |= bits << filled
                filled += width + 1
            else:
                new_leading = 64 - different.bit_length()
                if new_leading > 31:
                    new_leading = 31
                new_trailing = (different & -different).bit_length() - 1
                new_size = 64 - new_leading - new_trailing
                if new_leading >= leading and new_trailing >= trailing and new_size + 11 > size:
                    rest |= (bits | (0b01 | different >> trailing << 2) << width) << filled
                    filled += width + 2 + size
                else:
                    leading = new_leading
                    trailing = new_trailing
                    size = new_size
                    block = 0b11 | leading << 2 | (size - 1) << 7 | different >> trailing << 13
                    rest |= (bits | block << width) << filled
                    filled += width + 13 + size
            if filled >= _GROUP_BITS:
                groups += (rest & _GROUP).to_bytes(_GROUP_BYTES, "little")
                rest >>= _GROUP_BITS
                filled -= _GROUP_BITS
        self.rest = rest
        self.length = len(groups) * 8 + filled
        self.count += len(times)
        self.leading = leading
        self.trailing = trailing
        self.time = times[-1]
        self.delta = steps[-1]
        self.word = words[-1]


def _change_bits(change: int) -> tuple[int, int]:
    """Returns the bits of a change of the step between two times, and their number."""
    if not change:
        return 0, 1
    if -16 <= change < 16:
        return 0b01 | (change & 0x1F) << 2, 7
    if -128 <= change < 128:
        return 0b011 | (change & 0xFF) << 3, 11
    if -1024 <= change < 1024:
        return 0b0111 | (change & 0x7FF) << 4, 15
    if -16384 <= change < 16384:
        return 0b01111 | (change & 0x7FFF) << 5, 20
    if -0x80000000 <= change < 0x80000000:
        return 0b011111 | (change & 0xFFFFFFFF) << 6, 38
    return 0b111111 | (change & _MASK) << 6, 70


#: The bits of small changes, which are the most frequent ones.
_SMALL = {change: _change_bits(change) for change in range(-128, 128)}


def unpack(data: bytes, count: int, time: int, word: int, mark: _Mark | None = None) -> tuple[list[int], list[int]]:
    """Returns the times and the bits of the values of ``count`` samples, of which ``time`` and ``word`` are the first.

    ``mark`` is the state at the first sample, if that is not the first one of ``data``.  Bits beyond the end of
    ``data`` are zeros.
    """
    times = [time]
    words = [word]
    add_time = times.append
    add_word = words.append
    delta = 0
    leading = trailing = NO_BLOCK
    size = 0
    bits = 0
    left = 0
    pos = 0
    if mark is not None:
        delta, leading, trailing = mark.delta, mark.leading, mark.trailing
        size = 64 - leading - trailing
        pos = mark.length >> 3
        bits = int.from_bytes(data[pos : pos + _GROUP_BYTES], "little") >> (mark.length & 7)
        left = _GROUP_BITS - (mark.length & 7)
        pos += _GROUP_BYTES
    for _ in range(count - 1):
        if left < MOST_BITS:
            bits |= int.from_bytes(data[pos : pos + _GROUP_BYTES], "little") << left
            pos += _GROUP_BYTES
            left += _GROUP_BITS
        if not bits & 1:
            bits >>= 1
            left -= 1
        elif not bits & 2:
            delta += (bits >> 2 & 0x1F ^ 0x10) - 0x10
            bits >>= 7
            left -= 7
        elif not bits & 4:
            delta += (bits >> 3 & 0xFF ^ 0x80) - 0x80
            bits >>= 11
            left -= 11
        elif not bits & 8:
            delta += (bits >> 4 & 0x7FF ^ 0x400) - 0x400
            bits >>= 15
            left -= 15
        elif not bits & 16:
            delta += (bits >> 5 & 0x7FFF ^ 0x4000) - 0x4000
            bits >>= 20
            left -= 20
        elif not bits & 32:
            delta += (bits >> 6 & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
            bits >>= 38
            left -= 38
        else:
            delta += (bits >> 6 & _MASK ^ 1 << 63) - (1 << 63)
            bits >>= 70
            left -= 70
        time = time + delta & _MASK
        add_time(time)
        if not bits & 1:
            bits >>= 1
            left -= 1
        elif not bits & 2:
            word ^= (bits >> 2 & (1 << size) - 1) << trailing & _MASK
            bits >>= 2 + size
            left -= 2 + size
        else:
            leading = bits >> 2 & 0x1F
            size = (bits >> 7 & 0x3F) + 1
            trailing = max(64 - leading - size, 0)
            word ^= (bits >> 13 & (1 << size) - 1) << trailing & _MASK
            bits >>= 13 + size
            left -= 13 + size
        add_word(word)
    return times, words
