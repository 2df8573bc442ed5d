"""Connections to other servers, for MIGRATE.

A ``MigrateConnection`` carries out one order at a time.  It sends AUTH if the order has credentials, SELECT if the
database differs from the last one, and a RESTORE for each key.  The other server answers each of them with one line.  A
connection stays open for a while after its work, since most programs move keys in many calls.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from twisted.internet import error
from twisted.internet.interfaces import IPullProducer
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_redis.engine.migration import Outcome, failed
from twisted_redis.net.blocking_migrate import converse
from twisted_redis.resp.accelerated import pack_bulks

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine
    from twisted_redis.engine.migration import Order

__all__ = ["KEPT", "KEPT_FOR", "MigrateConnection", "MigrateConnections"]

#: The number of connections that are kept for more work, and how long they are kept (s).
KEPT = 64
KEPT_FOR = 10
#: Bytes to hand to the transport at once.
CHUNK = 64 * 1024
#: The longest line of answer (bytes).
LONGEST_LINE = 64 * 1024

Done = Callable[[Outcome], None]


@implementer(IPullProducer)
class MigrateConnection(Protocol):
    """One connection.  ``idle`` is called if it ends while it has no work.

    The other side may be anything: it may send too much, too little, the wrong thing or nothing.  The order ends in any
    case when its timeout has passed since the last step.  A step is a chunk that the socket has taken, or a whole line
    of answer, but not a single byte.
    """

    def __init__(self, idle: Callable[[MigrateConnection], None]) -> None:
        self._idle = idle
        #: Called when the connection is made.
        self.on_connected: Callable[[], None] = _no_one_waits
        #: The database that the other side has selected; None if that is not known.
        self.database: int | None = None
        self.lost = False
        self.order: Order | None = None
        #: The connector, while the connection is being made.
        self.connector: Any = None
        self._done: Callable[[Outcome, bool], None] = _no_one_waits
        self._later: Any = None
        self._timer: Any = None
        self._pieces: deque[memoryview] = deque()
        self._heads = 0
        self._wanted = 0
        self._lines: list[bytes] = []
        self._buffer = b""

    def connectionMade(self) -> None:
        """Begins with the order that waits for the connection."""
        self.on_connected()

    # work

    def begin(self, order: Order, done: Callable[[Outcome, bool], None]) -> None:
        """Takes an order; ``done`` is called with its outcome, and whether a new connection is worth a try."""
        self.order = order
        self._done = done
        pieces = [order.login] if order.login else []
        if self.database != order.database:
            pieces.append(pack_bulks((b"SELECT", b"%d" % order.database)))
        self._heads = len(pieces)
        self._pieces = deque(memoryview(piece) for piece in (*pieces, *order.restores))
        self._wanted = len(self._pieces)
        self._lines = []

    def watch(self, call_later: Callable[..., Any]) -> None:
        """Ends the order when one of its steps takes longer than its timeout; connecting may be the first step."""
        assert self.order is not None
        self._timer = call_later(self.order.timeout, self.too_slow)

    def stream(self) -> None:
        """Sends the order as fast as the other side takes it."""
        transport: Any = self.transport
        transport.registerProducer(self, False)

    def next_chunk(self) -> bytes:
        """The next bytes to send; empty if all are sent."""
        chunk: list[memoryview] = []
        room = CHUNK
        while self._pieces and room > 0:
            piece = self._pieces.popleft()
            if len(piece) > room:
                self._pieces.appendleft(piece[room:])
                piece = piece[:room]
            chunk.append(piece)
            room -= len(piece)
        return b"".join(chunk)

    def resumeProducing(self) -> None:
        """Sends the next chunk, because the socket has taken the last one."""
        self._progress()
        chunk = self.next_chunk()
        transport: Any = self.transport
        if chunk:
            transport.write(chunk)
        else:
            transport.unregisterProducer()

    def stopProducing(self) -> None:
        """The connection is gone; connectionLost follows."""

    @property
    def answered(self) -> int:
        """The number of answers to the running order so far."""
        return len(self._lines)

    def dataReceived(self, data: bytes) -> None:
        """Collects answers."""
        if self.order is None:
            # There is no order that this could answer.
            self.abort()
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        self._lines += lines
        asked = self._wanted - len(self._pieces)
        if self.answered > asked < self._wanted:
            # Answers to commands that are not sent yet say nothing about the keys.
            del self._lines[asked:]
            self.give_up()
        elif self.answered >= self._wanted:
            self._finish()
        elif len(self._buffer) > LONGEST_LINE:
            self.give_up()
        elif lines:
            self._progress()

    def _progress(self) -> None:
        if self._timer is not None:
            self._timer.reset(self.order.timeout)  # type: ignore[union-attr]

    # the end of an order

    def _finish(self) -> None:
        """Ends the order after its last answer."""
        outcome = self._outcome()
        assert self.order is not None
        self.database = None if outcome.error else self.order.database
        if self._buffer or self.answered > self._wanted:
            # There is more than the answers: the next order would take that for its own.
            self.abort()
        self._tell(outcome, False)

    def _outcome(self) -> Outcome:
        """The outcome by the answers so far; keys behind a refused AUTH or SELECT may have gone anywhere."""
        assert self.order is not None
        lines = [line.rstrip(b"\r") for line in self._lines[: self._wanted]]
        refused = next((line for line in lines[: self._heads] if not line.startswith(b"+")), None)
        outcome = Outcome([False] * len(self.order.restores))
        for place, line in enumerate(lines[self._heads :]):
            problem = refused if refused is not None else None if line.startswith(b"+") else line
            if problem is None:
                outcome.confirmed[place] = True
            elif not outcome.error:
                outcome.error = b"ERR Target instance replied with error: " + problem[1:].replace(b"\r", b" ")
        return outcome

    def _break_off(self, may_retry: bool) -> None:
        """Ends the order without the answers that are missing."""
        outcome = self._outcome()
        if not outcome.error:
            connecting = self.transport is None
            outcome.error = failed("connecting" if connecting else "writing" if self._pieces else "reading")
        self._tell(outcome, may_retry and self.answered <= self._heads)

    def _tell(self, outcome: Outcome, again: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.order = None
        self._pieces.clear()
        self._buffer = b""
        done, self._done = self._done, _no_one_waits
        done(outcome, again)

    def unreachable(self, error: bytes, again: bool) -> None:
        """Ends the order with ``error``, because there is no connection."""
        self.lost = True
        if self.order is not None:
            self._tell(Outcome([False] * len(self.order.restores), error), again)

    def too_slow(self) -> None:
        """Ends the order because the other side took too long."""
        self._timer = None
        self.give_up()

    def give_up(self) -> None:
        """Ends the conversation, and the connection with it."""
        self.abort()
        if self.order is not None:
            self._break_off(may_retry=False)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Ends the order, if there is one, because the other side is gone."""
        self.lost = True
        if self.order is not None:
            self._break_off(may_retry=True)
        else:
            self._idle(self)

    def abort(self) -> None:
        """Ends the connection at once, or the attempt to make it."""
        self.lost = True
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()
        elif self.connector is not None:
            connector, self.connector = self.connector, None
            connector.stopConnecting()

    # rest

    def rest(self, later: Any) -> None:
        """Stays connected without work; the call ``later`` ends that."""
        self._later = later

    def wake(self) -> None:
        """Takes up work again."""
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = None


