"""The conversations of MIGRATE: replies in pieces, refusals, silence, disconnects, and cached connections."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone, ConnectionRefusedError, DNSLookupError, TimeoutError
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from tests.support.server import Server, encode
from twisted_redis.engine.migration import Order, Outcome, failed
from twisted_redis.net.migrating import CHUNK, KEPT, KEPT_FOR, MigrateConnections

SELECT = encode("SELECT", 2)
RESTORES = [encode("RESTORE", name, 0, "dump") for name in "abc"]


class Transport(StringTransport):
    """A transport whose socket accepts everything at once, unless it is ``stuck``."""

    stuck = False

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        super().registerProducer(producer, streaming)
        while self.producer is not None and not self.stuck:
            producer.resumeProducing()


class Reactor:
    """Records the attempts to connect."""

    def __init__(self) -> None:
        self.wanted: list[tuple[str, int, Any, float]] = []
        self.stuck = False
        self.refusal: Exception | None = None
        self.given_up = 0

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float) -> Reactor:
        if self.refusal is not None:
            raise self.refusal
        self.wanted.append((host, port, factory, timeout))
        return self

    def stopConnecting(self) -> None:
        self.given_up += 1

    def accept(self) -> Peer:
        return Peer(self.wanted.pop(0)[2], self.stuck)

    def fail(self, problem: Exception) -> None:
        self.wanted.pop(0)[2].clientConnectionFailed(None, Failure(problem))


class Peer:
    """The peer of a connection."""

    def __init__(self, factory: Any, stuck: bool) -> None:
        self.transport = Transport()
        self.transport.stuck = stuck
        self.connection = factory.buildProtocol(None)
        self.connection.makeConnection(self.transport)

    def heard(self) -> bytes:
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def say(self, data: bytes) -> None:
        self.connection.dataReceived(data)

    def hang_up(self) -> None:
        self.connection.connectionLost(Failure(ConnectionDone()))


class Bench:
    """A server in which connections work."""

    def __init__(self) -> None:
        self.server = Server()
        self.reactor = Reactor()
        self.connections = MigrateConnections(self.reactor, self.server.engine, lambda: None)
        self.outcomes: list[Outcome] = []

    def order(self, **changes: Any) -> None:
        given = {"host": "h", "port": 7, "database": 2, "timeout": 0.5, "login": b"", "restores": RESTORES}
        self.connections.carry(Order(**{**given, **changes}), self.outcomes.append)
        assert self.outcomes == []
        self.server.clock.advance(0)

    def outcome(self) -> tuple[list[bool], bytes]:
        outcome = self.outcomes.pop()
        assert self.outcomes == []
        return outcome.confirmed, outcome.error

    @property
    def kept(self) -> int:
        text = bytes(self.server("INFO", "stats")).decode()  # type: ignore[arg-type]
        return int(text.partition("migrate_cached_sockets:")[2].split()[0])


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_conversation_byte_by_byte(bench: Bench) -> None:
    bench.order()
    assert bench.reactor.wanted[0][:2] == ("h", 7)
    assert bench.reactor.wanted[0][3] == 0.5
    peer = bench.reactor.accept()
    assert peer.heard() == SELECT + b"".join(RESTORES)
    for byte in b"+OK\r\n+OK\r\n+OK\r\n+OK\r":
        peer.say(bytes([byte]))
        assert bench.outcomes == []
    peer.say(b"\n")
    assert bench.outcome() == ([True] * 3, b"")


def test_a_connection_is_kept_for_a_while(bench: Bench) -> None:
    bench.order()
    peer = bench.reactor.accept()
    peer.say(b"+OK\r\n" * 4)
    bench.outcome()
    assert bench.kept == 1
    peer.heard()
    bench.server.clock.advance(KEPT_FOR - 1)
    bench.order(restores=RESTORES[:1])
    assert bench.kept == 0
    # The database is already selected.
    assert peer.heard() == RESTORES[0]
    peer.say(b"+OK\r\n")
    bench.outcome()
    bench.order(database=3, login=encode("AUTH", "secret"), restores=RESTORES[:1])
    assert peer.heard() == encode("AUTH", "secret") + encode("SELECT", 3) + RESTORES[0]
    peer.say(b"+OK\r\n" * 3)
    bench.outcome()
    assert not bench.reactor.wanted
    bench.server.clock.advance(KEPT_FOR)
    assert bench.kept == 0
    assert peer.transport.disconnected


def test_no_more_than_so_many_are_kept(bench: Bench) -> None:
    peers = []
    for port in range(1, KEPT + 3):
        bench.order(port=port)
        peers.append(bench.reactor.accept())
        peers[-1].say(b"+OK\r\n" * 4)
        bench.outcome()
    assert bench.kept == KEPT
    assert [peer.transport.disconnected for peer in peers].count(True) == 2
    bench.connections.close()
    assert bench.kept == 0
    assert all(peer.transport.disconnected for peer in peers)


def test_two_conversations_with_one_server(bench: Bench) -> None:
    bench.order()
    bench.order()
    first, second = bench.reactor.accept(), bench.reactor.accept()
    for peer in (first, second):
        peer.say(b"+OK\r\n" * 4)
        bench.outcome()
    assert bench.kept == 1
    assert first.transport.disconnected


def test_a_kept_connection_that_ends_or_speaks(bench: Bench) -> None:
    bench.order()
    peer = bench.reactor.accept()
    peer.say(b"+OK\r\n" * 4)
    bench.outcome()
    peer.hang_up()
    assert bench.kept == 0
    bench.order()
    peer = bench.reactor.accept()
    peer.say(b"+OK\r\n" * 4)
    bench.outcome()
    peer.say(b"+SURPRISE\r\n")
    assert peer.transport.disconnected


def test_refusals(bench: Bench) -> None:
    bench.order()
    peer = bench.reactor.accept()
    peer.say(b"+OK\r\n+OK\r\n-BUSYKEY there\r\n-OOM\r\n")
    assert bench.outcome() == ([True, False, False], b"ERR Target instance replied with error: BUSYKEY there")
    peer.heard()
    # The client no longer assumes which database is selected there.
    bench.order()
    assert peer.heard().startswith(SELECT)
    peer.say(b"-ERR no such db\r\n" + b"+OK\r\n" * 3)
    assert bench.outcome() == ([False] * 3, b"ERR Target instance replied with error: ERR no such db")


def test_another_server_than_redis(bench: Bench) -> None:
    bench.order()
    bench.reactor.accept().say(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n<html>\r\n")
    confirmed, error = bench.outcome()
    assert confirmed == [False] * 3
    assert error.startswith(b"ERR Target instance replied with error: ")
    bench.order(host="other")
    peer = bench.reactor.accept()
    peer.say(b"x" * 100_000)
    assert bench.outcome() == ([False] * 3, failed("reading"))
    assert peer.transport.disconnected


def test_silence(bench: Bench) -> None:
    bench.order()
    peer = bench.reactor.accept()
    for _ in range(3):
        bench.server.clock.advance(0.4)
        peer.say(b"+OK\r\n")
    bench.server.clock.advance(0.6)
    assert bench.outcome() == ([True, True, False], failed("reading"))
    assert peer.transport.disconnected
    assert bench.kept == 0
    assert not bench.reactor.wanted


def test_a_peer_that_reads_nothing(bench: Bench) -> None:
    bench.reactor.stuck = True
    bench.order()
    peer = bench.reactor.accept()
    bench.server.clock.advance(0.6)
    assert bench.outcome() == ([False] * 3, failed("writing"))
    assert peer.transport.disconnected


def test_large_values_go_in_chunks(bench: Bench) -> None:
    large = encode("RESTORE", "large", 0, bytes(range(256)) * 2000)
    bench.reactor.stuck = True
    bench.order(restores=[RESTORES[0], large, RESTORES[1]])
    peer = bench.reactor.accept()
    got = b""
    while peer.transport.producer is not None:
        bench.server.clock.advance(0.4)
        peer.transport.producer.resumeProducing()
        chunk = peer.heard()
        assert len(chunk) <= CHUNK
        got += chunk
    assert got == SELECT + RESTORES[0] + large + RESTORES[1]
    peer.say(b"+OK\r\n" * 4)
    assert bench.outcome() == ([True] * 3, b"")


def test_an_end_is_tried_once_more(bench: Bench) -> None:
    bench.order()
    peer = bench.reactor.accept()
    peer.say(b"+OK\r\n")
    peer.hang_up()
    assert bench.outcomes == []
    peer = bench.reactor.accept()
    assert peer.heard() == SELECT + b"".join(RESTORES)
    peer.hang_up()
    assert bench.outcome() == ([False] * 3, failed("reading"))
    assert not bench.reactor.wanted


def test_an_end_behind_a_confirmation_is_not(bench: Bench) -> None:
    bench.order()
    peer = bench.reactor.accept()
    peer.say(b"+OK\r\n+OK\r\n")
    peer.hang_up()
    assert bench.outcome() == ([True, False, False], failed("reading"))
    assert not bench.reactor.wanted


@pytest.mark.parametrize(
    ("problem", "tries", "doing"),
    [
        (ConnectionRefusedError(), 2, "writing"),
        (TimeoutError(), 1, "connecting"),
        (DNSLookupError(), 1, "connecting"),
    ],
)
def test_no_server_at_the_target(bench: Bench, problem: Exception, tries: int, doing: str) -> None:
    bench.order()
    for _ in range(tries):
        assert bench.outcomes == []
        bench.reactor.fail(problem)
    assert not bench.reactor.wanted
    assert bench.outcome() == ([False] * 3, failed(doing))


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_no_such_port(bench: Bench, port: int) -> None:
    bench.order(port=port)
    assert bench.outcome() == ([False] * 3, failed("writing"))


def test_the_end_of_the_server(bench: Bench) -> None:
    bench.order()
    peer = bench.reactor.accept()
    bench.connections.close()
    assert bench.outcome() == ([False] * 3, failed("reading"))
    assert peer.transport.disconnected


# while the whole server waits


@contextmanager
def peer_that_drips(answer: bytes, pause: float) -> Iterator[int]:
    """A listener on a free port that sends one byte at a time, with a pause of ``pause`` seconds after each."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                for byte in answer:
                    try:
                        connection.send(bytes([byte]))
                    except OSError:
                        return
                    time.sleep(pause)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


