"""What commands and other rooms may ask of replication, which stands in a room of its own above them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.resp.types import Reply

__all__ = ["ACKNOWLEDGED", "Replication"]

#: What WAIT and WAITAOF wait for (``Block.group``).
ACKNOWLEDGED = "acknowledged"


class Replication(Protocol):
    """Both sides of replication: the master of replicas, and the replica of a master."""

    @property
    def is_replica(self) -> bool:
        """Whether this server follows another."""

    @property
    def failing_over(self) -> bool:
        """Whether FAILOVER has begun and is not done."""

    @property
    def offset(self) -> int:
        """Where the replication stream stands (bytes), all effects until now included."""

    #: The offset until which our own append-only file is on disk, -1 without such a file.
    synced: int

    def begin_at(self, offset: int) -> None:
        """The stream goes on at ``offset``, at the start of the server."""

    def synced_until(self, offset: int) -> None:
        """Notes that the append-only file is on disk until ``offset``, -1 that there is no such file any more."""

    def written_offset(self, client: Client) -> int:
        """Where the stream stood after the last write of ``client``."""

    def count_acknowledged(self, offset: int) -> int:
        """The number of replicas that have processed the stream until ``offset``."""

    def count_synced(self, offset: int) -> int:
        """The number of replicas whose append-only files have the stream until ``offset`` on disk."""

    def request_acknowledgements(self) -> None:
        """Has the replicas tell how far they are, at the end of the turn."""

    def inject(self, argv: list[bytes]) -> None:
        """Puts a command into the stream as it is."""

    def misbehaved(self, client: Client, reply: Reply) -> bool:
        """A command of a replica was answered: tells whether the answer must not be sent, as the link is a stream."""

    def configure(self, client: Client, options: tuple[bytes, ...]) -> Reply:
        """REPLCONF."""

    def synchronise(self, client: Client, replication_id: bytes | None, offset: bytes, failover: bool) -> Reply:
        """PSYNC, or SYNC where ``replication_id`` is None."""

    def follow(self, host: str, port: int) -> bool:
        """Becomes a replica of another server; False if it is that already."""

    def promote(self) -> bool:
        """Becomes a master; False if it is one already."""

    def role(self) -> Reply:
        """ROLE."""

    def fail_over(self, host: str | None, port: int, force: bool, timeout_ms: int) -> None:
        """FAILOVER: hands the role of the master over to a replica; CommandError if that cannot begin."""

    def abort_failover(self) -> None:
        """FAILOVER ABORT; CommandError if there is nothing to abort."""
