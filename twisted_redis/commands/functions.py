"""FCALL and FUNCTION: libraries of Lua functions, which are stored with the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.common.helptext import declare_help
from twisted_redis.engine.clients import MASTER
from twisted_redis.engine.declare.flags import (
    ALLOW_BUSY,
    DENYOOM,
    MAY_REPLICATE,
    NO_MANDATORY_KEYS,
    NOSCRIPT,
    READONLY,
    SKIP_MONITOR,
    STALE,
    WRITE,
)
from twisted_redis.engine.declare.keyspecs import ACCESS, RO, RW, UPDATE, counted_keys
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, WrongSubcommand, refusal
from twisted_redis.engine.parse import integer
from twisted_redis.engine.scripting.flags import NAMES
from twisted_redis.engine.scripting.libraries import Library
from twisted_redis.engine.scripting.running import Run
from twisted_redis.engine.scripting.scripts import check_keys
from twisted_redis.keyspace.glob import compile_glob
from twisted_redis.persistence.rdb import payload, records
from twisted_redis.persistence.rdb.errors import CorruptData
from twisted_redis.persistence.rdb.types import OLDEST_TARGET
from twisted_redis.resp.cstrings import c_string
from twisted_redis.resp.types import OK, Pairs, Reply, SetReply, Simple

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

__all__: list[str] = []

command = CommandGroup("scripting", since="7.0.0")

# Notes on the keys, as in COMMAND DOCS of Redis.
_ANYTHING = "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE"
_ONLY_READS = "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS"
_DEPENDS = "Depends on the function"
#: The number of functions up to which Redis frees them at once even where it may free them later.
_AT_ONCE = 64
_EVERYWHERE = ("request_policy:all_shards", "response_policy:all_succeeded")


def _fcall(ctx: Client, name: bytes, numkeys: bytes, arguments: tuple[bytes, ...], read_only: bool) -> Reply:
    state = ctx.engine.scripting
    function = state.libraries.functions.get(name.lower())
    if function is None:
        raise CommandError("ERR Function not found")
    try:
        count = integer(numkeys)
    except CommandError:
        raise CommandError("ERR Bad number of keys provided") from None
    check_keys(count, arguments)
    state.admit(ctx, function.flags, read_only)
    run = Run(ctx, function.name, function.flags, False, read_only)
    run.argv = (b"fcall_ro" if read_only else b"fcall", name, numkeys, *arguments)
    return state.libraries.runner.execute(run, function.callback, count, arguments, state.running)


@command(
    "FCALL",
    arity=-3,
    flags=NOSCRIPT | SKIP_MONITOR | MAY_REPLICATE | NO_MANDATORY_KEYS | STALE,
    keys=counted_keys(RW | ACCESS | UPDATE, index=2, notes=_ANYTHING),
    complexity=_DEPENDS,
)
def fcall(ctx: Client, function: bytes, numkeys: bytes, *arguments: bytes) -> Reply:
    """FCALL function numkeys [key [key ...]] [arg [arg ...]]

    Calls a function of a library.
    """
    return _fcall(ctx, function, numkeys, arguments, read_only=False)


@command(
    "FCALL_RO",
    arity=-3,
    flags=NOSCRIPT | SKIP_MONITOR | NO_MANDATORY_KEYS | STALE | READONLY,
    keys=counted_keys(RO | ACCESS, index=2, notes=_ONLY_READS),
    complexity=_DEPENDS,
)
def fcall_ro(ctx: Client, function: bytes, numkeys: bytes, *arguments: bytes) -> Reply:
    """FCALL_RO function numkeys [key [key ...]] [arg [arg ...]]

    Calls a function of a library; the function must not write.
    """
    return _fcall(ctx, function, numkeys, arguments, read_only=True)


subcommand = command.container("FUNCTION", "A container for commands on functions.", since="7.0.0").with_defaults(
    complexity="O(1)"
)


def _changed(ctx: Client) -> None:
    ctx.effects.mark_dirty(1)


@subcommand(
    "LOAD",
    arity=-3,
    flags=NOSCRIPT | WRITE | DENYOOM,
    complexity="O(1), plus the time to compile the library",
    tips=_EVERYWHERE,
)
def load(ctx: Client, *arguments: bytes) -> Reply:
    """FUNCTION LOAD [REPLACE] function-code

    Loads a library and returns its name. The code of the library registers its functions.
    """
    replace = False
    for option in arguments[:-1]:
        if c_string(option).lower() != b"replace":
            raise refusal(b"ERR Unknown option given: %b", option)
        replace = True
    name = ctx.engine.scripting.libraries.load(arguments[-1], replace, limited=not ctx.gates & MASTER)
    _changed(ctx)
    return name


@subcommand("DELETE", arity=3, flags=NOSCRIPT | WRITE, tips=_EVERYWHERE)
def delete(ctx: Client, name: bytes) -> Reply:
    """FUNCTION DELETE library-name

    Removes a library and its functions.
    """
    ctx.engine.scripting.libraries.delete(name)
    _changed(ctx)
    return OK


@subcommand("FLUSH", arity=-2, flags=NOSCRIPT | WRITE, complexity="O(N) for N functions", tips=_EVERYWHERE)
def flush(ctx: Client, *mode: bytes) -> Reply:
    """FUNCTION FLUSH [ASYNC | SYNC]

    Removes all libraries.
    """
    if len(mode) > 1:
        raise WrongSubcommand
    if mode and c_string(mode[0]).lower() not in (b"sync", b"async"):
        raise CommandError("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
    freed = ctx.engine.scripting.libraries.flush()
    if freed > _AT_ONCE and (c_string(mode[0]).lower() == b"async" if mode else ctx.config.lazyfree_lazy_user_flush):
        ctx.engine.lazyfree.freed += freed + 1  # the functions and their interpreter
    _changed(ctx)
    return OK


@subcommand(
    "LIST", arity=-2, flags=NOSCRIPT, complexity="O(N) for N functions", tips=("nondeterministic_output_order",)
)
def list_(ctx: Client, *options: bytes) -> Reply:
    """FUNCTION LIST [LIBRARYNAME library-name-pattern] [WITHCODE]

    Returns the libraries and their functions.
    """
    with_code = False
    pattern: bytes | None = None
    words = iter(options)
    for word in words:
        if c_string(word).lower() == b"withcode" and not with_code:
            with_code = True
        elif c_string(word).lower() == b"libraryname" and pattern is None:
            pattern = next(words, None)
            if pattern is None:
                raise CommandError("ERR library name argument was not given")
        else:
            raise refusal(b"ERR Unknown argument %b", word)
    matches = compile_glob(pattern, nocase=True) if pattern is not None else lambda name: True
    return [
        _described(library, with_code)
        for name, library in ctx.engine.scripting.libraries.libraries.items()
        if matches(name)
    ]


def _described(library: Library, with_code: bool) -> Pairs:
    functions = [
        Pairs(
            (
                b"name",
                function.name,
                b"description",
                function.description,
                b"flags",
                SetReply(Simple(name) for name, flag in NAMES.items() if function.flags & flag),
            )
        )
        for function in library.functions.values()
    ]
    found = Pairs((b"library_name", library.name, b"engine", b"LUA", b"functions", functions))
    if with_code:
        found += [b"library_code", library.code]
    return found


@subcommand("DUMP", arity=2, flags=NOSCRIPT, complexity="O(N) for N functions")
def dump(ctx: Client) -> Reply:
    """FUNCTION DUMP

    Returns all libraries in a serialized form, which FUNCTION RESTORE accepts on this or another server.
    """
    compressed = ctx.config.rdbcompression
    return payload.seal(
        b"".join(records.function_bytes(code, compressed) for code in ctx.engine.scripting.libraries.codes()),
        OLDEST_TARGET,
    )


@subcommand("RESTORE", arity=-3, flags=NOSCRIPT | WRITE | DENYOOM, complexity="O(N) for N functions", tips=_EVERYWHERE)
def restore(ctx: Client, serialized: bytes, *policy: bytes) -> Reply:
    """FUNCTION RESTORE serialized-value [FLUSH | APPEND | REPLACE]

    Adds the libraries of a dump; FLUSH removes all others, REPLACE replaces those with the same name.
    """
    if len(policy) > 1:
        raise WrongSubcommand
    how = c_string(policy[0]).lower() if policy else b"append"
    if how not in (b"append", b"replace", b"flush"):
        raise CommandError("ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.")
    if not payload.is_intact(serialized, ctx.engine.payload_checksums):
        raise CommandError("ERR DUMP payload version or checksum are wrong")
    state = ctx.engine.scripting.libraries
    found: list[Library] = []
    pos = 0
    while pos < len(serialized) - 10:
        try:
            record, pos = records.read_record(serialized, pos, ctx.config)
        except CorruptData as error:
            if "Pre-release" in str(error):
                raise CommandError("ERR Pre-GA function format not supported") from None
            raise CommandError("ERR failed loading the given functions payload") from None
        if not isinstance(record, records.Function):
            raise CommandError("ERR given type is not a function")
        library = state.compile(record.code, limited=False)
        if any(other.name == library.name for other in found):
            raise CommandError(b"ERR Library %b already exists" % library.name)
        found.append(library)
    if how == b"flush":
        state.replace_all(found)
    else:
        state.join(found, how == b"replace")
    if payload.is_foreign(serialized):
        # A replica may be of Redis, which would refuse the payload.
        ctx.propagate_as([b"FUNCTION", b"RESTORE", payload.seal(serialized[:-10], OLDEST_TARGET), *policy])
    _changed(ctx)
    return OK


@subcommand(
    "KILL", arity=2, flags=NOSCRIPT | ALLOW_BUSY, tips=("request_policy:all_shards", "response_policy:one_succeeded")
)
def kill(ctx: Client) -> Reply:
    """FUNCTION KILL

    Stops the running function, unless it has already written.
    """
    return ctx.engine.scripting.kill(is_eval=False)


@subcommand(
    "STATS",
    arity=2,
    flags=NOSCRIPT | ALLOW_BUSY,
    tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
)
def stats(ctx: Client) -> Reply:
    """FUNCTION STATS

    Returns the running function and the numbers of libraries and functions.
    """
    engine = ctx.engine
    state = engine.scripting
    known = state.libraries
    running: Reply = None
    if state.running:
        run = state.running[-1]
        if run.is_eval:
            raise CommandError(engine.scripting.busy_text)
        running = Pairs(
            (
                b"name",
                run.name,
                b"command",
                list(run.argv),
                b"duration_ms",
                (engine.clock_ns() - run.started) // 1_000_000,
            )
        )
    counts = Pairs((b"libraries_count", len(known.libraries), b"functions_count", len(known.functions)))
    return Pairs((b"running_script", running, b"engines", Pairs((b"LUA", counts))))


declare_help(subcommand)
