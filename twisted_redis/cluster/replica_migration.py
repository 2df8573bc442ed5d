"""Replica migration: a replica of a master that has several moves to a master that has lost all of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.core import SAVE, UPDATE_STATE
from twisted_redis.cluster.nodes import FAIL, MIGRATE_TO, NO_ADDRESS, Node
from twisted_redis.cluster.roles import count_good_replicas, follow

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core

__all__ = ["migrate_if_needed"]

#: So long a master has to be without replicas (ms): those of a failed master need time to report to the new one.
_DELAY = 5000


def migrate_if_needed(core: Core) -> None:
    """Moves this replica to an orphaned master, if this is the replica that has to do it."""
    state = core.state
    myself = state.myself
    good = {node: count_good_replicas(node) for node in state.nodes.values() if node.is_master}
    orphans = [node for node in good if _is_orphan(node, good[node]) and node.slots]
    most = max((count for node, count in good.items() if not node.flags & (FAIL | NO_ADDRESS)), default=0)
    if not orphans or most < 2 or myself.master is None or good.get(myself.master, 0) != most:
        return
    if not core.config.cluster_allow_replica_migration or not state.ok:
        return
    if sum(not replica.failing for replica in myself.master.replicas) <= core.config.cluster_migration_barrier:
        return
    now = core.host.now()
    for node in state.nodes.values():
        if node not in good or not _is_orphan(node, good[node]):
            node.orphaned_since = 0
        elif not node.orphaned_since:
            node.orphaned_since = now
    candidates = [replica for node in good if good[node] == most for replica in node.replicas]
    if min(candidates, key=_name) is not myself:
        return
    target = orphans[0]
    if now - target.orphaned_since > _DELAY:
        core.host.log("notice", f"This replica moves to {target.name} ({target.human_name}), which has none.")
        follow(core, target)
        core.note(SAVE | UPDATE_STATE)


def _is_orphan(master: Node, good: int) -> bool:
    """True for a working master without working replicas that had some, or is entitled to some."""
    return not good and master.flags & (FAIL | NO_ADDRESS | MIGRATE_TO) == MIGRATE_TO


def _name(node: Node) -> str:
    return node.name
