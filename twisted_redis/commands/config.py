"""CONFIG: reading and changing the directives of a running server."""

from __future__ import annotations

from twisted_redis.commands.common.helptext import declare_help
from twisted_redis.config import ConfigError, ConfigSetError, to_bytes
from twisted_redis.engine.clients import Client
from twisted_redis.engine.declare.flags import ADMIN, LOADING, NOSCRIPT, STALE
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_, refusal
from twisted_redis.engine.gates import IS_LOADING, is_local
from twisted_redis.resp.types import OK, Pairs, Reply

__all__: list[str] = []

_ADMIN = ADMIN | NOSCRIPT | LOADING | STALE
_EVERYWHERE = ("request_policy:all_nodes", "response_policy:all_succeeded")

subcommand = (
    CommandGroup("server")
    .container("CONFIG", "Commands about the server's configuration.", since="2.0.0")
    .with_defaults(flags=_ADMIN, complexity="O(1)")
)


@subcommand(
    "GET",
    arity=-3,
    complexity="O(N) where N is the number of requested directives",
    history=(("7.0.0", "Accepts several patterns in one call."),),
)
def config_get(ctx: Client, *patterns: bytes) -> Reply:
    """CONFIG GET parameter [parameter ...]

    Returns the values of all directives that match one of the patterns.
    """
    found = Pairs()
    for name, value in ctx.config.get(*patterns).items():
        found += [to_bytes(name), to_bytes(value)]
    return found


@subcommand(
    "SET",
    arity=-4,
    complexity="O(N) where N is the number of given directives",
    tips=_EVERYWHERE,
    history=(("7.0.0", "Accepts several directives in one call."),),
)
def config_set(ctx: Client, *pairs: bytes) -> Reply:
    """CONFIG SET parameter value [parameter value ...]

    Changes directives: all of them, or none if one is rejected.
    """
    if len(pairs) % 2:
        raise SyntaxError_
    try:
        ctx.config.set(
            list(zip(pairs[::2], pairs[1::2], strict=True)),
            local=is_local(ctx),
            loading=bool(ctx.engine.gates & IS_LOADING),
        )
    except ConfigSetError as error:
        raise refusal(b"%b %b", error.code.encode(), to_bytes(str(error))) from None
    return OK


@subcommand("RESETSTAT", arity=2, tips=_EVERYWHERE)
def config_resetstat(ctx: Client) -> Reply:
    """CONFIG RESETSTAT

    Resets the counters of INFO to zero.
    """
    ctx.engine.stats.reset()
    return OK


@subcommand("REWRITE", arity=2, since="2.8.0", tips=_EVERYWHERE)
def config_rewrite(ctx: Client) -> Reply:
    """CONFIG REWRITE

    Writes the running configuration to the configuration file of the server, preserving its comments and order.
    """
    try:
        ctx.config.rewrite(ctx.engine.acl.lines())
    except ConfigError as error:
        raise CommandError(to_bytes(f"ERR {error}")) from None
    ctx.engine.log("notice", "CONFIG REWRITE executed with success.")
    return OK


declare_help(subcommand, since="5.0.0")
