"""DEBUG: inspecting and manipulating the server for tests."""

from __future__ import annotations

import os
import time
from binascii import crc_hqx
from collections.abc import Callable
from typing import Any

from twisted_redis.commands.common.reply_examples import EXAMPLES
from twisted_redis.config import ConfigError
from twisted_redis.config.numbers import memory
from twisted_redis.datatypes.list import List
from twisted_redis.datatypes.strings import is_string
from twisted_redis.datatypes.table import encoding_of, exact_size, type_of
from twisted_redis.engine.clients import Client
from twisted_redis.engine.declare.docstrings import docstring
from twisted_redis.engine.declare.flags import ADMIN, LOADING, NOSCRIPT, PROTECTED, STALE
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, NoSuchKey, WrongSubcommand
from twisted_redis.engine.gates import IS_LOADING
from twisted_redis.engine.introspect.digest import dataset_digest, digest_text, value_digest
from twisted_redis.engine.parse import float_or_none, integer, integer_or_none, positive
from twisted_redis.engine.ports.replication import AFTER_FORK, BEFORE_CHANNEL, IN_STREAM
from twisted_redis.keyspace.glob import glob_match
from twisted_redis.resp.cstrings import c_string, keyword
from twisted_redis.resp.types import (
    OK,
    ErrorReply,
    Reply,
    Simple,
    Verbatim,
)

__all__ = ["debug_subcommand"]

command = CommandGroup("server")

Handler = Callable[..., Reply]

#: Subcommand: (fewest arguments, most arguments, function).  As in Redis, the command table does not have these.
_handlers: dict[bytes, tuple[int, int, Handler]] = {}


def debug_subcommand(name: str, fewest: int = 0, most: int | None = None) -> Callable[[Handler], Handler]:
    """Declares ``DEBUG name``, which takes ``fewest`` to ``most`` arguments; the docstring begins with the syntax line."""

    def add(handler: Handler) -> Handler:
        _handlers[name.encode()] = (fewest, fewest if most is None else most, handler)
        return handler

    return add


@command(
    "DEBUG",
    arity=-2,
    flags=ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED,
    since="1.0.0",
    complexity="Depends on subcommand.",
    doc_flags=("syscmd",),
)
def debug(ctx: Client, subcommand: bytes, *arguments: bytes) -> Reply:
    """DEBUG subcommand [argument [argument ...]]

    Inspects and manipulates the server. This is a tool for tests.
    """
    entry = _handlers.get(keyword(subcommand))
    if entry is None or not entry[0] <= len(arguments) <= entry[1]:
        raise WrongSubcommand
    return entry[2](ctx, *arguments)


