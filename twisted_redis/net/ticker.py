"""A periodic call, as Twisted's ``LoopingCall`` is one; that would install the global reactor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Ticker"]


class Ticker:
    """Calls ``work`` every ``interval`` seconds of ``scheduler`` (a reactor or a ``task.Clock``) while it runs.

    A changed ``interval`` counts from the next call on.  The scheduler logs an exception, and the calls go on.  Calls
    that could not be made in time are left out.
    """

    __slots__ = ("_begun", "_call", "interval", "running", "scheduler", "work")

    def __init__(self, work: Callable[[], object], scheduler: Any) -> None:
        self.work = work
        self.scheduler = scheduler
        self.interval = 1.0
        self.running = False
        self._call: Any = None
        self._begun = 0.0

    def start(self, interval: float) -> None:
        """Starts; the first call comes after ``interval`` seconds."""
        self.interval = interval
        self.running = True
        self._begun = self.scheduler.seconds()
        self._schedule()

    def stop(self) -> None:
        """Stops the calls."""
        self.running = False
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _schedule(self) -> None:
        wait = self.interval - (self.scheduler.seconds() - self._begun) % self.interval
        if wait < self.interval / 100:
            wait += self.interval  # this call came a little early
        self._call = self.scheduler.callLater(wait, self._tick)

    def _tick(self) -> None:
        self._call = None
        try:
            self.work()
        finally:
            if self.running and self._call is None:
                self._schedule()
