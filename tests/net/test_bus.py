"""The port of the cluster bus, and the errors of a node that cannot listen there."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock

from tests.support.server import Server
from twisted_redis.net.bus import open_bus
from twisted_redis.net.listening import ListenError


class Places:
    """Listeners whose ports for clients are open already."""

    def __init__(self, port: int) -> None:
        self.ports = (port, 0, 0)
        self.is_chosen = False
        self.taken: list[int] = []
        self.opened: list[int] = []
        self.client_tls = None

    def listen_bus(self, factory: Any, hosts: Any, port: int, backlog: int) -> None:
        if port in self.taken:
            raise ListenError("the port is taken")
        self.opened.append(port)


def open_at(clients_port: int, **directives: Any) -> Places:
    server = Server(**directives)
    places: Any = Places(clients_port)
    open_bus(server.engine, MemoryReactorClock(), places, None, lambda: None)  # type: ignore[arg-type]
    return places


@pytest.mark.parametrize(
    ("port", "directives", "expected"),
    [
        (6379, {"port": 6379}, 16379),
        (55535, {"port": 55535}, 65535),
        (60000, {"port": 60000, "cluster_port": 7000}, 7000),
        # The system has chosen the port of the clients, so it chooses this one too.
        (60000, {"port": 0}, 0),
        (50000, {"port": 0}, 60000),
    ],
)
def test_the_port_follows_that_of_the_clients(port: int, directives: dict[str, Any], expected: int) -> None:
    assert open_at(port, **directives).opened == [expected]


def test_a_port_that_the_system_has_chosen_needs_no_neighbour() -> None:
    # A server in a program notes the port that it got from the system in its configuration.
    server = Server(port=60000)
    places: Any = Places(60000)
    places.is_chosen = True
    open_bus(server.engine, MemoryReactorClock(), places, None, lambda: None)  # type: ignore[arg-type]
    assert places.opened == [0]
    server = Server(port=50000)
    places = Places(50000)
    places.taken.append(60000)
    with pytest.raises(ListenError, match="taken"):
        open_bus(server.engine, MemoryReactorClock(), places, None, lambda: None)  # type: ignore[arg-type]
    places.is_chosen = True
    open_bus(server.engine, MemoryReactorClock(), places, None, lambda: None)  # type: ignore[arg-type]
    assert places.opened == [0]


@pytest.mark.parametrize(
    ("directives", "expected"),
    [
        ({"port": 60000}, "Redis port number too high. Cluster communication port is 10,000 port numbers higher"),
        ({"port": 60000, "bind": ()}, "No bind address is configured, but it is required for the Cluster bus."),
    ],
)
def test_a_node_that_cannot_listen_logs_the_reason(directives: dict[str, Any], expected: str) -> None:
    server = Server(**directives)
    places: Any = Places(60000)
    with pytest.raises(ListenError, match=expected):
        open_bus(server.engine, MemoryReactorClock(), places, None, lambda: None)  # type: ignore[arg-type]
    ((level, text),) = server.logged
    assert level == "warning"
    assert text.startswith(expected)
    assert places.opened == []
