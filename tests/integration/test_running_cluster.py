"""A cluster in one line: started in a thread, in threads and in processes, and treated badly."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.cluster import RedisCluster

from tests.integration.process import PATIENCE, environment
from tests.integration.replicas import until
from tests.integration.test_library import descriptors
from twisted_redis import ReplyError, RunningCluster, RunningNode, ServerStopped, running_cluster, start_cluster
from twisted_redis.net.listening import ListenError

MODES = ("reactor", "threads", "processes")


def settled_descriptors() -> Counter[str]:
    """Returns what is open when the nodes that other tests share have connected to each other again."""
    found = descriptors()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        time.sleep(0.3)
        before, found = found, descriptors()
        if found == before:
            break
    return found


@pytest.fixture(params=MODES)
def cluster(request: pytest.FixtureRequest) -> Iterator[RunningCluster]:
    before = settled_descriptors() if os.path.isdir("/proc/self/fd") else None
    threads = threading.enumerate()
    with running_cluster(masters=3, replicas=1, mode=request.param) as running:
        yield running
    assert threading.enumerate() == threads
    if before is not None:
        until(lambda: descriptors() <= before, "all descriptors are closed")


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningCluster]:
    with running_cluster(masters=3, replicas=1) as running:
        yield running


@pytest.fixture
def calm(shared: RunningCluster) -> RunningCluster:
    """The cluster of this module, which was made usable again."""
    shared.reset()
    return shared


def client_of(cluster: RunningCluster) -> RedisCluster:
    return RedisCluster(startup_nodes=cluster.startup_nodes)


def master_for(cluster: RunningCluster, key: str) -> RunningNode:
    node = cluster.node_for(key)
    assert node.role == "master"
    return node


def replica_of(cluster: RunningCluster, master: RunningNode) -> RunningNode:
    return next(node for node in cluster.replicas if node.master is master)


def test_everything_is_ready_when_the_block_begins(cluster: RunningCluster) -> None:
    assert [node.role for node in cluster.nodes] == ["master"] * 3 + ["replica"] * 3
    assert [node.slots for node in cluster.masters] == [[(0, 5460)], [(5461, 10922)], [(10923, 16383)]]
    assert [node.master for node in cluster.replicas] == cluster.masters
    for node in cluster.nodes:
        assert b"cluster_state:ok" in node.execute("CLUSTER", "INFO")
        assert node.execute("CLUSTER", "NODES").count(b"connected") == 6
        assert node.execute("CLUSTER", "MYID").decode() == node.id
    with client_of(cluster) as client:
        for number in range(50):
            client.set(f"key:{number}", number)
    # A failover by hand works at once, and loses nothing.
    master = master_for(cluster, "key:1")
    replica = replica_of(cluster, master)
    cluster.failover(replica)
    assert replica.role == "master" and master.master is replica
    assert cluster.node_for("key:1") is replica
    with RedisCluster.from_url(cluster.url) as client:
        assert [client.get(f"key:{number}") for number in range(50)] == [b"%d" % number for number in range(50)]


def test_a_killed_master_is_replaced(cluster: RunningCluster) -> None:
    victim = master_for(cluster, "key")
    heir = replica_of(cluster, victim)
    with client_of(cluster) as client:
        client.set("key", "value")
        assert client.wait(1, int(PATIENCE * 1000), target_nodes=client.get_node(victim.host, victim.port)) == 1
        cluster.kill(victim)
        assert not victim.alive and victim not in cluster.masters
        with pytest.raises(redis.ConnectionError):
            redis.Redis(host=str(victim.host), port=victim.port or 0, retry=None).ping()
        cluster.advance(10)
        cluster.wait_until_ok()
        assert heir.role == "master" and cluster.node_for("key") is heir
        assert client.get("key") == b"value"
        cluster.restart(victim)
        cluster.advance(5)
        cluster.wait_until_ok()
        assert victim.role == "replica" and victim.master is heir
        assert victim.execute("DBSIZE") == 1


def test_a_partition(cluster: RunningCluster) -> None:
    lonely = master_for(cluster, "key")
    heir = replica_of(cluster, lonely)
    with cluster.partition([lonely]):
        cluster.advance(10)
        assert heir.role == "master"
        # Clients reach both sides.
        client = redis.Redis(host=str(lonely.host), port=lonely.port or 0)
        with client, pytest.raises(redis.exceptions.ClusterDownError):
            client.set("key", "lost")
        with redis.Redis(host=str(heir.host), port=heir.port or 0) as client:
            client.set("key", "kept")
        with pytest.raises(TimeoutError, match="the cluster is not ok after 0.1 seconds: "):
            cluster.wait_until_ok(0.1)
    cluster.advance(5)
    cluster.wait_until_ok()
    assert lonely.master is heir
    assert lonely.execute("DBSIZE") == 1


def test_a_replica_on_the_other_side_gets_nothing(calm: RunningCluster) -> None:
    master = master_for(calm, "key")
    replica = replica_of(calm, master)
    with calm.partition([replica]):
        with master.client() as client:
            client.set("key", 1)
            assert client.execute("WAIT", 1, 50) == 0
        assert replica.execute("DBSIZE") == 0
        assert b"master_link_status:down" in replica.execute("INFO", "replication")
    calm.wait_until_ok()
    with master.client() as client:
        client.set("key", 2)
        assert client.execute("WAIT", 1, 10_000) == 1
    assert replica.execute("DBSIZE") == 1


def test_a_slot_moves_with_its_keys(cluster: RunningCluster) -> None:
    source = master_for(cluster, "{tag}")
    target = next(node for node in cluster.masters if node is not source)
    slot = source.execute("CLUSTER", "KEYSLOT", "{tag}")
    with client_of(cluster) as client:
        for number in range(250):
            client.set(f"{{tag}}{number}", number)
        cluster.move_slot(slot, target)
        assert cluster.node_for("{tag}") is target
        assert target.execute("CLUSTER", "COUNTKEYSINSLOT", slot) == 250
        assert source.execute("CLUSTER", "COUNTKEYSINSLOT", slot) == 0
        assert client.get("{tag}249") == b"249"
        cluster.move_slot(slot, target)  # nothing to do
        cluster.move_slot(slot, source)
        assert client.get("{tag}1") == b"1"
    cluster.wait_until_ok()


def test_reset_mends_everything(calm: RunningCluster) -> None:
    with client_of(calm) as client:
        client.set("key", 1)
    with calm.partition([calm.nodes[5]]):
        calm.nodes[1].fail_next("GET", times=None)
        calm.kill(calm.nodes[0])
        calm.kill(calm.nodes[4])
        calm.reset()
        assert all(node.alive and node.execute("DBSIZE") == 0 for node in calm.nodes)
        assert calm.node_for("key").execute("GET", "key") is None
        calm.wait_until_ok(0)


def test_time_goes_on_after_reset(calm: RunningCluster) -> None:
    node = calm.nodes[0]
    node.clock.freeze()
    frozen = node.clock.now()
    assert node.clock.now() == frozen
    calm.reset()
    until(lambda: node.clock.now() > frozen, "time goes on")


def test_reset_closes_the_slots_of_an_unfinished_move(calm: RunningCluster) -> None:
    source = master_for(calm, "{tag}")
    target = next(node for node in calm.masters if node is not source)
    slot = source.execute("CLUSTER", "KEYSLOT", "{tag}")
    source.execute("SET", "{tag}1", "value")
    source.fail_next("MIGRATE", "ERR injected")
    with pytest.raises(ReplyError, match="injected"):
        calm.move_slot(slot, target)
    calm.reset()
    assert calm.node_for("{tag}") is source
    for node in (source, target):
        assert b"[" not in node.execute("CLUSTER", "NODES")
    with client_of(calm) as client:
        # Of an open slot, the keys that do not exist are asked for at the other node.
        assert client.mset({"{tag}1": 1, "{tag}2": 2})
    calm.move_slot(slot, target)
    assert calm.node_for("{tag}") is target


def test_time_goes_on_if_a_node_ends_while_it_is_moved(cluster: RunningCluster) -> None:
    victim, rest = cluster.nodes[0], cluster.nodes[1:]
    began = rest[0].clock.now()
    ended: list[BaseException] = []

    def move() -> None:
        try:
            cluster.advance(100_000)
        except ServerStopped as error:
            ended.append(error)

    thread = threading.Thread(target=move)
    thread.start()
    until(lambda: (rest[0].clock.now() - began).total_seconds() > 20, "time is being moved")
    cluster.kill(victim)
    thread.join()
    assert len(ended) == 1
    for node in rest:
        before = node.clock.now()
        until(lambda node=node, before=before: node.clock.now() > before, f"the time of {node!r} goes on")
    cluster.restart(victim)
    ahead = (victim.clock.now() - rest[-1].clock.now()).total_seconds()
    assert abs(ahead) < 10


def test_a_stopped_cluster_says_so() -> None:
    with running_cluster(masters=2) as cluster:
        first = cluster.nodes[0]
    for call in (
        lambda: cluster.url,
        lambda: cluster.node_for("key"),
        lambda: cluster.advance(1),
        lambda: cluster.wait_until_ok(),
        lambda: cluster.kill(first),
        lambda: cluster.restart(first),
        lambda: cluster.partition([first]).__enter__(),
        lambda: cluster.move_slot(1, first),
        lambda: cluster.failover(first),
        lambda: cluster.reset(),
    ):
        with pytest.raises(ServerStopped):
            call()
    assert cluster.masters == [] and not first.alive


_FORKED = """
import os, sys
from twisted_redis import ServerStopped, running_cluster
from redis.cluster import RedisCluster

