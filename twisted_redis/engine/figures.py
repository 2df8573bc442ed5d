"""The counters that every request changes, apart from those of its command."""

from __future__ import annotations

__all__ = ["LinkFigures", "LoopFigures", "SlowTotals"]


class LinkFigures:
    """Counters of a link (bytes)."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "reads",
        "reads_without_request",
        "writes",
    )

    def __init__(self) -> None:
        self.bytes_in = 0
        self.bytes_out = 0
        self.reads = 0
        #: The reads that completed no request.  They are rare, so the others are not counted.
        self.reads_without_request = 0
        self.writes = 0


class LoopFigures:
    """Statistics of the turns: number, total and longest time (ns), and the most calls in one turn."""

    __slots__ = ("calls", "idle_turns", "longest", "most_calls", "nanoseconds", "turns")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begins anew (CONFIG RESETSTAT)."""
        self.turns = 0
        #: The turns without a request of a client.
        self.idle_turns = 0
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
        calls = self.calls
        if calls:
            if calls > self.most_calls:
                self.most_calls = calls
            self.calls = 0
        else:
            self.idle_turns += 1


class SlowTotals:
    """The number of slow calls, their time together and the longest time (us)."""

    __slots__ = ("count", "longest", "microseconds")

    def __init__(self) -> None:
        # Each server has one for every command, so this does not call `reset`.
        self.count = 0
        self.microseconds = 0
        self.longest = 0

    def reset(self) -> None:
        """Begins anew (CONFIG RESETSTAT)."""
        self.count = 0
        self.microseconds = 0
        self.longest = 0

    def note(self, microseconds: int) -> None:
        """Counts a slow call."""
        self.count += 1
        self.microseconds += microseconds
        self.longest = max(self.longest, microseconds)
