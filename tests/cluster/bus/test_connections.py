"""The connections of the bus over fake transports: whole messages out, whole messages in, ends reported once."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from twisted_redis.cluster.bus.connections import BusFactory
from twisted_redis.cluster.bus.messages import MFSTART, PING, Message, encode
from twisted_redis.cluster.nodes import MASTER, Node

FIRST = encode(Message(PING, sender="a" * 40))
SECOND = encode(Message(MFSTART, sender="b" * 40))


class Notes:
    """A receiver that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.links: list[Any] = []

    def link_made(self, link: Any) -> None:
        self.told.append(("made", link.node))
        self.links.append(link)

    def receive(self, link: Any, data: bytes) -> None:
        self.told.append(("received", data))

    def link_lost(self, link: Any) -> None:
        self.told.append(("lost", link.node))


class Bus:
    def __init__(self) -> None:
        self.reactor = MemoryReactorClock()
        self.notes = Notes()

        def connect(host: str, port: int, factory: Any, timeout: float) -> Any:
            return self.reactor.connectTCP(host, port, factory, timeout=timeout)

        self.factory = BusFactory(self.notes, connect, lambda: 1234, lambda: 7.0, lambda transport: transport.unsent)

    def accept(self) -> tuple[Any, StringTransport]:
        protocol, transport = self.factory.buildProtocol(None), StringTransport()
        transport.unsent = 0
        protocol.makeConnection(transport)
        return protocol, transport

    def dial(self) -> tuple[Any, Node, Any]:
        node = Node("c" * 40, MASTER, 0)
        node.ip, node.bus_port = "127.0.0.1", 16379
        link = self.factory.connect(node)
        host, port, dialling, timeout, _ = self.reactor.tcpClients[-1]
        assert (host, port, timeout) == ("127.0.0.1", 16379, 7.0)
        return link, node, dialling


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.mark.parametrize("size", [1, 7, 2255, 2257, 10_000])
def test_messages_arrive_whole_whatever_the_pieces(bus: Bus, size: int) -> None:
    protocol, _ = bus.accept()
    data = FIRST + SECOND + FIRST
    for place in range(0, len(data), size):
        protocol.dataReceived(data[place : place + size])
    assert bus.notes.told == [("made", None), ("received", FIRST), ("received", SECOND), ("received", FIRST)]


def test_other_bytes_end_the_connection_once(bus: Bus) -> None:
    protocol, transport = bus.accept()
    protocol.dataReceived(FIRST + b"GET / HTTP/1.1\r\n")
    assert transport.disconnected
    protocol.dataReceived(SECOND)
    protocol.connectionLost(Failure(ConnectionDone()))
    assert bus.notes.told == [("made", None), ("received", FIRST), ("lost", None)]


def test_a_link_sends_what_has_waited_for_the_connection(bus: Bus) -> None:
    link, node, dialling = bus.dial()
    link.send(FIRST)
    assert not link.connected
    assert link.queued == len(FIRST)
    assert (link.peer_ip, link.own_ip, link.is_inbound, link.created) == ("", "", False, 1234)
    protocol, transport = dialling.buildProtocol(None), StringTransport()
    protocol.makeConnection(transport)
    link.send(SECOND)
    assert transport.value() == FIRST + SECOND
    assert link.connected
    transport.unsent = 99
    assert link.queued == 99
    assert link.peer_ip == transport.getPeer().host
    assert bus.notes.told == [("made", node)]


def test_a_refused_connection_is_a_lost_link(bus: Bus) -> None:
    link, node, dialling = bus.dial()
    dialling.clientConnectionFailed(None, Failure(ConnectionRefusedError()))
    assert bus.notes.told == [("lost", node)]
    link.send(FIRST)
    link.close()
    assert link.queued == 0


def test_a_closed_link_is_silent(bus: Bus) -> None:
    protocol, transport = bus.accept()
    (link,) = bus.notes.links
    link.close()
    assert transport.disconnected
    link.send(FIRST)
    protocol.dataReceived(FIRST)
    protocol.connectionLost(Failure(ConnectionDone()))
    assert transport.value() == b""
    assert bus.notes.told == [("made", None)]


def test_closing_gives_up_a_connection_that_does_not_stand(bus: Bus) -> None:
    link, _, dialling = bus.dial()
    link.send(FIRST)
    link.close()
    protocol, transport = dialling.buildProtocol(None), StringTransport()
    protocol.makeConnection(transport)  # it was too late to stop
    assert transport.disconnected
    assert transport.value() == b""
    assert bus.notes.told == []


def test_nothing_more_is_delivered_after_the_receiver_has_closed_the_link(bus: Bus) -> None:
    protocol, _ = bus.accept()
    (link,) = bus.notes.links
    took: list[bytes] = []

    def close(link: Any, data: bytes) -> None:
        took.append(data)
        link.close()

    bus.notes.receive = close
    protocol.dataReceived(FIRST + SECOND)
    assert took == [FIRST]
    assert not link.connected


def test_a_stranger_that_reads_no_answers_is_cut_off(bus: Bus) -> None:
    protocol, transport = bus.accept()
    transport.unsent = 1 << 20
    protocol.dataReceived(FIRST)
    assert not transport.disconnected
    transport.unsent += 1
    protocol.dataReceived(FIRST + SECOND)
    assert transport.disconnected
    assert [what for what, _ in bus.notes.told] == ["made", "received", "received", "lost"]


def test_a_known_node_may_be_slow(bus: Bus) -> None:
    link, _, dialling = bus.dial()
    protocol, transport = dialling.buildProtocol(None), StringTransport()
    protocol.makeConnection(transport)
    transport.unsent = 1 << 30
    protocol.dataReceived(FIRST)
    assert link.connected
