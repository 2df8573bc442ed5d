"""The two connections that a node opens to the source of its slots: lines of a handshake first, then commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IAddress, IConnector
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from twisted_redis.cluster.migration.applying import Applier
from twisted_redis.engine.links import NullLink
from twisted_redis.resp.accelerated import pack_bulks

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["Channel", "Connect"]

#: Opens a connection for a factory, with TLS if the configuration says so: host, port, factory; returns the connector.
Connect = Callable[[str, int, Any], Any]

_LONGEST_LINE = 64 * 1024


class Channel:
    """One connection, from the attempt to open it to its end.

    ``made`` is called when it stands, ``line`` with each line of an answer, and ``lost`` with a reason when it has
    ended and this node has not ended it.  After ``take`` the bytes go to a function instead.
    """

    def __init__(self, made: Callable[[], None], line: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        self.made = made
        self._line = line
        self._lost = lost
        self._connector: Any = None
        self._transport: Any = None
        self._receiver: Callable[[bytes], None] | None = None
        self._rest = b""
        self._closed = False
        self._paused = False
        self.applier: Applier | None = None

    def open(self, connect: Connect, host: str, port: int) -> None:
        """Begins to connect."""
        self._connector = connect(host, port, _Factory(self))

    def connected(self, transport: Any) -> None:
        """The connection stands."""
        self._transport = transport
        if hasattr(transport, "setTcpNoDelay"):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
        if self._closed:
            transport.abortConnection()
        else:
            self.made()

    def received(self, data: bytes) -> None:
        """Takes bytes."""
        while data and not self._closed:
            if self._receiver is not None:
                self._receiver(data)
                return
            line, separator, data = (self._rest + data).partition(b"\n")
            if not separator:
                self._rest = line
                if len(line) > _LONGEST_LINE:
                    self.fail("a line is too long")
                return
            self._rest = b""
            # An empty line only says that the other side is alive.
            if line.rstrip(b"\r"):
                self._line(line.rstrip(b"\r"))

    def take(self, receiver: Callable[[bytes], None]) -> None:
        """Hands the bytes behind the present line to ``receiver``."""
        self._receiver = receiver

    def send(self, *words: bytes) -> None:
        """Sends a command."""
        if self._transport is not None and not self._closed:
            self._transport.write(pack_bulks(words))

    def apply(self, engine: Engine) -> Applier:
        """Makes the client that executes the commands of this connection."""
        peer = self._transport.getPeer()
        link = _ClientLink(f"{getattr(peer, 'host', '')}:{getattr(peer, 'port', 0)}", self.fail)
        self.applier = Applier(engine, link)
        return self.applier

    def read(self, wanted: bool) -> None:
        """Reads from the connection, or leaves the bytes to the other side for a while."""
        if self._transport is None or self._closed or self._paused is not wanted:
            return
        self._paused = not wanted
        (self._transport.resumeProducing if wanted else self._transport.pauseProducing)()

    def ended(self, reason: str) -> None:
        """The connection has ended, or could not be opened."""
        if not self._closed:
            self.close()
            self._lost(reason)

    def fail(self, reason: str = "Connection is closed") -> None:
        """Ends the connection as if the other side had done so."""
        self.ended(reason)

    def close(self) -> None:
        """Ends the connection; nobody is told."""
        if self._closed:
            return
        self._closed = True
        self._receiver = None
        if self.applier is not None:
            self.applier.close()
        if self._transport is not None:
            self._transport.abortConnection()
        elif self._connector is not None:
            self._connector.disconnect()


class _ClientLink(NullLink):
    """The link of the client that executes what comes from the source, as CLIENT LIST and CLIENT KILL see it."""

    def __init__(self, address: str, lose: Callable[[], None]) -> None:
        super().__init__()
        self.address = address
        self._lose = lose

    def close(self) -> None:
        """Ends the connection."""
        self._lose()

    def abort(self) -> None:
        """Ends the connection."""
        self._lose()


class _Protocol(Protocol):
    """The connection under a channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def connectionMade(self) -> None:
        """Begins the handshake."""
        self._channel.connected(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """Takes bytes."""
        self._channel.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tells the channel."""
        self._channel.ended("Connection is closed")


class _Factory(ClientFactory):
    """Makes the one protocol of a channel."""

    noisy = False

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def buildProtocol(self, addr: IAddress | None) -> _Protocol:
        """Makes the protocol."""
        return _Protocol(self._channel)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """The source is not there."""
        self._channel.ended(reason.getErrorMessage())
