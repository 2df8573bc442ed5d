"""The vectors of a set, one behind the other in a single buffer."""

from __future__ import annotations

from array import array

from twisted_redis.datatypes.vectors.quantisation import Quantisation, Quantised, row_size

__all__ = ["Rows"]


class Rows:
    """Stored vectors by their row numbers, which have no gaps: the last row takes the place of a removed one.

    A buffer cannot grow while another object shows its bytes, so a function that makes a view of ``data``, ``norms``
    or ``ranges`` must let go of it before it returns.
    """

    __slots__ = ("data", "dimension", "kind", "norms", "ranges", "size")

    def __init__(self, kind: Quantisation, dimension: int) -> None:
        self.kind = kind
        self.dimension = dimension
        #: The bytes of one row.
        self.size = row_size(kind, dimension)
        self.data = bytearray()
        self.norms = array("f")
        #: The ranges of the rows; empty unless the quantisation is Q8.
        self.ranges = array("f")

    def __len__(self) -> int:
        return len(self.norms)

    def __getitem__(self, row: int) -> Quantised:
        start = row * self.size
        data = bytes(memoryview(self.data)[start : start + self.size])
        return Quantised(data, self.norms[row], self.ranges[row] if self.kind is Quantisation.Q8 else 0.0)

    def append(self, vector: Quantised) -> None:
        """Adds a row at the end."""
        self.data += vector.data
        self.norms.append(vector.norm)
        if self.kind is Quantisation.Q8:
            self.ranges.append(vector.range)

    def replace(self, row: int, vector: Quantised) -> None:
        """Stores another vector in a row."""
        start = row * self.size
        self.data[start : start + self.size] = vector.data
        self.norms[row] = vector.norm
        if self.kind is Quantisation.Q8:
            self.ranges[row] = vector.range

    def remove(self, row: int) -> None:
        """Removes a row; the last row takes its number."""
        last = len(self.norms) - 1
        if row != last:
            self.replace(row, self[last])
        del self.data[last * self.size :]
        self.norms.pop()
        if self.kind is Quantisation.Q8:
            self.ranges.pop()

    def copy(self) -> Rows:
        """Returns an independent copy."""
        made = Rows(self.kind, self.dimension)
        made.data = bytearray(self.data)
        made.norms = self.norms[:]
        made.ranges = self.ranges[:]
        return made
