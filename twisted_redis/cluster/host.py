"""The interface by which the rules of the cluster reach the server around them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twisted_redis.config.store import Config
    from twisted_redis.engine.clients import Client

__all__ = ["Host"]


class Host(Protocol):
    """The server of a node.  Times are in ms of the wall clock."""

    config: Config
    random: Random

    def now(self) -> int:
        """The time."""

    def log(self, level: str, text: str) -> None:
        """Logs a text at a level of Redis (``verbose``, ``notice``, ``warning``)."""

    def wake(self) -> None:
        """Asks for a call of ``Member.settle`` before anything more is sent or received."""

    def ports(self) -> tuple[int, int, int]:
        """The ports for clients, for clients with TLS, and for the bus; 0 for one that is not open."""

    def is_tls(self, client: Client) -> bool:
        """True if a client has connected with TLS."""

    # replication

    def offset(self) -> int:
        """The end of the stream of a master, or how much of it this replica has executed."""

    def data_age(self) -> int:
        """How long this replica has heard nothing of its master (ms)."""

    def has_master(self) -> bool:
        """True if the server replicates from any address."""

    def follow(self, ip: str, port: int) -> None:
        """Replicates from that address from now on."""

    def promote(self) -> None:
        """Stops replicating, and keeps the data."""

    # the data

    def is_empty(self) -> bool:
        """True if database 0 has no key."""

    def empty(self) -> None:
        """Deletes all keys of all databases."""

    def count_keys(self, slot: int) -> int:
        """The number of keys in a slot."""

    def keys_in_slot(self, slot: int, count: int) -> list[bytes]:
        """At most ``count`` keys of a slot."""

    def delete_keys(self, slot: int) -> None:
        """Deletes all keys of a slot, which now belongs to another node."""

    def trim(self, slots: int) -> None:
        """Deletes the keys of a set of slots that belong to other nodes, in the background."""

    def slots_moved(self, slots: int) -> None:
        """Slots (a set of bits) have another owner: sharded subscriptions end, and blocked clients are redirected.

        It is also called with 0 if only the state of the cluster has changed.
        """

    # clients

    def pause_writes(self, milliseconds: int) -> None:
        """Holds back commands that write, for a manual failover."""

    def release_writes(self) -> None:
        """Ends that pause, if there is one."""

    def publish(self, channel: bytes, payload: bytes, *, sharded: bool) -> None:
        """Hands a message from the bus to the subscribers of this server."""

    # the file

    def save(self, text: str, *, sync: bool) -> None:
        """Replaces nodes.conf; with ``sync`` it is on the disk afterwards.  Raises OSError."""

    def die(self, reason: str) -> None:
        """Ends the process: the cluster must not go on without a file that it can trust."""