with running_cluster(masters=2, mode=sys.argv[1]) as cluster:
    first = cluster.nodes[0]
    child = os.fork()
    if not child:
        for call in (
            lambda: cluster.masters, lambda: cluster.node_for("key"), lambda: cluster.advance(1), cluster.wait_until_ok,
            lambda: cluster.kill(first), lambda: cluster.restart(first), cluster.reset,
            lambda: cluster.partition([first]).__enter__(), lambda: cluster.move_slot(1, first),
        ):
            try:
                call()
            except ServerStopped as error:
                assert "from which this one was forked" in str(error), error
            else:
                raise AssertionError(call)
        with RedisCluster.from_url(cluster.url) as client:
            client.set("key", "forked")
        assert [each.port for each in cluster.startup_nodes] == [each.port for each in cluster.nodes]
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert cluster.node_for("key").execute("GET", "key") == b"forked"
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("mode", ["reactor", "processes"])
def test_a_forked_process_only_connects(mode: str) -> None:
    subprocess.run([sys.executable, "-c", _FORKED, mode], check=True, timeout=2 * PATIENCE, env=environment())


def test_time_is_the_same_on_all_nodes(calm: RunningCluster) -> None:
    master = master_for(calm, "key")
    replica = replica_of(calm, master)
    with master.client() as client:
        client.set("key", 1, ex=100)
        client.execute("WAIT", 1, 10_000)
        calm.advance(90)
        assert 0 < client.ttl("key") <= 10
        victim = next(node for node in calm.replicas if node is not replica)
        calm.kill(victim)
        calm.restart(victim)
        assert abs((victim.clock.now() - master.clock.now()).total_seconds()) < 5
        calm.advance(11)
        assert client.get("key") is None
    assert replica.execute("DBSIZE") == 0
    began = calm.nodes[0].clock.now()
    calm.advance(1000)
    assert (calm.nodes[0].clock.now() - began).total_seconds() >= 1000
    calm.wait_until_ok()


