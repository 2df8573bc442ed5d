"""Many connections behind one descriptor of the reactor.

Twisted's reactor sets up a logging context around every event, which costs about as much as a whole GET.  A hub keeps
the plain connections of a server in an epoll of its own; the reactor sees that as one readable descriptor, and the hub
serves everything that is ready in one loop.  To a transport it is its reactor: it adds and removes readers and writers
here, and gets everything else (``callLater``...) from the real one.  One round of the loop is one turn of the engine:
the wall clock is read once, and what others were sent (PUBLISH, woken waiters) leaves once at its end.
"""

from __future__ import annotations

import select
from typing import Any

from twisted.internet import error
from twisted.internet.interfaces import IHalfCloseableDescriptor, IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_redis.engine.engine import Engine

__all__ = ["HAVE_EPOLL", "Hub"]

_log = Logger()
HAVE_EPOLL = hasattr(select, "epoll")
#: Rounds that fail one after another, for want of memory say, end the server after this time (s).
GIVE_UP_AFTER = 5.0
#: Events of one round: enough to share the costs of a round, few enough to leave the reactor its turn.
ROUND = 256

_EXPECTED: dict[type[Exception], Failure] = {
    error.ConnectionDone: Failure(error.ConnectionDone()),
    error.ConnectionLost: Failure(error.ConnectionLost()),
}


@implementer(IReactorFDSet, IReadDescriptor)
class Hub:
    """An epoll of connections, itself a descriptor of ``reactor``."""

    def __init__(self, reactor: Any, engine: Engine) -> None:
        self._reactor = reactor
        self._engine = engine
        self._poller = select.epoll()
        self._readers: dict[int, Any] = {}
        self._writers: dict[int, Any] = {}
        #: Since when (monotonic, s) each round has failed as a whole; None if the last one has not.
        self._failing_since: float | None = None
        reactor.addReader(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    # the reactor's side

    def fileno(self) -> int:
        """The descriptor the reactor watches."""
        return self._poller.fileno()

    def logPrefix(self) -> str:
        """What the log says is running."""
        return "Hub"

    def doRead(self) -> None:
        """Serves what is ready.

        Nothing is raised: the reactor would drop the hub, and with it every connection.  What fails costs the
        connection that it happens to, or one round; a poll that cannot work any more ends the server.
        """
        engine = self._engine
        turn = engine.turn
        try:
            engine.begin_turn()
            try:
                self._serve(self._poller.poll(0, ROUND))
            finally:
                engine.end_turn()
            self._failing_since = None
        except BaseException as problem:
            engine.turn = turn
            self._round_failed(problem)

    def _serve(self, events: list[tuple[int, int]]) -> None:
        readers = self._readers
        writers = self._writers
        for fd, event in events:
            why: Any = None
            reading = False
            connection = readers.get(fd)
            if event & 1 and connection is not None:  # EPOLLIN
                reading = True
                try:
                    why = connection.doRead()
                except BaseException as problem:
                    self._report("A connection failed in an unexpected way")
                    why = problem
            elif event & ~5:  # EPOLLHUP or EPOLLERR, and nothing to read
                connection = connection or writers.get(fd)
                why = error.ConnectionLost() if connection is writers.get(fd) else error.ConnectionDone()
                reading = fd in readers
            if why is None and event & 4:  # EPOLLOUT
                connection = writers.get(fd)
                if connection is not None:
                    reading = False
                    try:
                        why = connection.doWrite()
                    except BaseException as problem:
                        self._report("A connection failed in an unexpected way")
                        why = problem
            if why is not None and connection is not None:
                try:
                    self._disconnect(connection, why, reading)
                except BaseException:
                    self._report("A connection could not be ended in order")

    def _report(self, text: str) -> None:
        try:
            _log.failure(text)
        except MemoryError:
            pass

    def _round_failed(self, problem: BaseException) -> None:
        """After a round that failed as a whole: it is tried again, unless that makes no sense."""
        now = self._engine.time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
            self._report("A round of the hub failed")
        # The poll itself raises OSError and ValueError alone, when its descriptor is not usable any more.
        if isinstance(problem, OSError | ValueError) or now - self._failing_since >= GIVE_UP_AFTER:
            self._reactor.removeReader(self)
            self._engine.collapse(f"Connections cannot be served any more: {problem!r}")

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops: so does the hub."""
        self.close()

    def close(self) -> None:
        """Gives the descriptor back, after those of connections that were to be closed in its next round."""
        if not self._poller.closed:
            for connection in self.removeAll():
                connection.connectionLost(_EXPECTED[error.ConnectionDone])
            self._reactor.removeReader(self)
            self._poller.close()

    # the connections' side

    def addReader(self, connection: Any) -> None:
        """Watches ``connection`` for input."""
        self._change(connection, self._readers, self._writers, select.EPOLLIN, select.EPOLLOUT)

    def addWriter(self, connection: Any) -> None:
        """Watches ``connection`` for room to write."""
        self._change(connection, self._writers, self._readers, select.EPOLLOUT, select.EPOLLIN)

    def _change(self, connection: Any, mine: dict[int, Any], others: dict[int, Any], bit: int, other: int) -> None:
        fd = connection.fileno()
        if fd in mine:
            return
        if fd in others:
            self._poller.modify(fd, bit | other)
        else:
            self._poller.register(fd, bit)
        mine[fd] = connection

    def removeReader(self, connection: Any) -> None:
        """Watches ``connection`` for input no more."""
        self._forget(connection, self._readers, self._writers, select.EPOLLOUT)

    def removeWriter(self, connection: Any) -> None:
        """Watches ``connection`` for room no more."""
        self._forget(connection, self._writers, self._readers, select.EPOLLIN)

    def _forget(self, connection: Any, mine: dict[int, Any], others: dict[int, Any], other: int) -> None:
        fd = connection.fileno()
        if fd == -1:
            # Closed already, and the kernel has taken it out: find its number.
            for number, known in list(mine.items()):
                if known is connection:
                    del mine[number]
            return
        if mine.get(fd) is not connection:
            return
        del mine[fd]
        if fd in others:
            self._poller.modify(fd, other)
        else:
            self._poller.unregister(fd)

    def removeAll(self) -> list[Any]:
        """Watches nothing any more; gives what was watched."""
        found = {id(known): known for known in [*self._readers.values(), *self._writers.values()]}
        for connection in found.values():
            self.removeReader(connection)
            self.removeWriter(connection)
        return list(found.values())

    def getReaders(self) -> list[Any]:
        """Whom input is awaited of."""
        return list(self._readers.values())

    def getWriters(self) -> list[Any]:
        """Who waits for room."""
        return list(self._writers.values())

    def _disconnect(self, connection: Any, why: Exception, reading: bool) -> None:
        self.removeReader(connection)
        expected = _EXPECTED.get(type(why))
        if expected is None:
            self.removeWriter(connection)
            connection.connectionLost(Failure(why))
        elif reading and why.__class__ is error.ConnectionDone and IHalfCloseableDescriptor.providedBy(connection):
            connection.readConnectionLost(expected)
        else:
            self.removeWriter(connection)
            connection.connectionLost(expected)
