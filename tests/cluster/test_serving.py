"""Nodes on engines and sockets: a cluster of whole servers, its file, and the addresses that it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.testing import MemoryReactorClock
from zope.interface import directlyProvides

from tests.replication.masters import snapshot_of
from tests.support.server import Server
from twisted_redis.cluster.bus.connections import BusFactory
from twisted_redis.cluster.core import FAIL_OVER_MANUALLY
from twisted_redis.cluster.nodes import MASTER, Node
from twisted_redis.cluster.serving import Cluster
from twisted_redis.config import FatalConfigError
from twisted_redis.engine.blocking import Block
from twisted_redis.keyspace.slots import key_slot
from twisted_redis.persistence.loading import Loader
from twisted_redis.replication.follower import Cached
from twisted_redis.replication.replication import Replication
from twisted_redis.resp.types import ErrorReply


def node_of(server: Server) -> Cluster:
    node = server.engine.cluster
    assert isinstance(node, Cluster)
    return node


def start(server: Server) -> Cluster:
    """Starts a node that reaches nobody, and lets it trust itself."""
    node = node_of(server)
    reactor = MemoryReactorClock()
    node.start_on(
        BusFactory(
            node,
            lambda host, port, factory, timeout: reactor.connectTCP(host, port, factory, timeout),
            server.engine.time.wall_ms,
            lambda: 1.0,
            lambda transport: 0,
        )
    )
    return node


def run(server: Server, seconds: float) -> None:
    """Lets time pass, with the periodic work of a server."""
    node = node_of(server)
    for _ in range(int(seconds * 10)):
        server.clock.advance(0.1)
        server.engine.turns.refresh_time()
        node.periodic(server.engine.time.monotonic())


def make(**directives: Any) -> Server:
    return Server(**{"cluster_enabled": True, "cluster_config_file": "", "databases": 1, **directives})


def test_a_node_serves_when_it_has_all_slots_and_has_waited() -> None:
    server = make()
    start(server)
    assert server("CLUSTER", "ADDSLOTSRANGE", 0, 16383) == b"OK"
    assert server("SET", "a", 1) == ErrorReply(b"CLUSTERDOWN The cluster is down")
    run(server, 3)
    assert server("SET", "a", 1) == b"OK"
    assert server("CLUSTER", "COUNTKEYSINSLOT", key_slot(b"a")) == 1
    assert b"cluster_state:ok" in server("CLUSTER", "INFO")


def test_clients_are_shown_ports_of_their_own_kind() -> None:
    """Their kind does not depend on the port that is open now: CONFIG SET may have changed it since they came."""
    server = make(cluster_announce_port=7000, cluster_announce_tls_port=7100)
    start(server)
    server("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    plain = server.connect()
    secure = server.connect()
    directlyProvides(secure.transport, ISSLTransport)
    for client, port in ((plain, b":7000\r\n"), (secure, b":7100\r\n")):
        assert port in client("CLUSTER", "SLOTS")
    for tls_cluster, port in ((False, 7000), (True, 7100)):
        server.config.tls_cluster = tls_cluster
        ((_, _, (_, shown, _, _)),) = server("CLUSTER", "SLOTS")
        assert shown == port, "a client without a connection counts as a node"


def test_the_file_brings_a_node_back(tmp_path: Path) -> None:
    path = tmp_path / "nodes.conf"
    first = make(cluster_config_file=str(path))
    node = start(first)
    first("CLUSTER", "ADDSLOTSRANGE", 0, 100)
    name = first("CLUSTER", "MYID")
    node.stop()
    second = make(cluster_config_file=str(path))
    assert second("CLUSTER", "MYID") == name
    assert b"0-100" in second("CLUSTER", "NODES")


def test_a_replica_that_starts_again_loads_its_data_as_a_replica(tmp_path: Path) -> None:
    path = tmp_path / "nodes.conf"
    master, myself = "a" * 40, "b" * 40
    path.write_text(
        f"{master} 10.0.0.1:6379@16379,,tls-port=0,shard-id={'c' * 40} master - 0 1 1 connected 0-16383\n"
        f"{myself} 10.0.0.2:6379@16379,,tls-port=0,shard-id={'c' * 40} myself,slave {master} 0 0 1 connected\n"
        "vars currentEpoch 1 lastVoteEpoch 0\n"
    )
    server = make(cluster_config_file=str(path))
    # What follows happens between the making of a server and its start.
    source = Server()
    source("SETEX", "expired", 1, "x")
    data = snapshot_of(source)
    server.clock.advance(10)
    server.engine.turns.refresh_time()
    loader = Loader(server.engine)
    loader.feed(data)
    loader.finish()
    assert (loader.loaded, loader.expired) == (1, 0)
    replication = server.engine.replication
    assert isinstance(replication, Replication)
    replication.restore({b"repl-id": b"d" * 40, b"repl-offset": b"77", b"repl-stream-db": b"0"}, [])
    follower = replication.follower
    assert (follower.host, follower.port) == ("10.0.0.1", 6379)
    assert (replication.replication_id, follower.offset) == ("d" * 40, 77)
    start(server)
    run(server, 1)
    assert (replication.replication_id, follower.offset) == ("d" * 40, 77)


def test_two_nodes_cannot_use_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "nodes.conf"
    first = make(cluster_config_file=str(path))
    with pytest.raises(FatalConfigError, match="already used by a different Redis Cluster node"):
        make(cluster_config_file=str(path))
    start(first).stop()
    make(cluster_config_file=str(path))


def test_a_damaged_file_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "nodes.conf"
    path.write_text("nonsense\n")
    for _ in range(2):  # the lock does not outlive the refusal
        with pytest.raises(FatalConfigError, match="corrupted cluster config file"):
            make(cluster_config_file=str(path))


def test_a_client_that_waits_goes_where_the_slot_goes() -> None:
    server = make()
    start(server)
    server("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    run(server, 3)
    waiting = server.engine.execute(server.client, [b"BLPOP", b"list", b"0"])
    assert isinstance(waiting, Block) or server.client.blocked is not None
    other = server.engine.connect(server.client.link)
    reply = server.engine.execute(other, [b"CLUSTER", b"DELSLOTS", b"%d" % key_slot(b"list")])
    assert reply == b"OK"
    run(server, 0.2)
    assert server.client.blocked is None


def test_a_manual_failover_goes_on_in_the_turn_that_executes_the_rest_of_the_stream() -> None:
    server = make()
    node = start(server)
    master = node.state.nodes["b" * 40] = Node("b" * 40, MASTER, 0)
    master.ip, master.port = "127.0.0.2", 7000
    node.state.assign(0, master)
    assert server("CLUSTER", "REPLICATE", master.name) == b"OK"
    replication = server.engine.replication
    assert isinstance(replication, Replication)
    manual = node.core.manual
    manual.ends = node.core.host.now() + 5000
    manual.master_offset = replication.reached + 10
    node.core.note(FAIL_OVER_MANUALLY)
    for _ in range(3):
        with server.engine.in_turn:
            assert not manual.can_start
    replication.follower.remember(Cached(replication.replication_id, manual.master_offset, 0))
    with server.engine.in_turn:
        pass
    assert manual.can_start
    assert node.core.election.requested
    assert not node.core.todo
