"""Clusters of this server and of real ones: they join, serve and fail over to each other."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from redis.cluster import ClusterNode, RedisCluster

from tests.integration.process import PATIENCE, Server
from tests.integration.replicas import client_of, has, launch, link_up, until
from tests.support.ports import free_port

ARGUMENTS = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0")
SLOTS = ((0, 5460), (5461, 10922), (10923, 16383))


class Group:
    """Three masters with a third of the slots each; the last servers are a replica of each.

    ``each`` has further arguments for each of the six servers.
    """

    def __init__(
        self, stack: ExitStack, folder: Path, masters: str, replicas: str, each: Sequence[Sequence[str]] = ((),) * 6
    ) -> None:
        self.servers: list[Server] = []
        self.clients: list[redis.Redis] = []
        for kind, extra in zip((masters,) * 3 + (replicas,) * 3, each, strict=True):
            # The default would be 10,000 above the port of the clients, and there may be no such port.
            arguments = (*ARGUMENTS, *extra, "--cluster-port", str(free_port()))
            server = launch(kind, folder / str(len(self.servers)), *arguments)
            stack.callback(end, server)
            self.servers.append(server)
            self.clients.append(stack.enter_context(client_of(server)))
        for client, (first, last) in zip(self.clients, SLOTS, strict=False):
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
        for number, client in enumerate(self.clients, 1):
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number)
        for server in self.servers[1:]:
            port = bus_port_of(server)
            self.clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port, port)
        until(lambda: all(len(nodes(each)) == 6 for each in self.clients), "all nodes know each other")
        for master, replica in zip(self.clients, self.clients[3:], strict=False):
            until(lambda m=master, r=replica: follow(m, r), "the replica accepts its master")  # type: ignore[misc]
        for replica in self.clients[3:]:
            link_up(replica)
        until(lambda: all(is_ok(each) for each in self.clients), "the cluster is up")
        # A master ignores the wish of a node for a failover before it knows that the node is its replica.
        until(lambda: all(count_replicas(each) == 1 for each in self.clients[:3]), "the masters know their replicas")

    def cluster(self) -> RedisCluster:
        """Returns redis-py's client of the whole cluster."""
        start = [ClusterNode("127.0.0.1", server.port) for server in self.servers]
        return RedisCluster(startup_nodes=start, socket_timeout=PATIENCE)


def bus_port_of(server: Server) -> int:
    with client_of(server) as client:
        return int(client.config_get("cluster-port")["cluster-port"])


def end(server: Server) -> None:
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGCONT)
        server.process.kill()
        server.process.wait()


def nodes(client: redis.Redis) -> list[str]:
    lines: list[str] = client.execute_command("CLUSTER NODES")  # a dict by address
    return [line for line in lines if "handshake" not in line]


def count_replicas(master: redis.Redis) -> int:
    return len(master.execute_command("CLUSTER REPLICAS", master.execute_command("CLUSTER", "MYID")))


def follow(master: redis.Redis, replica: redis.Redis) -> bool:
    replica.execute_command("CLUSTER", "REPLICATE", master.execute_command("CLUSTER", "MYID"))
    return True


def is_ok(client: redis.Redis) -> bool:
    info = client.execute_command("CLUSTER INFO")
    return bool(info["cluster_state"] == "ok" and int(info["cluster_slots_ok"]) == 16384)


@pytest.fixture(params=[("ours", "ours"), ("ours", "redis-8"), ("redis-8", "ours")], ids="-".join)
def group(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Group]:
    for kind in request.param:
        if not has(kind):
            pytest.skip(f"no {kind}: set REDIS_SERVER, or run tests/conformance/run --list once")
    with ExitStack() as stack:
        yield Group(stack, tmp_path, *request.param)


def test_a_killed_master_is_replaced(group: Group) -> None:
    with group.cluster() as cluster:
        for number in range(200):
            cluster.set(f"key:{number}", number)
        for client in group.clients[:3]:
            assert client.wait(1, int(PATIENCE * 1000)) == 1
        first = group.servers[0]
        first.process.kill()
        first.process.wait()
        successor = group.clients[3]
        until(lambda: successor.role()[0] == b"master", "the replica has taken over")
        until(lambda: all(is_ok(each) for each in group.clients[1:]), "the cluster is up again")
        values = [cluster.get(f"key:{number}") for number in range(200)]
        assert values == [b"%d" % number for number in range(200)]


def test_a_manual_failover_swaps_the_roles(group: Group) -> None:
    master, replica = group.clients[1], group.clients[4]
    with group.cluster() as cluster:
        cluster.set("b", 1)
        replica.execute_command("CLUSTER", "FAILOVER")
        until(lambda: replica.role()[0] == b"master", "the replica has taken over")
        until(lambda: master.role()[0] == b"slave", "the former master follows")
        until(lambda: all(is_ok(each) for each in group.clients), "the cluster is up")
        assert cluster.get("b") == b"1"
