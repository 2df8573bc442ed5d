"""How often calls took how long: buckets that are 1/128 of a power of two wide.

The counts are in one array.  A dict of counts would keep a thousand small numbers, allocated one by one over the life
of the server, and each of them keeps the memory around it from being given back.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

__all__ = ["Histogram"]


class Histogram:
    """A histogram of durations (ns)."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: array[int] = array("q")

    def add(self, samples: Sequence[int], weight: int) -> None:
        """Counts each of ``samples`` (ns, not negative) ``weight`` times."""
        counts = self._counts
        for sample in samples:
            shift = sample.bit_length() - 8
            place = (shift << 7) + (sample >> shift) if shift > 0 else sample
            if place >= len(counts):
                counts.frombytes(bytes(counts.itemsize * (place + 1 - len(counts))))
            counts[place] += weight

    def items(self) -> Iterator[tuple[int, int]]:
        """Yields the lower bound of each bucket that is not empty (ns), and its count, in ascending order."""
        for place, count in enumerate(self._counts):
            if count:
                shift = max(0, (place >> 7) - 1)
                yield place - (shift << 7) << shift, count

    def total(self) -> int:
        """Returns the number of durations."""
        return sum(self._counts)

    def percentile(self, percent: float) -> int:
        """Returns the duration (ns) that ``percent`` of the durations do not exceed; 0 without durations."""
        wanted = self.total() * percent / 100
        seen = 0
        for lowest, count in self.items():
            seen += count
            if seen >= wanted:
                shift = lowest.bit_length() - 8
                return lowest + (1 << shift) - 1 if shift > 0 else lowest
        return 0