def _no_one_waits(*outcome: object) -> None:
    """Does nothing: no order waits."""


class _Factory(ClientFactory):
    """Connects ``peer``: calls ``made`` when it is connected, and ``failed`` with the reason if it is not."""

    noisy = False

    def __init__(self, peer: MigrateConnection, made: Callable[[], None], failed: Callable[[Failure], None]) -> None:
        self._peer = peer
        self._made = made
        self._failed = failed

    def buildProtocol(self, addr: Any) -> MigrateConnection:
        """Returns the peer."""
        self._peer.on_connected = self._connected
        return self._peer

    def _connected(self) -> None:
        self._peer.connector = None
        transport: Any = self._peer.transport
        if hasattr(transport, "setTcpNoDelay"):
            transport.setTcpNoDelay(True)
        self._made()

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """Passes the reason on."""
        self._peer.connector = None
        self._failed(reason)


class MigrateConnections:
    """Sends keys to other servers (``engine.migration.Migrator``)."""

    def __init__(self, reactor: Any, engine: Engine, client_tls: Callable[[], Any]) -> None:
        self._reactor = reactor
        self._engine = engine
        self._client_tls = client_tls
        self._resting: dict[tuple[str, int], MigrateConnection] = {}
        self._working: set[MigrateConnection] = set()
        engine.info.add("stats", lambda: [("migrate_cached_sockets", len(self._resting))])
        engine.migrations.migrator = self

    def carry(self, order: Order, done: Done) -> None:
        """Starts to carry out an order."""
        self._engine.time.call_later(0, self._attempt, order, done, True)

    def _attempt(self, order: Order, done: Done, may_retry: bool) -> None:
        peer = self._resting.pop((order.host, order.port), None)
        kept = peer is not None
        if peer is None:
            peer = MigrateConnection(self._forget)
        peer.wake()
        self._working.add(peer)
        peer.begin(order, lambda outcome, again: self._finished(peer, order, done, outcome, again and may_retry))
        # From here on the order ends whatever fails.
        peer.watch(self._engine.time.call_later)
        if kept:
            peer.stream()
        else:
            self._connect(peer, order)

    def _connect(self, peer: MigrateConnection, order: Order) -> None:
        if not 0 < order.port < 65536:
            peer.unreachable(failed("writing"), False)
            return
        factory: Any = _Factory(peer, peer.stream, lambda reason: self._unreachable(reason, peer))
        try:
            factory = self._wrap(factory)
        except Exception as problem:
            self._engine.log("warning", f"No TLS for MIGRATE: {problem}")
            peer.unreachable(failed("connecting"), False)
            return
        try:
            connector = self._reactor.connectTCP(order.host, order.port, factory, timeout=order.timeout)
        except Exception as problem:  # the name of a host is malformed
            self._engine.log("warning", f"MIGRATE cannot connect to {order.host!r}: {problem}")
            peer.unreachable(failed("connecting"), False)
            return
        if peer.transport is None and not peer.lost:
            peer.connector = connector

    def _wrap(self, factory: Any) -> Any:
        if not self._engine.config.tls_cluster:
            return factory
        from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol

        wrapped = TLSMemoryBIOFactory(self._client_tls(), True, factory, cast(Any, self._engine.time.scheduler))
        # The protocol that Twisted would use waits for a turn of the reactor before it writes.
        wrapped.protocol = TLSMemoryBIOProtocol
        return wrapped

    def _finished(self, peer: MigrateConnection, order: Order, done: Done, outcome: Outcome, again: bool) -> None:
        self._working.discard(peer)
        if again:
            self._attempt(order, done, False)
            return
        if not peer.lost:
            self._keep((order.host, order.port), peer)
        done(outcome)

    def _unreachable(self, reason: Failure, peer: MigrateConnection) -> None:
        if reason.check(error.TimeoutError, error.DNSLookupError, error.UserError):
            peer.unreachable(failed("connecting"), False)
        else:
            # Redis notices this at its first write, and tries once more.
            peer.unreachable(failed("writing"), True)

    # those at rest

    def _keep(self, place: tuple[str, int], peer: MigrateConnection) -> None:
        if place in self._resting or len(self._resting) >= KEPT:
            self._dismiss(place if place in self._resting else next(iter(self._resting)))
        self._resting[place] = peer
        peer.rest(self._engine.time.call_later(KEPT_FOR, self._dismiss, place))

    def _dismiss(self, place: tuple[str, int]) -> None:
        peer = self._resting.pop(place)
        peer.wake()
        peer.abort()

    def _forget(self, peer: MigrateConnection) -> None:
        """Forgets a connection that was lost without work."""
        for place, each in self._resting.items():
            if each is peer:
                peer.wake()
                del self._resting[place]
                return

    def close(self) -> None:
        """Closes all connections, because the server ends."""
        for place in list(self._resting):
            self._dismiss(place)
        for peer in list(self._working):
            peer.give_up()

    # while all clients wait

    def carry_now(self, order: Order) -> Outcome:
        """Carries out an order before anything else happens, over a connection of its own."""
        outcome = _nothing(order, "connecting")
        for _ in range(2):
            peer = MigrateConnection(lambda peer: None)
            try:
                protocol = self._wrap_now(peer)
                with socket.create_connection((order.host, order.port), order.timeout) as connection:
                    outcome, again = converse(peer, protocol, connection, order)
            except (TimeoutError, socket.gaierror):
                return _nothing(order, "connecting")
            except (OSError, OverflowError):
                outcome, again = _nothing(order, "writing"), True
            if not again:
                break
        return outcome

    def _wrap_now(self, peer: MigrateConnection) -> Any:
        factory = _Factory(peer, lambda: None, lambda reason: None)
        return self._wrap(factory).buildProtocol(None)


def _nothing(order: Order, doing: str) -> Outcome:
    return Outcome([False] * len(order.restores), failed(doing))
