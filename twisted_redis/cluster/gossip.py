"""PING, PONG and MEET, in which nodes tell each other about themselves and about other nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.bus.messages import (
    PING,
    PONG,
    Extensions,
    Gossip,
    Message,
    encode,
)
from twisted_redis.cluster.core import SAVE, SYNC, UPDATE_STATE, random_id
from twisted_redis.cluster.failures import count_reports, mark_failed_if_agreed
from twisted_redis.cluster.headers import header
from twisted_redis.cluster.membership import delete_node, is_forgotten
from twisted_redis.cluster.nodes import (
    EXTENSIONS,
    FAIL,
    HANDSHAKE,
    MEET,
    MYSELF,
    NO_ADDRESS,
    OF_VALKEY,
    PFAIL,
    Node,
    is_id,
)
from twisted_redis.cluster.roles import top_master, update_shard

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core
    from twisted_redis.cluster.links import BusLink

__all__ = ["broadcast_pong", "read_extensions", "read_gossip", "send_ping"]

#: How far in the future a time of another node may be (ms).
_CLOCK_TOLERANCE = 500
#: A message tells about one node in so many, but at least about three.
_SHARE = 10
_LEAST = 3


def send_ping(core: Core, link: BusLink, kind: int) -> None:
    """Sends a PING, PONG or MEET."""
    message = header(core, kind)
    receiver = link.node
    if kind == PING and not link.is_inbound and receiver is not None:
        receiver.ping_sent = core.host.now()
    message.gossip = _gossip(core, receiver)
    if receiver is not None and receiver.flags & EXTENSIONS:
        message.extensions = _extensions(core, receiver)
    link.send(encode(message))
    core.sent[kind] += 1


def broadcast_pong(core: Core, *, shard_only: bool = False) -> None:
    """Sends a PONG to all nodes, so that they see a change at once; or to the other replicas of the same master."""
    myself = core.state.myself
    for node in list(core.state.nodes.values()):
        if node.link is None or node is myself or node.flags & HANDSHAKE:
            continue
        if shard_only and not (
            node.is_replica and node.master is not None and (node.master is myself or node.master is myself.master)
        ):
            continue
        send_ping(core, node.link, PONG)


def _gossip(core: Core, receiver: Node | None) -> list[Gossip]:
    nodes = core.state.nodes
    wanted = min(max(len(nodes) // _SHARE, _LEAST), len(nodes) - 2)
    entries: list[Node] = []
    looked_at = 0
    while len(entries) < wanted and looked_at < min(3 * wanted, len(nodes)):
        looked_at += 1
        node = _next_card(core)
        if (
            node is not receiver
            and not node.flags & (MYSELF | PFAIL | HANDSHAKE | NO_ADDRESS)
            and (node.link is not None or node.slots)
            and node not in entries
        ):
            entries.append(node)
    if core.suspects:
        # Suspicions are told to everybody, so that the masters agree soon.
        entries += [each for each in nodes.values() if each.flags & (PFAIL | HANDSHAKE | NO_ADDRESS) == PFAIL]
    tls = core.config.tls_cluster
    return [
        Gossip(
            node.name,
            node.ping_sent // 1000,
            node.pong_received // 1000,
            node.ip,
            node.tls_port if tls else node.port,
            node.bus_port,
            node.flags,
            node.port if tls else node.tls_port,
        )
        for node in entries
    ]


def _next_card(core: Core) -> Node:
    """Takes a random node: each one comes once before any comes again."""
    nodes = core.state.nodes
    while core.deck:
        node = core.deck.pop()
        if nodes.get(node.name) is node:
            return node
    core.deck = list(nodes.values())
    core.random.shuffle(core.deck)
    return core.deck.pop()


def _extensions(core: Core, receiver: Node) -> Extensions:
    state = core.state
    now = core.host.now()
    return Extensions(
        state.myself.hostname or None,
        state.myself.human_name or None,
        [(name, (until - now) // 1000) for name, until in state.forgotten.items() if until >= now],
        state.myself.shard_id,
        # Valkey would take the secret for an address for clients, and show it to them.  Gossip does not always tell
        # which nodes are of Valkey, so a node has to speak first.
        core.secret if receiver.data_received and not receiver.flags & OF_VALKEY else None,
    )


def read_gossip(core: Core, message: Message, sender: Node | None) -> None:
    """Takes over what a message says about other nodes."""
    entries = message.gossip
    if not all(is_id(entry.name) for entry in entries):
        core.host.log("warning", f"Node {sender.name if sender else '?'} has told about a node with an impossible id.")
        return
    state = core.state
    for entry in entries:
        node = state.nodes.get(entry.name)
        if node is None:
            # Only a node of this cluster is believed.  It would be wrong to meet whoever has that address now.
            if sender is not None and not entry.flags & NO_ADDRESS and not is_forgotten(core, entry.name):
                node = Node(entry.name, entry.flags & ~(MYSELF | HANDSHAKE | MEET), core.host.now())
                node.shard_id = random_id(core.random)
                _take_address(core, node, entry)
                state.nodes[node.name] = node
        elif node is not state.myself:
            _read_known(core, node, entry, sender)


def _read_known(core: Core, node: Node, entry: Gossip, sender: Node | None) -> None:
    bad = entry.flags & (FAIL | PFAIL)
    now = core.host.now()
    if sender is not None and sender.is_master:
        if bad:
            if sender not in node.reports:
                core.host.log(
                    "verbose",
                    f"Node {sender.name} ({sender.human_name}) reported node {node.name} ({node.human_name}) "
                    "as not reachable.",
                )
            node.reports[sender] = now
            mark_failed_if_agreed(core, node)
        elif node.reports.pop(sender, None) is not None:
            core.host.log(
                "verbose",
                f"Node {sender.name} ({sender.human_name}) reported node {node.name} ({node.human_name}) "
                "as reachable again.",
            )
    if bad:
        return
    if not node.ping_sent and not (node.reports and count_reports(core, node)):
        # A node that another one has heard of needs no PING of this one.
        heard = entry.pong_received * 1000
        if node.pong_received < heard <= now + _CLOCK_TOLERANCE:
            node.pong_received = heard
    if node.failing and not entry.flags & NO_ADDRESS and _has_moved(core, node, entry):
        # It cannot be reached where this node looks for it, and somebody reaches it elsewhere.
        if node.link is not None:
            node.link.close()
            node.link = None
        _take_address(core, node, entry)
        node.flags &= ~NO_ADDRESS


def _ports(core: Core, entry: Gossip) -> tuple[int, int]:
    ports = entry.port, entry.other_port
    return ports[::-1] if core.config.tls_cluster else ports


def _has_moved(core: Core, node: Node, entry: Gossip) -> bool:
    port, tls_port = _ports(core, entry)
    known = node.ip.lower(), node.port, node.tls_port, node.bus_port
    return known != (entry.ip.lower(), port, tls_port, entry.bus_port)


def _take_address(core: Core, node: Node, entry: Gossip) -> None:
    node.ip = entry.ip
    node.port, node.tls_port = _ports(core, entry)
    node.bus_port = entry.bus_port


def read_extensions(core: Core, message: Message, sender: Node) -> None:
    """Takes over what a node says about itself behind the gossip."""
    state = core.state
    said = message.extensions
    for name, seconds in said.forgotten:
        node = state.nodes.get(name)
        if node is None or node is state.myself or node is state.myself.master or node is sender:
            continue
        state.forgotten[name] = core.host.now() + seconds * 1000
        delete_node(core, node)
        core.note(UPDATE_STATE | SAVE)
    if said.secret is not None and said.secret < core.secret:
        core.secret = said.secret
    hostname, human_name = said.hostname or "", said.human_name or ""
    if (sender.hostname, sender.human_name) != (hostname, human_name):
        sender.hostname, sender.human_name = hostname, human_name
        core.note(SAVE)
    shard_id = said.shard_id if said.shard_id and is_id(said.shard_id) else top_master(sender).shard_id
    if update_shard(sender, shard_id):
        core.note(SAVE | SYNC)
