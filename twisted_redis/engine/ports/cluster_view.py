"""A read-only description of a cluster, as one of its nodes sees it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ClusterView", "MigrationView", "NodeView"]

#: The (first, last) slot of each unbroken range in a set, in ascending order.
Ranges = list[tuple[int, int]]


@dataclass(frozen=True)
class NodeView:
    """One node."""

    id: str
    #: The place at which clients find the node (``ip:port``); empty if it is unknown.
    address: str
    #: The name for people, or the host name; empty without one.
    name: str
    is_myself: bool
    #: ``master`` or ``replica``; empty while it is unknown.
    role: str
    #: The id of the master of a replica; empty for a master.
    master: str
    slots: Ranges
    config_epoch: int
    #: ``ok``, ``suspected`` (by this node alone), ``failed``, ``handshake`` or ``no address``.
    health: str
    #: Whether the link to the node is up, and the one that comes from it.
    link_to: bool
    link_from: bool


@dataclass(frozen=True)
class MigrationView:
    """Slots that are on their way from one node to another; this node is one of the two."""

    #: Ids of the nodes.
    source: str
    target: str
    slots: Ranges


@dataclass(frozen=True)
class ClusterView:
    """The cluster."""

    #: The id of this node.
    id: str
    ok: bool
    current_epoch: int
    #: Each master in the order of its slots, followed by its replicas; then the nodes that belong to none.
    nodes: list[NodeView]
    migrations: list[MigrationView]
