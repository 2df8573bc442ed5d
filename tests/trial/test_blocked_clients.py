"""Events while a client is blocked: gates that close, commands of other clients, its own pipeline, its disconnect."""

from __future__ import annotations

from twisted.internet.testing import MemoryReactorClock

from tests.support.server import Connection, encode
from tests.trial.cases import ServerCase, reply
from tests.trial.test_pubsub import push
from twisted_redis import RedisService


def pipeline(*requests: str) -> bytes:
    """Encodes requests from words."""
    return b"".join(encode(*request.split()) for request in requests)


class BlockedCase(ServerCase):
    def waiting(self, *before: str, call: str = "BLPOP l 0", then: tuple[str, ...] = ()) -> Connection:
        """Opens a connection that waits. Its requests arrive in one read."""
        connection = self.server.connect()
        connection.send(pipeline(*before, call, *then))
        self.assertIsNotNone(connection.protocol.client.blocked)
        return connection

    def number(self, connection: Connection) -> int:
        number: int = connection.protocol.client.id
        return number

    def calls(self, *requests: str) -> None:
        """Makes calls as another client."""
        for request in requests:
            self.server(*request.split())
        self.server.clock.advance(0)


class GateTests(BlockedCase):
    """A blocked call passes the gates again when it is served, as in Redis."""

    def test_memory_that_has_run_out(self) -> None:
        self.calls("RPUSH other x")
        connection = self.waiting(call="BLMOVE l m LEFT LEFT 0")
        self.calls("CONFIG SET maxmemory 1", "RENAME other l")
        self.assertEqual(connection.read(), b"-OOM command not allowed when used memory > 'maxmemory'.\r\n")
        self.assertEqual(self.server("LRANGE", "l", 0, -1), (b"x",))
        self.assertIn(b"cmdstat_blmove:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1", self.server("INFO", "all"))

    def test_a_call_that_needs_no_memory_is_served_then(self) -> None:
        self.calls("RPUSH other x")
        connection = self.waiting()
        self.calls("CONFIG SET maxmemory 1", "RENAME other l")
        self.assertEqual(connection.read(), reply(["l", "x"]))

    def test_too_few_replicas(self) -> None:
        connection = self.waiting()
        self.calls("MULTI", "RPUSH l x", "CONFIG SET min-replicas-to-write 1", "EXEC")
        self.assertEqual(connection.read(), b"-NOREPLICAS Not enough good replicas to write.\r\n")
        self.assertEqual(self.server("LLEN", "l"), 1)

    def test_a_permission_that_is_gone(self) -> None:
        self.calls("ACL SETUSER u on nopass ~l +blpop")
        connection = self.waiting("AUTH u x")
        connection.read()
        self.calls("ACL SETUSER u -blpop", "RPUSH l x")
        self.assertEqual(connection.read(), b"-NOPERM User u has no permissions to run the 'blpop' command\r\n")
        self.assertEqual(self.server("LLEN", "l"), 1)

    def test_a_user_that_is_gone_takes_the_waiter_along(self) -> None:
        self.calls("ACL SETUSER u on nopass ~l +blpop")
        connection = self.waiting("AUTH u x")
        self.calls("ACL DELUSER u", "RPUSH l x")
        self.assertTrue(connection.closed)
        self.assertEqual(self.server("LLEN", "l"), 1)


