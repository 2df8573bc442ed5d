"""The roles of the nodes: masters, their replicas, and the shards that they form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.core import SAVE, UPDATE_STATE
from twisted_redis.cluster.nodes import FAIL, MASTER, MIGRATE_TO, REPLICA, Node

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core

__all__ = [
    "add_replica",
    "become_master",
    "count_good_replicas",
    "follow",
    "remove_replica",
    "replicate",
    "top_master",
    "update_shard",
]


def add_replica(master: Node, replica: Node) -> None:
    """Notes that ``replica`` replicates from ``master``."""
    if replica not in master.replicas:
        master.replicas.append(replica)
        master.flags |= MIGRATE_TO


def remove_replica(master: Node, replica: Node) -> None:
    """Notes that ``replica`` no longer replicates from ``master``."""
    if replica in master.replicas:
        master.replicas.remove(replica)
        if not master.replicas:
            master.flags &= ~MIGRATE_TO


def count_good_replicas(master: Node) -> int:
    """The number of replicas that have not failed."""
    return sum(not replica.flags & FAIL for replica in master.replicas)


def become_master(core: Core, node: Node) -> None:
    """Notes that a node is a master now."""
    if node.is_master:
        return
    if node.master is not None:
        remove_replica(node.master, node)
        if node is not core.state.myself:
            node.flags |= MIGRATE_TO
    node.flags = node.flags & ~REPLICA | MASTER
    node.master = None
    core.note(SAVE | UPDATE_STATE)


def follow(core: Core, master: Node) -> None:
    """Makes this node a replica of another."""
    state = core.state
    myself = state.myself
    if myself.is_master:
        core.migrations.cancel(None, "switching to replica")
        myself.flags = myself.flags & ~(MASTER | MIGRATE_TO) | REPLICA
        state.close_slots()
    elif myself.master is not None:
        remove_replica(myself.master, myself)
    myself.master = master
    update_shard(myself, master.shard_id)
    add_replica(master, myself)
    replicate(core)
    # Sharded subscriptions to slots of other shards end.
    state.moved |= ~master.slots & (1 << len(state.owners)) - 1
    core.end_manual_failover()


def replicate(core: Core) -> None:
    """Lets the server replicate from the master of this node."""
    master = core.state.myself.master
    if master is not None:
        core.host.follow(master.ip, master.tls_port if core.config.tls_replication else master.port)


def top_master(node: Node) -> Node:
    """The master of a node, or the master of its master...; a node itself if it has none."""
    seen = {node}
    while node.master is not None and node.master not in seen:
        # While news of a failover is on its way, two nodes may pass for replicas of each other.
        node = node.master
        seen.add(node)
    return node


def update_shard(node: Node, shard_id: str) -> bool:
    """Puts a master with its replicas into a shard, or a replica into that of its master; True if that was news."""
    if node.shard_id == shard_id:
        return False
    if node.master is not None:
        if node.master.shard_id != shard_id:
            return False
    else:
        for replica in node.replicas:
            replica.shard_id = shard_id
    node.shard_id = shard_id
    return True
