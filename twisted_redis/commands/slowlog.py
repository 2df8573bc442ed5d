"""SLOWLOG: the log of slow calls."""

from __future__ import annotations

from twisted_redis.commands.common.helptext import declare_help
from twisted_redis.engine.clients import Client
from twisted_redis.engine.declare.flags import ADMIN, LOADING, STALE
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import WrongSubcommand
from twisted_redis.engine.parse import INT64_MAX, integer_in
from twisted_redis.resp.types import OK, Reply

__all__: list[str] = []

_FLAGS = ADMIN | LOADING | STALE

subcommand = (
    CommandGroup("server")
    .container("SLOWLOG", "Commands about the log of slow calls.", since="2.2.12")
    .with_defaults(flags=_FLAGS, complexity="O(1)")
)


@subcommand(
    "GET",
    arity=-2,
    complexity="O(N) where N is the number of returned entries",
    tips=("request_policy:all_nodes", "nondeterministic_output"),
    history=(("4.0.0", "Shows address, port and name of the client."),),
)
def get(ctx: Client, *count: bytes) -> Reply:
    """SLOWLOG GET [count]

    Returns the last slow calls, newest first: id, time, microseconds, request, client.
    """
    if len(count) > 1:
        raise WrongSubcommand
    wanted = 10
    if count:
        wanted = integer_in(count[0], -1, INT64_MAX, "ERR count should be greater than or equal to -1")
    return [list(call) for call in ctx.engine.slowlog.calls(None if wanted < 0 else wanted)]


@subcommand("LEN", arity=2, tips=("request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"))
def length(ctx: Client) -> Reply:
    """SLOWLOG LEN

    Returns the number of entries in the log.
    """
    return len(ctx.engine.slowlog)


@subcommand(
    "RESET",
    arity=2,
    complexity="O(N) where N is the number of entries",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def reset(ctx: Client) -> Reply:
    """SLOWLOG RESET

    Deletes all entries of the log.
    """
    ctx.engine.slowlog.clear()
    return OK


declare_help(subcommand, since="6.2.0")
