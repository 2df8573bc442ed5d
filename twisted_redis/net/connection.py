"""The connection of one client: bytes in, replies out, and the limits of both.

The requests of one read are parsed together and executed in order, and their replies leave in one write.

``Connection`` turns happenings into events, and ``states.py`` says which state follows an event.  This module is
compiled (docs/compiling.md), so the class cannot inherit from Twisted's ``Protocol``.  ``protocol.py`` has the protocol
that makes a connection and hands Twisted's calls to it.

A client that waits for a key, or whose request is postponed, is still read: its bytes are kept, up to the query buffer
limit.  A socket that is not read would not report that its peer has gone, and a dead waiter would take elements from
others.  A client that does not take its replies is not read at all (``Output.PAUSED``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet import error
from twisted.internet.interfaces import ISSLTransport
from twisted.python.failure import Failure

from twisted_redis.engine.clients import CLOSING as CLOSING_GATE
from twisted_redis.engine.clients import REPLICA, REPLIES_OFF, UNAUTHENTICATED, Client
from twisted_redis.engine.figures import LinkFigures
from twisted_redis.engine.links import NullLink
from twisted_redis.net.addresses import describe
from twisted_redis.net.eager import Send, finish, pending_output, plain_below, release, sender
from twisted_redis.net.limits import HIGH_WATER, UNAUTHENTICATED_REPLIES, over_output_limit
from twisted_redis.net.states import (
    ABORT,
    ABORTING,
    ADMIT,
    BACKLOGGED,
    CLOSE,
    CONTINUE,
    EXECUTED,
    EXECUTING,
    FINISH,
    FINISHING,
    FLOWING,
    GONE,
    HOLD,
    LEAVE,
    OUTPUT_TRANSITIONS,
    PAUSED,
    READING,
    RESUME,
    RESUMING,
    TRANSITIONS,
    Event,
    Output,
    OutputEvent,
    State,
)
from twisted_redis.resp.accelerated import read_short
from twisted_redis.resp.parser import RequestParser, make_parser

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine
    from twisted_redis.engine.memory.client_eviction import ClientEviction
    from twisted_redis.net.factory import RedisFactory

__all__ = ["Connection", "Shared"]


#: How connections end.
_ENDS = (error.ConnectionDone, error.ConnectionLost, error.ConnectionAborted)


class Shared:
    """The figures that all connections of a server read."""

    def __init__(self, loop_time: float) -> None:
        #: Monotonic time (s) of the last periodic work: exact enough for idle times, and free to read.
        self.loop_time = loop_time
        #: Output of fewer bytes is within every limit.
        self.output_floor = 1 << 62
        #: Whether a limit is so low that the transport would not report the output by itself.
        self.checks_every_write = False


class Connection:
    """One client's connection; it is the ``Link`` of its ``Client``.

    ``admit`` sets the attributes that are only declared here.  A connection that was never admitted is ``GONE``.
    """

    transport: Any
    #: Reads up to so many bytes from the socket; the hub sets it.
    receive: Callable[[int], bytes]
    engine: Engine
    client: Client
    address: str
    _parser: RequestParser
    _send: Send

    def __init__(self, factory: RedisFactory) -> None:
        self.factory = factory
        self._shared: Shared = factory.shared
        self._eviction: ClientEviction = factory.client_eviction
        #: The place in each of the two tables; only this class changes them.
        self.state: State = GONE
        self.output: Output = FLOWING
        self.figures = LinkFigures()
        #: Requests that are parsed but not executed, bytes that are not even parsed, and the number of those bytes.
        self._requests: list[list[bytes]] = []
        self._held: list[bytes] = []
        self._held_bytes = 0
        #: Bytes of the read that is being executed, or was last.
        self._chunk = 0
        #: Since when the output has been over its soft limit (monotonic, s); None while it is not.
        self._soft_since: float | None = None
        self.drained: Callable[[], None] | None = None

    def admit(self, transport: Any, producer: Any) -> None:
        """Greets the peer, or turns it away; ``producer`` is what the transport tells that it is full or empty."""
        factory = self.factory
        peer = transport.getPeer()
        self.transport = transport
        self.address = self._text_of(peer)
        refusal = factory.refuse(peer)
        if refusal is not None:
            finish(transport, refusal)
            return
        factory.prepare(transport, peer)
        self.engine = factory.engine
        self._send = sender(transport)
        self.client = self.engine.connect(self)
        self._change(ADMIT)
        factory.open[self] = None
        self._parser = make_parser(factory.limits, factory.reader, not self.client.gates & UNAUTHENTICATED)
        transport.registerProducer(producer, True)

    def _text_of(self, address: Any) -> str:
        """Returns the text of an end of the connection. Both ends of a unix socket have the path of the server."""
        if getattr(address, "host", None) is not None:
            return describe(address)
        config = self.factory.engine.config
        return f"{config.unixsocket}:0" if config.unixsocket else describe(self.transport.getHost())

    def _change(self, event: Event) -> None:
        before = self.state
        self.state = after = TRANSITIONS[before][event]
        if after is RESUMING and before is not RESUMING:
            # From the reactor: never within the code that gave the reason to resume.
            self.factory.call_later(0, self._go_on)

    @property
    def local_address(self) -> str:
        """The server's side as CLIENT LIST shows it; empty if the connection is closed."""
        try:
            return self._text_of(self.transport.getHost())
        except (OSError, AttributeError):  # closed
            return ""

    @property
    def is_secure(self) -> bool | None:
        """Whether the connection uses TLS."""
        return bool(ISSLTransport.providedBy(self.transport))

    @property
    def fd(self) -> int:
        """The descriptor of the socket, -1 without one."""
        fileno = getattr(self.transport, "fileno", None)
        return int(fileno()) if fileno is not None else -1

    # input

    def received(self, data: bytes) -> None:
        """Executes the requests that have come, or keeps them if they have to wait."""
        if self.state is not READING:
            self._hold(data)
            return
        client = self.client
        client.interacted = self._shared.loop_time
        self._chunk = size = len(data)
        figures = self.figures
        figures.bytes_in += size
        figures.reads += 1
        requests = read_short(data) if self._parser.at_start else None
        if requests is None:
            self._parse(data)
        else:
            self._run(requests)
        if self._eviction.limit and not client.out:
            # A client with replies is weighed when they are written: its output limit comes before the limit of all
            # clients.
            self._eviction.update(client)

    def _hold(self, data: bytes) -> None:
        """Keeps input that has to wait."""
        if self.state is GONE:
            return
        factory = self.factory
        client = self.client
        client.interacted = self._shared.loop_time
        size = len(data)
        self.figures.bytes_in += size
        self.figures.reads += 1
        self.figures.reads_without_request += 1
        if client.gates & CLOSING_GATE:
            return
        self._held.append(data)
        self._held_bytes += size
        if self.state is EXECUTING:
            # A script that runs long lets others in, but the input of its own caller waits for its end.
            self._change(HOLD)
        if self._held_bytes + self._parser.buffered > factory.query_limit(client):
            self._close_for_query()
        if self._eviction.limit and not client.out:
            self._eviction.update(client)

    def _run(self, requests: list[list[bytes]]) -> bool:
        """Executes ``requests``; returns whether all of them were taken and more may follow."""
        client = self.client
        engine = self.engine
        if self._eviction.limit:
            self._requests = requests
            self._eviction.update(client)
            self._requests = []
            if client.gates & CLOSING_GATE:
                return False
        # Every request passes these two transitions, EXECUTE and EXECUTED of the table, so they are spelled out.
        self.state = EXECUTING
        try:
            taken = engine.run(client, requests)
        finally:
            if self.state is EXECUTING:
                self.state = READING
            else:
                aborted = self.state is ABORTING
                self._change(EXECUTED)
                if aborted:
                    self.abort()
        turns = engine.turns
        if turns.depth:
            # The hub writes to all its clients at the end of its round, and closes those that end.  Back to back, the
            # writes wake a peer on another processor once; between the work of requests, each of them would.
            turns.unflushed[client] = None
        elif client.out or client.gates & CLOSING_GATE:
            self.flush()
        ends = client.gates & CLOSING_GATE
        if taken == len(requests) and client.blocked is None and self.state is READING and not ends:
            return True
        self._stop_after(requests[taken:])
        return False

    def _stop_after(self, rest: list[list[bytes]]) -> None:
        """Lets input wait, or end, after a run that did not take the requests ``rest``."""
        client = self.client
        if client.gates & CLOSING_GATE:
            self._change(CLOSE)
            return
        self._requests = rest
        if self.state is READING:
            self._change(HOLD)
        if rest and client.blocked is None and not client.postponed:
            self.resume()  # there were enough replies for one turn

    def _parse(self, data: bytes) -> None:
        """Parses and executes ``data`` behind what the parser holds already."""
        parser = self._parser
        size = len(data)
        # Checked before parsing, as in Redis: a read that completes a request that is too long ends the connection.
        if not parser.idle:
            if parser.buffered + size > self.factory.query_limit(self.client):
                self._close_for_query()
                return
            # A large request counts as a whole while it is executed.
            self._chunk = parser.buffered + size
            self.engine.eviction.note_held(size)
        made = 0  # bytes of replies before authentication
        while True:
            # Before authentication one request at a time: AUTH lifts the limits for the next.
            limited = not parser.authenticated
            requests = parser.receive(data, 1) if limited else parser.receive(data)
            if data and not requests:
                self.figures.reads_without_request += 1
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
        """Has the reactor go on with the input that waits, if any does."""
        self._change(RESUME)

    def _go_on(self) -> None:
        """Executes the input that has waited."""
        if self.state is not RESUMING:
            return
        client = self.client
        if client.gates & CLOSING_GATE:
            self._change(CLOSE)
            return
        if client.blocked is not None or client.postponed or self.output is PAUSED:
            self._change(HOLD)
            return
        self._change(CONTINUE)
        if self._requests:
            requests = self._requests
            self._requests = []
            if not self._run(requests):
                return
        held = b"".join(self._held)
        self._held = []
        self._held_bytes = 0
        if held:
            self.figures.reads_without_request -= 1
        if held or self._parser.error is not None or not self._parser.idle:
            self._chunk = len(held)
            self._parse(held)

    def authenticated(self) -> None:
        """Allows requests of full size from now on."""
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

    @property
    def query_buffer(self) -> int:
        """Bytes of requests that are held: not complete, not executed yet, or being executed right now."""
        held = self._parser.buffered + self._held_bytes
        return held + self._chunk if self.state is EXECUTING or self.state is BACKLOGGED else held

    @property
    def argv_bytes(self) -> int:
        """Bytes of requests that are parsed, but not executed yet."""
        return sum(sum(map(len, argv)) for argv in self._requests)

    # output

    def flush(self) -> None:
        """Writes ``client.out``, and closes the connection if it is to end."""
        client = self.client
        gates = client.gates
        if gates & CLOSING_GATE and self.state is not EXECUTING and self.state is not BACKLOGGED:
            self._flush_last()
            return
        out = client.out
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            size = len(data)
            if size >= self._shared.output_floor and self._over(pending_output(self.transport) + size):
                return
            figures = self.figures
            figures.bytes_out += size
            figures.writes += 1
            self._send(data)
            if self.output is not FLOWING or self._shared.checks_every_write or gates & UNAUTHENTICATED:
                self.check_output()
            elif self._eviction.limit:
                self._eviction.update(client)

    def _flush_last(self) -> None:
        """Ends the connection with the replies of a client that is closed."""
        last = b"".join(self.client.out)
        self.client.out.clear()
        if self.state in (ABORTING, FINISHING, GONE):
            return
        if last:
            self.figures.bytes_out += len(last)
            self.figures.writes += 1
        self._finish(last)

    @property
    def pending_output(self) -> int:
        """Bytes of replies that the peer has not taken."""
        return pending_output(self.transport)

    @property
    def congested(self) -> bool:
        """Whether the socket has to take what was written before more is written."""
        return self.output is not FLOWING

    def check_output(self) -> None:
        """Applies the output limits; called while the client does not take its replies."""
        pending = pending_output(self.transport)
        if self._over(pending):
            return
        factory = self.factory
        if pending and self._shared.checks_every_write:
            factory.congested[self] = None
        elif self.output is FLOWING:
            factory.congested.pop(self, None)
        if self._eviction.limit:
            self._eviction.update(self.client)
        if pending > HIGH_WATER and self.output is not PAUSED and not self.client.gates & (CLOSING_GATE | REPLICA):
            self.output = OUTPUT_TRANSITIONS[self.output][OutputEvent.OVERFULL]
            self._change(HOLD)
            self.transport.pauseProducing()

    def _over(self, pending: int) -> bool:
        """Closes the client if ``pending`` bytes of replies are over its limits; returns whether it did."""
        client = self.client
        if client.gates & (CLOSING_GATE | REPLICA):
            # A replica's output stands in the shared backlog, and is limited there.
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

    def full(self) -> None:
        """The socket takes no more."""
        self.output = OUTPUT_TRANSITIONS[self.output][OutputEvent.FULL]
        self.factory.congested[self] = None

    def empty(self) -> None:
        """The socket has taken everything."""
        before = self.output
        self.output = OUTPUT_TRANSITIONS[before][OutputEvent.DRAINED]
        self._soft_since = None
        self.factory.congested.pop(self, None)
        if self._eviction.limit:
            self._eviction.update(self.client)
        if before is PAUSED:
            self.transport.resumeProducing()
            self.resume()
        if self.drained is not None:
            self.drained()

    # the end

    def close(self) -> None:
        """Closes after the replies that were made; nothing more is executed."""
        self.client.gates |= CLOSING_GATE
        self._change(CLOSE)
        self.engine.turns.flush_later(self.client)

    def abort(self) -> None:
        """Closes at once, without the replies that are not written yet.

        The client is gone when this returns, unless a command of its own is running: then it is gone when that command
        has ended.
        """
        if self.state is GONE:
            return
        self.client.gates |= CLOSING_GATE
        if self.state in (EXECUTING, BACKLOGGED, ABORTING):
            self._change(ABORT)
            return
        transport = self.transport
        if self.state is FINISHING or pending_output(transport):
            transport.abortConnection()
        else:
            # A reset would tell the peer of an error, and take from it what it has not read yet.
            self._finish()
        self._leave()

    def hand_over(self) -> None:
        """Leaves the peer to another process, which has a copy of the socket."""
        release(plain_below(self.transport))
        self.abort()

    def _finish(self, last: bytes = b"") -> None:
        """Closes the transport after ``last``."""
        transport = self.transport
        self._change(FINISH)
        transport.unregisterProducer()
        finish(transport, last)
        if pending_output(transport):
            self.factory.abort_later(self)
        else:
            # Nobody should find the client any more, though some transports take a turn of the reactor to close.
            self._leave()

    def lost(self, reason: Failure) -> None:
        """Forgets the client, because the connection has ended."""
        if self.state is not GONE and reason.type not in _ENDS:
            self.engine.log("verbose", f"Client {self.address} lost: {reason.getErrorMessage()}")
        self._leave()

    def _leave(self) -> None:
        if self.state is GONE:
            return
        self._change(LEAVE)
        self.factory.forget(self)
        self.engine.stats.absorb(self.figures, self.client.commands)
        self.engine.disconnect(self.client)
        self._requests = []
        self._held = []
        # Both know each other: as a cycle, each closed connection would be work for the collector.
        self.client.link = NullLink()
