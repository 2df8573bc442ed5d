"""CLUSTER SYNCSLOTS.  The right values are replies of Redis 8.8.0."""

from __future__ import annotations

from tests.support.cluster import ClusterNode
from twisted_redis.engine.clients import MASTER

INTERNAL = b"ERR CLUSTER SYNCSLOTS subcommands are only allowed for internal clients"


def test_clients_are_sent_away() -> None:
    client = ClusterNode().connect()
    assert client("CLUSTER", "SYNCSLOTS", "CONF", "NODE-ID", "x") == b"-" + INTERNAL + b"\r\n"
    assert client.closed


def test_another_node_is_answered() -> None:
    node = ClusterNode()
    assert node("AUTH", "internal connection", node.cluster.secret) == b"OK"
    assert node("CLUSTER", "SYNCSLOTS", "CONF", "NODE-ID", "x") == b"OK"
    assert node.cluster.calls == [("message", b"CONF", b"NODE-ID", b"x")]


def test_a_replica_hears_of_the_task_of_its_master() -> None:
    node = ClusterNode()
    node.client.gates |= MASTER
    assert node("CLUSTER", "SYNCSLOTS", "CONF", "ASM-TASK", "text", "CAPA", "new") == b"OK"
    assert node.cluster.calls == [("master task", "text")]
    assert node("CLUSTER", "SYNCSLOTS", "CONF", "ASM-TASK") == b"ERR syntax error"
