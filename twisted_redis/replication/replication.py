"""Replication of one server: its history, the replicas that it has, and the master that it follows.

``replication_id`` names the history of writes that ``stream`` is a part of.  When a server stops following, it begins a
history of its own under a new name.  It remembers the former name as ``replication_id2``, valid up to
``second_offset``, so that the other replicas of its master can continue from it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any, BinaryIO

from twisted_redis.engine.blocking import retry, unblock_all
from twisted_redis.engine.clients import MASTER, Client
from twisted_redis.engine.declare.flags import WRITE
from twisted_redis.engine.declare.table import Command
from twisted_redis.engine.engine import Engine
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.gates import IS_STALE, Denial, flags_of
from twisted_redis.engine.mishaps import report
from twisted_redis.engine.parse import integer_or_none
from twisted_redis.engine.ports.replication import ACKNOWLEDGED, NO_ID
from twisted_redis.engine.propagation import Effect
from twisted_redis.engine.transactions import touch_database
from twisted_redis.persistence.children import Children
from twisted_redis.persistence.loading import LoadError, Loading, Steps
from twisted_redis.persistence.rdb.crc64 import crc64
from twisted_redis.persistence.snapshots import Snapshots
from twisted_redis.replication.failover import Failover
from twisted_redis.replication.follower import Cached, Follower
from twisted_redis.replication.info import replication_fields, role_reply, stats_fields
from twisted_redis.replication.master import Master
from twisted_redis.replication.memory import tell_memory
from twisted_redis.replication.replica_sync import ReplicaSync
from twisted_redis.replication.stream import MOST_OFFSET, Stream
from twisted_redis.replication.writable import OwnKeys
from twisted_redis.resp.accelerated import pack_bulks
from twisted_redis.resp.types import Reply

__all__ = ["Replication"]


class Replication:
    """The replication port of the engine."""

    def __init__(self, engine: Engine, children: Children, loading: Loading, snapshots: Snapshots) -> None:
        self.engine = engine
        self.loading = loading
        #: The snapshots on disk of this server.
        self.snapshots = snapshots
        #: Called before and after a snapshot of the master replaces the data.
        self.before_load: list[Callable[[], None]] = []
        self.after_load: list[Callable[[], None]] = []
        #: The history that ``stream`` is a part of, and the one before the last promotion.
        self.replication_id = os.urandom(20).hex()
        self.replication_id2 = NO_ID
        self.second_offset = -1
        self.synced = -1
        self.debug_pauses: set[str] = set()
        self.stream = Stream(engine, self._start_over)
        self.replica_sync = ReplicaSync(self, children)
        self.master = Master(self)
        self.follower = Follower(self)
        self.failover = Failover(self)
        self.own_keys = OwnKeys(engine)
        self._ticked_at = engine.time.monotonic()
        self._feeding = False
        engine.replication = self
        engine.departed.append(self.master.lost)
        engine.info.add("replication", lambda: replication_fields(self))
        engine.info.add("stats", lambda: stats_fields(self))
        tell_memory(self)
        engine.turns.before_replies.append(self.end_turn)
        engine.stats.resetters += [self.master.reset_figures, self.follower.reset_figures]
        config = engine.config
        config.on_apply("appendonly", self._feed_or_not)
        config.on_apply("repl-backlog-size", self._resize)
        config.on_apply(("min-replicas-to-write", "min-replicas-max-lag"), self.master.count_good)
        config.on_apply(("replica-read-only", "replica-serve-stale-data"), self.refresh_gates)
        if config.replicaof is not None:
            self.follower.configured(*config.replicaof)
        self._feed_or_not()
        self.master.count_good()

    # the history

    @property
    def is_replica(self) -> bool:
        """True if this server follows a master."""
        return self.follower.host is not None

    @property
    def failing_over(self) -> bool:
        """True while FAILOVER is at work."""
        return self.failover.running

    @property
    def offset(self) -> int:
        """The offset of the last byte of the stream."""
        return self.stream.offset

    @property
    def reached(self) -> int:
        """The offset of the stream, or how much of it this replica has executed."""
        return self.follower.offset if self.is_replica else self.offset

    @property
    def silence(self) -> int:
        """For how long this replica has heard nothing from its master (ms): without end if it never has."""
        follower = self.follower
        since = follower.heard_at if follower.connected else follower.down_since
        return MOST_OFFSET if since is None else int((self.engine.time.monotonic() - since) * 1000)

    def create_backlog(self) -> None:
        """Begins to keep the stream for the first replica, under a new name, because earlier bytes are missing."""
        if self.stream.backlog is not None:
            return
        self.change_id()
        self.second_offset = -1
        self.open_backlog()
        self.engine.log(
            "notice",
            f"Replication backlog created, my new replication IDs are '{self.replication_id}' and "
            f"'{self.replication_id2}'",
        )

    def open_backlog(self) -> None:
        """Begins to keep the stream."""
        self.stream.open_backlog()
        self._feed_or_not()

    def close_backlog(self) -> None:
        """Drops the stream."""
        self.second_offset = -1
        self.stream.close_backlog()
        self._feed_or_not()

    def trim_backlog(self) -> None:
        """Drops the bytes beyond the limit that no replica needs."""
        backlog = self.stream.backlog
        if backlog is not None:
            places = [each.place for each in self.master.replicas.values() if each.wants_stream]
            backlog.trim(min(places, default=backlog.end + 1))

    def adopt(self, replication_id: str, offset: int) -> None:
        """Takes over the history of a master at ``offset``, after its data are loaded."""
        self.replication_id = replication_id
        self.replication_id2 = NO_ID
        self.second_offset = -1
        self.stream.move(offset)
        self.open_backlog()

    def change_id(self) -> None:
        """Takes new replication ids, so that no replica can continue from the old ones."""
        self.replication_id = os.urandom(20).hex()
        self.replication_id2 = NO_ID

    def shift_id(self) -> None:
        """Begins a new history at the end of the present one."""
        engine = self.engine
        self.replication_id2 = self.replication_id
        self.second_offset = self.offset + 1
        self.replication_id = os.urandom(20).hex()
        engine.log(
            "notice",
            f"Setting secondary replication ID to {self.replication_id2}, valid up to offset: {self.second_offset}. "
            f"New replication ID is {self.replication_id}",
        )

    def rename_history(self, replication_id: str) -> None:
        """Follows the master to another name of the history."""
        self.replication_id2 = self.replication_id
        self.second_offset = self.offset + 1
        self.replication_id = replication_id
        self.master.disconnect_all()

    def aux(self) -> dict[bytes, bytes]:
        """The fields of an RDB file with which a restarted server can continue the history; none without a history."""
        database = self.follower.database if self.is_replica else max(0, self.stream.selected)
        if self.is_replica:
            if database < 0:
                return {}
        elif self.stream.backlog is None:
            return {}
        return {
            b"repl-stream-db": b"%d" % database,
            b"repl-id": self.replication_id.encode(),
            b"repl-offset": b"%d" % (self.follower.offset if self.is_replica else self.offset),
        }

    def begin_at(self, offset: int) -> None:
        """Continues the stream at the end of the append-only file, at the start of the server."""
        self.stream.move(offset)

    def restore(self, aux: dict[bytes, bytes], dropped: list[tuple[int, bytes]]) -> None:
        """Continues the history that a loaded file is a part of; ``dropped`` are the keys that had expired in it."""
        name = aux.get(b"repl-id", b"").decode("latin-1")
        number = integer_or_none(aux.get(b"repl-offset", b""))
        database = integer_or_none(aux.get(b"repl-stream-db", b"0"))
        if len(name) != len(NO_ID) or number is None or not 0 <= number <= MOST_OFFSET:
            return
        if database is None or database < 0:
            return
        engine = self.engine
        if self.is_replica:
            self.replication_id = name
            self.stream.move(number)
            self.follower.remember(Cached(name, number, min(database, len(engine.databases) - 1)))
        else:
            # A restarted master: its replicas may continue from their data, under its former name.
            self.replication_id2 = name
            self.second_offset = number + 1
            self.stream.move(number)
            self.open_backlog()
            for index, key in dropped:
                self.stream.feed([[Effect(index, [b"DEL", key])]])
            self.stream.encode()
            self.trim_backlog()
            self.master.deserted_at = engine.time.monotonic()

    # replacing all data

    def attach_to_new_master(self) -> None:
        """The data of another master replace ours: replicas have to synchronize again, and no cached place is valid."""
        self.engine.cluster.data_replaced("")
        self.follower.remember(None)
        self.master.disconnect_all()
        self.stream.close_backlog()

    def flush_all(self) -> None:
        """Removes all data; tells only the clients that watch or cache keys."""
        engine = self.engine
        for db in engine.databases:
            touch_database(db, None)
        engine.tracking.flushed()
        for db in engine.databases:
            engine.lazyfree.flush(db, engine.config.replica_lazy_flush)

    def replace_functions(self, codes: list[bytes]) -> None:
        """Replaces the libraries of functions with those of a snapshot."""
        libraries = self.engine.scripting.libraries
        if codes or libraries.codes():
            libraries.flush()
            for code in codes:
                libraries.load(code, limited=False)

    def verify(self, file: BinaryIO) -> Steps:
        """Reads a snapshot in slices and compares its checksum; LoadError if it is wrong."""
        if not self.engine.config.rdbchecksum:
            return
        size = os.fstat(file.fileno()).st_size
        if size < 17:
            raise LoadError(size, "Unexpected EOF reading RDB file")
        left = size - 8
        crc = 0
        head = b""
        while left:
            data = file.read(min(left, 1 << 20))
            if not data:
                raise LoadError(size - left, "Unexpected EOF reading RDB file")
            head = head or data[:9]
            left -= len(data)
            crc = crc64(data, crc)
            if left:
                yield
        stored = int.from_bytes(file.read(8), "little")
        if not head.startswith((b"REDIS", b"VALKEY")):
            raise LoadError(0, "Wrong signature trying to load DB from file")
        if stored and stored != crc and self.engine.payload_checksums:
            raise LoadError(size - 8, f"Wrong RDB checksum expected: ({crc:x}) but got ({stored:x}). Aborting now.")

    def remove_sync_file(self, reason: str) -> None:
        """Removes the snapshot of a synchronization if ``rdb-del-sync-files`` says so and nobody else needs files."""
        config = self.engine.config
        if config.rdb_del_sync_files and not config.save and not config.appendonly:
            self.engine.log("notice", f"Removing the RDB file {reason}")
            try:
                os.unlink(self.snapshots.path)
            except OSError:
                pass

    # gates

    def refresh_gates(self) -> None:
        """Sets the gates and denials of a replica, or clears them."""
        engine = self.engine
        replica = self.is_replica
        engine.oom_score.follow_role()
        engine.state.hide_expired = replica
        engine.commands.deny(Denial.READ_ONLY_REPLICA, self._deny_on_replica if replica else None)
        if not replica or engine.config.replica_read_only:
            self.own_keys.clear()
        is_stale = replica and not self.follower.connected and not engine.config.replica_serve_stale_data
        engine.set_gate(IS_STALE, is_stale)
        self.master.count_good()
        self._feed_or_not()

    def _deny_on_replica(self, client: Client, command: Command, argv: list[bytes]) -> None:
        if flags_of(command, client) & WRITE and not client.gates & MASTER:
            if self.engine.config.replica_read_only:
                raise CommandError("READONLY You can't write against a read only replica.")
            self.own_keys.before(client, command, argv)

    def _feed_or_not(self) -> None:
        """Takes effects if there are replicas, or an append-only file whose offset WAITAOF needs."""
        engine = self.engine
        wanted = not self.is_replica and (self.stream.backlog is not None or engine.config.appendonly)
        if wanted and not self._feeding:
            engine.effects.writers = {}
            engine.effects.add_sink(self.stream)
        elif self._feeding and not wanted:
            self.stream.encode()
            engine.effects.writers = None
            engine.effects.remove_sink(self.stream)
        self._feeding = wanted
        engine.effects.refresh()  # the audience of the stream may have changed

    def _resize(self) -> None:
        if self.stream.backlog is not None:
            self.stream.backlog.size = self.engine.config.repl_backlog_size
            self.trim_backlog()

    # the port of commands

    def synced_until(self, offset: int) -> None:
        """Notes the offset up to which the append-only file is on disk."""
        if offset == self.synced:
            return
        self.synced = offset
        with self.engine.in_turn:
            retry(self.engine, ACKNOWLEDGED)

    def written_offset(self, client: Client) -> int:
        """The offset of the stream after the last write of ``client``."""
        self.stream.encode()
        return client.written_offset

    def count_acknowledged(self, offset: int) -> int:
        """The number of replicas that have processed the stream up to ``offset``."""
        return self.master.count_acknowledged(offset)

    def count_synced(self, offset: int) -> int:
        """The number of replicas that have the stream up to ``offset`` on disk."""
        return self.master.count_synced(offset)

    def request_acknowledgements(self) -> None:
        """Asks the replicas for their offsets."""
        self.master.request_acknowledgements()

    def inject(self, argv: list[bytes]) -> None:
        """Puts a command into the stream without executing it (DEBUG REPLICATE)."""
        if not self.is_replica:
            self.stream.encode()
            self.stream.write(pack_bulks(tuple(argv)))

    def misbehaved(self, client: Client, reply: Reply) -> bool:
        """True if the reply to the command of a replica must not be sent."""
        return self.master.misbehaved(client, reply)

    def configure(self, client: Client, options: tuple[bytes, ...]) -> Reply:
        """REPLCONF."""
        return self.master.configure(client, options)

    def synchronise(self, client: Client, replication_id: bytes | None, offset: bytes, failover: bool) -> Reply:
        """PSYNC and SYNC."""
        return self.master.synchronise(client, replication_id, offset, failover)

    def follow(self, host: str, port: int) -> bool:
        """Becomes a replica; False if it follows that master already."""
        follower = self.follower
        if follower.host is not None and follower.host.lower() == host.lower() and follower.port == port:
            return False
        was_master = not self.is_replica
        if was_master:
            self.stream.encode()
        unblock_all(
            self.engine,
            b"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
        )
        follower.follow(host, port, was_master)
        return True

    def promote(self) -> bool:
        """Becomes a master; False if it is one already."""
        if not self.is_replica:
            return False
        self.follower.stop()
        self.shift_id()
        self.master.disconnect_all()
        self.stream.forget_database()
        self.master.deserted_at = self.engine.time.monotonic()
        self.refresh_gates()
        for begin in self.after_load:
            begin()
        return True

    def role(self) -> Reply:
        """ROLE."""
        return role_reply(self)

    def fail_over(self, host: str | None, port: int, force: bool, timeout_ms: int) -> None:
        """FAILOVER."""
        self.failover.begin(host, port, force, timeout_ms)

    def abort_failover(self) -> None:
        """FAILOVER ABORT."""
        self.failover.abort_by_user()

    def pause_at(self, point: str) -> bool:
        """Stops the process, until it is continued, if DEBUG REPL-PAUSE names ``point``; returns whether it did."""
        if point not in self.debug_pauses:
            return False
        self.engine.log("notice", "Process is about to stop.")
        os.kill(os.getpid(), signal.SIGSTOP)
        self.engine.log("notice", "Process has been continued.")
        return True

    # periodic work

    def end_turn(self) -> None:
        """Sends replicas what the turn has added to the stream."""
        if self._feeding or self.stream.backlog is not None:
            try:
                self.master.feed_replicas()
            except Exception:
                report(self.engine, "Bug in feeding the replicas")
                self._start_over()

    def _start_over(self) -> None:
        """Begins another history after the stream has lost effects: all replicas have to synchronize again."""
        self.engine.log("warning", "The replication stream is incomplete: all replicas have to synchronize again")
        self.stream.move(self.stream.end)
        self.stream.forget_database()
        self.change_id()
        self.second_offset = -1
        self.master.disconnect_all()
        self._feed_or_not()

    def tick(self, now: float) -> None:
        """The periodic work, several times a second."""
        self.replica_sync.look()
        self.failover.look()
        if self.own_keys and self.engine.expiry.active:
            with self.engine.in_turn:
                self.own_keys.expire()
        if now - self._ticked_at >= 1.0:
            self._ticked_at = now
            with self.engine.in_turn:
                self.follower.cron(now)
                self.master.cron()

    def start(self, connect: Callable[[str, int, Any], Any], address: Callable[[], int]) -> None:
        """Starts: ``connect(host, port, factory)`` opens connections, ``address()`` returns the port to announce."""
        self.follower.start(connect, address)
