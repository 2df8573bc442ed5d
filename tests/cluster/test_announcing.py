"""A node on an engine follows its directives."""

from __future__ import annotations

import pytest

from tests.support.server import Server
from twisted_redis.cluster.links import BusLink
from twisted_redis.cluster.nodes import Node
from twisted_redis.cluster.serving import Cluster


class NoNetwork:
    """A network in which nobody can be reached."""

    def connect(self, node: Node) -> BusLink:
        raise AssertionError("there is no other node")


@pytest.mark.parametrize(
    ("directive", "value", "shown"),
    [
        ("cluster-announce-port", 7001, b" :7001@"),
        ("cluster-announce-bus-port", 7002, b"@7002 "),
        ("cluster-announce-ip", "10.1.1.1", b" 10.1.1.1:"),
        ("cluster-announce-ip", "x" * 45, b" " + b"x" * 45 + b":"),
        ("cluster-announce-hostname", "host.example", b",host.example "),
        ("cluster-replica-no-failover", "yes", b"myself,master,nofailover "),
    ],
)
def test_config_set_changes_what_a_node_announces(directive: str, value: object, shown: bytes) -> None:
    server = Server(cluster_enabled=True, cluster_config_file="", databases=1)
    node = server.engine.cluster
    assert isinstance(node, Cluster)
    node.start_on(NoNetwork())
    assert shown not in server("CLUSTER", "NODES")
    assert server("CONFIG", "SET", directive, value) == b"OK"
    assert shown in server("CLUSTER", "NODES")
    node.stop()
