"""The rules of MULTI, EXEC and WATCH."""

from __future__ import annotations

import pytest

from tests.support.server import Connection, Server
from twisted_redis.resp.types import OK, ErrorReply, NullArray


@pytest.fixture
def server() -> Server:
    return Server()


def test_queued_commands_run_at_exec(server: Server) -> None:
    first, second = server.connect(), server.connect()
    assert first("MULTI") == b"+OK\r\n"
    assert first("SET", "a", "1") == b"+QUEUED\r\n"
    assert first("GET", "a") == b"+QUEUED\r\n"
    assert second("GET", "a") == b"$-1\r\n"
    assert first("EXEC") == b"*2\r\n+OK\r\n$1\r\n1\r\n"
    assert second("GET", "a") == b"$1\r\n1\r\n"


def test_an_error_at_run_time_stops_nothing(server: Server) -> None:
    server("SET", "a", "text")
    server("MULTI")
    server("INCR", "a")
    server("SET", "b", "1")
    replies = server("EXEC")
    assert isinstance(replies[0], ErrorReply)
    assert replies[1] is OK


@pytest.mark.parametrize("bad", [("NOSUCH",), ("GET",), ("GET", "a", "b"), ("CLIENT", "NOSUCH")])
def test_an_error_while_queueing_aborts(server: Server, bad: tuple[str, ...]) -> None:
    server("MULTI")
    assert isinstance(server(*bad), ErrorReply)
    server("SET", "a", "1")
    assert server("EXEC") == b"EXECABORT Transaction discarded because of previous errors."
    assert server("GET", "a") is None
    assert server("EXEC") == b"ERR EXEC without MULTI"


def test_nesting_is_refused_but_does_not_abort(server: Server) -> None:
    server("MULTI")
    assert server("MULTI") == b"ERR MULTI calls can not be nested"
    assert server("WATCH", "a") == b"ERR WATCH inside MULTI is not allowed"
    assert server("EXEC") == []


def test_the_memory_of_the_queue_is_measured_at_any_time(server: Server) -> None:
    client, other = server.connect(), server.connect()
    line = ("CLIENT", "LIST", "ID", client("CLIENT", "ID")[1:].decode().strip())
    client("MULTI")
    size = 0
    for count in range(1, 4):
        client("SET", "key", "x" * count)
        size += len("SET") + len("key") + count
        for _ in range(2):
            assert f" multi={count} ".encode() in other(*line)
            assert f" multi-mem={size} ".encode() in other(*line)
    client("EXEC")
    client("MULTI")
    client("GET", "key")
    assert b" multi-mem=6 " in other(*line)


@pytest.mark.parametrize("denied", [False, True])
def test_exec_is_refused_where_its_commands_are(server: Server, denied: bool) -> None:
    client = server.connect()
    client("MULTI")
    client("SET", "a", "1")
    if denied:
        server("CONFIG", "SET", "min-replicas-to-write", "1")
    reply = client("EXEC")
    if denied:
        assert reply == (
            b"-EXECABORT Transaction discarded because of: NOREPLICAS Not enough good replicas to write.\r\n"
        )
    else:
        assert reply == b"*1\r\n+OK\r\n"
    assert server("EXISTS", "a") == int(not denied)


def test_discard(server: Server) -> None:
    assert server("DISCARD") == b"ERR DISCARD without MULTI"
    server("MULTI")
    server("SET", "a", "1")
    assert server("DISCARD") is OK
    assert server("GET", "a") is None


def watching(server: Server, *keys: str) -> Connection:
    client = server.connect()
    client("WATCH", *keys)
    return client


def commits(client: Connection) -> bool:
    client("MULTI")
    client("PING")
    return client("EXEC") != b"*-1\r\n"


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (("SET", "a", "2"), True),
        (("DEL", "a"), True),
        (("EXPIRE", "a", "100"), True),
        (("APPEND", "a", "x"), True),
        (("RENAME", "a", "z"), True),
        (("FLUSHALL",), True),
        (("FLUSHDB",), True),
        (("SWAPDB", "0", "1"), True),
        (("GET", "a"), False),
        (("SET", "b", "2"), False),
        (("SETNX", "a", "2"), False),
        (("DEL", "nothing"), False),
    ],
)
def test_changes_that_abort_a_watch(server: Server, change: tuple[str, ...], seen: bool) -> None:
    server("SET", "a", "1")
    client = watching(server, "a")
    server(*change)
    assert commits(client) is not seen
    assert commits(client), "watching ends with EXEC"


def test_flushing_nothing_is_no_change(server: Server) -> None:
    client = watching(server, "a")
    server("FLUSHALL")
    assert commits(client)


def test_unwatch_and_discard_forget(server: Server) -> None:
    client = watching(server, "a")
    server("SET", "a", "1")
    client("UNWATCH")
    assert commits(client)
    client("WATCH", "a")
    client("MULTI")
    client("DISCARD")
    server("SET", "a", "2")
    assert commits(client)


def test_own_changes_count_too(server: Server) -> None:
    server("WATCH", "a")
    server("SET", "a", "1")
    server("MULTI")
    assert server("EXEC") is NullArray


def test_a_key_that_expires_aborts(server: Server) -> None:
    server("SET", "a", "1", "PX", 100)
    client = watching(server, "a")
    server.clock.advance(1)
    assert not commits(client)


def test_a_key_that_had_expired_already_does_not(server: Server) -> None:
    server("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    server("SET", "a", "1", "PX", 100)
    server.clock.advance(1)
    client = watching(server, "a")
    server("DEL", "a")
    assert commits(client)


def test_a_watch_ends_with_the_connection(server: Server) -> None:
    client = watching(server, "a", "b")
    assert server.engine.effects.watch_count == 2
    client.protocol.connectionLost()
    assert server.engine.effects.watch_count == 0
    assert not server.engine.databases[0].watched
    assert not server.engine.effects.observed


def test_blocking_commands_do_not_wait_inside(server: Server) -> None:
    server("MULTI")
    server("BLPOP", "nothing", "0")
    assert server("EXEC") == [NullArray]
