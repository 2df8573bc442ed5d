"""Pub/Sub: keeps the subscriptions to channels and patterns, and delivers messages.

A message is encoded once for each protocol in use, and the same bytes object goes into the output of every subscriber.
Each subscriber is written to once, at the end of the turn.  Patterns are indexed by the literal bytes that they begin
with, so one look-up for each length of such a prefix finds the patterns that can match.  Without subscribers, PUBLISH
costs two dict look-ups.

A message to the client whose own command caused it is sent after the reply of that command.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from twisted_redis.engine.clients import SUBSCRIBED
from twisted_redis.keyspace.glob import Matcher, compile_glob
from twisted_redis.resp.types import Reply, Unsilenced

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.engine import Engine

__all__ = ["CHANNEL", "PATTERN", "SHARD", "PubSub", "Subscriptions"]

# The kinds of subscriptions.
CHANNEL = 0
PATTERN = 1
SHARD = 2

_SUBSCRIBED = (b"subscribe", b"psubscribe", b"ssubscribe")
_UNSUBSCRIBED = (b"unsubscribe", b"punsubscribe", b"sunsubscribe")

_SUBSCRIPTION = 200
"""The memory of one subscription (bytes), besides the name: entries in two dicts."""

_LISTENED = 300
"""The memory of a name that has subscribers (bytes), besides its characters: an object, an entry, a dict."""

_LITERAL = re.compile(rb"[^*?\[\\]*")

Listeners = dict[bytes, "dict[Client, None]"]


class Subscriptions:
    """The subscriptions of one client (``client.subscriptions``, None for most), in the order of their creation."""

    __slots__ = ("channels", "patterns", "shards")

    def __init__(self) -> None:
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shards: dict[bytes, None] = {}

    def __iter__(self) -> Iterator[dict[bytes, None]]:
        """Yields channels, patterns and shard channels, in the order of the kinds' numbers."""
        return iter((self.channels, self.patterns, self.shards))

    def of(self, kind: int) -> dict[bytes, None]:
        """Returns the names of one kind."""
        return (self.channels, self.patterns, self.shards)[kind]

    def counts(self) -> tuple[int, int, int]:
        """Returns the numbers of channels, patterns and shard channels."""
        return len(self.channels), len(self.patterns), len(self.shards)

    def count_for(self, kind: int) -> int:
        """Returns the count in replies about ``kind``: channels plus patterns, or shard channels alone."""
        return len(self.shards) if kind == SHARD else len(self.channels) + len(self.patterns)

    def __bool__(self) -> bool:
        return bool(self.channels or self.patterns or self.shards)


def _bulk(data: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(data), data)


def _confirmation(client: Client, word: bytes, name: bytes | None, count: int) -> bytes:
    """Returns the reply about one name."""
    if client.resp == 3:
        shown = b"_\r\n" if name is None else _bulk(name)
        return b">3\r\n%b%b:%d\r\n" % (_bulk(word), shown, count)
    shown = b"$-1\r\n" if name is None else _bulk(name)
    return b"*3\r\n%b%b:%d\r\n" % (_bulk(word), shown, count)


