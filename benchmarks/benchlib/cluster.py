"""Six servers that form a cluster: three masters with a third of the slots each, and a replica of each."""

from __future__ import annotations

import binascii
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from .client import Connection, Refused
from .partition import Network
from .servers import Subject, free_port, wait_for_pong

SLOTS = 16384
#: The first and the last slot of each shard.
SHARDS = ((0, 5460), (5461, 10922), (10923, 16383))
#: How long anything may take on a machine that is busy with other things (s).
PATIENCE = 60.0
#: A node answers a question within this time (s), unless it is stopped.
ANSWER = 2.0

ERRORS = (OSError, Refused, ValueError)


class NeverHappened(Exception):
    """Something that has to happen has not happened in time."""


def slot_of(key: str) -> int:
    """Returns the slot of a key, which may have a hash tag."""
    begin = key.find("{")
    end = key.find("}", begin + 1)
    if begin >= 0 and end > begin + 1:
        key = key[begin + 1 : end]
    return binascii.crc_hqx(key.encode(), 0) % SLOTS


def shard_of(slot: int) -> int:
    """Returns the shard that owns a slot at the beginning."""
    return next(number for number, (first, last) in enumerate(SHARDS) if first <= slot <= last)


def tags(shard: int, count: int) -> list[str]:
    """Returns hash tags in different slots of a shard."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < count:
        tag = f"t{number}"
        if shard_of(slot_of(tag)) == shard:
            found.setdefault(slot_of(tag), tag)
        number += 1
    return list(found.values())


def until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Waits until ``condition`` is true. It may fail with an error of the connection until then."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with suppress(*ERRORS):
            if condition():
                return
        time.sleep(0.02)
    raise NeverHappened(what)


class Seen(NamedTuple):
    """A node as another node sees it: a line of CLUSTER NODES."""

    name: str
    flags: frozenset[str]
    master: str
    epoch: int
    slots: frozenset[int]


def read_nodes(text: str) -> dict[str, Seen]:
    """Parses the reply to CLUSTER NODES."""
    found = {}
    for line in text.splitlines():
        name, _, flags, master, _, _, epoch, _, *slots = line.split()
        owned: set[int] = set()
        for some in slots:
            if not some.startswith("["):
                first, _, last = some.partition("-")
                owned.update(range(int(first), int(last or first) + 1))
        found[name] = Seen(name, frozenset(flags.split(",")), master, int(epoch), frozenset(owned))
    return found


class Node:
    """One server of the cluster. It can be killed, started again, stopped and continued."""

    def __init__(self, number: int, subject: Subject, folder: Path, options: Sequence[str], network: Network | None):
        self.number = number
        self.subject = subject
        self.folder = folder
        self.port = free_port()
        self.bus_port = free_port()
        self.log = folder / "log"
        self.name = ""
        self.frozen = False
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        self._command = [*subject.command, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._command += ["--save", "", "--appendonly", "no", "--cluster-enabled", "yes"]
        self._command += ["--cluster-port", str(self.bus_port), "--enable-debug-command", "yes"]
        self._command += ["--repl-diskless-sync-delay", "0", *options]
        #: The ports at which the other nodes and the clients find this node.
        self.announced_port, self.announced_bus_port = self.port, self.bus_port
        if network is not None:
            self.announced_port = network.open(number, self.port)
            self.announced_bus_port = network.open(number, self.bus_port)
            self._command += ["--bind-source-addr", network.address_of(number), "--cluster-announce-ip", "127.0.0.1"]
            self._command += ["--cluster-announce-port", str(self.announced_port)]
            self._command += ["--cluster-announce-bus-port", str(self.announced_bus_port)]

    def start(self) -> None:
        """Starts the server, and waits until it answers."""
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.subject.environment()
            )
        wait_for_pong(self.port, self._process, time.perf_counter() + PATIENCE, self.log)

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Ends the server as kill -9 does."""
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
        self.frozen = False

    def freeze(self) -> None:
        self.frozen = True
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)
        self.frozen = False

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None and not self.frozen

    def call(self, *arguments: bytes | str | int, patience: float = ANSWER) -> Any:
        """Sends one command over a connection of its own."""
        with Connection(self.port, patience) as connection:
            return connection.call(*arguments)

    def info(self, section: str) -> dict[str, str]:
        """Returns the fields of a section of INFO; of CLUSTER INFO for ``cluster``."""
        reply = self.call("CLUSTER", "INFO") if section == "cluster" else self.call("INFO", section)
        lines = (line.partition(":") for line in reply.decode().splitlines())
        return {name: value for name, _, value in lines}

    def nodes(self) -> dict[str, Seen]:
        """Returns what this node knows about all nodes."""
        return read_nodes(self.call("CLUSTER", "NODES").decode())

    def is_master(self) -> bool:
        return bool(self.call("ROLE")[0] == b"master")

    def is_ok(self) -> bool:
        """Tells whether this node finds that the cluster is up."""
        return self.info("cluster")["cluster_state"] == "ok"


