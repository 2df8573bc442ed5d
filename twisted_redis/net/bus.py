"""The sockets of the cluster bus: where a node listens for the others, and how it connects to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_redis.cluster.bus.connections import BusFactory, Connect, Receiver
from twisted_redis.config import Config
from twisted_redis.engine.engine import Engine
from twisted_redis.net.eager import pending_output
from twisted_redis.net.listening import ListenError, Listeners

__all__ = ["open_bus"]

#: The port of the bus, unless cluster-port says otherwise, is the port of the clients and this.
_DISTANCE = 10_000
_LAST_PORT = 65_535


def open_bus(
    engine: Engine, reactor: Any, listeners: Listeners, receiver: Receiver, server_tls: Callable[[], Any]
) -> BusFactory:
    """Listens for the other nodes of a cluster; returns the network that connects to them.  Raises ListenError.

    ``server_tls`` returns the side of the server in TLS connections, which the directive tls-cluster asks for.
    """
    config = engine.config
    network = BusFactory(
        receiver,
        _connector(reactor, config, listeners.client_tls),
        engine.time.wall_ms,
        lambda: config.cluster_node_timeout / 1000,
        pending_output,
    )
    try:
        port = _port(config, listeners)
    except ListenError as error:
        engine.log("warning", str(error))
        raise
    factory: Any = network
    if config.tls_cluster:
        from twisted.protocols.tls import TLSMemoryBIOFactory

        factory = TLSMemoryBIOFactory(server_tls(), False, factory, reactor)
    listeners.listen_bus(factory, config.bind, port, config.tcp_backlog)
    return network


def _port(config: Config, listeners: Listeners) -> int:
    """The port to listen at; 0 where the system has chosen the port of the clients and the usual one does not exist.

    Raises ListenError if the node cannot listen.
    """
    if not config.bind:
        raise ListenError("No bind address is configured, but it is required for the Cluster bus.")
    if config.cluster_port:
        return config.cluster_port
    plain, tls, _ = listeners.ports
    port = (tls if config.tls_cluster else plain) + _DISTANCE
    if port <= _LAST_PORT:
        return port
    if not (config.tls_port if config.tls_cluster else config.port):
        return 0
    raise ListenError(
        "Redis port number too high. Cluster communication port is 10,000 port numbers higher than your Redis port. "
        "Your Redis port number must be 55535 or less."
    )


def _connector(reactor: Any, config: Config, tls_options: Callable[[], Any]) -> Connect:
    def connect(host: str, port: int, factory: Any, timeout: float) -> Any:
        bind = (config.bind_source_addr, 0) if config.bind_source_addr else None
        if config.tls_cluster:
            from twisted.protocols.tls import TLSMemoryBIOFactory

            factory = TLSMemoryBIOFactory(tls_options(), True, factory, reactor)
        return reactor.connectTCP(host, port, factory, timeout=timeout, bindAddress=bind)

    return connect
