"""MULTI, EXEC, DISCARD, WATCH, UNWATCH."""

from __future__ import annotations

from twisted_redis.engine.clients import CLOSING, DENY_BLOCKING, IN_MULTI, REPLIES_OFF, RESTRICTED, Client
from twisted_redis.engine.declare.flags import (
    ALLOW_BUSY,
    FAST,
    LOADING,
    NOSCRIPT,
    SKIP_SLOWLOG,
    STALE,
)
from twisted_redis.engine.declare.keyspecs import RO, key_range
from twisted_redis.engine.declare.table import Command, CommandGroup
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.transactions import discard, watch, watched_key_expired
from twisted_redis.engine.units import TRANSACTION
from twisted_redis.resp.types import NO_REPLY, OK, ErrorReply, NullArray, Raw, Reply, Unsilenced

__all__: list[str] = []

command = CommandGroup("transactions", complexity="O(1)")


@command("MULTI", arity=1, flags=NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, since="1.2.0")
def multi(ctx: Client) -> Reply:
    """MULTI

    Begins a transaction: the server queues the following commands until EXEC.
    """
    if ctx.queue is not None:
        raise CommandError("ERR MULTI calls can not be nested")
    ctx.queue = []
    ctx.dirty_exec = False
    ctx.gates |= IN_MULTI
    return OK


@command(
    "EXEC",
    arity=1,
    flags=NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG,
    since="1.2.0",
    complexity="Depends on the queued commands",
)
def exec_(ctx: Client) -> Reply:
    """EXEC

    Executes the queued commands as one unit.
    """
    queue = ctx.queue
    if queue is None:
        raise CommandError("ERR EXEC without MULTI")
    if watched_key_expired(ctx):
        ctx.dirty_cas = True
    aborted, changed = ctx.dirty_exec, ctx.dirty_cas
    discard(ctx)
    if aborted:
        raise CommandError("EXECABORT Transaction discarded because of previous errors.")
    if changed:
        return NullArray
    engine = ctx.engine
    call = engine.call
    encode, silent = ctx.encode, _is_silent(ctx)
    denied_before = ctx.gates & DENY_BLOCKING
    ctx.gates |= DENY_BLOCKING
    replies: list[Reply] = []
    refused: ErrorReply | None = None
    try:
        with engine.unit(TRANSACTION):
            for entry, argv in queue:
                before = ctx.gates
                refused = _refusal(ctx, entry, argv) if before & RESTRICTED else None
                reply = call(ctx, entry, argv) if refused is None else refused
                if before & CLOSING or (
                    ctx.gates & REPLIES_OFF and _is_silent(ctx) and reply.__class__ is not Unsilenced
                ):
                    reply = NO_REPLY
                if ctx.encode is not encode:
                    # HELLO has changed the protocol; earlier replies keep theirs.
                    replies = [Raw(encode(each)) for each in replies]
                    encode = ctx.encode
                replies.append(reply)
    finally:
        if not denied_before:
            ctx.gates &= ~DENY_BLOCKING
    if refused is not None:
        # As in Redis, a refusal counts as a failure of EXEC itself, unless another command ran after it.
        engine.acl.catalogue.commands[b"exec"].failed += 1
    if silent or ctx.gates & REPLIES_OFF:
        return _partly_silent(ctx, replies, not silent)
    return replies


def _refusal(ctx: Client, entry: Command, argv: list[bytes]) -> ErrorReply | None:
    """The error of a queued command if permissions have changed since, and the user may not call it any more."""
    try:
        ctx.engine.acl.authorize_queued(ctx, entry, argv)
    except CommandError as error:
        return ctx.engine.error(error.text)
    return None


def _is_silent(ctx: Client) -> bool:
    """True if replies are suppressed now: by CLIENT REPLY OFF, or by SKIP for the running request."""
    return bool(ctx.gates & REPLIES_OFF) and ctx.skip_next < 2


def _partly_silent(ctx: Client, replies: list[Reply], announced: bool) -> Reply:
    """The reply of EXEC if CLIENT REPLY suppressed its first line or suppresses replies now.

    Redis sends each part when it is made, so CLIENT REPLY in a transaction takes effect at once.  ``announced`` is True
    if the line with the number of replies was sent.
    """
    reply = replies if announced else Raw(b"".join([ctx.encode(each) for each in replies if each is not NO_REPLY]))
    if not ctx.gates & REPLIES_OFF:
        return reply
    if reply:
        ctx.send(reply)
    return NO_REPLY


@command(
    "DISCARD",
    arity=1,
    flags=NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY,
    since="2.0.0",
    complexity="O(N) where N is the number of queued commands",
)
def discard_(ctx: Client) -> Reply:
    """DISCARD

    Discards the queued commands and ends the transaction.
    """
    if ctx.queue is None:
        raise CommandError("ERR DISCARD without MULTI")
    discard(ctx)
    return OK


@command(
    "WATCH",
    arity=-2,
    flags=NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY,
    keys=key_range(RO),
    since="2.2.0",
    complexity="O(1) for each key",
)
def watch_(ctx: Client, *keys: bytes) -> Reply:
    """WATCH key [key ...]

    Watches keys: the next EXEC does nothing if one of them has changed by then.
    """
    if ctx.queue is not None:
        raise CommandError("ERR WATCH inside MULTI is not allowed")
    if not ctx.dirty_cas:
        for key in keys:
            watch(ctx, key)
    return OK


@command("UNWATCH", arity=1, flags=NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, since="2.2.0")
def unwatch(ctx: Client) -> Reply:
    """UNWATCH

    Stops watching all keys.
    """
    ctx.engine.forget_watches(ctx)
    return OK
