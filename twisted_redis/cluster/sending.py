"""Sending messages to one node or to all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.bus.messages import FAIL, PUBLISH, PUBLISHSHARD, UPDATE, Message, encode
from twisted_redis.cluster.headers import header
from twisted_redis.cluster.nodes import HANDSHAKE, MYSELF

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core
    from twisted_redis.cluster.links import BusLink
    from twisted_redis.cluster.nodes import Node

__all__ = ["broadcast", "publish", "send_bare", "send_fail", "send_update"]


def _send(core: Core, link: BusLink | None, kind: int, data: bytes) -> None:
    if link is not None:
        link.send(data)
        core.sent[kind] += 1


def send_bare(core: Core, link: BusLink | None, kind: int) -> None:
    """Sends a message that consists of its header."""
    if link is not None:
        _send(core, link, kind, encode(header(core, kind)))


def broadcast(core: Core, message: Message) -> None:
    """Sends a message to all nodes."""
    data = encode(message)
    for node in core.state.nodes.values():
        if not node.flags & (MYSELF | HANDSHAKE):
            _send(core, node.link, message.kind, data)


def send_fail(core: Core, failed: Node) -> None:
    """Tells all nodes that a node has failed."""
    message = header(core, FAIL)
    message.about = failed.name
    broadcast(core, message)


def send_update(core: Core, link: BusLink | None, owner: Node) -> None:
    """Tells a node that claims old slots about an owner of them."""
    if link is None:
        return
    message = header(core, UPDATE)
    message.about = owner.name
    message.about_epoch = owner.config_epoch
    message.about_slots = owner.slots & ~core.state.not_claimed
    _send(core, link, UPDATE, encode(message))


def publish(core: Core, channel: bytes, payload: bytes, *, sharded: bool) -> None:
    """Hands a message of Pub/Sub to all nodes, or to those of this shard."""
    message = header(core, PUBLISHSHARD if sharded else PUBLISH)
    message.channel = channel
    message.payload = payload
    if not sharded:
        broadcast(core, message)
        return
    data = encode(message)
    myself = core.state.myself
    for node in core.state.nodes.values():
        if node.shard_id == myself.shard_id and not node.flags & (MYSELF | HANDSHAKE):
            _send(core, node.link, PUBLISHSHARD, data)
