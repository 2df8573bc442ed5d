"""Commands on the connection itself: PING, ECHO, SELECT, AUTH, HELLO, QUIT, RESET."""

from __future__ import annotations

from hmac import compare_digest

from twisted_redis.engine.clients import (
    ANONYMOUS,
    ASKING,
    CLOSING,
    MASTER,
    MONITORING,
    NO_EVICT,
    NO_TOUCH,
    REPLICA,
    REPLIES_OFF,
    SUBSCRIBED,
    UNAUTHENTICATED,
    Client,
)
from twisted_redis.engine.declare.flags import ALLOW_BUSY, FAST, LOADING, NO_AUTH, NOSCRIPT, STALE
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_, refusal
from twisted_redis.engine.parse import client_name, db_index, integer, integer_in
from twisted_redis.engine.transactions import discard
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import OK, PONG, Pairs, Reply, Simple

__all__: list[str] = []

command = CommandGroup("connection", since="1.0.0", complexity="O(1)")

_HANDSHAKE = NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY


@command("PING", arity=-1, flags=FAST, tips=("request_policy:all_shards", "response_policy:all_succeeded"))
def ping(ctx: Client, *messages: bytes) -> Reply:
    """PING [message]

    Returns PONG, or the message.
    """
    if len(messages) > 1:
        raise CommandError("ERR wrong number of arguments for 'ping' command")
    if ctx.gates & SUBSCRIBED and ctx.resp == 2:
        return [b"pong", messages[0] if messages else b""]
    return messages[0] if messages else PONG


@command("ECHO", arity=2, flags=LOADING | STALE | FAST)
def echo(ctx: Client, message: bytes) -> Reply:
    """ECHO message

    Returns the message.
    """
    return message


@command("SELECT", arity=2, flags=LOADING | STALE | FAST)
def select(ctx: Client, index: bytes) -> Reply:
    """SELECT index

    Selects the database of this connection.
    """
    number = integer_in(index, -(2**31), 2**31 - 1)
    if number:
        if ctx.config.cluster_enabled:
            raise CommandError("ERR SELECT is not allowed in cluster mode")
        ctx.engine.compatibility.count()
    ctx.db = ctx.engine.databases[db_index(index, len(ctx.engine.databases))]
    return OK


def authenticate(ctx: Client, name: bytes, password: bytes) -> None:
    """Makes ``name`` the user of ``ctx``; raises WRONGPASS if the password does not match."""
    ctx.engine.acl.log_in(ctx, name, password, ctx.extra.get("spelling", b"AUTH"))


@command(
    "AUTH",
    arity=-2,
    flags=_HANDSHAKE,
    complexity="O(N) where N is the number of passwords of the user",
    history=(("6.0.0", "Accepts the name of a user."),),
)
def auth(ctx: Client, *arguments: bytes) -> Reply:
    """AUTH [username] password

    Authenticates this connection.
    """
    if len(arguments) > 2:
        raise SyntaxError_
    if len(arguments) == 1:
        if ctx.engine.acl.default.nopass:
            raise CommandError(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
                "configuration is correct?"
            )
        authenticate(ctx, b"default", arguments[0])
    else:
        if arguments[0] == b"internal connection":
            # The name that the nodes of a cluster use among themselves; no user can have it.
            if not ctx.config.cluster_enabled:
                raise CommandError("ERR Cannot authenticate as an internal connection on non-cluster instances")
            if not compare_digest(arguments[1], ctx.engine.cluster.secret) or not arguments[1]:
                raise CommandError("WRONGPASS invalid internal password")
            was_unknown = ctx.gates & UNAUTHENTICATED
            ctx.engine.acl.free(ctx)
            if was_unknown:
                ctx.link.authenticated()
            ctx.extra["internal"] = True
            return OK
        authenticate(ctx, arguments[0], arguments[1])
    return OK


@command(
    "HELLO",
    arity=-1,
    flags=_HANDSHAKE,
    since="6.0.0",
    history=(("6.2.0", "Without arguments, describes the connection."),),
)
def hello(ctx: Client, *arguments: bytes) -> Reply:
    """HELLO [protover [AUTH username password] [SETNAME clientname]]

    Selects the protocol, authenticates and names the connection in one step; describes the server.
    """
    version = 0
    if arguments:
        version = integer(arguments[0], "ERR Protocol version is not an integer or out of range")
        if not 2 <= version <= 3:
            raise CommandError("NOPROTO unsupported protocol version")
    credentials: tuple[bytes, bytes] | None = None
    name: bytes | None = None
    place = 1
    while place < len(arguments):
        option = keyword(arguments[place])
        if option == b"AUTH" and place + 2 < len(arguments):
            credentials = (arguments[place + 1], arguments[place + 2])
            place += 3
        elif option == b"SETNAME" and place + 1 < len(arguments):
            name = arguments[place + 1]
            client_name(name)
            place += 2
        else:
            raise refusal(b"ERR Syntax error in HELLO option '%b'", arguments[place])
    if credentials is not None:
        authenticate(ctx, *credentials)
    if ctx.gates & ANONYMOUS:
        raise CommandError(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
            "<user> <pass> option can be used to authenticate the client and select the RESP protocol version at the "
            "same time"
        )
    if name is not None:
        ctx.name = name or None
    if version:
        ctx.set_protocol(version)
    return Pairs(
        [
            b"server",
            b"redis",
            b"version",
            ctx.engine.version.encode(),
            b"proto",
            ctx.resp,
            b"id",
            ctx.id,
            b"mode",
            b"cluster" if ctx.config.cluster_enabled else b"standalone",
            b"role",
            b"replica" if ctx.engine.replication.is_replica else b"master",
            b"modules",
            ctx.engine.modules.describe(),
        ]
    )


@command("QUIT", arity=-1, flags=_HANDSHAKE, deprecated_since="7.2.0", replaced_by="just closing the connection")
def quit_(ctx: Client, *ignored: bytes) -> Reply:
    """QUIT

    Closes the connection after all pending replies have been sent.
    """
    ctx.gates |= CLOSING
    return OK


@command("RESET", arity=1, flags=_HANDSHAKE, since="6.2.0")
def reset(ctx: Client) -> Reply:
    """RESET

    Resets the connection to its initial state: RESP2, database 0, no transaction, no subscriptions, default user.
    """
    if ctx.gates & (MASTER | REPLICA) and not ctx.gates & MONITORING:
        raise CommandError("ERR can only reset normal client connections")
    engine = ctx.engine
    discard(ctx)
    engine.tracking.disable(ctx)
    engine.pubsub.forget(ctx)
    engine.monitors.remove(ctx)
    ctx.db = engine.databases[0]
    ctx.set_protocol(2)
    ctx.name = None
    ctx.gates &= ~(NO_EVICT | NO_TOUCH | MONITORING | ASKING)
    ctx.reads_replica = ctx.asking = False
    if not ctx.skip_next:  # a CLIENT REPLY SKIP before RESET suppresses the reply of RESET and ends with it
        ctx.gates &= ~REPLIES_OFF
    engine.acl.greet(ctx)
    return Simple(b"RESET")
