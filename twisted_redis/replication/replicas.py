"""One replica as its master knows it, and how it is fed.

A replica that supports it opens a second connection for a full synchronization: the RDB channel takes the snapshot,
while the first connection, the main channel, takes the stream.  The master keeps a ``Replica`` for each connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from twisted_redis.engine.clients import CLOSING, Client
from twisted_redis.replication.backlog import Backlog

__all__ = [
    "NO_CHANNEL",
    "ONLINE",
    "RECEIVING",
    "SENDING",
    "SNAPSHOT",
    "STREAMING",
    "WAITING",
    "Replica",
    "Request",
    "owed",
    "pump",
    "replica_of",
]

# The states of a replica, in the words of INFO.
CONFIGURING = ""
NO_CHANNEL = "wait_bgsave  "  # a main channel whose RDB channel has no snapshot yet (the same word in INFO)
WAITING = "wait_bgsave"  # waits for a snapshot that has not begun
RECEIVING = "wait_bgsave "  # its snapshot is made, or streamed to it (the same word in INFO)
STREAMING = "send_bulk_and_stream"  # a main channel that is sent the stream while its RDB channel gets the snapshot
SENDING = "send_bulk"  # is sent the file
ONLINE = "online"
SNAPSHOT = "snapshot"  # wanted the file alone, and has it

_WITHOUT_STREAM = frozenset((CONFIGURING, NO_CHANNEL, WAITING, SNAPSHOT))

#: The number of bytes that are written at once: enough for one system call, few enough to let others have a turn.
PIECE = 256 * 1024


class Request(NamedTuple):
    """The kind of snapshot that a replica asks for; replicas share a snapshot if their requests are equal.

    ``without`` names the parts that are left out: ``data``, ``functions``.  ``apart`` says that the connection carries
    nothing but the snapshot, and that this server serves RDB channels.  ``version`` is that of the format; None means
    the lowest one that holds the data.
    """

    without: frozenset[str] = frozenset()
    apart: bool = False
    compressed: bool = True
    checksum: bool = True
    version: int | None = None


class Replica:
    """The state of a replica, or of one of its two connections.

    Times are monotonic (s), places are offsets of the stream.
    """

    __slots__ = (
        "acknowledged",
        "acknowledged_at",
        "address",
        "begun_at",
        "capabilities",
        "client",
        "initial_offset",
        "is_channel",
        "main_id",
        "more",
        "place",
        "port",
        "request",
        "silent",
        "snapshot_only",
        "soft_since",
        "speaks_sync",
        "stalled_since",
        "state",
        "synced",
    )

    def __init__(self, client: Client) -> None:
        self.client = client
        self.state = CONFIGURING
        #: The offset of the next byte that it is sent.
        self.place = 0
        #: The offsets up to which it has processed the stream, and its append-only file is on disk.
        self.acknowledged = 0
        self.synced = 0
        self.acknowledged_at = 0.0
        #: The time when it asked for a snapshot.
        self.begun_at = 0.0
        self.port = 0
        #: The address that it has announced, if it has.
        self.address = ""
        self.capabilities: set[str] = set()
        self.request = Request()
        self.snapshot_only = False
        #: True for an RDB channel, and the id of the client that is its main channel (0 without one).
        self.is_channel = False
        self.main_id = 0
        #: True if it came with SYNC and does not acknowledge.
        self.speaks_sync = False
        self.initial_offset = 0
        #: True while it is online, but waits to be sent the stream until its first acknowledgement.
        self.silent = False
        #: Returns the next bytes that come before the stream; None without any.
        self.more: Callable[[], bytes] | None = None
        self.stalled_since: float | None = None
        self.soft_since: float | None = None

    @property
    def host(self) -> str:
        """The address that INFO and ROLE show."""
        if self.address:
            return self.address
        host = self.client.link.address.rpartition(":")[0]
        return host.strip("[]")

    @property
    def name(self) -> str:
        """The name of the replica in the log."""
        return f"{self.host}:{self.port or '<unknown-replica-port>'}"

    @property
    def wants_stream(self) -> bool:
        """True if the backlog keeps bytes for it."""
        return self.state not in _WITHOUT_STREAM and not self.snapshot_only

    @property
    def takes_stream(self) -> bool:
        """True if it is sent the stream."""
        return (self.state == ONLINE and not self.silent) or self.state == STREAMING

    @property
    def has_main(self) -> bool:
        """True for an RDB channel whose main channel is connected: both are one replica."""
        return self.is_channel and self.main_id in self.client.engine.clients


def replica_of(client: Client) -> Replica:
    """Returns the replica of ``client``, a new one if it has none."""
    found: Any = client.extra.get("replica")
    if found is None:
        found = client.extra["replica"] = Replica(client)
    return found  # type: ignore[no-any-return]


def owed(replica: Replica, backlog: Backlog | None) -> int:
    """Returns the number of bytes that ``replica`` still has to take."""
    stream = backlog.end + 1 - replica.place if backlog is not None and replica.wants_stream else 0
    return stream + replica.client.link.pending_output


def pump(replica: Replica, backlog: Backlog | None) -> None:
    """Writes to ``replica`` until it has everything, or its socket takes no more."""
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
