"""CLUSTER: what a node knows of itself and of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.cluster.group import cluster_of, node_name, show
from twisted_redis.commands.common.helptext import help_lines
from twisted_redis.engine.declare.flags import ADMIN, LOADING, STALE
from twisted_redis.resp.types import Reply, Verbatim

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

__all__: list[str] = []

_EACH_NODE = "O(N) for N nodes of the cluster"
_EACH_REPLICA = "O(N) for N replicas"
_CHANCE = ("nondeterministic_output",)


@show("MYID", flags=LOADING | STALE)
def myid(ctx: Client) -> Reply:
    """CLUSTER MYID

    Returns the id of this node.
    """
    return cluster_of(ctx).my_id().encode()


@show("MYSHARDID", flags=LOADING | STALE, since="7.2.0", tips=_CHANCE)
def myshardid(ctx: Client) -> Reply:
    """CLUSTER MYSHARDID

    Returns the id of the shard of this node.
    """
    return cluster_of(ctx).my_shard_id().encode()


@show("INFO", flags=LOADING | STALE, tips=_CHANCE)
def info(ctx: Client) -> Reply:
    """CLUSTER INFO

    Returns the state of the cluster.
    """
    return Verbatim(cluster_of(ctx).info().encode())


@show("NODES", flags=LOADING | STALE, complexity=_EACH_NODE, tips=_CHANCE)
def nodes(ctx: Client) -> Reply:
    """CLUSTER NODES

    Returns all nodes and their slots as text.
    """
    return Verbatim(cluster_of(ctx).describe_nodes(ctx).encode())


def _replicas(ctx: Client, node_id: bytes) -> Reply:
    return [line.encode() for line in cluster_of(ctx).describe_replicas(ctx, node_name(node_id))]


replicas_command = show.with_defaults(arity=3, flags=ADMIN | LOADING | STALE, complexity=_EACH_REPLICA, tips=_CHANCE)


@replicas_command("REPLICAS", since="5.0.0")
def replicas(ctx: Client, node_id: bytes) -> Reply:
    """CLUSTER REPLICAS node-id

    Returns the replicas of a master.
    """
    return _replicas(ctx, node_id)


@replicas_command("SLAVES", replaced_by="`CLUSTER REPLICAS`", deprecated_since="5.0.0")
def slaves(ctx: Client, node_id: bytes) -> Reply:
    """CLUSTER SLAVES node-id

    Returns the replicas of a master.
    """
    return _replicas(ctx, node_id)


@show(
    "SLOTS",
    flags=LOADING | STALE,
    complexity=_EACH_NODE,
    tips=_CHANCE,
    replaced_by="`CLUSTER SHARDS`",
    deprecated_since="7.0.0",
    history=(("4.0.0", "Returns the ids of nodes."), ("7.0.0", "Returns more about the networks of the nodes.")),
)
def slots(ctx: Client) -> Reply:
    """CLUSTER SLOTS

    Returns the slots with their nodes.
    """
    return cluster_of(ctx).describe_slots(ctx)


@show("SHARDS", flags=LOADING | STALE, since="7.0.0", complexity=_EACH_NODE, tips=_CHANCE)
def shards(ctx: Client) -> Reply:
    """CLUSTER SHARDS

    Returns the shards and their slots.
    """
    return cluster_of(ctx).describe_shards(ctx)


@show("LINKS", flags=LOADING | STALE, since="7.0.0", complexity=_EACH_NODE, tips=_CHANCE)
def links(ctx: Client) -> Reply:
    """CLUSTER LINKS

    Returns the links to the other nodes.
    """
    return cluster_of(ctx).describe_links()


@show(
    "COUNT-FAILURE-REPORTS",
    arity=3,
    flags=ADMIN | LOADING | STALE,
    complexity="O(N) for N reports",
    tips=_CHANCE,
)
def count_failure_reports(ctx: Client, node_id: bytes) -> Reply:
    """CLUSTER COUNT-FAILURE-REPORTS node-id

    Returns how many nodes report that a node has failed.
    """
    return cluster_of(ctx).count_failure_reports(node_name(node_id))


@show("HELP", flags=LOADING | STALE, since="5.0.0")
def help_(ctx: Client) -> Reply:
    """CLUSTER HELP

    Describes the subcommands of CLUSTER.
    """
    cluster_of(ctx)
    return help_lines(ctx.engine, "cluster")
