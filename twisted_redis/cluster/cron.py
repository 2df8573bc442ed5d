"""Periodic work, which is done ten times a second, and work that is done before anything more is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.bus.messages import MEET, PING
from twisted_redis.cluster.core import FAIL_OVER, FAIL_OVER_MANUALLY, SAVE, SYNC, UPDATE_STATE
from twisted_redis.cluster.elections import handle_failover
from twisted_redis.cluster.failures import mark_failed_if_agreed
from twisted_redis.cluster.gossip import send_ping
from twisted_redis.cluster.headers import announced_ip, announced_ports
from twisted_redis.cluster.health import update_state
from twisted_redis.cluster.manual import check_timeout, handle_manual_failover
from twisted_redis.cluster.membership import delete_node, drop_link
from twisted_redis.cluster.nodes import HANDSHAKE, MYSELF, NO_ADDRESS, NO_FAILOVER, PFAIL, Node
from twisted_redis.cluster.nodes import MEET as TO_MEET
from twisted_redis.cluster.replica_migration import migrate_if_needed
from twisted_redis.cluster.roles import replicate
from twisted_redis.cluster.saving import save_now

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core
    from twisted_redis.cluster.links import BusLink

__all__ = ["link_made", "refresh_myself", "settle", "tick"]

#: A node that has not answered by then is not met (ms), if the node timeout is not longer.
_LEAST_HANDSHAKE = 1000
#: Every so many ticks, one of so many random nodes gets a PING.
_RANDOM_PING_TICKS = 10
_RANDOM_PINGS = 5
#: A tick comes late if half a node timeout has passed since the last one, and at least this time (ms).
_LEAST_STALL = 500
#: How long a node listens after that before it suspects anybody (ms).
_LISTENS = 300


def refresh_myself(core: Core) -> None:
    """Takes over from the directives what this node says about itself."""
    config = core.config
    myself = core.state.myself
    myself.port, myself.tls_port, myself.bus_port = announced_ports(core)
    announced = announced_ip(core)
    if announced != core.announced_ip:
        # Without an announced address, the next PING tells which one it is.
        core.announced_ip = myself.ip = announced
    names = config.cluster_announce_hostname or "", config.cluster_announce_human_nodename or ""
    if names != (myself.hostname, myself.human_name):
        myself.hostname, myself.human_name = names
        core.note(SAVE)
    flags = myself.flags & ~NO_FAILOVER | (NO_FAILOVER if config.cluster_replica_no_failover else 0)
    if flags != myself.flags:
        myself.flags = flags
        core.note(SAVE | UPDATE_STATE)


def link_made(core: Core, link: BusLink) -> None:
    """A link that this node has opened stands: says hello."""
    node = link.node
    if link.is_inbound or node is None:
        return
    before = node.ping_sent
    send_ping(core, link, MEET if node.flags & TO_MEET else PING)
    if before:
        # A PING that has waited for an answer since before the loss of the last link still waits.
        node.ping_sent = before
    node.flags &= ~TO_MEET


def settle(core: Core) -> None:
    """Does what the rules have left to be done, also by each other."""
    while core.todo:
        todo, core.todo = core.todo, 0
        if todo & FAIL_OVER_MANUALLY and core.state.myself.is_replica:
            handle_manual_failover(core)
            handle_failover(core)
        elif todo & FAIL_OVER:
            handle_failover(core)
        if todo & UPDATE_STATE:
            update_state(core)
        if todo & SAVE:
            save_now(core, sync=bool(todo & SYNC))
    if core.manual.waits:
        # The next turn may execute the rest of the master's stream.
        core.todo = FAIL_OVER_MANUALLY
    moved, core.state.moved = core.state.moved, 0
    if moved:
        core.host.slots_moved(moved)


def tick(core: Core) -> None:
    """Runs ten times a second."""
    state = core.state
    myself = state.myself
    core.ticks += 1
    _notice_a_stall(core)
    refresh_myself(core)
    _open_links(core)
    if core.ticks % _RANDOM_PING_TICKS == 0:
        _ping_a_random_node(core)
    newly_suspected = False
    for node in list(state.nodes.values()):
        if not node.flags & (MYSELF | NO_ADDRESS | HANDSHAKE):
            newly_suspected |= _watch(core, node)
    master = myself.master
    if master is not None and not master.flags & NO_ADDRESS and not core.host.has_master():
        replicate(core)
    check_timeout(core)
    core.migrations.tick()
    if myself.is_replica:
        handle_manual_failover(core)
        handle_failover(core)
        if myself.is_replica:
            migrate_if_needed(core)
    if newly_suspected or not state.ok:
        update_state(core)
    settle(core)


def _notice_a_stall(core: Core) -> None:
    """Makes a node that did not run for a while read its sockets before it suspects anybody.

    The others may have answered meanwhile, and this node has not listened.  Redis needs no such rule, because its loop
    reads the sockets first and looks at the time afterwards.  Ticks that always come late are taken as they are.
    """
    now = core.host.now()
    late = now - core.ticked_at > max(core.config.cluster_node_timeout // 2, _LEAST_STALL)
    if late and core.ticked_at and not core.was_late:
        core.listens_until = now + _LISTENS
    core.was_late = late
    core.ticked_at = now


def _open_links(core: Core) -> None:
    """Opens the links that are missing, and closes those that hold too much."""
    now = core.host.now()
    timeout = core.config.cluster_node_timeout
    limit = core.config.cluster_link_sendbuf_limit
    core.suspects = 0
    for node in list(core.state.nodes.values()):
        if limit:
            _close_full_links(core, node, limit)
        if node.flags & (MYSELF | NO_ADDRESS):
            continue
        if node.flags & PFAIL:
            core.suspects += 1
        if node.flags & HANDSHAKE and now - node.joined > max(timeout, _LEAST_HANDSHAKE):
            delete_node(core, node)
        elif node.link is None and node.ip and node.name not in core.cut_off:
            node.link = core.network.connect(node)
        elif node.link is None and not node.ping_sent:
            # Nobody can reach it, so it does not answer.
            node.ping_sent = now


def _close_full_links(core: Core, node: Node, limit: int) -> None:
    for link in (node.link, node.inbound):
        if link is not None and link.queued > limit:
            core.host.log("warning", f"Closing a link to {node.name}: {link.queued} bytes are waiting there.")
            link.close()
            core.links_over_limit += 1
            if link is node.link:
                node.link = None
            else:
                node.inbound = None


def _ping_a_random_node(core: Core) -> None:
    """Sends a PING to the node that has been silent for the longest time among some random ones."""
    nodes = list(core.state.nodes.values())
    silent: Node | None = None
    for _ in range(_RANDOM_PINGS):
        node = core.random.choice(nodes)
        if node.link is None or node.ping_sent or node.flags & (MYSELF | HANDSHAKE):
            continue
        if silent is None or node.pong_received < silent.pong_received:
            silent = node
    if silent is not None and silent.link is not None:
        send_ping(core, silent.link, PING)


def _watch(core: Core, node: Node) -> bool:
    """Pings a node when it is time, and suspects it if it does not answer; True if that has just begun."""
    now = core.host.now()
    timeout = core.config.cluster_node_timeout
    without_pong = now - node.ping_sent
    without_data = now - node.data_received
    link = node.link
    if link is not None:
        waited = min(without_pong, without_data) > timeout // 2 and now >= core.listens_until
        if node.ping_sent and now - link.created > timeout and waited:
            # Maybe only the connection is broken.
            drop_link(node)
            link = None
        elif not node.ping_sent and now - node.pong_received > (core.config.cluster_ping_interval or timeout // 2):
            send_ping(core, link, PING)
            return False
    if core.manual.ends and core.state.myself.is_master and core.manual.replica is node and link is not None:
        send_ping(core, link, PING)
        return False
    if not node.ping_sent or min(without_pong, without_data) <= timeout or node.failing:
        return False
    if now < core.listens_until:
        return False
    node.flags |= PFAIL
    if core.state.myself.is_master and core.state.size == 1:
        mark_failed_if_agreed(core, node)
    return True
