"""The end of the replication stream: one copy of it, from which every replica is fed.

Offsets count the bytes of the stream from 1 on, as Redis counts them: ``end`` is the number of the last byte,
``first`` that of the first byte that is still there.  A replica has a place (the number of its next byte), no buffer.
"""

from __future__ import annotations

from bisect import bisect_right

__all__ = ["Backlog"]

#: The least size of a block (bytes); small writes are gathered in one.
SMALLEST_BLOCK = 16 * 1024


class Backlog:
    """The last ``size`` bytes of a stream at least, and all that somebody still has to get."""

    __slots__ = ("_blocks", "_starts", "end", "size")

    def __init__(self, end: int, size: int) -> None:
        #: The number of the last byte of the stream.
        self.end = end
        #: How many bytes are kept for those who come back; may change at any time.
        self.size = size
        self._blocks: list[bytes | bytearray] = []
        self._starts: list[int] = []

    @property
    def first(self) -> int:
        """The number of the first byte that is here; that of the next one, if none is."""
        return self._starts[0] if self._starts else self.end + 1

    @property
    def length(self) -> int:
        """The number of bytes that are here."""
        return self.end + 1 - self.first

    def append(self, data: bytes) -> None:
        """Adds what the stream goes on with."""
        count = len(data)
        if not count:
            return
        # Large blocks could not be forgotten before all of them is too old.
        wanted = max(SMALLEST_BLOCK, self.size >> 4)
        blocks = self._blocks
        if blocks and blocks[-1].__class__ is bytearray and len(blocks[-1]) + count <= wanted:
            blocks[-1] += data
            self.end += count
            return
        for begin in range(0, count, wanted):
            piece = data[begin : begin + wanted]
            blocks.append(piece if len(piece) == wanted else bytearray(piece))
            self._starts.append(self.end + 1)
            self.end += len(piece)

    def read(self, place: int, most: int) -> bytes:
        """Some of the bytes from ``place`` on, at most ``most``; nothing at the end."""
        if place > self.end:
            return b""
        index = bisect_right(self._starts, place) - 1
        if index < 0:
            raise ValueError(f"byte {place} is not in the backlog any more")
        block = self._blocks[index]
        begin = place - self._starts[index]
        if not begin and len(block) <= most:
            return bytes(block)
        return bytes(memoryview(block)[begin : begin + most])

    def trim(self, needed: int) -> None:
        """Forgets whole blocks beyond ``size`` whose bytes all lie before ``needed``."""
        blocks = self._blocks
        length = self.length
        gone = 0
        while gone < len(blocks) - 1 and length - len(blocks[gone]) > self.size and self._starts[gone + 1] <= needed:
            length -= len(blocks[gone])
            gone += 1
        if gone:
            del blocks[:gone]
            del self._starts[:gone]
