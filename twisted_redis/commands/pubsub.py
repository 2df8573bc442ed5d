"""SUBSCRIBE, PUBLISH and their kin."""

from __future__ import annotations

from typing import Any

from twisted_redis.commands.common.helptext import help_lines
from twisted_redis.engine.clients import DENY_BLOCKING, SCRIPT, Client
from twisted_redis.engine.declare.flags import FAST, LOADING, MAY_REPLICATE, NOSCRIPT, PUBSUB, SENTINEL, STALE
from twisted_redis.engine.declare.keyspecs import NOT_KEY, first_key, key_range
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, WrongSubcommand
from twisted_redis.engine.messages.pubsub import CHANNEL, PATTERN, SHARD, Listeners
from twisted_redis.engine.propagation import ReplicasOnly
from twisted_redis.keyspace.glob import compile_glob
from twisted_redis.resp.types import Reply

__all__: list[str] = []

command = CommandGroup("pubsub", since="2.0.0")

_SUBSCRIBING = PUBSUB | NOSCRIPT | LOADING | STALE | SENTINEL
_PUBLISHING = PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE
_ASKING = PUBSUB | LOADING | STALE


def _one_reply_a_command(ctx: Client, name: str) -> None:
    """Refuses a caller that expects one reply for each command and so cannot be a subscriber."""
    raise CommandError(f"ERR {name} isn't allowed for a DENY BLOCKING client")


@command("SUBSCRIBE", arity=-2, flags=_SUBSCRIBING, complexity="O(N) where N is the number of channels")
def subscribe(ctx: Client, *channels: bytes) -> Reply:
    """SUBSCRIBE channel [channel ...]

    Has the connection receive what is published on channels.
    """
    # EXEC may, as it could before there were such callers.
    if ctx.gates & SCRIPT:
        _one_reply_a_command(ctx, "SUBSCRIBE")
    return ctx.engine.pubsub.subscribe(ctx, CHANNEL, channels)


@command("PSUBSCRIBE", arity=-2, flags=_SUBSCRIBING, complexity="O(N) where N is the number of patterns")
def psubscribe(ctx: Client, *patterns: bytes) -> Reply:
    """PSUBSCRIBE pattern [pattern ...]

    Has the connection receive what is published on channels whose names match patterns.
    """
    if ctx.gates & SCRIPT:
        _one_reply_a_command(ctx, "PSUBSCRIBE")
    return ctx.engine.pubsub.subscribe(ctx, PATTERN, patterns)


@command(
    "SSUBSCRIBE",
    arity=-2,
    flags=_SUBSCRIBING & ~SENTINEL,
    keys=key_range(NOT_KEY),
    since="7.0.0",
    complexity="O(N) where N is the number of shard channels",
)
def ssubscribe(ctx: Client, *shardchannels: bytes) -> Reply:
    """SSUBSCRIBE shardchannel [shardchannel ...]

    Has the connection receive what is published on shard channels.
    """
    if ctx.gates & DENY_BLOCKING:
        _one_reply_a_command(ctx, "SSUBSCRIBE")
    return ctx.engine.pubsub.subscribe(ctx, SHARD, shardchannels)


@command("UNSUBSCRIBE", arity=-1, flags=_SUBSCRIBING, complexity="O(N) where N is the number of channels")
def unsubscribe(ctx: Client, *channels: bytes) -> Reply:
    """UNSUBSCRIBE [channel [channel ...]]

    Ends the subscription to channels, or to all of them.
    """
    return ctx.engine.pubsub.unsubscribe(ctx, CHANNEL, channels)


@command("PUNSUBSCRIBE", arity=-1, flags=_SUBSCRIBING, complexity="O(N) where N is the number of patterns")
def punsubscribe(ctx: Client, *patterns: bytes) -> Reply:
    """PUNSUBSCRIBE [pattern [pattern ...]]

    Ends the subscription to patterns, or to all of them.
    """
    return ctx.engine.pubsub.unsubscribe(ctx, PATTERN, patterns)


