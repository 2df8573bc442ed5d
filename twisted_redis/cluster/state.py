"""What this node knows of its cluster: the nodes, the owners of the slots, and the epochs.

The functions of this room change these tables; nothing else does.  ``ClusterState`` itself only keeps the tables in
step with each other.
"""

from __future__ import annotations

from twisted_redis.cluster.nodes import MASTER, MYSELF, Node, slots_in
from twisted_redis.keyspace.slots import SLOTS

__all__ = ["ClusterState"]


class ClusterState:
    """The tables of one node."""

    def __init__(self, name: str, shard_id: str, now: int) -> None:
        self.myself = Node(name, MYSELF | MASTER, now)
        self.myself.shard_id = shard_id
        self.nodes: dict[str, Node] = {name: self.myself}
        #: By slot.
        self.owners: list[Node | None] = [None] * SLOTS
        self.migrating: dict[int, Node] = {}
        self.importing: dict[int, Node] = {}
        #: Slots that their owner no longer claims, although no other node has claimed them yet.
        self.not_claimed = 0
        self.current_epoch = 0
        self.last_vote_epoch = 0
        #: False while the cluster is down for this node.
        self.ok = False
        #: The number of masters that have slots.
        self.size = 1
        #: By name of a forgotten node: the time (ms) until which gossip does not bring it back.
        self.forgotten: dict[str, int] = {}
        #: One byte for each slot: 1 if this node serves every key of the slot without looking at any rule.
        self.served = bytearray(SLOTS)

    def assign(self, slot: int, node: Node | None) -> None:
        """Makes ``node`` the owner of a slot, in place of the one that it has; None: nobody owns it."""
        before = self.owners[slot]
        if before is not None:
            before.slots &= ~(1 << slot)
        if node is not None:
            node.slots |= 1 << slot
        self.owners[slot] = node
        self.not_claimed &= ~(1 << slot)
        self._mark(slot)

    def set_ok(self, ok: bool) -> None:
        """Notes whether the cluster is up."""
        if ok != self.ok:
            self.ok = ok
            self.mark_served()

    def mark_served(self) -> None:
        """Fills ``served`` again, after a change that concerns many slots."""
        self.served[:] = bytes(SLOTS)
        for slot in slots_in(self.myself.slots):
            self._mark(slot)

    def migrate_to(self, slot: int, node: Node | None) -> None:
        """Notes that a slot of this node is on its way to ``node``; None: no longer."""
        if node is None:
            self.migrating.pop(slot, None)
        else:
            self.migrating[slot] = node
        self._mark(slot)

    def import_from(self, slot: int, node: Node | None) -> None:
        """Notes that a slot comes to this node from ``node``; None: no longer."""
        if node is None:
            self.importing.pop(slot, None)
        else:
            self.importing[slot] = node
        self._mark(slot)

    def _mark(self, slot: int) -> None:
        self.served[slot] = (
            self.ok and self.owners[slot] is self.myself and slot not in self.migrating and slot not in self.importing
        )
