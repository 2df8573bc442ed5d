"""Blocked clients: order, timeouts, pipelines, and what ends the waiting."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from tests.support.server import Server, encode
from twisted_redis.resp.types import NullArray

POPPED = b"*2\r\n$1\r\nl\r\n$1\r\n%b\r\n"


@pytest.fixture
def server() -> Server:
    return Server()


def test_first_come_first_served(server: Server) -> None:
    clients = [server.connect() for _ in range(3)]
    for client in clients:
        assert client("BLPOP", "l", "0") == b""
    server("RPUSH", "l", "a", "b")
    server.clock.advance(0)
    assert [client.read() for client in clients] == [POPPED % b"a", POPPED % b"b", b""]
    assert server.engine.waiting.count == 1
    assert server("EXISTS", "l") == 0


def test_the_time_is_kept_to_the_millisecond(server: Server) -> None:
    client = server.connect()
    client("BLPOP", "l", "1.5")
    server.clock.advance(1.499)
    assert client.read() == b""
    server.clock.advance(0.001)
    assert client.read() == b"*-1\r\n"
    assert client("PING") == b"+PONG\r\n"


def test_a_pipeline_goes_on_afterwards_in_order(server: Server) -> None:
    client = server.connect()
    assert client.send(encode("PING") + encode("BLPOP", "l", "0") + encode("GET", "a") + encode("PING")) == b"+PONG\r\n"
    assert client.send(encode("ECHO", "later")) == b""
    server("SET", "a", "x")
    server("RPUSH", "l", "1")
    server.clock.advance(0)
    assert client.read() == POPPED % b"1" + b"$1\r\nx\r\n+PONG\r\n$5\r\nlater\r\n"


def test_a_waiter_that_has_gone_eats_nothing(server: Server) -> None:
    client = server.connect()
    client("BLPOP", "l", "0")
    client.protocol.connectionLost()
    server("RPUSH", "l", "1")
    assert server("LRANGE", "l", "0", "-1") == (b"1",)
    assert not server.engine.databases[0].waiting


def test_a_held_pipeline_is_bounded(server: Server) -> None:
    server.config.client_query_buffer_limit = 10_000
    client = server.connect()
    client("BLPOP", "l", "0")
    for _ in range(4):
        client.send(encode("SET", "x", "y" * 4000))
    assert client.closed
    assert server.engine.stats.query_buffer_closed == 1


def test_one_key_made_ready_by_serving_another(server: Server) -> None:
    first, second = server.connect(), server.connect()
    first("BLPOP", "target", "0")
    second("BLMOVE", "source", "target", "LEFT", "LEFT", "0")
    server("RPUSH", "source", "x")
    server.clock.advance(0)
    assert second.read() == b"$1\r\nx\r\n"
    assert first.read() == b"*2\r\n$6\r\ntarget\r\n$1\r\nx\r\n"


def test_a_key_of_another_type_wakes_nobody(server: Server) -> None:
    client = server.connect()
    client("BLPOP", "l", "0")
    server("SET", "l", "text")
    assert client.read() == b""
    server("DEL", "l")
    server("RPUSH", "l", "1")
    server.clock.advance(0)
    assert client.read() == POPPED % b"1"


def test_a_push_and_a_pop_in_a_transaction_wake_no_client(server: Server) -> None:
    client = server.connect()
    client("BLPOP", "l", "0")
    for argv in (("MULTI",), ("RPUSH", "l", "1"), ("DEL", "l"), ("EXEC",)):
        server(*argv)
    assert client.read() == b""


def test_client_unblock(server: Server) -> None:
    client = server.connect()
    number = client.protocol.client.id
    assert server("CLIENT", "UNBLOCK", number) == 0
    client("BLPOP", "l", "0")
    assert server("CLIENT", "UNBLOCK", number) == 1
    assert client.read() == b"*-1\r\n"
    client("BLPOP", "l", "0")
    assert server("CLIENT", "UNBLOCK", number, "ERROR") == 1
    assert client.read() == b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"


@pytest.mark.parametrize("how", ["TIMEOUT", "ERROR"])
def test_an_unblocked_call_is_in_the_slow_log(server: Server, how: str) -> None:
    server("CONFIG", "SET", "slowlog-log-slower-than", 0)
    client = server.connect()
    client("BLPOP", "l", "0")
    server("SLOWLOG", "RESET")
    server("CLIENT", "UNBLOCK", client.protocol.client.id, how)
    slow = server("SLOWLOG", "GET")
    assert isinstance(slow, list)
    assert [entry[3] for entry in slow if entry[3][0] == b"BLPOP"] == [[b"BLPOP", b"l", b"0"]]


def test_in_process_callers_get_a_deferred(server: Server) -> None:
    answer = server("BLPOP", "l", "2")
    assert isinstance(answer, Deferred)
    found: list[object] = []
    answer.addCallback(found.append)
    server.clock.advance(2)
    assert found == [NullArray]


def test_cancelling_the_deferred_withdraws(server: Server) -> None:
    answer = server("BLPOP", "l", "0")
    answer.addErrback(lambda failure: None)
    answer.cancel()
    assert server.engine.waiting.count == 0
    server("RPUSH", "l", "1")
    assert server("LLEN", "l") == 1


def test_swapdb_and_move_wake(server: Server) -> None:
    client = server.connect()
    client("BLPOP", "l", "0")
    server("SELECT", "1")
    server("RPUSH", "l", "1")
    assert client.read() == b""
    server("SWAPDB", "0", "1")
    server.clock.advance(0)
    assert client.read() == POPPED % b"1"
    client("BLPOP", "l", "0")
    server("RPUSH", "l", "2")
    server("MOVE", "l", "0")
    server.clock.advance(0)
    assert client.read() == POPPED % b"2"


def test_client_pause_holds_requests_back_whole(server: Server) -> None:
    reader, writer = server.connect(), server.connect()
    server("CLIENT", "PAUSE", "1000", "WRITE")
    assert reader("GET", "a") == b"$-1\r\n"
    assert writer.send(encode("GET", "a") + encode("SET", "a", "1") + encode("GET", "a")) == b"$-1\r\n"
    assert reader("GET", "a") == b"$-1\r\n"
    server.clock.advance(1)
    server.clock.advance(0)
    assert writer.read() == b"+OK\r\n$1\r\n1\r\n"


def test_client_unpause_ends_it_at_once(server: Server) -> None:
    server("CLIENT", "PAUSE", "100000", "WRITE")
    client = server.connect()
    client("SET", "a", "1")
    server("CLIENT", "UNPAUSE")
    server.clock.advance(0)
    assert client.read() == b"+OK\r\n"
