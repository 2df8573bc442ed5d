"""CLIENT and its subcommands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted_redis.commands.common.helptext import declare_help
from twisted_redis.engine.blocking import unblock
from twisted_redis.engine.clients import (
    CLOSING,
    IN_MULTI,
    MASTER,
    MONITORING,
    NO_EVICT,
    NO_TOUCH,
    REPLICA,
    REPLIES_OFF,
    SUBSCRIBED,
    Client,
)
from twisted_redis.engine.declare.flags import ADMIN, LOADING, NOSCRIPT, STALE
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_, WrongSubcommand, refusal
from twisted_redis.engine.memory.client_eviction import client_memory
from twisted_redis.engine.messages.client_caching import BCAST
from twisted_redis.engine.parse import INT64_MAX, client_name, integer, integer_or_none
from twisted_redis.engine.pause import CLIENTS
from twisted_redis.engine.transactions import queued_bytes
from twisted_redis.resp.cstrings import c_string, keyword
from twisted_redis.resp.types import NO_REPLY, OK, Reply, Verbatim

__all__ = ["client_kind", "client_line"]

_PLAIN = NOSCRIPT | LOADING | STALE
_ADMIN = ADMIN | NOSCRIPT | LOADING | STALE

subcommand = (
    CommandGroup("connection")
    .container("CLIENT", "Commands about client connections.", since="2.4.0")
    .with_defaults(complexity="O(1)")
)


def client_kind(client: Client) -> str:
    """The type of a client: ``normal``, ``master``, ``replica`` or ``pubsub``."""
    if client.gates & MASTER:
        return "master"
    if client.gates & REPLICA and not client.gates & MONITORING:
        return "replica"
    return "pubsub" if client.gates & SUBSCRIBED else "normal"


def _kind_from(text: bytes) -> str:
    kind = c_string(text).lower().decode("latin-1")
    if kind == "slave":
        kind = "replica"
    if kind not in ("normal", "master", "replica", "pubsub"):
        raise refusal(b"ERR Unknown client type '%b'", text)
    return kind


def _flags(client: Client) -> str:
    gates = client.gates
    letters = ""
    if gates & MONITORING:
        letters += "O"
    elif gates & REPLICA:
        letters += "S"
    elif "slot migration" in client.extra:
        letters += "g"
    if gates & MASTER:
        letters += "o" if "slot import" in client.extra else "M"
    if gates & SUBSCRIBED:
        letters += "P"
    if gates & IN_MULTI:
        letters += "x"
    if client.blocked is not None or client.postponed:
        letters += "b"
    if client.tracking is not None:
        letters += "t"
        if client.tracking.broken:
            letters += "R"
        if client.tracking.mode == BCAST:
            letters += "B"
    if client.dirty_cas:
        letters += "d"
    if gates & CLOSING:
        letters += "c"
    if client.link.address.endswith(":0"):
        letters += "U"
    if client.reads_replica:
        letters += "r"
    if gates & NO_EVICT:
        letters += "e"
    if gates & NO_TOUCH:
        letters += "T"
    if "rdb channel" in client.extra:
        letters += "C"
    if "internal" in client.extra:
        letters += "I"
    return letters or "N"


def client_line(client: Client, now: float) -> str:
    """The line of ``client`` in CLIENT LIST, without a line feed; ``now`` is monotonic time (s)."""
    link = client.link
    output = link.pending_output + sum(map(len, client.out))
    query = link.query_buffer
    subscriptions = client.subscriptions
    channels, patterns, shards = subscriptions.counts() if subscriptions is not None else (0, 0, 0)
    running = client.last_command
    figures = link.figures
    return (
        f"id={client.id} addr={link.address} laddr={link.local_address} fd={link.fd} "
        f"name={(client.name or b'').decode('latin-1')} age={int(now - client.created)} "
        f"idle={int(max(0.0, now - client.interacted))} flags={_flags(client)} db={client.db.index} sub={channels} "
        f"psub={patterns} ssub={shards} multi={len(client.queue) if client.queue is not None else -1} "
        f"watch={len(client.watching)} qbuf={query} qbuf-free=0 argv-mem={link.argv_bytes} "
        f"multi-mem={queued_bytes(client)} rbs=1024 rbp=0 obl=0 oll={1 if output else 0} omem={output} omem-shared=0 omem-unshared={output} tot-mem={client_memory(client)} "
        f"events={'rw' if output else 'r'} cmd={running.name if running else 'NULL'} "
        f"user={client.user_name} redir={client.tracking.redirect if client.tracking is not None else -1} resp={client.resp} "
        f"lib-name={client.lib_name.decode('latin-1')} lib-ver={client.lib_ver.decode('latin-1')} io-thread=0 "
        f"tot-net-in={figures.bytes_in} tot-net-out={figures.bytes_out} tot-cmds={client.commands + client.script_calls} "
        f"read-events={figures.reads} avg-pipeline-len-sum={client.commands} "
        f"avg-pipeline-len-cnt={figures.reads - figures.reads_without_request}"
    )


def _lines(ctx: Client, clients: Iterable[Client]) -> Verbatim:
    now = ctx.engine.time.monotonic()
    return Verbatim("".join(client_line(client, now) + "\n" for client in clients).encode("latin-1"))


@subcommand("ID", arity=2, flags=_PLAIN, since="5.0.0")
def client_id(ctx: Client) -> Reply:
    """CLIENT ID

    Returns the id of this connection.
    """
    return ctx.id


@subcommand("INFO", arity=2, flags=_PLAIN, since="6.2.0", tips=("nondeterministic_output",))
def client_info(ctx: Client) -> Reply:
    """CLIENT INFO

    Returns the line of this connection in CLIENT LIST.
    """
    return _lines(ctx, [ctx])


@subcommand(
    "LIST",
    arity=-2,
    flags=_ADMIN,
    complexity="O(N) where N is the number of client connections",
    tips=("nondeterministic_output",),
    history=(
        ("2.8.12", "Shows the id of each client."),
        ("5.0.0", "Takes TYPE."),
        ("6.0.0", "Shows user."),
        ("6.2.0", "Takes ID; shows laddr, redir, argv-mem and tot-mem."),
        ("7.0.0", "Shows resp, multi-mem, rbs and rbp."),
        ("7.0.3", "Shows ssub."),
        ("7.2.0", "Shows lib-name and lib-ver."),
        ("7.4.0", "Shows watch."),
        ("8.0.0", "Shows io-thread."),
    ),
)
def client_list(ctx: Client, *arguments: bytes) -> Reply:
    """CLIENT LIST [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]

    Returns a line for each connection, or only for those of a type or with given ids.
    """
    engine = ctx.engine
    if not arguments:
        return _lines(ctx, list(engine.clients.values()))
    option = keyword(arguments[0])
    if option == b"TYPE" and len(arguments) == 2:
        kind = _kind_from(arguments[1])
        return _lines(ctx, [client for client in engine.clients.values() if client_kind(client) == kind])
    if option == b"ID" and len(arguments) > 1:
        numbers = [integer(number, "ERR Invalid client ID") for number in arguments[1:]]
        return _lines(ctx, [engine.clients[number] for number in numbers if number in engine.clients])
    raise SyntaxError_


@subcommand("GETNAME", arity=2, flags=_PLAIN, since="2.6.9")
def client_getname(ctx: Client) -> Reply:
    """CLIENT GETNAME

    Returns the name of this connection.
    """
    return ctx.name


@subcommand(
    "SETNAME", arity=3, flags=_PLAIN, since="2.6.9", tips=("request_policy:all_nodes", "response_policy:all_succeeded")
)
def client_setname(ctx: Client, name: bytes) -> Reply:
    """CLIENT SETNAME connection-name

    Sets the name of this connection; an empty name removes it.
    """
    client_name(name)
    ctx.name = name or None
    return OK


@subcommand(
    "SETINFO", arity=4, flags=_PLAIN, since="7.2.0", tips=("request_policy:all_nodes", "response_policy:all_succeeded")
)
def client_setinfo(ctx: Client, attribute: bytes, value: bytes) -> Reply:
    """CLIENT SETINFO <LIB-NAME libname | LIB-VER libver>

    Sets the name or the version of the client library of this connection.
    """
    wanted = c_string(attribute).lower()
    if wanted not in (b"lib-name", b"lib-ver"):
        raise refusal(b"ERR Unrecognized option '%b'", attribute)
    if any(not 33 <= byte <= 126 for byte in value.partition(b"\0")[0]):
        raise refusal(b"ERR %b cannot contain spaces, newlines or special characters.", attribute)
    if wanted == b"lib-name":
        ctx.lib_name = value
    else:
        ctx.lib_ver = value
    return OK


@subcommand("REPLY", arity=3, flags=_PLAIN, since="3.2.0")
def client_reply(ctx: Client, mode: bytes) -> Reply:
    """CLIENT REPLY <ON | OFF | SKIP>

    Turns the replies to this connection on or off, or skips the reply to the next command.
    """
    wanted = keyword(mode)
    if wanted == b"ON":
        if ctx.skip_next < 2:  # as in Redis, a SKIP in the same transaction applies to what follows the transaction
            ctx.gates &= ~REPLIES_OFF
            ctx.skip_next = 0
        return OK
    if wanted == b"OFF":
        ctx.gates |= REPLIES_OFF
        ctx.skip_next = 0
    elif wanted == b"SKIP":
        if ctx.skip_next or not ctx.gates & REPLIES_OFF:
            ctx.gates |= REPLIES_OFF
            ctx.skip_next = 2  # this reply and the next one
    else:
        raise SyntaxError_
    return NO_REPLY


def _switch(ctx: Client, mode: bytes, bit: int) -> Reply:
    wanted = keyword(mode)
    if wanted == b"ON":
        ctx.gates |= bit
    elif wanted == b"OFF":
        ctx.gates &= ~bit
    else:
        raise SyntaxError_
    return OK


@subcommand("NO-EVICT", arity=3, flags=_ADMIN, since="7.0.0")
def client_no_evict(ctx: Client, mode: bytes) -> Reply:
    """CLIENT NO-EVICT <ON | OFF>

    Protects this connection from being closed when clients use too much memory.
    """
    return _switch(ctx, mode, NO_EVICT)


@subcommand("NO-TOUCH", arity=3, flags=_PLAIN, since="7.2.0")
def client_no_touch(ctx: Client, mode: bytes) -> Reply:
    """CLIENT NO-TOUCH <ON | OFF>

    Makes this connection read keys without updating their access times and frequencies.
    """
    return _switch(ctx, mode, NO_TOUCH)


@subcommand("PAUSE", arity=-3, flags=_ADMIN, since="3.0.0", history=(("6.2.0", "Takes WRITE and ALL."),))
def client_pause(ctx: Client, timeout: bytes, *modes: bytes) -> Reply:
    """CLIENT PAUSE timeout [WRITE | ALL]

    Delays all commands, or only those that write, for a time in milliseconds.
    """
    if len(modes) > 1:
        raise WrongSubcommand
    everything = True
    if modes:
        mode = keyword(modes[0])
        if mode == b"WRITE":
            everything = False
        elif mode != b"ALL":
            raise CommandError("ERR CLIENT PAUSE mode must be WRITE or ALL")
    milliseconds = integer(timeout, "ERR timeout is not an integer or out of range")
    if milliseconds < 0:
        raise CommandError("ERR timeout is negative")
    if milliseconds > INT64_MAX - ctx.now:
        raise CommandError("ERR timeout is out of range")
    ctx.engine.cluster.cancel_migrations(None, "client pause requested")
    ctx.engine.pauses.pause_clients(milliseconds / 1000, everything)
    return OK


@subcommand("UNPAUSE", arity=2, flags=_ADMIN, since="6.2.0", complexity="O(N) where N is the number of paused clients")
def client_unpause(ctx: Client) -> Reply:
    """CLIENT UNPAUSE

    Ends CLIENT PAUSE.
    """
    ctx.engine.pauses.release(CLIENTS)
    return OK


@subcommand(
    "UNBLOCK", arity=-3, flags=_ADMIN, since="5.0.0", complexity="O(log N) where N is the number of client connections"
)
def client_unblock(ctx: Client, number: bytes, *reasons: bytes) -> Reply:
    """CLIENT UNBLOCK client-id [TIMEOUT | ERROR]

    Ends the wait of another connection as if its timeout had expired, or with an error.
    """
    error = False
    if len(reasons) > 1:
        raise WrongSubcommand
    if reasons:
        reason = keyword(reasons[0])
        if reason == b"ERROR":
            error = True
        elif reason != b"TIMEOUT":
            raise CommandError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    target = ctx.engine.clients.get(integer(number))
    return 1 if target is not None and unblock(target, error) else 0


def _kill_filters(ctx: Client, arguments: tuple[bytes, ...]) -> tuple[dict[str, Any], bool]:
    filters: dict[str, Any] = {}
    skip_me = True
    for place in range(0, len(arguments), 2):
        option = keyword(arguments[place])
        if place + 1 >= len(arguments):
            raise SyntaxError_
        value = arguments[place + 1]
        if option == b"ID":
            number = integer_or_none(value)
            if number is None or number < 1:
                raise CommandError("ERR client-id should be greater than 0")
            filters["id"] = number
        elif option == b"MAXAGE":
            age = integer(value, "ERR maxage is not an integer or out of range")
            if age <= 0:
                raise CommandError("ERR maxage should be greater than 0")
            filters["maxage"] = age
        elif option == b"TYPE":
            filters["kind"] = _kind_from(value)
        elif option == b"ADDR":
            filters["addr"] = value.decode("latin-1")
        elif option == b"LADDR":
            filters["laddr"] = value.decode("latin-1")
        elif option == b"USER":
            if value not in ctx.engine.acl.users:
                raise refusal(b"ERR No such user '%b'", value)
            filters["user"] = value.decode("latin-1")
        elif option == b"SKIPME":
            answer = keyword(value)
            if answer not in (b"YES", b"NO"):
                raise SyntaxError_
            skip_me = answer == b"YES"
        else:
            raise SyntaxError_
    return filters, skip_me


def _matches(client: Client, filters: dict[str, Any], now: float) -> bool:
    return (
        filters.get("id", client.id) == client.id
        and filters.get("addr", client.link.address) == client.link.address
        and filters.get("laddr", client.link.local_address) == client.link.local_address
        and ("kind" not in filters or filters["kind"] == client_kind(client))
        and ("user" not in filters or filters["user"] == client.user_name)
        and ("maxage" not in filters or int(now - client.created) >= filters["maxage"])
    )


@subcommand(
    "KILL",
    arity=-3,
    flags=_ADMIN,
    complexity="O(N) where N is the number of client connections",
    history=(
        ("2.8.12", "Accepts filters."),
        ("2.8.12", "Takes ID."),
        ("3.2.0", "Accepts the type master."),
        ("5.0.0", "Accepts the type replica besides slave."),
        ("6.2.0", "Takes LADDR."),
        ("7.4.0", "Takes MAXAGE."),
    ),
)
def client_kill(ctx: Client, *arguments: bytes) -> Reply:
    """CLIENT KILL <ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | [ADDR ip:port] | [LADDR ip:port] | [SKIPME <YES | NO>] | [MAXAGE maxage] ...>>

    Closes the connection from an address, or all connections that match the filters.
    """
    if len(arguments) == 1:
        filters: dict[str, Any] = {"addr": arguments[0].decode("latin-1")}
        skip_me = False
    else:
        filters, skip_me = _kill_filters(ctx, arguments)
    engine = ctx.engine
    now = engine.time.monotonic()
    killed = 0
    for client in list(engine.clients.values()):
        if not _matches(client, filters, now):
            continue
        if client is ctx:
            if skip_me:
                continue
            ctx.gates |= CLOSING  # closed after the reply has been sent
        else:
            client.link.abort()
        killed += 1
    if len(arguments) == 1:
        if not killed:
            raise CommandError("ERR No such client")
        return OK
    return killed


declare_help(subcommand, since="5.0.0")
