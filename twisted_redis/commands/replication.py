"""REPLICAOF, ROLE, FAILOVER, and the commands that replicas send: REPLCONF, PSYNC, SYNC."""

from __future__ import annotations

from twisted_redis.engine.clients import REPLICA, Client
from twisted_redis.engine.declare.flags import (
    ADMIN,
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NOSCRIPT,
    STALE,
)
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import integer, integer_in
from twisted_redis.resp.cstrings import c_string
from twisted_redis.resp.types import OK, Reply, Simple

__all__: list[str] = []

command = CommandGroup("server")


def _name(client: Client) -> str:
    line: bytes = client.engine.acl.client_info(client)
    return line.decode("latin-1")


def _replicaof(ctx: Client, host: bytes, port: bytes) -> Reply:
    if ctx.config.cluster_enabled:
        raise CommandError("ERR REPLICAOF not allowed in cluster mode.")
    replication = ctx.engine.replication
    if replication.failing_over:
        raise CommandError("ERR REPLICAOF not allowed while failing over.")
    if c_string(host).lower() == b"no" and c_string(port).lower() == b"one":
        if replication.promote():
            ctx.engine.log("notice", f"MASTER MODE enabled (user request from '{_name(ctx)}')")
        return OK
    if ctx.gates & REPLICA:
        raise CommandError("ERR Command is not valid when client is a replica.")
    number = integer_in(port, 0, 65535, "ERR Invalid master port")
    if not replication.follow(host.decode("latin-1"), number):
        ctx.engine.log(
            "notice",
            "REPLICAOF would result into synchronization with the master we are already connected with. No operation "
            "performed.",
        )
        return Simple(b"OK Already connected to specified master")
    name = host.decode("latin-1")
    ctx.engine.log("notice", f"REPLICAOF {name}:{number} enabled (user request from '{_name(ctx)}')")
    return OK


@command("REPLICAOF", arity=3, flags=ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING, since="5.0.0", complexity="O(1)")
def replicaof(ctx: Client, host: bytes, port: bytes) -> Reply:
    """REPLICAOF <host port | NO ONE>

    Makes this server a replica of another server, or a master.
    """
    return _replicaof(ctx, host, port)


@command(
    "SLAVEOF",
    arity=3,
    flags=ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING,
    since="1.0.0",
    complexity="O(1)",
    deprecated_since="5.0.0",
    replaced_by="`REPLICAOF`",
)
def slaveof(ctx: Client, host: bytes, port: bytes) -> Reply:
    """SLAVEOF <host port | NO ONE>

    Makes this server a replica of another server, or a master. This is the old name of REPLICAOF.
    """
    return _replicaof(ctx, host, port)


@command(
    "ROLE",
    arity=1,
    flags=NOSCRIPT | LOADING | STALE | FAST,
    since="2.8.12",
    complexity="O(1)",
    acl=("@admin", "@dangerous"),
)
def role(ctx: Client) -> Reply:
    """ROLE

    Returns the replication role of this server with its offset and its peers.
    """
    return ctx.engine.replication.role()


@command(
    "REPLCONF",
    arity=-1,
    flags=ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY,
    since="3.0.0",
    complexity="O(1)",
    doc_flags=("syscmd",),
)
def replconf(ctx: Client, *options: bytes) -> Reply:
    """REPLCONF

    Exchanges settings and offsets between a master and a replica.
    """
    if len(options) % 2:
        raise SyntaxError_
    return ctx.engine.replication.configure(ctx, options)


@command("PSYNC", arity=-3, flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, since="2.8.0")
def psync(ctx: Client, replication_id: bytes, offset: bytes, *options: bytes) -> Reply:
    """PSYNC replicationid offset

    Makes this connection that of a replica, which continues at an offset if possible and otherwise gets all data.
    """
    failover = bool(options) and c_string(options[0]).lower() == b"failover"
    return ctx.engine.replication.synchronise(ctx, replication_id, offset, failover)


@command("SYNC", arity=1, flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, since="1.0.0")
def sync(ctx: Client) -> Reply:
    """SYNC

    Makes this connection that of a replica, which gets all data and does not report its offset.
    """
    return ctx.engine.replication.synchronise(ctx, None, b"", False)


@command("FAILOVER", arity=-1, flags=ADMIN | NOSCRIPT | STALE, since="6.2.0", complexity="O(1)")
def failover(ctx: Client, *arguments: bytes) -> Reply:
    """FAILOVER [TO <host port [FORCE]>] [ABORT] [TIMEOUT milliseconds]

    Hands the role of the master over to a replica that has received all data.
    """
    if ctx.config.cluster_enabled:
        raise CommandError("ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.")
    replication = ctx.engine.replication
    if len(arguments) == 1 and c_string(arguments[0]).lower() == b"abort":
        replication.abort_failover()
        return OK
    timeout = 0
    force = False
    port = 0
    host: str | None = None
    words = list(arguments)
    while words:
        word = c_string(words.pop(0)).lower()
        if word == b"timeout" and words and not timeout:
            timeout = integer(words.pop(0))
            if timeout <= 0:
                raise CommandError("ERR FAILOVER timeout must be greater than 0")
        elif word == b"to" and len(words) > 1 and host is None:
            host = words.pop(0).decode("latin-1")
            port = integer(words.pop(0))
        elif word == b"force" and not force:
            force = True
        else:
            raise SyntaxError_
    replication.fail_over(host, port, force, timeout)
    return OK
