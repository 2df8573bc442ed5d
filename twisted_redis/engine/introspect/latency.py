"""The latency monitor: records events that took longer than ``latency-monitor-threshold``, by kind, over time.

Code that may hold up the server reports the time it took: ``engine.latency.note("fork", milliseconds)``.
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

#: The number of samples kept for an event; there is at most one sample a second.
SAMPLES = 160


class Analysis(NamedTuple):
    """The figures of a series, in ms; ``period`` is the mean time between two samples (s)."""

    samples: int
    average: int
    deviation: int
    period: float


class Series:
    """The samples of one event, as (wall time in s, ms), oldest first, and the longest of all time (ms)."""

    __slots__ = ("samples", "worst")

    def __init__(self) -> None:
        self.samples: deque[tuple[int, int]] = deque(maxlen=SAMPLES)
        self.worst = 0

    def add(self, now: int, milliseconds: int) -> None:
        """Adds a sample; only the longest sample of each second is kept."""
        self.worst = max(self.worst, milliseconds)
        samples = self.samples
        if samples and samples[-1][0] == now:
            samples[-1] = (now, max(samples[-1][1], milliseconds))
        else:
            samples.append((now, milliseconds))

    def analysis(self, now: int) -> Analysis:
        """Returns the figures of the samples."""
        values = [milliseconds for _, milliseconds in self.samples]
        count = len(values)
        average = sum(values) // count
        deviation = sum(abs(average - value) for value in values) // count
        return Analysis(count, average, deviation, max(1, now - self.samples[0][0]) / count)


class LatencyMonitor:
    """All series of a server, by event."""

    def __init__(self, config: Config, time: TimeSource) -> None:
        self._config = config
        self._time = time
        self.events: dict[str, Series] = {}

    @property
    def threshold_ns(self) -> int | None:
        """The duration from which calls are recorded; None if no calls are recorded."""
        milliseconds: int = self._config.latency_monitor_threshold
        return milliseconds * 1_000_000 if milliseconds else None

    def note(self, event: str, milliseconds: float) -> None:
        """Records the duration of ``event`` if it reaches the threshold."""
        threshold = self._config.latency_monitor_threshold
        if not threshold or milliseconds < threshold:
            return
        series = self.events.get(event)
        if series is None:
            series = self.events[event] = Series()
        series.add(int(self._time.wall()), int(milliseconds))

    def note_call(self, command: Command, nanoseconds: int) -> None:
        """Records the duration of a call of ``command`` if it reaches the threshold."""
        self.note("fast-command" if command.flags & FAST else "command", nanoseconds / 1_000_000)

    def reset(self, event: str | None = None) -> int:
        """Deletes the series of an event (its name in any case) or all series; returns their number."""
        chosen = [name for name in self.events if event is None or name.lower() == event.lower()]
        for name in chosen:
            del self.events[name]
        return len(chosen)
