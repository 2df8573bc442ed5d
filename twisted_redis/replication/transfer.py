"""The snapshot that a master sends before its stream, in either of its two forms.

``$<length>`` announces the length.  ``$EOF:<40 characters>`` announces a mark that ends the snapshot, whose length is
unknown at its beginning.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_redis.engine.parse import integer_or_none

__all__ = ["BadTransfer", "Transfer"]

MARK_LENGTH = 40


class BadTransfer(Exception):
    """The bytes are not a snapshot; the text says why."""


class Transfer:
    """Takes a snapshot out of the bytes of a link and passes its pieces to ``keep``.

    ``begun`` is called when the form is known.  ``size`` is -1 before that, and 0 if the length is unknown.
    """

    def __init__(self, begun: Callable[[Transfer], None], keep: Callable[[bytes], None]) -> None:
        self._begun = begun
        self._keep = keep
        self.size = -1
        self.mark = b""
        #: The number of bytes of the snapshot that have come.
        self.received = 0
        self._line = b""
        self._tail = b""

    def receive(self, data: bytes) -> bytes | None:
        """Takes ``data``; returns the bytes behind the end of the snapshot, None before its end."""
        if self.size < 0:
            found = self._head(data)
            if found is None:
                return None
            data = found
        return self._until_mark(data) if self.mark else self._until_length(data)

    def _head(self, data: bytes) -> bytes | None:
        """Returns the bytes behind the first line, None while it is incomplete.  Empty lines are signs of life."""
        self._line += data
        while True:
            line, separator, rest = self._line.partition(b"\n")
            if not separator:
                if len(line) > 1024:
                    raise BadTransfer("the first line is too long")
                return None
            self._line = rest
            line = line.rstrip(b"\r")
            if line:
                break
        self._line = b""
        if line[:1] == b"-":
            raise BadTransfer(f"MASTER aborted replication with an error: {line[1:].decode('latin-1')}")
        if line[:1] != b"$":
            raise BadTransfer(
                "Bad protocol from MASTER, the first byte is not '$' (we received "
                f"'{line.decode('latin-1')}'), are you sure the host and port are right?"
            )
        if line[1:5] == b"EOF:" and len(line) >= 5 + MARK_LENGTH:
            self.mark = line[5 : 5 + MARK_LENGTH]
            self.size = 0
        elif (size := integer_or_none(line[1:])) is not None and size >= 0:
            self.size = size
        else:
            raise BadTransfer(f"the length of the snapshot is not one: '{line.decode('latin-1')}'")
        self._begun(self)
        return rest

    def _until_length(self, data: bytes) -> bytes | None:
        missing = self.size - self.received
        piece = data[:missing]
        if piece:
            self.received += len(piece)
            self._keep(piece)
        return data[missing:] if self.received == self.size else None

    def _until_mark(self, data: bytes) -> bytes | None:
        if not data:
            return None
        buffer = self._tail + data
        # The mark is random, so the first place where it stands is the end.
        at = buffer.find(self.mark)
        if at < 0:
            at = max(0, len(buffer) - MARK_LENGTH + 1)
            self._tail = buffer[at:]
            rest = None
        else:
            self._tail = b""
            rest = buffer[at + MARK_LENGTH :]
        if at:
            self.received += at
            self._keep(buffer[:at])
        return rest
