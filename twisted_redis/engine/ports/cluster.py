"""The cluster port: the other nodes of a Redis Cluster, and the slots of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from twisted_redis.engine.errors import CommandError

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.ports.cluster_view import ClusterView
    from twisted_redis.resp.types import Reply

__all__ = ["Cluster", "NoCluster", "Reason", "Redirected"]

_DISABLED = "ERR This instance has cluster support disabled"


class Reason(Enum):
    """Why this node does not serve a request."""

    #: The keys are in different slots.
    CROSS_SLOT = auto()
    #: Some of the keys are here, and some are on another node: their slot is on its way.
    UNSTABLE = auto()
    #: The cluster is down; for ``DOWN_READ_ONLY`` this matters only because the command writes.
    DOWN = auto()
    DOWN_READ_ONLY = auto()
    #: Nobody owns the slot.
    NOT_SERVED = auto()
    #: Another node serves this request, or all requests for the slot.
    ASK = auto()
    MOVED = auto()


class Redirected(CommandError):
    """Another node has to answer, or none can; ``reason`` says why."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Cluster(Protocol):
    """A node of a cluster.  The methods that change something raise CommandError with Redis' text."""

    #: False in a server without cluster mode.
    enabled: bool
    #: One byte for each slot: 1 if this node serves every key of the slot without looking at any rule.
    served: bytearray

    # the gate

    def redirect(self, client: Client, command: Command, argv: list[bytes]) -> int | None:
        """Returns the slot of the keys in a request, or None if it has none.

        Raises Redirected (MOVED, ASK, CROSSSLOT, TRYAGAIN, CLUSTERDOWN) if another node has to answer.  For EXEC the
        keys are those of all commands that ``client`` has queued.
        """

    def follow_served(self, changed: Callable[[], None]) -> None:
        """Calls ``changed`` after each change of ``served``."""

    def publish(self, channel: bytes, message: bytes, *, sharded: bool) -> None:
        """Hands a message of Pub/Sub to the other nodes; a sharded one stays in this shard."""

    # what INFO, AUTH and DEBUG need

    @property
    def connections(self) -> int:
        """The number of connections that the bus needs: two for each other node."""

    @property
    def links_memory(self) -> int:
        """Bytes that wait on the links of the bus."""

    @property
    def secret(self) -> bytes:
        """The secret that the nodes share, as the password of connections between them; empty without cluster mode."""

    def kill_links(self, name: str, direction: str) -> None:
        """Closes the link to (``to``) or from (``from``) a node, or both (``all``)."""

    def drop_messages(self, kind: int) -> None:
        """Ignores messages of a kind that come by the bus; a negative number ends that."""

    # what the status page and CLUSTER show

    def view(self) -> ClusterView | None:
        """The cluster as this node sees it; None without cluster mode."""

    def my_id(self) -> str:
        """The id of this node: 40 hexadecimal digits."""

    def my_shard_id(self) -> str:
        """The id of the shard of this node."""

    def info(self) -> str:
        """The lines of CLUSTER INFO."""

    def describe_nodes(self, client: Client) -> str:
        """A line for each node, with the ports that ``client`` can use (with or without TLS)."""

    def describe_replicas(self, client: Client, name: str) -> list[str]:
        """The lines of the replicas of a master."""

    def describe_slots(self, client: Client) -> Reply:
        """The reply of CLUSTER SLOTS."""

    def describe_shards(self, client: Client) -> Reply:
        """The reply of CLUSTER SHARDS."""

    def describe_links(self) -> Reply:
        """The reply of CLUSTER LINKS."""

    def count_failure_reports(self, name: str) -> int:
        """The number of masters that report that a node has failed."""

    def count_keys(self, slot: int) -> int:
        """The number of keys in a slot (0 to 16383)."""

    def keys_in_slot(self, slot: int, count: int) -> list[bytes]:
        """At most ``count`` keys of a slot."""

    def shard_slots(self) -> list[int]:
        """The slots of this node, or of the master of this replica, in ascending order."""

    # what CLUSTER changes

    def meet(self, host: bytes, port: int, bus_port: int) -> None:
        """Begins a handshake with the node at an address."""

    def forget(self, name: str) -> None:
        """Removes a node from the table, and keeps it out for a minute."""

    def replicate(self, name: str) -> None:
        """Makes this node a replica of a master."""

    def reset(self, *, hard: bool) -> None:
        """Leaves the cluster; ``hard`` also takes a new id and forgets the epochs."""

    def fail_over(self, *, force: bool, takeover: bool) -> None:
        """Begins to replace the master of this replica, without its consent (``force``) or that of anybody."""

    def check_slots(self, slots: list[int], *, owned: bool) -> None:
        """Raises the error of the first slot that has no owner (``owned``), that has one, or that comes twice."""

    def add_slots(self, slots: list[int]) -> None:
        """Takes slots that nobody owns; raises as ``check_slots``."""

    def delete_slots(self, slots: list[int]) -> None:
        """Leaves slots without an owner; raises as ``check_slots``."""

    def flush_slots(self) -> None:
        """Leaves all slots of this node without an owner; the database must be empty."""

    def need_master(self) -> None:
        """Raises the error of CLUSTER SETSLOT if this node is a replica."""

    def set_slot_migrating(self, slot: int, name: str) -> None:
        """Begins to hand a slot of this node over to another one."""

    def set_slot_importing(self, slot: int, name: str) -> None:
        """Begins to take a slot over from another node."""

    def set_slot_stable(self, slot: int) -> None:
        """Ends the migration or the import of a slot; its owner stays the same."""

    def set_slot_node(self, slot: int, name: str) -> None:
        """Makes a node the owner of a slot."""

    def bump_epoch(self) -> str:
        """Takes the greatest configuration epoch; returns ``BUMPED`` or ``STILL`` and that epoch."""

    def set_config_epoch(self, epoch: int) -> None:
        """Sets the configuration epoch of a node that has none and knows no other node."""

    def save_config(self) -> None:
        """Writes nodes.conf to the disk."""

    def note_master_task(self, text: str) -> None:
        """Takes what the master of this replica says of its atomic slot migration."""

    # atomic slot migration

    def import_slots(self, slots: int) -> str:
        """Begins to take a set of slots (bits) over from their owner; returns the id of the task."""

    def cancel_migrations(self, name: str | None, reason: str) -> int:
        """Cancels the task with that id, or any; returns their number.  ``reason`` is shown as its error."""

    def describe_migrations(self, name: str | None) -> Reply:
        """The reply of CLUSTER MIGRATION STATUS about the task with that id, or about all."""

    def take_migration_message(self, client: Client, words: Sequence[bytes]) -> Reply:
        """Answers CLUSTER SYNCSLOTS of the node that gets slots of this one; ``words`` are its arguments."""

    def trim(self, slots: int, *, at_once: bool) -> None:
        """Removes the keys of a set of slots (bits); in the background unless ``at_once`` is true."""

    def data_replaced(self, reason: str) -> None:
        """Notes that all keys go.  A ``reason`` cancels migrations; without one only removals of keys end."""

    @property
    def snapshot_task(self) -> bytes:
        """The field ``cluster-asm-task`` of a snapshot: the import at work, or nothing."""

    def note_snapshot_task(self, text: bytes) -> None:
        """Takes that field of a snapshot that this server has loaded."""

    @property
    def migration_memory(self) -> tuple[int, int, int]:
        """Bytes of a migration that wait to leave, that wait to be executed, and the most of the latter so far."""

    def set_migration_failpoint(self, channel: str, state: str) -> bool:
        """Breaks migrations in a state, for tests; two empty texts end that.  False if there is no such state."""

    def set_trim_method(self, method: str, delay: int) -> bool:
        """Sets how keys of slots are removed, and the time for each (us), for tests; False for an unknown method."""


