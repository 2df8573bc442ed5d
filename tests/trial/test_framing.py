"""Parsing requests from bytes that are split at every position: line mode for headers, raw mode for long bulks."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from tests.support.server import Connection, encode
from tests.trial.cases import ServerCase, reply
from twisted_redis.resp import parser
from twisted_redis.resp.scanner import COMPILED

#: A conversation with every form of header and bulk, and its replies.
REQUESTS = (
    encode("SET", "k", "a\r\n$3\r\nb")
    + encode("GET", "k")
    + b"*0\r\n"
    + encode("APPEND", "k", b"*1\r\n" * 8)
    + b"*-1\r\n"
    + encode("SET", "", "")
    + encode("GET", "")
    + encode("PING")
)
REPLIES = b"+OK\r\n" + reply("a\r\n$3\r\nb") + b":40\r\n+OK\r\n" + reply("") + b"+PONG\r\n"


class FramingMixin:
    """Tests of both parsers."""

    pure: bool
    server: Any

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        if self.pure:
            self.server.factory.reader = None
        elif self.server.factory.reader is None:
            self.skipTest("hiredis is not installed")  # type: ignore[attr-defined]

    def converse(self, *pieces: bytes) -> bytes:
        """Returns the replies to ``pieces`` of requests, each in a separate read. The server is empty afterwards."""
        connection: Connection = self.server.connect()
        answer = b"".join([connection.send(piece) for piece in pieces])
        connection.protocol.connectionLost()
        self.server("FLUSHALL")
        return answer

    def test_the_parser_is_the_one_under_test(self) -> None:
        kind = type(self.server.connect().protocol.connection._parser)
        fastest = parser.ScanningParser if COMPILED else parser.AcceleratedParser
        self.assertIs(kind, parser.LineParser if self.pure else fastest)

    def test_in_one_piece(self) -> None:
        self.assertEqual(self.converse(REQUESTS), REPLIES)

    def test_in_line_mode_at_every_split(self) -> None:
        for at in range(len(REQUESTS) + 1):
            self.assertEqual(self.converse(REQUESTS[:at], REQUESTS[at:]), REPLIES, f"split at {at}")

    def test_byte_by_byte(self) -> None:
        self.assertEqual(self.converse(*[REQUESTS[at : at + 1] for at in range(len(REQUESTS))]), REPLIES)

    def test_in_raw_mode_at_every_split(self) -> None:
        # Nearly every bulk that is split is now a long one.
        self.patch(parser, "RAW_FROM", 2)
        for at in range(len(REQUESTS) + 1):
            self.assertEqual(self.converse(REQUESTS[:at], REQUESTS[at:]), REPLIES, f"split at {at}")

    def test_in_raw_mode_at_every_two_splits(self) -> None:
        self.patch(parser, "RAW_FROM", 4)
        requests = encode("SET", "k", "12345678") + encode("GET", "k")
        for first, second in combinations(range(len(requests) + 1), 2):
            pieces = requests[:first], requests[first:second], requests[second:]
            self.assertEqual(self.converse(*pieces), b"+OK\r\n" + reply("12345678"), (first, second))

    def test_raw_mode_begins_at_its_size(self) -> None:
        connection = self.server.connect()
        for size, raw in ((parser.RAW_FROM - 1, False), (parser.RAW_FROM, True)):
            request = encode("SET", "k", b"x" * size)
            self.assertEqual(connection.send(request[:-3]), b"")
            self.assertIs(bool(connection.protocol.connection._parser._missing), raw)
            self.assertEqual(connection.send(request[-3:]), b"+OK\r\n")
            self.assertEqual(self.server("STRLEN", "k"), size)

    def test_a_long_bulk_cut_about_its_ends(self) -> None:
        data = bytes(range(256)) * 100
        request = encode("SET", "k", data)
        begin = request.index(data)
        end = begin + len(data)
        places = [*range(begin - 12, begin + 4), begin + len(data) // 2, *range(end - 4, end + 3)]
        connection = self.server.connect()
        for first, second in combinations(places, 2):
            pieces = request[:first], request[first:second], request[second:] + encode("PING")
            self.assertEqual(b"".join(map(connection.send, pieces)), b"+OK\r\n+PONG\r\n", (first, second))
            self.assertEqual(self.server("GET", "k"), data)

    def test_raw_mode_ends_with_its_bulk(self) -> None:
        connection = self.server.connect()
        long = b"y" * parser.RAW_FROM
        request = encode("RPUSH", "l", long, "short", long, "last")
        middle = request.index(b"short") + 2
        self.assertEqual(connection.send(request[:100]), b"")
        self.assertEqual(connection.send(request[100:middle]), b"")
        self.assertEqual(connection.send(request[middle:-30]), b"")
        answer = connection.send(request[-30:] + b"PING inline\r\n" + encode("LLEN", "l"))
        self.assertEqual(answer, b":4\r\n" + reply("inline") + b":4\r\n")
        self.assertEqual(self.server("LRANGE", "l", 1, 1), (b"short",))

    def test_the_end_of_a_bulk_is_skipped_unseen(self) -> None:
        for at in range(24):
            pieces = b"*2\r\n$4\r\nECHO??$2\r\nhi!!"[:at], b"*2\r\n$4\r\nECHO??$2\r\nhi!!"[at:]
            self.assertEqual(self.converse(*pieces), reply("hi"))

    def test_errors_at_every_split(self) -> None:
        cases = {
            b"*1\r\nPING\r\n": b"expected '$', got 'P'",
            b"*x\r\n": b"invalid multibulk length",
            b"*9223372036854775808\r\n": b"invalid multibulk length",
            b"*1\r\n$-1\r\n": b"invalid bulk length",
            b"*1\r\n$04\r\nPING\r\n": b"invalid bulk length",
            b"*1\r\n$99999999999\r\n": b"invalid bulk length",
        }
        for wrong, text in cases.items():
            expected = b"+PONG\r\n-ERR Protocol error: " + text + b"\r\n"
            data = encode("PING") + wrong
            for at in range(len(data) + 1):
                self.assertEqual(self.converse(data[:at], data[at:]), expected, (wrong, at))

    def test_nothing_is_executed_behind_an_error(self) -> None:
        connection = self.server.connect()
        connection.send(encode("SET", "a", 1) + b"*1\r\n!\r\n" + encode("SET", "a", 2))
        self.assertEqual(connection.send(encode("SET", "a", 3)), b"")
        self.assertTrue(connection.closed)
        self.assertEqual(self.server("GET", "a"), b"1")

    def test_a_nul_hides_the_end_of_a_line(self) -> None:
        # As in Redis, which searches for the line end in a C string. Such a request can only become too long.
        for wrong, kind in (
            (b"*1\0\r\n", b"mbulk count string"),
            (b"*1\r\n$4\0\r\n", b"bulk count string"),
            (b"*1\r\n\0$4\r\n", b"bulk count string"),
            (b"PING\0\r\n", b"inline request"),
        ):
            for at in range(len(wrong) + 1):
                connection = self.server.connect()
                self.assertEqual(connection.send(wrong[:at]) + connection.send(wrong[at:] + encode("PING")), b"")
                self.assertFalse(connection.closed)
                answer = connection.send(b"x" * 65536)
                self.assertEqual(answer, b"-ERR Protocol error: too big " + kind + b"\r\n", wrong)

    def test_a_nul_within_a_bulk_hides_nothing(self) -> None:
        requests = encode("ECHO", b"\0\r\n") + encode("PING")
        for at in range(len(requests) + 1):
            self.assertEqual(self.converse(requests[:at], requests[at:]), reply(b"\0\r\n") + b"+PONG\r\n")

    def test_headers_have_a_longest_length(self) -> None:
        for data, kind in ((b"*" + b"1" * 70_000, b"mbulk"), (b"*1\r\n$" + b"1" * 70_000, b"bulk")):
            connection = self.server.connect()
            self.assertEqual(connection.send(data[:60_000]), b"")
            self.assertEqual(
                connection.send(data[60_000:]), b"-ERR Protocol error: too big " + kind + b" count string\r\n"
            )
            self.assertTrue(connection.closed)

    def test_before_authentication_requests_are_small(self) -> None:
        self.server("CONFIG", "SET", "requirepass", "secret")
        too_many, too_long = encode(*["x"] * 11), encode("AUTH", "x" * 16385)
        for wrong, text in ((too_many, b"multibulk"), (too_long, b"bulk")):
            connection = self.server.connect()
            self.assertEqual(connection.send(wrong), b"-ERR Protocol error: unauthenticated " + text + b" length\r\n")
            self.assertTrue(connection.closed)

    def test_authentication_lifts_the_limits_within_one_read(self) -> None:
        self.server("CONFIG", "SET", "requirepass", "secret")
        requests = encode("AUTH", "secret") + encode("RPUSH", "l", *range(20)) + encode("PING")
        for at in range(len(requests) + 1):
            connection = self.server.connect()
            answer = connection.send(requests[:at]) + connection.send(requests[at:])
            self.assertEqual(answer, b"+OK\r\n:20\r\n+PONG\r\n", f"split at {at}")
            self.server("DEL", "l")


class PureFramingTests(FramingMixin, ServerCase):
    pure = True


class AcceleratedFramingTests(FramingMixin, ServerCase):
    pure = False


class HeldInputTests(ServerCase):
    """Bytes that arrive while a request waits can also be split anywhere."""

    def test_every_split_behind_a_waiting_call(self) -> None:
        rest = encode("SET", "k", "v") + b"GET k\r\n" + encode("ECHO", "x" * 40)
        for at in range(len(rest) + 1):
            connection = self.server.connect()
            connection.send(encode("BLPOP", "l", 0) + rest[:at])
            self.assertEqual(connection.send(rest[at:]), b"")
            self.server("RPUSH", "l", "e")
            self.server.clock.advance(0)
            expected = reply(["l", "e"]) + b"+OK\r\n" + reply("v") + reply("x" * 40)
            self.assertEqual(connection.read(), expected, f"split at {at}")

    def test_an_incomplete_request_behind_a_waiting_call_goes_on_later(self) -> None:
        connection = self.server.connect()
        connection.send(encode("BLPOP", "l", 1) + encode("ECHO", "whole")[:-4])
        self.server.clock.advance(1)
        self.server.clock.advance(0)
        self.assertEqual(connection.read(), b"*-1\r\n")
        self.assertEqual(connection.send(b"le\r\n"), reply("whole"))

    def test_a_broken_request_behind_a_waiting_call_is_found_afterwards(self) -> None:
        connection = self.server.connect()
        self.assertEqual(connection.send(encode("BLPOP", "l", 1) + b"*1\r\n!\r\n"), b"")
        self.assertFalse(connection.closed)
        self.server.clock.advance(1)
        self.server.clock.advance(0)
        self.assertEqual(connection.read(), b"*-1\r\n-ERR Protocol error: expected '$', got '!'\r\n")
        self.assertTrue(connection.closed)

    def test_the_replies_of_all_waiting_callers(self) -> Deferred[None]:
        answers = [self.waits(self.caller(), "BLPOP", "l", 0) for _ in range(3)]
        # One request, in two reads, serves all of them.
        connection = self.server.connect()
        request = encode("RPUSH", "l", 1, 2, 3)
        self.assertEqual(connection.send(request[:-9]), b"")
        self.assertNoResult(answers[0])
        self.assertEqual(connection.send(request[-9:]), b":3\r\n")
        expected = [[b"l", b"1"], [b"l", b"2"], [b"l", b"3"]]
        return gatherResults(answers).addCallback(lambda found: self.assertEqual(found, expected))
