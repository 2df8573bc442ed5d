"""EVAL, EVALSHA, their read-only forms, and SCRIPT: scripts in Lua."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.common.helptext import declare_help
from twisted_redis.engine.declare.flags import (
    ALLOW_BUSY,
    MAY_REPLICATE,
    NO_MANDATORY_KEYS,
    NOSCRIPT,
    READONLY,
    SKIP_MONITOR,
    STALE,
)
from twisted_redis.engine.declare.keyspecs import ACCESS, RO, RW, UPDATE, counted_keys
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.parse import integer
from twisted_redis.engine.scripting.scripts import check_keys
from twisted_redis.resp.cstrings import c_string
from twisted_redis.resp.types import OK, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.ports.debugging import Channel

__all__: list[str] = []

command = CommandGroup("scripting", since="2.6.0")

#: The key in ``Client.extra`` of the mode that SCRIPT DEBUG has set, ``yes`` or ``sync``.
DEBUG_MODE = "script_debug"

# Notes on the keys, as in COMMAND DOCS of Redis.
_ANYTHING = "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE"
_ONLY_READS = "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS"
_DEPENDS = "Depends on the script"
_NO_SCRIPT = "NOSCRIPT No matching script. Please use EVAL."


def _number_of_keys(numkeys: bytes, arguments: tuple[bytes, ...]) -> int:
    return 0 if numkeys == b"0" else check_keys(integer(numkeys), arguments)


def _eval(ctx: Client, script: bytes, numkeys: bytes, arguments: tuple[bytes, ...], read_only: bool) -> Reply:
    if ctx.extra and DEBUG_MODE in ctx.extra:
        return _debug(ctx, script, numkeys, arguments, read_only)
    keys = _number_of_keys(numkeys, arguments)
    state = ctx.engine.scripting
    sha1 = state.add(script, keep=False)
    return state.evaluate(ctx, sha1, state.scripts[sha1], keys, arguments, read_only)


def _debug(ctx: Client, script: bytes, numkeys: bytes, arguments: tuple[bytes, ...], read_only: bool) -> Reply:
    """Runs a script under the debugger."""
    from twisted_redis.engine.scripting.debugging import debug as run  # most servers do not need it

    def keys() -> int:
        return _number_of_keys(numkeys, arguments)

    def session(channel: Channel) -> Reply:
        return run(ctx, channel, script, keys, arguments, read_only)

    conversations = ctx.engine.conversations
    mode = ctx.extra.pop(DEBUG_MODE)
    return conversations.fork(ctx, session) if mode == "yes" else conversations.hold(ctx, session)


def _evalsha(ctx: Client, sha1: bytes, numkeys: bytes, arguments: tuple[bytes, ...], read_only: bool) -> Reply:
    if len(sha1) != 40:
        raise CommandError(_NO_SCRIPT)
    if ctx.extra and DEBUG_MODE in ctx.extra:
        raise CommandError("ERR Please use EVAL instead of EVALSHA for debugging")
    keys = 1 if numkeys == b"1" and arguments else _number_of_keys(numkeys, arguments)
    state = ctx.engine.scripting
    script = state.scripts.get(sha1)
    if script is None:
        sha1 = sha1.lower()
        script = state.scripts.get(sha1)
        if script is None:
            raise CommandError(_NO_SCRIPT)
    return state.evaluate(ctx, sha1, script, keys, arguments, read_only)


@command(
    "EVAL",
    arity=-3,
    flags=NOSCRIPT | SKIP_MONITOR | MAY_REPLICATE | NO_MANDATORY_KEYS | STALE,
    keys=counted_keys(RW | ACCESS | UPDATE, index=2, notes=_ANYTHING),
    complexity=_DEPENDS,
)
def eval_(ctx: Client, script: bytes, numkeys: bytes, *arguments: bytes) -> Reply:
    """EVAL script numkeys [key [key ...]] [arg [arg ...]]

    Runs a Lua script as one unit; the script gets the keys as KEYS and the other arguments as ARGV.
    """
    return _eval(ctx, script, numkeys, arguments, read_only=False)


@command(
    "EVAL_RO",
    arity=-3,
    flags=NOSCRIPT | SKIP_MONITOR | NO_MANDATORY_KEYS | STALE | READONLY,
    keys=counted_keys(RO | ACCESS, index=2, notes=_ONLY_READS),
    since="7.0.0",
    complexity=_DEPENDS,
)
def eval_ro(ctx: Client, script: bytes, numkeys: bytes, *arguments: bytes) -> Reply:
    """EVAL_RO script numkeys [key [key ...]] [arg [arg ...]]

    Runs a Lua script that must not write.
    """
    return _eval(ctx, script, numkeys, arguments, read_only=True)


@command(
    "EVALSHA",
    arity=-3,
    flags=NOSCRIPT | SKIP_MONITOR | MAY_REPLICATE | NO_MANDATORY_KEYS | STALE,
    keys=counted_keys(RW | ACCESS | UPDATE, index=2),
    complexity=_DEPENDS,
)
def evalsha(ctx: Client, sha1: bytes, numkeys: bytes, *arguments: bytes) -> Reply:
    """EVALSHA sha1 numkeys [key [key ...]] [arg [arg ...]]

    Runs a known script, named by its SHA-1.
    """
    return _evalsha(ctx, sha1, numkeys, arguments, False)


@command(
    "EVALSHA_RO",
    arity=-3,
    flags=NOSCRIPT | SKIP_MONITOR | NO_MANDATORY_KEYS | STALE | READONLY,
    keys=counted_keys(RO | ACCESS, index=2),
    since="7.0.0",
    complexity=_DEPENDS,
)
def evalsha_ro(ctx: Client, sha1: bytes, numkeys: bytes, *arguments: bytes) -> Reply:
    """EVALSHA_RO sha1 numkeys [key [key ...]] [arg [arg ...]]

    Runs a known script, named by its SHA-1; the script must not write.
    """
    return _evalsha(ctx, sha1, numkeys, arguments, read_only=True)


subcommand = command.container("SCRIPT", "A container for commands on scripts.", since="2.6.0").with_defaults(
    complexity="O(1)"
)


@subcommand(
    "LOAD",
    arity=3,
    flags=NOSCRIPT | STALE,
    complexity="O(N) for the N bytes of the script",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def load(ctx: Client, script: bytes) -> Reply:
    """SCRIPT LOAD script

    Stores a script without running it and returns its SHA-1 for EVALSHA.
    """
    return ctx.engine.scripting.add(script, keep=True)


@subcommand(
    "EXISTS",
    arity=-3,
    flags=NOSCRIPT,
    complexity="O(N) for N scripts",
    tips=("request_policy:all_shards", "response_policy:agg_logical_and"),
)
def exists(ctx: Client, *shas: bytes) -> Reply:
    """SCRIPT EXISTS sha1 [sha1 ...]

    Returns 1 or 0 for each SHA-1: whether the server knows its script.
    """
    known = ctx.engine.scripting.scripts
    return [int(sha.lower() in known) for sha in shas]


@subcommand(
    "FLUSH",
    arity=-2,
    flags=NOSCRIPT,
    complexity="O(N) for N scripts",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
    history=(("6.2.0", "ASYNC and SYNC."),),
)
def flush(ctx: Client, *mode: bytes) -> Reply:
    """SCRIPT FLUSH [ASYNC | SYNC]

    Deletes all scripts.
    """
    if len(mode) > 1 or (mode and c_string(mode[0]).lower() not in (b"sync", b"async")):
        raise CommandError("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
    ctx.engine.scripting.flush()
    return OK


@subcommand(
    "KILL", arity=2, flags=NOSCRIPT | ALLOW_BUSY, tips=("request_policy:all_shards", "response_policy:one_succeeded")
)
def kill(ctx: Client) -> Reply:
    """SCRIPT KILL

    Stops the running script, unless it has already written.
    """
    return ctx.engine.scripting.kill(is_eval=True)


@subcommand("DEBUG", arity=3, flags=NOSCRIPT, since="3.2.0")
def debug(ctx: Client, mode: bytes) -> Reply:
    """SCRIPT DEBUG <YES | SYNC | NO>

    Has the next EVAL of this client run under the debugger: in a child process with a copy of the data (YES), or in
    the server itself, which serves nobody else meanwhile (SYNC).
    """
    if ctx.out or ctx.deny_blocking:
        raise CommandError("ERR SCRIPT DEBUG must be called outside a pipeline")
    wanted = c_string(mode).lower().decode("latin-1")
    if wanted == "no":
        ctx.extra.pop(DEBUG_MODE, None)
        return OK
    if wanted not in ("yes", "sync"):
        raise CommandError("ERR Use SCRIPT DEBUG YES/SYNC/NO")
    ctx.engine.conversations.check(ctx, wanted == "yes")
    ctx.extra[DEBUG_MODE] = wanted
    return OK


declare_help(subcommand, since="5.0.0")
