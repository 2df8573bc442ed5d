"""TRIMSLOTS.  The right values are replies of Redis 8.8.0."""

from __future__ import annotations

import pytest

from tests.support.cluster import ClusterNode
from tests.support.server import Server
from twisted_redis.engine.clients import MASTER
from twisted_redis.keyspace.slots import key_slot

#: The slots of the keys "a" and "b"; the node serves the slots 0 to 8191.
A, B = 15495, 3300


@pytest.fixture
def node() -> ClusterNode:
    """A node that has keys in a slot of its own and in one that it has handed over."""
    node = ClusterNode()
    for key in ("b", "{b}1", "{c}1"):
        assert node("SET", key, 1) == b"OK"
    node.give(node.other, range(B, B + 1))
    return node


def test_the_keys_of_the_slots_go(node: ClusterNode) -> None:
    assert node("TRIMSLOTS", "RANGES", 2, B, B, 9000, 9001) == b"OK"
    assert node("CLUSTER", "COUNTKEYSINSLOT", B) == 0
    assert node("DBSIZE") == 1


def test_a_watched_key_counts_as_changed(node: ClusterNode) -> None:
    node.give(node.state.myself, range(B, B + 1))
    client = node.connect()
    client("WATCH", "b")
    client("MULTI")
    node.give(node.other, range(B, B + 1))
    node("TRIMSLOTS", "ranges", 1, B, B)
    assert client("EXEC") == b"*-1\r\n"


def test_replicas_and_the_file_get_the_command_alone(node: ClusterNode) -> None:
    sink = node.record()
    node("TRIMSLOTS", "RANGES", 1, B, B)
    assert sink.take() == [[b"TRIMSLOTS", b"RANGES", b"1", b"3300", b"3300"]]


def test_the_master_and_the_file_may_name_every_slot(node: ClusterNode) -> None:
    slot = key_slot(b"c")
    assert node("TRIMSLOTS", "RANGES", 1, slot, slot) == b"ERR the slot 7365 is served by this node"
    node.client.gates |= MASTER
    assert node("TRIMSLOTS", "RANGES", 1, slot, slot) == b"OK"
    assert node("DBSIZE") == 2


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("RANGES 1 0 1", b"ERR the slot 0 is served by this node"),
        ("FOO 1 9000 9001", b"ERR missing ranges argument"),
        ("RANGES 0 9000 9001", b"ERR invalid number of ranges"),
        ("RANGES 2 9000 9001", b"ERR invalid number of ranges"),
        ("RANGES x 9000 9001", b"ERR value is not an integer or out of range"),
        ("RANGES 1 9001 9000", b"ERR start slot number 9001 is greater than end slot number 9000"),
        ("RANGES 1 9001 90000", b"ERR Invalid or out of range slot"),
        ("RANGES 2 9000 9001 9001 9005", b"ERR Slot 9001 specified multiple times"),
        ("RANGES 1 5", b"ERR wrong number of arguments for 'trimslots' command"),
    ],
)
def test_errors(node: ClusterNode, arguments: str, error: bytes) -> None:
    assert node("TRIMSLOTS", *arguments.split()) == error
    assert node("DBSIZE") == 3


def test_without_cluster_mode() -> None:
    assert Server()("TRIMSLOTS", "RANGES", 1, 0, 1) == b"ERR This instance has cluster support disabled"
