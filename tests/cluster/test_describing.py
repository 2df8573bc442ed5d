"""The replies of CLUSTER, in clusters in memory."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.simulation import PORT, make, write


def test_replies() -> None:
    simulation = make(1, 1)
    master = simulation.machines[0]
    write(master, 0, b"k")
    simulation.run(2)
    ids = [machine.name.encode() for machine in simulation.machines]
    assert master.member.describe_slots(None) == [  # type: ignore[arg-type]
        [0, 16383, [b"10.0.0.1", PORT, ids[0], []], [b"10.0.0.2", PORT, ids[1], []]]
    ]
    (shard,) = master.member.describe_shards(None)  # type: ignore[arg-type]
    assert shard[:2] == [b"slots", [0, 16383]]
    assert shard[3][1] == [
        *(b"id", ids[1], b"port", PORT, b"ip", b"10.0.0.2", b"endpoint", b"10.0.0.2", b"role", b"replica"),
        *(b"replication-offset", 100, b"health", b"online"),
    ]
    links = master.member.describe_links()
    assert [link[:4] for link in links] == [
        [b"direction", b"to", b"node", ids[1]],
        [b"direction", b"from", b"node", ids[1]],
    ]
    assert [link[6:8] for link in links] == [[b"events", b"r"]] * 2
    info = dict(line.split(":") for line in master.member.info().split())
    assert (info["cluster_state"], info["cluster_size"], info["cluster_slots_ok"]) == ("ok", "1", "16384")


@pytest.mark.parametrize(
    ("kind", "hostname", "expected"),
    [
        ("ip", "", [b"10.0.0.1", []]),
        ("ip", "h", [b"10.0.0.1", [b"hostname", b"h"]]),
        ("hostname", "h", [b"h", [b"ip", b"10.0.0.1"]]),
        ("hostname", "", [b"?", [b"ip", b"10.0.0.1"]]),
        ("unknown-endpoint", "h", [None, [b"ip", b"10.0.0.1", b"hostname", b"h"]]),
    ],
)
def test_endpoints(kind: str, hostname: str, expected: list[Any]) -> None:
    simulation = make(1, 1)
    machine = simulation.machines[0]
    machine.config.cluster_preferred_endpoint_type = kind
    machine.config.cluster_announce_hostname = hostname
    simulation.run(0.2)
    entry = machine.member.describe_slots(None)[0][2]  # type: ignore[arg-type]
    assert [entry[0], entry[3]] == expected
