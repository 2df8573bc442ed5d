"""Many connections behind one descriptor of the reactor.

Twisted's reactor sets up a logging context around every event, which costs about as much as a whole GET.  A hub keeps
the plain connections of a server in an epoll of its own; the reactor sees that as one readable descriptor, and the hub
serves everything that is ready in one loop.  To a transport it is its reactor: it adds and removes readers and writers
here, and gets everything else (``callLater``...) from the real one.  Ports are in there too
(``accepting.py``).  One round of the loop is one turn of the engine: the wall clock is read once, and what others were
sent (PUBLISH, woken waiters) leaves once at its end.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

from twisted.internet import error
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_redis.engine.engine import Engine

if TYPE_CHECKING:
    from twisted_redis.net.accepting import Acceptor

__all__ = ["HAVE_EPOLL", "Hub"]

_log = Logger()
HAVE_EPOLL = hasattr(select, "epoll")
#: Rounds that fail one after another, for want of memory say, end the server after this time (s).
GIVE_UP_AFTER = 5.0
#: Connections that are taken in one round, beside the first: as many as Redis takes.
AT_ONCE = 10
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
        self._acceptors: dict[int, Acceptor] = {}
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
        turn = engine.turns.depth
        try:
            engine.turns.begin()
            try:
                if self._serve(self._poller.poll(0, ROUND), 1):
                    # Most clients send their first request at once, and where one connects there may be more.
                    self._serve(self._poller.poll(0, ROUND), AT_ONCE)
            finally:
                engine.turns.end()
            self._failing_since = None
        except BaseException as problem:
            engine.turns.depth = turn
            self._round_failed(problem)

    def _serve(self, events: list[tuple[int, int]], most: int) -> bool:
        """Serves ``events``, taking so many connections at each port; tells whether any were taken.

        An event may be meant for a connection that is closed already, and whose number a new one has.  That costs a
        read of nothing: a connection that is read ends by what reading tells, and not by what the event says.
        """
        taken = False
        readers = self._readers
        writers = self._writers
        for fd, event in events:
            why: Any = None
            connection = readers.get(fd)
            if connection is not None and event & ~4:  # EPOLLIN, EPOLLHUP or EPOLLERR
                try:
                    why = connection.doRead()
                except BaseException as problem:
                    self._report("A connection failed in an unexpected way")
                    why = problem
            elif event & ~5:  # EPOLLHUP or EPOLLERR, and nobody reads
                connection = writers.get(fd)
                why = error.ConnectionLost()
            elif event == 1 and fd in self._acceptors:
                taken = True
                try:
                    self._acceptors[fd].accept(most)
                except BaseException:
                    self._report("Connections could not be taken")
            if why is None and event & 4:  # EPOLLOUT
                connection = writers.get(fd)
                if connection is not None:
                    try:
                        why = connection.doWrite()
                    except BaseException as problem:
                        self._report("A connection failed in an unexpected way")
                        why = problem
            if why is not None and connection is not None:
                try:
                    self._disconnect(connection, why)
                except BaseException:
                    self._report("A connection could not be ended in order")
        return taken

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
            self._engine.persistence.collapse(f"Connections cannot be served any more: {problem!r}")

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops: so does the hub."""
        self.close()

    def close(self) -> None:
        """Gives the descriptor back, after those of connections that were to be closed in its next round."""
        if not self._poller.closed:
            for acceptor in list(self._acceptors.values()):
                self.listen_no_more(acceptor)
                acceptor.connectionLost(_EXPECTED[error.ConnectionDone])
            for connection in self.removeAll():
                connection.connectionLost(_EXPECTED[error.ConnectionDone])
            self._reactor.removeReader(self)
            self._poller.close()

    # the ports' side

    def listen(self, acceptor: Acceptor) -> None:
        """Has ``acceptor`` take connections when there are any."""
        self._poller.register(acceptor.fileno(), select.EPOLLIN)
        self._acceptors[acceptor.fileno()] = acceptor

    def listen_no_more(self, acceptor: Acceptor) -> None:
        """Leaves it alone from now on; its socket must still be open."""
        if self._acceptors.pop(acceptor.fileno(), None) is not None:
            self._poller.unregister(acceptor.fileno())

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

    def _disconnect(self, connection: Any, why: Exception) -> None:
        self.removeReader(connection)
        self.removeWriter(connection)
        connection.connectionLost(_EXPECTED.get(type(why)) or Failure(why))
