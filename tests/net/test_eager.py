"""Eager writing over a pair of connected sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import tcp
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport

from twisted_redis.net.eager import EagerTransport, finish, pending_output, sender


class Reactor:
    """Records which transports want to write."""

    def __init__(self) -> None:
        self.writers: list[Any] = []

    def addWriter(self, writer: Any) -> None:
        self.writers.append(writer)

    def removeWriter(self, writer: Any) -> None:
        self.writers = [other for other in self.writers if other is not writer]

    def removeReader(self, reader: Any) -> None:
        """Does nothing, because nothing reads here."""


@pytest.fixture
def pair() -> Iterator[tuple[Any, socket.socket, Reactor]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    reactor = Reactor()
    connection = tcp.Connection(ours, Protocol(), reactor)
    connection.connected = 1
    yield connection, theirs, reactor
    ours.close()
    theirs.close()


def test_bytes_that_the_socket_takes_are_written_at_once(pair: tuple[Any, socket.socket, Reactor]) -> None:
    connection, theirs, reactor = pair
    sender(connection)(b"+OK\r\n")
    assert theirs.recv(100) == b"+OK\r\n"
    assert not reactor.writers
    assert pending_output(connection) == 0


def test_the_rest_waits_in_order(pair: tuple[Any, socket.socket, Reactor]) -> None:
    connection, theirs, reactor = pair
    send = sender(connection)
    data = bytes(range(256)) * 20_000
    send(data)
    assert reactor.writers
    assert 0 < pending_output(connection) < len(data)
    send(b"the end")
    theirs.setblocking(False)
    received = b""
    while reactor.writers:
        received += theirs.recv(1 << 20)
        connection.doWrite()
    while not received.endswith(b"the end"):
        received += theirs.recv(1 << 20)
    assert received == data + b"the end"
    assert pending_output(connection) == 0


def test_a_closed_peer_is_the_transport_s_business(pair: tuple[Any, socket.socket, Reactor]) -> None:
    connection, theirs, reactor = pair
    theirs.close()
    sender(connection)(b"x")
    assert reactor.writers, "the transport finds out when it writes"


def test_other_transports_are_left_alone() -> None:
    transport = StringTransport()
    assert sender(transport) == transport.write
    assert pending_output(transport) == 0


def test_tls_goes_around(pair: tuple[Any, socket.socket, Reactor]) -> None:
    connection, _, _ = pair
    connection.TLS = True
    assert sender(connection) == connection.write


def test_an_eager_transport_is_its_transport_with_another_write(pair: tuple[Any, socket.socket, Reactor]) -> None:
    connection, theirs, _ = pair
    eager = EagerTransport(connection)
    eager.write(b"+OK\r\n")
    assert theirs.recv(100) == b"+OK\r\n"
    assert "write" not in vars(connection), "the transport itself is left as it was"
    connection.write(b"later")
    assert eager.pending_output() == 5
    assert eager.socket is connection.socket
    assert ITCPTransport.providedBy(eager)


def test_the_end_comes_with_the_last_bytes(pair: tuple[Any, socket.socket, Reactor]) -> None:
    connection, theirs, reactor = pair
    finish(connection, b"+OK\r\n")
    assert (theirs.recv(100), theirs.recv(100)) == (b"+OK\r\n", b"")
    assert not reactor.writers


def test_the_end_waits_for_what_the_socket_does_not_take(pair: tuple[Any, socket.socket, Reactor]) -> None:
    connection, theirs, reactor = pair
    last = bytes(1 << 20)
    finish(connection, last)
    received = 0
    while reactor.writers:
        received += len(theirs.recv(1 << 20))
        if connection.doWrite() is not None:
            break
    connection.socket.close()
    while piece := theirs.recv(1 << 20):
        received += len(piece)
    assert received == len(last)


def test_the_end_of_other_transports() -> None:
    transport = StringTransport()
    finish(transport, b"+OK\r\n")
    assert (transport.value(), transport.disconnecting) == (b"+OK\r\n", True)
