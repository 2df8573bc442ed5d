"""Which nodes belong to the cluster: meeting new ones, their addresses, and forgetting nodes."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from twisted_redis.cluster.core import SAVE, UPDATE_STATE, random_id
from twisted_redis.cluster.nodes import HANDSHAKE, MASTER, MEET, NO_ADDRESS, REPLICA, Node
from twisted_redis.cluster.roles import remove_replica, replicate

if TYPE_CHECKING:
    from twisted_redis.cluster.bus.messages import Message
    from twisted_redis.cluster.core import Core
    from twisted_redis.cluster.links import BusLink

__all__ = [
    "add_stranger",
    "delete_node",
    "drop_link",
    "finish_handshake",
    "forget",
    "is_forgotten",
    "link_lost",
    "normal_ip",
    "ports_of",
    "start_handshake",
    "update_address",
]

#: How long a forgotten node does not come back by gossip (ms).
FORGOTTEN_FOR = 60_000


def normal_ip(text: str) -> str | None:
    """Returns the usual form of an IP address, or None if the text is not one."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, text))
        except (OSError, ValueError):
            continue
    return None


def start_handshake(core: Core, ip: str, port: int, bus_port: int) -> bool:
    """Meets the node at an address, unless that is on its way; False if the address is impossible."""
    normal = normal_ip(ip)
    if normal is None or not (0 < port <= 65535 and 0 < bus_port <= 65535):
        return False
    tls = core.config.tls_cluster
    if _is_meeting(core, normal, port, bus_port):
        return True
    node = _new_node(core, HANDSHAKE | MEET)
    node.ip = normal
    if tls:
        node.tls_port = port
    else:
        node.port = port
    node.bus_port = bus_port
    return True


def _is_meeting(core: Core, ip: str, port: int, bus_port: int) -> bool:
    """True if a handshake with the node at an address is on its way."""
    tls = core.config.tls_cluster
    place = ip.lower(), port, bus_port
    return any(
        node.flags & HANDSHAKE and (node.ip.lower(), node.tls_port if tls else node.port, node.bus_port) == place
        for node in core.state.nodes.values()
    )


def _new_node(core: Core, flags: int) -> Node:
    """Adds a node whose id is not known yet."""
    node = Node(random_id(core.random), flags, core.host.now())
    node.shard_id = random_id(core.random)
    core.state.nodes[node.name] = node
    return node


def ports_of(core: Core, message: Message) -> tuple[int, int]:
    """The ports for clients, and for clients with TLS, of the sender of a message."""
    ports = message.port, message.other_port
    return ports[::-1] if core.config.tls_cluster else ports


def add_stranger(core: Core, link: BusLink, message: Message) -> None:
    """Begins a handshake with a node that wants to meet this one; one that asks again does not get another."""
    ip = message.ip or link.peer_ip
    if _is_meeting(core, ip, message.port, message.bus_port):
        return
    node = _new_node(core, HANDSHAKE)
    node.ip = ip
    node.port, node.tls_port = ports_of(core, message)
    node.bus_port = message.bus_port
    core.note(SAVE)


def finish_handshake(core: Core, node: Node, message: Message) -> None:
    """Gives a node the id that it has named in its first answer."""
    del core.state.nodes[node.name]
    node.name = message.sender
    core.state.nodes[node.name] = node
    node.flags = node.flags & ~HANDSHAKE | message.flags & (MASTER | REPLICA)
    core.note(SAVE)


def update_address(core: Core, node: Node, link: BusLink, message: Message) -> bool:
    """Takes over the address of a node from a message that came on another link; True if it was new."""
    if link is node.link:
        return False
    ip = message.ip or link.peer_ip
    port, tls_port = ports_of(core, message)
    if not ip or (node.ip, node.port, node.tls_port, node.bus_port) == (ip, port, tls_port, message.bus_port):
        return False
    node.ip, node.port, node.tls_port, node.bus_port = ip, port, tls_port, message.bus_port
    drop_link(node)
    node.flags &= ~NO_ADDRESS
    core.host.log("notice", f"Node {node.name} ({node.human_name}) has moved to {ip}:{port or tls_port}.")
    if node is core.state.myself.master:
        replicate(core)
    return True


def drop_link(node: Node) -> None:
    """Closes the link to a node; the next tick opens another."""
    if node.link is not None:
        node.link.close()
        node.link = None


def link_lost(link: BusLink) -> None:
    """A link has ended."""
    node = link.node
    if node is not None:
        if node.link is link:
            node.link = None
        if node.inbound is link:
            node.inbound = None


def delete_node(core: Core, node: Node) -> None:
    """Removes a node from the tables, and leaves its slots without an owner."""
    state = core.state
    core.migrations.cancel_node(node.name)
    for table in (state.migrating, state.importing):
        for slot in [slot for slot, other in table.items() if other is node]:
            del table[slot]
    state.assign_all(node.slots, None)
    state.mark_served()
    for other in state.nodes.values():
        other.reports.pop(node, None)
    for replica in node.replicas:
        replica.master = None
    if node.master is not None:
        remove_replica(node.master, node)
    del state.nodes[node.name]
    drop_link(node)
    if node.inbound is not None:
        node.inbound.close()
        node.inbound = None
    if core.manual.replica is node:
        core.manual.replica = None
        core.host.release_writes()


def forget(core: Core, node: Node) -> None:
    """Removes a node, and does not let gossip bring it back for a while."""
    now = core.host.now()
    forgotten = core.state.forgotten
    for name in [name for name, until in forgotten.items() if until < now]:
        del forgotten[name]
    forgotten[node.name] = now + FORGOTTEN_FOR
    delete_node(core, node)
    core.note(UPDATE_STATE | SAVE)


def is_forgotten(core: Core, name: str) -> bool:
    """True if a node must not come back yet."""
    until = core.state.forgotten.get(name)
    if until is None:
        return False
    if until < core.host.now():
        del core.state.forgotten[name]
        return False
    return True
