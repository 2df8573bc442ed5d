"""A progress bar on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

__all__ = ["Bar"]

_WIDTH = 40
_EVERY = 0.1


class Bar:
    """A line on ``stream`` (standard error) that is drawn again and again; nothing if that is not a terminal.

    ``total`` is the amount of all the work.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._total = max(1, total)
        self._drawn_at = 0.0
        self.wanted = self._stream.isatty()

    def show(self, done: int) -> None:
        """Shows the amount of work that is done."""
        if not self.wanted:
            return
        now = time.monotonic()
        if now - self._drawn_at < _EVERY:
            return
        self._drawn_at = now
        share = min(1.0, done / self._total)
        filled = int(share * _WIDTH)
        self._stream.write(f"\r[{'#' * filled}{'.' * (_WIDTH - filled)}] {share * 100:5.1f}%")
        self._stream.flush()

    def clear(self) -> None:
        """Removes the line, before other output."""
        if self.wanted and self._drawn_at:
            self._stream.write(f"\r{' ' * (_WIDTH + 10)}\r")
            self._stream.flush()
            self._drawn_at = 0.0
