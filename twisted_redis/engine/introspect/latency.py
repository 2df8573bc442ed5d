"""The latency monitor: what took longer than ``latency-monitor-threshold``, by the kind of event, over time.

Whoever does something that holds the server up notes how long it took: ``engine.latency.note("fork", milliseconds)``.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from twisted_redis.engine.declare.flags import FAST

if TYPE_CHECKING:
    from twisted_redis.config import Config
    from twisted_redis.engine.clock import TimeSource
    from twisted_redis.engine.declare.table import Command

__all__ = ["Analysis", "LatencyMonitor", "Series"]

#: Samples of an event that are kept; there is at most one a second.
SAMPLES = 160


class Analysis(NamedTuple):
    """Figures of a series, in ms; ``period`` is the mean time between two samples (s)."""

    samples: int
    average: int
    deviation: int
    period: float


class Series:
    """The samples of one event: (wall time in s, ms), the oldest first, and the worst there has ever been."""

    __slots__ = ("samples", "worst")

    def __init__(self) -> None:
        self.samples: deque[tuple[int, int]] = deque(maxlen=SAMPLES)
        self.worst = 0

    def add(self, now: int, milliseconds: int) -> None:
        """Adds a sample; of several in one second the longest stays."""
        self.worst = max(self.worst, milliseconds)
        samples = self.samples
        if samples and samples[-1][0] == now:
            samples[-1] = (now, max(samples[-1][1], milliseconds))
        else:
            samples.append((now, milliseconds))

    def analysis(self, now: int) -> Analysis:
        """What the samples have in common."""
        values = [milliseconds for _, milliseconds in self.samples]
        count = len(values)
        average = sum(values) // count
        deviation = sum(abs(average - value) for value in values) // count
        return Analysis(count, average, deviation, max(1, now - self.samples[0][0]) / count)


class LatencyMonitor:
    """The series of a server by their events."""

    def __init__(self, config: Config, time: TimeSource) -> None:
        self._config = config
        self._time = time
        self.events: dict[str, Series] = {}

    @property
    def threshold_ns(self) -> int | None:
        """Calls that take at least as long are noted; None when none are."""
        milliseconds: int = self._config.latency_monitor_threshold
        return milliseconds * 1_000_000 if milliseconds else None

    def note(self, event: str, milliseconds: float) -> None:
        """Notes that ``event`` took so long, if that is over the threshold."""
        threshold = self._config.latency_monitor_threshold
        if not threshold or milliseconds < threshold:
            return
        series = self.events.get(event)
        if series is None:
            series = self.events[event] = Series()
        series.add(int(self._time.wall()), int(milliseconds))

    def note_call(self, command: Command, nanoseconds: int) -> None:
        """Notes a call of ``command``."""
        self.note("fast-command" if command.flags & FAST else "command", nanoseconds / 1_000_000)

    def reset(self, event: str | None = None) -> int:
        """Forgets an event, its name in any case, or all; how many there were."""
        chosen = [name for name in self.events if event is None or name.lower() == event.lower()]
        for name in chosen:
            del self.events[name]
        return len(chosen)
