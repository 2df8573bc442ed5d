"""Waiting until clients are blocked, for tests that go on only then."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted_redis.library.hints import number

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

__all__ = ["PATIENCE", "real_time", "wait_for_blocked", "wait_for_blocked_async", "when_blocked"]

#: The longest wait where the caller does not say another, and the time between two looks (s of the system's time).
PATIENCE = 30.0
_LOOK = 0.005

#: Seconds of the system's monotonic clock.  Tools that stop time (freezegun) replace ``time.monotonic`` wherever a
#: module or ``time`` itself holds it, possibly before this module is imported.  They leave ``clock_gettime`` alone.
real_time: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC) if hasattr(time, "clock_gettime") else partial(time.monotonic)
)


class _Watch:
    """Looks at the number of blocked clients until it is ``wanted``, for at most ``timeout`` seconds."""

    def __init__(self, count: Callable[[], int], wanted: int, timeout: float) -> None:
        if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 0:
            raise ValueError(f"a number of clients is an int from 0 on, not {wanted!r}")
        self._count = count
        self._wanted = wanted
        self._timeout = number(timeout, "the longest wait")
        self._ends = real_time() + timeout

    def is_over(self) -> bool:
        """Whether so many clients are blocked; raises TimeoutError if they are not in time."""
        found = self._count()
        if found == self._wanted:
            return True
        if real_time() >= self._ends:
            are = "client is" if found == 1 else "clients are"
            raise TimeoutError(f"{found} {are} blocked after {self._timeout:g} seconds, and not {self._wanted}")
        return False


def wait_for_blocked(count: Callable[[], int], wanted: int, timeout: float) -> None:
    """Blocks the thread until ``count`` returns ``wanted``; raises TimeoutError."""
    watch = _Watch(count, wanted, timeout)
    while not watch.is_over():
        time.sleep(_LOOK)


async def wait_for_blocked_async(count: Callable[[], int], wanted: int, timeout: float) -> None:
    """Lets other tasks of asyncio run until ``count`` returns ``wanted``; raises TimeoutError."""
    import asyncio  # few programs that have a server need it

    watch = _Watch(count, wanted, timeout)
    while not watch.is_over():
        await asyncio.sleep(_LOOK)


def when_blocked(reactor: Any, count: Callable[[], int], wanted: int, timeout: float) -> Deferred[None]:
    """Returns a Deferred that fires when ``count`` returns ``wanted``, or fails with TimeoutError."""
    from twisted.internet.defer import Deferred

    watch = _Watch(count, wanted, timeout)
    timers: list[Any] = []
    done: Deferred[None] = Deferred(lambda _: timers[-1].cancel())

    def look() -> None:
        try:
            if not watch.is_over():
                timers[:] = [reactor.callLater(_LOOK, look)]
                return
        except Exception:
            done.errback()
        else:
            done.callback(None)

    look()
    return done
