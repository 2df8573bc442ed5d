"""SUBSCRIBE, PUBLISH and the other Pub/Sub commands."""

from __future__ import annotations

from typing import Any

from twisted_redis.commands.common.helptext import declare_help
from twisted_redis.engine.clients import DENY_BLOCKING, SCRIPT, Client
from twisted_redis.engine.declare.flags import DENYOOM, FAST, LOADING, MAY_REPLICATE, NOSCRIPT, PUBSUB, SENTINEL, STALE
from twisted_redis.engine.declare.keyspecs import NOT_KEY, first_key, key_range
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, WrongSubcommand
from twisted_redis.engine.messages.pubsub import CHANNEL, PATTERN, SHARD, Listeners
from twisted_redis.engine.propagation import REPLICAS
from twisted_redis.keyspace.glob import compile_glob
from twisted_redis.resp.types import Reply

__all__: list[str] = []

command = CommandGroup("pubsub", since="2.0.0")

_SUBSCRIBING = PUBSUB | NOSCRIPT | LOADING | STALE
_PUBLISHING = PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE

_EACH_CHANNEL = "O(N) where N is the number of channels"
_EACH_PATTERN = "O(N) where N is the number of patterns"
_EACH_SHARD_CHANNEL = "O(N) where N is the number of shard channels"

# Subscribing

subscribe_command = command.with_defaults(arity=-2, flags=_SUBSCRIBING | DENYOOM | SENTINEL)


def _subscribe(ctx: Client, kind: int, names: tuple[bytes, ...], command_name: str, denied: int) -> Reply:
    """Subscribes, unless the client has one of the gates ``denied``: it then expects one reply for each command."""
    if ctx.gates & denied:
        raise CommandError(f"ERR {command_name} isn't allowed for a DENY BLOCKING client")
    return ctx.engine.pubsub.subscribe(ctx, kind, names)


@subscribe_command("SUBSCRIBE", complexity=_EACH_CHANNEL)
def subscribe(ctx: Client, *channels: bytes) -> Reply:
    """SUBSCRIBE channel [channel ...]

    Subscribes the connection to channels.
    """
    # Unlike a script, EXEC may subscribe: Redis allows that for compatibility.
    return _subscribe(ctx, CHANNEL, channels, "SUBSCRIBE", SCRIPT)


@subscribe_command("PSUBSCRIBE", complexity=_EACH_PATTERN)
def psubscribe(ctx: Client, *patterns: bytes) -> Reply:
    """PSUBSCRIBE pattern [pattern ...]

    Subscribes the connection to all channels whose names match patterns.
    """
    return _subscribe(ctx, PATTERN, patterns, "PSUBSCRIBE", SCRIPT)


@subscribe_command(
    "SSUBSCRIBE", flags=_SUBSCRIBING | DENYOOM, keys=key_range(NOT_KEY), since="7.0.0", complexity=_EACH_SHARD_CHANNEL
)
def ssubscribe(ctx: Client, *shardchannels: bytes) -> Reply:
    """SSUBSCRIBE shardchannel [shardchannel ...]

    Subscribes the connection to shard channels.
    """
    return _subscribe(ctx, SHARD, shardchannels, "SSUBSCRIBE", DENY_BLOCKING)


unsubscribe_command = command.with_defaults(arity=-1, flags=_SUBSCRIBING | SENTINEL)


@unsubscribe_command("UNSUBSCRIBE", complexity=_EACH_CHANNEL)
def unsubscribe(ctx: Client, *channels: bytes) -> Reply:
    """UNSUBSCRIBE [channel [channel ...]]

    Ends the subscription to the given channels, or to all channels.
    """
    return ctx.engine.pubsub.unsubscribe(ctx, CHANNEL, channels)


@unsubscribe_command("PUNSUBSCRIBE", complexity=_EACH_PATTERN)
def punsubscribe(ctx: Client, *patterns: bytes) -> Reply:
    """PUNSUBSCRIBE [pattern [pattern ...]]

    Ends the subscription to the given patterns, or to all patterns.
    """
    return ctx.engine.pubsub.unsubscribe(ctx, PATTERN, patterns)


