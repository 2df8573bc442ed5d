"""The replication port: the replicas of this server, and the master that it may follow."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from twisted_redis.engine.errors import CommandError

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.resp.types import Reply

__all__ = ["ACKNOWLEDGED", "AFTER_FORK", "BEFORE_CHANNEL", "IN_STREAM", "NO_ID", "NoReplication", "Replication"]

#: The group of waiting calls that an acknowledgement of a replica wakes (``Block.group``): WAIT and WAITAOF.
ACKNOWLEDGED = "acknowledged"
#: The replication id that stands for no history.
NO_ID = "0" * 40

# Points of a full synchronization, in the words of DEBUG REPL-PAUSE.
AFTER_FORK = "after-fork"
BEFORE_CHANNEL = "before-rdb-channel"
IN_STREAM = "on-streaming-repl-buf"

_NO_REPLICATION = "ERR This server does not replicate"


class Replication(Protocol):
    """Both sides of replication: the master of replicas, and the replica of a master."""

    #: The offset up to which the append-only file of this server is on disk, -1 without such a file.
    synced: int
    #: The name of the history of writes that the stream is a part of, and the name before the last promotion.
    replication_id: str
    replication_id2: str
    #: The points at which the process stops itself (DEBUG REPL-PAUSE).
    debug_pauses: set[str]

    @property
    def is_replica(self) -> bool:
        """True if this server follows a master."""

    @property
    def failing_over(self) -> bool:
        """True while FAILOVER is at work."""

    @property
    def offset(self) -> int:
        """The offset of the replication stream (bytes), all effects until now included."""

    @property
    def reached(self) -> int:
        """The offset of a master's stream, or how much of the stream a replica has executed (bytes)."""

    @property
    def silence(self) -> int:
        """For how long a replica has heard nothing from its master (ms); a lost link counts from its end."""

    def flush_all(self) -> None:
        """Removes all data; tells only the clients that watch or cache keys, and no replicas."""

    def change_id(self) -> None:
        """Takes new replication ids, so that no replica can continue from the old ones."""

    def aux(self) -> dict[bytes, bytes]:
        """The fields of a snapshot that give its place in the stream (``repl-id``, ``repl-offset``...)."""

    def begin_at(self, offset: int) -> None:
        """Goes on with the stream at ``offset``, at the start of the server."""

    def synced_until(self, offset: int) -> None:
        """Notes that the append-only file is on disk up to ``offset``; -1: there is no such file any more."""

    def written_offset(self, client: Client) -> int:
        """The offset of the stream after the last write of ``client``."""

    def count_acknowledged(self, offset: int) -> int:
        """The number of replicas that have processed the stream up to ``offset``."""

    def count_synced(self, offset: int) -> int:
        """The number of replicas whose append-only files hold the stream up to ``offset`` on disk."""

    def request_acknowledgements(self) -> None:
        """Asks the replicas for their offsets, at the end of the turn."""

    def inject(self, argv: list[bytes]) -> None:
        """Puts a command into the stream as it is."""

    def pause_at(self, point: str) -> object:
        """Stops the process, until it is continued, if DEBUG REPL-PAUSE names ``point``."""

    def misbehaved(self, client: Client, reply: Reply) -> bool:
        """True if ``reply`` must not be sent to the replica ``client``, whose connection carries the stream."""

    def configure(self, client: Client, options: tuple[bytes, ...]) -> Reply:
        """REPLCONF."""

    def synchronise(self, client: Client, replication_id: bytes | None, offset: bytes, failover: bool) -> Reply:
        """PSYNC, or SYNC where ``replication_id`` is None."""

    def follow(self, host: str, port: int) -> bool:
        """Becomes a replica of another server; False if it follows that server already."""

    def promote(self) -> bool:
        """Becomes a master; False if it is one already."""

    def role(self) -> Reply:
        """ROLE."""

    def fail_over(self, host: str | None, port: int, force: bool, timeout_ms: int) -> None:
        """FAILOVER: hands the role of the master to a replica; CommandError if that cannot begin."""

    def abort_failover(self) -> None:
        """FAILOVER ABORT; CommandError if no failover is at work."""


class NoReplication:
    """A master that has no replicas and takes none."""

    is_replica = False
    failing_over = False
    offset = 0
    reached = 0
    silence = 0

    def __init__(self) -> None:
        self.synced = -1
        self.debug_pauses: set[str] = set()
        self.change_id()

    def flush_all(self) -> None:
        """CommandError."""
        raise CommandError(_NO_REPLICATION)

    def change_id(self) -> None:
        """Takes new replication ids."""
        self.replication_id = os.urandom(20).hex()
        self.replication_id2 = NO_ID

    def aux(self) -> dict[bytes, bytes]:
        """A snapshot has no place in a stream."""
        return {}

    def begin_at(self, offset: int) -> None:
        """There is no stream."""

    def synced_until(self, offset: int) -> None:
        """Nobody waits for that."""

    def written_offset(self, client: Client) -> int:
        """There is no stream."""
        return 0

    def count_acknowledged(self, offset: int) -> int:
        """There are no replicas."""
        return 0

    def count_synced(self, offset: int) -> int:
        """There are no replicas."""
        return 0

    def request_acknowledgements(self) -> None:
        """There are no replicas."""

    def inject(self, argv: list[bytes]) -> None:
        """There is no stream."""

    def pause_at(self, point: str) -> object:
        """Nothing pauses."""

    def misbehaved(self, client: Client, reply: Reply) -> bool:
        """There are no replicas."""
        return False

    def configure(self, client: Client, options: tuple[bytes, ...]) -> Reply:
        """CommandError."""
        raise CommandError(_NO_REPLICATION)

    def synchronise(self, client: Client, replication_id: bytes | None, offset: bytes, failover: bool) -> Reply:
        """CommandError."""
        raise CommandError(_NO_REPLICATION)

    def follow(self, host: str, port: int) -> bool:
        """CommandError."""
        raise CommandError(_NO_REPLICATION)

    def promote(self) -> bool:
        """It is a master already."""
        return False

    def role(self) -> Reply:
        """A master at offset 0 without replicas."""
        return [b"master", 0, []]

    def fail_over(self, host: str | None, port: int, force: bool, timeout_ms: int) -> None:
        """CommandError."""
        raise CommandError(_NO_REPLICATION)

    def abort_failover(self) -> None:
        """CommandError."""
        raise CommandError("ERR No failover in progress.")
