"""CLUSTER MIGRATION.  The right values are replies of Redis 8.8.0."""

from __future__ import annotations

import pytest

from tests.support.cluster import ClusterNode
from tests.support.server import Server


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("IMPORT 1", b"ERR wrong number of arguments for 'cluster|migration' command"),
        ("IMPORT 1 2 3", b"ERR wrong number of arguments for 'cluster|migration' command"),
        ("IMPORT 5 1", b"ERR start slot number 5 is greater than end slot number 1"),
        ("IMPORT 1 x", b"ERR Invalid or out of range slot"),
        ("IMPORT 1 16384", b"ERR Invalid or out of range slot"),
        ("IMPORT 1 2 2 3", b"ERR Slot 2 specified multiple times"),
        ("STATUS ID", b"ERR wrong number of arguments for 'cluster|migration' command"),
        ("STATUS ID a b", b"ERR wrong number of arguments for 'cluster|migration' command"),
        ("STATUS x y z w", b"ERR wrong number of arguments for 'cluster|migration' command"),
        ("CANCEL ALL x", b"ERR wrong number of arguments for 'cluster|migration' command"),
        ("CANCEL x", b"ERR unknown argument"),
        ("STATUS abc def", b"ERR unknown argument"),
        ("FOO 1", b"ERR unknown argument"),
    ],
)
def test_errors(arguments: str, error: bytes) -> None:
    node = ClusterNode()
    assert node("CLUSTER", "MIGRATION", *arguments.split()) == error
    assert node.cluster.calls == []


def test_calls() -> None:
    node = ClusterNode()
    assert node("CLUSTER", "MIGRATION", "import", 5, 6, 1, 2, 3, 3) == b"d" * 40
    assert node("CLUSTER", "MIGRATION", "CANCEL", "ID", "x") == 1
    assert node("CLUSTER", "MIGRATION", "CANCEL", "ALL") == 1
    assert node.cluster.calls == [
        ("import slots", 0b1101110),
        ("cancel migrations", "x", "user request"),
        ("cancel migrations", None, "user request"),
    ]
    assert node("CLUSTER", "MIGRATION", "STATUS", "ID", "x") == [{b"id": b"x"}]
    assert node("CLUSTER", "MIGRATION", "STATUS", "all") == [{b"id": None}]


def test_without_cluster_mode() -> None:
    assert Server()("CLUSTER", "MIGRATION", "STATUS", "ALL") == b"ERR This instance has cluster support disabled"


def test_debug() -> None:
    node = ClusterNode()
    assert node("DEBUG", "ASM-FAILPOINT", "import-main-channel", "none") == b"OK"
    assert node("DEBUG", "ASM-FAILPOINT", "wrong", "none") == b"ERR Failed to set ASM fail point"
    assert node("DEBUG", "ASM-TRIM-METHOD", "active", "-1") == b"OK"
    assert node("DEBUG", "ASM-TRIM-METHOD", "wrong") == b"ERR Failed to set ASM trim method"
    assert node.cluster.calls[-2] == ("trim method", "active", -1)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("FLUSHALL",), "flushall"),
        (("FLUSHDB",), "flushdb"),
        (("CLIENT", "PAUSE", "10"), "client pause requested"),
    ],
)
def test_commands_that_end_a_migration(words: tuple[str, ...], reason: str) -> None:
    node = ClusterNode()
    assert node(*words) == b"OK"
    assert reason in str(node.cluster.calls)
