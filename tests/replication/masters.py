"""Masters in this process: a real server, and one that a test plays with bytes, plus the server that follows it."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionRefusedError, NotConnectingError, UserError
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from tests.support.server import Connection, Server
from twisted_redis.persistence.saving import facts, write_snapshot
from twisted_redis.replication.master_link import MasterLink
from twisted_redis.replication.rdb_channel import ChannelFactory
from twisted_redis.replication.replication import Replication

__all__ = ["ID", "ChannelConnector", "Following", "Link", "Master", "handshake", "snapshot_of"]

ID = b"a" * 40


def snapshot_of(server: Server, database: int = 0) -> bytes:
    """Returns the data of ``server`` as a master would send it."""
    pieces: list[bytes] = []
    aux = facts(server.engine, replication={b"repl-stream-db": b"%d" % database, b"repl-id": ID, b"repl-offset": b"0"})
    write_snapshot(pieces.append, server.engine.databases, aux=aux, policy=server.config.maxmemory_policy)
    return b"".join(pieces)


def handshake(answer: bytes) -> bytes:
    """Returns everything that a master sends up to and including its ``answer`` to PSYNC."""
    return b"+PONG\r\n+OK\r\n+OK\r\n" + answer


class Following:
    """``server`` follows a master. ``connect`` accepts its next attempt to connect."""

    def __init__(self, **directives: Any) -> None:
        self.server = Server(**directives)
        self.factory: Any = None
        self.wanted = 0
        #: The attempt to open an RDB channel.
        self.channel: ChannelConnector | None = None
        replication: Any = self.server.engine.replication
        replication.start(self._connect, lambda: 6379)
        self.replication = replication
        self.server("REPLICAOF", "master", 1234)

    def _connect(self, host: str, port: int, factory: Any) -> None:
        assert (host, port) == ("master", 1234)
        if isinstance(factory, ChannelFactory):
            self.channel = ChannelConnector(factory)
            factory.startedConnecting(self.channel)  # type: ignore[arg-type]
            return
        self.factory = factory
        self._begin(factory)

    def _begin(self, factory: Any) -> None:
        self.wanted += 1
        factory.doStart()
        factory.startedConnecting(self)

    # the interface of a connector

    def connect(self) -> None:
        """Called when the factory tries again."""
        self._begin(self.factory)

    def stopConnecting(self) -> None:
        """Ends the attempt, as a connector of Twisted does."""
        if not self.wanted:
            raise NotConnectingError
        self.wanted = 0
        self.factory.clientConnectionFailed(self, Failure(UserError()))

    def disconnect(self) -> None:
        """Nothing is under way."""

    # the side of the master

    def open(self) -> Link:
        """Accepts the connection, which the server must have requested by now."""
        self.advance(2)
        assert self.wanted, "nobody wants to connect"
        self.wanted = 0
        return Link(self)

    def open_channel(self) -> Link:
        """Accepts the RDB channel, which the server must have requested by now."""
        assert self.channel is not None
        channel, self.channel = self.channel, None
        return Link(self, channel.factory)

    def open_failed(self) -> None:
        """Refuses the connection."""
        self.factory.clientConnectionFailed(self, Failure(ConnectionRefusedError()))

    def advance(self, seconds: float = 0.0) -> None:
        """Advances the time, and runs everything that is due."""
        self.server.clock.advance(seconds)
        for _ in range(50):
            self.server.clock.advance(0)
        self.replication.tick(self.server.clock.seconds())

    @property
    def status(self) -> str:
        """``up`` or ``down``."""
        text = bytes(self.server("INFO", "replication"))  # type: ignore[arg-type]
        return dict(line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)["master_link_status"]


class ChannelConnector:
    """An attempt to open an RDB channel."""

    def __init__(self, factory: ChannelFactory) -> None:
        self.factory = factory
        self.stopped = False

    def disconnect(self) -> None:
        """Ends the attempt."""
        self.stopped = True


class _Transport(StringTransport):
    """A transport that reports its end at once. A socket does so in the next turn."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: Any = None

    def abortConnection(self) -> None:
        super().abortConnection()
        if self.lost is not None:
            self.lost()


class Link:
    """One connection of a ``Following``."""

    def __init__(self, following: Following, factory: Any = None) -> None:
        self.following = following
        self.factory = factory or following.factory
        self.transport = _Transport()
        self.protocol: MasterLink = self.factory.buildProtocol(None)
        self.transport.lost = self._gone
        self._ended = False
        self.protocol.makeConnection(self.transport)  # type: ignore[arg-type]

    def send(self, data: bytes) -> None:
        """Sends ``data`` as the master."""
        if not self._ended:
            self.protocol.dataReceived(data)
            self.following.advance()

    def said(self) -> bytes:
        """Returns everything that the replica has sent since the last call."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    @property
    def closed(self) -> bool:
        """True if the replica has closed the connection."""
        return self._ended

    def cut(self) -> None:
        """Breaks the connection."""
        self._gone()
        self.following.server.clock.advance(0)

    def _gone(self) -> None:
        if not self._ended:
            self._ended = True
            self.following.server.clock.callLater(0, self._lose)

    def _lose(self) -> None:
        failure = Failure(ConnectionDone())
        self.protocol.connectionLost(failure)
        self.factory.clientConnectionLost(self.following, failure)


class Master(Server):
    """A master whose replication stream starts with the test."""

    def __init__(self, **directives: Any) -> None:
        super().__init__(**directives)
        self.replication = self.engine.replication
        assert isinstance(self.replication, Replication)
        self.replication.create_backlog()

    def replica(self, *capabilities: str, port: int = 1000) -> Connection:
        """Adds a replica that has received everything so far."""
        connection = self.connect()
        assert connection("REPLCONF", "listening-port", port) == b"+OK\r\n"
        for capability in capabilities or ("eof", "psync2"):
            assert connection("REPLCONF", "capa", capability) == b"+OK\r\n"
        said = connection("PSYNC", self.engine.replication.replication_id, self.replication.offset + 1)
        assert said.startswith(b"+CONTINUE")
        return connection

    def second(self) -> None:
        """Advances the time until the work that runs every second."""
        self.clock.advance(1)
        self.replication.tick(self.clock.seconds())  # type: ignore[attr-defined]

    def info(self, section: str = "replication") -> dict[str, str]:
        """Returns INFO."""
        text = bytes(self("INFO", section))  # type: ignore[arg-type]
        return dict(line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)
