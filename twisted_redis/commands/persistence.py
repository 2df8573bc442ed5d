"""SAVE and BGSAVE: snapshots on demand."""

from __future__ import annotations

from twisted_redis.engine.clients import Client
from twisted_redis.engine.declare.flags import ADMIN, NO_ASYNC_LOADING, NO_MULTI, NOSCRIPT
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.resp.cstrings import c_string
from twisted_redis.resp.types import OK, Reply, Simple

__all__: list[str] = []

command = CommandGroup("server", since="1.0.0")


@command(
    "SAVE",
    arity=1,
    flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI,
    complexity="O(N) where N is the number of keys in all databases",
)
def save(ctx: Client) -> Reply:
    """SAVE

    Writes a snapshot of all databases to disk; blocks all clients meanwhile.
    """
    if not ctx.engine.persistence.save():
        raise CommandError("ERR")
    return OK


@command(
    "BGSAVE",
    arity=-1,
    flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
    complexity="O(1)",
    history=(("3.2.2", "Added SCHEDULE."),),
)
def bgsave(ctx: Client, *options: bytes) -> Reply:
    """BGSAVE [SCHEDULE]

    Writes a snapshot of all databases to disk in a child process.
    """
    if options and (len(options) > 1 or c_string(options[0]).lower() != b"schedule"):
        raise SyntaxError_
    return Simple(ctx.engine.persistence.save_in_background(bool(options)).encode())
