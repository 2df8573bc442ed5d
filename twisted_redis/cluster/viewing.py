"""The description of the tables that the status page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.nodes import FAIL, HANDSHAKE, NO_ADDRESS, PFAIL, Node, ranges
from twisted_redis.cluster.roles import top_master
from twisted_redis.engine.ports.cluster_view import ClusterView, MigrationView, NodeView

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core
    from twisted_redis.cluster.links import BusLink

__all__ = ["view"]

#: In the order in which they count, if a node has several of these flags.
_HEALTH = ((HANDSHAKE, "handshake"), (FAIL, "failed"), (NO_ADDRESS, "no address"), (PFAIL, "suspected"))


def view(core: Core) -> ClusterView:
    """Returns the cluster as this node sees it."""
    state = core.state
    tls = core.config.tls_cluster
    nodes = sorted(state.nodes.values(), key=_order)
    return ClusterView(
        state.myself.name,
        state.ok,
        state.current_epoch,
        [_node(node, is_myself=node is state.myself, tls=tls) for node in nodes],
        _migrations(core),
    )


def _order(node: Node) -> tuple[int, str, bool, str]:
    """Masters in the order of their first slots, those without any last; each is followed by its replicas."""
    master = top_master(node)
    first = (master.slots & -master.slots).bit_length() or 1 << 20
    return first, master.name, node is not master, node.name


def _node(node: Node, *, is_myself: bool, tls: bool) -> NodeView:
    port = (node.tls_port if tls else node.port) or node.port or node.tls_port
    role = "replica" if node.is_replica else "master" if node.is_master else ""
    return NodeView(
        node.name,
        f"{node.ip}:{port}" if port else "",
        node.human_name or node.hostname,
        is_myself,
        role,
        node.master.name if node.master is not None else "",
        ranges(node.slots),
        (node.master or node).config_epoch,
        next((word for flag, word in _HEALTH if node.flags & flag), "ok"),
        is_myself or _is_up(node.link),
        is_myself or _is_up(node.inbound),
    )


def _is_up(link: BusLink | None) -> bool:
    return link is not None and link.connected


def _migrations(core: Core) -> list[MigrationView]:
    state = core.state
    moving: dict[tuple[str, str], int] = {}
    for slot, target in state.migrating.items():
        pair = state.myself.name, target.name
        moving[pair] = moving.get(pair, 0) | 1 << slot
    for slot, source in state.importing.items():
        pair = source.name, state.myself.name
        moving[pair] = moving.get(pair, 0) | 1 << slot
    return [MigrationView(source, target, ranges(slots)) for (source, target), slots in moving.items()]
