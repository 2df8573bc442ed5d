"""HOTKEYS and CLUSTER SLOT-STATS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.commands.core import HotkeysMetricsTypes

from tests.integration.conftest import end
from tests.integration.process import PATIENCE, Server, start_server
from tests.support.ports import free_port


@pytest.fixture
def session(client: redis.Redis) -> Iterator[redis.Redis]:
    yield client
    client.hotkeys_stop()
    client.hotkeys_reset()


def test_hotkeys(session: redis.Redis) -> None:
    assert session.hotkeys_start([HotkeysMetricsTypes.CPU, HotkeysMetricsTypes.NET], count=10) in ("OK", True)
    with pytest.raises(redis.ResponseError):
        session.hotkeys_start([HotkeysMetricsTypes.CPU])
    for _ in range(20):
        session.set("hot", "x" * 1000)
    session.get("cold")
    (found,) = session.hotkeys_get()
    assert found["tracking-active"] == 1
    assert found["sample-ratio"] == 1
    pairs = iter(found["by-net-bytes"])
    sizes = dict(zip(pairs, pairs, strict=True))
    assert next(iter(sizes)) == "hot"
    assert sizes["hot"] > 20_000
    assert set(sizes) == {"hot", "cold"}
    assert session.hotkeys_stop() in ("OK", True)
    (found,) = session.hotkeys_get()
    assert found["tracking-active"] == 0
    assert session.hotkeys_reset() in ("OK", True)
    # redis-py's method raises a TypeError for null in RESP2.
    assert session.execute_command("HOTKEYS", "GET") is None


@pytest.fixture
def node(command: tuple[str, ...], tmp_path: Path) -> Iterator[Server]:
    """A cluster of one node."""
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    server = start_server(*options, folder=tmp_path, command=command)
    try:
        with redis.Redis(port=server.port) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            deadline = time.monotonic() + PATIENCE
            while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield server
    finally:
        end(server)


@pytest.mark.parametrize("protocol", [2, 3])
def test_slot_stats(node: Server, protocol: int) -> None:
    """redis-py has no method of its own for CLUSTER SLOT-STATS."""
    with redis.Redis(port=node.port, protocol=protocol, decode_responses=True) as client:
        client.set("foo", "bar")
        ((slot, stats),) = client.execute_command("CLUSTER", "SLOT-STATS", "SLOTSRANGE", 12182, 12182)
        assert slot == 12182
        assert (stats if isinstance(stats, dict) else dict(zip(stats[::2], stats[1::2], strict=True)))["key-count"] == 1
        ((slot, _),) = client.execute_command("CLUSTER", "SLOT-STATS", "ORDERBY", "KEY-COUNT", "LIMIT", 1)
        assert slot == 12182
