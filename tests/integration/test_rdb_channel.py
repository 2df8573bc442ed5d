"""Full synchronization through an RDB channel, with real Redis on either side."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.process import PATIENCE, Server
from tests.integration.replicas import client_of, digest, has, launch, link_up, until
from tests.support.guard import descendants, processes

PAIRS = [("ours", "redis-8"), ("redis-8", "ours"), ("ours", "ours")]
KEYS = 2000


def state(master: Any) -> str:
    """Returns the state of the only replica."""
    return str(master.info("replication").get("slave0", {}).get("state"))


@contextmanager
def held_children(pid: int) -> Iterator[None]:
    """Waits until a server has a child, which writes the snapshot, and stops the child for the time of the block."""
    found: set[int] = set()

    def has_child() -> bool:
        found.update(descendants([pid], processes()))
        return bool(found)

    until(has_child, "a child writes the snapshot")
    for child in found:
        os.kill(child, signal.SIGSTOP)
    try:
        yield
    finally:
        for child in found:
            os.kill(child, signal.SIGCONT)


@pytest.mark.parametrize("loaded", ["disabled", "swapdb"])
@pytest.mark.parametrize(("master_kind", "replica_kind"), PAIRS, ids=lambda kind: kind)
def test_the_stream_flows_beside_the_snapshot(tmp_path: Path, master_kind: str, replica_kind: str, loaded: str) -> None:
    servers: list[Server] = []
    try:
        for kind in (master_kind, replica_kind):
            if not has(kind):
                pytest.skip(f"no {kind}: set REDIS_SERVER, or run tests/conformance/run --list once")
            servers.append(
                launch(
                    kind,
                    tmp_path / f"{kind}-{len(servers)}",
                    *("--repl-rdb-channel", "yes", "--repl-diskless-sync-delay", "0"),
                    *("--repl-diskless-load", loaded),
                )
            )
        master, replica = servers
        with client_of(master) as here, client_of(replica) as there:
            here.mset({f"key:{number}": "v" * 100 for number in range(KEYS)})
            here.config_set("rdb-key-save-delay", 1000)
            there.replicaof("127.0.0.1", master.port)
            with held_children(master.pid):
                until(lambda: state(here) == "send_bulk_and_stream", "the snapshot and the stream flow")
                assert here.info("replication")["connected_slaves"] == 1
                for number in range(500):
                    here.set(f"later:{number}", number)
                assert state(here) == "send_bulk_and_stream"
            link_up(there)
            here.set("last", 1)
            assert here.wait(1, int(PATIENCE * 1000)) == 1
            assert there.dbsize() == here.dbsize() == KEYS + 501
            assert digest(here) == digest(there)
            until(lambda: state(here) == "online", "the replica is online")
            assert here.info("stats")["sync_full"] == 1
    finally:
        for server in servers:
            server.stop()
    for server, kind in zip(servers, (master_kind, replica_kind), strict=True):
        assert kind != "ours" or "Traceback" not in server.output, server.output
