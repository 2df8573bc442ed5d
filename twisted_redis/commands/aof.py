"""BGREWRITEAOF: rewriting the append-only file."""

from __future__ import annotations

from twisted_redis.engine.clients import Client
from twisted_redis.engine.declare.flags import ADMIN, NO_ASYNC_LOADING, NOSCRIPT
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.resp.types import Reply, Simple

__all__: list[str] = []

command = CommandGroup("server")


@command("BGREWRITEAOF", arity=1, flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING, since="1.0.0", complexity="O(1)")
def bgrewriteaof(ctx: Client) -> Reply:
    """BGREWRITEAOF

    Rewrites the append-only file in a child process.
    """
    return Simple(ctx.engine.append_only.rewrite_by_user().encode())
