"""Everything that a test may do with a server, within the server's thread; ``face.Face`` calls it from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from twisted_redis.engine.introspect.info_sections import blocked_clients
from twisted_redis.engine.pause import CLIENTS
from twisted_redis.library import dataset
from twisted_redis.library.client import LocalClient
from twisted_redis.library.clock import ServerClock
from twisted_redis.library.cluster.report import NodeReport
from twisted_redis.library.faults import Faults
from twisted_redis.library.places import find_place

if TYPE_CHECKING:
    from twisted_redis.cluster.forming import Founder
    from twisted_redis.cluster.serving import Cluster
    from twisted_redis.server import RedisServer

__all__ = ["Controls"]


class Controls:
    """The methods that can be called by name for the server of ``service``."""

    def __init__(self, service: RedisServer, clock: ServerClock) -> None:
        self._service = service
        self._engine = service.engine
        self.faults = Faults(service)
        self.clock = clock
        self._client: LocalClient | None = None

    def client(self) -> LocalClient:
        """The client for these methods; neither faults nor CLIENT PAUSE hold it back."""
        if self._client is None:
            self._client = LocalClient(self._engine, owner=True)
        return self._client

    def close(self) -> None:
        """Releases everything, because the server stops."""
        self.faults.release()
        if self._client is not None:
            self._client.close()

    def fault(self, name: str, *arguments: Any) -> Any:
        """Calls a method of ``Faults``."""
        return getattr(self.faults, name)(*arguments)

    def time(self, name: str, *arguments: Any) -> Any:
        """Calls a method of ``ServerClock``."""
        return getattr(self.clock, name)(*arguments)

    def snapshot(self) -> dataset.Snapshot:
        """Takes a snapshot of all data."""
        return dataset.take_snapshot(self._engine)

    def restore(self, snapshot: dataset.Snapshot) -> None:
        """Restores all data from a snapshot."""
        dataset.restore(self._engine, snapshot)

    def seed(self, data: Mapping[Any, Any], db: int, ttl: float | None) -> None:
        """Stores keys with Python values."""
        client = self.client()
        client.execute("SELECT", db)
        dataset.seed(client, data, ttl)

    def dump(self, db: int) -> dict[bytes, Any]:
        """Returns all keys of a database with their values."""
        client = self.client()
        client.execute("SELECT", db)
        return dataset.dump(client)

    def command(self, *arguments: Any) -> Any:
        """Executes a command that neither faults nor CLIENT PAUSE hold back."""
        return self.client().execute(*arguments)

    def count_blocked(self) -> int:
        """Counts the clients that wait for the reply to a command."""
        return blocked_clients(self._engine)

    # a node of a cluster

    @property
    def _node(self) -> Cluster:
        node = self._service.cluster
        if node is None:
            raise RuntimeError("this server is no node of a cluster")
        return node

    def place_of_node(self) -> Founder:
        """Returns the address at which the other nodes find this one."""
        from twisted_redis.cluster.forming import Founder  # few servers need it

        host = find_place(self._engine.config, self._service.listeners).host
        port, tls_port, bus_port = self._service.ports()
        return Founder(host or "", port, bus_port, tls_port)

    def describe_cluster(self, founders: list[Founder], masters: int) -> list[str]:
        """Describes a new cluster: returns the tables of each node as a text."""
        from twisted_redis.cluster.forming import describe

        return describe(founders, masters, Random())

    def begin_history(self) -> tuple[str, int]:
        """Opens the backlog of a master without data; returns the name of its history and the offset."""
        replication = self._service.replication
        replication.create_backlog()
        return replication.replication_id, replication.offset

    def join_cluster(self, text: str, history: tuple[str, int] | None) -> None:
        """Takes over the tables of a cluster.

        ``history`` is that of the master of a replica.  Both have no data, so the replica need not get any.
        """
        if history is not None:
            self._service.replication.adopt(*history)
        self._node.join(text)

    def talk_to_cluster(self) -> None:
        """Begins to talk with the other nodes, which have joined too."""
        self._node.talk()

    def report_node(self) -> NodeReport:
        """Reports on this node."""
        node = self._node
        replication = self._service.replication
        return NodeReport(
            node.view(), node.linked(), not replication.is_replica or replication.follower.connected, self.activity()
        )

    def activity(self) -> tuple[int, int]:
        """Returns two figures that change while the nodes talk: the messages of the bus, and the stream."""
        return self._node.messages, self._service.replication.reached

    def cut_off(self, nodes: list[str], masters: list[tuple[str, int]]) -> None:
        """Parts this node from ``nodes`` (ids) and their replication from ``masters`` (host, port); none: heals."""
        self._node.cut_off(nodes)
        self._service.replication.follower.cut_off(masters)

    # everything

    def forget_faults(self) -> None:
        """Removes faults and pauses."""
        self.faults.stop_log()
        self.faults.clear()
        self._engine.pauses.release(CLIENTS)

    def reset(self) -> None:
        """Removes faults, pauses and keys, and goes back to the time of the system."""
        self.forget_faults()
        self.clock.reset()
        self.client().execute("FLUSHALL")
