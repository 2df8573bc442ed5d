"""The longest common subsequence of two byte strings (LCS).

The textbook algorithm fills a table of lengths cell by cell.  Here each row of the table, one for each byte of the
first string, is a big integer: bit j of row i is 0 where the length grows from column j to column j + 1.  Four
operations on whole integers compute a row from the one above (Hyyro, 2004), so a thousand cells cost about as much as
one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Match(NamedTuple):
    """A run of bytes that both strings share.  The ends are inclusive."""

    a_start: int
    a_end: int
    b_start: int
    b_end: int

    @property
    def length(self) -> int:
        return self.a_end - self.a_start + 1


def length(a: bytes, b: bytes) -> int:
    """Returns the length of the longest common subsequence of ``a`` and ``b``."""
    if len(a) > len(b):
        a, b = b, a
    last_row = full = (1 << len(b)) - 1
    for row in _rows(a, b):
        last_row = row
    return bin(last_row ^ full).count("1")


def matches(a: bytes, b: bytes) -> list[Match]:
    """Returns the runs that make up the longest common subsequence, the last one first.

    If there are several longest subsequences, the result is the one that Redis chooses.
    """
    width = (len(b) + 7) // 8
    rows = [row.to_bytes(width, "little") for row in _rows(a, b)]
    found: list[Match] = []
    i, j = len(a), len(b)
    end_i = end_j = 0  # one past the end of the current run
    following = False
    while i and j:
        if a[i - 1] == b[j - 1]:
            if not following:
                following = True
                end_i, end_j = i, j
            i -= 1
            j -= 1
            continue
        if following:
            found.append(Match(i, end_i - 1, j, end_j - 1))
            following = False
        column = j - 1
        if rows[i - 1][column >> 3] >> (column & 7) & 1:
            # The last byte of b adds nothing here: the length without it is the same.
            j -= 1
        else:
            i -= 1
    if following:
        found.append(Match(i, end_i - 1, j, end_j - 1))
    return found


def _rows(a: bytes, b: bytes) -> Iterator[int]:
    """The rows of the table, one for each byte of ``a``."""
    size = len(b)
    full = (1 << size) - 1
    masks = {byte: _positions(byte, b) for byte in set(a)}
    row = full
    for byte in a:
        matching = row & masks[byte]
        row = (row + matching | row - matching) & full
        yield row


def _positions(byte: int, text: bytes) -> int:
    """An integer whose bit j is set if ``text[j]`` is ``byte``."""
    if byte not in text:
        return 0
    digits = bytearray(b"0" * 256)
    digits[byte] = 0x31
    return int(text[::-1].translate(digits), 2)
