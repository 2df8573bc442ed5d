"""The connections to a master: handshake, snapshot, stream."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet import error
from twisted.internet.interfaces import IAddress, IConnector, ISSLTransport
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import ReconnectingClientFactory, connectionDone
from twisted.python.failure import Failure

from twisted_redis.engine.links import LinkFigures
from twisted_redis.replication.applying import Applier
from twisted_redis.resp.accelerated import pack_bulks

if TYPE_CHECKING:
    from twisted_redis.replication.follower import Cached, Follower
    from twisted_redis.replication.replication import Replication

__all__ = ["MasterFactory", "MasterLink", "Owner"]

#: The maximum length of a line of the handshake (bytes).
LONGEST_LINE = 64 * 1024


class Owner(Protocol):
    """The purpose of a connection to the master ``host`` and ``port``: following it, or taking a snapshot."""

    replication: Replication
    host: str | None
    port: int

    def link_made(self, link: MasterLink) -> bool:
        """Notes a new connection; returns False if it is not wanted any more."""

    def link_lost(self, link: MasterLink, reason: Failure) -> None:
        """Notes that a connection has ended."""

    def handshake(self, link: MasterLink) -> Generator[None, bytes, None]:
        """The dialogue at the beginning: a generator that is sent the lines of the master."""

    def heard(self) -> None:
        """Notes that the master has sent something."""

    def remember(self, cached: Cached | None) -> None:
        """Sets the place from which the next connection asks to continue."""

    def broken(self, link: MasterLink, problem: str) -> None:
        """Drops a connection whose bytes are not a stream."""


class MasterLink(TwistedProtocol):
    """One connection to the master; it may also be the ``Link`` of the client that applies the stream."""

    congested = False

    def __init__(self, follower: Owner) -> None:
        self.follower = follower
        # The follower may have another master by the time of the question.
        self._master = f"{follower.host}:{follower.port}"
        self.figures = LinkFigures()
        self.drained: Callable[[], None] | None = None
        self.applier: Applier | None = None
        #: Takes the received bytes after the handshake.
        self.receiver: Callable[[bytes], None] | None = None
        self._lines = b""
        self._steps: Generator[None, bytes, None] | None = None
        self._gone = False
        #: When this server ended the connection (monotonic, s); its loss is reported in a later turn.
        self.ended_at: float | None = None
        self._paused: list[bytes] | None = None

    # connection

    def connectionMade(self) -> None:
        """Begins the handshake."""
        transport: Any = self.transport
        if hasattr(transport, "setTcpNoDelay"):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
        if not self.follower.link_made(self):
            transport.abortConnection()
            return
        self._steps = self.follower.handshake(self)
        next(self._steps)

    def dataReceived(self, data: bytes) -> None:
        """Takes the next bytes of the handshake, the snapshot or the stream."""
        if self._gone:
            return
        self.figures.bytes_in += len(data)
        self.figures.reads += 1
        self.follower.heard()
        try:
            if self.receiver is not None:
                self._take(data)
            else:
                self._read_lines(data)
        except Exception:
            self.follower.replication.engine.log("failure", "The link with the master failed in an unexpected way")
            self.follower.remember(None)
            self.abort()

    def _read_lines(self, data: bytes) -> None:
        self._lines += data
        while self.receiver is None and not self._gone:
            line, separator, rest = self._lines.partition(b"\n")
            if not separator:
                if len(line) > LONGEST_LINE:
                    self.give_up("Failed to read response from the server: a line is too long")
                return
            self._lines = rest
            assert self._steps is not None
            try:
                self._steps.send(line.rstrip(b"\r"))
            except StopIteration:
                pass
        if self.receiver is not None and self._lines:
            lines, self._lines = self._lines, b""
            self._take(lines)

    def _take(self, data: bytes) -> None:
        if self._paused is not None:
            self._paused.append(data)
        elif self.receiver is not None:
            self.receiver(data)

    def pause(self) -> None:
        """Passes nothing on until ``go_on``."""
        if self._paused is None:
            self._paused = []
            if not self._gone:
                self.transport.pauseProducing()  # type: ignore[union-attr]

    def hold(self, data: bytes) -> None:
        """Puts ``data`` back, before the bytes that come next."""
        assert self._paused is not None
        self._paused.insert(0, data)

    def go_on(self) -> None:
        """Passes on what has come since ``pause``."""
        held, self._paused = self._paused, None
        if held is None or self._gone:
            return
        self.transport.resumeProducing()  # type: ignore[union-attr]
        if held:
            self._take(b"".join(held))

    def send(self, *words: bytes) -> None:
        """Sends a command."""
        self.write(pack_bulks(words))

    def write(self, data: bytes) -> None:
        """Sends bytes."""
        if not self._gone:
            self.figures.bytes_out += len(data)
            self.figures.writes += 1
            transport: Any = self.transport
            transport.write(data)

    def give_up(self, reason: str, level: str = "warning") -> None:
        """Logs ``reason`` and ends the connection; the factory connects again."""
        self.follower.replication.engine.log(level, reason)
        self.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forgets the link."""
        self._gone = True
        self.receiver = None
        if self._steps is not None:
            self._steps.close()
        self.follower.link_lost(self, reason)

    # the link of the client

    def flush(self) -> None:
        """Drops the replies: a master gets none."""
        if self.applier is not None:
            self.applier.client.out.clear()

    def resume(self) -> None:
        """Goes on with postponed commands."""
        if self.applier is not None:
            self.follower.replication.engine.time.call_later(0, self._resume)

    def _resume(self) -> None:
        if self.applier is not None and not self._gone:
            try:
                self.applier.resume()
            except ValueError as problem:
                self.follower.broken(self, str(problem))

    def close(self) -> None:
        """Ends the connection."""
        self.abort()

    def abort(self) -> None:
        """Ends the connection at once."""
        self.receiver = None
        self._gone = True
        if self.ended_at is None:
            self.ended_at = self.follower.replication.engine.time.monotonic()
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    def authenticated(self) -> None:
        """Does nothing: this link has no limits."""

    @property
    def address(self) -> str:
        """The address of the master, as CLIENT LIST shows it."""
        return self._master

    @property
    def local_address(self) -> str:
        """The address of this end."""
        transport: Any = self.transport
        host = transport.getHost() if transport is not None else None
        return f"{host.host}:{host.port}" if host is not None and hasattr(host, "port") else ""

    @property
    def is_secure(self) -> bool | None:
        """Whether the connection uses TLS; None without a connection."""
        return None if self.transport is None else bool(ISSLTransport.providedBy(self.transport))

    @property
    def fd(self) -> int:
        """The file descriptor of the socket."""
        fileno = getattr(self.transport, "fileno", None)
        return fileno() if fileno is not None else -1

    @property
    def query_buffer(self) -> int:
        """The number of received bytes that are not applied."""
        return self.applier.read_offset - self.applier.offset if self.applier is not None else 0

    @property
    def argv_bytes(self) -> int:
        """Nothing is parsed in advance."""
        return 0

    @property
    def pending_output(self) -> int:
        """Always 0: a master takes the few bytes that it is sent."""
        return 0


class MasterFactory(ReconnectingClientFactory):
    """Connects until it succeeds: at once at first, later at least once a second."""

    noisy = False
    initialDelay = delay = 0.001
    maxDelay = 1
    factor = 2.0
    jitter = 0.0

    def __init__(self, follower: Follower, clock: Any) -> None:
        self.follower = follower
        self.clock = clock

    def startedConnecting(self, connector: IConnector) -> None:
        """Says so."""
        self.follower.connecting(connector)

    def buildProtocol(self, addr: IAddress | None) -> MasterLink:
        """The link."""
        master_link = MasterLink(self.follower)
        master_link.factory = self
        return master_link

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """Connects again, after a delay that grows each time."""
        if not reason.check(error.UserError):
            self.follower.failed(reason)
        super().clientConnectionFailed(connector, reason)  # type: ignore[no-untyped-call]

    def clientConnectionLost(self, connector: IConnector, reason: Failure) -> None:
        """Connects again."""
        super().clientConnectionLost(connector, reason)  # type: ignore[no-untyped-call]
