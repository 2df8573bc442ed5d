"""The rows of a full node of a stream: the values in one byte string, and where each begins.

That is smaller and quicker to make and to read than a listpack.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate, chain, pairwise
from typing import TypeAlias

from twisted_redis.datatypes import sizes

__all__ = ["Columns", "Numbers", "Row", "smallest"]

#: The alternating fields and values of an entry.
Row: TypeAlias = Sequence[bytes]

Numbers: TypeAlias = "list[int] | array[int] | bytes"


def smallest(numbers: Sequence[int], top: int) -> Numbers:
    """``numbers``, which must not be negative, in the narrowest form that can hold ``top``, the greatest of them."""
    if top < 1 << 8:
        return bytes(numbers)
    return array("H" if top < 1 << 16 else "I" if top < 1 << 32 else "Q", numbers)


class Columns:
    """Rows that no longer change.

    ``cuts`` are the places between the elements in ``blob``.  A row that has the fields of the node stores only its
    values there.  ``first`` is None if that is true of all rows.  Otherwise it has the number of the first element of
    each row, and ``own`` has a bit for each row that stores its own fields.  ``uniform`` tells that all rows are known
    to have the fields of the node.
    """

    __slots__ = ("blob", "cuts", "fields", "first", "own")

    def __init__(self, fields: tuple[bytes, ...], rows: Sequence[Row], uniform: bool = False) -> None:
        count = len(fields)
        self.fields = fields
        self.own = 0
        self.first: Numbers | None = None
        if uniform:
            # A step that runs in C for the usual case.
            self._keep(list(chain.from_iterable(rows))[1::2])
            return
        elements: list[bytes] = []
        first = [0]
        for place, row in enumerate(rows):
            if len(row) == 2 * count and tuple(row[::2]) == fields:
                elements += row[1::2]
            else:
                elements += row
                self.own |= 1 << place
            first.append(len(elements))
        self._keep(elements)
        if self.own:
            self.first = smallest(first, first[-1])

    def _keep(self, elements: list[bytes]) -> None:
        self.blob = b"".join(elements)
        cuts = list(accumulate(map(len, elements), initial=0))
        self.cuts = smallest(cuts, cuts[-1])

    def row(self, place: int) -> list[bytes]:
        """The row at ``place``."""
        fields = self.fields
        own = False
        if self.first is None:
            count = len(fields)
            begin = place * count
            end = begin + count
        else:
            begin, end = self.first[place : place + 2]
            own = bool(self.own >> place & 1)
        blob = self.blob
        cuts = self.cuts[begin : end + 1]
        values = [blob[left:right] for left, right in pairwise(cuts)]
        if own:
            return values
        if len(values) == 1:
            return [fields[0], values[0]]
        row = [b""] * (2 * len(values))
        row[::2] = fields
        row[1::2] = values
        return row

    def rows(self, begin: int, end: int) -> list[list[bytes]]:
        """The rows from ``begin`` up to ``end``."""
        fields = self.fields
        count = len(fields)
        if self.first is not None or end - begin < 3:
            return [self.row(place) for place in range(begin, end)]
        blob = self.blob
        cuts = self.cuts[begin * count : end * count + 1]
        values = [blob[left:right] for left, right in pairwise(cuts)]
        if count == 1:
            field = fields[0]
            return [[field, value] for value in values]
        rows = []
        for place in range(0, len(values), count):
            row = [b""] * (2 * count)
            row[::2] = fields
            row[1::2] = values[place : place + count]
            rows.append(row)
        return rows

    def memory(self) -> int:
        """Estimates the size in bytes, without the field names, which nodes share."""
        size = 72 + sizes.of_bytes(len(self.blob)) + sizes.of_container(self.cuts)
        return size + sizes.of_container(self.first) if self.first is not None else size
