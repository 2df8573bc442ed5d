"""Commands on the whole server and on whole databases."""

from __future__ import annotations

from twisted_redis.engine.blocking import signal_database
from twisted_redis.engine.clients import Client
from twisted_redis.engine.declare.flags import (
    ADMIN,
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_MULTI,
    NOSCRIPT,
    READONLY,
    STALE,
    WRITE,
)
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import integer_in
from twisted_redis.engine.transactions import touch_database
from twisted_redis.keyspace.database import Database
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import OK, Reply

__all__: list[str] = []

command = CommandGroup("server", since="1.0.0", complexity="O(1)")


@command(
    "DBSIZE",
    arity=1,
    flags=READONLY | FAST,
    acl=("@keyspace",),
    tips=("request_policy:all_shards", "response_policy:agg_sum"),
)
def dbsize(ctx: Client) -> Reply:
    """DBSIZE

    Returns the number of keys in the selected database.
    """
    return ctx.db.count_visible()


def _frees_later(ctx: Client, options: tuple[bytes, ...]) -> bool:
    """True if memory is freed in the background.

    Memory is freed in the background even without ASYNC, except in transactions and scripts.
    """
    if not options:
        return bool(ctx.config.lazyfree_lazy_user_flush) or not ctx.deny_blocking
    mode = keyword(options[0])
    if len(options) > 1 or mode not in (b"ASYNC", b"SYNC"):
        raise SyntaxError_
    return mode == b"ASYNC" or not ctx.deny_blocking


def _flush(ctx: Client, databases: list[Database], later: bool, name: str) -> None:
    engine = ctx.engine
    removed = 0
    engine.cluster.data_replaced(name)
    engine.tracking.flushed()
    for db in databases:
        if db.watched:
            touch_database(db, None)
        removed += engine.lazyfree.flush(db, later)
        signal_database(engine, db)
    # Replicas flush even an empty database, because they may hold keys that this server does not know.
    engine.effects.mark_dirty(removed or 1)


flush_command = command.with_defaults(
    arity=-1,
    flags=WRITE,
    acl=("@keyspace", "@dangerous"),
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
    history=(("4.0.0", "Added ASYNC."), ("6.2.0", "Added SYNC.")),
)


@flush_command("FLUSHDB", complexity="O(N) where N is the number of keys in the selected database")
def flushdb(ctx: Client, *options: bytes) -> Reply:
    """FLUSHDB [ASYNC | SYNC]

    Deletes all keys of the selected database.
    """
    _flush(ctx, [ctx.db], _frees_later(ctx, options), "flushdb")
    return OK


@flush_command("FLUSHALL", complexity="O(N) where N is the number of keys in all databases")
def flushall(ctx: Client, *options: bytes) -> Reply:
    """FLUSHALL [ASYNC | SYNC]

    Deletes all keys of all databases.
    """
    _flush(ctx, ctx.engine.databases, _frees_later(ctx, options), "flushall")
    ctx.engine.persistence.flushed()
    return OK


@command(
    "SWAPDB",
    arity=3,
    flags=WRITE | FAST,
    since="4.0.0",
    complexity="O(N) where N is the number of clients that watch or wait for keys of both databases",
    acl=("@keyspace", "@dangerous"),
)
def swapdb(ctx: Client, index1: bytes, index2: bytes) -> Reply:
    """SWAPDB index1 index2

    Swaps the contents of two databases for all connections.
    """
    engine = ctx.engine
    if engine.config.cluster_enabled:
        raise CommandError("ERR SWAPDB is not allowed in cluster mode")
    count = len(engine.databases)
    numbers = tuple(
        integer_in(index, -(2**31), 2**31 - 1, f"ERR invalid {which} DB index")
        for index, which in ((index1, "first"), (index2, "second"))
    )
    if not all(0 <= number < count for number in numbers):
        raise CommandError("ERR DB index is out of range")
    engine.compatibility.count()
    first, second = (engine.databases[number] for number in numbers)
    if first is not second:
        touch_database(first, second)
        touch_database(second, first)
        first.swap(second)
        signal_database(engine, first)
        signal_database(engine, second)
    engine.effects.mark_dirty(1)
    return OK


@command("TIME", arity=1, flags=LOADING | STALE | FAST, since="2.6.0", tips=("nondeterministic_output",))
def time_(ctx: Client) -> Reply:
    """TIME

    Returns the time of the server: the seconds since 1970 and the microseconds of the current second.
    """
    # Time does not advance in a transaction or a script.
    microseconds = ctx.now * 1000 if ctx.effects.depth else int(ctx.engine.time.wall() * 1_000_000)
    return [b"%d" % (microseconds // 1_000_000), b"%d" % (microseconds % 1_000_000)]


@command(
    "SHUTDOWN",
    arity=-1,
    flags=ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY,
    complexity="O(N) when saving, where N is the number of keys, else O(1)",
    history=(("7.0.0", "Added NOW, FORCE and ABORT."),),
)
def shutdown(ctx: Client, *options: bytes) -> Reply:
    """SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]

    Saves the data if the configuration or an option demands it, and ends the server.
    """
    chosen = [keyword(option) for option in options]
    if any(option not in (b"NOSAVE", b"SAVE", b"NOW", b"FORCE", b"ABORT") for option in chosen):
        raise SyntaxError_
    if (b"ABORT" in chosen and len(chosen) > 1) or (b"SAVE" in chosen and b"NOSAVE" in chosen):
        raise SyntaxError_
    return ctx.engine.persistence.shut_down(ctx, frozenset(option.decode() for option in chosen))


@command(
    "LASTSAVE", arity=1, flags=LOADING | STALE | FAST, acl=("@admin", "@dangerous"), tips=("nondeterministic_output",)
)
def lastsave(ctx: Client) -> Reply:
    """LASTSAVE

    Returns the time of the last successful save, in seconds since 1970.
    """
    return ctx.engine.persistence.last_save
