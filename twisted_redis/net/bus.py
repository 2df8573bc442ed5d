"""The sockets of the cluster bus: where a node listens for the others, and how it connects to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress, IReactorFDSet, IReactorTCP
from twisted.internet.protocol import Factory

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

    ``server_tls`` returns the side of the server in TLS connections.  As in Redis, tls-cluster counts for each new
    connection, so a node can change it while it runs.
    """
    config = engine.config
    network = BusFactory(
        receiver,
        _connector(engine, reactor, listeners.client_tls),
        engine.time.wall_ms,
        lambda: config.cluster_node_timeout / 1000,
        pending_output,
    )
    if not (IReactorFDSet.providedBy(reactor) or IReactorTCP.providedBy(reactor)):
        return network  # this server has no socket, and its nodes have their tables from elsewhere
    try:
        port = _port(config, listeners)
    except ListenError as error:
        engine.log("warning", str(error))
        raise
    factory = _BusPort(engine, reactor, network, server_tls)
    try:
        listeners.listen_bus(factory, config.bind, port, config.tcp_backlog)
    except ListenError:
        if config.cluster_port or not _is_free_to_choose(config, listeners):
            raise
        # Nobody can have counted on the usual distance from a port that nobody knew.
        listeners.listen_bus(factory, config.bind, 0, config.tcp_backlog)
    return network


def _is_free_to_choose(config: Config, listeners: Listeners) -> bool:
    """Whether the system has chosen the port of the clients, so that it may choose the port of the bus too."""
    return not (config.tls_port if config.tls_cluster else config.port and not listeners.is_chosen)


class _BusPort(Factory):
    """Accepts connections for ``network``, with TLS or without."""

    noisy = False

    def __init__(self, engine: Engine, reactor: Any, network: BusFactory, server_tls: Callable[[], Any]) -> None:
        self._engine = engine
        self._reactor = reactor
        self._network = network
        self._server_tls = server_tls

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Makes the protocol of a new connection."""
        factory: Any = self._network
        if self._engine.config.tls_cluster:
            from twisted_redis.net.bus_tls import BusTlsFactory
            from twisted_redis.net.tls import NodesSide

            factory = BusTlsFactory(NodesSide(self._server_tls()), False, factory, self._reactor, self._failed)
        return factory.buildProtocol(addr)

    def _failed(self, reason: str) -> None:
        self._engine.log("verbose", f"Error accepting cluster node connection: {reason}")


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
    if _is_free_to_choose(config, listeners):
        return 0
    raise ListenError(
        "Redis port number too high. Cluster communication port is 10,000 port numbers higher than your Redis port. "
        "Your Redis port number must be 55535 or less."
    )


def _connector(engine: Engine, reactor: Any, tls_options: Callable[[], Any]) -> Connect:
    config = engine.config

    def connect(host: str, port: int, factory: Any, timeout: float) -> Any:
        bind = (config.bind_source_addr, 0) if config.bind_source_addr else None
        if config.tls_cluster:
            from twisted_redis.net.bus_tls import BusTlsFactory

            def failed(reason: str) -> None:
                engine.log("verbose", f"Connection with the cluster node at {host}:{port} failed: {reason}")

            factory = BusTlsFactory(tls_options(), True, factory, reactor, failed)
        return reactor.connectTCP(host, port, factory, timeout=timeout, bindAddress=bind)

    return connect
