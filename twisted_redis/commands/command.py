"""COMMAND: the contents of the command table."""

from __future__ import annotations

from collections.abc import Callable

from twisted_redis.commands.common.helptext import declare_help
from twisted_redis.engine.clients import Client
from twisted_redis.engine.declare.command_keys import has_keys, keys_of, legacy_range
from twisted_redis.engine.declare.docs import docs_of
from twisted_redis.engine.declare.flags import LOADING, NO_MANDATORY_KEYS, STALE, flag_names
from twisted_redis.engine.declare.keyspecs import keyspec_flag_names
from twisted_redis.engine.declare.table import Command, CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.keyspace.glob import glob_match
from twisted_redis.resp.cstrings import c_string, keyword
from twisted_redis.resp.types import Pairs, Reply, SetReply, Simple

__all__: list[str] = []

command = CommandGroup("server")

_FLAGS = LOADING | STALE
_CONNECTION = ("@connection",)
_NO_ORDER = ("nondeterministic_output_order",)


def _info(ctx: Client, entry: Command | None) -> Reply:
    if entry is None:
        return None
    spec = entry.spec
    return [
        entry.name.encode(),
        spec.arity,
        SetReply([Simple(name.encode()) for name in flag_names(spec.flags)]),
        *legacy_range(spec),
        SetReply(
            [
                Simple(f"@{name}".encode())
                for name in ctx.engine.acl.catalogue.categories
                if "@" + name in spec.categories
            ]
        ),
        SetReply([tip.encode() for tip in spec.tips]),
        SetReply([key.describe() for key in spec.keys]),
        [_info(ctx, sub) for sub in entry.subcommands.values()] if entry.subcommands else SetReply([]),
    ]


def _find(ctx: Client, name: bytes) -> Command | None:
    parent_name, separator, own = name.lower().partition(b"|")
    entry = ctx.engine.commands.named(parent_name)
    if entry is None or not separator:
        return entry
    return (entry.subcommands or {}).get(own)


def _all(ctx: Client) -> list[Command]:
    """Returns all commands, after the modules that are loaded on first use."""
    ctx.engine.modules.bundled.provide_all()
    return list(ctx.engine.commands.by_name.values())


@command(
    "COMMAND",
    arity=-1,
    flags=_FLAGS,
    since="2.8.13",
    complexity="O(N) where N is the number of commands",
    acl=_CONNECTION,
    tips=_NO_ORDER,
)
def command_(ctx: Client) -> Reply:
    """COMMAND

    Returns the arity, flags, keys and categories of all commands.
    """
    return [_info(ctx, entry) for entry in _all(ctx)]


subcommand = command.below("COMMAND").with_defaults(flags=_FLAGS, complexity="O(1)", acl=_CONNECTION)


@subcommand("COUNT", arity=2, since="2.8.13")
def count(ctx: Client) -> Reply:
    """COMMAND COUNT

    Returns the number of commands.
    """
    return len(ctx.engine.commands.by_name) + ctx.engine.modules.bundled.count_unloaded()


@subcommand(
    "INFO",
    arity=-2,
    since="2.8.13",
    complexity="O(N) where N is the number of requested commands",
    tips=_NO_ORDER,
    history=(("7.0.0", "Returns all commands if no name is given."),),
)
def info(ctx: Client, *names: bytes) -> Reply:
    """COMMAND INFO [command-name [command-name ...]]

    Returns the arity, flags, keys and categories of the given commands, or of all.
    """
    if not names:
        return [_info(ctx, entry) for entry in _all(ctx)]
    return [_info(ctx, _find(ctx, name)) for name in names]


@subcommand(
    "DOCS", arity=-2, since="7.0.0", complexity="O(N) where N is the number of requested commands", tips=_NO_ORDER
)
def docs(ctx: Client, *names: bytes) -> Reply:
    """COMMAND DOCS [command-name [command-name ...]]

    Returns the documentation of the given commands, or of all.
    """
    entries = [_find(ctx, name) for name in names] if names else _all(ctx)
    shown = Pairs()
    for entry in entries:
        if entry is not None:
            shown += [entry.name.encode(), docs_of(entry)]
    return shown


@subcommand("LIST", arity=-2, since="7.0.0", complexity="O(N) where N is the number of commands", tips=_NO_ORDER)
def list_(ctx: Client, *options: bytes) -> Reply:
    """COMMAND LIST [FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]

    Returns the names of all commands, or of those that match a filter.
    """
    chosen: Callable[[Command], bool] | None = None
    if options:
        if len(options) != 3 or keyword(options[0]) != b"FILTERBY":
            raise SyntaxError_
        kind, value = keyword(options[1]), options[2]
        if kind == b"MODULE":
            chosen = _of_module(ctx, value)
        elif kind == b"ACLCAT":
            category = "@" + c_string(value).lower().decode("latin-1")
            chosen = _of_category(category)
        elif kind == b"PATTERN":
            chosen = _of_pattern(value)
        else:
            raise SyntaxError_
    names = []
    for entry in _all(ctx):
        if chosen is None or chosen(entry):
            names.append(entry.name.encode())
        for sub in (entry.subcommands or {}).values():
            if chosen is None or chosen(sub):
                names.append(sub.name.encode())
    return names


def _of_module(ctx: Client, name: bytes) -> Callable[[Command], bool]:
    return lambda entry: entry.spec.module == name.decode("latin-1")


def _of_category(category: str) -> Callable[[Command], bool]:
    return lambda entry: category in entry.spec.categories


def _of_pattern(pattern: bytes) -> Callable[[Command], bool]:
    return lambda entry: glob_match(pattern, entry.name.encode(), True)


def _keys(ctx: Client, argv: list[bytes]) -> list[tuple[int, int]]:
    entry = ctx.engine.commands.find(argv)
    if entry is None:
        raise CommandError("ERR Invalid command specified")
    if not has_keys(entry):
        raise CommandError("ERR The command has no key arguments")
    arity = entry.spec.arity
    if (arity > 0 and len(argv) != arity) or len(argv) < -arity:
        raise CommandError("ERR Invalid number of arguments specified for command")
    found = keys_of(entry, argv)
    if not found:
        if entry.flags & NO_MANDATORY_KEYS:
            return []
        raise CommandError("ERR Invalid arguments specified for command")
    return found


@subcommand("GETKEYS", arity=-3, since="2.8.13", complexity="O(N) where N is the number of arguments")
def getkeys(ctx: Client, *argv: bytes) -> Reply:
    """COMMAND GETKEYS command [arg [arg ...]]

    Returns the keys in a request.
    """
    return [argv[place] for place, _ in _keys(ctx, list(argv))]


@subcommand("GETKEYSANDFLAGS", arity=-3, since="7.0.0", complexity="O(N) where N is the number of arguments")
def getkeysandflags(ctx: Client, *argv: bytes) -> Reply:
    """COMMAND GETKEYSANDFLAGS command [arg [arg ...]]

    Returns the keys in a request, each with flags that describe its use.
    """
    return [
        [argv[place], SetReply([Simple(name.encode()) for name in keyspec_flag_names(flags)])]
        for place, flags in _keys(ctx, list(argv))
    ]


declare_help(subcommand, since="5.0.0")
