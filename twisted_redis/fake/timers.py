"""The reactor of a server without sockets: timers, which run when somebody waits for the server or calls it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.error import ConnectError
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_redis.library.blocked import real_time
from twisted_redis.net.listening import ListenError

__all__ = ["Timers"]

_log = Logger()
#: This many cancelled calls may stay in the heap, whatever the number of others.
_FEW = 64


class Timers:
    """The timers of one server, by the monotonic clock or by ``clock``, a ``task.Clock`` that a test advances.

    Nothing happens by itself: ``run`` makes the calls that are due.  All methods need the server's lock, except that
    ``on_clock`` is called without it when ``clock`` has reached the time of a call.
    """

    def __init__(
        self,
        clock: Any = None,
        on_clock: Callable[[], object] = lambda: None,
        let_others_in: Callable[[], object] = lambda: None,
    ) -> None:
        self._clock = clock
        self._on_clock = on_clock
        self._let_others_in = let_others_in
        self._start = time.time()
        #: The time of this clock (s).
        self.seconds: Callable[[], float] = real_time if clock is None else clock.seconds
        self._begun = self.seconds()
        #: Calls to be made as soon as possible.
        self.soon: deque[DelayedCall] = deque()
        self._calls: list[DelayedCall] = []
        #: The number of calls in the heap that are not cancelled.
        self._pending = 0
        #: When the first call is due; a call that was cancelled meanwhile may still count.
        self.due = inf

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object) -> DelayedCall:
        """Has ``callable`` called after ``delay`` seconds."""
        call = DelayedCall(self.seconds() + delay, callable, args, kwargs, self._cancelled, self._moved, self.seconds)
        if delay <= 0:
            self.soon.append(call)
            return call
        heappush(self._calls, call)
        self._pending += 1
        self._look()
        if self._clock is not None:
            self._clock.callLater(delay, self._on_clock)
        return call

    def wall(self) -> float:
        """Seconds since the epoch: those of the system, or those that ``clock`` has advanced since the start."""
        return time.time() if self._clock is None else self._start + float(self._clock.seconds()) - self._begun

    def iterate(self, delay: float = 0) -> None:
        """Called while a script takes long: lets other threads execute commands."""
        self._let_others_in()

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:
        """Has ``callable`` called as soon as possible."""
        self.callLater(0, callable, *args, **kwargs)

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None) -> Any:
        """Refuses the connection: a server without sockets reaches no other server."""
        connector = _NoConnector(self, factory)
        connector.connect()
        return connector

    def adoptStreamPort(self, descriptor: int, family: Any, factory: Any) -> Any:
        """Refuses to listen (CONFIG SET port)."""
        raise ListenError("this server has no socket")

    def listenUNIX(self, path: str, factory: Any, *others: Any) -> Any:
        """Refuses to listen."""
        raise ListenError("this server has no socket")

    def run(self) -> None:
        """Makes the calls that are due; those that they schedule at once come with the next ``run``."""
        calls = self._calls
        while calls and calls[0].time <= self.seconds():
            call = heappop(calls)
            if call.cancelled:
                continue
            if call.delayed_time > 0.0:
                call.activate_delay()
                heappush(calls, call)
                continue
            self._pending -= 1
            self.soon.append(call)
        self._look()
        for _ in range(len(self.soon)):
            call = self.soon.popleft()
            if call.cancelled:
                continue
            call.called = 1
            try:
                call.func(*call.args, **call.kw)
            except Exception:
                _log.failure("A call of the server failed")

    def until_next(self) -> float | None:
        """Seconds until a call is due, 0 if one is due now; None if real time does not bring any."""
        if self.soon:
            return 0
        if self._clock is not None or self.due == inf:
            return None
        return max(0.0, self.due - self.seconds())

    def _look(self) -> None:
        self.due = self._calls[0].time if self._calls else inf

    def _cancelled(self, call: DelayedCall) -> None:
        self._pending -= 1
        if 2 * self._pending + _FEW < len(self._calls):
            self._calls[:] = [each for each in self._calls if each is not call and not each.cancelled]
            heapify(self._calls)
            self._look()

    def _moved(self, call: DelayedCall) -> None:
        """Called by a DelayedCall that is due sooner than before."""
        heapify(self._calls)
        self._look()


class _NoConnector:
    """The connector of a connection that is refused."""

    def __init__(self, timers: Timers, factory: Any) -> None:
        self._timers = timers
        self._factory = factory

    def connect(self) -> None:
        """Tries, and fails."""
        reason = Failure(ConnectError("this server has no socket"))
        self._timers.callLater(0, self._factory.clientConnectionFailed, self, reason)

    def disconnect(self) -> None:
        """Does nothing: there is no connection."""

    stopConnecting = disconnect
