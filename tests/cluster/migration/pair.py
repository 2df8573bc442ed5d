"""Two nodes of a cluster without sockets: one has the slots 0 to 8191, the other one the rest.

The connections that the second node opens to the first are byte strings that ``Pair.run`` carries to and fro.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address

from tests.support.server import Connection, Server
from twisted_redis.cluster.nodes import MASTER, Node
from twisted_redis.cluster.serving import Cluster
from twisted_redis.cluster.slots import take_claims

__all__ = ["Pair", "Wire"]

HALF = (1 << 8192) - 1
ALL = (1 << 16384) - 1


class Wire:
    """A connection of the destination: a transport for its protocol, and a client of the source."""

    def __init__(self, source: Server, factory: Any) -> None:
        self.client: Connection = source.connect("127.0.0.1")
        self.protocol = factory.buildProtocol(None)
        self.out: list[bytes] = []
        self.closed = False
        self.reads = True

    def write(self, data: bytes) -> None:
        self.out.append(data)

    def pauseProducing(self) -> None:
        self.reads = False

    def resumeProducing(self) -> None:
        self.reads = True

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", 7000)

    def abortConnection(self) -> None:
        if not self.closed:
            self.closed = True
            self.client.protocol.connectionLost(_DONE)

    def disconnect(self) -> None:
        self.abortConnection()

    def carry(self) -> bool:
        """Carries bytes in both directions; True if there were any."""
        if self.closed:
            return False
        sent, self.out = b"".join(self.out), []
        if sent:
            self.client.protocol.dataReceived(sent)
        answer = self.client.read() if self.reads else b""
        if answer:
            self.protocol.dataReceived(answer)
        if self.client.closed and not self.closed:
            self.closed = True
            self.protocol.connectionLost(_DONE)
        return bool(sent or answer)


def _failure() -> Any:
    from twisted.internet.error import ConnectionDone
    from twisted.python.failure import Failure

    return Failure(ConnectionDone())


_DONE = _failure()


class Pair:
    """The two nodes; a ``Server`` call is a client of theirs."""

    def __init__(self, **directives: Any) -> None:
        self.wires: list[Wire] = []
        self.source = self._make(directives)
        self.target = self._make(directives)
        first, second = self.nodes = [self._node(self.source), self._node(self.target)]
        second.core.secret = first.core.secret
        for node, other, port in ((first, second, 7001), (second, first, 7000)):
            peer = Node(other.my_id(), MASTER, 0)
            peer.ip, peer.port = "127.0.0.1", port
            peer.config_epoch = 1 if node is second else 2
            node.state.nodes[peer.name] = peer
            node.state.myself.config_epoch = 2 if node is second else 1
            node.state.assign_all(HALF, node.state.myself if node is first else peer)
            node.state.assign_all(ALL & ~HALF, node.state.myself if node is second else peer)
            node.state.set_ok(True)
        second.tasks.connect = self._connect

    @staticmethod
    def _make(directives: dict[str, Any]) -> Server:
        server = Server(cluster_enabled=True, cluster_config_file="", databases=1, **directives)
        server.clock.advance(1_700_000_000)
        return server

    @staticmethod
    def _node(server: Server) -> Cluster:
        node = server.engine.cluster
        assert isinstance(node, Cluster)
        return node

    def _connect(self, host: str, port: int, factory: Any) -> Wire:
        assert (host, port) == ("127.0.0.1", 7000)
        wire = Wire(self.source, factory)
        self.wires.append(wire)
        wire.protocol.makeConnection(wire)
        return wire

    def step(self) -> bool:
        """Carries what is on its way, and runs what is due now; True if anything was."""
        for server in (self.source, self.target):
            server.clock.advance(0)
        carried = False
        for wire in list(self.wires):
            carried = wire.carry() or carried
        return carried

    def run(self, seconds: float = 0, *, ticks: bool = True) -> None:
        """Lets time pass, in steps of a tick."""
        for _ in range(max(1, round(seconds * 10))):
            for _ in range(100):
                if not self.step() and not self.step() and not self.step():
                    break
            if seconds:
                for server, node in zip((self.source, self.target), self.nodes, strict=True):
                    server.clock.advance(0.1)
                    if ticks:
                        with server.engine.in_turn:
                            node.core.migrations.tick()

    def begin(self, *bounds: int) -> bytes:
        """CLUSTER MIGRATION IMPORT on the destination; returns the id of the task."""
        reply = self.target("CLUSTER", "MIGRATION", "IMPORT", *bounds)
        assert isinstance(reply, bytes) and len(reply) == 40, reply
        return reply

    def task(self, server: Server) -> dict[str, Any]:
        """The newest task of a node, as CLUSTER MIGRATION STATUS shows it."""
        tasks = server("CLUSTER", "MIGRATION", "STATUS", "ALL")
        assert isinstance(tasks, list)
        if not tasks:
            return {"state": "unknown"}
        return {
            name.decode(): value.decode() if isinstance(value, bytes) else value for name, value in tasks[0].items()
        }

    def states(self) -> tuple[str, str]:
        """The state of the task at the source and at the destination."""
        return self.task(self.source)["state"], self.task(self.target)["state"]

    def tell_source(self) -> None:
        """The bus tells the source what the destination claims."""
        first, second = self.nodes
        myself = second.state.myself
        with self.source.engine.in_turn:
            take_claims(first.core, first.state.nodes[myself.name], myself.config_epoch, myself.slots)
        self.source.clock.advance(0)
