"""Hostile connections: the memory and the time that they can make the server hold are limited."""

from __future__ import annotations

import pytest

from tests.support.server import Connection, Server, encode
from twisted_redis.config.special import BufferLimit, BufferLimits
from twisted_redis.net import connection as connection_module

NO_LIMIT = BufferLimit(0, 0, 0)


@pytest.fixture
def server() -> Server:
    return Server()


def gone(client: Connection) -> bool:
    """True if the server has closed the connection."""
    return client.closed


@pytest.mark.parametrize("head", [b"POST / HTTP/1.1\r\n", b"Host: localhost:6379\r\n", b"*1\r\n$4\r\npost\r\n"])
def test_a_browser_is_cut_off(server: Server, head: bytes) -> None:
    client = server.connect()
    assert client.send(head + encode("SET", "a", "1") + b"SET a 1\r\n") == b""
    assert gone(client)
    assert server("GET", "a") is None
    level, text = server.logged[-1]
    assert level == "warning"
    assert text.startswith("Possible SECURITY ATTACK detected.")
    assert text.endswith("Connection from 127.0.0.1:50000 aborted.")


def test_attacks_are_logged_once_a_minute(server: Server) -> None:
    for _ in range(3):
        server.connect().send(b"POST / HTTP/1.1\r\n")
    assert len(server.logged) == 1
    server.advance(61)
    server.connect().send(b"POST / HTTP/1.1\r\n")
    assert len(server.logged) == 2


def test_a_browser_is_cut_off_before_it_logs_in() -> None:
    server = Server(requirepass="secret")
    client = server.connect()
    assert client.send(b"POST / HTTP/1.1\r\n") == b""
    assert gone(client)


def test_an_renamed_command_may_be_called_post(server: Server) -> None:
    server.engine.commands.rename("ping", "post")
    assert server.connect().send(b"POST hello\r\n") == b"$5\r\nhello\r\n"


