"""The time of one server, which a test may move.

A ``ServerClock`` is the scheduler of an engine, in front of a reactor.  Until a test moves it, the engine reads the
time of the reactor and of the system directly.  A move shifts the two clocks together: the wall clock, by which keys
expire, and the monotonic clock, by which calls time out.  Calls that are due at once are made even while time stands
still, because a server goes on with its work through them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from twisted_redis.engine.clock import TimeSource
from twisted_redis.library.hints import number

__all__ = ["ServerClock"]

#: The most calls that one ``advance`` makes; the others are made by the reactor.
_MOST = 100_000


class _Call:
    """A pending call, as ``callLater`` returns it."""

    __slots__ = ("_action", "_clock", "_timer", "when")

    def __init__(self, clock: ServerClock, when: float, action: Callable[[], object]) -> None:
        self._clock = clock
        self._action: Callable[[], object] | None = action
        self._timer: Any = None
        self.when = when

    def active(self) -> bool:
        """Whether the call is still pending."""
        return self._action is not None

    def cancel(self) -> None:
        """Cancels the call."""
        self._action = None
        self._clock.forget(self)
        self.disarm()

    def reset(self, delay: float) -> None:
        """Makes the call ``delay`` seconds from now instead of the time that was set before."""
        if self._action is not None:
            self.when = self._clock.seconds() + delay
            self._clock.schedule(self)

    def disarm(self) -> None:
        """Stops waiting for the reactor; the call may be armed again."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def arm(self, reactor: Any, wait: float) -> None:
        """Has the reactor make the call after ``wait`` seconds."""
        self.disarm()
        self._timer = reactor.callLater(max(0.0, wait), self.fire)

    def fire(self) -> None:
        """Makes the call now."""
        action, self._action = self._action, None
        self.disarm()
        self._clock.forget(self)
        if action is not None:
            action()


class ServerClock:
    """The time of ``reactor`` and of ``wall``, shifted; the engine takes its time from ``source``.

    ``moved`` is called after each move, and does the work that is due by the wall clock.
    """

    def __init__(self, reactor: Any, wall: Callable[[], float] = time.time) -> None:
        self._reactor = reactor
        self._wall = wall
        self._calls: dict[_Call, None] = {}
        #: The shift (s), which is added to the time of the reactor and of the system.
        self._shift = 0.0
        self._wall_shift = 0.0
        #: The frozen time (monotonic, wall); None while time goes on.
        self._frozen: tuple[float, float] | None = None
        self._stopped = False
        self.moved: Callable[[], None] = lambda: None
        self.source = TimeSource(self, wall)
        self.source.monotonic = reactor.seconds

    def __getattr__(self, name: str) -> Any:
        # The engine uses this clock as its reactor (callFromThread).
        return getattr(self._reactor, name)

    # the engine's side

    def seconds(self) -> float:
        """Monotonic time (s)."""
        if self._frozen is not None:
            return self._frozen[0]
        return float(self._reactor.seconds()) + self._shift

    def wall(self) -> float:
        """Wall time (seconds since the epoch)."""
        return self._wall() + self._wall_shift if self._frozen is None else self._frozen[1]

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object) -> _Call:
        """Calls ``callable`` after ``delay`` seconds of this clock."""
        now = self.seconds()
        call = _Call(self, now + delay, lambda: callable(*args, **kwargs))
        if not self._stopped:
            self._calls[call] = None
            self.schedule(call)
        return call

    def schedule(self, call: _Call) -> None:
        """Has the reactor make a call at its time; while time stands still, only a call that is due."""
        wait = call.when - self.seconds()
        if self._frozen is None or wait <= 0:
            call.arm(self._reactor, wait)
        else:
            call.disarm()

    def forget(self, call: _Call) -> None:
        """Removes ``call`` from the pending ones."""
        self._calls.pop(call, None)

    def stop(self) -> None:
        """Cancels all calls."""
        self._stopped = True
        for call in list(self._calls):
            call.cancel()

    # the owner's side

    def now(self) -> float:
        """The server's time, in seconds since the epoch."""
        return self.wall()

    def advance(self, seconds: float) -> None:
        """Lets ``seconds`` pass at once; everything that is due meanwhile happens in order before this returns."""
        if number(seconds, "what is to pass") < 0:
            raise ValueError("advance() cannot go back; use set() to set the wall clock back")
        target = self.seconds() + seconds
        for _ in range(_MOST):
            call = min(self._calls, key=_due, default=None)
            if call is None or call.when > target:
                break
            self._move(max(0.0, call.when - self.seconds()))
            self.moved()
            if call.active():
                call.fire()
        self._move(max(0.0, target - self.seconds()))
        self.moved()
        self._arm()

    def freeze(self) -> None:
        """Stops time; ``advance`` and ``set`` still move it."""
        if self._frozen is None:
            self._frozen = (self.seconds(), self.wall())
            self._take_over()
            self._arm()

    def hold(self) -> bool:
        """Stops time; returns whether it stood still already."""
        before = self._frozen is not None
        self.freeze()
        return before

    def unfreeze(self) -> None:
        """Lets time go on from the moment where it stopped."""
        if self._frozen is not None:
            monotonic, wall = self._frozen
            self._frozen = None
            self._shift = monotonic - float(self._reactor.seconds())
            self._wall_shift = wall - self._wall()
            self._arm()

    def set(self, moment: datetime | float) -> None:
        """Sets the time to ``moment``: a datetime (a naive one is local time) or seconds since the epoch.

        A move forward is an ``advance``.  A move back changes only the wall clock, and waiting calls wait as long as
        before.
        """
        wanted = moment.timestamp() if isinstance(moment, datetime) else number(moment, "a moment that is no datetime")
        difference = wanted - self.wall()
        if difference >= 0:
            self.advance(difference)
        elif self._frozen is not None:
            self._frozen = (self._frozen[0], wanted)
        else:
            self._wall_shift += difference
            self._take_over()

    def reset(self) -> None:
        """Goes back to the time of the system."""
        self.unfreeze()
        self._wall_shift = 0.0
        self.source.wall = self._wall

    def _move(self, seconds: float) -> None:
        if self._frozen is not None:
            self._frozen = (self._frozen[0] + seconds, self._frozen[1] + seconds)
        else:
            self._shift += seconds
            self._wall_shift += seconds
        self._take_over()

    def _take_over(self) -> None:
        """Makes the engine read its time from this clock."""
        self.source.wall = self.wall
        self.source.monotonic = self.seconds

    def _arm(self) -> None:
        """Has the reactor make the calls at their new times."""
        for call in list(self._calls):
            self.schedule(call)


def _due(call: _Call) -> float:
    return call.when
