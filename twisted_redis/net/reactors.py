"""Reactors whose timers go by the monotonic clock.

Twisted's timers go by the wall clock: if that is set back by an hour, every timer is an hour late.  A reactor of our
own is of a class whose ``seconds`` is ``time.monotonic``.  A reactor of the host program stays as it is.  Its timers
may be late, so a ``Timekeeper`` in front of it keeps our calls, and a thread wakes the reactor when one of them is due.
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

from twisted_redis.net.pollers import IN, OTHERS, POLLERS, Poller, PollPoller
from twisted_redis.net.twisted_internals import waiter_of

__all__ = [
    "MainLoopReactor",
    "Timekeeper",
    "can_watch",
    "install",
    "name_of",
    "new_reactor",
    "on_monotonic",
    "release",
]

_log = Logger()
#: The kinds of reactor, the best one first.  On macOS poll does not take all descriptors.
_KINDS = (
    ("twisted.internet.epollreactor", "EPollReactor"),
    ("twisted.internet.kqreactor", "KQueueReactor"),
    *((("twisted.internet.pollreactor", "PollReactor"),) if sys.platform != "darwin" else ()),
    ("twisted.internet.selectreactor", "SelectReactor"),
)
#: The numbers of descriptors that select takes are less than this one, on every system that has a hub.
_SELECT_LIMIT = 1024
#: This many cancelled calls may stay in the heap, whatever the number of others.
_FEW = 64
#: The thread looks at the time at least this often (s).
_LONGEST = 3600.0
#: The thread rings again after this time (s) without an answer.  Some reactors turn a call from a thread into a timer,
#: which is lost for hours if the wall clock is set back before it fires.
_AGAIN = 1.0


class MainLoopReactor:
    """A mixin for a reactor over epoll, kqueue or poll: a hub that is attached waits for the events of both.

    Nearly everything that happens in a server happens to connections of its hub.  The hub serves them without an event
    of the reactor, and tells when the reactor itself has something to do.  Timers stay in the hands of the reactor.
    """

    #: The hub that waits in place of the reactor, if there is one.
    hub: Any = None

    def doIteration(self, timeout: float | None) -> None:
        """Waits for events and serves them; the reactor's loop calls this once between two looks at its timers."""
        hub = self.hub
        if hub is None:
            super().doIteration(timeout)  # type: ignore[misc]
        elif hub.wait(-1 if timeout is None else timeout):
            super().doIteration(0)  # type: ignore[misc]

    def poller(self) -> tuple[Poller, int]:
        """Makes a poller for a hub; it reports events of the reactor, too, as those of the number that is returned.

        The epoll or kqueue of the reactor is one descriptor of the poller.  A poll object has no descriptor, so the hub
        and the reactor share one; each of them passes over the events of the other.
        """
        waiter = waiter_of(self)
        if not hasattr(waiter, "fileno"):
            return PollPoller(waiter), OTHERS
        poller = next(iter(POLLERS.values()))()
        poller.register(waiter.fileno(), IN)
        return poller, waiter.fileno()


def new_reactor() -> ReactorBase:
    """A new reactor, which is not the global one, of the best kind for the platform."""
    for module, name in _KINDS:
        try:
            kind: type[ReactorBase] = getattr(import_module(module), name)
        except ImportError:
            continue
        bases = (MainLoopReactor, kind) if POLLERS and name != "SelectReactor" else (kind,)
        return cast(ReactorBase, type(name, bases, {"seconds": staticmethod(time.monotonic)})())
    raise AssertionError("every platform has select")


def install() -> Any:
    """The global reactor of a process that is ours; installs one unless one was imported already."""
    if "twisted.internet.reactor" not in sys.modules:
        from twisted.internet.main import installReactor

        installReactor(cast(Any, new_reactor()))
    from twisted.internet import reactor

    return on_monotonic(reactor)


def on_monotonic(reactor: Any) -> Any:
    """``reactor`` itself if its timers go by the monotonic clock or a test's clock; otherwise a Timekeeper for it."""
    if reactor.seconds is time.monotonic or not IReactorThreads.providedBy(reactor):
        return reactor
    return Timekeeper(reactor)


def name_of(reactor: Any) -> str:
    """The name of a reactor's kind, as INFO shows it: ``epoll``, ``asyncioselector``..."""
    kind = type(reactor.reactor if isinstance(reactor, Timekeeper) else reactor)
    return kind.__name__.removesuffix("Reactor").lower()


def can_watch(reactor: Any, fd: int) -> bool:
    """Whether ``reactor`` can watch a descriptor of the number ``fd``: select takes small numbers only."""
    from twisted.internet.selectreactor import SelectReactor

    kind = type(reactor.reactor if isinstance(reactor, Timekeeper) else reactor)
    return fd < _SELECT_LIMIT or not issubclass(kind, SelectReactor)


def release(reactor: Any) -> None:
    """Ends the Timekeeper that ``on_monotonic`` may have made; its pending calls are still made."""
    if isinstance(reactor, Timekeeper):
        reactor.close()


class Timekeeper:
    """``reactor`` with timers of its own: ``seconds`` and ``callLater`` go by the monotonic clock.

    Everything else is the reactor's.  ``alarm`` makes an ``Alarm``, which waits beside the reactor.
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
        #: The number of calls that are not cancelled.
        self._pending = 0
        #: The time at which the alarm rings (s).
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
        """Connects as the reactor does; the time-out goes by this clock."""
        if not IReactorFDSet.providedBy(self.reactor):
            return self.reactor.connectTCP(host, port, factory, timeout, bindAddress)
        from twisted.internet.tcp import Connector

        connector = Connector(host, port, factory, timeout, bindAddress, cast(Any, self))
        connector.connect()
        return connector

    def close(self) -> None:
        """Ends the alarm when the last call is made."""
        self._closed = True
        self._rest()

    def _cancelled(self, call: DelayedCall) -> None:
        self._pending -= 1
        if 2 * self._pending + _FEW < len(self._calls):
            self._calls = [each for each in self._calls if each is not call and not each.cancelled]
            heapify(self._calls)
        self._rest()

    def _moved(self, call: DelayedCall) -> None:
        """Called by a DelayedCall that is due sooner than before."""
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
            # The next turn of the reactor is soon enough, and needs no thread.
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
        if self._alarm is not None:
            self._alarm.answered()
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

    It waits at a socket, because on some systems the wait for a lock goes by the wall clock.
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
        """Rings at ``at`` (monotonic, s) instead of the time that was set before."""
        self._at = at
        try:
            self._here.send(b"\0")
        except BlockingIOError:
            pass  # the thread has many changes to read already, and will see the last one

    def answered(self) -> None:
        """Does not ring again before the next ``set``."""
        self._at = inf

    def end(self) -> None:
        """Ends the thread."""
        self._here.close()
        self._thread.join()

    def _run(self) -> None:
        with self._there as news:
            while True:
                wait = self._at - time.monotonic()
                if wait <= 0:
                    # The Timekeeper sets the next time after this, so no time that is set meanwhile is lost.
                    self._at = time.monotonic() + _AGAIN
                    self._ring()
                    continue
                news.settimeout(min(wait, _LONGEST))
                try:
                    if not news.recv(4096):
                        return
                except TimeoutError:
                    pass