class PauseTests(BlockedCase):
    """A blocked call that becomes ready while CLIENT PAUSE holds it back waits for the end of the pause."""

    def pause(self, mode: str) -> None:
        """Makes ``l`` and ``s`` ready inside the transaction that begins a pause."""
        self.calls("MULTI", "RPUSH l x", "XADD s 1-0 f v", f"CLIENT PAUSE 1000 {mode}", "EXEC")

    def test_a_write_is_held_back(self) -> None:
        connection, reader = self.waiting(), self.waiting(call="XREAD BLOCK 0 STREAMS s $")
        self.pause("WRITE")
        self.assertEqual(connection.read(), b"")
        self.assertEqual(reader.read(), reply([["s", [["1-0", ["f", "v"]]]]]))
        self.assertEqual(self.server("LLEN", "l"), 1)
        self.server.clock.advance(1)
        self.assertEqual(connection.read(), reply(["l", "x"]))
        self.assertEqual(self.server.engine.waiting.ready_later, {})

    def test_everything_is_held_back(self) -> None:
        reader = self.waiting(call="XREAD BLOCK 0 STREAMS s $")
        self.pause("ALL")
        self.assertEqual(reader.read(), b"")
        self.server.clock.advance(1)
        self.assertEqual(reader.read(), reply([["s", [["1-0", ["f", "v"]]]]]))

    def test_the_command_that_ends_the_pause_has_it_served(self) -> None:
        connection, admin = self.waiting(), self.server.connect()
        self.pause("WRITE")
        self.assertEqual(admin("CLIENT", "UNPAUSE"), b"+OK\r\n")
        self.assertEqual(connection.read(), reply(["l", "x"]))

    def test_a_client_that_leaves_meanwhile_takes_nothing(self) -> None:
        connection = self.waiting()
        self.pause("WRITE")
        connection.protocol.connectionLost()
        self.server.clock.advance(1)
        self.assertEqual(self.server("LLEN", "l"), 1)


