"""READONLY, READWRITE and ASKING: how a connection uses the nodes of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.cluster.group import cluster_of, command
from twisted_redis.engine.clients import ASKING, DENY_BLOCKING
from twisted_redis.engine.declare.flags import FAST, LOADING, STALE
from twisted_redis.resp.types import OK, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

__all__: list[str] = []

connection_command = command.with_defaults(arity=1, flags=FAST | LOADING | STALE, acl=("@connection",))


@connection_command("READONLY")
def readonly(ctx: Client) -> Reply:
    """READONLY

    Lets this connection read from a replica of the cluster.
    """
    cluster_of(ctx)
    ctx.reads_replica = True
    return OK


@connection_command("READWRITE")
def readwrite(ctx: Client) -> Reply:
    """READWRITE

    Ends the effect of READONLY.
    """
    cluster_of(ctx)
    ctx.reads_replica = False
    return OK


@connection_command("ASKING", flags=FAST)
def asking(ctx: Client) -> Reply:
    """ASKING

    Allows the next command to use a slot that this node is importing.
    """
    cluster_of(ctx)
    if not ctx.gates & DENY_BLOCKING:  # in a transaction or a script, no other command follows
        ctx.gates |= ASKING
    return OK
