"""The destination of a migration: it gets the slots.

The main connection agrees on the slots; then a second one brings the snapshot, as commands that are executed at once.
Meanwhile the main connection brings the writes since the snapshot, which wait until all of it is there.  When they are
executed, the source learns how far this node has come.  At last it holds back writes and says that nothing more comes
(STREAM-EOF), and this node takes the slots over.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from twisted_redis.cluster.migration.channels import Channel
from twisted_redis.cluster.nodes import ranges
from twisted_redis.engine.ports.replication import IN_STREAM
from twisted_redis.resp.cstrings import keyword

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted_redis.cluster.migration.channels import Connect
    from twisted_redis.cluster.migration.tasks import Task
    from twisted_redis.engine.engine import Engine

__all__ = ["MAIN", "RDB", "Import"]

#: The names of the two connections in DEBUG ASM-FAILPOINT.
MAIN = "import-main-channel"
RDB = "import-rdb-channel"

#: Bytes that are executed at once, and the time (s) for which waiting bytes are executed before others get a turn.
_PIECE = 16 * 1024
_SLICE = 0.005


class Import:
    """One attempt.  ``fails_at`` says whether a test wants a connection to break in a state."""

    def __init__(
        self,
        engine: Engine,
        task: Task,
        connect: Connect,
        address: tuple[str, int],
        login: bytes,
        *,
        failed: Callable[[str], None],
        take_over: Callable[[], None],
        fails_at: Callable[[str, str], bool],
    ) -> None:
        self._engine = engine
        self.task = task
        self._connect = connect
        self._address = address
        self._login = login
        self._failed = failed
        self._take_over = take_over
        self._fails_at = fails_at
        self._main = Channel(self._main_made, self._main_line, self._main_lost)
        self._rdb = Channel(self._rdb_made, self._rdb_line, self._rdb_lost)
        #: The writes that wait for the end of the snapshot.
        self._waiting: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.peak = 0
        self._stream_ended = False
        self._full = False
        self._closed = False
        self._acknowledged_at = 0.0

    def start(self) -> None:
        """Connects to the source."""
        self.task.state = "connecting"
        self._main.open(self._connect, *self._address)

    def close(self) -> None:
        """Ends the attempt; nobody is told."""
        self._closed = True
        self._main.close()
        self._rdb.close()
        self._waiting.clear()
        self.waiting_bytes = 0

    # the main connection

    def _broken(self, channel: str, state: str) -> bool:
        """Breaks a connection where a test wants that."""
        if not self._fails_at(channel, state):
            return False
        (self._main if channel == MAIN else self._rdb).fail()
        return True

    def _main_lost(self, reason: str) -> None:
        if self.task.state in ("streaming-buffer", "wait-stream-eof"):
            self._failed(f"Main channel - {reason}")
        elif self.task.state == "accumulate-buffer":
            self._failed(f"Main channel - Read error: {reason}")
        else:
            self._failed(f"Main channel - Failed to sync with source node: {reason}")

    def _main_made(self) -> None:
        if not self._broken(MAIN, "connecting"):
            self._main.send(b"AUTH", b"internal connection", self._login)
            self.task.state = "auth-reply"

    def _main_line(self, line: bytes) -> None:
        task = self.task
        state = task.state
        if self._broken(MAIN, state):
            return
        text = line.decode("latin-1")
        log = self._engine.log
        if state == "auth-reply":
            if line != b"+OK":
                self._main.fail(f"Error reply to AUTH from the source: {text}")
                return
            log("notice", "Source node replied to AUTH command, syncslots can continue...")
            self._main.send(b"CLUSTER", b"SYNCSLOTS", b"CONF", b"NODE-ID", task.target.encode())
            task.state = "handshake-reply"
        elif state == "handshake-reply":
            if line != b"+OK":
                self._main.fail(f"Error reply to CLUSTER SYNCSLOTS CONF from the source: {text}")
                return
            log("notice", "Source node replied to SYNCSLOTS CONF command, syncslots can continue...")
            self.send_request()
        elif state == "syncslots-reply":
            self._request_answered(line, text)

    def send_request(self) -> None:
        """Asks for the slots, for the first time or because the source was not ready."""
        task = self.task
        bounds = [b"%d" % bound for pair in ranges(task.slots) for bound in pair]
        self._main.send(b"CLUSTER", b"SYNCSLOTS", b"SYNC", task.name.encode(), *bounds)
        task.state = "syncslots-reply"

    def _request_answered(self, line: bytes, text: str) -> None:
        task = self.task
        log = self._engine.log
        if line.startswith(b"-NOTREADY"):
            task.state = "send-syncslots"
            log("notice", "Source node replied to SYNCSLOTS SYNC with -NOTREADY, will retry later...")
            return
        if not line.startswith(b"+RDBCHANNELSYNCSLOTS"):
            self._main.fail(f"Error reply to CLUSTER SYNCSLOTS SYNC from the source: {text}")
            return
        log("notice", "Source node replied to SYNCSLOTS SYNC, syncslots can continue...")
        task.state = "init-rdbchannel"
        self._main.take(self._stream)
        task.rdb_state = "connecting"
        self._rdb.open(self._connect, *self._address)

    # the second connection

    def _rdb_lost(self, reason: str) -> None:
        if self.task.rdb_state == "rdbchannel-transfer":
            self._failed(f"RDB channel - {reason}")
        else:
            self._failed(f"RDB channel - Failed to sync with the source node: {reason}")

    def _rdb_made(self) -> None:
        if not self._broken(RDB, "connecting"):
            self._rdb.send(b"AUTH", b"internal connection", self._login)
            self.task.rdb_state = "auth-reply"

    def _rdb_line(self, line: bytes) -> None:
        task = self.task
        if self._broken(RDB, task.rdb_state):
            return
        text = line.decode("latin-1")
        log = self._engine.log
        if task.rdb_state == "auth-reply":
            if line != b"+OK":
                self._rdb.fail(f"Error reply to AUTH from source: {text}")
                return
            log(
                "notice",
                "Source node replied to AUTH command, syncslots rdb channel operation can continue...",
            )
            self._rdb.send(b"CLUSTER", b"SYNCSLOTS", b"RDBCHANNEL", task.name.encode())
            task.rdb_state = "rdbchannel-reply"
        elif task.rdb_state == "rdbchannel-reply":
            if not line.startswith(b"+SLOTSSNAPSHOT"):
                self._rdb.fail(f"Error reply to CLUSTER SYNCSLOTS RDBCHANNEL from the source: {text}")
                return
            log("notice", "Source node replied to SLOTSSNAPSHOT, syncing slots snapshot can continue...")
            task.state = "accumulate-buffer"
            task.rdb_state = "rdbchannel-transfer"
            self._rdb.apply(self._engine)
            self._rdb.take(self._snapshot)

    def _snapshot(self, data: bytes) -> None:
        applier = self._rdb.applier
        assert applier is not None
        try:
            applier.receive(data, self._snapshot_message)
        except ValueError as problem:
            self._rdb.fail(str(problem))

    def _snapshot_message(self, words: list[bytes]) -> None:
        """SYNCSLOTS CONF SLOT-INFO needs no action here: dicts grow by themselves."""
        if keyword(words[0]) != b"SNAPSHOT-EOF" or self._broken(RDB, "rdbchannel-transfer"):
            return
        self._engine.log("notice", "RDB channel snapshot transfer completed for the import task.")
        self.task.rdb_state = "completed"
        self.task.state = "ready-to-stream"
        self._rdb.close()
        self._engine.time.call_later(0, self._begin_stream)

    # the writes since the snapshot

    def _stream(self, data: bytes) -> None:
        state = self.task.state
        if state in ("accumulate-buffer", "streaming-buffer") and self._broken(MAIN, state):
            return
        if state == "wait-stream-eof":
            self._execute(data)
            return
        self._waiting.append(data)
        self.waiting_bytes += len(data)
        self.peak = max(self.peak, self.waiting_bytes)
        limit = self._engine.config.replica_full_sync_buffer_limit
        if state != "streaming-buffer" and limit and self.waiting_bytes > limit:
            if not self._full:
                self._full = True
                self._engine.log(
                    "notice",
                    "Slots sync buffer limit has been reached: further changes will be accumulated on the source side",
                )
            self._main.read(False)

    def _begin_stream(self) -> None:
        if self._closed or self.task.state != "ready-to-stream":
            return
        self.task.state = "streaming-buffer"
        self._engine.log(
            "notice", f"Starting to stream accumulated buffer for the import task ({self.waiting_bytes} bytes)"
        )
        self._main.apply(self._engine)
        self._main.read(True)
        self._work()

    def _work(self) -> None:
        """Executes waiting writes for one slice of time."""
        engine = self._engine
        if self._closed or self.task.state != "streaming-buffer":
            return
        engine.replication.pause_at(IN_STREAM)
        delay = engine.config.key_load_delay
        monotonic = engine.time.monotonic
        until = monotonic() + _SLICE
        with engine.in_turn:
            while self._waiting and not self._closed:
                data = self._waiting.popleft()
                if len(data) > _PIECE:
                    self._waiting.appendleft(data[_PIECE:])
                    data = data[:_PIECE]
                self.waiting_bytes -= len(data)
                self._execute(data)
                if monotonic() > until or delay > 0:
                    break
        if self._closed:
            return
        self._acknowledge_now_and_then()
        if self._waiting:
            engine.time.call_later(max(0, delay) / 1_000_000, self._work)
            return
        if self._stream_ended:
            self._take_over()
            return
        assert self._main.applier is not None
        self.task.state = "wait-stream-eof"
        engine.log(
            "notice",
            "Successfully streamed accumulated buffer for the import task, applied offset: "
            f"{self._main.applier.offset}",
        )
        if not self._broken(MAIN, "wait-stream-eof"):
            self.acknowledge()

    def _execute(self, data: bytes) -> None:
        applier = self._main.applier
        assert applier is not None
        try:
            applier.receive(data, self._stream_message)
        except ValueError as problem:
            self._main.fail(str(problem))

    def _stream_message(self, words: list[bytes]) -> None:
        if keyword(words[0]) != b"STREAM-EOF":
            return
        if self.task.state == "streaming-buffer":
            self._stream_ended = True
            self._engine.log("notice", "CLUSTER SYNCSLOTS STREAM-EOF received during streaming buffer")
        else:
            self._engine.log("notice", "CLUSTER SYNCSLOTS STREAM-EOF received when waiting for STREAM-EOF")
            self._stream_ended = True
            self._engine.time.call_later(0, self._take_over_soon)

    def _take_over_soon(self) -> None:
        if not self._closed:
            self._take_over()

    def acknowledge(self) -> None:
        """Tells the source how much of its writes was executed."""
        if self._main.applier is not None:
            self._acknowledged_at = self._engine.time.monotonic()
            offset = b"%d" % self._main.applier.offset
            self._main.send(b"CLUSTER", b"SYNCSLOTS", b"ACK", self.task.state.encode(), offset)

    def _acknowledge_now_and_then(self) -> None:
        if self._engine.time.monotonic() - self._acknowledged_at >= 0.1:
            self.acknowledge()

    # periodic work

    def tick(self) -> None:
        """Runs ten times a second: acknowledges, and looks for a silent source."""
        engine = self._engine
        timeout = engine.config.repl_timeout
        now = engine.time.monotonic()
        task = self.task
        main, rdb = self._main.applier, self._rdb.applier
        if task.state == "wait-stream-eof" and main is not None:
            self.acknowledge()
            if now - main.client.interacted > timeout:
                self._failed("Main channel - Connection timeout")
        elif task.state == "accumulate-buffer" and rdb is not None and now - rdb.client.interacted > timeout:
            self._failed("RDB channel - Connection timeout")
