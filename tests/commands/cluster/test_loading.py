"""Commands of a cluster while the server loads its data.  The right values are replies of Redis 8.8.0."""

from __future__ import annotations

import pytest

from tests.support.cluster import MYSELF, ClusterNode
from twisted_redis.engine.gates import IS_LOADING


@pytest.mark.parametrize(
    "request_",
    [
        "INFO",
        "NODES",
        "MYID",
        "MYSHARDID",
        "LINKS",
        "KEYSLOT a",
        f"REPLICAS {MYSELF}",
        f"SLAVES {MYSELF}",
        f"COUNT-FAILURE-REPORTS {MYSELF}",
        "SLOTS",
        "SHARDS",
    ],
)
def test_what_describes_the_cluster_is_served(request_: str) -> None:
    node = ClusterNode()
    right = node("CLUSTER", *request_.split())
    node.engine.set_gate(IS_LOADING, True)
    assert node("CLUSTER", *request_.split()) == right


@pytest.mark.parametrize("request_", ["COUNTKEYSINSLOT 1", "GETKEYSINSLOT 1 1", "ADDSLOTS 1", "SAVECONFIG"])
def test_the_rest_has_to_wait(request_: str) -> None:
    node = ClusterNode()
    node.engine.set_gate(IS_LOADING, True)
    assert node("CLUSTER", *request_.split()) == b"LOADING Redis is loading the dataset in memory"
