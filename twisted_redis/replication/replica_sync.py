"""Full synchronization of replicas: decides which replica gets which snapshot, and when one begins.

Replicas that wait for the same kind of snapshot share one.  The child either streams it to them (``diskless_sync.py``)
or saves it as a file, which each replica gets at its own pace (``disk_sync.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.ports.replication import AFTER_FORK
from twisted_redis.persistence.children import Children
from twisted_redis.replication.disk_sync import DiskSync
from twisted_redis.replication.diskless_sync import DisklessSync
from twisted_redis.replication.replicas import RECEIVING, SENDING, WAITING, Replica

if TYPE_CHECKING:
    from twisted_redis.replication.replication import Replication

__all__ = ["ReplicaSync"]


class ReplicaSync:
    """The snapshots that replicas wait for; at most one is made at a time."""

    def __init__(self, replication: Replication, children: Children) -> None:
        self._replication = replication
        self._engine = replication.engine
        self.children = children
        self.job: DisklessSync | DiskSync | None = None
        #: True while there is a file that was made for replicas.
        self._file_made = False
        children.freed.append(self._child_ended)
        replication.snapshots.ended.append(self._saved)

    # requests

    def request(self, replica: Replica) -> None:
        """Gives ``replica`` a snapshot: a running one, a new one, or a later one."""
        log = self._engine.log
        replica.state = WAITING
        job = self.job
        if isinstance(job, DiskSync) and self.children.purpose == "rdb":
            leader = job.leader_for(replica)
            if leader is not None:
                self.begin(replica, leader.initial_offset)
                job.replicas.append(replica)
                log("notice", "Waiting for end of BGSAVE for SYNC")
            else:
                log("notice", "Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC")
        elif isinstance(job, DisklessSync):
            log("notice", "Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC")
        elif self.children.purpose == "rdb":
            log("notice", "Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC")
        elif self._engine.config.repl_diskless_sync and "eof" in replica.capabilities and self._delay:
            log("notice", "Delay next BGSAVE for diskless SYNC")
        elif self.children.purpose:
            log("notice", "No BGSAVE in progress, but another BG operation is active. BGSAVE for replication delayed")
        else:
            self._start([replica])

    @property
    def _delay(self) -> int:
        return self._engine.config.repl_diskless_sync_delay

    def waiting(self) -> list[Replica]:
        """The replicas that the next snapshot is for: the first waiting one, and all that want the same."""
        found = [replica for replica in self._replication.master.replicas.values() if replica.state == WAITING]
        return [replica for replica in found if replica.request == found[0].request]

    def _start_if_due(self, now: float) -> None:
        if self.children.purpose or self.job is not None:
            return
        found = self.waiting()
        if not found:
            return
        config = self._engine.config
        most = config.repl_diskless_sync_max_replicas
        longest = max(int(now - replica.begun_at) for replica in found)
        if not config.repl_diskless_sync or (most and len(found) >= most) or longest >= self._delay:
            self._start(found)

    def _start(self, replicas: list[Replica]) -> None:
        """Begins a snapshot for ``replicas``, and for all others that wait for one like it."""
        engine = self._engine
        replicas = self.waiting() or replicas
        every = set.intersection(*(replica.capabilities for replica in replicas))
        request = replicas[0].request
        diskless = bool(engine.config.repl_diskless_sync or request.without or request.version) and "eof" in every
        target = ("replicas sockets" if diskless else "disk") + (" (rdb-channel)" if request.apart else "")
        engine.log("notice", f"Starting BGSAVE for SYNC with target: {target}")
        job = DisklessSync(self._replication, replicas) if diskless else DiskSync(self._replication, replicas)
        self.job = job
        # The child has the data of this moment, so effects that are not encoded yet belong before its offset.
        offset = self._replication.offset
        try:
            job.start(request)
        except OSError as problem:
            self.job = None
            engine.log("warning", f"Can't save in background: fork: {problem.strerror}")
            engine.log("warning", "BGSAVE for replication failed")
            for replica in replicas:
                replica.client.out.append(b"-ERR BGSAVE failed, replication can't continue\r\n")
                replica.client.close()
            return
        self._replication.pause_at(AFTER_FORK)
        for replica in replicas:
            self.begin(replica, offset)

    def begin(self, replica: Replica, offset: int) -> None:
        """Tells ``replica`` the offset of its snapshot in the history."""
        replica.initial_offset = offset
        replica.state = RECEIVING
        replica.place = offset + 1
        # The stream behind a snapshot begins with SELECT.
        self._replication.stream.forget_database()
        if not replica.speaks_sync:
            if replica.is_channel:
                self._replication.master.begin_stream(replica, offset)
            replica.client.out.append(b"+FULLRESYNC %b %d\r\n" % (self._replication.replication_id.encode(), offset))
            self._engine.turns.flush_later(replica.client)

    # events

    def look(self) -> None:
        """Looks whether the child has ended."""
        if self.job is not None:
            self.children.poll()

    def _saved(self, success: bool) -> None:
        if isinstance(self.job, DiskSync):
            self._file_made = success
            self.job.saved(success)

    def finished(self, job: DisklessSync | DiskSync) -> None:
        """Forgets ``job``, whose child has ended."""
        if self.job is job:
            self.job = None

    def _child_ended(self) -> None:
        self._start_if_due(self._engine.time.monotonic())

    def drained(self) -> None:
        """A replica can take more bytes."""
        if isinstance(self.job, DisklessSync):
            self.job.drained()

    def lost(self, replica: Replica) -> None:
        """Forgets a replica."""
        if self.job is not None:
            self.job.lost(replica)

    def cron(self, now: float) -> None:
        """Once a second: sends waiting replicas a sign of life, and begins a snapshot that is due."""
        for replica in self._replication.master.replicas.values():
            waits = replica.state == WAITING or (replica.state == RECEIVING and not isinstance(self.job, DisklessSync))
            if waits:
                replica.client.out.append(b"\n")
                self._engine.turns.flush_later(replica.client)
        self._start_if_due(now)
        self._remove_file()

    def _remove_file(self) -> None:
        """Removes the file that was made for replicas, if nobody needs it any more."""
        unfinished = (WAITING, RECEIVING, SENDING)
        if self._file_made and not any(each.state in unfinished for each in self._replication.master.replicas.values()):
            self._file_made = False
            self._replication.remove_sync_file("used to feed replicas in a persistence-less instance")
