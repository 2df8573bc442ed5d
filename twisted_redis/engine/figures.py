"""The counters that every request changes, apart from those of its command."""

from __future__ import annotations

__all__ = ["LinkFigures", "LoopFigures"]


class LinkFigures:
    """Counters of a link (bytes)."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "reads",
        "writes",
    )

    def __init__(self) -> None:
        self.bytes_in = 0
        self.bytes_out = 0
        self.reads = 0
        self.writes = 0


class LoopFigures:
    """Statistics of the turns: number, total and longest time (ns), and the most calls in one turn."""

    __slots__ = ("calls", "longest", "most_calls", "nanoseconds", "turns")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begins anew (CONFIG RESETSTAT)."""
        self.turns = 0
        self.nanoseconds = 0
        self.longest = 0
        #: The number of calls in the current turn.
        self.calls = 0
        self.most_calls = 0

    def note(self, nanoseconds: int) -> None:
        """Counts a finished turn."""
        self.turns += 1
        self.nanoseconds += nanoseconds
        if nanoseconds > self.longest:
            self.longest = nanoseconds
        if self.calls > self.most_calls:
            self.most_calls = self.calls
        self.calls = 0