@command(
    "SUNSUBSCRIBE",
    arity=-1,
    flags=_SUBSCRIBING & ~SENTINEL,
    keys=key_range(NOT_KEY),
    since="7.0.0",
    complexity="O(N) where N is the number of shard channels",
)
def sunsubscribe(ctx: Client, *shardchannels: bytes) -> Reply:
    """SUNSUBSCRIBE [shardchannel [shardchannel ...]]

    Ends the subscription to shard channels, or to all of them.
    """
    return ctx.engine.pubsub.unsubscribe(ctx, SHARD, shardchannels)


@command(
    "PUBLISH",
    arity=3,
    flags=_PUBLISHING | SENTINEL,
    complexity="O(N+M) where N is the number of subscribers of the channel and M the number of patterns",
)
def publish(ctx: Client, channel: bytes, message: bytes) -> Reply:
    """PUBLISH channel message

    Sends a message to all who listen to a channel; the number of those connected to this server.
    """
    engine = ctx.engine
    if engine.effects.recording:
        # Replicas have subscribers of their own.
        ctx.propagate_as(ReplicasOnly((b"PUBLISH", channel, message)))
    return engine.pubsub.publish(channel, message)


@command(
    "SPUBLISH",
    arity=3,
    flags=_PUBLISHING,
    keys=first_key(NOT_KEY),
    since="7.0.0",
    complexity="O(N) where N is the number of subscribers of the shard channel",
)
def spublish(ctx: Client, shardchannel: bytes, message: bytes) -> Reply:
    """SPUBLISH shardchannel message

    Sends a message to all who listen to a shard channel; the number of those connected to this server.
    """
    engine = ctx.engine
    if engine.effects.recording:
        ctx.propagate_as(ReplicasOnly((b"SPUBLISH", shardchannel, message)))
    return engine.pubsub.publish_shard(shardchannel, message)


subcommand = command.container("PUBSUB", "Commands about the state of Pub/Sub.", since="2.8.0").with_defaults(
    flags=_ASKING, complexity="O(1)"
)


def _names(listeners: Listeners, container_name: str, patterns: tuple[bytes, ...]) -> Reply:
    if len(patterns) > 1:
        raise WrongSubcommand
    if not patterns:
        return list(listeners)
    return list(filter(compile_glob(patterns[0]), listeners))


def _counts(listeners: Listeners, names: tuple[bytes, ...]) -> Reply:
    reply: list[Any] = []
    for name in names:
        reply += [name, len(listeners.get(name, ()))]
    return reply


@subcommand("CHANNELS", arity=-2, complexity="O(N) where N is the number of channels that have subscribers")
def channels(ctx: Client, *pattern: bytes) -> Reply:
    """PUBSUB CHANNELS [pattern]

    The channels that have subscribers, or those of them that match a pattern.
    """
    return _names(ctx.engine.pubsub.channels, "CHANNELS", pattern)


@subcommand("NUMSUB", arity=-2, complexity="O(N) where N is the number of channels asked for")
def numsub(ctx: Client, *names: bytes) -> Reply:
    """PUBSUB NUMSUB [channel [channel ...]]

    How many subscribers each of some channels has, patterns left out.
    """
    return _counts(ctx.engine.pubsub.channels, names)


@subcommand("NUMPAT", arity=2)
def numpat(ctx: Client) -> Reply:
    """PUBSUB NUMPAT

    How many different patterns have subscribers.
    """
    return len(ctx.engine.pubsub.patterns)


@subcommand(
    "SHARDCHANNELS",
    arity=-2,
    since="7.0.0",
    complexity="O(N) where N is the number of shard channels that have subscribers",
)
def shardchannels(ctx: Client, *pattern: bytes) -> Reply:
    """PUBSUB SHARDCHANNELS [pattern]

    The shard channels that have subscribers, or those of them that match a pattern.
    """
    return _names(ctx.engine.pubsub.shards, "SHARDCHANNELS", pattern)


@subcommand("SHARDNUMSUB", arity=-2, since="7.0.0", complexity="O(N) where N is the number of shard channels asked for")
def shardnumsub(ctx: Client, *names: bytes) -> Reply:
    """PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]]

    How many subscribers each of some shard channels has.
    """
    return _counts(ctx.engine.pubsub.shards, names)


@subcommand("HELP", arity=2, flags=LOADING | STALE, since="6.2.0")
def help_(ctx: Client) -> Reply:
    """PUBSUB HELP

    The subcommands of PUBSUB.
    """
    return help_lines(ctx.engine, "pubsub")