class NoCluster:
    """A server without cluster mode: it serves every key, and has no other nodes."""

    enabled = False
    connections = 0
    links_memory = 0
    migration_memory = (0, 0, 0)
    snapshot_task = b""
    secret = b""

    def __init__(self) -> None:
        self.served = bytearray()

    def redirect(self, client: Client, command: Command, argv: list[bytes]) -> int | None:
        """Serves everything."""
        return None

    def follow_served(self, changed: Callable[[], None]) -> None:
        """Nothing changes."""

    def publish(self, channel: bytes, message: bytes, *, sharded: bool) -> None:
        """There are no other nodes."""

    def kill_links(self, name: str, direction: str) -> None:
        """CommandError."""
        raise CommandError("ERR Debug option only available for cluster mode enabled setup!")

    def drop_messages(self, kind: int) -> None:
        """There are no messages."""

    def view(self) -> ClusterView | None:
        """None."""
        return None

    def my_id(self) -> str:
        """CommandError."""
        raise CommandError(_DISABLED)

    def my_shard_id(self) -> str:
        """CommandError."""
        raise CommandError(_DISABLED)

    def info(self) -> str:
        """CommandError."""
        raise CommandError(_DISABLED)

    def describe_nodes(self, client: Client) -> str:
        """CommandError."""
        raise CommandError(_DISABLED)

    def describe_replicas(self, client: Client, name: str) -> list[str]:
        """CommandError."""
        raise CommandError(_DISABLED)

    def describe_slots(self, client: Client) -> Reply:
        """CommandError."""
        raise CommandError(_DISABLED)

    def describe_shards(self, client: Client) -> Reply:
        """CommandError."""
        raise CommandError(_DISABLED)

    def describe_links(self) -> Reply:
        """CommandError."""
        raise CommandError(_DISABLED)

    def count_failure_reports(self, name: str) -> int:
        """CommandError."""
        raise CommandError(_DISABLED)

    def count_keys(self, slot: int) -> int:
        """CommandError."""
        raise CommandError(_DISABLED)

    def keys_in_slot(self, slot: int, count: int) -> list[bytes]:
        """CommandError."""
        raise CommandError(_DISABLED)

    def shard_slots(self) -> list[int]:
        """CommandError."""
        raise CommandError(_DISABLED)

    def meet(self, host: bytes, port: int, bus_port: int) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def forget(self, name: str) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def replicate(self, name: str) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def reset(self, *, hard: bool) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def fail_over(self, *, force: bool, takeover: bool) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def check_slots(self, slots: list[int], *, owned: bool) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def add_slots(self, slots: list[int]) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def delete_slots(self, slots: list[int]) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def flush_slots(self) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def need_master(self) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def set_slot_migrating(self, slot: int, name: str) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def set_slot_importing(self, slot: int, name: str) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def set_slot_stable(self, slot: int) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def set_slot_node(self, slot: int, name: str) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def bump_epoch(self) -> str:
        """CommandError."""
        raise CommandError(_DISABLED)

    def set_config_epoch(self, epoch: int) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def save_config(self) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def note_master_task(self, text: str) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def import_slots(self, slots: int) -> str:
        """CommandError."""
        raise CommandError(_DISABLED)

    def cancel_migrations(self, name: str | None, reason: str) -> int:
        """There is none."""
        return 0

    def describe_migrations(self, name: str | None) -> Reply:
        """CommandError."""
        raise CommandError(_DISABLED)

    def take_migration_message(self, client: Client, words: Sequence[bytes]) -> Reply:
        """CommandError."""
        raise CommandError(_DISABLED)

    def trim(self, slots: int, *, at_once: bool) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def data_replaced(self, reason: str) -> None:
        """There is nothing to cancel."""

    def set_migration_failpoint(self, channel: str, state: str) -> bool:
        """False."""
        return False

    def set_trim_method(self, method: str, delay: int) -> bool:
        """False."""
        return False

    def note_snapshot_task(self, text: bytes) -> None:
        """There is no cluster."""
