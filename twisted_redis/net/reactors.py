"""Reactors whose timers go by the monotonic clock.

Twisted's timers go by the wall clock: when that is set back by an hour, every one of them is an hour late.  A reactor
of our own is of a class whose ``seconds`` is ``time.monotonic``.  A reactor that belongs to somebody else stays as it
is.  Even a single timer of it may come an hour late, so a ``Timekeeper`` in front of it keeps our calls, and a thread
tells it when one of them is due.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from importlib import import_module
from math import inf
from typing import Any, cast

from twisted.internet.base import DelayedCall, ReactorBase
from twisted.internet.interfaces import IReactorFDSet, IReactorThreads
from twisted.logger import Logger
from zope.interface import directlyProvides, providedBy

__all__ = ["Timekeeper", "install", "name_of", "new_reactor", "on_monotonic", "release"]

_log = Logger()
#: As Twisted chooses them: on macOS poll does not know all descriptors.
_KINDS = (
    ("twisted.internet.epollreactor", "EPollReactor"),
    *((("twisted.internet.pollreactor", "PollReactor"),) if sys.platform != "darwin" else ()),
    ("twisted.internet.selectreactor", "SelectReactor"),
)
#: So many cancelled calls are kept whatever the number of others.
_FEW = 64
#: The thread looks at the time again after so many seconds at the latest.
_LONGEST = 3600.0


def new_reactor() -> ReactorBase:
    """A reactor that nobody else knows, of the kind that suits the platform."""
    for module, name in _KINDS:
        try:
            kind: type[ReactorBase] = getattr(import_module(module), name)
        except ImportError:
            continue
        return cast(ReactorBase, type(name, (kind,), {"seconds": staticmethod(time.monotonic)})())
    raise AssertionError("every platform has select")


def install() -> Any:
    """The global reactor of a process that is ours; it is made here unless somebody has imported it already."""
    if "twisted.internet.reactor" not in sys.modules:
        from twisted.internet.main import installReactor

        installReactor(cast(Any, new_reactor()))
    from twisted.internet import reactor

    return on_monotonic(reactor)


def on_monotonic(reactor: Any) -> Any:
    """``reactor`` where its timers go by the monotonic clock, or by one that a test moves; else a Timekeeper for it."""
    if reactor.seconds is time.monotonic or not IReactorThreads.providedBy(reactor):
        return reactor
    return Timekeeper(reactor)


def name_of(reactor: Any) -> str:
    """The name of the system call that a reactor waits with: ``epoll``, ``asyncioselector``..."""
    kind = type(reactor.reactor if isinstance(reactor, Timekeeper) else reactor)
    return kind.__name__.removesuffix("Reactor").lower()


def release(reactor: Any) -> None:
    """Gives back what ``on_monotonic`` may have made for ``reactor``; calls that are to come still come."""
    if isinstance(reactor, Timekeeper):
        reactor.close()


class Timekeeper:
    """``reactor`` with other timers: ``seconds`` and ``callLater`` go by the monotonic clock.

    Everything else is the reactor's.  ``alarm`` makes what waits for a time beside the reactor.
    """

    def __init__(
        self,
        reactor: Any,
        alarm: Callable[[Callable[[], None]], Any] | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reactor = reactor
        self.seconds = seconds
        self._make_alarm = alarm or Alarm
        self._alarm: Any = None
        self._calls: list[DelayedCall] = []
        #: How many of them are not cancelled.
        self._pending = 0
        #: When the alarm rings.
        self._set_to = inf
        self._closed = False
        directlyProvides(self, providedBy(reactor))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reactor, name)

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object) -> DelayedCall:
        """Calls ``callable`` after ``delay`` seconds."""
        call = DelayedCall(self.seconds() + delay, callable, args, kwargs, self._cancelled, self._moved, self.seconds)
        heappush(self._calls, call)
        self._pending += 1
        self._arm()
        return call

    def connectTCP(
        self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: tuple[str, int] | None = None
    ) -> Any:
        """As the reactor's; the time-out goes by this clock."""
        if not IReactorFDSet.providedBy(self.reactor):
            return self.reactor.connectTCP(host, port, factory, timeout, bindAddress)
        from twisted.internet.tcp import Connector

        connector = Connector(host, port, factory, timeout, bindAddress, cast(Any, self))
        connector.connect()
        return connector

    def close(self) -> None:
        """Ends the alarm as soon as no call is to come."""
        self._closed = True
        self._rest()

    def _cancelled(self, call: DelayedCall) -> None:
        self._pending -= 1
        if 2 * self._pending + _FEW < len(self._calls):
            self._calls = [each for each in self._calls if each is not call and not each.cancelled]
            heapify(self._calls)
        self._rest()

    def _moved(self, call: DelayedCall) -> None:
        """A call comes sooner."""
        heapify(self._calls)
        self._arm()

    def _rest(self) -> None:
        if self._closed and not self._pending and self._alarm is not None:
            self._alarm.end()
            self._alarm = None
            self._set_to = inf

    def _arm(self) -> None:
        calls = self._calls
        if not calls or calls[0].time >= self._set_to:
            return
        self._set_to = calls[0].time
        if self._set_to <= self.seconds():
            # The reactor's next turn is soon enough, and needs no thread.
            self.reactor.callFromThread(self._ring)
            return
        if self._alarm is None:
            self._closed = False
            self._alarm = self._make_alarm(lambda: self.reactor.callFromThread(self._ring))
        self._alarm.set(self._set_to)

    def _ring(self) -> None:
        """Makes the calls that are due."""
        now = self.seconds()
        self._set_to = inf
        while self._calls and self._calls[0].time <= now:
            call = heappop(self._calls)
            if call.cancelled:
                continue
            if call.delayed_time > 0.0:
                call.activate_delay()
                heappush(self._calls, call)
                continue
            self._pending -= 1
            call.called = 1
            try:
                call.func(*call.args, **call.kw)
            except BaseException:
                _log.failure("A call of the server failed")
        self._arm()
        self._rest()


class Alarm:
    """A thread that calls ``ring`` when it is time.

    It waits at a socket: how long a lock waits goes by the wall clock on some systems.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._at = inf
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="redis-timers", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            self._here.close()
            self._there.close()
            raise

    def set(self, at: float) -> None:
        """Rings at ``at`` (monotonic, s), and no more at the time before."""
        self._at = at
        try:
            self._here.send(b"\0")
        except BlockingIOError:
            pass  # the thread has not heard of many changes yet, and will look at the last one

    def end(self) -> None:
        """Ends the thread."""
        self._here.close()
        self._thread.join()

    def _run(self) -> None:
        with self._there as news:
            while True:
                wait = self._at - time.monotonic()
                if wait <= 0:
                    # A time that is set meanwhile is set again once the alarm has rung.
                    self._at = inf
                    self._ring()
                    continue
                news.settimeout(min(wait, _LONGEST))
                try:
                    if not news.recv(4096):
                        return
                except TimeoutError:
                    pass
