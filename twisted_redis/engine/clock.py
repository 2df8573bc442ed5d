"""The source of time: a wall clock for TTLs, and a monotonic scheduler for everything that waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["DelayedCall", "Scheduler", "TimeSource", "manual_time"]


class DelayedCall(Protocol):
    """A call that ``call_later`` has scheduled."""

    def cancel(self) -> None:
        """Cancels the call."""

    def active(self) -> bool:
        """Whether the call is still pending."""


class Scheduler(Protocol):
    """The part of IReactorTime the engine needs."""

    def seconds(self) -> float:
        """Monotonic time in seconds."""

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object) -> Any:
        """Calls ``callable`` after ``delay`` seconds."""


class Clocks(Protocol):
    """The two clocks of an engine: for points in time, and for short durations."""

    time: TimeSource
    #: Nanoseconds from any beginning.
    clock_ns: Callable[[], int]


class TimeSource:
    """Wall and monotonic time of one server.

    ``scheduler`` is the reactor, or a ``task.Clock``; ``wall`` gives seconds since the epoch.
    """

    __slots__ = ("call_later", "monotonic", "scheduler", "wall")

    def __init__(self, scheduler: Scheduler, wall: Callable[[], float] = time.time) -> None:
        self.scheduler = scheduler
        self.call_later = scheduler.callLater
        self.monotonic = scheduler.seconds
        self.wall = wall

    def wall_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(self.wall() * 1000)


def manual_time(clock: Scheduler, start: float = 1_700_000_000.0) -> TimeSource:
    """A time source that stands still until ``clock.advance`` (of a ``task.Clock``) moves wall clock and scheduler."""
    return TimeSource(clock, lambda: start + clock.seconds())
