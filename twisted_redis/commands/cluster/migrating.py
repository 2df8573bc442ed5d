"""CLUSTER MIGRATION and CLUSTER SYNCSLOTS: slots that go from one node to another with all their keys at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.cluster.group import change, cluster_of, slot_set
from twisted_redis.engine.clients import MASTER
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.resp.cstrings import c_string, keyword
from twisted_redis.resp.types import NO_REPLY, OK, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

__all__: list[str] = []

_WRONG_COUNT = "ERR wrong number of arguments for 'cluster|migration' command"


@change("MIGRATION", arity=-4, since="8.4.0")
def migration(ctx: Client, word: bytes, *arguments: bytes) -> Reply:
    """CLUSTER MIGRATION <IMPORT start-slot end-slot [start-slot end-slot ...] | STATUS <ID task-id | ALL> | CANCEL <ID task-id | ALL>>

    Takes slots over from another node with all their keys, shows the migrations of this node, or cancels one.
    """
    cluster = cluster_of(ctx)
    action = keyword(word)
    if action == b"IMPORT":
        if len(arguments) % 2:
            raise CommandError(_WRONG_COUNT)
        return cluster.import_slots(slot_set(arguments)).encode()
    if action not in (b"STATUS", b"CANCEL"):
        raise CommandError("ERR unknown argument")
    name = _task(arguments)
    if action == b"STATUS":
        return cluster.describe_migrations(name)
    return cluster.cancel_migrations(name, "user request")


def _task(arguments: tuple[bytes, ...]) -> str | None:
    """Parses ``ID task-id`` or ``ALL``, which is None."""
    which = keyword(arguments[0])
    if len(arguments) > 2:
        raise CommandError(_WRONG_COUNT)
    if which not in (b"ID", b"ALL"):
        raise CommandError("ERR unknown argument")
    if len(arguments) != (2 if which == b"ID" else 1):
        raise CommandError(_WRONG_COUNT)
    return c_string(arguments[1]).decode("latin-1") if which == b"ID" else None


@change("SYNCSLOTS", arity=-3, since="8.4.0", tips=("nondeterministic_output",))
def sync_slots(ctx: Client, word: bytes, *arguments: bytes) -> Reply:
    """CLUSTER SYNCSLOTS <SYNC task-id start-slot end-slot [start-slot end-slot ...] | RDBCHANNEL task-id | SNAPSHOT-EOF | STREAM-EOF | ACK state offset | FAIL error | CONF option [option ...] value [value ...]>

    Carries the messages of an atomic slot migration. A replica learns from its master of the migration that the master
    takes part in; the node that gets slots asks their owner for them and acknowledges what it has executed.
    """
    cluster = cluster_of(ctx)
    is_from_master = ctx.gates & MASTER
    if not is_from_master:
        if "internal" not in ctx.extra:
            return _refuse(ctx, "internal clients")
        if ctx.engine.replication.is_replica:
            return _refuse(ctx, "master")
        return cluster.take_migration_message(ctx, (word, *arguments))
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
