"""The replica: follows a master through connection, handshake, snapshot and stream."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.python.failure import Failure

from twisted_redis.engine.parse import integer_or_none
from twisted_redis.replication.applying import Applier
from twisted_redis.replication.handshake import ID_LENGTH, announcement, handshake
from twisted_redis.replication.master_link import MasterFactory, MasterLink
from twisted_redis.replication.rdb_channel import RdbChannel
from twisted_redis.replication.receiving import Reception, Source

if TYPE_CHECKING:
    from twisted_redis.replication.replication import Replication

__all__ = ["Cached", "Follower"]

#: The message for the supervisor of the process when the data are those of the master.  The text is Redis', with its
#: slip: a replica is not in read-write mode.
_SYNCED = "STATUS=MASTER <-> REPLICA sync: %s. Ready to accept connections in read-write mode.\n"


class Cached(NamedTuple):
    """The place where a stream was left: its history, the offset of the last applied byte, the selected database."""

    replication_id: str
    offset: int
    database: int


class Follower:
    """Follows the master at ``host`` and ``port``, if ``host`` is not None.

    ``stage`` is the state of the replica in the words of ROLE.
    """

    def __init__(self, replication: Replication) -> None:
        self.replication = replication
        self.host: str | None = None
        self.port = 0
        self.stage = "none"
        #: The time of the last bytes from the master, and the time since when the link has been down (monotonic, s).
        self.heard_at = 0.0
        self.down_since: float | None = None
        #: Since when the link has been up (monotonic, s), and for how long it was down before (s).
        self.up_since = 0.0
        self.down_before = 0.0
        #: The attempts to connect since the link was up, and since this master was named.
        self.attempts = 0
        self.all_attempts = 0
        self._connect: Callable[[str, int, Any], Any] | None = None
        self._port_here: Callable[[], int] = lambda: replication.engine.config.port
        self._factory: MasterFactory | None = None
        self._connector: Any = None
        self._master_link: MasterLink | None = None
        self._reception: Reception | None = None
        #: The connection for the snapshot of the present synchronization, if it has one of its own.
        self._channel: RdbChannel | None = None
        self._buffer_peak = 0
        self._cached: Cached | None = None
        #: True if the last link has ended before its snapshot did: the master may want to know what this replica reads.
        self.says_version = False
        #: The number of bytes that ended links have received since the last reset.
        self._received = 0
        #: The history that the master has announced, and the offset of its snapshot.
        self._announced = ("", 0)
        #: Masters (host, port) that this replica does not reach: a partition for a test.
        self._cut_off: frozenset[tuple[str, int]] = frozenset()

    # figures

    @property
    def connected(self) -> bool:
        """True while the stream is applied."""
        return self.stage == "connected"

    @property
    def applier(self) -> Applier | None:
        """The applier of the stream, None without one."""
        return self._master_link.applier if self._master_link is not None else None

    @property
    def offset(self) -> int:
        """The offset of the last applied byte of the stream."""
        if self.applier is not None:
            return self.applier.offset
        return self._cached.offset if self._cached is not None else 0

    @property
    def read_offset(self) -> int:
        """The offset of the last received byte."""
        return self.applier.read_offset if self.applier is not None else self.offset

    @property
    def database(self) -> int:
        """The number of the database that the stream has selected, -1 without a stream."""
        if self.applier is not None:
            return self.applier.client.db.index
        return self._cached.database if self._cached is not None else -1

    @property
    def transfer_size(self) -> int:
        """The size of the snapshot that is received (bytes): 0 if unknown, -1 before it begins."""
        return self._reception.transfer.size if self._reception is not None else -1

    @property
    def transfer_read(self) -> int:
        """The number of bytes of the snapshot that have come."""
        return self._reception.transfer.received if self._reception is not None else 0

    @property
    def bytes_received(self) -> int:
        """The number of bytes received from masters since the last CONFIG RESETSTAT."""
        count = self._received
        if self._master_link is not None:
            count += self._master_link.figures.bytes_in
        if self._channel is not None:
            count += self._channel.bytes_in
        return count

    @property
    def buffer_size(self) -> int:
        """The number of bytes of the stream that wait for the snapshot."""
        return self._channel.buffer.size if self._channel is not None else 0

    @property
    def buffer_peak(self) -> int:
        """The largest ``buffer_size`` so far."""
        return max(self._buffer_peak, self._channel.buffer.peak if self._channel is not None else 0)

    @property
    def loads_file(self) -> bool:
        """True while a complete file is loaded, which no lost connection stops."""
        return self._reception is not None and self._reception.loading

    def reset_figures(self) -> None:
        """CONFIG RESETSTAT."""
        self._received -= self.bytes_received

    # start and stop

    def start(self, connect: Callable[[str, int, Any], Any], address: Callable[[], int]) -> None:
        """Connects with ``connect(host, port, factory)`` from now on; ``address()`` is the port of this server."""
        self._connect = connect
        self._port_here = address
        if self.host is not None:
            self._begin()

    def follow(self, host: str, port: int, was_master: bool) -> None:
        """Follows another master."""
        engine = self.replication.engine
        if was_master:
            engine.log(
                "notice",
                "Before turning into a replica, using my own master parameters to synthesize a cached master: I may "
                "be able to synchronize with the new master with just a partial transfer.",
            )
            cached: Cached | None = Cached(self.replication.replication_id, self.replication.offset, 0)
        else:
            self._leave()
            cached = self._cached
        self.host, self.port = host, port
        self._cached = cached
        self.attempts = self.all_attempts = 0
        self._write_config()
        self.stage = "connect"
        self.replication.refresh_gates()
        if self._connect is not None:
            self._begin()

    def configured(self, host: str, port: int) -> None:
        """Takes the master over from the configuration; ``start`` connects to it."""
        self.host, self.port = host, port
        self.stage = "connect"
        self.replication.refresh_gates()

    def stop(self) -> None:
        """Stops following."""
        self._leave()
        self.host = None
        self._cached = None
        self.stage = "none"
        self.down_since = None
        self.attempts = self.all_attempts = 0
        self._write_config()

    def _write_config(self) -> None:
        config = self.replication.engine.config
        config.replicaof = (self.host, self.port) if self.host is not None else None

    def cut_off(self, masters: Iterable[tuple[str, int]]) -> None:
        """Loses the link with any of ``masters`` (host, port), and does not reach them until another call.

        An empty call ends the partition.
        """
        self._cut_off = frozenset(masters)
        if self.host is None:
            return
        if (self.host, self.port) in self._cut_off:
            if self.connected:
                self.down_since = self.replication.engine.time.monotonic()
                self.attempts = 0
            self._leave()
            self.stage = "connect"
            self.replication.refresh_gates()
        elif self._factory is None and self._connect is not None:
            self._begin()

    def _begin(self) -> None:
        assert self.host is not None and self._connect is not None
        if (self.host, self.port) in self._cut_off:
            return
        self.replication.engine.log("notice", f"Connecting to MASTER {self.host}:{self.port}")
        self._factory = MasterFactory(self, self.replication.engine.time.scheduler)
        try:
            self._connect(self.host, self.port, self._factory)
        except Exception as problem:
            # For example a missing certificate: the next attempt may find it.
            self.replication.engine.log("warning", f"Unable to connect to MASTER: {problem}")
            self._factory = None

    def leave(self) -> None:
        """Ends the link because the server ends; its files still say that it is a replica."""
        self._leave()
        self._connect = None

    def _leave(self) -> None:
        """Ends the link, or the attempt to connect."""
        factory, self._factory = self._factory, None
        if factory is not None:
            factory.stopTrying()  # type: ignore[no-untyped-call]
        connector, self._connector = self._connector, None
        master_link = self._master_link
        if master_link is not None:
            master_link.abort()
            self._drop(master_link)
        elif connector is not None:
            connector.disconnect()
        self._forget_channel()

    def _forget_channel(self) -> None:
        """Ends the RDB channel; what is left in its buffer is dropped."""
        channel, self._channel = self._channel, None
        if channel is None:
            return
        applier = channel.applier
        channel.stop_applying()
        if applier is not None:
            applier.close()
        channel.close()
        self._received += channel.bytes_in
        self._buffer_peak = max(self._buffer_peak, channel.buffer.peak)

    def _drop(self, master_link: MasterLink) -> None:
        """Forgets a link, and remembers the place where its stream was left."""
        self._master_link = None
        self._received += master_link.figures.bytes_in
        applier, master_link.applier = master_link.applier, None
        if applier is not None:
            self.replication.engine.log("notice", "Connection with master lost.")
            if self.connected:
                self.replication.engine.log("notice", "Caching the disconnected master state.")
                self._cached = Cached(self.replication.replication_id, applier.offset, applier.client.db.index)
        channel = self._channel
        if channel is not None and channel.applier is applier is not None and master_link.ended_at is None:
            # The master has ended the connection: the rest of the buffer is applied all the same.
            return
        if applier is not None:
            applier.close()
        reception = self._reception
        if channel is not None and channel.applier is None:
            loading = reception is not None and (reception.loading or self.replication.loading.active)
            where = " while loading the RDB." if loading else ""
            self.replication.engine.log("notice", f"Aborting rdb channel sync{where}")
        if reception is not None and reception.loading:
            if channel is not None:
                self.replication.engine.log("notice", "After loading RDB, replica will try psync with master.")
            return
        self._forget_channel()
        self._reception = None
        if reception is not None:
            reception.abort()

    def remember(self, cached: Cached | None) -> None:
        """Sets the place from which the next connection asks to continue; None asks for everything."""
        self._cached = cached

    # events of the link

    def connecting(self, connector: Any) -> None:
        """Notes that an attempt to connect begins."""
        if self._factory is None:
            return
        self._connector = connector
        self.attempts += 1
        self.all_attempts += 1
        self.stage = "connecting"
        self.heard()
        self.replication.engine.log("notice", "MASTER <-> REPLICA sync started")

    def failed(self, reason: Failure) -> None:
        """Notes that an attempt to connect has failed."""
        if self._factory is None:
            return
        self.stage = "connect"
        why = str(reason.value).partition("\n")[0]
        self.replication.engine.log("warning", f"Error condition on socket for SYNC: {why}")
        # A failover goes on: the master tries again until FAILOVER ABORT.

    def link_made(self, master_link: MasterLink) -> bool:
        """Notes a new connection; returns False if it is not wanted any more."""
        if self._reception is not None and self._reception.aborted:
            self._reception = None
        if self._factory is None or master_link.factory is not self._factory:
            return False
        if self._reception is not None or self._channel is not None:
            return False
        self._master_link = master_link
        self.stage = "handshake"
        self.heard()
        self.replication.engine.log("notice", "Non blocking connect for SYNC fired the event.")
        return True

    def heard(self) -> None:
        """Notes that the master has sent something."""
        self.heard_at = self.replication.engine.time.monotonic()

    def link_lost(self, master_link: MasterLink, reason: Failure) -> None:
        """Notes that a connection has ended, and has the factory connect again."""
        if master_link is not self._master_link:
            return
        engine = self.replication.engine
        with engine.in_turn:
            was_connected = self.connected
            self.says_version = self._reception is not None and not self._reception.loading
            self._drop(master_link)
            if was_connected:
                ended_at = master_link.ended_at
                self.down_since = engine.time.monotonic() if ended_at is None else ended_at
                self.attempts = 0
            self.stage = "connect"
            self.replication.refresh_gates()
            if self.host is not None:
                engine.log("notice", f"Reconnecting to MASTER {self.host}:{self.port}")

    def broken(self, master_link: MasterLink, problem: str) -> None:
        """Drops a connection whose bytes are not a stream: nothing that was read of it can be relied on."""
        engine = self.replication.engine
        engine.log("warning", f"Protocol error ({problem}) from the master: discarding the cached master state")
        applier, master_link.applier = master_link.applier, None
        if applier is not None:
            applier.close()
        self._forget_channel()
        self._cached = None
        master_link.abort()

    # handshake

    def handshake(self, master_link: MasterLink) -> Generator[None, bytes, None]:
        """The dialogue before the stream: a generator that is sent the lines of the master."""
        return handshake(self, master_link)

    @property
    def announced_port(self) -> int:
        """The port under which the master lists this replica."""
        config = self.replication.engine.config
        if config.replica_announce_port:
            return config.replica_announce_port
        if config.tls_replication and config.tls_port:
            return config.tls_port
        return self._port_here()

    def ask(self, master_link: MasterLink) -> None:
        """Sends PSYNC."""
        log = self.replication.engine.log
        cached = self._cached
        if cached is not None:
            log(
                "notice",
                f"Trying a partial resynchronization (request {cached.replication_id}:{cached.offset + 1}).",
            )
            words = [b"PSYNC", cached.replication_id.encode(), b"%d" % (cached.offset + 1)]
        else:
            log("notice", "Partial resynchronization not possible (no cached master)")
            words = [b"PSYNC", b"?", b"-1"]
        if self.replication.failover.handing_over:
            words.append(b"FAILOVER")
        master_link.send(*words)

    def answered(self, master_link: MasterLink, line: bytes) -> None:
        """Takes the answer to PSYNC."""
        log = self.replication.engine.log
        text = line.decode("latin-1")
        failover = self.replication.failover
        accepted = line.startswith((b"+CONTINUE", b"+FULLRESYNC", b"+RDBCHANNELSYNC"))
        if failover.handing_over:
            if not accepted:
                failover.abort("Failover target rejected psync request")
                return
            failover.done()
        if line.startswith(b"+CONTINUE") and self._cached is not None:
            log("notice", "Successful partial resynchronization with master.")
            self._continue(master_link, text[9:].strip())
        elif line.startswith(b"+FULLRESYNC"):
            announced = announcement(line)
            if announced is None:
                master_link.give_up("Master replied with wrong +FULLRESYNC syntax.")
                return
            self._announced = announced
            log("notice", f"Full resync from master: {self._announced[0]}:{self._announced[1]}")
            self._receive(master_link, master_link)
        elif line.startswith(b"+RDBCHANNELSYNC"):
            number = integer_or_none(line.partition(b" ")[2])
            if number is None or self._connect is None:
                master_link.give_up(f"Master replied with wrong +RDBCHANNELSYNC syntax: {text}")
                return
            log("notice", "PSYNC is not possible, initialize RDB channel.")
            channel = self._channel = RdbChannel(self, master_link, number)
            master_link.receiver = channel.received
            channel.open(self._connect)
        elif line.startswith((b"-NOMASTERLINK", b"-LOADING")):
            master_link.give_up(f"Master is currently unable to PSYNC but should be in the future: {text}", "notice")
        elif line[:1] == b"-":
            master_link.give_up(f"Master does not support PSYNC or is in error state (reply: {text})", "notice")
        else:
            master_link.give_up(f"Unexpected reply to PSYNC from master: {text}")

    def _continue(self, master_link: MasterLink, name: str) -> None:
        """Continues the stream where it was left; the history may have another name."""
        replication = self.replication
        cached = self._cached
        assert cached is not None
        if len(name) == ID_LENGTH and name != cached.replication_id:
            replication.engine.log("notice", f"Master replication ID changed to {name}")
            replication.rename_history(name)
        if replication.stream.backlog is None:
            replication.open_backlog()
        self._stream(master_link, cached.offset, cached.database)
        replication.engine.log("notice", "MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.")
        replication.engine.process.notify(_SYNCED % "Partial Resynchronization accepted")

    def channel_answered(self, channel: RdbChannel, line: bytes) -> None:
        """Takes the answer to PSYNC on the RDB channel: the snapshot begins, and the stream too."""
        announced = announcement(line)
        if announced is None:
            channel.give_up(f"Received unexpected psync reply: {line.decode('latin-1')}")
            return
        self._announced = announced
        self.replication.engine.log("notice", "Starting to receive RDB and replication stream in parallel.")
        assert channel.link is not None
        self._receive(channel.link, channel)

    def channel_failed(self, channel: RdbChannel) -> None:
        """The synchronization through ``channel`` has failed: ends the main channel as well."""
        if self._channel is not channel:
            return
        if channel.main is self._master_link:
            channel.main.abort()
        else:
            self._forget_channel()

    def channel_applied(self, channel: RdbChannel, applier: Applier) -> None:
        """The buffer is applied: the stream is applied as it comes, or continued by the next link."""
        main = channel.main
        self._forget_channel()
        if main is self._master_link:
            self._apply(main, applier)
            main.go_on()
        else:
            self._cached = Cached(self.replication.replication_id, applier.offset, applier.client.db.index)
            applier.close()

    def _receive(self, link: MasterLink, source: Source) -> None:
        """Receives a snapshot through ``link``; ``source`` is that link or its channel."""
        self.stage = "sync"
        try:
            reception = Reception(self.replication, source, self._announced[0], self._loaded)
        except OSError as problem:
            source.give_up(f"Opening the temp file needed for MASTER <-> REPLICA synchronization: {problem.strerror}")
            return
        self._reception = reception
        link.receiver = reception.receive

    def _loaded(self, source: Source, database: int, diskless: bool) -> None:
        """The snapshot is in memory: takes over the history of the master at the announced offset."""
        self._reception = None
        channel = self._channel
        master_link = channel.main if channel is not None and channel is source else source
        name, offset = self._announced
        self.replication.adopt(name, offset)
        for begin in self.replication.after_load:
            begin()
        if self._master_link is None or master_link is not self._master_link:
            # The link was lost while we loaded; the next one continues from here, or from the end of the buffer.
            self._cached = Cached(name, offset, database)
            if channel is not None:
                channel.apply(Applier(self.replication, channel.main, offset, database))
            return
        master_link = self._master_link
        self._stream(master_link, offset, database)
        self.replication.engine.log("notice", "MASTER <-> REPLICA sync: Finished with success")
        self.replication.engine.process.notify(_SYNCED % "Finished with success")
        if diskless:
            # The master waits for this before it sends the stream.
            self.acknowledge()
        if channel is not None and master_link.applier is not None:
            master_link.receiver = channel.received
            channel.apply(master_link.applier)

    def _stream(self, master_link: MasterLink, offset: int, database: int) -> None:
        """Applies the stream from now on."""
        self._cached = None
        applier = master_link.applier = Applier(self.replication, master_link, offset, database)
        self._apply(master_link, applier)
        self.stage = "connected"
        self.heard()
        self.up_since = self.heard_at
        if self.down_since is not None:
            self.down_before += self.up_since - self.down_since
            self.down_since = None
        if self._factory is not None:
            self._factory.resetDelay()  # type: ignore[no-untyped-call]
        self.replication.refresh_gates()

    def _apply(self, master_link: MasterLink, applier: Applier) -> None:
        """Has ``applier`` take what comes through the link."""

        def receive(data: bytes) -> None:
            try:
                applier.receive(data)
            except ValueError as problem:
                self.broken(master_link, str(problem))

        master_link.receiver = receive

    def acknowledge(self) -> None:
        """Tells the master the offset of this replica."""
        master_link = self._master_link
        if master_link is None or master_link.applier is None:
            return
        words = [b"REPLCONF", b"ACK", b"%d" % master_link.applier.offset]
        if self.replication.synced >= 0:
            words += [b"FACK", b"%d" % self.replication.synced]
        master_link.send(*words)

    # periodic work

    def cron(self, now: float) -> None:
        """Once a second: acknowledges, and gives up a link on which nothing comes."""
        if self.host is None:
            return
        log = self.replication.engine.log
        if self._factory is None:
            if self._connect is not None:
                self._begin()
            return
        silent = now - self.heard_at > self.replication.engine.config.repl_timeout
        master_link = self._master_link
        if self.connected:
            if silent and master_link is not None:
                log("warning", "MASTER timeout: no data nor PING received...")
                master_link.abort()
            else:
                self.acknowledge()
        elif self.stage == "sync":
            if self._reception is not None and self._reception.loading:
                # The master must see that this replica is alive.
                if master_link is not None:
                    master_link.write(b"\n")
                self.heard()
            elif silent and master_link is not None:
                log(
                    "warning",
                    "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' "
                    "parameter in redis.conf to a larger value.",
                )
                master_link.abort()
        elif silent and self.stage in ("connecting", "handshake"):
            log("warning", "Timeout connecting to the MASTER...")
            if master_link is not None:
                master_link.abort()
            elif self._connector is not None:
                # The factory begins the next attempt after a delay; until then there is nothing to stop.
                self.stage = "connect"
                self._connector.stopConnecting()
