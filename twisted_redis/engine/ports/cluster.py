"""The cluster port: the other nodes of a Redis Cluster, and the slots of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from twisted_redis.engine.errors import CommandError

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.resp.types import Reply

__all__ = ["Cluster", "NoCluster"]

_DISABLED = "ERR This instance has cluster support disabled"


class Cluster(Protocol):
    """A node of a cluster.  The methods that change something raise CommandError with Redis' text."""

    #: False in a server without cluster mode.
    enabled: bool
    #: One byte for each slot: 1 if this node serves every key of the slot without looking at any rule.
    served: bytearray

    # the gate

    def redirect(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """Raises CommandError (MOVED, ASK, CROSSSLOT, TRYAGAIN, CLUSTERDOWN) if another node has to answer."""

    def publish(self, channel: bytes, message: bytes, *, sharded: bool) -> None:
        """Hands a message of Pub/Sub to the other nodes; a sharded one stays in this shard."""

    # what CLUSTER shows

    def my_id(self) -> str: ...
    def my_shard_id(self) -> str: ...
    def info(self) -> str: ...
    def describe_nodes(self, client: Client) -> str: ...
    def describe_replicas(self, client: Client, name: str) -> list[str]: ...
    def describe_slots(self, client: Client) -> Reply: ...
    def describe_shards(self, client: Client) -> Reply: ...
    def describe_links(self) -> Reply: ...
    def count_failure_reports(self, name: str) -> int: ...
    def count_keys(self, slot: int) -> int: ...
    def keys_in_slot(self, slot: int, count: int) -> list[bytes]: ...

    # what CLUSTER changes

    def meet(self, host: bytes, port: int, bus_port: int) -> None: ...
    def forget(self, name: str) -> None: ...
    def replicate(self, name: str) -> None: ...
    def reset(self, *, hard: bool) -> None: ...
    def fail_over(self, *, force: bool, takeover: bool) -> None: ...

    def add_slots(self, slots: list[int]) -> None:
        """Takes slots that nobody owns; the error names the first one that is owned or given twice."""

    def delete_slots(self, slots: list[int]) -> None:
        """Leaves slots without an owner."""

    def flush_slots(self) -> None: ...
    def set_slot_migrating(self, slot: int, name: str) -> None: ...
    def set_slot_importing(self, slot: int, name: str) -> None: ...
    def set_slot_stable(self, slot: int) -> None: ...
    def set_slot_node(self, slot: int, name: str) -> None: ...
    def bump_epoch(self) -> str: ...
    def set_config_epoch(self, epoch: int) -> None: ...
    def save_config(self) -> None: ...


class NoCluster:
    """A server without cluster mode: it serves every key, and has no other nodes."""

    enabled = False

    def __init__(self) -> None:
        self.served = bytearray()

    def redirect(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """Serves everything."""

    def publish(self, channel: bytes, message: bytes, *, sharded: bool) -> None:
        """There are no other nodes."""

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

    def add_slots(self, slots: list[int]) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def delete_slots(self, slots: list[int]) -> None:
        """CommandError."""
        raise CommandError(_DISABLED)

    def flush_slots(self) -> None:
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
