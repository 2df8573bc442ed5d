"""Many connections in one loop of their own, beside the reactor's.

Twisted's reactor sets up a logging context around every event, which costs about as much as a whole GET.  A hub keeps
the plain connections of a server in an epoll or kqueue of its own.  The reactor sees that as one readable descriptor,
and the hub serves everything that is ready in one loop.  To a transport the hub is its reactor: the transport adds and
removes readers and writers here, and gets everything else (``callLater``...) from the real reactor.  Listening ports
are in the hub, too (``accepting.py``).

A reactor of our own (``reactors.py``) goes one step further: its main loop waits in the epoll of the hub, where the
epoll of the reactor is one descriptor among the others.  So a request costs one poll, and no event of the reactor.

In the reactor of a host program the hub is a guest, and the other events of the host wait for the end of a round.  So a
round of a guest serves no further event when it has taken some milliseconds.  The next round begins with the events
that are left; they come before newer ones, so each connection gets its turn.

One round of the loop is one turn of the engine.  The wall clock is read once, and everything that was sent to other
clients (PUBLISH, woken waiters) leaves once at the end.

Event bits
    A poller (``pollers.py``) reports a number for each descriptor that is ready: the bits of epoll, on every system.
    1 is IN: there are bytes, or the peer has closed its side.  4 is OUT: there is room to write.  8 (ERR) and 16 (HUP)
    come unasked: the connection has failed, or both sides are closed.  The loop over the events (``serving.py``) serves
    only exactly 1, of the plain connections of clients.  ``_serve_other`` serves the others, and does not ask which of
    1, 8 and 16 it got.  It reads: reading returns the bytes that came before an end, and then tells the end with its
    reason.  So every bit except 4 means "read" (``event & ~4``).  Only a connection that is not read (a client that
    does not take its replies) is ended by the bits 8 and 16 alone (``event & ~5``), because nothing would read it.  A
    listening socket is served on exactly 1.

Stale events
    ``poll`` returns up to 256 events, and serving one of them may close the connection of another one that comes later
    in the same list (CLIENT KILL, an output limit).  A connection that is taken in the same round may get the freed
    descriptor, so an event can reach a connection that it was not meant for.  That is harmless.  A new connection is
    always read, and its socket does not block: a read without bytes returns nothing, and a write without output does
    nothing.  If no connection has the descriptor, the lookup finds None and the event is dropped.

Stale descriptors
    Epoll watches the open socket, not its number, and forgets the socket when its last descriptor is closed.  A forked
    child holds copies of all descriptors for a moment, until it closes them.  So the hub unregisters a connection
    before its socket is closed, wherever it can.  A transport that has closed its socket already has the number -1.
    The hub removes it from its tables by identity and has the poller forget the number: epoll and kqueue have
    forgotten it already, but poll goes by the number and would report it for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from errno import EMFILE
from typing import TYPE_CHECKING, Any

from twisted.internet import error, tcp
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_redis.engine.engine import Engine
from twisted_redis.net.connection import Connection
from twisted_redis.net.pollers import IN, OUT, POLLERS, Poller
from twisted_redis.net.protocol import RedisProtocol
from twisted_redis.net.reactors import MainLoopReactor, can_watch
from twisted_redis.net.serving import serve

if TYPE_CHECKING:
    from twisted_redis.net.accepting import Acceptor

__all__ = ["Hub", "open_hub"]

_log = Logger()
#: If every round has failed for this time (s), for want of memory say, the server ends.
GIVE_UP_AFTER = 5.0
#: Connections that each port takes in the second part of a round, as many as Redis takes; the first part takes one.
AT_ONCE = 10
#: Events of one poll: enough to share the costs of a round, few enough to leave the reactor its turn.
ROUND = 256
#: A guest begins with no further event when its round has taken this long (s).
GUEST_TIME = 0.005

_EXPECTED: dict[type[BaseException], Failure] = {
    error.ConnectionDone: Failure(error.ConnectionDone()),
    error.ConnectionLost: Failure(error.ConnectionLost()),
}


@implementer(IReactorFDSet, IReadDescriptor)
class Hub:
    """The connections of ``engine``, beside or below ``reactor``; ``make_poller`` makes the poller of a guest."""

    def __init__(self, reactor: Any, engine: Engine, make_poller: Callable[[], Poller] | None = None) -> None:
        self._reactor = reactor
        self._engine = engine
        self._poller: Poller
        self._readers: dict[int, Any] = {}
        self._writers: dict[int, Any] = {}
        #: The plain connections of clients that are read; Twisted's transports read all others.
        self._streams: dict[int, Connection] = {}
        self._acceptors: dict[int, Acceptor] = {}
        #: How many connections a port takes in this part of the round, and whether any port has taken one.
        self._most = 1
        self._taken = False
        #: Since when (monotonic, s) each round has failed as a whole; None if the last one has not.
        self._failing_since: float | None = None
        #: The reactor for which this hub waits, and the number that its events have here; None and -1 for a guest.
        self._inner: MainLoopReactor | None = None
        self._inner_fd = -1
        #: The events that a round of a guest has left to the next one.
        self._left: list[tuple[int, int]] = []
        #: Whether the last poll has reported that reactor.
        self._inner_ready = False
        if isinstance(reactor, MainLoopReactor) and reactor.hub is None:
            self._inner = reactor
            self._poller, self._inner_fd = reactor.poller()
            reactor.hub = self
        else:
            self._poller = (make_poller or next(iter(POLLERS.values())))()
            reactor.addReader(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    # the side of the reactor

    def wait(self, timeout: float) -> bool:
        """Waits ``timeout`` seconds (-1: for ever) for events and serves those of the hub, in place of the reactor.

        Returns whether the reactor has events, too.  Like ``doRead``, this raises nothing.
        """
        self._inner_ready = False
        try:
            events = self._poller.poll(timeout, ROUND)
        except BaseException as problem:
            self._round_failed(problem)
            return True
        if events:
            if len(events) == 1 and events[0][0] == self._inner_fd:
                return True
            self._round(events)
        return self._inner_ready

    def fileno(self) -> int:
        """The descriptor the reactor watches."""
        return self._poller.fileno()

    def logPrefix(self) -> str:
        """The name that the log shows."""
        return "Hub"

    def doRead(self) -> None:
        """Serves the connections that are ready, as many as a guest has time for.

        This raises nothing: the reactor would drop the hub, and with it every connection.  A failure costs one
        connection, or one round.  A poll that cannot work any more ends the server.
        """
        events = self._left
        if events:
            self._left = []
        else:
            try:
                events = self._poller.poll(0, ROUND)
            except BaseException as problem:
                self._round_failed(problem)
                return
        self._round(self._in_time(events) if len(events) > 1 else events)

    def _in_time(self, events: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Yields ``events`` while a guest has time, and leaves the others to the next round."""
        clock = self._engine.time.monotonic
        until = clock() + GUEST_TIME
        for position, event in enumerate(events, 1):
            yield event
            if clock() > until:
                # The bits of a failure could reach a later connection of the same number, and would end it.  Without
                # them, reading and writing find out by themselves.
                self._left = [(fd, bits & 5) for fd, bits in events[position:]]
                return

    def _round(self, events: Iterable[tuple[int, int]]) -> None:
        """Serves ``events`` in one turn."""
        turns = self._engine.turns
        turn = turns.depth
        try:
            turns.begin()
            try:
                if self._serve(events, 1) and not self._left:
                    # Most clients send their first request at once, and where one connects there may be more.
                    more = self._poller.poll(0, ROUND)
                    self._serve(more if self._inner is not None else self._in_time(more), AT_ONCE)
            finally:
                turns.end()
            self._failing_since = None
        except BaseException as problem:
            turns.depth = turn
            self._round_failed(problem)

    def _serve(self, events: Iterable[tuple[int, int]], most: int) -> bool:
        """Serves ``events``, and takes up to ``most`` connections at each port; returns whether it took any."""
        self._most = most
        self._taken = False
        serve(events, self._streams, self._serve_other, self._end_stream)
        return self._taken

    def _serve_other(self, fd: int, event: int) -> None:
        """Serves one event that is more, or something else, than input of a plain connection.

        The head of the module explains the bits, and the events that come too late.
        """
        why: Any = None
        connection = self._readers.get(fd)
        if connection is not None and event & ~4:  # IN, ERR or HUP
            try:
                why = connection.doRead()
            except BaseException as problem:
                self._report("A connection failed in an unexpected way")
                why = problem
        elif event & ~5:  # ERR or HUP, and nobody reads it
            connection = self._writers.get(fd)
            why = error.ConnectionLost()
        elif event == 1 and fd in self._acceptors:
            self._taken = True
            try:
                self._acceptors[fd].accept(self._most)
            except BaseException:
                self._report("Connections could not be taken")
        elif fd == self._inner_fd:
            self._inner_ready = True
        if why is None and event & 4:  # OUT
            connection = self._writers.get(fd)
            if connection is not None:
                try:
                    why = connection.doWrite()
                except BaseException as problem:
                    self._report("A connection failed in an unexpected way")
                    why = problem
        if why is not None:
            self._end(connection, why)

    def _end_stream(self, fd: int, why: BaseException) -> None:
        """Ends the plain connection of the number ``fd``."""
        if why.__class__ not in _EXPECTED:
            self._report("A connection failed in an unexpected way")
        self._end(self._readers.get(fd), why)

    def _end(self, connection: Any, why: BaseException) -> None:
        """Ends ``connection``, if there still is one."""
        if connection is not None:
            try:
                self._disconnect(connection, why)
            except BaseException:
                self._report("A connection could not be ended in order")

    def _report(self, text: str) -> None:
        try:
            _log.failure(text)
        except MemoryError:
            pass

    def _round_failed(self, problem: BaseException) -> None:
        """Handles a round that failed as a whole: ends the server if trying again makes no sense."""
        now = self._engine.time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
            self._report("A round of the hub failed")
        # The poll raises OSError or ValueError only if its descriptor is not usable any more.
        if isinstance(problem, OSError | ValueError) or now - self._failing_since >= GIVE_UP_AFTER:
            self._detach()
            self._engine.persistence.collapse(f"Connections cannot be served any more: {problem!r}")

    def connectionLost(self, reason: Failure) -> None:
        """Closes the hub, because the reactor stops."""
        self.close()

    def close(self) -> None:
        """Closes the ports, the connections that are still open, and the poller."""
        if not self._poller.closed:
            for acceptor in list(self._acceptors.values()):
                self.listen_no_more(acceptor)
                acceptor.connectionLost(_EXPECTED[error.ConnectionDone])
            for connection in self.removeAll():
                connection.connectionLost(_EXPECTED[error.ConnectionDone])
            self._detach()
            self._poller.close()

    def _detach(self) -> None:
        """Gives the reactor its own loop back."""
        if self._inner is not None:
            self._inner.hub = None
            self._inner = None
        else:
            self._reactor.removeReader(self)

    # the ports' side

    def listen(self, acceptor: Acceptor) -> None:
        """Watches the port of ``acceptor`` for connections."""
        self._poller.register(acceptor.fileno(), IN)
        self._acceptors[acceptor.fileno()] = acceptor

    def listen_no_more(self, acceptor: Acceptor) -> None:
        """Stops watching the port of ``acceptor``, whose socket must still be open."""
        if self._acceptors.pop(acceptor.fileno(), None) is not None:
            self._poller.unregister(acceptor.fileno())

    # the connections' side

    def addReader(self, connection: Any) -> None:
        """Watches ``connection`` for input."""
        self._change(connection, self._readers, self._writers, IN, OUT)
        if isinstance(connection, tcp.Connection) and isinstance(connection.protocol, RedisProtocol):
            stream = connection.protocol.connection
            stream.receive = connection.socket.recv
            self._streams[connection.fileno()] = stream

    def addWriter(self, connection: Any) -> None:
        """Watches ``connection`` for room to write."""
        self._change(connection, self._writers, self._readers, OUT, IN)

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
        """Stops watching ``connection`` for input."""
        fd = self._forget(connection, self._readers, self._writers, OUT)
        self._streams.pop(fd, None)

    def removeWriter(self, connection: Any) -> None:
        """Stops watching ``connection`` for room to write."""
        self._forget(connection, self._writers, self._readers, IN)

    def _forget(self, connection: Any, mine: dict[int, Any], others: dict[int, Any], other: int) -> int:
        """Removes ``connection`` from ``mine``; returns the number that it had there, or -1."""
        fd: int = connection.fileno()
        if fd == -1:
            # Closed already, so the kernel has forgotten it: find it in the table by identity.
            for number, known in mine.items():
                if known is connection:
                    del mine[number]
                    if number not in others:
                        self._poller.forget(number)
                    return number
            return -1
        if mine.get(fd) is not connection:
            return -1
        del mine[fd]
        if fd in others:
            self._poller.modify(fd, other)
        else:
            self._poller.unregister(fd)
        return fd

    def removeAll(self) -> list[Any]:
        """Stops watching everything; returns the connections that were watched."""
        found = {id(known): known for known in [*self._readers.values(), *self._writers.values()]}
        for connection in found.values():
            self.removeReader(connection)
            self.removeWriter(connection)
        return list(found.values())

    def getReaders(self) -> list[Any]:
        """The connections registered for reading."""
        return list(self._readers.values())

    def getWriters(self) -> list[Any]:
        """The connections registered for writing."""
        return list(self._writers.values())

    def _disconnect(self, connection: Any, why: BaseException) -> None:
        self.removeReader(connection)
        self.removeWriter(connection)
        connection.connectionLost(_EXPECTED.get(type(why)) or Failure(why))


def open_hub(reactor: Any, engine: Engine) -> Hub | None:
    """Makes the hub of a server on ``reactor``; None where its connections have to live in the reactor itself.

    That is so in a reactor that takes no descriptors, and for a guest where there is neither epoll nor kqueue.  Raises
    OSError if the reactor uses select and all numbers that select takes are in use.  Such a reactor can watch no port
    and no connection either, so the server could serve nobody without a hub.
    """
    if not IReactorFDSet.providedBy(reactor):
        return None
    if not isinstance(reactor, MainLoopReactor) or reactor.hub is not None:
        poller = next((each for name, each in POLLERS.items() if name != "poll"), None)
        if poller is None:
            return None
        hub = Hub(reactor, engine, poller)
        if not can_watch(reactor, hub.fileno()):
            number = hub.fileno()
            hub.close()
            raise OSError(EMFILE, f"The reactor uses select, which cannot watch the descriptor {number}")
        return hub
    return Hub(reactor, engine)
