"""One connection over an in-memory transport: limits, errors, back-pressure, closing."""

from __future__ import annotations

import random

import pytest

from tests.support.server import Server, encode
from twisted_redis.net import connection as connection_module


@pytest.fixture
def server() -> Server:
    return Server()


def test_a_pipeline_is_answered_in_one_write(server: Server) -> None:
    client = server.connect()
    writes: list[bytes] = []
    client.protocol.connection._send = writes.append  # type: ignore[assignment]
    client.send(encode("SET", "a", "1") + encode("GET", "a") + encode("INCR", "a"))
    assert writes == [b"+OK\r\n$1\r\n1\r\n:2\r\n"]


def test_a_protocol_error_comes_after_what_was_before_it(server: Server) -> None:
    client = server.connect()
    assert client.send(encode("PING") + b"*1\r\nfooz\r\n" + encode("PING")) == (
        b"+PONG\r\n-ERR Protocol error: expected '$', got 'f'\r\n"
    )
    assert client.closed
    assert client.send(encode("SET", "a", "1")) == b""
    assert server("GET", "a") is None


def test_an_inline_request(server: Server) -> None:
    client = server.connect()
    assert client.send(b'SET "a b" "x\\ny"\r\n') == b"+OK\r\n"
    assert server("GET", "a b") == b"x\ny"


def test_hello_changes_the_protocol(server: Server) -> None:
    client = server.connect()
    assert client("HELLO", "3").startswith(b"%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n")
    assert client("GET", "nothing") == b"_\r\n"
    assert client("HELLO", "4") == b"-NOPROTO unsupported protocol version\r\n"
    assert client("HELLO", "2").startswith(b"*14\r\n")
    assert client("GET", "nothing") == b"$-1\r\n"


def test_quit_closes_after_its_answer(server: Server) -> None:
    client = server.connect()
    assert client.send(encode("SET", "a", "1") + encode("QUIT") + encode("SET", "a", "2")) == b"+OK\r\n+OK\r\n"
    assert client.closed
    assert server("GET", "a") == b"1"


def test_client_reply(server: Server) -> None:
    client = server.connect()
    assert client("CLIENT", "REPLY", "OFF") == b""
    assert client("SET", "a", "1") == b""
    assert client("CLIENT", "REPLY", "ON") == b"+OK\r\n"
    assert client("CLIENT", "REPLY", "SKIP") == b""
    assert client("PING") == b""
    assert client("PING") == b"+PONG\r\n"


def test_maxclients() -> None:
    server = Server(maxclients=2)  # the test's own client is the first
    server.connect()
    refused = server.connect()
    assert refused.read() == b"-ERR max number of clients reached\r\n"
    assert refused.closed
    assert server.engine.stats.rejected_connections == 1
    assert len(server.engine.clients) == 2


def test_protected_mode_turns_strangers_away() -> None:
    server = Server()
    stranger = server.connect("192.0.2.7")
    assert stranger.read().startswith(b"-DENIED Redis is running in protected mode")
    assert stranger.closed
    assert not server.connect("127.0.0.5").closed
    assert not server.connect("::1").closed
    server.config.protected_mode = False
    assert not server.connect("192.0.2.7").closed


def test_before_authentication() -> None:
    server = Server(requirepass="secret")
    client = server.connect("192.0.2.7")
    assert client("GET", "a") == b"-NOAUTH Authentication required.\r\n"
    assert client("AUTH", "wrong") == b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    assert client.send(encode("AUTH", "secret") + encode("MGET", *["k"] * 20)).startswith(b"+OK\r\n*20\r\n")
    other = server.connect()
    assert other("MGET", *["k"] * 20) == b"-ERR Protocol error: unauthenticated multibulk length\r\n"
    assert other.closed


@pytest.mark.parametrize("request_", [encode("PING"), b"PING\r\n"])
def test_one_read_before_authentication_makes_so_many_replies_and_no_more(request_: bytes) -> None:
    """Redis 8.0.2 answers 481 such requests from one read. With one more, it closes without answering any of them."""
    refusal = b"-NOAUTH Authentication required.\r\n"
    server = Server(requirepass="secret")
    client = server.connect()
    assert client.send(request_ * 481) == refusal * 481
    assert client.send(request_ * 481) == refusal * 481
    assert not client.closed
    server.engine.turns.begin()  # like a round of the hub, which sends replies at its end
    client.send(request_ * 20_000)
    server.engine.turns.end()
    assert client.closed
    assert client.read() == b""
    errors = server.engine.stats.error_total
    assert errors == 3 * 481 + 1
    assert server.engine.stats.output_buffer_closed == 1


@pytest.mark.parametrize("attempt", [("AUTH", "wrong"), ("HELLO", "3", "AUTH", "default", "wrong")])
def test_every_failed_login_of_a_pipeline_is_answered(attempt: tuple[str, ...]) -> None:
    """Redis 8.0.2 answers only the first one, so a client that sends a pipeline receives one reply too few."""
    refusal = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    client = Server(requirepass="secret").connect()
    assert client.send(encode("PING") + encode(*attempt) * 3 + encode("AUTH", "secret")) == (
        b"-NOAUTH Authentication required.\r\n" + refusal * 3 + b"+OK\r\n"
    )


def test_after_authentication_the_rest_of_a_read_is_not_limited() -> None:
    server = Server(requirepass="secret")
    client = server.connect()
    assert client.send(encode("PING") * 400 + encode("AUTH", "secret") + encode("PING") * 5000) == (
        b"-NOAUTH Authentication required.\r\n" * 400 + b"+OK\r\n" + b"+PONG\r\n" * 5000
    )
    assert not client.closed


