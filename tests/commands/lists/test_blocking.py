"""Waiting for elements: which client gets which element, in which order, and the reply after a timeout."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server import Connection, Server, encode

NULL_ARRAY = b"*-1\r\n"
NULL = b"$-1\r\n"


def answer(*values: str | list[str]) -> bytes:
    """Encodes an array of bulk strings and of arrays of them."""
    parts = [b"*%d\r\n" % len(values)]
    for value in values:
        parts.append(encode(*value) if isinstance(value, list) else encode(value)[len(b"*1\r\n") :])
    return b"".join(parts)


def bulk(value: str) -> bytes:
    return answer(value)[len(b"*1\r\n") :]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def clients(server: Server) -> Iterator[Connection]:
    """Opens connections, one after the other."""
    return iter(server.connect, None)


@pytest.mark.parametrize(
    ("call", "reply"),
    [
        ("BLPOP none l 0", answer("l", "a")),
        ("BRPOP none l 0", answer("l", "c")),
        ("BLMPOP 0 2 none l LEFT", answer("l", ["a"])),
        ("BLMPOP 0 2 none l RIGHT COUNT 2", answer("l", ["c", "b"])),
        ("BLMOVE l m LEFT RIGHT 0", bulk("a")),
        ("BRPOPLPUSH l m 0", bulk("c")),
    ],
)
def test_an_existing_element_is_returned_at_once(server: Server, call: str, reply: bytes) -> None:
    server("RPUSH", "l", "a", "b", "c")
    assert server.connect()(*call.split()) == reply


@pytest.mark.parametrize(
    ("call", "reply"),
    [
        ("BLPOP none l 0", answer("l", "b")),
        ("BRPOP none l 0", answer("l", "a")),
        ("BLMPOP 0 2 none l LEFT", answer("l", ["b"])),
        ("BLMPOP 0 2 none l RIGHT COUNT 9", answer("l", ["a", "b"])),
        ("BLMOVE l m LEFT RIGHT 0", bulk("b")),
        ("BRPOPLPUSH l m 0", bulk("a")),
    ],
)
def test_a_missing_element_is_returned_when_it_arrives(server: Server, call: str, reply: bytes) -> None:
    waiting = server.connect()
    assert waiting(*call.split()) == b""
    server.advance(3600)
    assert waiting.read() == b""
    server("LPUSH", "l", "a", "b")
    assert waiting.read() == reply


@pytest.mark.parametrize(
    "call", ["BLPOP l {}", "BRPOP l m {}", "BLMPOP {} 1 l LEFT", "BLMOVE l m LEFT LEFT {}", "BRPOPLPUSH l m {}"]
)
def test_time_is_over(server: Server, call: str) -> None:
    waiting = server.connect()
    waiting(*call.format("0.5").split())
    server.advance(0.4)
    assert waiting.read() == b""
    server.advance(0.2)
    assert waiting.read() == NULL_ARRAY
    server("RPUSH", "l", "a")
    assert server("LLEN", "l") == 1
    assert waiting("PING") == b"+PONG\r\n"


@pytest.mark.parametrize(
    ("time", "error"),
    [
        ("x", "timeout is not a float or out of range"),
        ("nan", "timeout is not a float or out of range"),
        ("", "timeout is not a float or out of range"),
        (" 1", "timeout is not a float or out of range"),
        ("-1", "timeout is negative"),
        ("-inf", "timeout is negative"),
        ("inf", "timeout is out of range"),
        ("0x7FFFFFFFFFFFFF", "timeout is out of range"),
        ("1e300", "timeout is out of range"),
    ],
)
@pytest.mark.parametrize("call", ["BLPOP l", "BRPOP l", "BLMPOP - 1 l LEFT", "BLMOVE l m LEFT LEFT", "BRPOPLPUSH l m"])
def test_times_that_are_none(server: Server, call: str, time: str, error: str) -> None:
    server("RPUSH", "l", "a")
    words = call.split()
    argv = [time if word == "-" else word for word in words] if "-" in words else [*words, time]
    assert server(*argv) == f"ERR {error}".encode()


def test_less_than_a_millisecond_below_zero_is_for_ever(server: Server) -> None:
    waiting = server.connect()
    assert waiting("BLPOP", "l", "-0.0009") == b""
    server.advance(3600)
    assert waiting.read() == b""


def test_other_arguments_are_checked_before_the_time(server: Server) -> None:
    assert server("BLMPOP", "x", "0", "l", "LEFT") == b"ERR numkeys should be greater than 0"
    assert server("BLMPOP", "x", "1", "l", "LEFT", "COUNT", "0") == b"ERR count should be greater than 0"
    assert server("BLMOVE", "l", "m", "LEFT", "UP", "x") == b"ERR syntax error"


class TestTransactions:
    def test_nothing_waits(self, server: Server) -> None:
        calls = ["BLPOP l 0", "BLMPOP 0 1 l LEFT", "BLMOVE l m LEFT LEFT 0", "BRPOPLPUSH l m 0"]
        one = server.connect()
        one("MULTI")
        for call in calls:
            assert one(*call.split()) == b"+QUEUED\r\n"
        assert one("EXEC") == b"*4\r\n" + NULL_ARRAY * 2 + NULL * 2

    def test_others_see_the_end_only(self, server: Server) -> None:
        waiting = server.connect()
        waiting("BLPOP", "l", 0)
        server("MULTI")
        for element in "abc":
            server("LPUSH", "l", element)
        server("EXEC")
        assert waiting.read() == answer("l", "c")

    @pytest.mark.parametrize("replaced", [False, True])
    def test_a_key_that_is_gone_again_wakes_no_client(self, server: Server, replaced: bool) -> None:
        waiting = server.connect()
        waiting("BLPOP", "l", 0)
        server("MULTI")
        server("LPUSH", "l", "a")
        server("DEL", "l")
        if replaced:
            server("SET", "l", "v")
        server("EXEC")
        assert waiting.read() == b""
        server("DEL", "l")
        server("LPUSH", "l", "b")
        assert waiting.read() == answer("l", "b")


class TestOrder:
    def test_first_come_first_served(self, server: Server, clients: Iterator[Connection]) -> None:
        first, second, third = next(clients), next(clients), next(clients)
        first("BLPOP", "l", 0)
        second("BRPOP", "l", 0)
        third("BLPOP", "l", 0)
        server("RPUSH", "l", "a", "b")
        assert (first.read(), second.read(), third.read()) == (answer("l", "a"), answer("l", "b"), b"")
        server("RPUSH", "l", "c")
        assert third.read() == answer("l", "c")

    def test_a_pipeline_does_not_jump_the_queue(self, server: Server, clients: Iterator[Connection]) -> None:
        waiting, hasty = next(clients), next(clients)
        waiting("BLPOP", "l", 0)
        assert hasty.send(encode("LPUSH", "l", "a") + encode("BLPOP", "l", 0)) == b":1\r\n"
        assert waiting.read() == answer("l", "a")
        server("LPUSH", "l", "b")
        assert hasty.read() == answer("l", "b")

    def test_a_key_may_be_named_twice(self, server: Server) -> None:
        waiting = server.connect()
        waiting("BLPOP", "l", "m", "m", "l", 0)
        server("RPUSH", "m", "a")
        assert waiting.read() == answer("m", "a")

    def test_keys_made_ready_by_serving_come_last(self, server: Server, clients: Iterator[Connection]) -> None:
        mover, second, third = next(clients), next(clients), next(clients)
        mover("BRPOPLPUSH", "a", "c", 0)
        second("BLPOP", "b", 0)
        third("BLMPOP", 0, 2, "b", "c", "LEFT")
        server("MULTI")
        server("LPUSH", "a", 1)
        server("LPUSH", "b", 2)
        server("EXEC")
        assert mover.read() == bulk("1")
        assert second.read() == answer("b", "2")
        assert third.read() == answer("c", ["1"])

    def test_a_chain_of_moves(self, server: Server, clients: Iterator[Connection]) -> None:
        recorder = server.record()
        first, second = next(clients), next(clients)
        first("BLMOVE", "a", "b", "right", "left", 0)
        second("BLMOVE", "b", "c", "left", "right", 0)
        server("RPUSH", "a", "x")
        assert first.read() == second.read() == bulk("x")
        assert list(server("LRANGE", "c", 0, -1)) == [b"x"]
        assert [b" ".join(argv) for argv in recorder.take()] == [
            b"RPUSH a x",
            b"LMOVE a b right left",
            b"LMOVE b c left right",
        ]

    def test_a_circle_of_moves_ends(self, server: Server, clients: Iterator[Connection]) -> None:
        first, second = next(clients), next(clients)
        first("BRPOPLPUSH", "a", "b", 0)
        second("BRPOPLPUSH", "b", "a", 0)
        server("RPUSH", "a", "x")
        assert first.read() == second.read() == bulk("x")
        assert list(server("LRANGE", "a", 0, -1)) == [b"x"]

    def test_a_list_may_wait_for_itself(self, server: Server) -> None:
        waiting = server.connect()
        waiting("BRPOPLPUSH", "a", "a", 0)
        server("RPUSH", "a", "x")
        assert waiting.read() == bulk("x")
        assert list(server("LRANGE", "a", 0, -1)) == [b"x"]


def test_a_wrong_destination_shows_when_there_is_something_to_move(
    server: Server, clients: Iterator[Connection]
) -> None:
    server("SET", "s", "v")
    first, second = next(clients), next(clients)
    assert first("BRPOPLPUSH", "l", "s", 0) == b""
    second("BLMOVE", "l", "m", "LEFT", "LEFT", 0)
    server("RPUSH", "l", "a")
    assert first.read().startswith(b"-WRONGTYPE ")
    assert second.read() == bulk("a")


def test_a_key_of_another_type_wakes_nobody(server: Server) -> None:
    waiting = server.connect()
    waiting("BLPOP", "l", 0)
    server("SET", "l", "v")
    assert waiting.read() == b""
    server("DEL", "l")
    server("RPUSH", "m", "a")
    server("RENAME", "m", "l")
    assert waiting.read() == answer("l", "a")


def test_exchanged_databases_wake(server: Server) -> None:
    server("SELECT", 1)
    server("RPUSH", "l", "a")
    waiting = server.connect()
    waiting("BLPOP", "l", 0)
    server("SWAPDB", 0, 1)
    assert waiting.read() == answer("l", "a")


def test_a_client_that_has_left_takes_nothing(server: Server, clients: Iterator[Connection]) -> None:
    gone, waiting = next(clients), next(clients)
    gone("BLPOP", "l", 0)
    waiting("BLPOP", "l", 0)
    gone.protocol.connectionLost()
    server("RPUSH", "l", "a", "b")
    assert waiting.read() == answer("l", "a")
    assert server("LLEN", "l") == 1


def test_resp3_has_one_null(server: Server) -> None:
    waiting = server.connect()
    waiting("HELLO", 3)
    waiting("BLPOP", "l", 1)
    server.advance(2)
    assert waiting.read() == b"_\r\n"


@pytest.mark.parametrize("how", ["TIMEOUT", "ERROR"])
def test_a_call_that_was_not_served_counts_once(server: Server, how: str) -> None:
    waiting = server.connect()
    waiting("BLPOP", "l", 0)
    server("CLIENT", "UNBLOCK", waiting.protocol.client.id, how)
    expected = NULL_ARRAY if how == "TIMEOUT" else b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"
    assert waiting.read() == expected
    called = server.engine.commands.by_name[b"blpop"]
    called.fold()
    assert (called.calls, called.failed) == (1, how == "ERROR")
