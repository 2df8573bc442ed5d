"""XREAD and XREADGROUP with BLOCK: which client gets which entries, and what ends the waiting."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from tests.trial.cases import ServerCase, reply

NULL = b"*-1\r\n"


def entries(stream: str, *numbers: int) -> bytes:
    """Returns a reply of XREAD with entries ``N-0`` of one stream, whose fields are ``f N``."""
    return reply([[stream, [[f"{number}-0", ["f", str(number)]] for number in numbers]]])


class StreamCase(ServerCase):
    def add(self, stream: str, number: int) -> None:
        self.server("XADD", stream, f"{number}-0", "f", number)


class XreadTests(StreamCase):
    def test_a_time_out(self) -> None:
        connection = self.server.connect()
        self.assertEqual(connection("XREAD", "BLOCK", 1500, "STREAMS", "s", "$"), b"")
        self.server.clock.advance(1.499)
        self.assertEqual(connection.read(), b"")
        self.server.clock.advance(0.001)
        self.assertEqual(connection.read(), NULL)

    def test_a_time_out_in_resp3(self) -> None:
        connection = self.server.connect()
        connection("HELLO", 3)
        connection("XREAD", "BLOCK", 10, "STREAMS", "s", "$")
        self.server.clock.advance(1)
        self.assertEqual(connection.read(), b"_\r\n")

    def test_without_block_it_does_not_wait(self) -> None:
        self.assertEqual(self.server.connect()("XREAD", "STREAMS", "s", "$"), NULL)
        self.assertEqual(self.server.engine.waiting.count, 0)

    def test_existing_entries_are_returned_at_once(self) -> None:
        self.add("s", 1)
        self.add("s", 2)
        connection = self.server.connect()
        self.assertEqual(connection("XREAD", "BLOCK", 0, "STREAMS", "s", "0"), entries("s", 1, 2))
        self.assertEqual(connection("XREAD", "BLOCK", 0, "STREAMS", "s", "1"), entries("s", 2))

    def test_the_last_id_is_that_of_the_beginning(self) -> None:
        self.add("s", 1)
        connection = self.server.connect()
        self.assertEqual(connection("XREAD", "BLOCK", 0, "STREAMS", "s", "$"), b"")
        self.add("s", 2)
        self.assertEqual(connection.read(), entries("s", 2))

    def test_all_readers_get_an_entry(self) -> None:
        connections = [self.server.connect() for _ in range(3)]
        for connection in connections:
            connection("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        self.add("s", 1)
        self.assertEqual([connection.read() for connection in connections], [entries("s", 1)] * 3)

    def test_the_stream_that_has_something_of_several(self) -> None:
        connection = self.server.connect()
        connection("XREAD", "BLOCK", 0, "STREAMS", "a", "b", "c", "$", "$", "$")
        self.add("b", 7)
        self.assertEqual(connection.read(), entries("b", 7))
        self.assertEqual(self.server.engine.databases[0].waiting, {})

    def test_an_entry_before_the_wanted_id_wakes_nobody(self) -> None:
        connection = self.server.connect()
        connection("XREAD", "BLOCK", 0, "STREAMS", "s", "5-0")
        self.add("s", 4)
        self.add("s", 5)
        self.assertEqual(connection.read(), b"")
        self.add("s", 6)
        self.assertEqual(connection.read(), entries("s", 6))

    def test_several_entries_of_one_transaction_come_together(self) -> None:
        connection = self.server.connect()
        connection("XREAD", "COUNT", 2, "BLOCK", 0, "STREAMS", "s", "$")
        self.server("MULTI")
        for number in (1, 2, 3):
            self.add("s", number)
        self.assertEqual(connection.read(), b"")
        self.server("EXEC")
        self.assertEqual(connection.read(), entries("s", 1, 2))

    def test_the_end_of_the_stream_does_not_end_the_waiting(self) -> None:
        self.add("s", 1)
        connection = self.server.connect()
        connection("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        self.server("DEL", "s")
        self.assertEqual(connection.read(), b"")
        self.add("s", 2)
        self.assertEqual(connection.read(), entries("s", 2))

    def test_a_key_of_another_type_does_not_end_it_either(self) -> None:
        connection = self.server.connect()
        connection("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        self.server("RPUSH", "s", "x")
        self.server("SET", "s", "text")
        self.assertEqual(connection.read(), b"")
        self.server("DEL", "s")
        self.add("s", 1)
        self.assertEqual(connection.read(), entries("s", 1))

    def test_a_stream_that_arrives_whole(self) -> None:
        self.add("other", 3)
        connection = self.server.connect()
        connection("XREAD", "BLOCK", 0, "STREAMS", "s", "1-0")
        self.server("RENAME", "other", "s")
        self.assertEqual(connection.read(), entries("s", 3))


class XreadgroupTests(StreamCase):
    def setUp(self) -> None:
        super().setUp()
        self.server("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")

    def read(self, consumer: str, *options: str | int) -> Deferred[Any]:
        """Makes ``consumer`` wait for new entries."""
        return self.waits(
            self.caller(), "XREADGROUP", "GROUP", "g", consumer, *options, "BLOCK", 2000, "STREAMS", "s", ">"
        )

    def test_each_entry_goes_to_one_consumer(self) -> Deferred[Any]:
        answers = [self.read(consumer) for consumer in ("one", "two")]
        self.add("s", 1)
        self.assertNoResult(answers[1])
        self.add("s", 2)
        return gatherResults(answers).addCallback(
            lambda found: self.assertEqual([each[0][1][0][0] for each in found], [b"1-0", b"2-0"])
        )

    def test_it_is_pending_then(self) -> None:
        connection = self.server.connect()
        connection("XREADGROUP", "GROUP", "g", "one", "BLOCK", 0, "STREAMS", "s", ">")
        self.add("s", 1)
        self.assertEqual(connection.read(), entries("s", 1))
        self.assertEqual(self.server("XPENDING", "s", "g")[:3], [1, b"1-0", b"1-0"])

    def test_it_claims_entries_that_become_old_enough(self) -> None:
        self.add("s", 1)
        self.server("XREADGROUP", "GROUP", "g", "one", "STREAMS", "s", ">")
        first, second = self.server.connect(), self.server.connect()
        for connection, consumer in ((first, "two"), (second, "three")):
            request = ("XREADGROUP", "GROUP", "g", consumer, "CLAIM", 500, "BLOCK", 0, "STREAMS", "s", ">")
            self.assertEqual(connection(*request), b"")
        self.server.clock.advance(0.5)
        self.assertEqual(first.read(), b"")
        # The time must be more than 500 ms, as in Redis.
        self.server.clock.advance(0.001)
        self.assertEqual(first.read(), reply([["s", [["1-0", ["f", "1"], 501, 1]]]]))
        # The second one has to wait for as long again.
        self.server.clock.advance(0.499)
        self.assertEqual(second.read(), b"")
        self.server.clock.advance(0.003)
        self.assertEqual(second.read(), reply([["s", [["1-0", ["f", "1"], 502, 2]]]]))
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_it_claims_what_is_given_back(self) -> None:
        self.add("s", 1)
        self.server("XREADGROUP", "GROUP", "g", "one", "STREAMS", "s", ">")
        connection = self.server.connect()
        connection("XREADGROUP", "GROUP", "g", "two", "CLAIM", 5000, "BLOCK", 0, "STREAMS", "s", ">")
        self.server("XNACK", "s", "g", "FAIL", "IDS", 1, "1-0")
        self.assertIn(b"1-0", connection.read())
        self.assertEqual(self.server("XPENDING", "s", "g")[3], [(b"two", b"1")])

    def test_a_time_out_of_claim(self) -> None:
        connection = self.server.connect()
        connection("XREADGROUP", "GROUP", "g", "two", "CLAIM", 300, "BLOCK", 1000, "STREAMS", "s", ">")
        self.server.clock.pump([0.1] * 11)
        self.assertEqual(connection.read(), NULL)

    def test_a_time_out_leaves_nothing_pending(self) -> None:
        connection = self.server.connect()
        connection("XREADGROUP", "GROUP", "g", "one", "BLOCK", 2000, "STREAMS", "s", ">")
        self.server.clock.advance(2)
        self.assertEqual(connection.read(), NULL)
        self.assertEqual(self.server("XPENDING", "s", "g")[0], 0)

    def test_history_does_not_wait(self) -> None:
        connection = self.server.connect()
        answer = connection("XREADGROUP", "GROUP", "g", "one", "BLOCK", 0, "STREAMS", "s", "0")
        self.assertEqual(answer, reply([["s", []]]))

    def test_the_end_of_the_stream_ends_the_waiting(self) -> Deferred[Any]:
        answer = self.read("one")
        self.server("DEL", "s")
        return answer.addCallback(
            self.assertEqual, b"NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"
        )

    def test_the_end_of_the_group_ends_the_waiting(self) -> Deferred[Any]:
        answer = self.read("one")
        self.server("XGROUP", "DESTROY", "s", "g")
        return answer.addCallback(
            self.assertEqual, b"NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"
        )

    def test_a_string_in_its_place_ends_the_waiting(self) -> Deferred[Any]:
        answer = self.read("one")
        self.server("SET", "s", "text")
        return answer.addCallback(
            self.assertEqual, b"WRONGTYPE Operation against a key holding the wrong kind of value"
        )

    def test_flushing_ends_the_waiting(self) -> None:
        for flush in ("FLUSHDB", "FLUSHALL"):
            answer = self.read("one")
            self.server(flush)
            self.assertTrue(self.successResultOf(answer).startswith(b"NOGROUP"), flush)
            self.server("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")

    def test_a_blocked_client_is_a_consumer_of_the_group(self) -> None:
        self.read("one")
        self.server.clock.advance(1)
        [consumer] = self.server("XINFO", "CONSUMERS", "s", "g")
        self.assertEqual(consumer[:6], [b"name", b"one", b"pending", 0, b"idle", 1000])

    def test_noack_leaves_nothing_pending(self) -> Deferred[Any]:
        answer = self.read("one", "NOACK")
        self.add("s", 1)
        self.assertEqual(self.server("XPENDING", "s", "g")[0], 0)
        return answer.addCallback(lambda found: self.assertEqual(found[0][1][0][0], b"1-0"))

    def test_readers_within_and_without_a_group(self) -> Deferred[Any]:
        grouped = self.read("one")
        plain = self.waits(self.caller(), "XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        self.add("s", 1)
        return gatherResults([grouped, plain]).addCallback(lambda found: self.assertEqual(found[0], found[1]))
