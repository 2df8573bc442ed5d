"""The backlog: one copy of the end of the replication stream, from which every replica is fed.

Offsets count the bytes of the stream from 1 on, as Redis does: ``end`` is the offset of the last byte, ``first`` that
of the first byte which is still there.  A replica has no buffer, only a place: the offset of its next byte.
"""

from __future__ import annotations

from bisect import bisect_right

__all__ = ["Backlog"]

#: The minimum size of a block (bytes); a block gathers small writes.
SMALLEST_BLOCK = 16 * 1024


class Backlog:
    """At least the last ``size`` bytes of a stream, and everything that some replica has not been sent."""

    __slots__ = ("_blocks", "_starts", "end", "size")

    def __init__(self, end: int, size: int) -> None:
        #: The offset of the last byte of the stream.
        self.end = end
        #: The number of bytes that are kept for replicas that reconnect; it may change at any time.
        self.size = size
        self._blocks: list[bytes | bytearray] = []
        self._starts: list[int] = []

    @property
    def first(self) -> int:
        """The offset of the first byte that is here, or of the next one if there is none."""
        return self._starts[0] if self._starts else self.end + 1

    @property
    def length(self) -> int:
        """The number of bytes that are here."""
        return self.end + 1 - self.first

    def append(self, data: bytes) -> None:
        """Appends the next bytes of the stream."""
        count = len(data)
        if not count:
            return
        # A block is dropped as a whole, so a large one would stay for long.
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
        """Returns some of the bytes from ``place`` on, at most ``most``; none at the end."""
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
        """Drops the blocks beyond ``size`` whose bytes all lie before ``needed``."""
        blocks = self._blocks
        length = self.length
        gone = 0
        while gone < len(blocks) - 1 and length - len(blocks[gone]) > self.size and self._starts[gone + 1] <= needed:
            length -= len(blocks[gone])
            gone += 1
        if gone:
            del blocks[:gone]
            del self._starts[:gone]
