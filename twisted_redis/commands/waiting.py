"""WAIT and WAITAOF: waiting until writes have reached replicas or disks."""

from __future__ import annotations

from twisted_redis.engine.blocking import Block
from twisted_redis.engine.clients import Client
from twisted_redis.engine.declare.flags import BLOCKING
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.parse import INT64_MAX, integer, integer_in, positive
from twisted_redis.engine.ports.replication import ACKNOWLEDGED
from twisted_redis.resp.types import Reply

__all__: list[str] = []

command = CommandGroup("generic", complexity="O(1)")


def _seconds(ctx: Client, text: bytes) -> float:
    milliseconds = integer(text, "ERR timeout is not an integer or out of range")
    if milliseconds < 0:
        raise CommandError("ERR timeout is negative")
    if milliseconds > INT64_MAX - ctx.now:
        raise CommandError("ERR timeout is out of range")
    return milliseconds / 1000


@command(
    "WAIT",
    arity=3,
    flags=BLOCKING,
    since="3.0.0",
    acl=("@connection",),
    tips=("request_policy:all_shards", "response_policy:agg_min"),
)
def wait(ctx: Client, count: bytes, timeout: bytes) -> Reply:
    """WAIT numreplicas timeout

    Waits until replicas have processed the writes of this connection; returns the number of replicas that have.
    """
    replication = ctx.engine.replication
    if replication.is_replica:
        raise CommandError(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is "
            "configured to be writable (which is not the default) writes to replicas are just local and are not "
            "propagated."
        )
    wanted = integer(count)
    seconds = _seconds(ctx, timeout)
    offset = replication.written_offset(ctx)
    found = replication.count_acknowledged(offset)
    if found >= wanted:
        return found
    if ctx.blocked is None and not ctx.deny_blocking:
        replication.request_acknowledgements()
    return Block((), "", seconds, lambda: replication.count_acknowledged(offset), group=ACKNOWLEDGED)


@command(
    "WAITAOF",
    arity=4,
    flags=BLOCKING,
    since="7.2.0",
    acl=("@connection",),
    tips=("request_policy:all_shards", "response_policy:agg_min"),
)
def waitaof(ctx: Client, local: bytes, count: bytes, timeout: bytes) -> Reply:
    """WAITAOF numlocal numreplicas timeout

    Waits until the writes of this connection are on disk in the append-only files of this server and of replicas.
    """
    replication = ctx.engine.replication
    wanted_local = integer_in(local, 0, 1)
    wanted = positive(count)
    seconds = _seconds(ctx, timeout)
    if replication.is_replica:
        raise CommandError(
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just "
            "local and are not propagated."
        )
    if wanted_local and not ctx.config.appendonly:
        raise CommandError("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
    offset = replication.written_offset(ctx)

    def figures() -> list[int]:
        return [int(replication.synced >= offset), replication.count_synced(offset)]

    found = figures()
    if found[0] >= wanted_local and found[1] >= wanted:
        return found
    if ctx.blocked is None and not ctx.deny_blocking:
        replication.request_acknowledgements()
    return Block((), "", seconds, figures, group=ACKNOWLEDGED)
