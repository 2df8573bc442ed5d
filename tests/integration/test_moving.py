"""The steps of docs/moving-to-redis.md: from this server to Redis and back, with one server or a cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.integration.cluster_cli import Nodes, address, fill, find_cli, run_cli, tag_of, writing
from tests.integration.process import PATIENCE, Server
from tests.integration.replicas import KINDS, client_of, digest, has, launch, link_up, until


class Writer:
    """A client that counts. It follows the master, like a client whose address is changed."""

    def __init__(self, *ports: int) -> None:
        self.ports = list(ports)
        self.acknowledged = 0
        self.stopping = False
        self.refused = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self.stopping:
            with redis.Redis(port=self.ports[0], socket_timeout=PATIENCE, retry=None) as client:
                try:
                    while not self.stopping:
                        client.rpush("log", self.acknowledged)
                        self.acknowledged += 1
                except redis.exceptions.ReadOnlyError:
                    self.refused += 1
                    self.ports.append(self.ports.pop(0))

    def stop(self) -> None:
        self.stopping = True
        self._thread.join()


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    found: list[Server] = []
    yield found
    for server in found:
        server.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(tmp_path: Path, servers: list[Server], kind: str) -> None:
    if not has(kind):
        pytest.skip(f"no {kind}: set REDIS_SERVER, or run tests/conformance/run --list once")
    ours = launch("ours", tmp_path / "ours", "--repl-diskless-sync-delay", "0")
    servers.append(ours)
    with client_of(ours) as here:
        here.hset("hash", mapping={str(number): number for number in range(1000)})
        here.set("expires", 1, ex=1000)
        writer = Writer(ours.port)
        try:
            until(lambda: writer.acknowledged > 50, "some writes are done")
            theirs = launch(kind, tmp_path / kind, "--replicaof", "127.0.0.1", str(ours.port))
            servers.append(theirs)
            writer.ports.append(theirs.port)
            with client_of(theirs) as there:
                link_up(there)
                hand_over(here, there, theirs.port)
                moved = writer.acknowledged
                until(lambda: writer.acknowledged > moved + 50, "writes go on at the new master")
                assert writer.refused >= 1
                link_up(here)
                # Move back, without a second snapshot.
                hand_over(there, here, ours.port)
                moved = writer.acknowledged
                until(lambda: writer.acknowledged > moved + 50, "writes go on where they began")
                writer.stop()
                link_up(there)
                assert here.wait(1, int(PATIENCE * 1000)) == 1
                # Every write is there once, in the original order.
                assert here.lrange("log", 0, -1) == [b"%d" % number for number in range(writer.acknowledged)]
                until(lambda: digest(here) == digest(there), "both have the same data", 5)
                assert here.info("stats")["sync_full"] == 1
        finally:
            writer.stop()


def hand_over(old: redis.Redis, new: redis.Redis, port: int) -> None:
    """Calls FAILOVER and waits until it is complete."""
    until(lambda: old.info("replication")["slave0"]["state"] == "online", "the replica is online")
    old.execute_command("FAILOVER", "TO", "127.0.0.1", port, "TIMEOUT", 10_000)
    until(lambda: new.info("replication")["role"] == "master", "the new master is one")
    until(lambda: old.info("replication")["role"] == "slave", "the old master is none")
    link_up(old)
    assert old.info("replication")["master_failover_state"] == "no-failover"


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    """A cluster of three masters of this server."""
    if find_cli() is None or not has("redis-8"):
        pytest.skip("no redis-cli or no redis-8: set REDIS_SERVER, or run tests/conformance/run --list once")
    made = Nodes(tmp_path, "--cluster-node-timeout", "10000")
    try:
        made.start(["ours"] * 3)
        run_cli("create", *map(address, made.servers), "--cluster-yes")
        made.wait_until_up()
        yield made
    finally:
        made.stop()


TAGS = [tag_of(slot) for slot in (0, 5461, 10923)]


def test_the_nodes_of_a_cluster_are_replaced(nodes: Nodes) -> None:
    with nodes.cluster() as cluster:
        fill(cluster, TAGS)
    before = nodes.contents()
    with writing(nodes, TAGS):
        replace(nodes, "redis-8")
        check(nodes)
        # Back, while the writes go on.
        replace(nodes, "ours")
        check(nodes)
    nodes.expect(before)


def check(nodes: Nodes) -> None:
    """Looks at the three nodes that are there now."""
    nodes.wait_until_up()
    assert nodes.masters() == [0, 1, 2]
    assert "[OK] All 16384 slots covered." in run_cli("check", address(nodes.servers[0]))


def replace(nodes: Nodes, kind: str) -> None:
    """Replaces each of the three nodes by a node of a kind."""
    nodes.start([kind] * 3)
    for old in range(3):
        new = old + 3
        name = nodes.id_of(old)
        run_cli(
            "add-node", address(nodes.servers[new]), address(nodes.servers[old]),
            "--cluster-slave", "--cluster-master-id", name,
        )  # fmt: skip
        link_up(nodes.clients[new])
        master, replica = nodes.clients[old], nodes.clients[new]
        for client in nodes.clients[:new]:
            until(lambda c=client, n=name: c.execute_command("CLUSTER", "REPLICAS", n), "it is known as a replica")  # type: ignore[misc]
        replica.execute_command("CLUSTER", "FAILOVER")
        until(lambda r=replica: r.role()[0] == b"master", "the new node is the master")  # type: ignore[misc]
        until(lambda m=master: m.role()[0] == b"slave", "the old node is its replica")  # type: ignore[misc]
    nodes.wait_until_up()
    assert nodes.masters() == [3, 4, 5]
    for old in range(3):
        run_cli("del-node", address(nodes.servers[3]), nodes.id_of(old))
        nodes.clients[old].shutdown(nosave=True)
    nodes.drop_first(3)


def test_slots_move_to_more_nodes_and_back(nodes: Nodes) -> None:
    with nodes.cluster() as cluster:
        fill(cluster, TAGS)
    before = nodes.contents()
    nodes.start(["redis-8"] * 2)
    first = address(nodes.servers[0])
    with writing(nodes, TAGS):
        for place in (3, 4):
            run_cli("add-node", address(nodes.servers[place]), first)
            nodes.wait_until_up(*range(place + 1))
        # Equal shares would be 6,553 slots, each of which takes four calls.
        run_cli(
            "rebalance", first, "--cluster-use-empty-masters", "--cluster-threshold", 0.1,
            "--cluster-weight", *(f"{nodes.id_of(place)}=0.01" for place in (3, 4)),
        )  # fmt: skip
        nodes.wait_until_up()
        assert nodes.masters() == [0, 1, 2, 3, 4]
        assert nodes.clients[3].dbsize() + nodes.clients[4].dbsize() > 0
        for place in (3, 4):
            run_cli(
                "reshard", first, "--cluster-from", nodes.id_of(place), "--cluster-to", nodes.id_of(0),
                "--cluster-slots", 16384, "--cluster-yes",
            )  # fmt: skip
            nodes.wait_until_up(*range(place, 5), 0, 1, 2)
            link_up(nodes.clients[place])
            run_cli("del-node", first, nodes.id_of(place))
    nodes.drop(2)
    check(nodes)
    nodes.expect(before)
