"""The texts and replies in which CLUSTER shows the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.bus.messages import TYPE_NAMES
from twisted_redis.cluster.endpoints import client_port, preferred_endpoint
from twisted_redis.cluster.nodes import FAIL, HANDSHAKE, PFAIL, ranges
from twisted_redis.cluster.nodes_file import node_line
from twisted_redis.cluster.roles import top_master
from twisted_redis.keyspace.slots import SLOTS
from twisted_redis.resp.types import Pairs, Reply

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core
    from twisted_redis.cluster.links import BusLink
    from twisted_redis.cluster.nodes import Node

__all__ = ["endpoint", "info_text", "links_reply", "nodes_text", "shards_reply", "slots_reply"]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def nodes_text(core: Core, *, tls: bool) -> str:
    """CLUSTER NODES."""
    return "".join(node_line(core.state, node, tls=tls) + "\n" for node in core.state.nodes.values())


def endpoint(core: Core, node: Node) -> str:
    """Returns the host at which clients find a node, by cluster-preferred-endpoint-type; it may be empty."""
    return preferred_endpoint(node, core.config.cluster_preferred_endpoint_type)


def info_text(core: Core) -> str:
    """CLUSTER INFO."""
    state = core.state
    assigned = suspected = failed = 0
    for node in state.nodes.values():
        count = node.slots.bit_count()
        assigned += count
        if node.flags & FAIL:
            failed += count
        elif node.flags & PFAIL:
            suspected += count
    shown = state.shard_master
    lines = [
        f"cluster_state:{'ok' if state.ok else 'fail'}",
        f"cluster_slots_assigned:{assigned}",
        f"cluster_slots_ok:{assigned - suspected - failed}",
        f"cluster_slots_pfail:{suspected}",
        f"cluster_slots_fail:{failed}",
        f"cluster_known_nodes:{len(state.nodes)}",
        f"cluster_size:{state.size}",
        f"cluster_current_epoch:{state.current_epoch}",
        f"cluster_my_epoch:{shown.config_epoch}",
    ]
    for counts, direction in ((core.sent, "sent"), (core.received, "received")):
        for name, count in zip(TYPE_NAMES, counts, strict=True):
            if count:
                lines.append(f"cluster_stats_messages_{name}_{direction}:{count}")
        lines.append(f"cluster_stats_messages_{direction}:{sum(counts)}")
    lines.append(f"total_cluster_links_buffer_limit_exceeded:{core.links_over_limit}")
    lines += core.migrations.lines()
    return "".join(line + "\r\n" for line in lines)


def slots_reply(core: Core, *, tls: bool) -> Reply:
    """CLUSTER SLOTS."""
    found = []
    owners = core.state.owners
    # The same nodes serve many ranges.
    shown: dict[Node, list[Reply]] = {}
    first = 0
    while first < SLOTS:
        owner = owners[first]
        last = first
        while last + 1 < SLOTS and owners[last + 1] is owner:
            last += 1
        if owner is not None:
            if owner not in shown:
                replicas = [each for each in owner.replicas if not each.flags & FAIL and _offset(core, each)]
                shown[owner] = [_slots_node(core, each, tls) for each in (owner, *replicas)]
            found.append([first, last, *shown[owner]])
        first = last + 1
    return found


def _offset(core: Core, node: Node) -> int:
    return core.host.offset() if node is core.state.myself else node.replica_offset


def _slots_node(core: Core, node: Node, tls: bool) -> Reply:
    kind = core.config.cluster_preferred_endpoint_type
    others: Pairs = Pairs()
    if kind != "ip":
        others += [b"ip", _bytes(node.ip)]
    if kind != "hostname" and node.hostname:
        others += [b"hostname", _bytes(node.hostname)]
    return [
        _bytes(endpoint(core, node)) if kind != "unknown-endpoint" else None,
        client_port(node, tls=tls),
        node.name.encode(),
        others,
    ]


def shards_reply(core: Core) -> Reply:
    """CLUSTER SHARDS."""
    shards: dict[str, list[Node]] = {}
    for node in core.state.nodes.values():
        if not node.flags & HANDSHAKE:
            shards.setdefault(node.shard_id, []).append(node)
    return [
        Pairs((b"slots", _shard_slots(nodes), b"nodes", [_shards_node(core, node) for node in nodes]))
        for nodes in shards.values()
    ]


def _shard_slots(nodes: list[Node]) -> list[int]:
    working = next((node for node in nodes if not node.flags & FAIL), None)
    if working is None:
        return []
    return [end for pair in ranges(top_master(working).slots) for end in pair]


def _shards_node(core: Core, node: Node) -> Reply:
    fields: Pairs = Pairs((b"id", node.name.encode()))
    if node.port:
        fields += [b"port", node.port]
    if node.tls_port:
        fields += [b"tls-port", node.tls_port]
    fields += [b"ip", _bytes(node.ip), b"endpoint", _bytes(endpoint(core, node))]
    if node.hostname:
        fields += [b"hostname", _bytes(node.hostname)]
    offset = _offset(core, node)
    if node.flags & FAIL:
        health = b"fail"
    else:
        health = b"loading" if node.is_replica and not offset else b"online"
    fields += [
        b"role",
        b"replica" if node.is_replica else b"master",
        b"replication-offset",
        offset,
        b"health",
        health,
    ]
    return fields


def links_reply(core: Core) -> Reply:
    """CLUSTER LINKS."""
    return [
        _link(node, link)
        for node in core.state.nodes.values()
        for link in (node.link, node.inbound)
        if link is not None
    ]


def _link(node: Node, link: BusLink) -> Reply:
    queued = link.queued
    events = (b"r" if link.connected else b"") + (b"w" if queued else b"")
    return Pairs(
        (
            b"direction",
            b"from" if link.is_inbound else b"to",
            b"node",
            node.name.encode(),
            b"create-time",
            link.created,
            b"events",
            events,
            b"send-buffer-allocated",
            queued,
            b"send-buffer-used",
            queued,
        )
    )
