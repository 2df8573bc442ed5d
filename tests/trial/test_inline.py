"""Inline requests: a line of words, as a user types it into telnet."""

from __future__ import annotations

from tests.support.server import encode
from tests.trial.cases import ServerCase, reply

UNBALANCED = b"-ERR Protocol error: unbalanced quotes in request\r\n"


class InlineTests(ServerCase):
    def test_words(self) -> None:
        connection = self.server.connect()
        self.assertEqual(connection.send(b"SET key value\r\n"), b"+OK\r\n")
        self.assertEqual(connection.send(b"get key\r\n"), reply("value"))

    def test_a_bare_newline_ends_a_line(self) -> None:
        connection = self.server.connect()
        self.assertEqual(connection.send(b"SET key value\nGET key\n"), b"+OK\r\n" + reply("value"))

    def test_a_carriage_return_alone_does_not(self) -> None:
        connection = self.server.connect()
        self.assertEqual(connection.send(b"PING\r"), b"")
        self.assertEqual(connection.send(b"\n"), b"+PONG\r\n")

    def test_empty_lines_are_no_requests(self) -> None:
        connection = self.server.connect()
        self.assertEqual(connection.send(b"\r\n\n   \r\n\t\n"), b"")
        self.assertFalse(connection.closed)
        self.assertEqual(connection.send(b"PING\r\n"), b"+PONG\r\n")

    def test_blanks_between_words(self) -> None:
        connection = self.server.connect()
        self.assertEqual(connection.send(b"  SET \t key   value  \r\n"), b"+OK\r\n")
        self.assertEqual(self.server("GET", "key"), b"value")

    def test_quotes(self) -> None:
        connection = self.server.connect()
        cases = {
            rb'"a b"': b"a b",
            rb'"\x00\xff\n\r\t\b\a\"\\"': b'\x00\xff\n\r\t\b\a"\\',
            rb'"\q"': b"q",
            rb"'a b'": b"a b",
            rb"'\n'": rb"\n",
            rb"'it\'s'": b"it's",
            rb'a"b c"': b"ab c",
            rb'""': b"",
        }
        for typed, meant in cases.items():
            self.assertEqual(connection.send(b"SET key " + typed + b"\r\n"), b"+OK\r\n", typed)
            self.assertEqual(self.server("GET", "key"), meant, typed)

    def test_quotes_that_are_not_balanced_end_the_connection(self) -> None:
        for wrong in (b'"a', b"'a", b'"a"b', b"'a'b", b'a"', b'"a\\"'):
            connection = self.server.connect()
            self.assertEqual(connection.send(b"PING\r\nECHO " + wrong + b"\r\nPING\r\n"), b"+PONG\r\n" + UNBALANCED)
            self.assertTrue(connection.closed)

    def test_a_newline_within_quotes_ends_the_line(self) -> None:
        connection = self.server.connect()
        self.assertEqual(connection.send(b'ECHO "a\r\nb"\r\n'), UNBALANCED)
        self.assertTrue(connection.closed)

    def test_at_every_split(self) -> None:
        line = b'ECHO "a \\x41\\n b"\r\n'
        for at in range(len(line) + 1):
            connection = self.server.connect()
            self.assertEqual(connection.send(line[:at]) + connection.send(line[at:]), reply("a A\n b"), at)

    def test_mixed_with_multibulk_requests(self) -> None:
        connection = self.server.connect()
        data = b"SET a 1\r\n" + encode("INCR", "a") + b"GET a\n" + encode("PING")
        expected = b"+OK\r\n:2\r\n" + reply("2") + b"+PONG\r\n"
        for at in range(len(data) + 1):
            self.assertEqual(connection.send(data[:at]) + connection.send(data[at:]), expected, at)

    def test_a_line_has_a_longest_length(self) -> None:
        connection = self.server.connect()
        self.assertEqual(connection.send(b"x" * 65536), b"")
        self.assertFalse(connection.closed)
        self.assertEqual(connection.send(b"x"), b"-ERR Protocol error: too big inline request\r\n")
        self.assertTrue(connection.closed)

    def test_a_browser_is_cut_off(self) -> None:
        for line in (b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: example.org\r\n"):
            connection = self.server.connect()
            answer = connection.send(line + b"SET a 1\r\n")
            self.assertNotIn(b"+OK", answer)
            self.assertTrue(connection.closed)
            self.assertIsNone(self.server("GET", "a"))
        self.assertIn("SECURITY ATTACK", self.server.logged[0][1])

    def test_inline_requests_may_wait(self) -> None:
        connection = self.server.connect()
        self.assertEqual(connection.send(b"BLPOP l 0\r\nPING\r\n"), b"")
        self.server("RPUSH", "l", "x")
        self.server.clock.advance(0)
        self.assertEqual(connection.read(), reply(["l", "x"]) + b"+PONG\r\n")