class Slow:
    """A transport whose peer reads nothing."""

    def __init__(self, client: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
        self.client = client
        self.pending = 0
        monkeypatch.setattr(connection_module, "pending_output", lambda transport: self.pending)
        client.protocol.connection._send = self.send

    def send(self, data: bytes) -> None:
        self.pending += len(data)
        if self.pending > 64 * 1024:
            self.client.protocol.pauseProducing()


def test_a_pipeline_of_large_replies_is_executed_in_slices(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """One read requests gigabytes. The server creates only as many replies as the peer may leave unread."""
    server("SET", "big", b"x" * 1_000_000)
    client = server.connect()
    slow = Slow(client, monkeypatch)
    client.send(encode("GET", "big") * 2000)
    for _ in range(2000):
        server.clock.advance(0)
    assert connection_module.HIGH_WATER < slow.pending < connection_module.HIGH_WATER + 3_000_000
    assert server.engine.commands.by_name[b"get"].spec.name == "get"
    assert client.transport.producerState == "paused"


@pytest.mark.parametrize("call", [("GET", "big"), ("LRANGE", "list", 0, -1), ("MGET", *["big"] * 3)])
def test_slices_lose_and_repeat_nothing(server: Server, call: tuple[str | int, ...]) -> None:
    server("SET", "big", b"x" * 400_000)
    server("RPUSH", "list", *[b"y" * 1000] * 500)
    client = server.connect()
    once = client(*call)
    assert client.send(encode(*call) * 20 + encode("PING")) == once * 20 + b"+PONG\r\n"
    client("MULTI")
    client("DISCARD")
    client("CLIENT", "TRACKING", "ON")
    assert client.send(encode(*call) * 20 + encode("PING")) == once * 20 + b"+PONG\r\n"


def test_a_reply_over_the_limit_is_not_sent() -> None:
    limits = BufferLimits(BufferLimit(100_000, 0, 0), NO_LIMIT, NO_LIMIT)
    server = Server(client_output_buffer_limit=limits)
    server("SET", "big", b"x" * 200_000)
    client = server.connect()
    assert client.send(encode("SET", "a", 1) + encode("GET", "big")) == b""
    assert gone(client)
    assert server("GET", "a") == b"1"
    assert server.engine.stats.output_buffer_closed == 1
    assert not any(c.link is client.protocol for c in server.engine.clients.values())


def test_low_limits_hold_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The amount is too small for the transport to report it."""
    limits = BufferLimits(BufferLimit(0, 2000, 5), NO_LIMIT, NO_LIMIT)
    server = Server(client_output_buffer_limit=limits)
    client = server.connect()
    Slow(client, monkeypatch)
    client("ECHO", "x" * 1000)
    server.factory.cron(server.clock.seconds())
    client("ECHO", "x" * 1500)
    server.clock.advance(4)
    server.factory.cron(server.clock.seconds())
    assert not gone(client)
    server.clock.advance(2)
    server.factory.cron(server.clock.seconds())
    assert gone(client)


def test_an_unauthenticated_client_gets_little_output(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(requirepass="secret")
    client = server.connect()
    Slow(client, monkeypatch)
    sent = 0
    while not gone(client) and sent < 100:
        client("GET", "a")
        sent += 1
    assert gone(client)
    assert (sent - 1) * len("-NOAUTH Authentication required.\r\n") < 1100


def test_a_request_that_never_ends(server: Server) -> None:
    server.config.client_query_buffer_limit = 1 << 20
    client = server.connect()
    client.send(b"*2\r\n$3\r\nGET\r\n$900000\r\n")
    for _ in range(50):
        client.send(b"x" * 16384)
    assert not gone(client)
    client = server.connect()
    client.send(b"*3\r\n$3\r\nSET\r\n$900000\r\n" + b"x" * 900_000 + b"\r\n$900000\r\n")
    for _ in range(50):
        client.send(b"x" * 16384)
    assert gone(client)
    assert server.engine.stats.query_buffer_closed == 1


@pytest.mark.parametrize(
    ("calls", "idles_out"),
    [
        ([("PING",)], True),
        ([("MULTI",)], True),
        ([("CLIENT", "TRACKING", "ON")], True),
        ([("SUBSCRIBE", "news")], False),
        ([("BLPOP", "list", "0")], False),
    ],
)
def test_a_client_that_is_silent_for_too_long(calls: list[tuple[str, ...]], idles_out: bool) -> None:
    server = Server(timeout=10)
    client = server.connect()
    for call in calls:
        client(*call)
    server.clock.advance(9)
    server.factory.close_idle(server.clock.seconds())
    assert not gone(client)
    server.clock.advance(2)
    server.factory.close_idle(server.clock.seconds())
    assert gone(client) is idles_out


def test_a_client_that_never_logs_in_times_out() -> None:
    server = Server(timeout=10, requirepass="secret")
    client = server.connect()
    client("GET", "a")
    server.clock.advance(11)
    server.factory.close_idle(server.clock.seconds())
    assert gone(client)


def test_killed_clients_are_gone_at_once(server: Server) -> None:
    client, other = server.connect(), server.connect()
    client("MULTI")
    answer = other.send(
        encode("CLIENT", "KILL", "ID", client.protocol.client.id)
        + encode("CLIENT", "LIST", "ID", client.protocol.client.id)
    )
    assert answer == b":1\r\n$0\r\n\r\n"
    assert gone(client)


@pytest.mark.parametrize(
    ("allowed", "host", "runs"),
    [
        ("no", "127.0.0.1", False),
        ("local", "127.0.0.1", True),
        ("local", "192.0.2.7", False),
        ("yes", "192.0.2.7", True),
    ],
)
def test_debug_is_for_those_who_may(allowed: str, host: str, runs: bool) -> None:
    server = Server(enable_debug_command=allowed, protected_mode=False)
    answer = server.connect(host)("DEBUG", "JMAP")
    assert answer.startswith(b"-ERR DEBUG command not allowed.") is not runs


@pytest.mark.parametrize(
    ("allowed", "host", "runs"),
    [
        ("no", "127.0.0.1", False),
        ("local", "127.0.0.1", True),
        ("local", "192.0.2.7", False),
        ("yes", "192.0.2.7", True),
    ],
)
def test_protected_directives_are_for_those_who_may(allowed: str, host: str, runs: bool) -> None:
    server = Server(enable_protected_configs=allowed, protected_mode=False)
    answer = server.connect(host)("CONFIG", "SET", "dbfilename", "other.rdb")
    assert (answer == b"+OK\r\n") is runs


@pytest.mark.parametrize("call", [("SRANDMEMBER", "set"), ("HRANDFIELD", "hash"), ("ZRANDMEMBER", "zset")])
def test_a_reply_over_the_limit_is_not_even_made(call: tuple[str, str]) -> None:
    limits = BufferLimits(BufferLimit(1_000_000, 0, 0), NO_LIMIT, NO_LIMIT)
    server = Server(client_output_buffer_limit=limits)
    server("SADD", "set", "a")
    server("HSET", "hash", "a", "b")
    server("ZADD", "zset", 1, "a")
    client = server.connect()
    assert client.send(encode(*call, -999_999_999)) == b""
    assert gone(client)
    assert server.engine.stats.output_buffer_closed == 1
    assert server.connect()(*call, -10).startswith(b"*10\r\n")
