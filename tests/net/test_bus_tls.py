"""TLS on the cluster bus, in memory: two nodes whose connections are OpenSSL's, connected by bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("OpenSSL.SSL", reason="needs the extra tls", exc_type=ImportError)

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from tests.support.certificates import Authority
from tests.support.server import Server
from twisted_redis.cluster.bus.messages import PING, Message, encode
from twisted_redis.cluster.nodes import MASTER, Node
from twisted_redis.net.bus import open_bus
from twisted_redis.net.tls import ServerSide

MESSAGE = encode(Message(PING, sender="a" * 40))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


class Bus:
    """The bus of a node: its receiver notes the messages, and its listeners note the factory of the port."""

    ports = (6379, 6380, 0)

    def __init__(self, authority: Authority, **directives: Any) -> None:
        pair, client = authority.sign("server"), authority.sign("client", client=True)
        settings = {
            "tls_cluster": True,
            "tls_cert_file": pair.cert,
            "tls_key_file": pair.key,
            "tls_client_cert_file": client.cert,
            "tls_client_key_file": client.key,
            "tls_ca_cert_file": authority.cert,
        }
        self.server = Server(**{**settings, **directives})
        self.side = ServerSide(self.server.config)
        self.received: list[bytes] = []
        self.lost = 0
        self.port: Any = None
        self.reactor = MemoryReactorClock()
        listeners: Any = self
        self.network = open_bus(self.server.engine, self.reactor, listeners, self, lambda: self.side)

    # the listeners

    def listen_bus(self, factory: Any, hosts: Any, port: int, backlog: int) -> None:
        self.port = factory

    def client_tls(self) -> Any:
        return self.side.client

    # the receiver

    def link_made(self, link: Any) -> None:
        pass

    def receive(self, link: Any, data: bytes) -> None:
        self.received.append(data)

    def link_lost(self, link: Any) -> None:
        self.lost += 1

    # the connections

    def accept(self) -> tuple[Any, StringTransport]:
        """Returns the side of this node in a new connection."""
        return start(self.port.buildProtocol(None))

    def dial(self) -> tuple[Any, Any, StringTransport]:
        """Returns a link to another node, and the side of this node in its connection."""
        node = Node("c" * 40, MASTER, 0)
        node.ip, node.bus_port = "127.0.0.1", 16379
        link = self.network.connect(node)
        return link, *start(self.reactor.tcpClients[-1][2].buildProtocol(None))


def start(protocol: Any) -> tuple[Any, StringTransport]:
    transport = StringTransport()
    protocol.makeConnection(transport)
    return protocol, transport


def pump(*ends: tuple[Any, StringTransport]) -> None:
    """Transfers bytes between two ends until neither has any, and ends a connection that one of them has closed."""
    while any(transport.value() for _, transport in ends):
        for (_, transport), (protocol, other) in (ends, ends[::-1]):
            data = transport.value()
            transport.clear()
            if data and not other.disconnected:
                protocol.dataReceived(data)
    for (_, transport), (protocol, _) in (ends, ends[::-1]):
        if transport.disconnected or transport.disconnecting:
            protocol.connectionLost(Failure(ConnectionDone()))


def test_messages_travel_in_tls(authority: Authority) -> None:
    one, other = Bus(authority), Bus(authority)
    link, *near = one.dial()
    far = other.accept()
    link.send(MESSAGE)
    assert near[1].value()[:1] == b"\x16", "a handshake"
    pump((near[0], near[1]), far)
    assert other.received == [MESSAGE]
    assert link.connected


def test_a_node_needs_a_certificate_even_where_clients_need_none(authority: Authority) -> None:
    """With tls-auth-clients no, too: any stranger could change the cluster otherwise."""
    one, other = Bus(authority), Bus(authority, tls_auth_clients="no")
    # This certificate is one for servers, so it does not show that its owner is a node.
    one.server.config.tls_client_cert_file = ""
    one.side.reload()
    link, *near = one.dial()
    far = other.accept()
    link.send(MESSAGE)
    pump((near[0], near[1]), far)
    assert other.received == []
    assert other.lost == 1
    ((level, text),) = other.server.logged
    assert level == "verbose"
    assert text.startswith("Error accepting cluster node connection: ")


def test_a_node_of_another_authority_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    one, other = Bus(authority), Bus(Authority(tmp_path, "foreign"))
    link, *near = one.dial()
    far = other.accept()
    link.send(MESSAGE)
    pump((near[0], near[1]), far)
    assert other.received == []
    assert (one.lost, link.connected) == (1, False)
    ((level, text),) = one.server.logged
    assert level == "verbose"
    assert text.startswith("Connection with the cluster node at 127.0.0.1:16379 failed: ")


def test_the_directive_counts_for_each_new_connection(authority: Authority) -> None:
    one, other = Bus(authority, tls_cluster=False), Bus(authority, tls_cluster=False)
    link, *near = one.dial()
    far = other.accept()
    link.send(MESSAGE)
    assert near[1].value() == MESSAGE
    pump((near[0], near[1]), far)
    for bus in (one, other):
        bus.server.config.tls_cluster = True
    link, *near = one.dial()
    far = other.accept()
    link.send(MESSAGE)
    assert near[1].value()[:1] == b"\x16"
    pump((near[0], near[1]), far)
    assert other.received == [MESSAGE, MESSAGE]


def test_bytes_that_wait_for_the_handshake_are_queued(authority: Authority) -> None:
    """The limit of cluster-link-sendbuf-limit and CLUSTER LINKS count them."""
    one, other = Bus(authority), Bus(authority)
    link, *near = one.dial()
    far = other.accept()
    link.send(MESSAGE * 10)
    assert link.queued == 10 * len(MESSAGE)
    pump((near[0], near[1]), far)
    assert link.queued == 0


def test_connections_work_when_the_files_of_the_certificates_are_gone(tmp_path: Path) -> None:
    """They were read when the directives were applied, as in Redis."""
    authority = Authority(tmp_path)
    one, other = Bus(authority), Bus(authority)
    for path in tmp_path.iterdir():
        path.unlink()
    link, *near = one.dial()
    far = other.accept()
    link.send(MESSAGE)
    pump((near[0], near[1]), far)
    assert other.received == [MESSAGE]
