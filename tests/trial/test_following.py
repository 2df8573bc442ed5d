"""A replica and its ``ReconnectingClientFactory``, with a master that follows a script."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ReconnectingClientFactory
from twisted.trial.unittest import TestCase

from tests.replication.masters import ID, Following, handshake, snapshot_of
from tests.support.server import Server, encode
from tests.trial.cases import Caller, FolderMixin

OTHER_ID = b"b" * 40
FULL = b"+FULLRESYNC %b 100\r\n" % ID
STREAM = encode("SELECT", 0) + encode("SET", "later", 1)


def bulk(snapshot: bytes) -> bytes:
    """Returns a snapshot as a master sends it from a file."""
    return b"$%d\r\n%b" % (len(snapshot), snapshot)


class FollowingCase(FolderMixin, TestCase):
    timeout = 5

    def setUp(self) -> None:
        super().setUp()
        master = Server()
        master("SET", "key", "value")
        self.snapshot = snapshot_of(master)

    def synchronised(self, **directives: Any) -> tuple[Following, Any]:
        """Returns a replica that executes the stream, and its link."""
        following = Following(**directives)
        link = following.open()
        link.send(handshake(FULL + bulk(self.snapshot)))
        self.assertEqual(following.status, "up")
        link.said()
        return following, link


class HandshakeTests(FollowingCase):
    def test_step_by_step(self) -> None:
        following = Following()
        link = following.open()
        self.assertIsInstance(link.protocol.factory, ReconnectingClientFactory)
        self.assertEqual(link.said(), encode("PING"))
        link.send(b"+PONG\r\n")
        self.assertEqual(
            link.said(),
            encode("REPLCONF", "listening-port", 6379)
            + encode("REPLCONF", "capa", "eof", "capa", "psync2", "capa", "rdb-channel-repl"),
        )
        link.send(b"+OK\r\n")
        self.assertEqual(link.said(), b"")
        link.send(b"+OK\r\n")
        self.assertEqual(link.said(), encode("PSYNC", following.server.engine.replication.replication_id, 1))
        link.send(FULL)
        self.assertEqual(following.status, "down")
        link.send(bulk(self.snapshot))
        self.assertEqual(following.status, "up")
        self.assertEqual(following.server("GET", "key"), b"value")

    def test_byte_by_byte(self) -> None:
        following = Following(repl_diskless_load="swapdb")
        link = following.open()
        for byte in handshake(FULL + bulk(self.snapshot) + STREAM):
            link.send(bytes((byte,)))
        self.assertEqual(following.server("GET", "later"), b"1")
        self.assertEqual(following.replication.offset, 100 + len(STREAM))

    def test_with_a_password_and_a_name(self) -> None:
        following = Following(masterauth="secret", masteruser="copier")
        link = following.open()
        link.said()
        link.send(b"-NOAUTH Authentication required.\r\n")
        self.assertTrue(link.said().startswith(encode("AUTH", "copier", "secret")))

    def test_a_wrong_password_ends_the_attempt(self) -> None:
        following = Following(masterauth="wrong")
        link = following.open()
        link.send(b"+PONG\r\n-WRONGPASS invalid username-password pair or user is disabled.\r\n")
        self.assertTrue(link.closed)
        self.assertIn("Unable to AUTH to MASTER", "".join(text for _, text in following.server.logged))
        following.open()

    def test_an_old_master_that_knows_no_replconf(self) -> None:
        following = Following()
        link = following.open()
        link.send(b"+PONG\r\n-ERR unknown command\r\n-ERR unknown command\r\n")
        self.assertFalse(link.closed)
        self.assertIn(b"PSYNC", link.said())

    def test_a_master_that_refuses_ping(self) -> None:
        following = Following()
        link = following.open()
        link.send(b"-DENIED Redis is running in protected mode\r\n")
        self.assertTrue(link.closed)

    def test_refusals_of_psync_keep_the_data(self) -> None:
        for refusal in (
            b"-NOMASTERLINK Can't SYNC while not connected with my master\r\n",
            b"-LOADING Redis is loading the dataset in memory\r\n",
            b"-ERR unknown command 'PSYNC'\r\n",
            b"+FULLRESYNC %b x\r\n" % ID,
            b"+OK\r\n",
            b":1\r\n",
        ):
            following = Following()
            following.server.engine.databases[0].set(b"old", b"1")
            link = following.open()
            link.send(handshake(refusal))
            self.assertTrue(link.closed, refusal)
            self.assertEqual(following.server("GET", "old"), b"1")
            following.open()

    def test_empty_lines_while_the_master_prepares(self) -> None:
        following = Following()
        link = following.open()
        link.send(handshake(b"\n\n\n"))
        self.assertFalse(link.closed)
        link.send(FULL + b"\n\n" + bulk(self.snapshot))
        self.assertEqual(following.status, "up")


class StreamTests(FollowingCase):
    def test_commands_are_carried_out(self) -> None:
        following, link = self.synchronised()
        link.send(encode("SELECT", 2) + encode("RPUSH", "l", 1, 2))
        self.assertEqual(following.server("LLEN", "l"), 0)
        following.server("SELECT", 2)
        self.assertEqual(following.server("LLEN", "l"), 2)

    def test_a_transaction_is_carried_out_as_a_whole(self) -> None:
        following, link = self.synchronised()
        link.send(encode("MULTI") + encode("SET", "a", 1))
        self.assertIsNone(following.server("GET", "a"))
        link.send(encode("SET", "b", 2) + encode("EXEC"))
        self.assertEqual(following.server("MGET", "a", "b"), [b"1", b"2"])

    def test_a_subscriber_of_the_replica_gets_what_the_master_publishes(self) -> None:
        following, link = self.synchronised()
        subscriber = following.server.connect()
        subscriber("SUBSCRIBE", "news")
        link.send(encode("PUBLISH", "news", "x"))
        self.assertEqual(subscriber.read(), encode("message", "news", "x"))

    def test_a_blocked_client_of_the_replica_gets_entries_of_the_stream(self) -> None:
        following, link = self.synchronised()
        answer: Deferred[Any] = Caller(following.server)("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        link.send(encode("XADD", "s", "1-0", "f", "v"))
        self.assertEqual(self.successResultOf(answer)[0][0], b"s")

    def test_questions_for_the_offset_are_answered(self) -> None:
        _, link = self.synchronised()
        question = encode("REPLCONF", "GETACK", "*")
        link.send(STREAM + question)
        self.assertEqual(link.said(), encode("REPLCONF", "ACK", 100 + len(STREAM)))
        link.send(question)
        self.assertEqual(link.said(), encode("REPLCONF", "ACK", 100 + len(STREAM + question)))

    def test_the_offset_is_told_each_second(self) -> None:
        following, link = self.synchronised()
        for _ in range(3):
            following.advance(1)
        self.assertEqual(link.said(), 3 * encode("REPLCONF", "ACK", 100))


class ReconnectingTests(FollowingCase):
    def test_a_partial_resynchronisation(self) -> None:
        following, link = self.synchronised()
        link.send(STREAM + encode("SET", "half", 1)[:-5])
        link.cut()
        self.assertEqual(following.status, "down")
        again = following.open()
        again.send(handshake(b""))
        self.assertTrue(again.said().endswith(encode("PSYNC", ID, 100 + len(STREAM) + 1)))
        again.send(b"+CONTINUE\r\n" + encode("SET", "half", 2))
        self.assertEqual(following.status, "up")
        self.assertEqual(following.server("MGET", "key", "later", "half"), [b"value", b"1", b"2"])

    def test_the_database_of_the_stream_is_kept(self) -> None:
        following, link = self.synchronised()
        link.send(encode("SELECT", 5))
        link.cut()
        following.open().send(handshake(b"+CONTINUE\r\n" + encode("SET", "a", 1)))
        following.server("SELECT", 5)
        self.assertEqual(following.server("GET", "a"), b"1")

    def test_a_history_under_another_name(self) -> None:
        following, link = self.synchronised()
        link.cut()
        following.open().send(handshake(b"+CONTINUE %b\r\n" % OTHER_ID))
        engine = following.server.engine
        self.assertEqual(
            (engine.replication.replication_id, engine.replication.replication_id2), (OTHER_ID.decode(), ID.decode())
        )

    def test_a_full_resynchronisation_replaces_everything(self) -> None:
        following, link = self.synchronised()
        link.send(STREAM)
        link.cut()
        following.open().send(handshake(b"+FULLRESYNC %b 7\r\n" % OTHER_ID + bulk(self.snapshot)))
        self.assertEqual(following.server("MGET", "key", "later"), [b"value", None])
        self.assertEqual(following.replication.offset, 7)

    def test_a_link_that_breaks_within_the_snapshot(self) -> None:
        following = Following()
        following.server.engine.databases[0].set(b"old", b"1")
        link = following.open()
        link.send(handshake(FULL + bulk(self.snapshot)[:-1]))
        link.cut()
        self.assertEqual(following.server("GET", "old"), b"1")
        link = following.open()
        link.send(b"+PONG\r\n")
        link.send(b"+OK\r\n" * link.said().count(b"REPLCONF") + FULL + bulk(self.snapshot))
        self.assertEqual(following.server("MGET", "old", "key"), [None, b"value"])

    def test_attempts_become_rarer_up_to_one_a_second(self) -> None:
        following = Following()
        clock = following.server.clock
        times = []
        for _ in range(14):
            while not following.wanted:
                clock.advance(0.001)
            following.wanted = 0
            times.append(clock.seconds())
            following.open_failed()
        gaps = [later - earlier for earlier, later in pairwise(times)]
        self.assertLess(gaps[0], 0.01)
        for gap, longer in pairwise(gaps):
            self.assertGreaterEqual(longer, gap - 0.002)
        self.assertApproximates(gaps[-1], 1, 0.01)

    def test_a_link_that_stood_makes_the_next_attempt_come_at_once(self) -> None:
        following = Following()
        for _ in range(12):
            following.open_failed()
            following.advance(1.1)
        link = following.open()
        link.send(handshake(FULL + bulk(self.snapshot)))
        link.cut()
        self.assertEqual(following.wanted, 0)
        following.server.clock.advance(0.01)
        self.assertEqual(following.wanted, 1)

    def test_no_attempt_comes_after_replicaof_no_one(self) -> None:
        following, link = self.synchronised()
        following.server("REPLICAOF", "NO", "ONE")
        self.assertTrue(link.closed)
        following.advance(10)
        self.assertEqual(following.wanted, 0)
        self.assertEqual(following.server("SET", "a", 1), b"OK")

    def test_a_silent_master_is_left(self) -> None:
        following, link = self.synchronised(repl_timeout=5)
        for _ in range(7):
            following.advance(1)
        self.assertTrue(link.closed)
        self.assertIn("MASTER timeout: no data nor PING received...", [text for _, text in following.server.logged])
        following.open()
