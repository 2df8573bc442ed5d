"""The connection of one client: bytes in, replies out, and the limits of both.

Reads are parsed whole and executed in order; the replies of one read leave in one write.  While a client waits for a
key its requests stay unexecuted, but its socket is still read (up to the query buffer limit): a paused socket would not
report that the peer has gone, and a dead waiter would eat data.  A client that does not read its replies is not read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet import error
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_redis.engine.clients import CLOSING, REPLICA, REPLIES_OFF, UNAUTHENTICATED, Client
from twisted_redis.engine.links import LinkFigures, NullLink
from twisted_redis.net.addresses import describe
from twisted_redis.net.eager import Send, finish, pending_output, sender
from twisted_redis.net.limits import HIGH_WATER, UNAUTHENTICATED_REPLIES, over_output_limit
from twisted_redis.resp.parser import make_parser

if TYPE_CHECKING:
    from twisted_redis.net.factory import RedisFactory

__all__ = ["RedisProtocol"]


#: How connections end.
_ENDS = (error.ConnectionDone, error.ConnectionLost, error.ConnectionAborted)


def _send_nothing(data: bytes) -> None:
    """What is still answered after the connection was cut off."""


@implementer(IPushProducer)
class RedisProtocol(Protocol):
    """One client's connection; it is the ``Link`` of its ``Client``."""

    factory: RedisFactory
    client: Client
    noisy = False
    connected_client = False

    def connectionMade(self) -> None:
        """Greets the peer, or turns it away."""
        transport: Any = self.transport
        factory = self.factory
        peer = transport.getPeer()
        self.address = describe(peer)
        refusal = factory.refuse(peer)
        if refusal is not None:
            finish(transport, refusal)
            return
        factory.prepare(transport, peer)
        self.figures = LinkFigures()
        self.engine = factory.engine
        #: Requests that are parsed but not executed, bytes that are not even parsed, and their number.
        self._requests: list[list[bytes]] = []
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._resuming = False
        self._chunk = 0  # size of the last read
        #: Whether input must wait: something before it is not executed yet, or replies are not taken.
        self._holding = False
        self._running = False
        self._congested = False
        self._paused = False
        self._soft_since: float | None = None
        self.drained: Callable[[], None] | None = None
        self._send: Send = sender(transport)
        self.client = self.engine.connect(self)
        self.connected_client = True
        self._finished = False
        factory.open[self] = None
        self._parser = make_parser(factory.limits, factory.reader, not self.client.gates & UNAUTHENTICATED)
        transport.registerProducer(self, True)

    @property
    def local_address(self) -> str:
        """Our own side as CLIENT LIST shows it; nothing else asks for it."""
        transport: Any = self.transport
        try:
            return describe(transport.getHost())
        except (OSError, AttributeError):  # closed
            return ""

    @property
    def fd(self) -> int:
        """The number of the socket."""
        fileno = getattr(self.transport, "fileno", None)
        return fileno() if fileno is not None else -1

    # in

    def dataReceived(self, data: bytes) -> None:
        """Executes what has come."""
        if not self.connected_client:
            return
        self.client.interacted = self.factory.loop_time
        self._chunk = size = len(data)
        figures = self.figures
        figures.bytes_in += size
        figures.reads += 1
        if self._holding:
            self._hold(data)
        elif self._running:
            # A script that runs long lets others in, but what its own caller sends waits for its end.
            self._hold(data)
            self._holding = True
            self.resume()
        else:
            self._parse(data)
        if self.factory.client_eviction.limit and not self.client.out:
            # With replies it is weighed when they are written: the limit of output comes before that of all clients.
            self.factory.client_eviction.update(self.client)

    def _hold(self, data: bytes) -> None:
        if self.client.gates & CLOSING:
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes + self._parser.buffered > self.factory.query_limit(self.client):
            self._close_for_query()

    def _run(self, requests: list[list[bytes]]) -> bool:
        """Executes ``requests``; tells whether all of them were taken and more may follow."""
        client = self.client
        engine = self.engine
        if self.factory.client_eviction.limit:
            self._requests = requests
            self.factory.client_eviction.update(client)
            self._requests = []
            if client.gates & CLOSING:
                return False
        self._running = True
        try:
            taken = engine.run(client, requests)
        finally:
            self._running = False
        if engine.turns.depth:
            # A round of the hub writes to all its clients at its end: back to back, writes wake a peer on another
            # processor once, while with the work of a request between them each of them has to wake it again.
            # A connection that ends is closed there too.
            engine.turns.unflushed[client] = None
        elif client.out or client.gates & CLOSING:
            self.flush()
        if client.gates & CLOSING:
            self._holding = True
            return False
        if taken < len(requests):
            self._requests = requests[taken:]
            self._holding = True
            if client.blocked is None and not client.postponed:
                self.resume()  # there was enough to write for now
            return False
        if client.blocked is not None or self._paused:
            self._holding = True
            return False
        return True

    def _parse(self, data: bytes) -> None:
        parser = self._parser
        size = len(data)
        # Before it is parsed, as in Redis: the read that completes a request that is too long ends the connection too.
        if not parser.idle:
            if parser.buffered + size > self.factory.query_limit(self.client):
                self._close_for_query()
                return
            self.engine.eviction.note_held(size)
        made = 0  # bytes of replies before authentication
        while True:
            # Before authentication one request at a time: AUTH lifts the limits for the next.
            limited = not parser.authenticated
            requests = parser.receive(data, 1) if limited else parser.receive(data)
            if limited and requests:
                sent, waiting = self.figures.bytes_out, len(self.client.out)
                if not self._run(requests):
                    return
                made += self.figures.bytes_out - sent or sum(map(len, self.client.out[waiting:]))
                if made > UNAUTHENTICATED_REPLIES and self.client.gates & UNAUTHENTICATED:
                    self._close_for_output()
                    return
            elif requests and not self._run(requests):
                return
            if parser.error is not None:
                self._protocol_error(parser.error)
                return
            if not limited or not requests:
                break
            data = b""
        limit = self.factory.query_limit(self.client)
        if size > limit and not parser.idle and parser.buffered > limit:
            self._close_for_query()

    def resume(self) -> None:
        """Goes on with what was held back, from the reactor: never inside of whatever made it possible."""
        if self._holding and not self._resuming:
            self._resuming = True
            self.factory.call_later(0, self._go_on)

    def _go_on(self) -> None:
        if self._running:
            self.factory.call_later(0.01, self._go_on)
            return
        self._resuming = False
        client = self.client
        if client.gates & CLOSING or self._paused or not self.connected_client:
            return
        if client.blocked is not None or client.postponed:
            return
        self._holding = False
        if self._requests:
            requests = self._requests
            self._requests = []
            if not self._run(requests):
                return
        held = b"".join(self._held)
        self._held = []
        self._held_bytes = 0
        if held or self._parser.error is not None or not self._parser.idle:
            self._parse(held)

    def authenticated(self) -> None:
        """The client may send requests of full size from now on."""
        self._parser.authenticated = True

    def _protocol_error(self, text: str) -> None:
        message = f"Protocol error: {text}"
        self.engine.log("verbose", f"Protocol error ({text}) from client: {self.address}")
        line = b"ERR " + message.encode("latin-1")
        if not self.client.gates & REPLIES_OFF:
            self.client.out.append(b"-" + line.replace(b"\r", b" ").replace(b"\n", b" ") + b"\r\n")
        self.engine.stats.count_error(line)
        self.close()

    def _close_for_query(self) -> None:
        self.engine.stats.query_buffer_closed += 1
        self.engine.log(
            "warning", f"Closing client that reached max query buffer length: id={self.client.id} addr={self.address}"
        )
        self.abort()

    # out

    def flush(self) -> None:
        """Writes what stands in ``client.out``."""
        client = self.client
        out = client.out
        ending = client.gates & CLOSING and not self._running
        last = b""
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            size = len(data)
            factory = self.factory
            if size >= factory.output_floor and self._over(pending_output(self.transport) + size):
                return
            figures = self.figures
            figures.bytes_out += size
            figures.writes += 1
            if ending:
                last = data
            elif self.connected_client:
                self._send(data)
                if self._congested or factory.watchful or client.gates & UNAUTHENTICATED:
                    self.check_output()
                elif factory.client_eviction.limit:
                    factory.client_eviction.update(client)
        if ending:
            self._finish(last)

    @property
    def query_buffer(self) -> int:
        """Bytes of requests that are held: not complete, not executed yet, or being executed right now."""
        held = self._parser.buffered + self._held_bytes
        return held + self._chunk if self._running else held

    @property
    def argv_bytes(self) -> int:
        """Bytes of requests that are parsed, but not executed yet."""
        return sum(sum(map(len, argv)) for argv in self._requests)

    @property
    def pending_output(self) -> int:
        """Bytes of replies that the peer has not taken."""
        return pending_output(self.transport)

    @property
    def congested(self) -> bool:
        """Whether the socket has to take what was written before more is written."""
        return self._congested

    def check_output(self) -> None:
        """Holds the client to its output limits; called while it does not take its replies."""
        pending = pending_output(self.transport)
        if self._over(pending):
            return
        factory = self.factory
        if pending and factory.watchful:
            factory.congested[self] = None
        elif not self._congested:
            factory.congested.pop(self, None)
        if factory.client_eviction.limit:
            factory.client_eviction.update(self.client)
        if pending > HIGH_WATER and not self._paused and not self.client.gates & (CLOSING | REPLICA):
            self._paused = True
            self._holding = True
            self.transport.pauseProducing()  # type: ignore[union-attr]

    def _over(self, pending: int) -> bool:
        """Whether the client is closed now, because ``pending`` bytes of replies are over its limits."""
        client = self.client
        if client.gates & (CLOSING | REPLICA):
            # What a replica is owed stands in the shared backlog, and is limited there.
            return False
        engine = self.engine
        now = engine.time.monotonic()
        over, self._soft_since = over_output_limit(engine.config, client, pending, self._soft_since, now)
        if over:
            self._close_for_output()
        return over

    def _close_for_output(self) -> None:
        self.engine.stats.output_buffer_closed += 1
        self.engine.log(
            "warning",
            f"Client id={self.client.id} addr={self.address} scheduled to be closed ASAP for overcoming of output "
            "buffer limits.",
        )
        self.client.out.clear()
        self.abort()

    def pauseProducing(self) -> None:
        """The socket takes no more."""
        self._congested = True
        self.factory.congested[self] = None

    def resumeProducing(self) -> None:
        """The socket has taken everything."""
        self._congested = False
        self._soft_since = None
        self.factory.congested.pop(self, None)
        if self.factory.client_eviction.limit:
            self.factory.client_eviction.update(self.client)
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()  # type: ignore[union-attr]
            self.resume()
        if self.drained is not None:
            self.drained()

    def stopProducing(self) -> None:
        """The connection is gone; connectionLost follows."""

    # end

    def _finish(self, last: bytes = b"") -> None:
        """Closes after ``last``; while a command of the client runs, the flush after it does that."""
        transport: Any = self.transport
        if transport is not None and not self._finished and not self._running:
            self._finished = True
            transport.unregisterProducer()
            finish(transport, b"" if self._send is _send_nothing else last)
            if pending_output(transport):
                self.factory.closing(self)
            else:
                # Nobody should find it any more, though some transports take a turn of the reactor to close.
                self._leave()

    def close(self) -> None:
        """Closes after what was written, at the end of the turn."""
        self.client.gates |= CLOSING
        self._holding = True
        self.engine.turns.flush_later(self.client)

    def abort(self) -> None:
        """Closes at once; unless a command of its own is running, the client is gone when this returns."""
        self.client.gates |= CLOSING
        self._holding = True
        transport: Any = self.transport
        if transport is not None:
            self._send = _send_nothing
            if self._finished or pending_output(transport):
                transport.abortConnection()
            else:
                # A reset would tell the peer of an error, and take from it what it has not read yet.
                self._finish()
        if not self._running:
            self._leave()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forgets the client."""
        if self.connected_client and reason.type not in _ENDS:
            self.engine.log("verbose", f"Client {self.address} lost: {reason.getErrorMessage()}")
        self._leave()

    def _leave(self) -> None:
        if not self.connected_client:
            return
        self.connected_client = False
        self.factory.congested.pop(self, None)
        self.factory.open.pop(self, None)
        self.engine.stats.absorb(self.figures)
        self.engine.disconnect(self.client)
        self._requests = []
        self._held = []
        # Both know each other: as a cycle, each closed connection would be work for the collector.
        self.client.link = NullLink()
