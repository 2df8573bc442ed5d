"""The wall clock moves back and forth by hours, and nothing that waits is affected."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.integration.process import PATIENCE, Server
from tests.integration.stepping import step

HOUR = 3600.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def growth(figure: Callable[[], int]) -> Callable[[], bool]:
    """Returns a condition that is true when ``figure`` has grown."""
    before = figure()
    return lambda: figure() > before


@pytest.mark.slow
@pytest.mark.parametrize("how", ["own", "default", "asyncio"])
def test_steps_of_hours(start: Callable[..., Server], tmp_path: Path, how: str) -> None:
    clock = tmp_path / "clock"
    step(clock, 0)
    command = (sys.executable, "-m", "tests.integration.stepping", str(clock), how)
    options = ("--appendonly", "yes", "--repl-ping-replica-period", "1", "--repl-diskless-sync-delay", "0")
    server = start(*options, "--dir", str(tmp_path), command=command)
    below = tmp_path / "replica"
    following = ("--replicaof", f"127.0.0.1 {server.port}")
    replica = start(*options, *following, "--dir", str(below), command=command, folder=below)
    with redis.Redis(port=server.port, socket_timeout=PATIENCE) as client, redis.Redis(port=replica.port) as follower:
        until(lambda: follower.info("replication")["master_link_status"] == "up")
        # The clock moves while the server waits for its ticks.
        for hours in (-3, 3):
            step(clock, hours * HOUR)
            # The periodic work must expire the key, not a command that reads it.
            client.set("key", "value", px=50)
            until(lambda: client.dbsize() == 0)
            assert client.blpop("nothing", timeout=0.05) is None
            client.bgsave()
            until(lambda: not client.info("persistence")["rdb_bgsave_in_progress"])
            client.execute_command("CLIENT", "PAUSE", 50)
            client.set("other", 1)
            # The sync of the append-only file, and the acknowledgement of the replica.
            assert client.execute_command("WAITAOF", 1, 1, 0) == [1, 1]
            client.delete("other")
            # The master drops its replica, which reconnects.
            grows = growth(lambda: client.info("stats")["sync_full"] + client.info("stats")["sync_partial_ok"])
            client.client_kill_filter(_type="replica")
            until(grows)
            until(lambda: follower.info("replication")["master_link_status"] == "up")
            # Only the PINGs of the master advance the stream.
            until(growth(lambda: client.info("replication")["master_repl_offset"]))
        step(clock, -5 * HOUR)
        for each in (replica, server):
            each.signal(signal.SIGTERM)
            assert each.wait() == 0