def test_wrong_use(calm: RunningCluster) -> None:
    master, replica = calm.masters[0], calm.replicas[0]
    for call, error, text in (
        (lambda: calm.kill(1), TypeError, "a node is one of cluster.nodes, not 1"),
        (lambda: calm.failover(master), ValueError, "is not a replica, so it cannot take over"),
        (lambda: calm.move_slot(1, replica), ValueError, "is not a master, so it cannot have slots"),
        (lambda: calm.move_slot(16384, master), ValueError, "slots are 0 to 16383, not 16384"),
        (lambda: calm.move_slot("1", master), TypeError, "a slot is an int"),
        (lambda: calm.restart(master), RuntimeError, "runs already"),
        (lambda: calm.partition([]).__enter__(), ValueError, "nodes on both sides"),
        (lambda: calm.partition(calm.nodes).__enter__(), ValueError, "nodes on both sides"),
        (lambda: calm.partition(master).__enter__(), TypeError, "takes a list of nodes"),
        (lambda: calm.advance(-1), ValueError, "cannot go back"),
        (lambda: calm.advance("1"), TypeError, "what is to pass is a number of seconds"),
        (lambda: master.execute("GET", _key_of(calm, replica)), ReplyError, "MOVED"),
    ):
        with pytest.raises(error, match=text):  # type: ignore[call-overload]
            call()
    with running_cluster(masters=1) as other, pytest.raises(ValueError, match="not a node of this cluster"):
        calm.kill(other.nodes[0])
    victim = calm.replicas[0]
    calm.kill(victim)
    with pytest.raises(ServerStopped):
        calm.kill(victim)
    for attribute in ("role", "slots", "master"):
        with pytest.raises(ServerStopped):
            getattr(victim, attribute)
    assert "stopped" in repr(victim) and victim.port and len(victim.id) == 40


