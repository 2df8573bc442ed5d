"""The master: its replicas, what they are sent, and what they have acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_redis.engine.blocking import retry
from twisted_redis.engine.clients import CLOSING, REPLICA, Client
from twisted_redis.engine.declare.flags import WRITE
from twisted_redis.engine.errors import CommandError, refusal
from twisted_redis.engine.gates import IS_PAUSED, Denial, flags_of
from twisted_redis.engine.parse import integer, integer_in, integer_or_none
from twisted_redis.engine.pause import FAILOVER
from twisted_redis.engine.ports.replication import ACKNOWLEDGED
from twisted_redis.persistence.rdb.types import VALKEY_VERSION
from twisted_redis.replication.replicas import (
    NO_CHANNEL,
    ONLINE,
    PIECE,
    STREAMING,
    Replica,
    owed,
    pump,
    replica_of,
)
from twisted_redis.replication.stream import GETACK, PING
from twisted_redis.resp.inline import split_arguments
from twisted_redis.resp.types import NO_REPLY, OK, ErrorReply, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.replication.replication import Replication

__all__ = ["Master"]

LONGEST_HOST = 256
#: The capability of replicas that open an RDB channel.
CHANNELS = "rdb-channel-repl"


def _deny(client: Client, command: Command, argv: list[bytes]) -> None:
    if flags_of(command, client) & WRITE:
        raise CommandError("NOREPLICAS Not enough good replicas to write.")


class Master:
    """The replicas of this server, which may itself be a replica."""

    def __init__(self, replication: Replication) -> None:
        self._replication = replication
        self._engine = replication.engine
        #: By connection: a replica that synchronizes through an RDB channel has two.
        self.replicas: dict[Client, Replica] = {}
        self.good_replicas = 0
        self.full_syncs = 0
        self.partial_syncs = 0
        self.failed_partial_syncs = 0
        #: The time when the last replica left (monotonic, s).
        self.deserted_at = 0.0
        self._getack_wanted = False
        self._acknowledged = False
        #: The number of bytes that were sent to former replicas since the last reset.
        self._sent = 0

    def reset_figures(self) -> None:
        """CONFIG RESETSTAT."""
        self.full_syncs = self.partial_syncs = self.failed_partial_syncs = 0
        self._sent -= self.bytes_sent

    @property
    def bytes_sent(self) -> int:
        """The number of bytes sent to replicas since the last CONFIG RESETSTAT."""
        return self._sent + sum(client.link.figures.bytes_out for client in self.replicas)

    @property
    def replica_count(self) -> int:
        """The number of replicas, however many connections they have."""
        return sum(1 for replica in self.replicas.values() if not replica.has_main)

    @property
    def _serves_channels(self) -> bool:
        config = self._engine.config
        return config.repl_rdb_channel and config.repl_diskless_sync

    def _main(self, number: int) -> Replica | None:
        """Returns the replica whose connection is the client ``number``."""
        client = self._engine.clients.get(number)
        return self.replicas.get(client) if client is not None else None

    # REPLCONF

    def configure(self, client: Client, options: tuple[bytes, ...]) -> Reply:
        """REPLCONF."""
        pairs = list(zip(options[::2], options[1::2], strict=True))
        for name, value in pairs:
            option = name.lower()
            if option == b"ack":
                return self._hear(client, pairs)
            if option == b"getack":
                self._replication.follower.acknowledge()
                return NO_REPLY
            self._set_option(replica_of(client), option, name, value)
        return OK

    def _set_option(self, replica: Replica, option: bytes, name: bytes, value: bytes) -> None:
        if option == b"listening-port":
            replica.port = integer(value)
        elif option == b"ip-address":
            if len(value) >= LONGEST_HOST:
                raise CommandError(
                    f"ERR REPLCONF ip-address provided by replica instance is too long: {len(value)} bytes"
                )
            replica.address = value.decode("latin-1")
        elif option == b"capa":
            # Unknown capabilities are ignored.
            capability = value.lower().decode("latin-1")
            if capability != CHANNELS or self._serves_channels:
                replica.capabilities.add(capability)
        elif option == b"rdb-only":
            replica.snapshot_only = bool(integer_in(value, 0, 1))
            replica.request = replica.request._replace(apart=replica.snapshot_only and self._serves_channels)
        elif option == b"rdb-filter-only":
            wanted = split_arguments(value)
            if wanted is None:
                raise CommandError("ERR Missing rdb-filter-only values")
            replica.request = replica.request._replace(without=frozenset(("data", "functions")))
            for word in wanted:
                if word.lower() != b"functions":
                    raise refusal(b"ERR Unsupported rdb-filter-only option: %b", word)
                replica.request = replica.request._replace(without=frozenset(("data",)))
        elif option == b"rdb-channel":
            replica.is_channel = bool(integer_in(value, 0, 1))
            if replica.is_channel:
                replica.client.extra["rdb channel"] = True
            else:
                replica.client.extra.pop("rdb channel", None)
        elif option == b"main-ch-client-id":
            number = integer(value)
            main = self._main(number)
            if main is None or main.state != NO_CHANNEL:
                raise CommandError(f"ERR Unrecognized RDB client id: {number}")
            replica.main_id = number
            replica.request = replica.request._replace(
                compressed=replica.request.compressed and main.request.compressed,
                checksum=replica.request.checksum and main.request.checksum,
            )
        elif option == b"version":
            numbers = value.split(b".")
            if len(numbers) != 3 or not all(map(bytes.isdigit, numbers)):
                raise refusal(b"ERR Unrecognized version format: %b", value)
            # Only Valkey says it. From 9.0 on, it reads snapshots in its own version of the format.
            if int(numbers[0]) >= 9:
                replica.request = replica.request._replace(version=VALKEY_VERSION)
        elif option == b"rdb-no-compress":
            replica.request = replica.request._replace(compressed=not integer_in(value, 0, 1))
        elif option == b"rdb-no-checksum":
            replica.request = replica.request._replace(checksum=not integer_in(value, 0, 1))
        else:
            raise refusal(b"ERR Unrecognized REPLCONF option: %b", name)

    def _hear(self, client: Client, pairs: list[tuple[bytes, bytes]]) -> Reply:
        replica = self.replicas.get(client)
        if replica is None:
            return NO_REPLY
        figures = {name.lower(): integer_or_none(value) for name, value in pairs}
        offset = figures.get(b"ack")
        if offset is None:
            return NO_REPLY
        synced = figures.get(b"fack")
        if offset > replica.acknowledged or (synced or 0) > replica.synced:
            self._acknowledged = True
        replica.acknowledged = max(replica.acknowledged, offset)
        if synced is not None:
            replica.synced = max(replica.synced, synced)
        replica.acknowledged_at = self._engine.time.monotonic()
        self._replication.replica_sync.look()
        if replica.silent and replica.state == ONLINE:
            # It has loaded the streamed snapshot: only now can it tell the stream from the snapshot.
            replica.silent = False
        elif replica.state == STREAMING:
            # It has loaded the snapshot before the end of the child was noticed.
            self.put_online(replica)
        return NO_REPLY

    def misbehaved(self, client: Client, reply: Reply) -> bool:
        """Closes a replica that has sent a command with a reply: its connection carries nothing but the stream."""
        if reply is NO_REPLY:
            return True
        name = client.last_command.name if client.last_command is not None else "<unknown>"
        if isinstance(reply, ErrorReply):
            self._engine.log(
                "warning",
                "== CRITICAL == This master is sending an error to its replica: "
                f"'-{reply[:4096].decode('latin-1')}' after processing the command '{name}'",
            )
            self._engine.stats.unexpected_errors += 1
        self._engine.log(
            "warning",
            f"Replica generated a reply to command '{name}', disconnecting it: id={client.id} "
            f"addr={client.link.address}",
        )
        client.link.abort()
        return True

    # PSYNC and SYNC

    def synchronise(self, client: Client, replication_id: bytes | None, offset: bytes, failover: bool) -> Reply:
        """PSYNC and SYNC: writes the answer to the client's output at once, or when a snapshot begins."""
        replication = self._replication
        engine = self._engine
        if client.gates & REPLICA:
            return NO_REPLY
        if failover and replication_id is not None:
            self._take_over(client, replication_id)
        if replication.failing_over:
            raise CommandError("NOMASTERLINK Can't SYNC while failing over")
        if replication.is_replica and not replication.follower.connected:
            raise CommandError("NOMASTERLINK Can't SYNC while not connected with my master")
        if client.out or client.link.pending_output:
            raise CommandError("ERR SYNC and PSYNC are invalid with pending output")
        replica = replica_of(client)
        if replica.request.without and "eof" not in replica.capabilities:
            raise CommandError("ERR Filtered replica requires EOF capability")
        engine.log("notice", f"Replica {replica.name} asks for synchronization")
        if replication_id is None:
            replica.speaks_sync = True
        else:
            number = integer_or_none(offset)
            if number is None:
                engine.log("warning", f"Replica {replica.name} asks for synchronization but with a wrong offset")
                integer(offset)
            elif self._continue(replica, replication_id.decode("latin-1"), number):
                self.partial_syncs += 1
                return NO_REPLY
            else:
                if replication_id[:1] != b"?":
                    self.failed_partial_syncs += 1
                if CHANNELS in replica.capabilities:
                    self._await_channel(replica)
                    return NO_REPLY
        self.full_syncs += 1
        transport: Any = getattr(client.link, "transport", None)
        if engine.config.repl_disable_tcp_nodelay and hasattr(transport, "setTcpNoDelay"):
            transport.setTcpNoDelay(False)
        self._attach(replica)
        replica.begun_at = engine.time.monotonic()
        replication.create_backlog()
        replication.replica_sync.request(replica)
        return NO_REPLY

    def _take_over(self, client: Client, replication_id: bytes) -> None:
        """PSYNC with FAILOVER: the master hands its role to this server and becomes its replica."""
        replication = self._replication
        self._engine.log("notice", f"Failover request received for replid {replication_id.decode('latin-1')}.")
        if not replication.is_replica:
            raise CommandError("ERR PSYNC FAILOVER can't be sent to a master.")
        if replication_id.decode("latin-1").lower() != replication.replication_id:
            raise CommandError("ERR PSYNC FAILOVER replid must match my replid.")
        replication.promote()
        line = self._engine.acl.client_info(client).decode("latin-1")
        self._engine.log("notice", f"MASTER MODE enabled (failover request from '{line}')")

    def _await_channel(self, replica: Replica) -> None:
        """Has the replica open its RDB channel, which the number of its main channel identifies."""
        self._attach(replica)
        replica.state = NO_CHANNEL
        replica.acknowledged_at = self._engine.time.monotonic()
        self._replication.create_backlog()
        self._engine.log(
            "notice",
            f"Replica {replica.name} is capable of rdb channel synchronization, and partial sync isn't possible. Full "
            "sync will continue with dedicated rdb channel.",
        )
        replica.client.out.append(b"+RDBCHANNELSYNC %d\r\n" % replica.client.id)

    def begin_stream(self, channel: Replica, offset: int) -> None:
        """Begins the stream behind ``offset`` on the main channel of ``channel``, whose snapshot begins."""
        main = self._main(channel.main_id)
        if main is None or main.state != NO_CHANNEL:
            self._engine.log(
                "warning", f"Starting to deliver RDB to replica {channel.name} but it has no associated main channel"
            )
            return
        main.state = STREAMING
        main.initial_offset = offset
        main.place = offset + 1
        self._engine.log("notice", f"Starting to deliver RDB and replication stream to replica: {main.name}")

    def end_stream(self, channel: Replica) -> None:
        """Closes the main channel of ``channel``, which is lost before the end of its snapshot."""
        main = self._main(channel.main_id)
        if main is not None and main.state == STREAMING:
            main.client.link.abort()

    def channels_ended(self, success: bool) -> None:
        """The snapshot is made: puts the main channels online, or closes them if there is none."""
        for replica in list(self.replicas.values()):
            if replica.state == STREAMING:
                if success:
                    self.put_online(replica)
                else:
                    replica.client.link.abort()

    def _attach(self, replica: Replica) -> None:
        client = replica.client
        client.gates |= REPLICA
        client.link.drained = lambda: self._drained(replica)
        self.replicas[client] = replica

    def _continue(self, replica: Replica, asked: str, offset: int) -> bool:
        """Continues ``replica`` at ``offset`` of the history ``asked``; False if any of it is missing."""
        engine = self._engine
        replication = self._replication
        asked = asked.lower()
        known = asked == replication.replication_id
        if not known and (asked != replication.replication_id2 or offset > replication.second_offset):
            if asked.startswith("?"):
                kind = "(rdb-channel)" if replica.is_channel else ""
                engine.log("notice", f"Full resync requested by replica {replica.name} {kind}")
            elif asked == replication.replication_id2:
                engine.log(
                    "notice",
                    f"Partial resynchronization not accepted: Requested offset for second ID was {offset}, but I can "
                    f"reply up to {replication.second_offset}",
                )
            else:
                engine.log(
                    "notice",
                    f"Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{asked}', "
                    f"my replication IDs are '{replication.replication_id}' and '{replication.replication_id2}')",
                )
            return False
        end = replication.offset
        backlog = replication.stream.backlog
        if backlog is None or not backlog.first <= offset <= end + 1:
            engine.log(
                "notice",
                f"Unable to partial resync with replica {replica.name} for lack of backlog (Replica request was: "
                f"{offset}).",
            )
            if offset > end:
                engine.log(
                    "warning",
                    f"Warning: replica {replica.name} tried to PSYNC with an offset that is greater than the master "
                    "replication offset.",
                )
            return False
        self._attach(replica)
        replica.state = ONLINE
        replica.acknowledged_at = engine.time.monotonic()
        replica.silent = False
        replica.place = offset
        answer = b"+CONTINUE"
        if "psync2" in replica.capabilities:
            answer += b" " + replication.replication_id.encode()
        replica.client.out.append(answer + b"\r\n")
        engine.log(
            "notice",
            f"Partial resynchronization request from {replica.name} accepted. Sending {end + 1 - offset} bytes of "
            f"backlog starting from offset {offset}.",
        )
        self.count_good()
        return True

    # feeding

    def feed_replicas(self) -> None:
        """Ends a turn: answers clients that wait for acknowledgements, and sends replicas what is new."""
        engine = self._engine
        if self._acknowledged:
            self._acknowledged = False
            retry(engine, ACKNOWLEDGED)
            self._replication.failover.look()
        stream = self._replication.stream
        stream.encode()
        if self._getack_wanted and not engine.gates & IS_PAUSED:
            self._getack_wanted = False
            if not self._replication.is_replica:
                stream.write(GETACK)
        backlog = stream.backlog
        if backlog is None:
            return
        end = backlog.end
        needed = end + 1
        for client, replica in list(self.replicas.items()):
            if not replica.wants_stream or client.gates & CLOSING:
                continue
            if replica.place <= end and replica.takes_stream and not client.link.congested:
                data = backlog.read(replica.place, PIECE)
                replica.place += len(data)
                client.out.append(data)
                engine.turns.unflushed[client] = None
                if replica.place <= end:
                    engine.time.call_later(0, pump, replica, backlog)
            if replica.place < needed:
                needed = replica.place
                self._limit(replica)
        backlog.trim(needed)

    def _drained(self, replica: Replica) -> None:
        replica.stalled_since = None
        pump(replica, self._replication.stream.backlog)
        self._replication.replica_sync.drained()

    def _limit(self, replica: Replica) -> None:
        """Closes a replica whose pending bytes exceed the limits."""
        limits = self._engine.config.client_output_buffer_limit.replica
        hard, soft, seconds = limits
        # A limit below the size of the backlog would close replicas that could continue from the backlog at once.
        hard = max(hard, self._engine.config.repl_backlog_size) if hard else 0
        bytes_owed = owed(replica, self._replication.stream.backlog)
        now = self._engine.time.monotonic()
        over = bool(hard) and bytes_owed >= hard
        if soft and bytes_owed >= soft:
            if replica.soft_since is None:
                replica.soft_since = now
            over = over or now - replica.soft_since > seconds
        else:
            replica.soft_since = None
        if over:
            self._engine.stats.output_buffer_closed += 1
            self._engine.log(
                "warning",
                f"Client id={replica.client.id} addr={replica.client.link.address} scheduled to be closed ASAP for "
                "overcoming of output buffer limits.",
            )
            replica.client.link.abort()

    # acknowledgements

    def request_acknowledgements(self) -> None:
        """Asks every replica for its offset, at the end of the turn."""
        if self._replication.stream.backlog is None and not self._replication.is_replica:
            # The question takes its bytes in the stream even without a replica.
            self._replication.stream.write(GETACK)
        else:
            self._getack_wanted = True

    def count_acknowledged(self, offset: int) -> int:
        """The number of replicas that have processed the stream up to ``offset``."""
        return sum(
            1 for replica in self.replicas.values() if replica.state == ONLINE and replica.acknowledged >= offset
        )

    def count_synced(self, offset: int) -> int:
        """The number of replicas that have the stream up to ``offset`` on disk."""
        return sum(1 for replica in self.replicas.values() if replica.state == ONLINE and replica.synced >= offset)

    def count_good(self) -> None:
        """Counts the replicas within ``min-replicas-max-lag``, and denies writes if there are too few."""
        config = self._engine.config
        wanted, lag = config.min_replicas_to_write, config.min_replicas_max_lag
        if not (wanted and lag):
            self._engine.commands.deny(Denial.FEW_REPLICAS, None)
            return
        now = self._engine.time.monotonic()
        self.good_replicas = sum(
            1
            for replica in self.replicas.values()
            if replica.state == ONLINE and int(now - replica.acknowledged_at) <= lag
        )
        too_few = not self._replication.is_replica and self.good_replicas < wanted
        self._engine.commands.deny(Denial.FEW_REPLICAS, _deny if too_few else None)

    def caught_up(self) -> bool:
        """True if every replica has processed the whole stream."""
        offset = self._replication.offset
        return all(replica.acknowledged == offset for replica in self.replicas.values())

    def report(self) -> None:
        """Logs which replicas lag behind, and how many do not."""
        offset = self._replication.offset
        now = self._engine.time.monotonic()
        lagging = 0
        for replica in self.replicas.values():
            if replica.acknowledged != offset:
                lagging += 1
                lag = int(now - replica.acknowledged_at) if replica.state == ONLINE else 0
                self._engine.log(
                    "notice",
                    f"Lagging replica {replica.name} reported offset {offset - replica.acknowledged} behind master, "
                    f"lag={lag}, state={replica.state.strip()}.",
                )
        count = len(self.replicas)
        if count:
            self._engine.log("notice", f"{count - lagging} of {count} replicas are in sync when shutting down.")

    # online and gone

    def put_online(self, replica: Replica) -> bool:
        """Puts a replica online that has its snapshot; False if it wanted the snapshot alone."""
        if replica.snapshot_only:
            replica.state = "snapshot"
            self._engine.log(
                "notice",
                f"RDB transfer completed, rdb only replica ({replica.name}) should be disconnected asap",
            )
            return False
        replica.state = ONLINE
        replica.acknowledged_at = self._engine.time.monotonic()
        self.count_good()
        self._engine.log("notice", f"Synchronization with replica {replica.name} succeeded")
        return True

    def lost(self, client: Client) -> None:
        """Forgets a client that is gone, which may have been a replica."""
        replica = self.replicas.pop(client, None)
        if replica is None:
            return
        kind = " (rdbchannel)" if replica.is_channel else ""
        self._engine.log("notice", f"Connection with replica{kind} {replica.name} lost.")
        self._sent += client.link.figures.bytes_out
        client.link.drained = None
        replica.more = None
        if not self.replicas:
            self.deserted_at = self._engine.time.monotonic()
        self._replication.replica_sync.lost(replica)
        self.count_good()

    def disconnect_all(self) -> None:
        """Closes every replica, so that they have to ask again."""
        for client in list(self.replicas):
            client.link.abort()
            self.lost(client)

    # periodic work

    def cron(self) -> None:
        """Once a second: sends PING, closes silent replicas, and drops a backlog that nobody has come back for."""
        replication = self._replication
        config = self._engine.config
        now = self._engine.time.monotonic()
        # The offset must not move while a failover hands the role over, be it FAILOVER or CLUSTER FAILOVER.
        sends_pings = not replication.is_replica and not self._engine.pauses.runs(FAILOVER)
        if sends_pings and self.replicas and now >= replication.stream.written_at + config.repl_ping_replica_period:
            replication.stream.encode()
            replication.stream.write(PING)
        for replica in list(self.replicas.values()):
            if replica.state == ONLINE:
                heard = max(replica.acknowledged_at, replica.client.interacted)
                if not replica.speaks_sync and now - heard > config.repl_timeout:
                    self._engine.log("warning", f"Disconnecting timedout replica (streaming sync): {replica.name}")
                    replica.client.link.abort()
                    continue
            elif replica.stalled_since is not None and now - replica.stalled_since > config.repl_timeout:
                self._engine.log("warning", f"Disconnecting timedout replica (full sync): {replica.name}")
                replica.client.link.abort()
                continue
            if replication.stream.backlog is not None and replica.wants_stream:
                self._limit(replica)
        replication.replica_sync.cron(now)
        ttl = config.repl_backlog_ttl
        if (
            ttl
            and not self.replicas
            and replication.stream.backlog is not None
            and not replication.is_replica
            and now - self.deserted_at > ttl
        ):
            # Later writes are not counted, so they must not become a part of the known history.
            replication.change_id()
            replication.close_backlog()
            self._engine.log("notice", f"Replication backlog freed after {ttl} seconds without connected replicas.")
        self.count_good()
