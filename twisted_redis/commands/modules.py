"""MODULE: commands in Python, loaded into a running server.

Where Redis takes the path of a library, this server takes the name or the path of a Python module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.common.helptext import declare_help
from twisted_redis.engine.declare.flags import ADMIN, NO_ASYNC_LOADING, NOSCRIPT, PROTECTED
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.extensions.modules import ModuleError
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import OK, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

_CHANGING = ADMIN | NO_ASYNC_LOADING | NOSCRIPT | PROTECTED

subcommand = (
    CommandGroup("server")
    .container("MODULE", "A container for commands on modules.", since="4.0.0")
    .with_defaults(flags=_CHANGING, complexity="O(1)")
)


@subcommand(
    "LIST", arity=2, flags=ADMIN | NOSCRIPT, complexity="O(N) for N modules", tips=("nondeterministic_output_order",)
)
def list_(ctx: Client) -> Reply:
    """MODULE LIST

    Returns the name, version, path and arguments of each loaded module.
    """
    return ctx.engine.modules.describe()


@subcommand("LOAD", arity=-3)
def load(ctx: Client, path: bytes, *arguments: bytes) -> Reply:
    """MODULE LOAD path [arg [arg ...]]

    Loads a module, given by the name of an entry point or of a Python module, or by the path of a file.
    """
    return _load(ctx, path, arguments, {})


@subcommand("LOADEX", arity=-3, since="7.0.0")
def loadex(ctx: Client, path: bytes, *options: bytes) -> Reply:
    """MODULE LOADEX path [CONFIG name value [CONFIG name value ...]] [ARGS args [args ...]]

    Loads a module with named settings and arguments.
    """
    settings: dict[str, bytes] = {}
    rest = list(options)
    while rest and keyword(rest[0]) == b"CONFIG" and len(rest) > 2:
        _, name, value = rest[:3]
        settings[name.decode("latin-1").rpartition(".")[2].replace("-", "_")] = value
        del rest[:3]
    if rest and keyword(rest.pop(0)) != b"ARGS":
        raise _failed(ctx, "unexpected words behind the path: CONFIG name value and ARGS arg... are known")
    return _load(ctx, path, tuple(rest), settings)


def _load(ctx: Client, path: bytes, arguments: tuple[bytes, ...], settings: dict[str, bytes]) -> Reply:
    try:
        ctx.engine.modules.load(path.decode("utf-8", "surrogateescape"), arguments, settings)
    except ModuleError as error:
        raise _failed(ctx, str(error)) from None
    return OK


def _failed(ctx: Client, reason: str) -> CommandError:
    ctx.engine.log("warning", reason)
    return CommandError("ERR Error loading the extension. Please check the server logs.")


@subcommand("UNLOAD", arity=3)
def unload(ctx: Client, name: bytes) -> Reply:
    """MODULE UNLOAD name

    Removes a module and its commands, unless keys hold values of its types.
    """
    try:
        ctx.engine.modules.unload(name.decode("utf-8", "surrogateescape"))
    except ModuleError as error:
        ctx.engine.log("warning", f"Error unloading module {name.decode('utf-8', 'replace')}: {error}")
        raise CommandError(f"ERR Error unloading module: {error}") from None
    return OK


declare_help(subcommand, since="5.0.0")
