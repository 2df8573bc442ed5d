"""A cluster in the thread of its clients: masters that share the slots, and redis-py's clients for clusters.

The nodes have their tables from the beginning and do not talk.  So keys are spread, requests are redirected, and
commands over several slots are refused as in a real cluster, but nodes neither fail over nor join.  ``running_cluster``
has a whole cluster.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from random import Random
from typing import Any, ClassVar

import redis.asyncio.cluster
import redis.cluster
from redis.connection import parse_url

from twisted_redis.cluster.forming import Founder, describe
from twisted_redis.fake.asynchronous import FakeAsyncRedisConnection
from twisted_redis.fake.connections import FakeRedisConnection
from twisted_redis.fake.options import quiet_arguments
from twisted_redis.fake.server import FakeServer

__all__ = ["FakeAsyncRedisCluster", "FakeCluster", "FakeRedisCluster"]

#: The ports of the nodes, and how far their bus would be from them.
_FIRST_PORT = 7000
_DISTANCE = 10_000


class FakeCluster:
    """``masters`` servers that share the slots.  Clients find them by addresses that are made up.

    ``version``, ``clock`` and ``directives`` are those of each ``FakeServer``.
    """

    #: Clusters by the address that clients have given.
    _named: ClassVar[dict[str, FakeCluster]] = {}
    _numbers: ClassVar[count[int]] = count()

    def __init__(self, masters: int = 3, *, version: Any = None, clock: Any = None, **directives: Any) -> None:
        number = next(self._numbers)
        #: The address of all nodes, which differ in their ports.
        self.host = f"127.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        ports = range(_FIRST_PORT, _FIRST_PORT + masters)
        founders = [Founder(self.host, port, port + _DISTANCE) for port in ports]
        #: The servers.
        self.nodes = [self._node(port, version=version, clock=clock, **directives) for port in ports]
        for node, text in zip(self.nodes, describe(founders, masters, Random()), strict=True):
            node.join(text)

    def _node(self, port: int, **options: Any) -> FakeServer:
        return FakeServer(
            databases=1,
            cluster_enabled=True,
            cluster_announce_ip=self.host,
            cluster_announce_port=port,
            cluster_announce_bus_port=port + _DISTANCE,
            address=(self.host, port),
            **options,
        )

    @classmethod
    def at(cls, address: str, **options: Any) -> FakeCluster:
        """The cluster of this process at ``address``; a new one, made with ``options``, if there is none yet."""
        cluster = cls._named.get(address)
        if cluster is None:
            cluster = cls._named.setdefault(address, cls(**options))
        return cluster

    @property
    def startup_nodes(self) -> list[Any]:
        """The nodes as redis-py's ``RedisCluster`` takes them."""
        make: Any = redis.cluster.ClusterNode
        return [make(node.address.host, node.address.port) for node in self.nodes]

    @property
    def connected(self) -> bool:
        """Whether clients reach all nodes."""
        return all(node.connected for node in self.nodes)

    @connected.setter
    def connected(self, value: bool) -> None:
        for node in self.nodes:
            node.connected = value

    def advance(self, seconds: float) -> None:
        """Lets time pass on all nodes."""
        for node in self.nodes:
            node.clock.advance(seconds)

    def reset(self) -> None:
        """Makes all nodes like new: no keys, no faults, and the time of the system."""
        for node in self.nodes:
            node.reset()


def _cluster_for(arguments: dict[str, Any], named: Iterable[Any]) -> FakeCluster:
    """Takes the options of a client out of ``arguments``; returns its cluster."""
    cluster: FakeCluster | None = arguments.pop("cluster", None)
    made = {name: arguments.pop(name) for name in ("masters", "version") if name in arguments}
    if cluster is not None:
        return cluster
    for host, port in named:
        if host is not None:
            return FakeCluster.at(f"{host}:{port}", **made)
    return FakeCluster(**made)


def _places(arguments: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Takes the places of nodes, which the caller has given, out of ``arguments``."""
    url = arguments.pop("url", None)
    if url is not None:
        arguments.update(parse_url(url))  # type: ignore[no-untyped-call]
        arguments.pop("connection_class", None)
    nodes = arguments.pop("startup_nodes", None) or ()
    host, port = arguments.pop("host", None), arguments.pop("port", _FIRST_PORT)
    return [(host, port), *((node.host, node.port) for node in nodes)]


class FakeRedisCluster(redis.cluster.RedisCluster):
    """``redis.cluster.RedisCluster``, connected to a ``FakeCluster``.

    ``cluster`` is the FakeCluster.  Without it, all clients of one host and port, or of one URL, share a cluster, and a
    client without either gets one of ``masters`` nodes of its own.
    """

    def __init__(self, host: str | None = None, port: int = _FIRST_PORT, **kwargs: Any) -> None:
        kwargs.update(host=host, port=port)
        #: The servers.
        self.fake_cluster = _cluster_for(kwargs, _places(kwargs))
        kwargs.update(quiet_arguments(type(self), kwargs))
        kwargs.setdefault("connection_class", FakeRedisConnection)
        super().__init__(url=f"redis://{self.fake_cluster.host}:{_FIRST_PORT}", **kwargs)


class FakeAsyncRedisCluster(redis.asyncio.cluster.RedisCluster):
    """``redis.asyncio.cluster.RedisCluster``, connected to a ``FakeCluster``, as ``FakeRedisCluster`` is."""

    def __init__(self, host: str | None = None, port: int = _FIRST_PORT, **kwargs: Any) -> None:
        kwargs.update(host=host, port=port)
        #: The servers.
        self.fake_cluster = _cluster_for(kwargs, _places(kwargs))
        kwargs.update(quiet_arguments(type(self), kwargs))
        kind = kwargs.pop("connection_class", FakeAsyncRedisConnection)
        super().__init__(host=self.fake_cluster.host, port=_FIRST_PORT, **kwargs)
        # There is no argument for this.  The known nodes have copies of the arguments that later nodes get.
        self.connection_kwargs["connection_class"] = kind
        for node in self.nodes_manager.startup_nodes.values():
            node.connection_class = kind

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> Any:
        """A client for the cluster of the host and port in ``url``."""
        return cls(url=url, **kwargs)