@contextmanager
def peer_that(*answers: bytes | tuple[bytes, None] | None) -> Iterator[tuple[int, list[bytes]]]:
    """A listener on a free port. For each reply, it accepts a connection, reads a request, replies, and hangs up.

    For None, it sends nothing and hangs up only at the end. For a pair with None, it does so after its reply.
    """
    heard: list[bytes] = []
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(10)
                    data = b""
                    while not data.endswith(RESTORES[-1]):
                        data += connection.recv(1 << 16)
                    heard.append(data)
                    with suppress(OSError):  # the client may have closed the connection
                        connection.sendall(answer if isinstance(answer, bytes) else answer[0] if answer else b"")
                    if not isinstance(answer, bytes):
                        over.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], heard
        finally:
            over.set()
            thread.join()


def now(bench: Bench, port: int, **changes: Any) -> tuple[list[bool], bytes]:
    given = {"host": "127.0.0.1", "database": 2, "timeout": 5, "login": b"", "restores": RESTORES}
    outcome = bench.connections.carry_now(Order(port=port, **{**given, **changes}))
    return outcome.confirmed, outcome.error


def test_at_once(bench: Bench) -> None:
    large = encode("RESTORE", "large", 0, bytes(range(256)) * 20_000)
    with peer_that(b"+OK\r\n+OK\r\n-BUSYKEY x\r\n") as (port, heard):
        found = now(bench, port, restores=[large, RESTORES[-1]])
    assert found == ([True, False], b"ERR Target instance replied with error: BUSYKEY x")
    assert heard == [SELECT + large + RESTORES[-1]]
    assert bench.kept == 0


def test_at_once_with_a_second_try(bench: Bench) -> None:
    with peer_that(b"", b"+OK\r\n" * 4) as (port, heard):
        assert now(bench, port) == ([True] * 3, b"")
    assert len(heard) == 2


def test_at_once_nobody_answers(bench: Bench) -> None:
    with peer_that(None) as (port, heard):
        assert now(bench, port, timeout=0.05) == ([False] * 3, failed("reading"))
    assert len(heard) == 1


def test_at_once_nobody_there(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert now(bench, port) == ([False] * 3, failed("writing"))
    assert now(bench, 70_000) == ([False] * 3, failed("writing"))
