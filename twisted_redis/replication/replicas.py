"""One replica as its master sees it, and how it is fed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_redis.engine.clients import CLOSING, Client
from twisted_redis.replication.backlog import Backlog

__all__ = ["ONLINE", "RECEIVING", "SENDING", "SNAPSHOT", "WAITING", "Replica", "owed", "pump", "replica_of"]

# What a replica is at, in the words of INFO.
CONFIGURING = ""
WAITING = "wait_bgsave"  # for a snapshot that has not begun
RECEIVING = "wait_bgsave "  # a snapshot is being made for it, or streamed to it (the same word in INFO)
SENDING = "send_bulk"  # it gets the file
ONLINE = "online"
SNAPSHOT = "snapshot"  # it wanted nothing but the file, and has it

#: Bytes that are written at once: enough for one system call, few enough for others to have their turn.
PIECE = 256 * 1024


class Replica:
    """What a master knows of a replica.  Times are monotonic (s), places are numbers of bytes of the stream."""

    __slots__ = (
        "acknowledged",
        "acknowledged_at",
        "address",
        "begun_at",
        "capabilities",
        "client",
        "initial_offset",
        "more",
        "place",
        "port",
        "silent",
        "snapshot_only",
        "soft_since",
        "speaks_sync",
        "stalled_since",
        "state",
        "synced",
        "without",
    )

    def __init__(self, client: Client) -> None:
        self.client = client
        self.state = CONFIGURING
        #: The next byte it gets.
        self.place = 0
        #: What it has processed, and what its append-only file has on disk.
        self.acknowledged = 0
        self.synced = 0
        self.acknowledged_at = 0.0
        #: When it asked for everything.
        self.begun_at = 0.0
        self.port = 0
        #: Where it says that it is reached, if it says so.
        self.address = ""
        self.capabilities: set[str] = set()
        #: What of a snapshot it does not want: ``data``, ``functions``.
        self.without: frozenset[str] = frozenset()
        self.snapshot_only = False
        #: It came with SYNC and does not tell how far it is.
        self.speaks_sync = False
        self.initial_offset = 0
        #: It is online, but nothing is sent before its first word.
        self.silent = False
        #: Gives what comes before the stream; None if there is nothing of that kind.
        self.more: Callable[[], bytes] | None = None
        self.stalled_since: float | None = None
        self.soft_since: float | None = None

    @property
    def host(self) -> str:
        """The address that others are told."""
        if self.address:
            return self.address
        host = self.client.link.address.rpartition(":")[0]
        return host.strip("[]")

    @property
    def name(self) -> str:
        """What the log calls it."""
        return f"{self.host}:{self.port or '<unknown-replica-port>'}"

    @property
    def wants_stream(self) -> bool:
        """Whether the bytes of the stream are kept for it."""
        return self.state not in (CONFIGURING, WAITING, SNAPSHOT) and not self.snapshot_only

    @property
    def takes_stream(self) -> bool:
        """Whether the stream is sent to it."""
        return self.state == ONLINE and not self.silent


def replica_of(client: Client) -> Replica:
    """What is known of ``client`` as a replica."""
    found: Any = client.extra.get("replica")
    if found is None:
        found = client.extra["replica"] = Replica(client)
    return found  # type: ignore[no-any-return]


def owed(replica: Replica, backlog: Backlog | None) -> int:
    """The bytes that ``replica`` still has to take."""
    stream = backlog.end + 1 - replica.place if backlog is not None and replica.wants_stream else 0
    return stream + replica.client.link.pending_output


def pump(replica: Replica, backlog: Backlog | None) -> None:
    """Writes to ``replica`` what it is to get until it has everything, or its socket takes no more."""
    client = replica.client
    link = client.link
    while not link.congested and not client.gates & CLOSING:
        if replica.more is not None:
            data = replica.more()
            if not data:
                if replica.more is not None:
                    return
                continue
        elif backlog is not None and replica.takes_stream:
            data = backlog.read(replica.place, PIECE)
            if not data:
                return
            replica.place += len(data)
        else:
            return
        client.out.append(data)
        link.flush()
