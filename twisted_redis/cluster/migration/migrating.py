"""The source of a migration: it has the slots, and hands them over.

The destination has two connections here, which are ordinary clients.  One gets the snapshot, slot by slot; the other
one gets the writes to the slots that were sent.  A write to a slot that is not sent yet is part of its snapshot.  So
the destination, which executes the snapshot first, gets every change exactly once, and no child process is needed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from twisted_redis.cluster.nodes import slots_in
from twisted_redis.datatypes.table import type_of
from twisted_redis.engine.clients import Client
from twisted_redis.engine.declare.command_keys import routing_keys
from twisted_redis.engine.gates import IS_BUSY
from twisted_redis.engine.links import NullLink
from twisted_redis.engine.pause import SLOT_HANDOFF
from twisted_redis.engine.propagation import REPLICAS, Batch
from twisted_redis.keyspace.slots import key_slot
from twisted_redis.persistence.aof.commands import key_commands
from twisted_redis.persistence.rdb.payload import dump
from twisted_redis.resp.accelerated import pack_bulks, pack_command
from twisted_redis.resp.parser import Limits, RequestParser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from twisted_redis.cluster.migration.tasks import Task
    from twisted_redis.engine.engine import Engine
    from twisted_redis.engine.propagation import Unit

__all__ = ["MAIN", "MIGRATING", "RDB", "Migration", "split_command"]

#: The names of the two connections in DEBUG ASM-FAILPOINT, and the mark of their clients in ``Client.extra``.
MAIN = "migrate-main-channel"
RDB = "migrate-rdb-channel"
MIGRATING = "slot migration"

#: A value with more parts is sent as the commands that build it, so that the destination does not stand still.
_MOST_PARTS = 512
#: Bytes to hand to the connection at once.
_PIECE = 256 * 1024
#: The time (s) for which slots are encoded before others get a turn, and the number of commands that is enough.
_SLICE = 0.002
_MOST_PIECES = 1000
_SNAPSHOT_END = pack_bulks((b"CLUSTER", b"SYNCSLOTS", b"SNAPSHOT-EOF"))
_STREAM_END = pack_bulks((b"CLUSTER", b"SYNCSLOTS", b"STREAM-EOF"))


def split_command(encoded: bytes) -> list[bytes]:
    """Returns the words of one encoded command."""
    return RequestParser(Limits(1 << 62)).receive(encoded)[0]


class Migration:
    """One attempt.  It is a sink of effects from the beginning of the snapshot on."""

    audience = REPLICAS

    def __init__(
        self,
        engine: Engine,
        task: Task,
        client: Client,
        *,
        failed: Callable[[str], None],
        fails_at: Callable[[str, str], bool],
    ) -> None:
        self._engine = engine
        self.task = task
        self.main: Client | None = client
        self.rdb: Client | None = None
        self._failed = failed
        self._fails_at = fails_at
        self._feeding = False
        self._closed = False
        #: The slots that were sent, and those that follow.
        self._sent = bytearray(16384)
        self._left: Iterator[int] = iter(())
        self._pieces: deque[bytes] = deque()
        #: The commands of each key that rdb-key-save-delay holds back, and when the next one may go (monotonic, s).
        self._slow: deque[list[bytes]] = deque()
        self._next_at = 0.0
        self._pumping = False
        self._drained = False
        self._stalled_at: float | None = None
        #: Bytes of writes that were sent, and that the destination has executed.
        self.sent_bytes = 0
        self.acknowledged = 0
        self._target_state = ""
        self._began_at = 0.0
        self._caught_up_at: float | None = None
        self._soft_since: float | None = None
        client.extra[MIGRATING] = True

    @property
    def output(self) -> int:
        """Bytes of writes that wait on the main connection."""
        client = self.main
        return 0 if client is None else client.link.pending_output + sum(map(len, client.out))

    # the snapshot

    def begin_snapshot(self, client: Client) -> None:
        """The second connection is there."""
        engine = self._engine
        self.rdb = client
        client.extra[MIGRATING] = True
        task = self.task
        task.state = task.rdb_state = "wait-bgsave-start"
        client.link.drained = self._pump_soon
        client.out.append(b"+SLOTSSNAPSHOT\r\n")
        engine.turns.flush_later(client)
        engine.time.call_later(0, self._start)

    def _start(self) -> None:
        engine = self._engine
        if self._closed or self.rdb is None:
            return
        if self._fails_at(RDB, "wait-bgsave-start"):
            self.rdb.link.abort()
            self._failed("RDB channel - Failed to send slots snapshot")
            return
        task = self.task
        task.state = "send-bulk-and-stream"
        task.rdb_state = "rdbchannel-transfer"
        self._began_at = engine.time.monotonic()
        self._target_state = "accumulate-buffer"
        engine.effects.add_sink(self)
        self._feeding = True
        self._pieces.append(pack_bulks((b"FUNCTION", b"RESTORE", self._functions(), b"REPLACE")))
        self._pieces.append(pack_bulks((b"SELECT", b"0")))
        self._left = slots_in(task.slots)
        self._pump()

    def _functions(self) -> bytes:
        engine = self._engine
        command = engine.commands.find([b"FUNCTION", b"DUMP"])
        assert command is not None
        payload = command.function(Client(engine, NullLink()))
        assert isinstance(payload, bytes)
        return payload

    def _pump_soon(self) -> None:
        if not self._pumping and not self._closed:
            self._pumping = True
            self._engine.time.call_later(0, self._pump_later)

    def _pump_later(self) -> None:
        self._pumping = False
        self._pump()

    def _pump(self) -> None:
        """Sends pieces until the connection is congested, then slot after slot."""
        engine = self._engine
        while self.rdb is not None and not self._closed:
            link = self.rdb.link
            if link.congested:
                if self._stalled_at is None:
                    self._stalled_at = engine.time.monotonic()
                return
            self._stalled_at = None
            if self._pieces:
                self._send_pieces(self.rdb)
                self._pump_soon()
                return
            wait = self._next_at - engine.time.monotonic()
            if wait > 0:
                self._wait(wait)
                return
            if self._slow:
                self._pieces += self._slow.popleft()
                self._next_at = engine.time.monotonic() + engine.config.rdb_key_save_delay / 1_000_000
                continue
            if self._fails_at(RDB, "send-bulk-and-stream"):
                self._failed("RDB channel - Failed to send slots snapshot")
                return
            if not self._next_slots():
                self._finish_snapshot(self.rdb)
                return

    def _wait(self, seconds: float) -> None:
        if not self._pumping:
            self._pumping = True
            self._engine.time.call_later(seconds, self._pump_later)

    def _send_pieces(self, client: Client) -> None:
        size = 0
        while self._pieces and size < _PIECE:
            piece = self._pieces.popleft()
            size += len(piece)
            client.out.append(piece)
        client.link.flush()

    def _next_slots(self) -> bool:
        """Encodes slots for one slice of time; False if none is left."""
        monotonic = self._engine.time.monotonic
        until = monotonic() + _SLICE
        found = False
        while self._next_slot():
            found = True
            if self._slow or len(self._pieces) >= _MOST_PIECES or monotonic() >= until:
                break
        return found

    def _next_slot(self) -> bool:
        """Encodes the next slot that has keys; False if there is none."""
        engine = self._engine
        # Earlier writes belong to the snapshot of the slot, and later ones do not.
        engine.effects.deliver()
        db = engine.databases[0]
        index = db.slots
        for slot in self._left:
            self._sent[slot] = 1
            keys = [] if index is None else index.keys(slot)
            if not keys:
                continue
            expires = db.expires
            times = sum(key in expires for key in keys)
            facts = b"%d:%d:%d" % (slot, len(keys), times)
            add = self._pieces.append
            add(pack_bulks((b"CLUSTER", b"SYNCSLOTS", b"CONF", b"SLOT-INFO", facts)))
            slow = engine.config.rdb_key_save_delay > 0
            for key in keys:
                if slow:
                    self._slow.append([])
                    add = self._slow[-1].append
                _encode(key, db.data[key], db.expiry(key), add)
            return True
        return False

    def _finish_snapshot(self, client: Client) -> None:
        client.out.append(_SNAPSHOT_END)
        client.link.flush()
        client.link.drained = None
        self.task.state = "send-stream"
        self.task.rdb_state = "completed"
        if self.main is not None:
            self.main.interacted = self._engine.time.monotonic()

    # the writes

    def feed(self, units: Sequence[Unit]) -> None:
        """Sends the effects on slots that were sent already."""
        client = self.main
        if client is None or self._closed:
            return
        found: list[bytes] = []
        for unit in units:
            if isinstance(unit, Batch):
                found += [command for command in unit.commands if self._concerns(split_command(command))]
            else:
                for _, argv, audience in unit:
                    if audience & REPLICAS and self._concerns(argv):
                        found.append(pack_command(argv))
        if not found:
            return
        if self._fails_at(MAIN, self.task.state):
            self._fail_later("Main and RDB channel clients are disconnected.")
            self._engine.time.call_later(0, client.link.abort)
            return
        data = b"".join(found)
        self.sent_bytes += len(data)
        client.out.append(data)
        self._engine.turns.unflushed[client] = None
        self._limit(client)

    def missed(self) -> None:
        """Something was not sent: the attempt is worth nothing."""
        self._fail_later("Main channel - A write could not be sent")

    def _fail_later(self, reason: str) -> None:
        """Fails when the other sinks have got the effects, too: a sink must not leave while they are handed out."""
        self.main = None
        self._engine.time.call_later(0, self._fail_unless_closed, reason)

    def _fail_unless_closed(self, reason: str) -> None:
        if not self._closed:
            self._failed(reason)

    def _concerns(self, argv: list[bytes]) -> bool:
        command = self._engine.commands.find(argv)
        if command is None or command.name in ("publish", "spublish"):
            return False
        keys = routing_keys(command, argv)
        return bool(keys) and bool(self._sent[key_slot(keys[0])])

    def _limit(self, client: Client) -> None:
        """The limits of replicas hold for the destination."""
        engine = self._engine
        hard, soft, seconds = engine.config.client_output_buffer_limit.replica
        size = self.output
        now = engine.time.monotonic()
        over = bool(hard) and size >= hard
        if soft and size >= soft:
            self._soft_since = now if self._soft_since is None else self._soft_since
            over = over or now - self._soft_since > seconds
        else:
            self._soft_since = None
        if over:
            engine.stats.output_buffer_closed += 1
            engine.log(
                "warning",
                f"Client id={client.id} addr={client.link.address} scheduled to be closed ASAP for overcoming of "
                "output buffer limits.",
            )
            self._fail_later("Main and RDB channel clients are disconnected.")
            engine.time.call_later(0, client.link.abort)

    def acknowledge(self, state: str, offset: int) -> None:
        """The destination says how much of the writes it has executed."""
        engine = self._engine
        self._target_state = state
        if offset < self.acknowledged:
            return
        self.acknowledged = offset
        if state == "wait-stream-eof" and self._caught_up_at is None:
            self._caught_up_at = engine.time.monotonic()
        if self.task.state not in ("send-bulk-and-stream", "send-stream"):
            return
        engine.effects.deliver()
        most = engine.config.cluster_slot_migration_handoff_max_lag_bytes
        if offset + most < self.sent_bytes or self._fails_at(MAIN, "handoff-prep"):
            return
        engine.log(
            "notice",
            f"The applied offset lag {self.sent_bytes - offset} is less than the threshold {most}, pausing writes for "
            "slot handoff",
        )
        self._hand_over()

    # the end

    def _hand_over(self) -> None:
        engine = self._engine
        task = self.task
        task.state = "handoff"
        task.paused = engine.time.wall_ms()
        engine.pauses.hold_writes(SLOT_HANDOFF)
        engine.time.call_later(0, self._end_stream)

    def _end_stream(self) -> None:
        engine = self._engine
        client = self.main
        if self._closed or client is None or self.task.state != "handoff":
            return
        if engine.gates & IS_BUSY:
            # A script runs on, and may write.
            engine.time.call_later(0.01, self._end_stream)
            return
        if self._fails_at(MAIN, "handoff"):
            client.link.abort()
            self._failed("Main and RDB channel clients are disconnected.")
            return
        engine.effects.deliver()
        if self._closed:
            return
        engine.log("notice", "Slot migration command stream drained, sending STREAM-EOF to the destination")
        self._stop_feeding()
        client.out.append(_STREAM_END)
        engine.turns.flush_later(client)
        self.task.state = "stream-eof"
        # The destination closes the connections, since it may still send acknowledgements.
        self.main = None

    def _stop_feeding(self) -> None:
        if self._feeding:
            self._feeding = False
            self._engine.effects.remove_sink(self)

    def lost(self, client: Client) -> None:
        """A connection is gone."""
        if client is self.main:
            self.main = None
            self._failed("Main and RDB channel clients are disconnected.")
        elif client is self.rdb:
            self.rdb = None
            if self.task.rdb_state != "completed" and self.task.state in ("wait-bgsave-start", "send-bulk-and-stream"):
                self._failed("RDB channel - Failed to send slots snapshot")

    def close(self) -> None:
        """Ends the attempt: closes the connections, and lets clients write again."""
        if self._closed:
            return
        self._closed = True
        self._stop_feeding()
        for client in (self.main, self.rdb):
            if client is not None:
                client.link.drained = None
                self._engine.time.call_later(0, client.link.abort)
        self.main = self.rdb = None
        self._pieces.clear()
        self._slow.clear()
        self._engine.pauses.release(SLOT_HANDOFF)

    def tick(self) -> None:
        """Runs ten times a second: looks for a destination that does nothing."""
        engine = self._engine
        config = engine.config
        now = engine.time.monotonic()
        task = self.task
        if task.state == "send-bulk-and-stream":
            if self._stalled_at is not None and now - self._stalled_at > config.repl_timeout:
                self._failed("RDB channel - Failed to send slots snapshot")
        elif task.state == "send-stream" and self.main is not None:
            if now - self.main.interacted > config.repl_timeout:
                self._failed("Main channel - Connection timeout")
            elif self._target_state == "wait-stream-eof" and self._caught_up_at is not None:
                most = config.cluster_slot_migration_sync_buffer_drain_timeout / 1000
                if now - self._caught_up_at > max(most, (self._caught_up_at - self._began_at) * 2):
                    self._failed("Sync buffer drain timeout")
        elif task.state in ("handoff", "stream-eof"):
            most_ms = config.cluster_slot_migration_write_pause_timeout
            if engine.time.wall_ms() - task.paused >= most_ms:
                self._failed(
                    f"Write pause timeout during slot handoff: destination did not take ownership within {most_ms} ms."
                )


def _encode(key: bytes, value: object, expire: int | None, add: Callable[[bytes], object]) -> None:
    """Calls ``add`` with the commands that build ``value`` at ``key``."""
    if value.__class__ is bytes or type_of(value).effort(value) > _MOST_PARTS:
        key_commands(key, value, expire, add)
    else:
        payload = dump(value, compressed=False, whole=True)
        add(pack_bulks((b"RESTORE", key, b"%d" % (expire or 0), payload, b"ABSTTL")))
