"""Calls that wait for lists and sorted sets: which client is served, by which command, and replies after timeouts."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, gatherResults

from tests.support.server import encode
from tests.trial.cases import ServerCase, reply
from twisted_redis.resp.types import NullArray

#: Calls that wait for the key ``k`` for two seconds.
CALLS = (
    "BLPOP k 2",
    "BRPOP k 2",
    "BLMOVE k other LEFT RIGHT 2",
    "BRPOPLPUSH k other 2",
    "BLMPOP 2 1 k LEFT",
    "BZPOPMIN k 2",
    "BZPOPMAX k 2",
    "BZMPOP 2 1 k MIN",
)


class TimeOutTests(ServerCase):
    def test_each_call_ends_at_its_time(self) -> None:
        for call in CALLS:
            connection = self.server.connect()
            self.assertEqual(connection(*call.split()), b"", call)
            self.server.clock.advance(1.999)
            self.assertEqual(connection.read(), b"", call)
            self.server.clock.advance(0.001)
            self.assertEqual(connection.read(), b"*-1\r\n", call)

    def test_null_of_resp3(self) -> None:
        for call in CALLS:
            connection = self.server.connect()
            connection("HELLO", 3)
            connection(*call.split())
            self.server.clock.advance(2)
            self.assertEqual(connection.read(), b"_\r\n", call)

    def test_zero_is_for_ever(self) -> Deferred[Any]:
        answer = self.waits(self.caller(), "BLPOP", "k", 0)
        self.server.clock.advance(10**8)
        self.assertNoResult(answer)
        self.server("RPUSH", "k", "at last")
        return answer.addCallback(self.assertEqual, [b"k", b"at last"])

    def test_a_time_out_is_counted_as_a_call_and_leaves_nothing(self) -> Deferred[Any]:
        answer = self.waits(self.caller(), "BLPOP", "k", "other", "0.5")
        self.assertEqual(self.server.engine.waiting.count, 1)
        self.server.clock.advance(0.5)
        self.assertEqual(self.server.engine.waiting.count, 0)
        self.assertEqual(self.server.engine.databases[0].waiting, {})
        self.assertEqual(self.server.clock.getDelayedCalls(), [])
        self.assertIn(b"cmdstat_blpop:calls=1,", self.server("INFO", "commandstats"))
        return answer.addCallback(self.assertIs, NullArray)

    def test_each_waiter_has_a_time_of_its_own(self) -> None:
        callers = [self.waits(self.caller(), "BLPOP", "k", seconds) for seconds in (3, 1, 2)]
        for due in (1, 2, 0):
            self.server.clock.advance(1)
            self.assertIs(self.successResultOf(callers[due]), NullArray)

    def test_being_served_ends_the_timer(self) -> None:
        answer = self.waits(self.caller(), "BLPOP", "k", 2)
        self.server("RPUSH", "k", "x")
        self.assertEqual(self.successResultOf(answer), [b"k", b"x"])
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_time_outs_that_are_none(self) -> None:
        caller = self.caller()
        for wrong, text in (
            ("-1", b"ERR timeout is negative"),
            ("x", b"ERR timeout is not a float or out of range"),
            ("nan", b"ERR timeout is not a float or out of range"),
            ("1e100", b"ERR timeout is out of range"),
        ):
            self.assertEqual(caller("BLPOP", "k", wrong), text)


class ServedTests(ServerCase):
    def test_by_the_end_that_was_asked_for(self) -> None:
        for call, expected in {
            "BLPOP k 0": reply(["k", "a"]),
            "BRPOP k 0": reply(["k", "c"]),
            "BLMOVE k other LEFT RIGHT 0": reply("a"),
            "BLMOVE k other RIGHT LEFT 0": reply("c"),
            "BRPOPLPUSH k other 0": reply("c"),
            "BLMPOP 0 1 k LEFT COUNT 2": reply(["k", ["a", "b"]]),
            "BLMPOP 0 1 k RIGHT COUNT 9": reply(["k", ["c", "b", "a"]]),
        }.items():
            connection = self.server.connect()
            self.assertEqual(connection(*call.split()), b"")
            self.server("RPUSH", "k", "a", "b", "c")
            self.assertEqual(connection.read(), expected, call)
            self.server("FLUSHALL")

    def test_sorted_sets(self) -> None:
        for call, expected in {
            "BZPOPMIN k 0": reply(["k", "low", "1"]),
            "BZPOPMAX k 0": reply(["k", "high", "2.5"]),
            "BZMPOP 0 1 k MAX COUNT 2": reply(["k", [["high", "2.5"], ["low", "1"]]]),
        }.items():
            connection = self.server.connect()
            self.assertEqual(connection(*call.split()), b"")
            self.server("ZADD", "k", 1, "low", "2.5", "high")
            self.assertEqual(connection.read(), expected, call)
            self.server("FLUSHALL")

    def test_the_first_key_in_the_order_of_the_call_that_has_something(self) -> Deferred[Any]:
        answer = self.waits(self.caller(), "BLPOP", "a", "b", "c", 0)
        self.server("MULTI")
        self.server("RPUSH", "c", "3")
        self.server("RPUSH", "b", "2")
        self.server("EXEC")
        return answer.addCallback(self.assertEqual, [b"b", b"2"])

    def test_first_come_first_served(self) -> Deferred[Any]:
        answers = [self.waits(self.caller(), "BLPOP", "k", 0) for _ in range(4)]
        self.server("RPUSH", "k", 1, 2, 3)
        self.assertNoResult(answers[3])
        self.server("RPUSH", "k", 4)
        self.assertEqual(self.server("EXISTS", "k"), 0)
        return gatherResults(answers).addCallback(
            lambda found: self.assertEqual([value for _, value in found], [b"1", b"2", b"3", b"4"])
        )

    def test_a_client_that_waits_for_one_key_twice_is_served_once(self) -> None:
        connection = self.server.connect()
        connection("BLPOP", "k", "k", 0)
        self.server("RPUSH", "k", 1, 2)
        self.assertEqual(connection.read(), reply(["k", "1"]))
        self.assertEqual(self.server("LRANGE", "k", 0, -1), (b"2",))

    def test_a_chain_of_moves(self) -> Deferred[Any]:
        last = self.waits(self.caller(), "BLPOP", "c", 0)
        second = self.waits(self.caller(), "BLMOVE", "b", "c", "LEFT", "LEFT", 0)
        first = self.waits(self.caller(), "BLMOVE", "a", "b", "LEFT", "LEFT", 0)
        self.server("RPUSH", "a", "x")
        self.assertEqual(self.server("EXISTS", "a", "b", "c"), 0)
        return gatherResults([first, second, last]).addCallback(self.assertEqual, [b"x", b"x", [b"c", b"x"]])

    def test_a_circle_of_moves_ends(self) -> None:
        one = self.waits(self.caller(), "BLMOVE", "a", "b", "LEFT", "LEFT", 0)
        other = self.waits(self.caller(), "BLMOVE", "b", "a", "LEFT", "LEFT", 0)
        self.server("RPUSH", "a", "x")
        self.assertEqual((self.successResultOf(one), self.successResultOf(other)), (b"x", b"x"))
        self.assertEqual(self.server("LRANGE", "a", 0, -1), (b"x",))

    def test_a_move_to_a_key_of_another_type_fails_and_takes_nothing(self) -> Deferred[Any]:
        self.server("SET", "text", "x")
        answer = self.waits(self.caller(), "BLMOVE", "k", "text", "LEFT", "LEFT", 0)
        self.server("RPUSH", "k", "kept")
        self.assertEqual(self.server("LRANGE", "k", 0, -1), (b"kept",))
        return answer.addCallback(
            self.assertEqual, b"WRONGTYPE Operation against a key holding the wrong kind of value"
        )

    def test_every_way_by_which_a_list_appears(self) -> None:
        self.server("RPUSH", "from", "x")
        dump = self.server("DUMP", "from")
        for call in (
            ("RPUSH", "k", "x"),
            ("LPUSH", "k", "x"),
            ("COPY", "from", "k"),
            ("RENAME", "from", "k"),
            ("RESTORE", "k", 0, dump),
            ("LMOVE", "stored", "k", "LEFT", "LEFT"),
            ("SORT", "numbers", "STORE", "k"),
        ):
            self.server("FLUSHALL")
            self.server("RPUSH", "from", "x")
            self.server("RPUSH", "stored", "x")
            self.server("SADD", "numbers", 5)
            answer = self.waits(self.caller(), "BLPOP", "k", 0)
            self.server(*call)
            self.assertEqual(self.successResultOf(answer)[0], b"k", call)

    def test_by_a_script(self) -> Deferred[Any]:
        answer = self.waits(self.caller(), "BLPOP", "k", 0)
        # The script sees the list. The blocked client is served after the script.
        length = self.server("EVAL", "redis.call('rpush','k','x') return redis.call('llen','k')", 0)
        self.assertEqual(length, 1)
        return answer.addCallback(self.assertEqual, [b"k", b"x"])

    def test_a_served_call_is_propagated_as_a_non_blocking_command(self) -> None:
        recorder = self.server.record()
        self.caller()("BLPOP", "k", 0)
        self.caller()("BLMOVE", "k", "other", "LEFT", "RIGHT", 0)
        self.caller()("BZPOPMIN", "z", 0)
        self.server("RPUSH", "k", 1, 2)
        self.server("ZADD", "z", 1, "m")
        self.assertEqual(
            recorder.take(),
            [
                [b"RPUSH", b"k", b"1", b"2"],
                [b"LPOP", b"k"],
                [b"LMOVE", b"k", b"other", b"LEFT", b"RIGHT"],
                [b"ZADD", b"z", b"1", b"m"],
                [b"ZPOPMIN", b"z"],
            ],
        )

    def test_in_the_database_in_which_it_began_to_wait(self) -> None:
        connection = self.server.connect()
        connection.send(encode("SELECT", 3) + encode("BLPOP", "k", 0))
        connection.read()
        self.server("RPUSH", "k", "elsewhere")
        self.assertEqual(connection.read(), b"")
        self.server("SELECT", 3)
        self.server("RPUSH", "k", "here")
        self.assertEqual(connection.read(), reply(["k", "here"]))

    def test_cancelling_takes_the_waiter_out(self) -> Deferred[Any]:
        answer = self.waits(self.caller(), "BLPOP", "k", 5)
        answer.cancel()
        self.server("RPUSH", "k", "x")
        self.assertEqual(self.server("LLEN", "k"), 1)
        self.assertEqual(self.server.clock.getDelayedCalls(), [])
        return self.assertFailure(answer, CancelledError)
