"""CLUSTER SLOT-STATS.  The right values follow Redis 8.2, since Redis 8.0 does not have this command."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cluster import ClusterNode
from twisted_redis.keyspace.slots import SLOTS

RANGE = b"ERR Invalid or out of range slot"
LIMIT = b"ERR Limit has to lie in between 1 and 16384 (maximum number of slots)."
METRIC = b"ERR Unrecognized sort metric for ORDERBY."
TWICE = b"ERR Multiple filters of the same type are disallowed."
SYNTAX = b"ERR syntax error"
SUBCOMMAND = b"ERR unknown subcommand or wrong number of arguments for '%b'. Try CLUSTER HELP."


@pytest.fixture
def node() -> ClusterNode:
    """A node with slots 0 to 8191, which has two keys in slot 3300 and one in slot 7365."""
    node = ClusterNode()
    for key in ("{b}1", "{b}2", "{c}1"):
        assert node("SET", key, 1) == b"OK"
    return node


def stats(node: ClusterNode, *words: Any) -> Any:
    return node("CLUSTER", "SLOT-STATS", *words)


def counts(reply: Any) -> list[tuple[int, int]]:
    """Returns the slots and their numbers of keys; there is no other metric."""
    found = []
    for slot, figures in reply:
        assert figures.keys() == {b"key-count"}
        found.append((slot, figures[b"key-count"]))
    return found


def test_a_range(node: ClusterNode) -> None:
    assert counts(stats(node, "SLOTSRANGE", 3299, 3301)) == [(3299, 0), (3300, 2), (3301, 0)]
    assert counts(stats(node, "slotsrange", 7365, 7365)) == [(7365, 1)]


def test_a_range_has_only_slots_of_this_shard(node: ClusterNode) -> None:
    assert counts(stats(node, "SLOTSRANGE", 8190, 9000)) == [(8190, 0), (8191, 0)]
    assert stats(node, "SLOTSRANGE", 8192, 16383) == []
    assert len(stats(node, "SLOTSRANGE", 0, 16383)) == 8192


def test_a_replica_shows_the_slots_of_its_master(node: ClusterNode) -> None:
    node.become_replica()
    assert counts(stats(node, "SLOTSRANGE", 3300, 3300)) == [(3300, 2)]
    assert len(stats(node, "SLOTSRANGE", 0, 16383)) == SLOTS


def test_the_largest_slots_come_first(node: ClusterNode) -> None:
    expected = [(3300, 2), (7365, 1), (0, 0), (1, 0)]
    assert counts(stats(node, "ORDERBY", "key-count", "LIMIT", 4)) == expected
    assert counts(stats(node, "orderby", "KEY-COUNT", "desc", "limit", 4)) == expected
    everything = counts(stats(node, "ORDERBY", "key-count"))
    assert everything[:4] == expected and len(everything) == 8192
    assert counts(stats(node, "ORDERBY", "key-count", "LIMIT", SLOTS)) == everything


def test_the_smallest_slots_come_first_with_asc(node: ClusterNode) -> None:
    assert counts(stats(node, "ORDERBY", "key-count", "LIMIT", 2, "ASC")) == [(0, 0), (1, 0)]
    assert counts(stats(node, "ORDERBY", "key-count", "ASC"))[-3:] == [(8191, 0), (7365, 1), (3300, 2)]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("SLOTSRANGE x 1", RANGE),
        ("SLOTSRANGE 0 16384", RANGE),
        ("SLOTSRANGE -1 1", RANGE),
        ("SLOTSRANGE 2 1", b"ERR Start slot number 2 is greater than end slot number 1"),
        ("SLOTSRANGE 1", SUBCOMMAND % b"SLOT-STATS"),
        ("SLOTSRANGE 1 2 3", SUBCOMMAND % b"SLOT-STATS"),
        ("bogus key-count", SUBCOMMAND % b"SLOT-STATS"),
        ("ORDERBY bogus", METRIC),
        # These are metrics of Redis, but only while cluster-slot-stats-enabled is on.
        *((f"ORDERBY {metric}", METRIC) for metric in ("cpu-usec", "network-bytes-in", "network-bytes-out")),
        ("ORDERBY memory-bytes", METRIC),
        ("ORDERBY bogus bogus", METRIC),
        ("ORDERBY key-count bogus", SYNTAX),
        ("ORDERBY key-count LIMIT", SYNTAX),
        ("ORDERBY key-count LIMIT 0", LIMIT),
        ("ORDERBY key-count LIMIT 16385", LIMIT),
        ("ORDERBY key-count LIMIT x", LIMIT),
        ("ORDERBY key-count LIMIT 1 LIMIT 2", TWICE),
        ("ORDERBY key-count LIMIT 1 LIMIT x", LIMIT),
        ("ORDERBY key-count ASC DESC", TWICE),
        ("ORDERBY key-count ASC ASC bogus", TWICE),
        ("ORDERBY key-count ASC LIMIT", SYNTAX),
    ],
)
def test_errors(node: ClusterNode, request_: str, error: bytes) -> None:
    assert stats(node, *request_.split()) == error


def test_the_reply_in_each_protocol(node: ClusterNode) -> None:
    call = ("CLUSTER", "SLOT-STATS", "SLOTSRANGE", "3300", "3300")
    connection = node.connect()
    assert connection(*call) == b"*1\r\n*2\r\n:3300\r\n*2\r\n$9\r\nkey-count\r\n:2\r\n"
    connection("HELLO", "3")
    assert connection(*call) == b"*1\r\n*2\r\n:3300\r\n%1\r\n$9\r\nkey-count\r\n:2\r\n"


def test_the_directive_has_its_default_and_no_other_value(node: ClusterNode) -> None:
    name = "cluster-slot-stats-enabled"
    assert node("CONFIG", "GET", name) == [name.encode(), b"no"]
    assert node("CONFIG", "SET", name, "no") == b"OK"
    assert node("CONFIG", "SET", name, "yes") == (
        b"ERR CONFIG SET failed (possibly related to argument 'cluster-slot-stats-enabled') - "
        b"this server does not support another value than its default yet"
    )
    assert b"argument must be 'yes' or 'no'" in node("CONFIG", "SET", name, "bogus")
    assert name.encode() not in node("CONFIG", "GET", "*")
