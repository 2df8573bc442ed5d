"""The RDB channel of a replica: a second connection to the master, for the snapshot of a full synchronization.

Meanwhile the first connection, the main channel, takes the stream.  It is kept in a buffer, and applied to the data of
the snapshot when these are loaded.  What ends one connection ends the other one too, with two exceptions.  A file that
is complete is loaded to its end, and a buffer that is being applied is applied to its end, so that the next connection
can continue from there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from twisted.internet import error
from twisted.internet.interfaces import IAddress, IConnector
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure

from twisted_redis.engine.ports.replication import BEFORE_CHANNEL, IN_STREAM
from twisted_redis.persistence.saving import delay
from twisted_redis.replication.handshake import login
from twisted_redis.replication.master_link import MasterLink
from twisted_redis.replication.stream_buffer import StreamBuffer

if TYPE_CHECKING:
    from twisted_redis.replication.applying import Applier
    from twisted_redis.replication.follower import Cached, Follower

__all__ = ["ChannelFactory", "RdbChannel"]

#: The number of bytes that are applied at once, and between two looks at the sockets.
PIECE = 16 * 1024
STEP = 4 * PIECE


class RdbChannel:
    """The RDB channel that belongs to the main channel ``main``, which the master calls the client ``number``.

    It is a source of a ``Reception``.
    """

    def __init__(self, follower: Follower, main: MasterLink, number: int) -> None:
        self._follower = follower
        self.replication = follower.replication
        self.host, self.port = follower.host, follower.port
        self.main = main
        self._number = number
        self.link: MasterLink | None = None
        self._connector: Any = None
        self._closed = False
        #: The stream behind the snapshot, as far as it has come and is not applied.
        self.buffer = StreamBuffer()
        self._full = False
        #: Applies the buffer, once the snapshot is loaded.
        self.applier: Applier | None = None
        #: The number of bytes that were applied.
        self._applied = 0
        #: The number of bytes that may still be read from the main channel while the buffer is applied.
        self._credit = 0

    def open(self, connect: Callable[[str, int, Any], Any]) -> None:
        """Connects."""
        try:
            connect(self.host or "", self.port, ChannelFactory(self))
        except Exception as problem:
            self.give_up(f"Unable to connect to master: {problem}")

    def close(self) -> None:
        """Ends the connection, or the attempt to connect."""
        self._closed = True
        link, connector = self.link, self._connector
        self._connector = None
        if link is not None:
            link.abort()
        elif connector is not None:
            connector.disconnect()

    @property
    def bytes_in(self) -> int:
        """The number of bytes that have come through this connection."""
        return self.link.figures.bytes_in if self.link is not None else 0

    # events of the connection

    def connecting(self, connector: IConnector) -> None:
        """Notes that the attempt to connect begins."""
        self._connector = connector

    def failed(self, reason: Failure) -> None:
        """The attempt to connect has failed."""
        if not self._closed:
            why = str(reason.value).partition("\n")[0]
            self.give_up(f"Error condition on socket for rdb channel replication: {why}")

    def link_made(self, link: MasterLink) -> bool:
        """Notes the connection; returns False if it is not wanted any more."""
        if self._closed:
            return False
        self.link = link
        self.heard()
        return True

    def heard(self) -> None:
        """Notes that the master has sent something."""
        self._follower.heard()

    def link_lost(self, link: MasterLink, reason: Failure) -> None:
        """The connection has ended; the master may close it when it has sent the whole snapshot."""
        if not self._closed and not self._follower.loads_file:
            self.give_up("I/O error trying to sync with MASTER: connection lost")

    def remember(self, cached: Cached | None) -> None:
        """Sets the place from which the next connection asks to continue."""
        self._follower.remember(cached)

    def broken(self, link: MasterLink, problem: str) -> None:
        """No commands come through this connection."""

    # the source of the snapshot

    def pause(self) -> None:
        """Passes no bytes on until ``go_on``."""
        if self.link is not None:
            self.link.pause()

    def hold(self, data: bytes) -> None:
        """Puts ``data`` back, before the bytes that come next."""
        if self.link is not None:
            self.link.hold(data)

    def go_on(self) -> None:
        """Passes on what has come since ``pause``."""
        if self.link is not None:
            self.link.go_on()

    def give_up(self, reason: str, level: str = "warning") -> None:
        """Logs ``reason`` and ends the synchronization."""
        self.replication.engine.log(level, reason)
        self.abort()

    def abort(self) -> None:
        """Ends the synchronization, and with it the main channel."""
        if self._closed:
            return
        self.close()
        self._follower.channel_failed(self)

    # handshake

    def handshake(self, link: MasterLink) -> Generator[None, bytes, None]:
        """The dialogue before the snapshot: a generator that is sent the lines of the master."""
        config = self.replication.engine.config
        credentials = login(config)
        if credentials:
            link.send(*credentials)
        words = [b"REPLCONF", b"capa", b"eof", b"rdb-only", b"1", b"rdb-channel", b"1"]
        words += [b"main-ch-client-id", b"%d" % self._number]
        words += [b"listening-port", b"%d" % self._follower.announced_port]
        if config.replica_announce_ip:
            words += [b"ip-address", config.replica_announce_ip.encode("latin-1")]
        link.send(*words)
        if credentials:
            line = yield
            if line[:1] == b"-":
                self.give_up(f"Unable to AUTH to master: {line.decode('latin-1')}")
                return
        line = yield
        if line[:1] == b"-":
            self.give_up(f"Master replied error to replconf: {line.decode('latin-1')}")
            return
        self.replication.pause_at(BEFORE_CHANNEL)
        link.send(b"PSYNC", b"?", b"-1")
        line = yield
        while not line:
            # An empty line says that the snapshot has not begun.
            line = yield
        self._follower.channel_answered(self, line)

    # the stream

    def received(self, data: bytes) -> None:
        """Keeps the next bytes of the main channel."""
        buffer = self.buffer
        buffer.append(data)
        if self.applier is not None:
            self._credit -= len(data)
            if self._credit <= 0:
                self.main.pause()
            return
        config = self.replication.engine.config
        limit = config.replica_full_sync_buffer_limit or config.client_output_buffer_limit.replica[0]
        if limit and buffer.size > limit and not self._full:
            self._full = True
            self.main.pause()
            self.replication.engine.log(
                "notice",
                f"Replication buffer limit has been reached ({limit} bytes), stopped buffering replication stream. "
                "Further accumulation may occur on master side.",
            )

    def apply(self, applier: Applier) -> None:
        """Has ``applier`` apply the buffer in steps; ``Follower.channel_applied`` is called at the end."""
        self.close()
        self.applier = applier
        self.replication.engine.log(
            "notice",
            f"MASTER <-> REPLICA sync: Starting to stream replication buffer into the db ({self.buffer.size} bytes).",
        )
        # It is read more slowly than it is applied, so that the buffer becomes empty at last.
        self.main.pause()
        self._step()

    def stop_applying(self) -> None:
        """Drops what is left of the buffer, because its connection is not wanted any more."""
        if self.applier is not None:
            self.applier = None
            self.replication.engine.log(
                "warning", "Master client was freed while streaming accumulated replication data to db."
            )

    def _step(self) -> None:
        applier = self.applier
        if applier is None or self.main.ended_at is not None:
            return
        replication = self.replication
        key_delay = replication.engine.config.key_load_delay
        count = 0
        while count < STEP and (data := self.buffer.take(PIECE)):
            count += len(data)
            try:
                applier.receive(data)
            except ValueError as problem:
                self._follower.broken(self.main, str(problem))
                return
            if self.applier is None or self.main.ended_at is not None:
                # A command of the stream has ended the replication.
                return
            if replication.pause_at(IN_STREAM):
                break
            if key_delay:
                delay(key_delay)
        self._applied += count
        self.heard()
        if not self.buffer.size:
            self.applier = None
            replication.engine.log(
                "notice",
                "MASTER <-> REPLICA sync: Successfully streamed replication buffer into the db "
                f"({self._applied} bytes in total)",
            )
            self._follower.channel_applied(self, applier)
            return
        self._credit += count // 2
        if self._credit > 0:
            self.main.go_on()
        replication.engine.time.call_later(0, self._step)


class ChannelFactory(ClientFactory):
    """Connects once: after a failure, the main channel begins again."""

    noisy = False

    def __init__(self, channel: RdbChannel) -> None:
        self._channel = channel

    def startedConnecting(self, connector: IConnector) -> None:
        """Says so."""
        self._channel.connecting(connector)

    def buildProtocol(self, addr: IAddress | None) -> MasterLink:
        """The connection."""
        link = MasterLink(self._channel)
        link.factory = self
        return link

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """Ends the synchronization."""
        if not reason.check(error.UserError):
            self._channel.failed(reason)
