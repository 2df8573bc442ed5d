"""The replica: follows a master through connection, handshake, snapshot and stream."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.python.failure import Failure

from twisted_redis.engine.parse import integer_or_none
from twisted_redis.replication.applying import Applier
from twisted_redis.replication.master_link import MasterFactory, MasterLink
from twisted_redis.replication.receiving import Reception
from twisted_redis.replication.stream import MOST_OFFSET

if TYPE_CHECKING:
    from twisted_redis.replication.replication import Replication

__all__ = ["Cached", "Follower"]

ID_LENGTH = 40
#: Errors in answer to PING that do not matter: the password is sent only after it.
NOT_YET = (b"-NOAUTH", b"-NOPERM", b"-ERR operation not permitted")
#: Masters of Valkey send a snapshot in their own format to replicas of at least this version of Valkey.  Others send an
#: error, so it is only told after a failure.
_VERSION_OF_VALKEY = b"9.0.0"
#: What the supervisor of the process is told when the data are those of the master; in Redis' words, with its slip.
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
        self._cached: Cached | None = None
        #: True if the last link has ended before its snapshot did: the master may want to know what this replica reads.
        self._says_version = False
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
        return self._received + (self._master_link.figures.bytes_in if self._master_link is not None else 0)

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
            applier.close()
        reception = self._reception
        if reception is not None and not reception.loading:
            self._reception = None
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
        if self._factory is None or master_link.factory is not self._factory or self._reception is not None:
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
            self._says_version = self._reception is not None
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
        self._cached = None
        master_link.abort()

    # handshake

    def handshake(self, master_link: MasterLink) -> Generator[None, bytes, None]:
        """The dialogue before the stream: a generator that is sent the lines of the master."""
        log = self.replication.engine.log
        config = self.replication.engine.config
        master_link.send(b"PING")
        line = yield
        if line[:1] != b"+" and not line.startswith(NOT_YET):
            master_link.give_up(f"Error reply to PING from master: '{_text(line)}'")
            return
        log("notice", "Master replied to PING, replication can continue...")
        questions: list[tuple[str, tuple[bytes, ...]]] = [
            ("REPLCONF listening-port", (b"REPLCONF", b"listening-port", b"%d" % self.announced_port))
        ]
        if config.replica_announce_ip:
            address = config.replica_announce_ip.encode("latin-1")
            questions.append(("REPLCONF ip-address", (b"REPLCONF", b"ip-address", address)))
        questions.append(("REPLCONF capa", (b"REPLCONF", b"capa", b"eof", b"capa", b"psync2")))
        if self._says_version:
            questions.append(("REPLCONF version", (b"REPLCONF", b"version", _VERSION_OF_VALKEY)))
        if config.masterauth:
            words = [b"AUTH", config.masterauth.encode("utf-8", "surrogateescape")]
            if config.masteruser:
                words.insert(1, config.masteruser.encode("utf-8", "surrogateescape"))
            master_link.send(*words)
        for _, words_sent in questions:
            master_link.send(*words_sent)
        if config.masterauth:
            line = yield
            if line[:1] == b"-":
                master_link.give_up(f"Unable to AUTH to MASTER: {_text(line)}")
                return
        for name, _ in questions:
            line = yield
            if line[:1] == b"-":
                log("notice", f"(Non critical) Master does not understand {name}: {_text(line)}")
        self._ask(master_link)
        line = yield
        while not line:
            # An empty line says that the answer takes some time.
            line = yield
        self._answered(master_link, line)

    @property
    def announced_port(self) -> int:
        """The port under which the master lists this replica."""
        config = self.replication.engine.config
        if config.replica_announce_port:
            return config.replica_announce_port
        if config.tls_replication and config.tls_port:
            return config.tls_port
        return self._port_here()

    def _ask(self, master_link: MasterLink) -> None:
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

    def _answered(self, master_link: MasterLink, line: bytes) -> None:
        """Takes the answer to PSYNC."""
        log = self.replication.engine.log
        text = _text(line)
        failover = self.replication.failover
        accepted = line.startswith((b"+CONTINUE", b"+FULLRESYNC"))
        if failover.handing_over:
            if not accepted:
                failover.abort("Failover target rejected psync request")
                return
            failover.done()
        if line.startswith(b"+CONTINUE") and self._cached is not None:
            log("notice", "Successful partial resynchronization with master.")
            self._continue(master_link, text[9:].strip())
        elif line.startswith(b"+FULLRESYNC"):
            words = text.split(" ")
            offset = integer_or_none(words[2].encode("latin-1")) if len(words) > 2 else None
            if offset is None or not 0 <= offset <= MOST_OFFSET or len(words[1]) != ID_LENGTH:
                master_link.give_up("Master replied with wrong +FULLRESYNC syntax.")
                return
            self._announced = (words[1], offset)
            log("notice", f"Full resync from master: {words[1]}:{words[2]}")
            self._receive(master_link)
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

    def _receive(self, master_link: MasterLink) -> None:
        """Receives a snapshot; the stream follows it."""
        self.stage = "sync"
        try:
            reception = Reception(self.replication, master_link, self._announced[0], self._loaded)
        except OSError as problem:
            master_link.give_up(
                f"Opening the temp file needed for MASTER <-> REPLICA synchronization: {problem.strerror}"
            )
            return
        self._reception = reception
        master_link.receiver = reception.receive

    def _loaded(self, master_link: MasterLink, database: int, diskless: bool) -> None:
        """The snapshot is in memory: takes over the history of the master at the announced offset."""
        self._reception = None
        name, offset = self._announced
        self.replication.adopt(name, offset)
        for begin in self.replication.after_load:
            begin()
        if master_link is not self._master_link:
            # The link was lost while we loaded; the next one continues from here.
            self._cached = Cached(name, offset, database)
            return
        self._stream(master_link, offset, database)
        self.replication.engine.log("notice", "MASTER <-> REPLICA sync: Finished with success")
        self.replication.engine.process.notify(_SYNCED % "Finished with success")
        if diskless:
            # The master waits for this before it sends the stream.
            self.acknowledge()

    def _stream(self, master_link: MasterLink, offset: int, database: int) -> None:
        """Applies the stream from now on."""
        self._cached = None
        applier = master_link.applier = Applier(self.replication, master_link, offset, database)

        def receive(data: bytes) -> None:
            try:
                applier.receive(data)
            except ValueError as problem:
                self.broken(master_link, str(problem))

        master_link.receiver = receive
        self.stage = "connected"
        self.heard()
        self.up_since = self.heard_at
        if self.down_since is not None:
            self.down_before += self.up_since - self.down_since
            self.down_since = None
        if self._factory is not None:
            self._factory.resetDelay()  # type: ignore[no-untyped-call]
        self.replication.refresh_gates()

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


def _text(line: bytes) -> str:
    return line.decode("latin-1")
