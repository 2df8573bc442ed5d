"""Slots move atomically between two nodes while a client writes: between two of ours, and between ours and Redis."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.differential.harness import Server, core_command, real_redis, running, version_of
from tests.differential.wire import Wire
from tests.support.ports import free_port
from twisted_redis.keyspace.slots import key_slot

KEYS = [key for number in range(2000) if key_slot(key := b"k%d" % number) < 8192]
#: The keys that exist before the slots move, besides counters.
VALUES = (
    ("RPUSH", "{b}list", *range(700)),
    ("SADD", "{b}set", *range(20)),
    ("ZADD", "{b}zset", 1, "a", 2.5, "b"),
    ("HSETEX", "{b}hash", "EX", 1000, "FIELDS", 1, "f", "v"),
    ("XADD", "{b}stream", "1-1", "f", "v"),
    ("SET", "{b}string", "v", "EX", 1000),
)


class Node:
    """A node and a connection to it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.wire = Wire(server.port, timeout=90)

    def __call__(self, *words: bytes | str | int | float) -> bytes:
        """Returns the reply as it came."""
        return self.wire.call(*(word if isinstance(word, bytes) else str(word).encode() for word in words))

    def text(self, *words: bytes | str | int) -> bytes:
        """Returns the contents of a bulk string."""
        return self(*words).partition(b"\r\n")[2].removesuffix(b"\r\n")


def wait(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


@pytest.fixture(params=["ours ours", "ours real", "real ours"])
def nodes(request: pytest.FixtureRequest) -> Iterator[list[Node]]:
    """Two masters with half of the slots each."""
    program = real_redis()
    if "real" in request.param and (program is None or version_of(program) < (8, 4)):
        pytest.skip("needs redis-server 8.4 or later: set REDIS_SERVER")
    with ExitStack() as stack:
        found = []
        for kind in request.param.split():
            command = core_command() if kind == "ours" else [str(program)]
            options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--enable-debug-command", "yes")
            found.append(Node(stack.enter_context(running(kind, command, *options))))
            stack.callback(found[-1].wire.close)
        first, second = found
        first("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
        second("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
        for number, node in enumerate(found):
            node("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        line = next(line for line in first.text("CLUSTER", "NODES").split(b"\n") if b"myself" in line)
        bus = line.split()[1].partition(b"@")[2].partition(b",")[0]
        assert second("CLUSTER", "MEET", "127.0.0.1", first.server.port, bus) == b"+OK\r\n"
        wait(lambda: all(b"cluster_known_nodes:2" in node("CLUSTER", "INFO") for node in found))
        wait(lambda: all(b"cluster_state:ok" in node("CLUSTER", "INFO") for node in found))
        yield found


class Writer(threading.Thread):
    """Counts random keys up, at the node that has them."""

    def __init__(self, nodes: list[Node]) -> None:
        super().__init__()
        self._wires = {node.server.port: Wire(node.server.port, timeout=90) for node in nodes}
        self._ports: dict[int, int] = {}
        self._first = nodes[0].server.port
        self.counts = dict.fromkeys(KEYS, 0)
        self.wrong: list[object] = []
        self.done = threading.Event()

    def run(self) -> None:
        chance = random.Random(1)
        while not self.done.is_set():
            key = chance.choice(KEYS)
            slot = key_slot(key)
            reply = self._wires[self._ports.get(slot, self._first)].call(b"INCR", key)
            if reply.startswith(b"-MOVED"):
                self._ports[slot] = int(reply.rpartition(b":")[2])
                continue
            self.counts[key] += 1
            if reply != b":%d\r\n" % self.counts[key]:
                self.wrong.append((key, reply, self.counts[key]))
        for wire in self._wires.values():
            wire.close()


def migrate(source: Node, target: Node) -> None:
    task = target.text("CLUSTER", "MIGRATION", "IMPORT", 0, 4000, 4002, 8191)
    assert len(task) == 40
    for node in (source, target):
        wait(lambda node=node: b"completed" in node("CLUSTER", "MIGRATION", "STATUS", "ID", task))


def test_no_write_is_lost_and_none_counts_twice(nodes: list[Node]) -> None:
    first, second = nodes
    for value in VALUES:
        assert not first(*value).startswith(b"-")
    digests = [first("DEBUG", "DIGEST-VALUE", str(value[1])) for value in VALUES]
    writer = Writer(nodes)
    writer.start()
    try:
        for source, target in ((first, second), (second, first), (first, second)):
            migrate(source, target)
    finally:
        writer.done.set()
        writer.join()
    assert writer.wrong == []
    values = {key: (first if key_slot(key) == 4001 else second).text("GET", key) for key in KEYS}
    assert values == {key: b"%d" % count if count else b"" for key, count in writer.counts.items()}
    assert [second("DEBUG", "DIGEST-VALUE", str(value[1])) for value in VALUES] == digests
    written = sum(bool(count) for count in writer.counts.values())
    wait(lambda: int(first("DBSIZE")[1:]) + int(second("DBSIZE")[1:]) == written + len(VALUES))