def _key_of(cluster: RunningCluster, replica: RunningNode) -> str:
    """A key that the first master does not have."""
    return next(key for key in "abcdefgh" if cluster.node_for(key) is not cluster.masters[0])


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"masters": 0}, ValueError, "masters must be at least 1, not 0"),
        ({"masters": "3"}, TypeError, "masters is a number of nodes, not '3'"),
        ({"replicas": -1}, ValueError, "replicas must be at least 0, not -1"),
        ({"masters": 400, "replicas": 2}, ValueError, "at most 1000 nodes"),
        (
            {"mode": "thread", "appendonly": True},
            ValueError,
            "mode is one of reactor, threads, processes, not 'thread'; did you mean",
        ),
        ({"cluster_enabled": False}, ValueError, "makes no sense"),
        ({"cluster_port": 5}, ValueError, "cluster_port cannot be given"),
        ({"port": 60000}, ValueError, "port=60000: the nodes need ports up to 60002, and for the bus 10000 above"),
        ({"port": []}, TypeError, "port is the number of the first node's port"),
        ({"port": True}, TypeError, "port is the number of the first node's port"),
        ({"port": 7000.5}, TypeError, "port is the number of the first node's port"),
        ({"dir": ""}, ValueError, "dir is empty"),
        ({"mode": ["reactor"]}, ValueError, "mode is one of"),
        ({"maxmemroy": 1}, TypeError, "no directive 'maxmemroy'; did you mean 'maxmemory'?"),
        ({"maxmemory": "lots", "mode": "threads"}, ValueError, "argument must be a memory value"),
    ],
)
def test_wrong_arguments(
    arguments: dict[str, Any], error: type[Exception], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = threading.enumerate()
    with pytest.raises(error, match=text):
        start_cluster(**arguments)
    assert threading.enumerate() == before
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", ["reactor", "processes"])
def test_a_port_that_is_taken(mode: str) -> None:
    while True:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1] - 1
            if port + 10_010 > 65535:
                continue
            taken.listen()
            with pytest.raises(ListenError, match="Address already in use"):
                start_cluster(port=port, mode=mode)
        return


@pytest.mark.parametrize("mode", MODES)
def test_a_folder_keeps_the_cluster(tmp_path: Path, mode: str) -> None:
    with running_cluster(masters=2, replicas=1, dir=tmp_path, appendonly=True, mode=mode) as cluster:
        ids = [node.id for node in cluster.nodes]
        ports = [node.port for node in cluster.nodes]
        cluster.move_slot(0, cluster.masters[1])
        with client_of(cluster) as client:
            client.set("key", "value")
        # A node that is killed has what it had written.
        victim = master_for(cluster, "key")
        cluster.kill(victim)
        cluster.restart(victim)
        cluster.advance(5)
        cluster.wait_until_ok()
        with client_of(cluster) as client:
            assert client.get("key") == b"value"
        slots = [node.slots for node in cluster.nodes]
    assert sorted(os.listdir(tmp_path)) == ["0", "1", "2", "3"]
    assert "nodes.conf" in os.listdir(tmp_path / "0")
    with running_cluster(masters=2, replicas=1, dir=tmp_path, appendonly=True, mode=mode) as cluster:
        assert [node.id for node in cluster.nodes] == ids
        assert [node.port for node in cluster.nodes] == ports
        assert [node.slots for node in cluster.nodes] == slots
        with client_of(cluster) as client:
            assert client.get("key") == b"value"


def test_a_password_is_for_clients_and_nodes(tmp_path: Path) -> None:
    with running_cluster(masters=2, replicas=1, requirepass="a secret", maxmemory="50mb") as cluster:
        with RedisCluster.from_url(cluster.url) as client:
            client.set("key", "value")
        assert cluster.masters[0].execute("CONFIG", "GET", "maxmemory") == {b"maxmemory": b"52428800"}
        slot = cluster.nodes[0].execute("CLUSTER", "KEYSLOT", "key")
        target = next(node for node in cluster.masters if node is not cluster.node_for("key"))
        cluster.move_slot(slot, target)
        assert target.execute("GET", "key") == b"value"
    with pytest.raises(ServerStopped):
        _ = cluster.url
    cluster.stop()  # again
    for call in (cluster.reset, lambda: cluster.advance(1), lambda: cluster.restart(cluster.nodes[0])):
        with pytest.raises(ServerStopped, match="the cluster has stopped"):
            call()
