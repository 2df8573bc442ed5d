"""Faults of a cluster. Each function lets one fault happen, waits until all is well again, and tells what it cost.

The sections of ``FAULTS`` say which writes must survive: with ``wait``, those that WAIT has confirmed; without it, all
that were acknowledged, because no node is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .client import Connection
from .cluster import ERRORS, SHARDS, Cluster, Node, slot_of, until
from .partition import Network

#: So many hash tags have the keys of a shard. The slots of the first half are those that move.
TAGS = 8


class Round(NamedTuple):
    """A fault: the shard that it has hit, its period (monotonic time, s), and when another node accepted writes."""

    shard: int
    began: float
    ended: float
    accepted: float | None


class Scene(NamedTuple):
    """The cluster, the clients and the options that a fault works with."""

    cluster: Cluster
    network: Network | None
    tags: Sequence[Sequence[str]]
    #: The number of the round.
    number: int

    def accepts(self, node: Node, shard: int) -> float:
        """Waits until a node accepts a write to a shard; returns when that was."""
        key = f"{{{self.tags[shard][-1]}}}:probe"

        def written() -> bool:
            with Connection(node.port, 1) as connection:
                return bool(connection.call("SET", key, key) == b"OK")

        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if written():
                    return time.monotonic()
            except ERRORS:
                pass
            time.sleep(0.005)
        until(written, f"node {node.number} accepts writes", patience=1)
        return time.monotonic()


def kill(scene: Scene, shard: int) -> Round:
    """A master ends as by kill -9, and starts again when its replica has replaced it."""
    cluster = scene.cluster
    victim = cluster.master_of(shard)
    successor = cluster.replica_of(victim)
    began = time.monotonic()
    victim.kill()
    accepted = scene.accepts(successor, shard)
    until(lambda: all(node.is_ok() for node in cluster.running), "the others find that the cluster is up")
    victim.start()
    cluster.wait_until_settled()
    return Round(shard, began, time.monotonic(), accepted)


def stop(scene: Scene, shard: int) -> Round:
    """A master stands still (SIGSTOP) until its replica has replaced it."""
    cluster = scene.cluster
    victim = cluster.master_of(shard)
    successor = cluster.replica_of(victim)
    began = time.monotonic()
    victim.freeze()
    try:
        accepted = scene.accepts(successor, shard)
        until(lambda: all(node.is_ok() for node in cluster.running), "the others find that the cluster is up")
    finally:
        victim.thaw()
    cluster.wait_until_settled()
    return Round(shard, began, time.monotonic(), accepted)


def partition(scene: Scene, shard: int) -> Round:
    """A master cannot reach the other nodes, and they cannot reach it; clients reach all of them.

    In every second round, a replica of another master is on its side.
    """
    cluster, network = scene.cluster, scene.network
    assert network is not None
    victim = cluster.master_of(shard)
    successor = cluster.replica_of(victim)
    minority = [victim.number]
    if scene.number % 2:
        minority.append(cluster.replica_of(cluster.master_of((shard + 1) % len(SHARDS))).number)
    began = time.monotonic()
    network.cut(minority)
    try:
        accepted = scene.accepts(successor, shard)
        until(lambda: not victim.is_ok(), "the minority finds that the cluster is down")
    finally:
        network.heal()
    cluster.wait_until_settled()
    return Round(shard, began, time.monotonic(), accepted)


def manual(scene: Scene, shard: int) -> Round:
    """CLUSTER FAILOVER: a replica and its master change places."""
    cluster = scene.cluster
    victim = cluster.master_of(shard)
    successor = cluster.replica_of(victim)
    began = time.monotonic()
    successor.call("CLUSTER", "FAILOVER")
    accepted = scene.accepts(successor, shard)
    cluster.wait_until_settled()
    return Round(shard, began, time.monotonic(), accepted)


def slots(scene: Scene, shard: int) -> Round:
    """Slots with keys move to the next shard and back, one after the other."""
    cluster = scene.cluster
    one, other = cluster.master_of(shard), cluster.master_of((shard + 1) % len(SHARDS))
    moving = [slot_of(tag) for tag in scene.tags[shard][: TAGS // 2]]
    began = time.monotonic()
    for source, target in ((one, other), (other, one)):
        for slot in moving:
            move(cluster, slot, source, target)
    cluster.wait_until_settled()
    return Round(shard, began, time.monotonic(), None)


def move(cluster: Cluster, slot: int, source: Node, target: Node) -> None:
    """Moves a slot with its keys as redis-cli does."""
    target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source.name)
    source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target.name)
    address = ("127.0.0.1", target.port)
    while keys := source.call("CLUSTER", "GETKEYSINSLOT", slot, 10):
        source.call("MIGRATE", *address, "", 0, 5000, "KEYS", *keys, patience=10)
    masters = [node for node in cluster.nodes if node.is_master() and node not in (source, target)]
    for node in (target, source, *masters):
        node.call("CLUSTER", "SETSLOT", slot, "NODE", target.name)


class Fault(NamedTuple):
    """A kind of fault."""

    happen: Callable[[Scene, int], Round]
    #: The time that WAIT may take (ms). 0: each acknowledged write must survive, so WAIT is not needed.
    wait: int
    #: True if the nodes speak with each other through proxies.
    proxied: bool = False


FAULTS = {
    "kill": Fault(kill, 100),
    "stop": Fault(stop, 100),
    "partition": Fault(partition, 100, proxied=True),
    "manual": Fault(manual, 0),
    "slots": Fault(slots, 0),
}
