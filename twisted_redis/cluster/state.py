"""The knowledge of this node about its cluster: the nodes, the owners of the slots, and the epochs.

The functions of this room change these tables; nothing else does.  ``ClusterState`` itself only keeps the tables in
step with each other.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_redis.cluster.nodes import MASTER, MIGRATE_TO, MYSELF, Node, all_slots, ranges
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
        #: Slots that have got another owner since the host was last told.
        self.moved = 0
        #: Slots that their owner no longer claims, although no other node has claimed them yet.
        self.not_claimed = 0
        self.current_epoch = 0
        self.last_vote_epoch = 0
        #: False while the cluster is down for this node.
        self.ok = False
        #: The number of masters that have slots.
        self.size = 0
        #: By name of a forgotten node: the time (ms) until which gossip does not bring it back.
        self.forgotten: dict[str, int] = {}
        #: One byte for each slot: 1 if this node serves every key of the slot without looking at any rule.
        self.served = bytearray(SLOTS)
        #: Called after each change of ``served``.
        self.served_changed: Callable[[], None] = _ignore

    def assign(self, slot: int, node: Node | None) -> None:
        """Makes ``node`` the owner of a slot, in place of the one that it has; None: nobody owns it."""
        self.assign_all(1 << slot, node)

    def assign_all(self, slots: int, node: Node | None) -> None:
        """Makes ``node`` the owner of a set of slots."""
        if not slots:
            return
        for each in self.nodes.values():
            if each.slots & slots:
                each.slots &= ~slots
        if node is not None:
            if not node.slots and any(each.replicas for each in self.nodes.values() if each.is_master):
                # A master that gets its first slot may attract replicas, if masters have replicas here.
                node.flags |= MIGRATE_TO
            node.slots |= slots
        for first, last in ranges(slots):
            self.owners[first : last + 1] = [node] * (last + 1 - first)
        self.not_claimed &= ~slots
        self.moved |= slots
        self._mark(slots)

    def is_unclaimed(self, slot: int) -> bool:
        """True if nobody owns a slot, or its owner no longer claims it."""
        return self.owners[slot] is None or bool(self.not_claimed >> slot & 1)

    def find(self, name: str) -> Node | None:
        """The node with that id."""
        return self.nodes.get(name)

    @property
    def shard_master(self) -> Node:
        """The master of this shard: this node itself, or the master of this replica once it is known."""
        myself = self.myself
        return myself.master if myself.is_replica and myself.master is not None else myself

    def set_ok(self, ok: bool) -> None:
        """Notes whether the cluster is up."""
        if ok != self.ok:
            self.ok = ok
            self.mark_served()

    def mark_served(self) -> None:
        """Fills ``served`` again, after a change that concerns many slots."""
        self._mark(all_slots())

    def migrate_to(self, slot: int, node: Node | None) -> None:
        """Notes that a slot of this node is on its way to ``node``; None: no longer."""
        _put(self.migrating, slot, node)
        self._mark(1 << slot)

    def import_from(self, slot: int, node: Node | None) -> None:
        """Notes that a slot comes to this node from ``node``; None: no longer."""
        _put(self.importing, slot, node)
        self._mark(1 << slot)

    def close_slots(self) -> None:
        """No slot is on its way any more."""
        self.migrating.clear()
        self.importing.clear()
        self.mark_served()

    def become(self, other: ClusterState) -> None:
        """Takes over the tables of ``other``, which is not used any more.  ``served`` stays the same object."""
        self.myself = other.myself
        self.nodes = other.nodes
        self.owners = other.owners
        self.migrating = other.migrating
        self.importing = other.importing
        self.current_epoch = other.current_epoch
        self.last_vote_epoch = other.last_vote_epoch
        self.moved = self.not_claimed = 0
        self.mark_served()

    def _mark(self, slots: int) -> None:
        """Brings ``served`` up to date for a set of slots."""
        mine = slots & self.myself.slots if self.ok else 0
        for first, last in ranges(slots & ~mine):
            self.served[first : last + 1] = bytes(last + 1 - first)
        for first, last in ranges(mine):
            self.served[first : last + 1] = b"\1" * (last + 1 - first)
        for slot in (*self.migrating, *self.importing):
            self.served[slot] = 0
        self.served_changed()


def _ignore() -> None:
    """Nobody follows the slots."""


def _put(table: dict[int, Node], slot: int, node: Node | None) -> None:
    if node is None:
        table.pop(slot, None)
    else:
        table[slot] = node