@debug_subcommand("HELP")
def _help(ctx: Client) -> Reply:
    """HELP

    Shows this text.
    """
    lines = ["DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for _, _, handler in _handlers.values():
        syntax, _, text = docstring(handler).partition("\n")
        lines += [syntax, "    " + " ".join(text.split())]
    return [Simple(line.encode()) for line in lines]


def _switch(text: bytes) -> bool:
    return (integer_or_none(text) or 0) != 0


@debug_subcommand("SLEEP", 1)
def _sleep(ctx: Client, seconds: bytes) -> Reply:
    """SLEEP <seconds>

    Blocks the whole server for a time; decimals are allowed.
    """
    time.sleep(max(0.0, float_or_none(seconds) or 0.0))
    return OK


@debug_subcommand("CONFIG-REWRITE-FORCE-ALL")
def _config_rewrite(ctx: Client) -> Reply:
    """CONFIG-REWRITE-FORCE-ALL

    Works like CONFIG REWRITE, but writes every directive, including those that have their default value.
    """
    try:
        ctx.config.rewrite(ctx.engine.acl.lines(), everything=True)
    except ConfigError as error:
        raise CommandError(f"ERR CONFIG-REWRITE-FORCE-ALL failed: {error}") from None
    return OK


@debug_subcommand("SET-ACTIVE-EXPIRE", 1)
def _active_expire(ctx: Client, switch: bytes) -> Reply:
    """SET-ACTIVE-EXPIRE <0|1>

    Deletes expired keys only when they are accessed (0), or as usual (1).
    """
    ctx.engine.expiry.active = _switch(switch)
    return OK


@debug_subcommand("SET-ALLOW-ACCESS-EXPIRED", 1)
def _access_expired(ctx: Client, switch: bytes) -> Reply:
    """SET-ALLOW-ACCESS-EXPIRED <0|1>

    Lets all commands find expired keys and hash fields (1), or none (0).
    """
    ctx.engine.state.access_expired = _switch(switch)
    return OK


@debug_subcommand("ALLOCSIZE-SLOTS-ASSERT", 1)
def _check_slot_sizes(ctx: Client, switch: bytes) -> Reply:
    """ALLOCSIZE-SLOTS-ASSERT <0|1>

    Does nothing: the memory of a slot is computed for each reply, so there is no account that could be wrong.
    """
    _switch(switch)
    return OK


@debug_subcommand("SET-DISABLE-DENY-SCRIPTS", 1)
def _deny_scripts(ctx: Client, switch: bytes) -> Reply:
    """SET-DISABLE-DENY-SCRIPTS <0|1>

    Allows (1) or forbids (0) scripts to call commands that are not allowed in scripts.
    """
    ctx.engine.scripting.anything_allowed = _switch(switch)
    return OK


@debug_subcommand("PAUSE-CRON", 1)
def _pause_cron(ctx: Client, switch: bytes) -> Reply:
    """PAUSE-CRON <0|1>

    Pauses (1) or resumes (0) the periodic work.
    """
    ctx.engine.cron_paused = _switch(switch)
    return OK


@debug_subcommand("SET-SKIP-CHECKSUM-VALIDATION", 1)
def _skip_checksum(ctx: Client, switch: bytes) -> Reply:
    """SET-SKIP-CHECKSUM-VALIDATION <0|1>

    Makes RESTORE accept (1) or reject (0) payloads with a wrong checksum.
    """
    ctx.engine.payload_checksums = not _switch(switch)
    return OK


@debug_subcommand("DICT-RESIZING", 1)
def _dict_resizing(ctx: Client, switch: bytes) -> Reply:
    """DICT-RESIZING <0|1>

    Forbids (0) or allows (1) compacting the orders of keys, which removes their gaps.
    """
    ctx.engine.state.compacting = _switch(switch)
    for db in ctx.engine.databases:
        db.order.may_sweep = _switch(switch)
    return OK


@debug_subcommand("QUICKLIST-PACKED-THRESHOLD", 1)
def _packed_threshold(ctx: Client, size: bytes) -> Reply:
    """QUICKLIST-PACKED-THRESHOLD <size>

    Sets the size from which an element counts as a node of its own; 0 restores the default.
    """
    value = memory(size)
    if value is None or value > 1 << 32:
        raise CommandError("ERR argument must be a memory value bigger than 1 and smaller than 4gb")
    ctx.config.quicklist_packed_threshold = value
    return OK


def _serialized_length(value: Any) -> int:
    """The size that DEBUG OBJECT shows instead of the length of a dump: that of the value's contents."""
    return len(value) if is_string(value) else exact_size(value)


@debug_subcommand("OBJECT", 1)
def _object(ctx: Client, key: bytes) -> Reply:
    """OBJECT <key>

    Shows the encoding, the size and the idle time of a value.
    """
    value = ctx.db.live(key, ctx.db.data.get(key))
    if value is None:
        raise NoSuchKey
    idle = ctx.engine.eviction.idle_seconds(ctx.db, key)
    lru_clock = (ctx.engine.state.now // 1000 - idle) & 0xFFFFFF  # 24 bits of seconds
    extra = value.debug_details(ctx.config.list_compress_depth != 0) if isinstance(value, List) else ""
    return Simple(
        f"Value at:{id(value):#x} refcount:1 encoding:{encoding_of(value, key)} "
        f"serializedlength:{_serialized_length(value)} lru:{lru_clock} "
        f"lru_seconds_idle:{idle}{extra}".encode()
    )


@debug_subcommand("LISTPACK", 1)
def _listpack(ctx: Client, key: bytes) -> Reply:
    """LISTPACK <key>

    Logs the contents of a value that Redis would store in a listpack.
    """
    value = ctx.db.lookup_quietly(key)
    if value is None:
        raise NoSuchKey
    if not encoding_of(value).startswith("listpack"):
        raise CommandError("ERR Not a listpack encoded object.")
    for number, element in enumerate(type_of(value).shown(value)):
        ctx.engine.log("notice", f"{number}: {element!r}")
    return Simple(b"Listpack structure printed on stdout")


@debug_subcommand("DIGEST")
def _digest(ctx: Client) -> Reply:
    """DIGEST

    Returns a digest of all data, which is equal for servers with the same data.
    """
    return Simple(digest_text(dataset_digest(ctx.engine.databases)))


@debug_subcommand("DIGEST-VALUE", 0, 1 << 31)
def _digest_value(ctx: Client, *keys: bytes) -> Reply:
    """DIGEST-VALUE <key> [<key> ...]

    Returns the digest of each key's value, which does not depend on the name of the key.
    """
    return [Simple(digest_text(value_digest(ctx.db, key))) for key in keys]


@debug_subcommand("SDSLEN", 1)
def _sdslen(ctx: Client, key: bytes) -> Reply:
    """SDSLEN <key>

    Shows the lengths of a key and its string value.
    """
    value = ctx.db.data.get(key)
    if value is None:
        raise NoSuchKey
    if not is_string(value) or encoding_of(value) == "int":
        raise CommandError("ERR Not an sds encoded string.")
    return Simple(
        f"key_sds_len:{len(key)}, key_sds_avail:0, key_zmalloc: {key.__sizeof__()}, val_sds_len:{len(value)}, "
        f"val_sds_avail:0, val_zmalloc: {value.__sizeof__()}".encode()
    )


@debug_subcommand("KEYSIZES-HIST-ASSERT", 1)
def _keysizes_assert(ctx: Client, wanted: bytes) -> Reply:
    """KEYSIZES-HIST-ASSERT <0|1>

    Does nothing: INFO keysizes is counted from the data on request, so there are no running figures to check.
    """
    return OK


@debug_subcommand("REPLYBUFFER", 2)
def _reply_buffer(ctx: Client, setting: bytes, value: bytes) -> Reply:
    """REPLYBUFFER <RESIZING <0|1> | PEAK-RESET-TIME <milliseconds|NEVER|RESET>>

    Does nothing: a client has no reply buffer that stays, so there is none to resize.
    """
    if keyword(setting) == b"PEAK-RESET-TIME":
        if keyword(value) not in (b"NEVER", b"RESET"):
            integer(value)
    elif keyword(setting) != b"RESIZING":
        raise WrongSubcommand
    return OK


@debug_subcommand("STRINGMATCH-LEN", 2)
def _stringmatch(ctx: Client, pattern: bytes, text: bytes) -> Reply:
    """STRINGMATCH-LEN <pattern> <string>

    Returns 1 if a glob pattern matches a string, else 0.
    """
    return int(glob_match(pattern, text))


@debug_subcommand("CHANGE-REPL-ID")
def _change_repl_id(ctx: Client) -> Reply:
    """CHANGE-REPL-ID

    Changes the replication ids, so that replicas must synchronize fully.
    """
    ctx.engine.log("notice", "Changing replication IDs after receiving DEBUG change-repl-id")
    ctx.engine.replication.change_id()
    return OK


@debug_subcommand("REPL-PAUSE", 1)
def _repl_pause(ctx: Client, point: bytes) -> Reply:
    """REPL-PAUSE <clear|after-fork|before-rdb-channel|on-streaming-repl-buf>

    Stops the process at a point of a full synchronization, until it gets SIGCONT.
    """
    pauses = ctx.engine.replication.debug_pauses
    name = keyword(point).decode("latin-1").lower()
    if name == "clear":
        pauses.clear()
    elif name in (AFTER_FORK, BEFORE_CHANNEL, IN_STREAM):
        pauses.add(name)
    else:
        raise WrongSubcommand
    return OK


@debug_subcommand("REPLICATE", 1, 1 << 31)
def _replicate(ctx: Client, *argv: bytes) -> Reply:
    """REPLICATE <string>

    Sends a command to the replicas without executing it here.
    """
    ctx.engine.replication.inject(list(argv))
    return OK


@debug_subcommand("ERROR", 1)
def _error(ctx: Client, text: bytes) -> Reply:
    """ERROR <string>

    Returns the string as an error.
    """
    return ErrorReply(text)


@debug_subcommand("LOG", 1)
def _log(ctx: Client, text: bytes) -> Reply:
    """LOG <message>

    Writes a message to the log.
    """
    ctx.engine.log("warning", "DEBUG LOG: " + text.decode("utf-8", "replace"))
    return OK


@debug_subcommand("HTSTATS", 1, 1 << 31)
def _htstats(ctx: Client, index: bytes, *options: bytes) -> Reply:
    """HTSTATS <dbid> [full]

    Shows statistics of the tables of a database.
    """
    number = integer(index)
    if not 0 <= number < len(ctx.engine.databases):
        raise CommandError("ERR Out of range database")
    db = ctx.engine.databases[number]
    parts = [
        f"[{title} HT]\nHash table 0 stats (main hash table):\n table size: {_table_size(len(table))}\n"
        f" number of elements: {len(table)}\n"
        for title, table in (("Dictionary", db.data), ("Expires", db.expires))
    ]
    return Verbatim("".join(parts).encode())


@debug_subcommand("HTSTATS-KEY", 1, 1 << 31)
def _htstats_key(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """HTSTATS-KEY <key> [full]

    Shows statistics of the table of one value.
    """
    value = ctx.db.lookup_quietly(key)
    if value is None:
        raise NoSuchKey
    if encoding_of(value) not in ("hashtable", "skiplist"):
        raise CommandError("ERR The value stored at the specified key is not represented using an hash table")
    size = len(value)
    text = "Hash table 0 stats (main hash table):\n"
    text += f" table size: {_table_size(size)}\n number of elements: {size}\n"
    order = getattr(value, "order", None)
    if order is not None:
        # The blocks of an order correspond to Redis' chains of slots: random picks and cursors use them.
        if options and keyword(options[0]) == b"FULL":
            slots, longest = order.figures()
            text += f" different slots: {slots}\n max chain length: {longest}\n"
        if order.is_sweeping:
            text += f"Hash table 1 stats (rehashing target):\n table size: {len(order)}\n"
    return Verbatim(text.encode())


def _table_size(elements: int) -> int:
    """The number of slots in a Python dict to which this many elements were added."""
    size = 8
    while size * 2 // 3 < elements:
        size *= 2
    return size


@debug_subcommand("PROTOCOL", 1)
def _protocol(ctx: Client, name: bytes) -> Reply:
    """PROTOCOL <type>

    Returns an example of a reply type: string, integer, double, bignum, null, array, set, map, attrib, push, verbatim,
    true or false.
    """
    kind = c_string(name).lower()
    if kind == b"push" and ctx.resp < 3:
        raise CommandError("ERR RESP2 is not supported by this command")
    make = EXAMPLES.get(kind)
    if make is None:
        raise CommandError(
            "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set"
            "|map|attrib|push|verbatim|true|false"
        )
    return make(ctx)


@debug_subcommand("POPULATE", 1, 3)
def _populate(ctx: Client, count: bytes, prefix: bytes = b"key", size: bytes = b"") -> Reply:
    """POPULATE <count> [<prefix>] [<size>]

    Creates missing string keys ``prefix:0``, ``prefix:1`` and so on, with values ``value:0`` and so on. Cuts or pads
    the values to a size.
    """
    db = ctx.db
    keys = positive(count)
    if ctx.engine.gates & IS_LOADING:
        raise CommandError("LOADING Redis is loading the dataset in memory")
    wanted = positive(size) if size else 0
    for number in range(keys):
        key = b"%b:%d" % (prefix, number)
        if db.exists(key):
            continue
        value = b"value:%d" % number
        if wanted:
            value = value[:wanted].ljust(wanted, b"\0")
        db.add(key, value)
        ctx.changed(key, "", 0)
    ctx.propagate_as()
    return OK


@debug_subcommand("RELOAD", 0, 3)
def _reload(ctx: Client, *options: bytes) -> Reply:
    """RELOAD [option ...]

    Saves a snapshot and loads it in place of the data. NOSAVE loads the snapshot on disk. NOFLUSH keeps the data. MERGE
    lets keys of the snapshot replace keys with the same name.
    """
    chosen = {keyword(option) for option in options}
    if chosen - {b"MERGE", b"NOFLUSH", b"NOSAVE"}:
        raise CommandError("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    ctx.engine.persistence.reload(
        save=b"NOSAVE" not in chosen, flush=b"NOFLUSH" not in chosen, merge=b"MERGE" in chosen
    )
    return OK


@debug_subcommand("LOADAOF")
def _loadaof(ctx: Client) -> Reply:
    """LOADAOF

    Loads the append-only file in place of all data.
    """
    ctx.engine.append_only.reload()
    return OK


@debug_subcommand("AOF-FLUSH-SLEEP", 1)
def _aof_flush_sleep(ctx: Client, microseconds: bytes) -> Reply:
    """AOF-FLUSH-SLEEP <microsec>

    Sleeps for this time before each write to the append-only file.
    """
    ctx.engine.append_only.flush_sleep_us = max(0, integer_or_none(microseconds) or 0)
    return OK


@debug_subcommand("CLUSTERLINK", 3)
def _clusterlink(ctx: Client, action: bytes, direction: bytes, node_id: bytes) -> Reply:
    """CLUSTERLINK KILL <to|from|all> <node-id>

    Closes the links of the cluster's bus to a node, from it, or both.
    """
    if keyword(action) != b"KILL":
        raise WrongSubcommand
    name, way = (c_string(word).decode("utf-8", "surrogateescape") for word in (node_id, direction))
    ctx.engine.cluster.kill_links(name, way.lower())
    return OK


@debug_subcommand("DROP-CLUSTER-PACKET-FILTER", 1)
def _drop_cluster_packets(ctx: Client, kind: bytes) -> Reply:
    """DROP-CLUSTER-PACKET-FILTER <packet-type>

    Ignores messages of one type that come by the cluster's bus; -1 ends that.
    """
    ctx.engine.cluster.drop_messages(integer(kind))
    return OK


@debug_subcommand("ASM-FAILPOINT", 2)
def _migration_failpoint(ctx: Client, channel: bytes, state: bytes) -> Reply:
    """ASM-FAILPOINT <channel> <state>

    Breaks atomic slot migrations in a state of a connection; two empty texts end that.
    """
    if not ctx.engine.cluster.set_migration_failpoint(channel.decode("latin-1"), state.decode("latin-1")):
        raise CommandError("ERR Failed to set ASM fail point")
    return OK


@debug_subcommand("ASM-TRIM-METHOD", 1, 2)
def _trim_method(ctx: Client, method: bytes, delay: bytes = b"0") -> Reply:
    """ASM-TRIM-METHOD <default|none|active|bg> <active-trim-delay>

    Sets how keys of slots that were migrated are removed, and the time for each key in microseconds.
    """
    if not ctx.engine.cluster.set_trim_method(method.decode("latin-1"), integer_or_none(delay) or 0):
        raise CommandError("ERR Failed to set ASM trim method")
    return OK


@debug_subcommand("INTERNAL_SECRET")
def _internal_secret(ctx: Client) -> Reply:
    """INTERNAL_SECRET

    Shows a checksum of the secret that the nodes of the cluster share.
    """
    secret = ctx.engine.cluster.secret
    if not secret:
        raise CommandError("ERR Internal secret is missing")
    return crc_hqx(secret, 0)


@debug_subcommand("MARK-INTERNAL-CLIENT", 0, 1)
def _mark_internal_client(ctx: Client, *unmark: bytes) -> Reply:
    """MARK-INTERNAL-CLIENT [UNMARK]

    Marks this connection as one between nodes of a cluster.
    """
    if not unmark:
        ctx.extra["internal"] = True
    elif keyword(unmark[0]) == b"UNMARK":
        ctx.extra.pop("internal", None)
    else:
        raise WrongSubcommand
    return OK


@debug_subcommand("SEGFAULT")
def _segfault(ctx: Client) -> Reply:
    """SEGFAULT

    Ends the process with the signal of an invalid memory access.
    """
    import signal

    ctx.engine.log("warning", "Ending by SIGSEGV, as DEBUG SEGFAULT asks")
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSEGV)
    return OK


@debug_subcommand("JMAP")
def _jmap(ctx: Client) -> Reply:
    """JMAP

    Lists the classes with the most objects that the garbage collector tracks, and the numbers of objects.
    """
    import gc
    from collections import Counter

    counts = Counter(type(item).__name__ for item in gc.get_objects())
    return Verbatim("".join(f"{name}: {number}\n" for name, number in counts.most_common(50)).encode())
