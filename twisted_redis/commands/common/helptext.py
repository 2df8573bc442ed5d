"""The replies of HELP subcommands: the syntax lines of Redis, explained by the docstrings of the subcommands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.declare.docs import summary_of
from twisted_redis.engine.declare.flags import LOADING, STALE
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.resp.types import Reply, Simple

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Facts
    from twisted_redis.engine.engine import Engine

__all__ = ["declare_help", "help_lines"]

#: The lines of each container, in the order and the exact wording of Redis: programs and people read them.
_SYNTAX: dict[str, tuple[str, ...]] = {
    "acl": (
        "CAT [<category>]",
        "DELUSER <username> [<username> ...]",
        "DRYRUN <username> <command> [<arg> ...]",
        "GETUSER <username>",
        "GENPASS [<bits>]",
        "LIST",
        "LOAD",
        "LOG [<count> | RESET]",
        "SAVE",
        "SETUSER <username> <attribute> [<attribute> ...]",
        "USERS",
        "WHOAMI",
    ),
    "client": (
        "CACHING (YES|NO)",
        "GETREDIR",
        "GETNAME",
        "ID",
        "INFO",
        "KILL <ip:port>",
        "KILL <option> <value> [<option> <value> [...]]",
        "LIST [options ...]",
        "UNPAUSE",
        "PAUSE <timeout> [WRITE|ALL]",
        "REPLY (ON|OFF|SKIP)",
        "SETNAME <name>",
        "SETINFO <option> <value>",
        "UNBLOCK <clientid> [TIMEOUT|ERROR]",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
        "TRACKINGINFO",
        "NO-EVICT (ON|OFF)",
        "NO-TOUCH (ON|OFF)",
    ),
    "cluster": (
        "COUNTKEYSINSLOT <slot>",
        "GETKEYSINSLOT <slot> <count>",
        "INFO",
        "KEYSLOT <key>",
        "MYID",
        "MYSHARDID",
        "NODES",
        "REPLICAS <node-id>",
        "SLOTS",
        "SLOT-STATS (SLOTSRANGE <start slot> <end slot>|ORDERBY <metric> [LIMIT <limit>] [ASC|DESC])",
        "SHARDS",
        "ADDSLOTS <slot> [<slot> ...]",
        "ADDSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
        "BUMPEPOCH",
        "COUNT-FAILURE-REPORTS <node-id>",
        "DELSLOTS <slot> [<slot> ...]",
        "DELSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
        "FAILOVER [FORCE|TAKEOVER]",
        "FORGET <node-id>",
        "FLUSHSLOTS",
        "MEET <ip> <port> [<bus-port>]",
        "REPLICATE <node-id>",
        "RESET [HARD|SOFT]",
        "SET-CONFIG-EPOCH <epoch>",
        "SETSLOT <slot> (IMPORTING <node-id>|MIGRATING <node-id>|STABLE|NODE <node-id>)",
        "SAVECONFIG",
        "LINKS",
        (
            "MIGRATION IMPORT <start-slot end-slot [start-slot end-slot ...]> | "
            "STATUS [ID <task-id> | ALL] | CANCEL [ID <task-id> | ALL]"
        ),
    ),
    "command": (
        "(no subcommand)",
        "COUNT",
        "LIST",
        "INFO [<command-name> ...]",
        "DOCS [<command-name> ...]",
        "GETKEYS <full-command>",
        "GETKEYSANDFLAGS <full-command>",
    ),
    "config": (
        "GET <pattern>",
        "SET <directive> <value>",
        "RESETSTAT",
        "REWRITE",
    ),
    "function": (
        "LOAD [REPLACE] <FUNCTION CODE>",
        "DELETE <LIBRARY NAME>",
        "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
        "STATS",
        "KILL",
        "FLUSH [ASYNC|SYNC]",
        "DUMP",
        "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
    ),
    "hotkeys": (
        "START <METRICS count [CPU] [NET]> [COUNT k] [DURATION duration] [SAMPLE ratio] [SLOTS count slot...]",
        "STOP",
        "GET",
        "RESET",
    ),
    "latency": (
        "DOCTOR",
        "GRAPH <event>",
        "HISTORY <event>",
        "LATEST",
        "RESET [<event> ...]",
        "HISTOGRAM [COMMAND ...]",
    ),
    "memory": (
        "DOCTOR",
        "MALLOC-STATS",
        "PURGE",
        "STATS",
        "USAGE <key> [SAMPLES <count>]",
    ),
    "module": (
        "LIST",
        "LOAD <path> [<arg> ...]",
        "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
        "UNLOAD <name>",
    ),
    "object": (
        "ENCODING <key>",
        "FREQ <key>",
        "IDLETIME <key>",
        "REFCOUNT <key>",
    ),
    "pubsub": (
        "CHANNELS [<pattern>]",
        "NUMPAT",
        "NUMSUB [<channel> ...]",
        "SHARDCHANNELS [<pattern>]",
        "SHARDNUMSUB [<shardchannel> ...]",
    ),
    "script": (
        "DEBUG (YES|SYNC|NO)",
        "EXISTS <sha1> [<sha1> ...]",
        "FLUSH [ASYNC|SYNC]",
        "KILL",
        "LOAD <script>",
    ),
    "slowlog": (
        "GET [<count>]",
        "LEN",
        "RESET",
    ),
    "xgroup": (
        "CREATE <key> <groupname> <id|$> [option]",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "DELCONSUMER <key> <groupname> <consumer>",
        "DESTROY <key> <groupname>",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    ),
    "xinfo": (
        "CONSUMERS <key> <groupname>",
        "GROUPS <key>",
        "STREAM <key> [FULL [COUNT <count>]",
    ),
}

#: Explanations that no docstring of a subcommand holds.
_EXPLAINED: dict[str, str] = {
    "(no subcommand)": "Returns the arity, flags, keys and categories of all commands.",
    "KILL <ip:port>": "Closes the connection from that address.",
    "KILL <option> <value> [<option> <value> [...]]": (
        "Closes the connections that match all options: ADDR, LADDR, TYPE, USER, SKIPME, ID and MAXAGE."
    ),
}


def declare_help(subcommand: CommandGroup, **facts: Unpack[Facts]) -> None:
    """Declares the HELP subcommand of the container whose subcommands ``subcommand`` declares."""
    container = subcommand.prefix.rstrip("|")

    def help_(ctx: Client) -> Reply:
        return help_lines(ctx.engine, container.lower())

    declare = subcommand.with_defaults(
        arity=2, flags=LOADING | STALE, doc=f"{container} HELP\n\nDescribes the subcommands of {container}."
    )
    declare("HELP", **facts)(help_)


def help_lines(engine: Engine, container: str) -> list[Simple]:
    """The syntax lines of ``container`` (lower case), each followed by an indented explanation."""
    command = engine.acl.catalogue.commands[container.encode()]
    subcommands = command.subcommands or {}
    # The name that rename-command may have given to the container.
    name = next(name for name, entry in engine.commands.by_name.items() if entry is command)
    lines = [f"{name.decode().upper()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for syntax in _SYNTAX[container]:
        text = _EXPLAINED.get(syntax)
        if text is None:
            subcommand = subcommands[syntax.partition(" ")[0].lower().encode()]
            text = summary_of(subcommand.spec.documentation)
        lines += [syntax, "    " + text]
    lines += ["HELP", "    Prints this text."]
    return [Simple(line.encode()) for line in lines]