def test_a_client_that_does_not_read_is_not_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "HIGH_WATER", 1000)
    pending = 0
    monkeypatch.setattr(connection_module, "pending_output", lambda transport: pending)
    client = server.connect()
    client.protocol.pauseProducing()  # the socket is full
    pending = 1001
    assert client("PING") == b"+PONG\r\n"
    assert client.transport.producerState == "paused"
    assert client.send(encode("SET", "a", "1")) == b"", "nothing is executed either"
    assert server("GET", "a") is None
    pending = 0
    client.protocol.resumeProducing()
    server.clock.advance(0)
    assert client.transport.producerState == "producing"
    assert client.read() == b"+OK\r\n"


@pytest.mark.parametrize(
    ("pending", "seconds", "closed"),
    [(999, 0, False), (1000, 0, True), (500, 4.9, False), (500, 5.2, True), (499, 60, False)],
)
def test_output_limits(monkeypatch: pytest.MonkeyPatch, pending: int, seconds: float, closed: bool) -> None:
    server = Server()
    server.config.set([(b"client-output-buffer-limit", b"normal 1000 500 5")])
    monkeypatch.setattr(connection_module, "pending_output", lambda transport: pending)
    client = server.connect()
    client.protocol.pauseProducing()
    client.protocol.connection.check_output()
    server.clock.advance(seconds)
    server.factory.cron(server.clock.seconds())
    assert client.closed is closed
    assert server.engine.stats.output_buffer_closed == int(closed)


def test_the_query_buffer_limit(server: Server) -> None:
    server.config.client_query_buffer_limit = 100_000
    client = server.connect()
    client.send(b"*2\r\n$4\r\nECHO\r\n$200000\r\n")
    for _ in range(30):
        if client.closed:
            break
        client.send(b"x" * 5000)
    assert client.closed
    assert server.engine.stats.query_buffer_closed == 1


def test_idle_clients_are_closed_and_waiting_ones_are_not() -> None:
    server = Server(timeout=10)
    idle, waiting = server.connect(), server.connect()
    waiting("BLPOP", "l", "0")
    server.clock.advance(11)
    server.factory.close_idle(server.clock.seconds())
    assert idle.closed
    assert not waiting.closed


def test_client_kill(server: Server) -> None:
    first, second = server.connect(), server.connect()
    number = second.protocol.client.id
    assert first("CLIENT", "KILL", "ID", number) == b":1\r\n"
    assert second.closed
    assert first("CLIENT", "KILL", "ID", first.protocol.client.id) == b":0\r\n", "SKIPME is the default"
    assert first("CLIENT", "KILL", "ID", first.protocol.client.id, "SKIPME", "no") == b":1\r\n"
    assert first.closed


def test_a_bug_in_a_command_costs_one_error(server: Server) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    server.engine.commands.by_name[b"get"].function = broken
    logged: list[str] = []
    server.engine.log = lambda level, text: logged.append(level)
    client = server.connect()
    assert client.send(encode("GET", "a") + encode("PING")) == b"-ERR internal error\r\n+PONG\r\n"
    assert logged == ["failure"]


def hostile(rng: random.Random) -> bytes:
    """Returns a malformed or unusual piece of a request."""
    kind = rng.randrange(9)
    if kind == 0:
        return rng.randbytes(rng.randrange(1, 40))
    if kind == 1:
        return b"*%d\r\n" % rng.choice([-1, 0, 1, 2, 3, 1024 * 1024, 2**31 - 1, 2**31, 2**63, -(2**63)])
    if kind == 2:
        return b"$%d\r\n" % rng.choice([-2, -1, 0, 1, 5, 2**29, 2**29 + 1, 2**64])
    if kind == 3:
        data = bytearray(encode("SET", "key", "value"))
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        return bytes(data)
    if kind == 4:
        return encode("GET", "key")[: rng.randrange(1, 20)]
    if kind == 5:
        return rng.choice(
            [b"\r\n", b"\n", b"\r", b"*", b"$", b":1\r\n", b"+OK\r\n", b"-ERR\r\n", b"_\r\n", b"%1\r\n", b"\0"]
        )
    if kind == 6:
        return rng.choice(
            [b'"unbalanced\r\n', b"'x\r\n", b'"\\xZZ"\r\n', b"GET\r\n", b"SET a\r\n", b"x " * 50 + b"\r\n"]
        )
    if kind == 7:
        return encode(*[rng.randbytes(rng.randrange(6)) for _ in range(rng.randrange(1, 6))])
    return encode(
        rng.choice(["GET", "SET", "LPUSH", "EXPIRE", "CONFIG", "CLIENT", "OBJECT", "DEBUG"]), rng.randbytes(3), b"\xff"
    )


def test_malformed_requests_cost_nobody_else_anything() -> None:
    """100,000 of them cause no traceback (the server's log would fail the test) and do not affect another client."""
    server = Server()
    rng = random.Random(8)
    witness = server.connect()
    witness("SET", "witness", "here")
    client = server.connect()
    closed = 0
    for number in range(100_000):
        client.protocol.dataReceived(hostile(rng))
        if client.closed:
            closed += 1
            client.protocol.connectionLost()
            client = server.connect()
        elif not number % 50:
            client.protocol.connectionLost()
            client = server.connect()
        if not number % 1000:
            client.transport.clear()
            assert witness("GET", "witness") == b"$4\r\nhere\r\n"
    assert closed > 10_000
    assert witness("PING") == b"+PONG\r\n"
    assert len(server.engine.clients) == 3
