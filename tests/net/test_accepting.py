"""The hub accepts connections. The listening socket is a Unix socket."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import unix

from tests.net.test_closing import House, received
from tests.support.server import encode
from twisted_redis.net.accepting import Acceptor
from twisted_redis.net.hub import AT_ONCE
from twisted_redis.net.pollers import POLLERS

pytestmark = pytest.mark.skipif(not POLLERS, reason="no poller here")


class Port:
    """The parts of Twisted's port that an acceptor needs."""

    @staticmethod
    def transport(sock: Any, protocol: Any, client: Any, server: Port, number: int, reactor: Any) -> Any:
        return unix.Server(sock, protocol, client, None, number, reactor)

    def __init__(self, path: Path, factory: Any) -> None:
        self.factory = factory
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(50)
        self.socket.setblocking(False)
        self.reads = 0
        self.reading = True
        self.lost = 0

    def fileno(self) -> int:
        return self.socket.fileno()

    def stopReading(self) -> None:
        self.reading = False

    def doRead(self) -> None:
        self.reads += 1

    def getHost(self) -> str:
        return "here"

    def stopListening(self) -> str:
        return "stopped"

    def connectionLost(self, reason: Any) -> None:
        self.lost += 1


class Street:
    """A server with a listening socket in a hub."""

    def __init__(self, folder: Path) -> None:
        self.house = House()
        self.path = folder / "socket"
        self.port = Port(self.path, self.house.server.factory)
        self.acceptor = Acceptor(self.port, self.house.hub)
        self.peers: list[socket.socket] = []

    def connect(self) -> socket.socket:
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(str(self.path))
        peer.setblocking(False)
        self.peers.append(peer)
        return peer

    def close(self) -> None:
        self.house.close()
        for peer in self.peers:
            peer.close()
        self.port.socket.close()


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path)
    yield street
    street.close()


def test_the_first_request_is_answered_in_the_turn_of_the_connection(street: Street) -> None:
    assert not street.port.reading, "the reactor does not look after it"
    peer = street.connect()
    peer.send(encode("PING"))
    street.house.round()
    assert received(peer) == (b"+PONG\r\n", False)
    assert street.house.server.engine.turns.depth == 0


def test_many_at_once_leave_the_others_their_turn(street: Street) -> None:
    early = street.connect()
    street.house.round()
    peers = [street.connect() for _ in range(2 * AT_ONCE)]
    early.send(encode("PING"))
    street.house.round()
    assert received(early) == (b"+PONG\r\n", False)
    assert len(street.house.server.factory.open) == 1 + 1 + AT_ONCE
    street.house.round()
    street.house.round()
    for peer in peers:
        peer.send(encode("PING"))
    street.house.round()
    assert all(received(peer) == (b"+PONG\r\n", False) for peer in peers)


def test_errors_of_the_port_are_left_to_it(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are too many open files. Twisted's port can still refuse a connection."""

    class Broken:
        def accept(self) -> None:
            raise OSError(errno.EMFILE, "too many open files")

    sock = street.port.socket
    monkeypatch.setattr(street.port, "socket", Broken())
    street.acceptor.accept(5)
    assert street.port.reads == 1
    monkeypatch.setattr(street.port, "socket", sock)


def test_no_connection_is_accepted_without_a_protocol(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(street.house.server.factory, "buildProtocol", lambda addr: None)
    peer = street.connect()
    street.house.round()
    assert received(peer) == (b"", True)
    assert street.house.hub.getReaders() == []


def test_a_bug_costs_one_connection(
    street: Street, monkeypatch: pytest.MonkeyPatch, logged_errors: list[dict[str, Any]]
) -> None:
    def broken(peer: Any) -> None:
        raise ZeroDivisionError

    peer = street.connect()
    with monkeypatch.context() as patch:
        patch.setattr(street.house.server.factory, "refuse", broken)
        street.house.round()
    assert street.house.hub.getReaders() == []
    other = street.connect()
    other.send(encode("PING"))
    street.house.round()
    assert received(other) == (b"+PONG\r\n", False)
    assert len(logged_errors) == 1
    logged_errors.clear()
    peer.close()


def test_events_of_an_older_connection_do_not_reach_one_of_the_same_number(street: Street) -> None:
    """A kills B, which has hung up in the same round, while C connects and gets the descriptor number of B."""
    first, second = street.connect(), street.connect()
    for _ in range(3):
        street.house.round()
    numbers = set(street.house.hub._readers)
    killed = max(street.house.server.engine.clients)
    first.send(encode("CLIENT", "KILL", "ID", killed))
    second.shutdown(socket.SHUT_RDWR)
    third = street.connect()
    third.send(encode("PING"))
    street.house.round()
    assert received(first) == (b":1\r\n", False)
    assert received(third) == (b"+PONG\r\n", False)
    assert set(street.house.hub._readers) == numbers


def test_stopping(street: Street) -> None:
    assert street.acceptor.getHost() == "here"
    assert street.acceptor.stopListening() == "stopped"
    street.connect()
    street.house.round()
    assert not street.house.server.factory.open


def test_the_hub_takes_its_ports_along(street: Street) -> None:
    street.house.hub.close()
    assert street.port.lost == 1


def test_a_port_that_fails_ends_neither_the_hub_nor_the_server(
    street: Street, monkeypatch: pytest.MonkeyPatch, logged_errors: list[dict[str, Any]]
) -> None:
    def broken(most: int) -> None:
        raise OSError(errno.ENOMEM, "no memory")

    engine = street.house.server.engine
    ended: list[str] = []
    engine.persistence.collapse = ended.append
    street.connect()
    with monkeypatch.context() as patch:
        patch.setattr(street.acceptor, "accept", broken)
        street.house.round()
    assert ended == []
    peer = street.connect()
    peer.send(encode("PING"))
    street.house.round()
    street.house.round()
    assert received(peer) == (b"+PONG\r\n", False)
    assert logged_errors
    logged_errors.clear()
