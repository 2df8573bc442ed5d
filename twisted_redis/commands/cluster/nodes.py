"""CLUSTER: the nodes, their roles and their epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.cluster.group import change, cluster_of, node_name
from twisted_redis.engine.declare.flags import ADMIN, NOSCRIPT, STALE
from twisted_redis.engine.errors import CommandError, SyntaxError_, WrongSubcommand, refusal
from twisted_redis.engine.parse import integer, integer_or_none
from twisted_redis.resp.cstrings import c_string, keyword
from twisted_redis.resp.types import OK, Reply, Simple

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

__all__: list[str] = []

#: The port of the bus, unless it is given, is that of the clients and this.
_BUS_PORT_OFFSET = 10_000


@change("MEET", arity=-4, history=(("4.0.0", "Accepts the port of the bus."),))
def meet(ctx: Client, ip: bytes, port: bytes, *bus_port: bytes) -> Reply:
    """CLUSTER MEET ip port [cluster-bus-port]

    Adds another node to the cluster.
    """
    cluster = cluster_of(ctx)
    if len(bus_port) > 1:
        raise WrongSubcommand
    number = integer_or_none(port)
    if number is None:
        raise refusal(b"ERR Invalid base port specified: %b", port)
    bus = integer_or_none(bus_port[0]) if bus_port else number + _BUS_PORT_OFFSET
    if bus is None:
        raise refusal(b"ERR Invalid bus port specified: %b", bus_port[0])
    cluster.meet(c_string(ip), number, bus)
    return OK


@change("FORGET", arity=3)
def forget(ctx: Client, node_id: bytes) -> Reply:
    """CLUSTER FORGET node-id

    Removes a node from the table of nodes.
    """
    cluster_of(ctx).forget(node_name(node_id))
    return OK


@change("REPLICATE", arity=3)
def replicate(ctx: Client, node_id: bytes) -> Reply:
    """CLUSTER REPLICATE node-id

    Makes this node a replica of another.
    """
    cluster_of(ctx).replicate(node_name(node_id))
    return OK


@change("FAILOVER", arity=-2)
def failover(ctx: Client, *mode: bytes) -> Reply:
    """CLUSTER FAILOVER [FORCE | TAKEOVER]

    Makes a replica take over from its master.
    """
    cluster = cluster_of(ctx)
    if len(mode) > 1:
        raise WrongSubcommand
    word = keyword(mode[0]) if mode else None
    if word not in (None, b"FORCE", b"TAKEOVER"):
        raise SyntaxError_
    cluster.fail_over(force=word is not None, takeover=word == b"TAKEOVER")
    return OK


@change("RESET", arity=-2, flags=ADMIN | STALE | NOSCRIPT, complexity="O(N) for N known nodes")
def reset(ctx: Client, *mode: bytes) -> Reply:
    """CLUSTER RESET [HARD | SOFT]

    Removes this node from its cluster.
    """
    cluster = cluster_of(ctx)
    if len(mode) > 1:
        raise WrongSubcommand
    word = keyword(mode[0]) if mode else b"SOFT"
    if word not in (b"HARD", b"SOFT"):
        raise SyntaxError_
    cluster.reset(hard=word == b"HARD")
    return OK


@change("BUMPEPOCH", tips=("nondeterministic_output",))
def bumpepoch(ctx: Client) -> Reply:
    """CLUSTER BUMPEPOCH

    Increments the configuration epoch.
    """
    return Simple(cluster_of(ctx).bump_epoch().encode())


@change("SET-CONFIG-EPOCH", arity=3)
def set_config_epoch(ctx: Client, config_epoch: bytes) -> Reply:
    """CLUSTER SET-CONFIG-EPOCH config-epoch

    Sets the epoch of a new node.
    """
    cluster = cluster_of(ctx)
    epoch = integer(config_epoch)
    if epoch < 0:
        raise CommandError(f"ERR Invalid config epoch specified: {epoch}")
    cluster.set_config_epoch(epoch)
    return OK


@change("SAVECONFIG")
def saveconfig(ctx: Client) -> Reply:
    """CLUSTER SAVECONFIG

    Writes the configuration of the cluster to disk.
    """
    cluster_of(ctx).save_config()
    return OK
