"""CLUSTER SYNCSLOTS: what the nodes of an atomic slot migration tell each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.cluster.group import change, cluster_of
from twisted_redis.engine.clients import MASTER
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.resp.cstrings import c_string, keyword
from twisted_redis.resp.types import NO_REPLY, OK, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

__all__: list[str] = []


@change("SYNCSLOTS", arity=-3, since="8.4.0", tips=("nondeterministic_output",))
def sync_slots(ctx: Client, word: bytes, *arguments: bytes) -> Reply:
    """CLUSTER SYNCSLOTS <CONF <option value> [<option value> ...]>

    Carries the messages of an atomic slot migration. A replica learns from its master of the migration that the master
    takes part in. This server does not migrate slots in this way itself.
    """
    cluster = cluster_of(ctx)
    is_from_master = ctx.gates & MASTER
    if not is_from_master:
        if "internal" not in ctx.extra:
            return _refuse(ctx, "internal clients")
        if ctx.engine.replication.is_replica:
            return _refuse(ctx, "master")
        raise CommandError("ERR this server does not take part in atomic slot migrations")
    if keyword(word) != b"CONF":
        return NO_REPLY
    if not arguments or len(arguments) % 2:
        raise SyntaxError_
    for option, value in zip(arguments[::2], arguments[1::2], strict=True):
        if keyword(option) == b"ASM-TASK":
            cluster.note_master_task(c_string(value).decode("latin-1"))
    return OK


def _refuse(ctx: Client, allowed: str) -> Reply:
    """Sends an error as the last reply to ``ctx``."""
    ctx.close()
    raise CommandError(f"ERR CLUSTER SYNCSLOTS subcommands are only allowed for {allowed}")