@unsubscribe_command(
    "SUNSUBSCRIBE", flags=_SUBSCRIBING, keys=key_range(NOT_KEY), since="7.0.0", complexity=_EACH_SHARD_CHANNEL
)
def sunsubscribe(ctx: Client, *shardchannels: bytes) -> Reply:
    """SUNSUBSCRIBE [shardchannel [shardchannel ...]]

    Ends the subscription to the given shard channels, or to all shard channels.
    """
    return ctx.engine.pubsub.unsubscribe(ctx, SHARD, shardchannels)


# Publishing

publish_command = command.with_defaults(arity=3, flags=_PUBLISHING)


@publish_command(
    "PUBLISH",
    flags=_PUBLISHING | SENTINEL,
    complexity="O(N+M) where N is the number of subscribers of the channel and M the number of patterns",
)
def publish(ctx: Client, channel: bytes, message: bytes) -> Reply:
    """PUBLISH channel message

    Sends a message to the subscribers of a channel and returns how many of them are connected to this server.
    """
    engine = ctx.engine
    if engine.cluster.enabled:
        # The bus reaches the replicas too.
        receivers = engine.pubsub.publish(channel, message)
        engine.cluster.publish(channel, message, sharded=False)
        return receivers
    if engine.effects.recording:
        # Replicas have subscribers of their own.
        ctx.propagate_as([b"PUBLISH", channel, message], audience=REPLICAS)
    return engine.pubsub.publish(channel, message)


@publish_command(
    "SPUBLISH",
    keys=first_key(NOT_KEY),
    since="7.0.0",
    complexity="O(N) where N is the number of subscribers of the shard channel",
)
def spublish(ctx: Client, shardchannel: bytes, message: bytes) -> Reply:
    """SPUBLISH shardchannel message

    Sends a message to the subscribers of a shard channel and returns how many of them are connected to this server.
    """
    engine = ctx.engine
    if engine.cluster.enabled:
        receivers = engine.pubsub.publish_shard(shardchannel, message)
        engine.cluster.publish(shardchannel, message, sharded=True)
        return receivers
    if engine.effects.recording:
        ctx.propagate_as([b"SPUBLISH", shardchannel, message], audience=REPLICAS)
    return engine.pubsub.publish_shard(shardchannel, message)


# Inspecting

subcommand = command.container("PUBSUB", "Commands about the state of Pub/Sub.", since="2.8.0").with_defaults(
    flags=PUBSUB | LOADING | STALE, complexity="O(1)"
)


def _names(listeners: Listeners, patterns: tuple[bytes, ...]) -> Reply:
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

    Returns the channels that have subscribers; with a pattern, only those that match it.
    """
    return _names(ctx.engine.pubsub.channels, pattern)


@subcommand("NUMSUB", arity=-2, complexity="O(N) where N is the number of channels asked for")
def numsub(ctx: Client, *names: bytes) -> Reply:
    """PUBSUB NUMSUB [channel [channel ...]]

    Returns the number of subscribers of each given channel, not counting subscriptions to patterns.
    """
    return _counts(ctx.engine.pubsub.channels, names)


@subcommand("NUMPAT", arity=2)
def numpat(ctx: Client) -> Reply:
    """PUBSUB NUMPAT

    Returns the number of different patterns that have subscribers.
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

    Returns the shard channels that have subscribers; with a pattern, only those that match it.
    """
    return _names(ctx.engine.pubsub.shards, pattern)


@subcommand("SHARDNUMSUB", arity=-2, since="7.0.0", complexity="O(N) where N is the number of shard channels asked for")
def shardnumsub(ctx: Client, *names: bytes) -> Reply:
    """PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]]

    Returns the number of subscribers of each given shard channel.
    """
    return _counts(ctx.engine.pubsub.shards, names)


declare_help(subcommand, since="6.2.0")
