"""Disk synchronization: a snapshot is saved as a file, which each replica gets at its own pace."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from twisted_redis.replication.replicas import PIECE, RECEIVING, SENDING, Replica, Request, pump

if TYPE_CHECKING:
    from twisted_redis.replication.replication import Replication

__all__ = ["DiskSync"]


class DiskSync:
    """One snapshot, saved as the RDB file of the server, for ``replicas``."""

    def __init__(self, replication: Replication, replicas: list[Replica]) -> None:
        self._replication = replication
        self._engine = replication.engine
        self.replicas = list(replicas)

    def start(self, request: Request) -> None:
        """Begins to save; OSError if that fails."""
        if not self._replication.snapshots.start():
            raise OSError(errno.EAGAIN, "the snapshot cannot be begun")

    def leader_for(self, replica: Replica) -> Replica | None:
        """Returns a replica that waits for this file and that ``replica`` can share it with, or None.

        An RDB channel shares none: the backlog may lack the beginning of the stream that its main channel needs.
        """
        if replica.is_channel:
            return None
        for other in self.replicas:
            if (
                other.state == RECEIVING
                and (not other.snapshot_only or replica.snapshot_only)
                and other.capabilities <= replica.capabilities
                and other.request == replica.request
            ):
                return other
        return None

    def lost(self, replica: Replica) -> None:
        """Forgets a replica; without replicas and save points nobody needs the file, so the child is stopped."""
        if replica not in self.replicas:
            return
        self.replicas.remove(replica)
        if not self.replicas and not self._engine.config.save:
            self._replication.replica_sync.children.signal()

    def saved(self, success: bool) -> None:
        """The child has ended: sends the file, or closes the replicas if there is none."""
        self._replication.replica_sync.finished(self)
        self._replication.master.channels_ended(success)
        for replica in self.replicas:
            if replica.state != RECEIVING:
                continue
            if not success:
                self._engine.log("warning", "SYNC failed. BGSAVE child returned an error")
                replica.client.link.abort()
                continue
            try:
                fd = os.open(self._replication.snapshots.path, os.O_RDONLY)
            except OSError as problem:
                self._engine.log("warning", f"SYNC failed. Can't open/stat DB after BGSAVE: {problem.strerror}")
                replica.client.link.abort()
                continue
            _Sender(self._replication, replica, fd)
            pump(replica, self._replication.stream.backlog)


class _Sender:
    """Sends a replica the file, then the stream."""

    def __init__(self, replication: Replication, replica: Replica, fd: int) -> None:
        self._replication = replication
        self._replica = replica
        self._file = os.fdopen(fd, "rb", buffering=0)
        self._left = os.fstat(fd).st_size
        self._head = b"$%d\r\n" % self._left
        replica.state = SENDING
        replica.more = self._next

    def _next(self) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        data = self._file.read(min(PIECE, self._left))
        if data:
            self._left -= len(data)
            return data
        self._file.close()
        replica = self._replica
        replica.more = None
        if self._left:
            self._replication.engine.log("warning", "Read error sending DB to replica: premature EOF")
            replica.client.link.abort()
        elif not self._replication.master.put_online(replica):
            replica.client.close()
        return b""