class Cluster:
    """The six nodes."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    @property
    def running(self) -> list[Node]:
        return [node for node in self.nodes if node.running]

    def named(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def master_of(self, shard: int) -> Node:
        """Returns the node that owns the first slot of a shard, in the view of a node that runs."""
        first = SHARDS[shard][0]
        seen = self.running[0].nodes()
        return self.named(next(each.name for each in seen.values() if first in each.slots))

    def replica_of(self, master: Node) -> Node:
        """Returns the replica of a master."""
        seen = master.nodes()
        return self.named(next(each.name for each in seen.values() if each.master == master.name))

    def form(self) -> None:
        """Makes a cluster of the nodes, which have just been started."""
        for node in self.nodes:
            node.name = node.call("CLUSTER", "MYID").decode()
        for number, (node, (first, last)) in enumerate(zip(self.nodes, SHARDS, strict=False), 1):
            node.call("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.call("CLUSTER", "SET-CONFIG-EPOCH", number)
        for node in self.nodes[1:]:
            self.nodes[0].call(
                "CLUSTER", "MEET", "127.0.0.1", node.announced_port, node.announced_bus_port, patience=PATIENCE
            )
        names = {node.name for node in self.nodes}
        until(lambda: all(set(node.nodes()) == names for node in self.nodes), "all nodes know each other")
        for master, replica in zip(self.nodes, self.nodes[3:], strict=False):
            until(lambda m=master, r=replica: r.call("CLUSTER", "REPLICATE", m.name), "a replica accepts its master")  # type: ignore[misc]
        self.wait_until_settled()

    def wait_until_settled(self) -> None:
        """Waits until all nodes agree, each master has a replica in sync, and the cluster is up."""
        until(self.settled, "all nodes agree, and each master has a replica in sync")

    def settled(self) -> bool:
        views = [node.nodes() for node in self.nodes]
        return not disagreements(views) and all(node.is_ok() for node in self.nodes) and all(map(in_sync, self.nodes))

    def in_step(self) -> bool:
        """Tells whether each replica has executed all that its master has sent."""
        for node in self.nodes:
            if node.is_master():
                replica = self.replica_of(node)
                if replica.info("replication")["slave_repl_offset"] != node.info("replication")["master_repl_offset"]:
                    return False
        return True

    def keys(self, node: Node) -> set[str]:
        """Returns all keys of a node."""
        return {key.decode() for key in node.call("KEYS", "*", patience=PATIENCE)}


def in_sync(node: Node) -> bool:
    """Tells whether a replica follows its master; for a master, whether its replica is online."""
    info = node.info("replication")
    if info["role"] == "master":
        return info["connected_slaves"] == "1" and "state=online" in info.get("slave0", "")
    return info["master_link_status"] == "up" and info["master_sync_in_progress"] == "0"


def disagreements(views: list[dict[str, Seen]]) -> list[str]:
    """Says where the views of the nodes contradict each other, or the cluster is not as it has to be."""
    found = []
    first = views[0]
    for view in views[1:]:
        for name, seen in first.items():
            other = view.get(name)
            if other is None:
                found.append(f"a node does not know {name}")
            elif (seen.master, seen.slots) != (other.master, other.slots):
                found.append(f"two nodes disagree about {name}")
            elif "master" in seen.flags and seen.epoch != other.epoch:
                found.append(f"two nodes see different epochs of {name}: {seen.epoch} and {other.epoch}")
    for view in views:
        for seen in view.values():
            if seen.flags & {"fail", "fail?", "handshake", "noaddr"}:
                found.append(f"a node sees {seen.name} as {','.join(sorted(seen.flags))}")
    masters = [seen for seen in first.values() if seen.slots]
    if len(masters) != 3:
        found.append(f"{len(masters)} masters have slots")
    if (
        sum(len(seen.slots) for seen in masters) != SLOTS
        or len(frozenset().union(*(s.slots for s in masters))) != SLOTS
    ):
        found.append("a slot has no owner, or two")
    if len({seen.epoch for seen in masters}) != len(masters):
        found.append(f"two masters have the same epoch: {sorted(seen.epoch for seen in masters)}")
    for master in masters:
        if sum(seen.master == master.name for seen in first.values()) != 1:
            found.append(f"{master.name} does not have one replica")
    return found


@contextmanager
def cluster_of(subjects: Sequence[Subject], folder: Path, timeout: int, network: Network | None) -> Iterator[Cluster]:
    """Starts six nodes: three masters, then the replica of each. ``timeout`` is cluster-node-timeout (ms)."""
    options = ("--cluster-node-timeout", str(timeout))
    nodes: list[Node] = []
    try:
        for number, subject in enumerate(subjects):
            node = Node(number, subject, folder / str(number), options, network)
            nodes.append(node)
            node.start()
        cluster = Cluster(nodes)
        cluster.form()
        yield cluster
    finally:
        for node in nodes:
            node.kill()
