"""The server closes a connection in the turn of its last reply. The sockets are in-memory pairs."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from twisted.internet import unix

from tests.support.server import Server, encode
from twisted_redis.net.hub import Hub
from twisted_redis.net.pollers import POLLERS
from twisted_redis.net.service import ServerService

pytestmark = pytest.mark.skipif(not POLLERS, reason="no poller here")


class Reactor:
    """The parts of a reactor that a hub needs."""

    def __init__(self) -> None:
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)


class House:
    """A server whose connections are in a hub. ``connect`` returns the peer's end of one."""

    def __init__(self, **directives: Any) -> None:
        self.server = Server(**directives)
        self.hub = Hub(Reactor(), self.server.engine)
        self._ends = ExitStack()
        self._ends.callback(self.hub.close)

    def connect(self, factory: Any = None) -> socket.socket:
        ours, theirs = socket.socketpair()
        self._ends.callback(theirs.close)
        theirs.setblocking(False)
        protocol = (factory or self.server.factory).buildProtocol(None)
        protocol.makeConnection(unix.Server(ours, protocol, "", None, 0, self.hub))
        return theirs

    def round(self) -> None:
        """Runs one round of the hub, and nothing else of the reactor."""
        self.hub.doRead()

    def close(self) -> None:
        self._ends.close()


def received(peer: socket.socket) -> tuple[bytes, bool]:
    """Returns the bytes that ``peer`` has received, and whether the connection ended after them."""
    data = b""
    while True:
        try:
            piece = peer.recv(1 << 16)
        except BlockingIOError:
            return data, False
        except ConnectionResetError:  # the server did not read everything that the peer sent
            return data, True
        if not piece:
            return data, True
        data += piece


@pytest.fixture
def houses() -> Iterator[Callable[..., House]]:
    with ExitStack() as ends:

        def build(**directives: Any) -> House:
            house = House(**directives)
            ends.callback(house.close)
            return house

        yield build


Build = Callable[..., House]


@pytest.mark.parametrize(
    ("requests", "replies"),
    [
        (encode("QUIT"), b"+OK\r\n"),
        (encode("SET", "k", "v") + encode("QUIT") + encode("GET", "k"), b"+OK\r\n+OK\r\n"),
        (b"QUIT\r\n", b"+OK\r\n"),
        (encode("PING") + b"*1\r\nx\r\n", b"+PONG\r\n-ERR Protocol error: expected '$', got 'x'\r\n"),
        (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (encode("CLIENT", "KILL", "ID", "2", "SKIPME", "no"), b":1\r\n"),
        (encode("MULTI") + encode("QUIT"), b"+OK\r\n+OK\r\n"),
        (encode("SUBSCRIBE", "c") + encode("QUIT"), b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n+OK\r\n"),
        (encode("CLIENT", "REPLY", "OFF") + encode("QUIT"), b""),
        (encode("POST", "/"), b""),
    ],
)
def test_the_server_ends_a_connection_in_the_turn_of_the_last_reply(
    houses: Build, requests: bytes, replies: bytes
) -> None:
    house = houses()
    peer = house.connect()
    peer.send(requests)
    house.round()
    assert received(peer) == (replies, True)
    assert house.hub.getReaders() == house.hub.getWriters() == []
    assert house.server.engine.clients.keys() == {house.server.client.id}
    assert not house.server.factory.open


def test_nothing_is_answered_before_it_is_on_disk(houses: Build) -> None:
    """The last reply also waits for the sync of ``appendfsync always`` at the end of the turn."""
    house = houses()
    peer = house.connect()
    seen: list[tuple[bytes, bool]] = []
    house.server.engine.turns.before_replies.append(lambda: seen.append(received(peer)))
    peer.send(encode("SET", "k", "v") + encode("QUIT"))
    house.round()
    assert seen[0] == (b"", False)
    assert received(peer) == (b"+OK\r\n+OK\r\n", True)


def test_a_refused_client_does_not_wait(houses: Build) -> None:
    house = houses(maxclients=1)  # the test's own client
    peer = house.connect()
    assert received(peer) == (b"-ERR max number of clients reached\r\n", True)
    assert house.hub.getReaders() == house.hub.getWriters() == []


def test_others_that_are_killed_are_gone_with_the_reply(houses: Build) -> None:
    house = houses()
    peers = [house.connect() for _ in range(3)]
    # One of them sends a request in the same round.
    peers[0].send(encode("CLIENT", "KILL", "TYPE", "normal"))
    peers[1].send(encode("SET", "k", "v"))
    house.round()
    # The test's own client has no connection, but it is killed as well.
    assert received(peers[0]) == (b":3\r\n", False)
    assert received(peers[1]) == received(peers[2]) == (b"", True)
    assert house.server.engine.databases[0].data == {}


def test_idle_clients(houses: Build) -> None:
    house = houses(timeout=10)
    peer = house.connect()
    house.server.factory.close_idle(house.server.engine.time.monotonic() + 11)
    assert received(peer) == (b"", True)


def test_replies_that_the_socket_does_not_take_come_first(houses: Build) -> None:
    house = houses()
    peer = house.connect()
    house.server("SET", "big", b"x" * 4_000_000)
    peer.send(encode("GET", "big") + encode("QUIT"))
    house.round()
    data, ended = received(peer)
    assert not ended
    for _ in range(1000):
        if ended:
            break
        house.server.clock.advance(0)
        house.round()
        more, ended = received(peer)
        data += more
    assert data == b"$4000000\r\n" + b"x" * 4_000_000 + b"\r\n+OK\r\n"
    assert not house.server.factory.open


def test_the_end_of_the_server(houses: Build) -> None:
    house = houses()
    service = ServerService(house.server.engine, house.server.clock)
    peer = house.connect(service.factory)
    service.stopService()
    assert received(peer) == (b"", True)


def test_the_peer_of_a_tls_connection_sees_the_end_at_once(houses: Build, tmp_path: Any) -> None:
    """Twisted's TLS still keeps the socket for one turn."""
    ssl = pytest.importorskip("OpenSSL.SSL", reason="needs the extra tls", exc_type=ImportError)
    from tests.support.certificates import Authority
    from twisted_redis.net.secure import TlsFactory
    from twisted_redis.net.tls import ServerSide

    authority = Authority(tmp_path)
    pair = authority.sign("server")
    house = houses(
        tls_cert_file=pair.cert, tls_key_file=pair.key, tls_ca_cert_file=authority.cert, tls_auth_clients="no"
    )
    peer = house.connect(TlsFactory(house.server.factory, ServerSide(house.server.config)))
    tls = ssl.Connection(ssl.Context(ssl.TLS_METHOD), peer)
    tls.set_connect_state()
    for _ in range(3):
        try:
            tls.do_handshake()
        except ssl.WantReadError:
            house.round()
    tls.send(encode("PING") + encode("QUIT"))
    house.round()
    assert tls.recv(100) == b"+PONG\r\n+OK\r\n"
    with pytest.raises(ssl.ZeroReturnError):
        tls.recv(100)
    assert received(peer) == (b"", True)
    house.round()
    assert house.hub.getReaders() == house.hub.getWriters() == []