class UnblockTests(BlockedCase):
    def test_the_pipeline_goes_on(self) -> None:
        connection = self.waiting(then=("SET a 1", "BLPOP l 0", "PING"))
        for reason, told in (
            ("TIMEOUT", b"*-1\r\n+OK\r\n"),
            ("ERROR", b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n+PONG\r\n"),
        ):
            self.assertEqual(self.server("CLIENT", "UNBLOCK", self.number(connection), reason), 1)
            self.server.clock.advance(0)
            self.assertEqual(connection.read(), told)

    def test_twice_within_one_transaction(self) -> None:
        connection = self.waiting(then=("BLPOP l 0",))
        self.server("MULTI")
        for _ in range(2):
            self.server("CLIENT", "UNBLOCK", self.number(connection))
        # The second call is not executed before the transaction is over.
        self.assertEqual(self.server("EXEC"), [1, 0])
        self.server.clock.advance(0)
        self.assertEqual(connection.read(), b"*-1\r\n")
        self.assertIsNotNone(connection.protocol.client.blocked)

    def test_together_with_an_element(self) -> None:
        connection = self.waiting()
        self.calls("MULTI", "RPUSH l x", f"CLIENT UNBLOCK {self.number(connection)}", "EXEC")
        self.assertEqual(connection.read(), b"*-1\r\n")
        self.assertEqual(self.server("LLEN", "l"), 1)

    def test_a_client_held_back_by_a_pause_is_not_blocked(self) -> None:
        connection = self.server.connect()
        self.calls("CLIENT PAUSE 1000 WRITE")
        connection("BLPOP", "l", 1)
        self.assertEqual(self.server("CLIENT", "UNBLOCK", self.number(connection)), 0)
        self.server.clock.advance(1)
        self.server.clock.advance(0)
        # Its timeout starts when it is executed.
        self.assertEqual(connection.read(), b"")
        self.server.clock.advance(1)
        self.assertEqual(connection.read(), b"*-1\r\n")


class EndTests(BlockedCase):
    def test_a_killed_waiter_takes_nothing(self) -> None:
        connection, next_one = self.waiting(), self.waiting()
        self.calls(f"CLIENT KILL ID {self.number(connection)}", "RPUSH l x")
        self.assertTrue(connection.closed)
        self.assertEqual((connection.read(), next_one.read()), (b"", reply(["l", "x"])))

    def test_killed_by_the_transaction_that_serves_it(self) -> None:
        connection, next_one = self.waiting(), self.waiting()
        self.calls("MULTI", "RPUSH l x", f"CLIENT KILL ID {self.number(connection)}", "EXEC")
        self.assertTrue(connection.closed)
        self.assertEqual((connection.read(), next_one.read()), (b"", reply(["l", "x"])))

    def test_a_peer_that_closes_its_side(self) -> None:
        connection = self.waiting(then=("RPUSH m 1",))
        connection.protocol.connectionLost()
        self.calls("RPUSH l x")
        self.assertEqual((self.server("LLEN", "l"), self.server("EXISTS", "m")), (1, 0))
        self.assertEqual(self.server.engine.waiting.count, 0)

    def test_quit_behind_a_waiting_call(self) -> None:
        connection = self.waiting(then=("QUIT", "SET a 1"))
        self.assertFalse(connection.closed)
        self.calls("RPUSH l x")
        self.assertEqual(connection.read(), reply(["l", "x"]) + b"+OK\r\n")
        self.assertTrue(connection.closed)
        self.assertIsNone(self.server("GET", "a"))

    def test_reset_behind_a_waiting_call(self) -> None:
        connection = self.waiting("SELECT 2", then=("RESET", "BLPOP l 0"))
        connection.read()
        self.calls("RPUSH l zero", "SELECT 2", "RPUSH l two")
        self.server.clock.advance(0)
        self.assertEqual(connection.read(), reply(["l", "two"]) + b"+RESET\r\n" + reply(["l", "zero"]))


class SilenceTests(BlockedCase):
    """CLIENT REPLY OFF and SKIP: the server does not send the reply, but still consumes the element."""

    def test_off(self) -> None:
        for end in ("RPUSH l x", "CLIENT UNBLOCK {}", "CLIENT UNBLOCK {} ERROR"):
            connection = self.waiting("CLIENT REPLY OFF", then=("PING", "CLIENT REPLY ON"))
            self.calls(end.format(self.number(connection)))
            self.assertEqual(connection.read(), b"+OK\r\n", end)
        self.assertEqual(self.server("EXISTS", "l"), 0)

    def test_skip(self) -> None:
        for end in ("RPUSH l x", "CLIENT UNBLOCK {}", "CLIENT UNBLOCK {} ERROR"):
            connection = self.waiting("CLIENT REPLY SKIP", then=("PING",))
            self.calls(end.format(self.number(connection)))
            self.assertEqual(connection.read(), b"+PONG\r\n", end)

    def test_skip_twice_is_skip_once_more(self) -> None:
        connection = self.server.connect()
        requests = pipeline("CLIENT REPLY SKIP", "CLIENT REPLY SKIP", "PING", "ECHO 1", "ECHO 2")
        self.assertEqual(connection.send(requests), reply("1") + reply("2"))

    def test_skip_before_reset(self) -> None:
        connection = self.server.connect()
        self.assertEqual(connection.send(pipeline("CLIENT REPLY SKIP", "RESET", "PING")), b"+PONG\r\n")
        self.assertEqual(connection.send(pipeline("CLIENT REPLY OFF", "RESET", "PING")), b"+RESET\r\n+PONG\r\n")

    def test_a_protocol_error_is_not_told(self) -> None:
        connection = self.server.connect()
        connection("CLIENT", "REPLY", "OFF")
        self.assertEqual(connection.send(b"*1\r\n!\r\n"), b"")
        self.assertTrue(connection.closed)

    def test_monitor_is_silent(self) -> None:
        connection = self.server.connect()
        connection.send(pipeline("CLIENT REPLY OFF", "MONITOR"))
        self.calls("PING")
        self.assertEqual(connection.read(), b"")

    def test_within_a_transaction_it_holds_from_there_on(self) -> None:
        # Redis 8.0.2 sends each part as soon as it exists.
        for requests, expected in (
            (
                ("MULTI", "ECHO a", "CLIENT REPLY OFF", "ECHO b", "EXEC", "PING", "CLIENT REPLY ON"),
                b"*3\r\n" + reply("a") + b"+OK\r\n",
            ),
            (
                ("MULTI", "ECHO a", "CLIENT REPLY SKIP", "ECHO b", "EXEC", "PING", "ECHO c"),
                b"*3\r\n" + reply("a") + reply("b") + reply("c"),
            ),
            (("CLIENT REPLY OFF", "MULTI", "ECHO a", "CLIENT REPLY ON", "ECHO b", "EXEC"), b"+OK\r\n" + reply("b")),
            (("CLIENT REPLY OFF", "MULTI", "CLIENT REPLY ON", "CLIENT REPLY OFF", "PING", "EXEC", "PING"), b"+OK\r\n"),
        ):
            answer = self.server.connect().send(pipeline(*requests))
            while answer.startswith((b"+OK\r\n+QUEUED\r\n", b"+QUEUED\r\n")):
                answer = answer[answer.index(b"+QUEUED\r\n") + 9 :]
            self.assertEqual(answer, expected, requests)

    def test_skip_within_a_transaction_outlives_on(self) -> None:
        requests = pipeline("MULTI", "CLIENT REPLY SKIP", "CLIENT REPLY ON", "EXEC", "ECHO a", "ECHO b")
        answer = self.server.connect().send(requests).split(b"+QUEUED\r\n")[-1]
        self.assertEqual(answer, b"*2\r\n+OK\r\n" + reply("b"))

    def test_answers_about_subscriptions_are_sent_in_their_place(self) -> None:
        told = reply(["unsubscribe", None, 0])
        for requests, expected in (
            (("CLIENT REPLY OFF", "UNSUBSCRIBE"), told),
            (("MULTI", "ECHO a", "CLIENT REPLY OFF", "UNSUBSCRIBE", "EXEC"), b"*3\r\n" + reply("a") + told),
            (("MULTI", "ECHO a", "CLIENT REPLY SKIP", "UNSUBSCRIBE", "EXEC", "PING"), b"*3\r\n" + reply("a") + told),
            (("CLIENT REPLY OFF", "MULTI", "ECHO a", "UNSUBSCRIBE", "EXEC", "PING"), told),
        ):
            answer = self.server.connect().send(pipeline(*requests))
            self.assertEqual(answer.split(b"+QUEUED\r\n")[-1], expected, requests)


class PartsOfExecTests(BlockedCase):
    def test_nothing_is_sent_behind_a_client_that_has_killed_itself(self) -> None:
        connection = self.server.connect()
        kill = f"CLIENT KILL SKIPME NO ID {self.number(connection)}"
        answer = connection.send(pipeline("MULTI", "ECHO a", kill, "SET b 1", "EXEC", "SET c 1"))
        self.assertEqual(answer, b"+OK\r\n" + b"+QUEUED\r\n" * 3 + b"*3\r\n" + reply("a") + b":1\r\n")
        self.assertTrue(connection.closed)
        self.assertEqual(self.server("MGET", "b", "c"), [b"1", None])

    def test_hello_changes_the_protocol_from_there_on(self) -> None:
        connection = self.server.connect()
        answer = connection.send(
            pipeline("MULTI", "GET n", "CONFIG GET hz", "HELLO 3", "GET n", "CONFIG GET hz", "EXEC")
        )
        before, after = answer.split(b"*5\r\n")[1].split(b"%7\r\n")
        hz = reply("hz") + reply("10")
        self.assertEqual(before, b"$-1\r\n*2\r\n" + hz)
        self.assertTrue(after.endswith(b"_\r\n%1\r\n" + hz))

    def test_a_pause_holds_back_what_is_queued(self) -> None:
        connection = self.server.connect()
        self.calls("CLIENT PAUSE 1000 WRITE")
        self.assertEqual(connection.send(pipeline("MULTI", "GET a", "SET a 1", "EXEC")), b"+OK\r\n+QUEUED\r\n")
        self.server.clock.advance(1)
        self.server.clock.advance(0)
        self.assertEqual(connection.read(), b"+QUEUED\r\n*2\r\n$-1\r\n+OK\r\n")

    def test_quit_is_counted(self) -> None:
        self.server.connect()("QUIT")
        self.assertIn(b"cmdstat_quit:calls=1,", self.server("INFO", "commandstats"))


class EventTests(BlockedCase):
    def test_events_of_its_own_call_follow_the_reply(self) -> None:
        self.calls("CONFIG SET notify-keyspace-events El")
        connection = self.waiting("HELLO 3", "PSUBSCRIBE __key*")
        connection.read()
        self.calls("RPUSH l x")
        pushed = push("pmessage", "__key*", "__keyevent@0__:rpush", "l")
        popped = push("pmessage", "__key*", "__keyevent@0__:lpop", "l")
        self.assertEqual(connection.read(), pushed + reply(["l", "x"]) + popped)

    def test_events_of_a_call_that_it_has_served_follow_its_own_reply(self) -> None:
        self.calls("CONFIG SET notify-keyspace-events El")
        connection, waiting = self.server.connect(), self.waiting()
        connection.send(pipeline("HELLO 3", "PSUBSCRIBE __key*"))
        events = [push("pmessage", "__key*", f"__keyevent@0__:{name}", "l") for name in ("rpush", "lpop")]
        self.assertEqual(connection("RPUSH", "l", "x"), b":1\r\n" + b"".join(events))
        self.assertEqual(waiting.read(), reply(["l", "x"]))

    def test_events_of_a_transaction_that_ends_the_subscription_follow_its_reply(self) -> None:
        connection = self.server.connect()
        answer = connection.send(pipeline("MULTI", "SUBSCRIBE c", "PUBLISH c x", "UNSUBSCRIBE c", "EXEC", "PING"))
        expected = b"*3\r\n" + reply(["subscribe", "c", 1]) + b":1\r\n" + reply(["unsubscribe", "c", 0])
        self.assertEqual(answer.split(b"+QUEUED\r\n")[-1], expected + reply(["message", "c", "x"]) + b"+PONG\r\n")

    def test_invalidations_for_another_client_follow_the_reply_of_who_gets_them(self) -> None:
        receiver, reader = self.server.connect(), self.server.connect()
        receiver("HELLO", 3)
        reader.send(pipeline(f"CLIENT TRACKING ON REDIRECT {self.number(receiver)}", "GET k"))
        told = push("invalidate", ["k"])
        self.assertEqual(receiver("SET", "k", 1), b"+OK\r\n" + told)
        reader("GET", "k")
        answer = receiver.send(pipeline("MULTI", "SET k 2", "EXEC", "PING"))
        self.assertTrue(answer.endswith(b"*1\r\n+OK\r\n" + told + b"+PONG\r\n"), answer)

    def test_others_get_them_in_the_order_of_what_happened(self) -> None:
        self.calls("CONFIG SET notify-keyspace-events El")
        watcher = self.server.connect()
        watcher("PSUBSCRIBE", "__key*")
        self.waiting(call="BLMOVE l m LEFT RIGHT 0")
        self.calls("RPUSH l x")
        events = [("rpush", "l"), ("rpush", "m"), ("lpop", "l")]
        seen = watcher.read()
        self.assertEqual(
            seen, b"".join(reply(["pmessage", "__key*", f"__keyevent@0__:{event}", key]) for event, key in events)
        )

    def test_a_call_that_waited_is_logged_once(self) -> None:
        service = RedisService(endpoints=(), reactor=MemoryReactorClock())
        service.startService()
        self.addCleanup(service.stopService)
        client = service.client()
        # On a writable replica there are denials of writes, which check a call again when it is served.
        client.execute("REPLICAOF", "127.0.0.1", 1)
        client.execute("CONFIG", "SET", "replica-read-only", "no")
        with service.command_log as log:
            answer = service.execute("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
            client.execute("XADD", "s", "1-0", "f", "v")
        self.assertEqual(self.successResultOf(answer), {b"s": [[b"1-0", [b"f", b"v"]]]})
        self.assertEqual([call[0] for call in log.calls], [b"XREAD", b"XADD"])
