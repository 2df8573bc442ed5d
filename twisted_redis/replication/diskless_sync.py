"""Diskless synchronization: a child writes a snapshot to a pipe, and its bytes go to the sockets of replicas.

The pipe is read as fast as the slowest replica takes the bytes.  The child stays until the replicas have taken
everything, so that INFO shows the transfer until its end.  RDB channels are fed in the same way.  They may be closed by
their replicas as soon as these have everything, which can be before the end of the child.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_redis.persistence.children import Child
from twisted_redis.persistence.saving import facts, write_snapshot
from twisted_redis.replication.replicas import RECEIVING, Replica, Request

if TYPE_CHECKING:
    from twisted_redis.replication.replication import Replication

__all__ = ["DisklessSync", "Pipe"]

#: The number of bytes that are read from the pipe at once, and its size where the system lets us choose.
PIECE = 256 * 1024
_SET_SIZE = 1031  # F_SETPIPE_SZ of Linux


@implementer(IReadDescriptor)
class Pipe:
    """The reading end of a pipe as a descriptor of the reactor; it calls ``ended`` when the other end is closed."""

    def __init__(self, fd: int, received: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._fd = fd
        self._received = received
        self._ended = ended

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def logPrefix(self) -> str:
        """The name for the log."""
        return "Pipe"

    def doRead(self) -> None:
        """Passes on the bytes that have come."""
        try:
            data = os.read(self._fd, PIECE)
        except BlockingIOError:
            return
        if data:
            self._received(data)
        else:
            self._ended()

    def connectionLost(self, reason: Failure) -> None:
        """Called when the other end is closed, by some reactors, and when the reactor stops."""
        if self._fd >= 0:
            self._ended()

    def close(self) -> None:
        """Closes the descriptor."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class DisklessSync:
    """One snapshot, streamed to ``replicas``."""

    def __init__(self, replication: Replication, replicas: list[Replica]) -> None:
        self._replication = replication
        self._engine = replication.engine
        self._reactor: Any = replication.engine.time.scheduler
        self.replicas = list(replicas)
        self._pipe: Pipe | None = None
        self._reading = False
        self._over = False
        self._release = -1
        #: The last bytes of a snapshot; they occur nowhere else in it.
        self._mark = b""
        #: The last bytes that the replicas were sent, as many as the mark has.
        self._tail = b""

    def start(self, request: Request) -> None:
        """Forks the child; OSError if that cannot be done."""
        engine = self._engine
        without = request.without
        mark = self._mark = os.urandom(20).hex().encode()
        reading, writing = os.pipe()
        try:
            held, self._release = os.pipe()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        os.set_blocking(reading, False)
        import fcntl  # not at the top: Windows has neither this module nor fork

        try:
            fcntl.fcntl(writing, _SET_SIZE, 1 << 20)
        except OSError:
            pass

        def write(data: bytes) -> None:
            view = memoryview(data)
            while view:
                view = view[os.write(writing, view) :]

        def work(child: Child) -> bool:
            config = engine.config
            write(b"$EOF:%b\r\n" % mark)
            write_snapshot(
                write,
                [] if "data" in without else engine.databases,
                aux=facts(engine),
                functions=[] if "functions" in without else engine.scripting.libraries.codes(),
                version=request.version,
                compressed=config.rdbcompression and request.compressed,
                checksum=config.rdbchecksum and request.checksum,
                policy=config.maxmemory_policy,
                progress=child.report,
                key_delay=config.rdb_key_save_delay,
                legs=child.legs,
            )
            write(mark)
            child.finish()
            os.close(writing)
            os.read(held, 1)
            return True

        try:
            pid = self._replication.replica_sync.children.fork(
                "rdb", work, self._ended, program="redis-rdb-to-slaves", keep=(writing, held)
            )
        except OSError:
            os.close(reading)
            os.close(self._release)
            raise
        finally:
            os.close(writing)
            os.close(held)
        engine.log("notice", f"Background RDB transfer started by pid {pid} to parent process pipe")
        self._pipe = Pipe(reading, self._received, self._pipe_ended)
        self._read(True)

    def _read(self, wanted: bool) -> None:
        if self._pipe is not None and wanted != self._reading and not self._over:
            (self._reactor.addReader if wanted else self._reactor.removeReader)(self._pipe)
            self._reading = wanted

    def _received(self, data: bytes) -> None:
        size = len(self._mark)
        self._tail = data[-size:] if len(data) >= size else (self._tail + data)[-size:]
        congested = False
        for replica in list(self.replicas):
            client = replica.client
            client.out.append(data)
            client.link.flush()
            if client.link.congested:
                congested = True
                if replica.stalled_since is None:
                    replica.stalled_since = self._engine.time.monotonic()
        if congested:
            self._read(False)

    def drained(self) -> None:
        """A replica has taken what it was sent: reads on if all of them have."""
        if not any(replica.client.link.congested for replica in self.replicas):
            if self._over:
                self._let_go()
            else:
                self._read(True)

    def _pipe_ended(self) -> None:
        self._read(False)
        if self._over:
            return
        self._over = True
        self._engine.log(
            "notice", f"Diskless rdb transfer, done reading from pipe, {len(self.replicas)} replicas still up."
        )
        self.drained()

    def _let_go(self) -> None:
        """Lets the child end, because the replicas have taken everything."""
        if self._release >= 0:
            os.close(self._release)
            self._release = -1

    @property
    def _whole(self) -> bool:
        """True if the replicas were sent the whole snapshot, even while the child still holds the pipe open."""
        return self._over or self._tail == self._mark

    def lost(self, replica: Replica) -> None:
        """Forgets a replica; without replicas nobody needs the snapshot, so the child is stopped."""
        if replica not in self.replicas:
            return
        self.replicas.remove(replica)
        # A replica closes its channel as soon as it has the mark.
        whole = replica.is_channel and self._whole
        if replica.is_channel and not whole:
            # Without the snapshot, its main channel is of no use.
            self._replication.master.end_stream(replica)
        if self.replicas or whole:
            self.drained()
            return
        if replica.is_channel:
            # The child cannot write any more, and fails.
            self._close()
            return
        self._engine.log("warning", "Diskless rdb transfer, last replica dropped, killing fork child.")
        self._read(False)
        self._replication.replica_sync.children.signal()

    def _close(self) -> None:
        self._read(False)
        self._let_go()
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()

    def _ended(self, code: int, number: int) -> None:
        """The child has ended."""
        engine = self._engine
        self._close()
        self._replication.replica_sync.finished(self)
        success = not number and not code
        if success:
            engine.log("notice", "Background RDB transfer terminated with success")
        elif number:
            engine.log("warning", f"Background transfer terminated by signal {number}")
        else:
            engine.log("warning", "Background transfer error")
        self._replication.master.channels_ended(success and self._over)
        for replica in self.replicas:
            if replica.state != RECEIVING:
                continue
            replica.stalled_since = None
            if not success or not self._over:
                engine.log("warning", "SYNC failed. BGSAVE child returned an error")
                replica.client.link.abort()
                continue
            engine.log(
                "notice",
                f"Streamed RDB transfer with replica {replica.name} succeeded (socket). Waiting for REPLCONF ACK from "
                "replica to enable streaming",
            )
            # The stream must not follow the mark at once: a replica that looks for the mark only at the end of the
            # bytes that it has read would miss it.
            replica.silent = True
            if not self._replication.master.put_online(replica):
                replica.client.close()
