"""FAILOVER: a master hands its role over to one of its replicas and becomes a replica of it.

The master postpones writes until a replica has the whole stream.  Then it follows that replica, and the handshake asks
the replica to take the role over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.pause import FAILOVER
from twisted_redis.replication.replicas import ONLINE, Replica

if TYPE_CHECKING:
    from twisted_redis.replication.replication import Replication

__all__ = ["Failover"]

NONE, WAITING, RUNNING = "no-failover", "waiting-for-sync", "failover-in-progress"


class Failover:
    """The failover of a server; ``name`` is its state in the words of INFO."""

    def __init__(self, replication: Replication) -> None:
        self._replication = replication
        self.name = NONE
        self._host: str | None = None
        self._port = 0
        self._force = False
        self._deadline: float | None = None
        self._looking = False

    @property
    def running(self) -> bool:
        """True from the beginning of a failover to its end."""
        return self.name != NONE

    @property
    def handing_over(self) -> bool:
        """True when PSYNC has to ask the target to take over."""
        return self.name == RUNNING

    def begin(self, host: str | None, port: int, force: bool, timeout_ms: int) -> None:
        """Postpones writes and waits for a replica: the one at ``host`` and ``port``, or any."""
        replication = self._replication
        log = replication.engine.log
        if self.running:
            raise CommandError("ERR FAILOVER already in progress.")
        if replication.is_replica:
            raise CommandError("ERR FAILOVER is not valid when server is a replica.")
        if not replication.master.replicas:
            raise CommandError("ERR FAILOVER requires connected replicas.")
        if force and (not timeout_ms or host is None):
            raise CommandError("ERR FAILOVER with force option requires both a timeout and target HOST and IP.")
        if host is not None:
            replica = self._find(host, port)
            if replica is None:
                raise CommandError("ERR FAILOVER target HOST and PORT is not a replica.")
            if replica.state != ONLINE:
                raise CommandError("ERR FAILOVER target replica is not online.")
            log("notice", f"FAILOVER requested to {host}:{port}.")
        else:
            log("notice", "FAILOVER requested to any replica.")
        self._host, self._port, self._force = host, port, force
        self._deadline = replication.engine.time.monotonic() + timeout_ms / 1000 if timeout_ms else None
        self.name = WAITING
        replication.engine.cluster.cancel_migrations(None, "failover requested")
        replication.engine.pauses.hold_writes(FAILOVER)

    def _find(self, host: str, port: int) -> Replica | None:
        for replica in self._replication.master.replicas.values():
            if replica.host.lower() == host.lower() and replica.port == port:
                return replica
        return None

    def look(self) -> None:
        """Goes on if a replica has the whole stream, or if the time is over."""
        if self.name != WAITING or self._looking:
            return
        self._looking = True
        try:
            self._look()
        finally:
            self._looking = False

    def _look(self) -> None:
        replication = self._replication
        if self._deadline is not None and replication.engine.time.monotonic() >= self._deadline:
            if self._force and self._host is not None:
                replication.engine.log(
                    "notice", f"FAILOVER to {self._host}:{self._port} time out exceeded, failing over."
                )
                self._hand_over(self._host, self._port)
            else:
                self.abort("Replica never caught up before timeout")
            return
        offset = replication.offset
        candidates = list(replication.master.replicas.values())
        if self._host is not None:
            found = self._find(self._host, self._port)
            candidates = [found] if found is not None else []
        for replica in candidates:
            if replica.acknowledged == offset:
                self._host, self._port = self._host or replica.host, self._port or replica.port
                replication.engine.log("notice", f"Failover target {self._host}:{self._port} is synced, failing over.")
                self._hand_over(self._host, self._port)
                return

    def _hand_over(self, host: str, port: int) -> None:
        self.name = RUNNING
        self._replication.follow(host, port)

    def done(self) -> None:
        """Ends the failover: the target has taken the role over."""
        self._clear()

    def abort_by_user(self) -> None:
        """FAILOVER ABORT."""
        if not self.running:
            raise CommandError("ERR No failover in progress.")
        self.abort("Failover manually aborted")

    def abort(self, reason: str) -> None:
        """Gives up; the server is a master again."""
        if not self.running:
            return
        target = f"{self._host}:{self._port}" if self._host is not None else "any replica"
        self._replication.engine.log("notice", f"FAILOVER to {target} aborted: {reason}")
        if self.name == RUNNING:
            self._replication.promote()
        self._clear()

    def _clear(self) -> None:
        self.name = NONE
        self._host = None
        self._port = 0
        self._force = False
        self._deadline = None
        self._replication.engine.pauses.release(FAILOVER)
