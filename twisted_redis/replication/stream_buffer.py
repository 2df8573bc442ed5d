"""The part of a master's stream that has come before it can be applied."""

from __future__ import annotations

from collections import deque

__all__ = ["StreamBuffer"]


class StreamBuffer:
    """Bytes in the order in which they came; ``size`` is their number, ``peak`` the largest ``size`` so far."""

    __slots__ = ("_chunks", "peak", "size")

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self.size = 0
        self.peak = 0

    def append(self, data: bytes) -> None:
        """Takes the next bytes of the stream."""
        self._chunks.append(data)
        self.size += len(data)
        self.peak = max(self.peak, self.size)

    def take(self, most: int) -> bytes:
        """Removes and returns the first bytes, at most ``most``; none if the buffer is empty."""
        chunks = self._chunks
        if not chunks:
            return b""
        first = chunks.popleft()
        if len(first) > most:
            chunks.appendleft(first[most:])
            first = first[:most]
        self.size -= len(first)
        return first
