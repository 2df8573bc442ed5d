"""Client-side caching: CLIENT TRACKING, CACHING, GETREDIR and TRACKINGINFO."""

from __future__ import annotations

from collections import deque

from twisted_redis.engine.clients import Client
from twisted_redis.engine.declare.flags import LOADING, NOSCRIPT, STALE
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.messages.client_caching import BCAST, DEFAULT, OPTIN, OPTOUT
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import OK, Pairs, Reply, SetReply

__all__: list[str] = []

_FLAGS = NOSCRIPT | LOADING | STALE

subcommand = CommandGroup("connection").below("CLIENT").with_defaults(flags=_FLAGS, complexity="O(1)", since="6.0.0")


def _mode(bcast: bool, optin: bool, optout: bool) -> int:
    if bcast:
        return BCAST
    return OPTIN if optin else OPTOUT if optout else DEFAULT


@subcommand("TRACKING", arity=-3, complexity="O(1), or O(N) for N prefixes of the connection if prefixes are given")
def client_tracking(ctx: Client, status: bytes, *options: bytes) -> Reply:
    """CLIENT TRACKING <ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]

    Makes the server notify this connection when a key changes that it has read or that has a given prefix.
    """
    redirect = 0
    bcast = optin = optout = noloop = False
    prefixes: list[bytes] = []
    words = deque(options)
    while words:
        option = keyword(words.popleft())
        if option == b"REDIRECT" and words:
            if redirect:
                raise CommandError("ERR A client can only redirect to a single other client")
            redirect = integer(words.popleft())
            if redirect not in ctx.engine.clients:
                raise CommandError("ERR The client ID you want redirect to does not exist")
        elif option == b"PREFIX" and words:
            prefixes.append(words.popleft())
        elif option == b"BCAST":
            bcast = True
        elif option == b"OPTIN":
            optin = True
        elif option == b"OPTOUT":
            optout = True
        elif option == b"NOLOOP":
            noloop = True
        else:
            raise SyntaxError_
    wanted = keyword(status)
    if wanted == b"OFF":
        ctx.engine.tracking.disable(ctx)
        return OK
    if wanted != b"ON":
        raise SyntaxError_
    if prefixes and not bcast:
        raise CommandError("ERR PREFIX option requires BCAST mode to be enabled")
    before = ctx.tracking.mode if ctx.tracking is not None else None
    if before is not None and (before == BCAST) != bcast:
        raise CommandError(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling "
            "it with a different mode."
        )
    if bcast and (optin or optout):
        raise CommandError("ERR OPTIN and OPTOUT are not compatible with BCAST")
    if optin and optout:
        raise CommandError("ERR You can't specify both OPTIN mode and OPTOUT mode")
    if (optin and before == OPTOUT) or (optout and before == OPTIN):
        raise CommandError(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling "
            "it with a different mode."
        )
    if bcast:
        ctx.engine.tracking.check_prefixes(ctx, prefixes)
    ctx.engine.tracking.enable(ctx, _mode(bcast, optin, optout), redirect, noloop, prefixes)
    return OK


@subcommand("CACHING", arity=3)
def client_caching(ctx: Client, mode: bytes) -> Reply:
    """CLIENT CACHING <YES | NO>

    Tracks the keys of the next command (in OPTIN mode) or does not track them (in OPTOUT mode).
    """
    tracker = ctx.tracking
    if tracker is None:
        raise CommandError(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
        )
    wanted = keyword(mode)
    if wanted == b"YES":
        if tracker.mode != OPTIN:
            raise CommandError("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
    elif wanted == b"NO":
        if tracker.mode != OPTOUT:
            raise CommandError("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
    else:
        raise SyntaxError_
    tracker.given = True
    return OK


@subcommand("GETREDIR", arity=2)
def client_getredir(ctx: Client) -> Reply:
    """CLIENT GETREDIR

    Returns the id of the connection that receives the notifications: 0 for this one, -1 without tracking.
    """
    return ctx.tracking.redirect if ctx.tracking is not None else -1


@subcommand("TRACKINGINFO", arity=2, since="6.2.0")
def client_trackinginfo(ctx: Client) -> Reply:
    """CLIENT TRACKINGINFO

    Returns the state of client-side caching for this connection.
    """
    tracker = ctx.tracking
    flags = [b"on" if tracker is not None else b"off"]
    if tracker is not None:
        if tracker.mode == BCAST:
            flags.append(b"bcast")
        elif tracker.mode == OPTIN:
            flags += [b"optin", b"caching-yes"] if tracker.given else [b"optin"]
        elif tracker.mode == OPTOUT:
            flags += [b"optout", b"caching-no"] if tracker.given else [b"optout"]
        if tracker.noloop:
            flags.append(b"noloop")
        if tracker.broken:
            flags.append(b"broken_redirect")
    return Pairs(
        [
            b"flags",
            SetReply(flags),
            b"redirect",
            tracker.redirect if tracker is not None else -1,
            b"prefixes",
            sorted(tracker.prefixes) if tracker is not None else [],
        ]
    )
