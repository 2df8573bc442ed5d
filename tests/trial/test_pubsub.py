"""Pub/Sub in both protocols: which client gets which message, in which order, and what a subscriber may do."""

from __future__ import annotations

from typing import Any

from tests.support.server import Connection, encode
from tests.trial.cases import ServerCase, reply


def push(*parts: str | int | list[str]) -> bytes:
    """Encodes a RESP3 push message."""
    return b">" + reply(list(parts))[1:]


class PubsubMixin:
    """Tests of both protocols. ``version`` is the protocol of the subscribers."""

    version: int
    server: Any

    def told(self, *parts: str | int) -> bytes:
        """Encodes a message, or a reply about a subscription, as a subscriber receives it."""
        return push(*parts) if self.version == 3 else reply(list(parts))

    def connect(self) -> Connection:
        connection: Connection = self.server.connect()
        connection("HELLO", self.version)
        return connection

    def test_subscribing(self) -> None:
        connection = self.connect()
        self.assertEqual(
            connection("SUBSCRIBE", "a", "b"), self.told("subscribe", "a", 1) + self.told("subscribe", "b", 2)
        )
        self.assertEqual(connection("PSUBSCRIBE", "*"), self.told("psubscribe", "*", 3))
        self.assertEqual(connection("UNSUBSCRIBE", "a"), self.told("unsubscribe", "a", 2))
        self.assertEqual(connection("PUNSUBSCRIBE"), self.told("punsubscribe", "*", 1))

    def test_messages(self) -> None:
        channel, pattern, both = self.connect(), self.connect(), self.connect()
        channel("SUBSCRIBE", "news")
        pattern("PSUBSCRIBE", "n*")
        both("SUBSCRIBE", "news")
        both("PSUBSCRIBE", "n*")
        self.assertEqual(self.server("PUBLISH", "news", "x"), 4)
        first, second = self.told("message", "news", "x"), self.told("pmessage", "n*", "news", "x")
        self.assertEqual([each.read() for each in (channel, pattern, both)], [first, second, first + second])

    def test_shard_channels_are_apart(self) -> None:
        connection = self.connect()
        self.assertEqual(connection("SSUBSCRIBE", "s"), self.told("ssubscribe", "s", 1))
        self.assertEqual(self.server("PUBLISH", "s", "x"), 0)
        self.assertEqual(self.server("SPUBLISH", "s", "y"), 1)
        self.assertEqual(connection.read(), self.told("smessage", "s", "y"))

    def test_messages_of_one_pipeline_leave_in_one_write(self) -> None:
        subscriber, publisher = self.connect(), self.server.connect()
        subscriber("SUBSCRIBE", "a")
        writes = subscriber.protocol.connection.figures.writes
        publisher.send(b"".join(encode("PUBLISH", "a", number) for number in range(50)))
        expected = b"".join(self.told("message", "a", str(number)) for number in range(50))
        self.assertEqual(subscriber.read(), expected)
        self.assertEqual(subscriber.protocol.connection.figures.writes, writes + 1)

    def test_a_transaction_publishes_when_it_is_executed(self) -> None:
        subscriber = self.connect()
        subscriber("SUBSCRIBE", "a")
        for words in (("MULTI",), ("PUBLISH", "a", "x")):
            self.server(*words)
        self.assertEqual(subscriber.read(), b"")
        self.server("EXEC")
        self.assertEqual(subscriber.read(), self.told("message", "a", "x"))

    def test_a_script_publishes(self) -> None:
        subscriber = self.connect()
        subscriber("SUBSCRIBE", "a")
        self.assertEqual(self.server("EVAL", "return redis.call('publish','a','x')", 0), 1)
        self.assertEqual(subscriber.read(), self.told("message", "a", "x"))

    def test_keyspace_events(self) -> None:
        self.server("CONFIG", "SET", "notify-keyspace-events", "KEA")
        subscriber = self.connect()
        subscriber("PSUBSCRIBE", "__key*__:*")
        self.server("SET", "k", "v", "EX", 1)
        told = [("__keyspace@0__:k", "set"), ("__keyevent@0__:set", "k")]
        told += [("__keyspace@0__:k", "expire"), ("__keyevent@0__:expire", "k")]
        expected = [self.told("pmessage", "__key*__:*", *each) for each in told]
        self.assertEqual(subscriber.read(), b"".join(expected))
        self.server.advance(2)
        told = [("__keyspace@0__:k", "expired"), ("__keyevent@0__:expired", "k")]
        expected = [self.told("pmessage", "__key*__:*", *each) for each in told]
        self.assertEqual(subscriber.read(), b"".join(expected))

    def test_a_closed_subscriber_gets_nothing(self) -> None:
        connection = self.connect()
        connection("SUBSCRIBE", "a")
        connection("PSUBSCRIBE", "*")
        connection.protocol.connectionLost()
        self.assertEqual(self.server("PUBLISH", "a", "x"), 0)
        self.assertEqual(self.server("PUBSUB", "NUMPAT"), 0)

    def test_reset_ends_everything(self) -> None:
        connection = self.connect()
        connection("SUBSCRIBE", "a")
        connection("SSUBSCRIBE", "s")
        self.assertEqual(connection("RESET"), b"+RESET\r\n")
        self.assertEqual(self.server("PUBLISH", "a", "x") + self.server("SPUBLISH", "s", "x"), 0)
        self.assertEqual(connection("GET", "k"), b"$-1\r\n")

    def test_a_peer_that_takes_nothing_is_cut_off(self) -> None:
        self.server("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1000 0 0")
        slow, quick = self.connect(), self.connect()
        for each in (slow, quick):
            each("SUBSCRIBE", "a")
        # A transport that reports the size of its buffer.
        slow.transport.pending_output = lambda: 1000
        self.server("PUBLISH", "a", "x" * 200)
        self.assertTrue(slow.closed)
        self.assertFalse(quick.closed)
        self.assertEqual(quick.read(), self.told("message", "a", "x" * 200))


class Resp2Tests(PubsubMixin, ServerCase):
    version = 2

    def test_a_subscriber_may_do_little(self) -> None:
        connection = self.connect()
        connection("SUBSCRIBE", "a")
        self.assertEqual(connection("PING"), reply(["pong", ""]))
        self.assertEqual(connection("PING", "x"), reply(["pong", "x"]))
        self.assertEqual(
            connection("BLPOP", "l", 0),
            b"-ERR Can't execute 'blpop': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
            b"this context\r\n",
        )
        connection("UNSUBSCRIBE")
        self.assertEqual(connection("PING"), b"+PONG\r\n")


class Resp3Tests(PubsubMixin, ServerCase):
    version = 3

    def test_a_subscriber_may_do_everything(self) -> None:
        connection = self.connect()
        connection("SUBSCRIBE", "a")
        self.assertEqual(connection("PING"), b"+PONG\r\n")
        self.assertEqual(connection("SET", "k", "v"), b"+OK\r\n")

    def test_a_message_of_its_own_comes_behind_the_reply(self) -> None:
        connection = self.connect()
        connection("SUBSCRIBE", "a")
        self.assertEqual(connection("PUBLISH", "a", "x"), b":1\r\n" + push("message", "a", "x"))

    def test_messages_come_while_it_waits(self) -> None:
        connection = self.connect()
        connection("SUBSCRIBE", "a")
        self.assertEqual(connection("BLPOP", "l", 0), b"")
        self.server("PUBLISH", "a", "x")
        self.assertEqual(connection.read(), push("message", "a", "x"))
        self.server("RPUSH", "l", "e")
        self.assertEqual(connection.read(), reply(["l", "e"]))
