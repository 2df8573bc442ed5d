"""How often the periodic work runs: at hz, and rarely while the server is idle."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock, StringTransport

from tests.support.server import Server, encode
from twisted_redis.net.service import IDLE_HZ, ServerService


class Running:
    """A service without sockets. ``ticks`` counts the runs of the periodic work."""

    def __init__(self) -> None:
        self.server = Server(port=0)
        del self.server.engine.clients[self.server.client.id]
        self.reactor = MemoryReactorClock()
        self.service = ServerService(self.server.engine, self.reactor)
        self.ticks = 0
        self.service.periodic.append(self._tick)
        self.service.startService()

    def _tick(self, now: float) -> None:
        self.ticks += 1

    def during(self, seconds: float) -> int:
        """Returns the number of ticks in the next seconds."""
        before = self.ticks
        for _ in range(round(seconds * 100)):
            self.server.clock.advance(0.01)
            self.reactor.advance(0.01)
        return self.ticks - before


@pytest.fixture
def running() -> Running:
    return Running()


def test_it_rests_while_nothing_goes_on(running: Running) -> None:
    running.during(3)
    assert running.during(20) == pytest.approx(20 * IDLE_HZ, abs=1)


def test_a_client_wakes_it(running: Running) -> None:
    running.during(5.5)
    protocol = running.service.factory.buildProtocol(None)
    protocol.makeConnection(StringTransport(peerAddress=IPv4Address("TCP", "127.0.0.1", 50000)))
    assert protocol.client.interacted == running.server.clock.seconds()
    assert running.during(10) == pytest.approx(10 * running.server.config.hz, abs=2)
    protocol.transport.loseConnection()
    protocol.connectionLost()
    running.during(3)
    assert running.during(20) == pytest.approx(20 * IDLE_HZ, abs=1)


def test_a_key_that_will_expire_keeps_it_awake(running: Running) -> None:
    running.server("SET", "k", "v", "PX", 6000)
    running.during(3)
    assert running.during(1) == pytest.approx(running.server.config.hz, abs=1)
    running.during(2.2)
    assert not running.server.engine.databases[0].data
    running.during(3)
    assert running.during(10) == pytest.approx(10 * IDLE_HZ, abs=1)


def test_hz_is_heard_while_it_rests(running: Running) -> None:
    running.during(5)
    protocol = running.service.factory.buildProtocol(None)
    protocol.makeConnection(StringTransport(peerAddress=IPv4Address("TCP", "127.0.0.1", 50000)))
    protocol.dataReceived(encode("CONFIG", "SET", "hz", 50))
    assert running.during(4) == pytest.approx(200, abs=4)
