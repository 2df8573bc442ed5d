"""Pub/Sub: who listens to which channels and patterns, and handing messages out.

A message is encoded once for each protocol in use and the same bytes object is put into the output of every
subscriber; each of them is written to once at the end of the turn.  Patterns stand under the literal bytes they begin
with, so a message looks at those alone whose beginning it has: one look-up for each length of such a beginning.  With
no subscriber PUBLISH is two dict look-ups.

A message to the client whose own command has caused it comes behind the reply of that command.
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

# What one subscribes to.
CHANNEL = 0
PATTERN = 1
SHARD = 2

_SUBSCRIBED = (b"subscribe", b"psubscribe", b"ssubscribe")
_UNSUBSCRIBED = (b"unsubscribe", b"punsubscribe", b"sunsubscribe")
_LITERAL = re.compile(rb"[^*?\[\\]*")

Listeners = dict[bytes, "dict[Client, None]"]


class Subscriptions:
    """What one client listens to (``client.subscriptions``, None for most): names in the order in which they came."""

    __slots__ = ("channels", "patterns", "shards")

    def __init__(self) -> None:
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shards: dict[bytes, None] = {}

    def __iter__(self) -> Iterator[dict[bytes, None]]:
        """Channels, patterns and shard channels, by the numbers of their kinds."""
        return iter((self.channels, self.patterns, self.shards))

    def of(self, kind: int) -> dict[bytes, None]:
        """The names of one kind."""
        return (self.channels, self.patterns, self.shards)[kind]

    def counts(self) -> tuple[int, int, int]:
        """How many channels, patterns and shard channels."""
        return len(self.channels), len(self.patterns), len(self.shards)

    def count_for(self, kind: int) -> int:
        """The count that the answers about ``kind`` carry: channels and patterns together, shard channels alone."""
        return len(self.shards) if kind == SHARD else len(self.channels) + len(self.patterns)

    def __bool__(self) -> bool:
        return bool(self.channels or self.patterns or self.shards)


def _bulk(data: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(data), data)


def _told(client: Client, word: bytes, name: bytes | None, count: int) -> bytes:
    """The answer about one name."""
    if client.resp == 3:
        shown = b"_\r\n" if name is None else _bulk(name)
        return b">3\r\n%b%b:%d\r\n" % (_bulk(word), shown, count)
    shown = b"$-1\r\n" if name is None else _bulk(name)
    return b"*3\r\n%b%b:%d\r\n" % (_bulk(word), shown, count)


class PubSub:
    """The subscribers of a server."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.channels: Listeners = {}
        self.patterns: Listeners = {}
        self.shards: Listeners = {}
        #: The patterns by the literal bytes they begin with, each with its matcher.
        self._beginnings: dict[bytes, dict[bytes, Matcher]] = {}
        #: The lengths of these beginnings, in order.
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
        """Who listens to the names of one kind."""
        return (self.channels, self.patterns, self.shards)[kind]

    # subscribing

    def subscribe(self, client: Client, kind: int, names: Iterable[bytes]) -> Reply:
        """Has ``client`` listen to ``names``; an answer for each of them."""
        own = client.subscriptions
        if own is None:
            own = client.subscriptions = Subscriptions()
            client.gates |= SUBSCRIBED
        mine, listeners = own.of(kind), self.listeners(kind)
        answers = []
        for name in names:
            if name not in mine:
                mine[name] = None
                known = listeners.get(name)
                if known is None:
                    listeners[name] = {client: None}
                    if kind == PATTERN:
                        self._index(name)
                else:
                    known[client] = None
            answers.append(_told(client, _SUBSCRIBED[kind], name, own.count_for(kind)))
        return _answer(answers)

    def unsubscribe(self, client: Client, kind: int, names: Iterable[bytes] = ()) -> Reply:
        """Undoes ``subscribe``, for all names of the kind where none is given; an answer for each name."""
        own: Subscriptions = client.subscriptions or Subscriptions()
        word = _UNSUBSCRIBED[kind]
        answers = []
        for name in names or list(own.of(kind)):
            self._remove(client, own, kind, name)
            answers.append(_told(client, word, name, own.count_for(kind)))
        if not answers:
            answers = [_told(client, word, None, own.count_for(kind))]
        if not own:
            self._release(client)
        return _answer(answers)

    def _remove(self, client: Client, own: Subscriptions, kind: int, name: bytes) -> None:
        mine = own.of(kind)
        if name not in mine:
            return
        del mine[name]
        listeners = self.listeners(kind)
        known = listeners[name]
        del known[client]
        if not known:
            del listeners[name]
            if kind == PATTERN:
                self._unindex(name)

    def _release(self, client: Client) -> None:
        """``client`` is no subscriber any more."""
        client.subscriptions = None
        client.gates &= ~SUBSCRIBED

    def forget(self, client: Client) -> None:
        """Takes ``client`` out without telling it: it is gone, or as new (RESET)."""
        own: Subscriptions | None = client.subscriptions
        if own is None:
            return
        for kind, names in enumerate(own):
            for name in list(names):
                self._remove(client, own, kind, name)
        self._release(client)

    def silence_shards(self, names: Iterable[bytes]) -> None:
        """Ends all subscriptions to shard channels that this server does not serve any more, telling the clients."""
        for name in names:
            for client in list(self.shards.get(name, ())):
                client.send(self.unsubscribe(client, SHARD, (name,)))

    def _index(self, pattern: bytes) -> None:
        beginning = _LITERAL.match(pattern)[0]  # type: ignore[index]
        self._beginnings.setdefault(beginning, {})[pattern] = compile_glob(pattern)
        self._lengths = tuple(sorted({len(each) for each in self._beginnings}))

    def _unindex(self, pattern: bytes) -> None:
        beginning = _LITERAL.match(pattern)[0]  # type: ignore[index]
        patterns = self._beginnings[beginning]
        del patterns[pattern]
        if not patterns:
            del self._beginnings[beginning]
            self._lengths = tuple(sorted({len(each) for each in self._beginnings}))

    # publishing

    def publish(self, channel: bytes, message: bytes) -> int:
        """Hands ``message`` to those who listen to ``channel``; how many times."""
        receivers = 0
        listening = self.channels.get(channel)
        if listening is not None:
            receivers = len(listening)
            self._hand_out(listening, b"3\r\n$7\r\nmessage\r\n%b%b" % (_bulk(channel), _bulk(message)))
        for length in self._lengths:
            if length > len(channel):
                break
            patterns = self._beginnings.get(channel[:length])
            if patterns is None:
                continue
            for pattern, matches in patterns.items():
                if matches(channel):
                    listening = self.patterns[pattern]
                    receivers += len(listening)
                    self._hand_out(
                        listening,
                        b"4\r\n$8\r\npmessage\r\n%b%b%b" % (_bulk(pattern), _bulk(channel), _bulk(message)),
                    )
        return receivers

    def publish_shard(self, channel: bytes, message: bytes) -> int:
        """Hands ``message`` to those who listen to a shard channel; how many there are."""
        listening = self.shards.get(channel)
        if listening is None:
            return 0
        self._hand_out(listening, b"3\r\n$8\r\nsmessage\r\n%b%b" % (_bulk(channel), _bulk(message)))
        return len(listening)

    def _hand_out(self, listening: dict[Client, None], body: bytes) -> None:
        """Sends ``body``, which lacks the mark of its protocol, to all who listen."""
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
                pass  # the end of a turn writes to all of them


def _answer(answers: list[bytes]) -> Reply:
    """Answers about subscriptions are messages: CLIENT REPLY OFF does not hold them back."""
    return Unsilenced(b"".join(answers))
