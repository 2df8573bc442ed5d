"""The wall clock is set back and forth by hours, and nothing that waits notices."""

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
    """Tells whether ``figure`` is more than it was."""
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
        # Ticks are being waited for while the clock is moved.
        for hours in (-3, 3):
            step(clock, hours * HOUR)
            # By the periodic work, and not by somebody who looks.
            client.set("key", "value", px=50)
            until(lambda: client.dbsize() == 0)
            assert client.blpop("nothing", timeout=0.05) is None
            client.bgsave()
            until(lambda: not client.info("persistence")["rdb_bgsave_in_progress"])
            client.execute_command("CLIENT", "PAUSE", 50)
            client.set("other", 1)
            # The sync of the append-only file, and the replica's word of its own.
            assert client.execute_command("WAITAOF", 1, 1, 0) == [1, 1]
            client.delete("other")
            # The master drops its replica, which comes again.
            grows = growth(lambda: client.info("stats")["sync_full"] + client.info("stats")["sync_partial_ok"])
            client.client_kill_filter(_type="replica")
            until(grows)
            until(lambda: follower.info("replication")["master_link_status"] == "up")
            # Nothing but its PINGs moves the stream on.
            until(growth(lambda: client.info("replication")["master_repl_offset"]))
        step(clock, -5 * HOUR)
        for each in (replica, server):
            each.signal(signal.SIGTERM)
            assert each.wait() == 0
