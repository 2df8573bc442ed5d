"""The header of a message: what this node says about itself in each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.bus.messages import KNOWS_EXTENSIONS, MOST_ADDRESS, PAUSED, Message

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core

__all__ = ["announced_ip", "announced_ports", "header"]


def announced_ports(core: Core) -> tuple[int, int, int]:
    """The ports of this node that the others get to know: for clients, for clients with TLS, and for the bus."""
    config = core.config
    port, tls_port, bus_port = core.host.ports()
    return (
        config.cluster_announce_port or port,
        config.cluster_announce_tls_port or tls_port,
        config.cluster_announce_bus_port or bus_port,
    )


def announced_ip(core: Core) -> str:
    """The address that this node has been told to announce, as far as the field in a header holds it; or empty."""
    return (core.config.cluster_announce_ip or "")[:MOST_ADDRESS]


def header(core: Core, kind: int) -> Message:
    """Returns a message with all that this node says about itself."""
    state = core.state
    myself = state.myself
    port, tls_port, bus_port = announced_ports(core)
    if core.config.tls_cluster:
        port, tls_port = tls_port, port
    # A replica shows the slots and the epoch of its master.
    shown = state.shard_master
    return Message(
        kind,
        sender=myself.name,
        current_epoch=state.current_epoch,
        config_epoch=shown.config_epoch,
        offset=core.host.offset(),
        slots=shown.slots,
        master=myself.master.name if myself.master is not None else "",
        ip=announced_ip(core),
        port=port,
        other_port=tls_port,
        bus_port=bus_port,
        flags=myself.flags,
        state_fail=not state.ok,
        message_flags=KNOWS_EXTENSIONS | (PAUSED if myself.is_master and core.manual.ends else 0),
    )
