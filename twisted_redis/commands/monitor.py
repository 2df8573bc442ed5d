"""MONITOR: watching the calls of all clients."""

from __future__ import annotations

from twisted_redis.engine.clients import DENY_BLOCKING, MONITORING, REPLICA, Client
from twisted_redis.engine.declare.flags import ADMIN, LOADING, NOSCRIPT, STALE
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError
from twisted_redis.resp.types import NO_REPLY, OK, Reply

__all__: list[str] = []

command = CommandGroup("server")


@command("MONITOR", arity=1, flags=ADMIN | NOSCRIPT | LOADING | STALE, since="1.0.0")
def monitor(ctx: Client) -> Reply:
    """MONITOR

    Sends every call that the server executes to this connection.
    """
    if ctx.gates & DENY_BLOCKING:
        raise CommandError("ERR MONITOR isn't allowed for DENY BLOCKING client")
    if ctx.gates & (MONITORING | REPLICA):
        return NO_REPLY  # the client monitors already, and Redis does not reply either
    ctx.engine.monitors.add(ctx)
    return OK
