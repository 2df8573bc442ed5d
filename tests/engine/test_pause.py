"""CLIENT PAUSE and other pauses: which requests wait, which do not, and what else stops meanwhile."""

from __future__ import annotations

import pytest

from tests.support.server import Server
from twisted_redis.engine.pause import CLIENTS, FAILOVER


@pytest.fixture
def server() -> Server:
    return Server()


def blocked(server: Server) -> int:
    lines = bytes(server("INFO", "clients")).decode().splitlines()
    return int(next(line for line in lines if line.startswith("blocked_clients:")).partition(":")[2])


def test_writes_wait_and_reads_do_not(server: Server) -> None:
    client = server.connect()
    server("CLIENT", "PAUSE", 1000, "WRITE")
    assert client("GET", "a") == b"$-1\r\n"
    assert client("SET", "a", 1) == b""
    assert blocked(server) == 1
    assert b" flags=b " in bytes(server("CLIENT", "LIST", "ID", client.protocol.client.id))
    server.advance(1.1)
    assert client.read() == b"+OK\r\n"
    assert blocked(server) == 0


def test_unpause(server: Server) -> None:
    clients = [server.connect() for _ in range(3)]
    server("CLIENT", "PAUSE", 100_000)
    assert [client("GET", "a") for client in clients] == [b""] * 3
    server.engine.turns.begin()
    clients[0]("CLIENT", "ID")
    server.engine.turns.end()
    server.engine.pauses.release(CLIENTS)
    server.clock.advance(0)
    assert clients[1].read() == b"$-1\r\n"
    assert clients[0].read() == b"$-1\r\n:%d\r\n" % clients[0].protocol.client.id


def test_a_pause_is_not_shortened_or_weakened(server: Server) -> None:
    client = server.connect()
    admin = server.connect()
    admin("CLIENT", "PAUSE", 2000, "WRITE")
    server("CLIENT", "PAUSE", 200, "WRITE")
    server.advance(1)
    assert client("SET", "a", 1) == b""
    server.advance(1.1)
    assert client.read() == b"+OK\r\n"


def test_nothing_expires_meanwhile(server: Server) -> None:
    server("SET", "a", 1, "PX", 100)
    server("HSET", "h", "f", "v", "g", "w")
    server("HPEXPIRE", "h", 100, "FIELDS", 1, "f")
    server("CLIENT", "PAUSE", 10_000, "WRITE")
    server.advance(1)
    assert server("GET", "a") is None
    assert server("HGET", "h", "f") is None
    assert server("RANDOMKEY") in (b"a", b"h")
    assert server.engine.stats.expired_keys == 0
    assert server.engine.stats.expired_fields == 0
    server("CLIENT", "UNPAUSE")
    server.advance(0.2)
    assert server.engine.stats.expired_keys == 1
    assert server.engine.stats.expired_fields == 1
    assert server("RANDOMKEY") == b"h"


def test_a_pause_for_each_purpose(server: Server) -> None:
    client = server.connect()
    server.engine.pauses.hold_writes(FAILOVER)
    server("CLIENT", "PAUSE", 1000, "WRITE")
    server.advance(5)
    assert client("SET", "a", 1) == b""
    server("CLIENT", "UNPAUSE")
    server.clock.advance(0)
    assert client.read() == b""
    server.engine.pauses.release(FAILOVER)
    server.clock.advance(0)
    assert client.read() == b"+OK\r\n"
    assert not server.engine.gates


def test_from_all_to_writes(server: Server) -> None:
    reader, writer = server.connect(), server.connect()
    server.engine.pauses.hold_writes(FAILOVER)
    server("CLIENT", "PAUSE", 1000, "ALL")
    assert reader("GET", "a") == b""
    assert writer("SET", "a", 1) == b""
    server.advance(1.1)
    assert reader.read() == b"$-1\r\n"
    assert writer.read() == b""
    server.engine.pauses.release(FAILOVER)
    server.clock.advance(0)
    assert writer.read() == b"+OK\r\n"


def test_a_transaction_is_paused_as_a_whole(server: Server) -> None:
    client = server.connect()
    client("MULTI")
    client("SET", "a", 1)
    client("CLIENT", "PAUSE", 60_000, "WRITE")
    client("SET", "b", 1)
    assert client("EXEC") == b"*3\r\n+OK\r\n+OK\r\n+OK\r\n"
    assert client("MULTI") == b"+OK\r\n"
    assert client("GET", "a") == b"+QUEUED\r\n"
    # A write waits before it is queued, and so does everything after it.
    assert client("SET", "a", 2) == b""
    assert client("EXEC") == b""
    server.advance(61)
    assert client.read() == b"+QUEUED\r\n*2\r\n$1\r\n1\r\n+OK\r\n"


def test_a_client_that_disconnects_while_paused(server: Server) -> None:
    client = server.connect()
    server("CLIENT", "PAUSE", 1000, "WRITE")
    client("SET", "a", 1)
    client.protocol.connectionLost()
    assert blocked(server) == 0
    server.advance(2)
    assert server("GET", "a") is None


def test_a_transaction_of_scripts_that_only_read(server: Server) -> None:
    pytest.importorskip("lupa")
    server("EVAL", "return 1", 0)
    client = server.connect()
    server("CLIENT", "PAUSE", 60_000, "WRITE")
    client("MULTI")
    client("EVAL", "#!lua flags=no-writes\nreturn 12", 0)
    assert client("EXEC") == b"*1\r\n:12\r\n"
    client("MULTI")
    client("EVAL", "#!lua\nreturn 12", 0)
    assert client("EXEC") == b""
