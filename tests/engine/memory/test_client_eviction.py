"""maxmemory-clients: the memory of clients, and which client is closed when they use too much."""

from __future__ import annotations

import pytest

from tests.support.server import Connection, Server, encode

MB = 1 << 20


@pytest.fixture
def server() -> Server:
    return Server()


def limit(server: Server, value: str) -> None:
    assert server("CONFIG", "SET", "maxmemory-clients", value) == b"OK"
    server.clock.advance(0)


def filled(server: Server, size: int) -> Connection:
    """Opens a client that has sent the first ``size`` bytes of a longer request."""
    client = server.connect()
    client.send(b"*2\r\n$%d\r\n" % size + b"v" * size + b"\r\n")
    return client


def gone(client: Connection) -> bool:
    return client.closed


def test_the_fattest_go_first(server: Server) -> None:
    clients = [filled(server, size) for size in (MB, 128 * 1024, 3 * MB, MB)]
    limit(server, "3mb")
    assert [gone(client) for client in clients] == [False, False, True, False]
    limit(server, "1mb")
    assert [gone(client) for client in clients] == [True, False, True, True]
    assert server.engine.stats.evicted_clients == 3
    assert any("Evicting client: id=" in text for _, text in server.logged)


def test_one_that_grows(server: Server) -> None:
    limit(server, "1mb")
    others = [server.connect() for _ in range(5)]
    client = server.connect()
    client.send(b"*2\r\n$2000000\r\n")
    for _ in range(100):
        client.send(b"v" * 20_000)
    assert gone(client)
    assert not any(map(gone, others))


def test_a_transaction_that_grows(server: Server) -> None:
    limit(server, "1mb")
    client = server.connect()
    client("MULTI")
    for _ in range(5):
        client("SET", "k", "v" * (MB // 4))
    assert gone(client)
    assert server("GET", "k") is None


def test_an_executed_transaction_weighs_nothing(server: Server) -> None:
    limit(server, "1mb")
    client = server.connect()
    for _ in range(5):
        client("MULTI")
        client("SET", "k", "v" * (MB // 4))
        client("EXEC")
    assert not gone(client)
    assert b" multi-mem=0 " in client("CLIENT", "INFO")


@pytest.mark.parametrize(
    "call",
    [("WATCH",), ("SUBSCRIBE",), ("PSUBSCRIBE",), ("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX")],
)
def test_state_remembered_for_a_client(server: Server, call: tuple[str, ...]) -> None:
    limit(server, "200000")
    client = server.connect()
    client("HELLO", 3)
    for number in range(10_000):
        client(*call, f"{number:06d}")
        if gone(client):
            break
    assert gone(client)
    assert number > 100


def test_clients_that_must_not_be_closed(server: Server) -> None:
    client = server.connect()
    client("CLIENT", "NO-EVICT", "ON")
    client.send(b"*2\r\n$%d\r\n" % MB + b"v" * MB)
    limit(server, "200000")
    assert not gone(client)
    assert not server.logged, "it does not even count"


def test_a_part_of_maxmemory(server: Server) -> None:
    server("CONFIG", "SET", "maxmemory", "10mb")
    limit(server, "5%")
    assert not gone(filled(server, 400_000))
    assert gone(filled(server, 600_000))
    server("CONFIG", "SET", "maxmemory", "100mb")
    assert not gone(filled(server, 600_000))


def test_silent_clients_are_weighed_in_turn(server: Server) -> None:
    limit(server, "1mb")
    client = server.connect()
    client("CLIENT", "NO-EVICT", "ON")
    client.send(encode("MULTI"))
    client.send(b"*2\r\n$%d\r\n" % (2 * MB) + b"v" * (2 * MB - 10))
    assert not gone(client)
    client.protocol.client.gates &= ~(1 << 11)
    for _ in range(server.config.hz):
        server.factory.cron(server.clock.seconds())
    assert gone(client)


def test_no_limit_weighs_nothing(server: Server) -> None:
    filled(server, MB)
    assert server.engine.client_eviction.limit == 0
    assert not server.engine.client_eviction._sizes


def test_the_line_of_a_client(server: Server) -> None:
    client = filled(server, MB)
    line = bytes(server("CLIENT", "LIST", "ID", client.protocol.client.id)).decode()
    fields = dict(field.split("=", 1) for field in line.split())
    assert int(fields["qbuf"]) >= MB
    assert MB < int(fields["tot-mem"]) < MB + 20_000
