"""The actions of this node on a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.bus.messages import (
    AUTH_ACK,
    AUTH_REQUEST,
    FAIL,
    KNOWS_EXTENSIONS,
    MEET,
    MFSTART,
    PING,
    PONG,
    PUBLISH,
    PUBLISHSHARD,
    TYPE_NAMES,
    UPDATE,
    Message,
)
from twisted_redis.cluster.core import SAVE, UPDATE_STATE
from twisted_redis.cluster.elections import count_vote, vote
from twisted_redis.cluster.epochs import learn, resolve_collision
from twisted_redis.cluster.failures import clear_failure, mark_failed
from twisted_redis.cluster.gossip import read_extensions, read_gossip, send_ping
from twisted_redis.cluster.manual import accept_manual_failover, learn_offset
from twisted_redis.cluster.membership import (
    add_stranger,
    delete_node,
    drop_link,
    finish_handshake,
    link_lost,
    update_address,
)
from twisted_redis.cluster.nodes import (
    EXTENSIONS,
    HANDSHAKE,
    MASTER,
    MIGRATE_TO,
    MYSELF,
    NO_ADDRESS,
    NO_FAILOVER,
    OF_VALKEY,
    REPLICA,
    is_id,
)
from twisted_redis.cluster.nodes import FAIL as FAILED
from twisted_redis.cluster.roles import add_replica, become_master, remove_replica, update_shard
from twisted_redis.cluster.slots import correct_claims, read_update, take_claims

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core
    from twisted_redis.cluster.links import BusLink
    from twisted_redis.cluster.nodes import Node

__all__ = ["receive"]


def receive(core: Core, link: BusLink, message: Message) -> None:
    """Acts on a message that has come on a link."""
    kind = message.kind
    if kind == core.dropped_kind:
        core.host.log("warning", f"Dropped a message of the kind {TYPE_NAMES[kind]}, as DEBUG has requested.")
        if core.close_on_drop:
            link.close()
            link_lost(link)
        return
    sender = _sender(core, link, message)
    if sender is not None:
        if message.message_flags & KNOWS_EXTENSIONS:
            sender.flags = sender.flags & ~OF_VALKEY | message.flags & OF_VALKEY | EXTENSIONS
        now = core.host.now()
        sender.data_received = now
        if not sender.flags & HANDSHAKE:
            learn(core, sender, message.current_epoch, message.config_epoch)
            sender.replica_offset = message.offset
            sender.replica_offset_at = now
            learn_offset(core, sender, message)
    if kind <= MEET:
        _read_ping(core, link, message, sender)
    elif sender is None:
        core.host.log("verbose", f"Ignored a message of the kind {TYPE_NAMES[kind]} from an unknown node.")
    elif kind == FAIL:
        failed = core.state.find(message.about)
        if failed is not None and not failed.flags & (FAILED | MYSELF):
            core.host.log("notice", f"Node {failed.name} has failed, as {sender.name} ({sender.human_name}) says.")
            mark_failed(core, failed)
    elif kind in (PUBLISH, PUBLISHSHARD):
        core.host.publish(message.channel, message.payload, sharded=kind == PUBLISHSHARD)
    elif kind == AUTH_REQUEST:
        vote(core, sender, message)
    elif kind == AUTH_ACK:
        count_vote(core, sender, message.current_epoch)
    elif kind == MFSTART:
        accept_manual_failover(core, link, sender)
    elif kind == UPDATE:
        about = core.state.find(message.about)
        if about is not None:
            read_update(core, about, message.about_epoch, message.about_slots)


def _sender(core: Core, link: BusLink, message: Message) -> Node | None:
    """Returns the node that has sent a message, and gives a link that came in its node."""
    if link.node is not None and not link.node.flags & HANDSHAKE:
        return link.node
    sender = core.state.find(message.sender)
    if sender is not None and link.node is None:
        if sender is core.state.myself:
            # This node has dialled itself.
            return sender
        if sender.inbound is not None:
            # The other node has reconnected before the end of its old connection was noticed.
            sender.inbound.close()
        sender.inbound = link
        link.node = sender
    return sender


def _read_ping(core: Core, link: BusLink, message: Message, sender: Node | None) -> None:
    """PING, PONG or MEET."""
    kind = message.kind
    if kind != PONG:
        _learn_own_ip(core, link, kind)
        if kind == MEET and sender is None:
            add_stranger(core, link, message)
            read_gossip(core, message, link.node)
        send_ping(core, link, PONG)
    node = link.node
    if not link.is_inbound and node is not None:
        if node.flags & HANDSHAKE:
            if sender is not None:
                # It is a node that this one knows already.
                if update_address(core, sender, link, message):
                    core.note(SAVE | UPDATE_STATE)
                delete_node(core, node)
                return
            if not is_id(message.sender):
                return
            finish_handshake(core, node, message)
        elif node.name != message.sender:
            # Another node has this address now.
            node.flags |= NO_ADDRESS
            node.ip, node.port, node.tls_port, node.bus_port = "", 0, 0, 0
            drop_link(node)
            core.note(SAVE)
            return
    if sender is not None:
        sender.flags = sender.flags & ~NO_FAILOVER | message.flags & NO_FAILOVER
        if kind == PING and not sender.flags & HANDSHAKE and update_address(core, sender, link, message):
            core.note(SAVE | UPDATE_STATE)
    if kind == PONG and not link.is_inbound and node is not None:
        node.pong_received = core.host.now()
        node.ping_sent = 0
        clear_failure(core, node)
    if sender is None or sender is core.state.myself:
        return
    if not _read_role(core, sender, message):
        return
    _read_claims(core, sender, message)
    resolve_collision(core, sender, message.config_epoch)
    read_gossip(core, message, sender)
    if sender.name in core.state.nodes:
        read_extensions(core, message, sender)


def _learn_own_ip(core: Core, link: BusLink, kind: int) -> None:
    """A node that knows the address of this one has connected to it."""
    myself = core.state.myself
    if (kind == MEET or not myself.ip) and not core.config.cluster_announce_ip:
        ip = link.own_ip
        if ip and ip != myself.ip:
            myself.ip = ip
            core.host.log("notice", f"The address of this node in the cluster is {ip}.")
            core.note(SAVE)


def _read_role(core: Core, sender: Node, message: Message) -> bool:
    """A node says whether it is a master, or whose replica; False if it said so before it got the slots that it has."""
    state = core.state
    if not message.master:
        if sender.is_replica:
            # As a replica it has shown the epoch of its master, which must not count for its own slots.  Redis keeps
            # that epoch, so a late message can give the node slots that the real owner never gets back.
            sender.config_epoch = message.config_epoch
        become_master(core, sender)
        return True
    master = state.find(message.master)
    if master is sender:
        # Nobody replicates from itself.
        return True
    if sender.is_master:
        if master is not None and master.shard_id == sender.shard_id:
            if message.config_epoch >= sender.config_epoch:
                # The new master of the shard has not told this node itself yet.
                state.assign_all(sender.slots, master)
                if master is state.myself and master.is_replica:
                    core.host.promote()
                become_master(core, master)
                # Redis takes over an older epoch here too.  An epoch that goes back could be given away twice.
                master.config_epoch = max(master.config_epoch, message.config_epoch)
            elif sender.slots:
                # Messages of two connections overtake each other.  Redis makes it a replica that has slots, and never
                # takes them from it again.
                core.host.log("notice", f"Node {sender.name} ({sender.human_name}) has sent an old message.")
                return False
        else:
            state.assign_all(sender.slots, None)
        sender.flags = sender.flags & ~(MASTER | MIGRATE_TO) | REPLICA
        core.note(SAVE | UPDATE_STATE)
    if master is not None and sender.master is not master:
        if sender.master is not None:
            remove_replica(sender.master, sender)
        add_replica(master, sender)
        sender.master = master
        update_shard(sender, master.shard_id)
        core.note(SAVE)
    return True


def _read_claims(core: Core, sender: Node, message: Message) -> None:
    """A node says which slots it has, or its master."""
    owner = sender if sender.is_master else sender.master
    if owner is None or owner.slots == message.slots:
        return
    if sender.is_master:
        take_claims(core, sender, message.config_epoch, message.slots)
    correct_claims(core, sender, message.config_epoch, message.slots)
