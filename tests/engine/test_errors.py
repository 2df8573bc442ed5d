"""Error texts that quote what a client has sent."""

from __future__ import annotations

import pytest

from tests.support.server import Server
from twisted_redis.engine.errors import refusal


def test_an_argument_in_an_error_is_a_c_string_on_one_line() -> None:
    assert refusal(b"ERR no '%b' in '%b'", b"a\r\nb\0c", b"\0").text == b"ERR no 'a  b' in ''"
    assert refusal(b"ERR Unsupported option %b", b"x\r\n\r\n").text == b"ERR Unsupported option x"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ((b"bo\0gus", b"a\0b", b"c\r\nd"), b"ERR unknown command 'bo', with args beginning with: 'a' 'c  d' "),
        ((b"config", b"no\0ne"), b"ERR unknown subcommand 'no'. Try CONFIG HELP."),
        ((b"expire", b"k", b"1", b"XY\0Z"), b"ERR Unsupported option XY"),
        ((b"expire", b"k", b"1", b"XY\r\n"), b"ERR Unsupported option XY"),
        (
            (b"config", b"set", b"no\r\nne\0", b"1"),
            b"ERR Unknown option or number of arguments for CONFIG SET - 'no  ne'",
        ),
        ((b"config", b"set", b"maxmemory", b"0", b"hz"), b"ERR syntax error"),
        ((b"debug", b"htstats", b"99"), b"ERR Out of range database"),
        ((b"debug", b"htstats", b"x"), b"ERR value is not an integer or out of range"),
    ],
)
def test_errors_that_quote_arguments(request_: tuple[bytes, ...], error: bytes) -> None:
    assert Server()(*request_) == error


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (("FUNCTION", "fLush", "a", "b"), "'fLush'. Try FUNCTION HELP."),
        (("function", "Restore", "a", "b", "c"), "'Restore'. Try FUNCTION HELP."),
        (("Acl", "geNpass", "1", "2"), "'geNpass'. Try ACL HELP."),
        (("client", "pauSe", "1", "ALL", "x"), "'pauSe'. Try CLIENT HELP."),
        (("slowlog", "get", "1", "2"), "'get'. Try SLOWLOG HELP."),
        (("pubsub", "channels", "1", "2"), "'channels'. Try PUBSUB HELP."),
        (("xgroup", "create", "k", "g", "$", "BOGUS"), "'create'. Try XGROUP HELP."),
        (("debug", "bo\0gus"), "'bo'. Try DEBUG HELP."),
    ],
)
def test_an_error_names_the_subcommand_as_it_was_typed(request_: tuple[str, ...], text: str) -> None:
    assert Server()(*request_) == f"ERR unknown subcommand or wrong number of arguments for {text}".encode()


def test_options_are_c_strings() -> None:
    server = Server()
    assert server("SET", "k", "v", b"EX\0junk", 10) == b"OK"
    assert server("TTL", "k") == 10
    assert server("SET", "k", "v", b"nx\0") is None
    assert server("XADD", "s", b"MAXLEN\0", b"=\0x", 10, b"1-*\0x", "f", "v") == b"1-0"
    assert server("BITFIELD", "k", b"GET\0", b"u8\0x", 0) == [ord("v")]
    assert server("CONFIG", "SET", "appendfsync", b"always\0x", "maxmemory", b"1kb\0x") == b"OK"
    assert server("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"1024"]
