"""MULTI, EXEC, DISCARD and WATCH over connections, with pipelines, blocked clients and timeouts."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from tests.support.server import Connection, encode
from tests.trial.cases import ServerCase, reply

ABORTED = b"-EXECABORT Transaction discarded because of previous errors.\r\n"


class TransactionTests(ServerCase):
    def pipeline(self, connection: Connection, *requests: str) -> bytes:
        """Sends requests in one read. Returns the replies."""
        return connection.send(b"".join(encode(*request.split()) for request in requests))

    def test_nothing_happens_before_exec(self) -> None:
        connection = self.server.connect()
        self.assertEqual(self.pipeline(connection, "MULTI", "SET a 1", "INCR a"), b"+OK\r\n+QUEUED\r\n+QUEUED\r\n")
        self.assertIsNone(self.server("GET", "a"))
        self.assertEqual(connection("EXEC"), b"*2\r\n+OK\r\n:2\r\n")

    def test_an_empty_transaction(self) -> None:
        self.assertEqual(self.pipeline(self.server.connect(), "MULTI", "EXEC"), b"+OK\r\n*0\r\n")

    def test_an_error_at_run_time_is_one_reply(self) -> None:
        self.server("SET", "text", "x")
        answer = self.pipeline(self.server.connect(), "MULTI", "LPUSH text 1", "SET a 1", "EXEC")
        self.assertIn(b"*2\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n+OK\r\n", answer)
        self.assertEqual(self.server("GET", "a"), b"1")

    def test_an_error_when_it_is_queued_ends_it(self) -> None:
        for wrong in ("NOSUCH", "GET", "SET a", "SUBSCRIBE", "EXEC x", "CLIENT NOSUCH"):
            connection = self.server.connect()
            self.pipeline(connection, "MULTI", "SET a 1", wrong)
            if wrong == "EXEC x":
                self.assertEqual(connection("EXEC"), b"-ERR EXEC without MULTI\r\n")
            else:
                self.assertEqual(connection("EXEC"), ABORTED, wrong)
            self.assertIsNone(self.server("GET", "a"))

    def test_commands_refused_inside_a_transaction(self) -> None:
        connection = self.server.connect()
        self.assertEqual(
            self.pipeline(connection, "MULTI", "MULTI", "WATCH a", "EXEC", "EXEC", "DISCARD"),
            b"+OK\r\n-ERR MULTI calls can not be nested\r\n-ERR WATCH inside MULTI is not allowed\r\n*0\r\n"
            b"-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n",
        )

    def test_discard_forgets(self) -> None:
        connection = self.server.connect()
        self.pipeline(connection, "WATCH a", "MULTI", "SET a 1", "DISCARD")
        self.server("SET", "a", "other")
        self.assertEqual(self.pipeline(connection, "MULTI", "GET a", "EXEC")[-11:], reply("other"))

    def test_reset_forgets(self) -> None:
        connection = self.server.connect()
        answer = self.pipeline(connection, "SELECT 3", "WATCH a", "MULTI", "SET a 1", "RESET", "EXEC", "SET a 0")
        self.assertTrue(answer.endswith(b"+QUEUED\r\n+RESET\r\n-ERR EXEC without MULTI\r\n+OK\r\n"))
        self.assertEqual(self.server("GET", "a"), b"0")
        self.assertEqual(self.server.engine.effects.watch_count, 0)

    def test_calls_that_would_wait_do_not(self) -> None:
        connection = self.server.connect()
        calls = ["BLPOP l 0", "BLMOVE l m LEFT LEFT 0", "BZPOPMIN z 0", "XREAD BLOCK 0 STREAMS s $", "WAIT 1 0"]
        answer = self.pipeline(connection, "MULTI", *calls, "EXEC", "PING")
        self.assertTrue(answer.endswith(b"*5\r\n*-1\r\n$-1\r\n*-1\r\n*-1\r\n:0\r\n+PONG\r\n"), answer)
        self.assertEqual(self.server.engine.waiting.count, 0)

    def test_a_blocked_client_is_served_after_the_transaction(self) -> Deferred[Any]:
        answer = self.waits(self.caller(), "BLPOP", "l", 0)
        connection = self.server.connect()
        self.pipeline(connection, "MULTI", "RPUSH l 1", "LPUSH l 0", "RPUSH l 2")
        self.assertNoResult(answer)
        self.assertEqual(connection("EXEC"), b"*3\r\n:1\r\n:2\r\n:3\r\n")
        return answer.addCallback(self.assertEqual, [b"l", b"0"])

    def test_an_element_that_is_gone_at_the_end_serves_no_client(self) -> None:
        answer = self.waits(self.caller(), "BLPOP", "l", 0)
        self.pipeline(self.server.connect(), "MULTI", "RPUSH l 1", "LPOP l", "EXEC")
        self.assertNoResult(answer)

    def test_a_connection_that_ends_within_it(self) -> None:
        connection = self.server.connect()
        self.pipeline(connection, "WATCH a", "MULTI", "SET a 1")
        connection.protocol.connectionLost()
        self.assertIsNone(self.server("GET", "a"))
        self.assertEqual(self.server.engine.effects.watch_count, 0)

    def test_its_effects_leave_as_one(self) -> None:
        recorder = self.server.record()
        self.pipeline(self.server.connect(), "MULTI", "SET a 1", "GET a", "INCR a", "DEL none", "EXEC")
        self.assertEqual(
            [[effect.argv for effect in unit] for unit in recorder.units], [[[b"SET", b"a", b"1"], [b"INCR", b"a"]]]
        )


class WatchTests(ServerCase):
    def commits(self, connection: Connection) -> bool:
        """Returns True if a transaction of ``connection`` is executed."""
        answer = connection.send(encode("MULTI") + encode("PING") + encode("EXEC"))
        self.assertIn(answer, (b"+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n", b"+OK\r\n+QUEUED\r\n*-1\r\n"))
        return not answer.endswith(b"*-1\r\n")

    def watch(self, *keys: str) -> Connection:
        connection = self.server.connect()
        self.assertEqual(connection("WATCH", *keys), b"+OK\r\n")
        return connection

    def test_changes(self) -> None:
        for change in (
            "SET a 2",
            "DEL a",
            "EXPIRE a 9",
            "RENAME a b",
            "FLUSHALL",
            "SWAPDB 0 1",
            "MOVE a 1",
            "APPEND a x",
        ):
            self.server("FLUSHALL")
            self.server("SET", "a", 1)
            connection = self.watch("b", "a")
            self.assertTrue(self.server(*change.split()) is not None)
            self.assertFalse(self.commits(connection), change)
            self.assertTrue(self.commits(connection), change)

    def test_commands_that_change_nothing(self) -> None:
        for call in ("GET a", "SET c 1", "SETNX a 2", "DEL none", "SELECT 1", "TOUCH a", "PERSIST a"):
            self.server("SET", "a", 1)
            connection = self.watch("a")
            self.server(*call.split())
            self.assertTrue(self.commits(connection), call)

    def test_in_the_database_of_that_time(self) -> None:
        connection = self.watch("a")
        connection("SELECT", 1)
        self.server("SELECT", 1)
        self.server("SET", "a", 1)
        self.assertTrue(self.commits(connection))
        connection("SELECT", 0)
        connection("WATCH", "a")
        connection("SELECT", 1)
        self.server("SELECT", 0)
        self.server("SET", "a", 1)
        self.assertFalse(self.commits(connection))

    def test_a_key_that_expires(self) -> None:
        self.server("SET", "a", 1, "PX", 1000)
        connection = self.watch("a")
        self.server.clock.advance(1.5)
        self.assertFalse(self.commits(connection))

    def test_being_served_is_a_change(self) -> None:
        waiting = self.server.connect()
        waiting("BLPOP", "l", 0)
        connection = self.watch("l")
        self.server("RPUSH", "l", 1)
        self.assertEqual(waiting.read(), reply(["l", "1"]))
        self.assertFalse(self.commits(connection))

    def test_unwatch(self) -> None:
        connection = self.watch("a")
        self.server("SET", "a", 1)
        connection("UNWATCH")
        self.assertTrue(self.commits(connection))