class PubSub:
    """All subscriptions of a server."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.channels: Listeners = {}
        self.patterns: Listeners = {}
        self.shards: Listeners = {}
        #: The patterns by the literal bytes that they begin with, each with its matcher.
        self._by_prefix: dict[bytes, dict[bytes, Matcher]] = {}
        #: The memory of all subscriptions (bytes), an estimate.
        self.memory = 0
        #: The lengths of these literal prefixes, sorted.
        self._lengths: tuple[int, ...] = ()
        engine.departed.append(self.forget)
        engine.info.add("stats", self._figures)

    def _figures(self) -> list[tuple[str, Any]]:
        return [
            ("pubsub_channels", len(self.channels)),
            ("pubsub_patterns", len(self.patterns)),
            ("pubsubshard_channels", len(self.shards)),
        ]

    def listeners(self, kind: int) -> Listeners:
        """Returns the subscribers by name, for one kind."""
        return (self.channels, self.patterns, self.shards)[kind]

    # subscribing

    def subscribe(self, client: Client, kind: int, names: Iterable[bytes]) -> Reply:
        """Subscribes ``client`` to ``names``; returns a reply for each of them."""
        own = client.subscriptions
        if own is None:
            own = client.subscriptions = Subscriptions()
            client.gates |= SUBSCRIBED
        mine, listeners = own.of(kind), self.listeners(kind)
        answers = []
        before = self.memory
        for name in names:
            if name not in mine:
                mine[name] = None
                self.memory += _SUBSCRIPTION
                known = listeners.get(name)
                if known is None:
                    self.memory += _LISTENED + len(name)
                    listeners[name] = {client: None}
                    if kind == PATTERN:
                        self._index(name)
                else:
                    known[client] = None
            answers.append(_confirmation(client, _SUBSCRIBED[kind], name, own.count_for(kind)))
        if self.memory > before:
            self._engine.eviction.charge(self.memory - before)
        return _answer(answers)

    def unsubscribe(self, client: Client, kind: int, names: Iterable[bytes] = ()) -> Reply:
        """Unsubscribes ``client`` from ``names``, or from all names of ``kind``; returns a reply for each name."""
        own: Subscriptions = client.subscriptions or Subscriptions()
        word = _UNSUBSCRIBED[kind]
        answers = []
        before = self.memory
        for name in names or list(own.of(kind)):
            self._remove(client, own, kind, name)
            answers.append(_confirmation(client, word, name, own.count_for(kind)))
        if self.memory < before:
            self._engine.eviction.charge(self.memory - before)
        if not answers:
            answers = [_confirmation(client, word, None, own.count_for(kind))]
        if not own:
            self._release(client)
        return _answer(answers)

    def _remove(self, client: Client, own: Subscriptions, kind: int, name: bytes) -> None:
        mine = own.of(kind)
        if name not in mine:
            return
        del mine[name]
        self.memory -= _SUBSCRIPTION
        listeners = self.listeners(kind)
        known = listeners[name]
        del known[client]
        if not known:
            self.memory -= _LISTENED + len(name)
            del listeners[name]
            if kind == PATTERN:
                self._unindex(name)

    def _release(self, client: Client) -> None:
        """Resets a client that has no subscriptions left."""
        client.subscriptions = None
        client.gates &= ~SUBSCRIBED

    def forget(self, client: Client) -> None:
        """Removes all subscriptions of ``client`` without a message: it is closed, or was reset (RESET)."""
        own: Subscriptions | None = client.subscriptions
        if own is None:
            return
        before = self.memory
        for kind, names in enumerate(own):
            for name in list(names):
                self._remove(client, own, kind, name)
        self._engine.eviction.charge(self.memory - before)
        self._release(client)

    def silence_shards(self, names: Iterable[bytes]) -> None:
        """Ends all subscriptions to shard channels that this server no longer serves, and notifies the clients."""
        for name in names:
            for client in list(self.shards.get(name, ())):
                client.send(self.unsubscribe(client, SHARD, (name,)))

    def _index(self, pattern: bytes) -> None:
        prefix = _LITERAL.match(pattern)[0]  # type: ignore[index]
        self._by_prefix.setdefault(prefix, {})[pattern] = compile_glob(pattern)
        self._lengths = tuple(sorted({len(each) for each in self._by_prefix}))

    def _unindex(self, pattern: bytes) -> None:
        prefix = _LITERAL.match(pattern)[0]  # type: ignore[index]
        patterns = self._by_prefix[prefix]
        del patterns[pattern]
        if not patterns:
            del self._by_prefix[prefix]
            self._lengths = tuple(sorted({len(each) for each in self._by_prefix}))

    # publishing

    def publish(self, channel: bytes, message: bytes) -> int:
        """Sends ``message`` to the subscribers of ``channel``; returns the number of messages sent."""
        receivers = 0
        listening = self.channels.get(channel)
        if listening is not None:
            receivers = len(listening)
            self._deliver(listening, b"3\r\n$7\r\nmessage\r\n%b%b" % (_bulk(channel), _bulk(message)))
        for length in self._lengths:
            if length > len(channel):
                break
            patterns = self._by_prefix.get(channel[:length])
            if patterns is None:
                continue
            for pattern, matches in patterns.items():
                if matches(channel):
                    listening = self.patterns[pattern]
                    receivers += len(listening)
                    self._deliver(
                        listening,
                        b"4\r\n$8\r\npmessage\r\n%b%b%b" % (_bulk(pattern), _bulk(channel), _bulk(message)),
                    )
        return receivers

    def publish_shard(self, channel: bytes, message: bytes) -> int:
        """Sends ``message`` to the subscribers of a shard channel; returns their number."""
        listening = self.shards.get(channel)
        if listening is None:
            return 0
        body = b"3\r\n$8\r\nsmessage\r\n%b%b" % (_bulk(channel), _bulk(message))
        if self._engine.slot_meter.measures_network:
            self._engine.slot_meter.note_message(channel, len(listening) * (len(body) + 1))
        self._deliver(listening, body)
        return len(listening)

    def _deliver(self, listening: dict[Client, None], body: bytes) -> None:
        """Sends ``body``, which lacks the first byte that its protocol needs, to all clients in ``listening``."""
        engine = self._engine
        current, caller = engine.current, engine.caller
        unflushed = engine.turns.unflushed
        array = push = b""
        for client in listening:
            if client.resp == 2:
                text = array = array or b"*" + body
            else:
                text = push = push or b">" + body
            if client is current or client is caller:
                client.push_later(text)
            else:
                client.out.append(text)
                unflushed[client] = None
        if not engine.turns.depth:
            with engine.in_turn:
                pass  # the end of the turn writes to all of them


def _answer(answers: list[bytes]) -> Reply:
    """Joins replies about subscriptions; they count as messages, which CLIENT REPLY OFF does not suppress."""
    return Unsilenced(b"".join(answers))
