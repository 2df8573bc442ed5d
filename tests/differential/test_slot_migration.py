"""Two masters of Redis 8.4 or later migrate a slot atomically, and each has a replica of this server.

The real servers do the work; the replicas have to follow both of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.differential.harness import Server, our_command, real_redis, running, version_of
from tests.differential.wire import Wire
from tests.support.ports import free_port

#: The slot of the key "b".
SLOT = b"3300"
KEYS = 300


class Node:
    """A node and a connection to it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.wire = Wire(server.port, timeout=30)

    def __call__(self, *words: bytes | str | int) -> bytes:
        """Returns the reply as it came."""
        return self.wire.call(*(word if isinstance(word, bytes) else str(word).encode() for word in words))

    def text(self, *words: bytes | str | int) -> bytes:
        """Returns the contents of a bulk string."""
        return self(*words).partition(b"\r\n")[2].removesuffix(b"\r\n")

    def keys(self) -> int:
        """The number of keys in the slot."""
        return int(self("CLUSTER", "COUNTKEYSINSLOT", SLOT)[1:])


def wait(condition: Callable[[], object], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


@pytest.fixture
def nodes() -> Iterator[list[Node]]:
    """Two real masters with half of the slots each, and our replicas of the first and of the second."""
    program = real_redis()
    if program is None or version_of(program) < (8, 4):
        pytest.skip("needs redis-server 8.4 or later: set REDIS_SERVER")
    with ExitStack() as stack:
        found = []
        for command in [[program]] * 2 + [our_command()] * 2:
            options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
            found.append(Node(stack.enter_context(running(command[-1], command, *options))))
            stack.callback(found[-1].wire.close)
        first, second, *replicas = found
        first("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
        second("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
        for number, node in enumerate(found):
            node("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        bus = next(line for line in first.text("CLUSTER", "NODES").split(b"\n") if b"myself" in line)
        bus = bus.split()[1].partition(b"@")[2].partition(b",")[0]
        for node in found[1:]:
            assert node("CLUSTER", "MEET", "127.0.0.1", first.server.port, bus) == b"+OK\r\n"
        wait(lambda: all(b"cluster_known_nodes:4" in node("CLUSTER", "INFO") for node in found))
        for master, replica in zip((first, second), replicas, strict=True):
            name = master.text("CLUSTER", "MYID")
            wait(lambda name=name, replica=replica: replica("CLUSTER", "REPLICATE", name) == b"+OK\r\n")
        wait(lambda: all(b"master_link_status:up" in replica("INFO", "replication") for replica in replicas))
        wait(lambda: all(b"cluster_state:ok" in node("CLUSTER", "INFO") for node in found))
        yield found


def test_the_replicas_follow(nodes: list[Node]) -> None:
    first, second, replica, other = nodes
    for number in range(KEYS):
        first("SET", b"{b}%d" % number, number)
    first("HSET", "{b}hash", *("field", "value") * 3)
    assert second("CLUSTER", "MIGRATION", "IMPORT", SLOT, SLOT).startswith(b"$40\r\n")
    wait(lambda: [node.keys() for node in nodes] == [0, KEYS + 1, 0, KEYS + 1])
    second("SET", "{b}after", 1)
    wait(lambda: other.keys() == KEYS + 2)
    other("READONLY")
    assert other.text("GET", "{b}7") == b"7"
    assert other.text("HGET", "{b}hash", "field") == b"value"
    for node in (replica, other):
        assert "CRITICAL" not in node.server.log.read_text()
        assert b"master_link_status:up" in node("INFO", "replication")
