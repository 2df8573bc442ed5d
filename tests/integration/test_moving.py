"""The steps of docs/moving-to-redis.md: from this server to Redis and back, while clients write."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.integration.process import PATIENCE, Server
from tests.integration.replicas import KINDS, client_of, digest, has, launch, link_up, until


class Writer:
    """A client that counts. It follows the master, like a client whose address is changed."""

    def __init__(self, *ports: int) -> None:
        self.ports = list(ports)
        self.acknowledged = 0
        self.stopping = False
        self.refused = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self.stopping:
            with redis.Redis(port=self.ports[0], socket_timeout=PATIENCE, retry=None) as client:
                try:
                    while not self.stopping:
                        client.rpush("log", self.acknowledged)
                        self.acknowledged += 1
                except redis.exceptions.ReadOnlyError:
                    self.refused += 1
                    self.ports.append(self.ports.pop(0))

    def stop(self) -> None:
        self.stopping = True
        self._thread.join()


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    found: list[Server] = []
    yield found
    for server in found:
        server.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(tmp_path: Path, servers: list[Server], kind: str) -> None:
    if not has(kind):
        pytest.skip(f"no {kind}: set REDIS_SERVER, or run tests/conformance/run --list once")
    ours = launch("ours", tmp_path / "ours", "--repl-diskless-sync-delay", "0")
    servers.append(ours)
    with client_of(ours) as here:
        here.hset("hash", mapping={str(number): number for number in range(1000)})
        here.set("expires", 1, ex=1000)
        writer = Writer(ours.port)
        try:
            until(lambda: writer.acknowledged > 50, "some writes are done")
            theirs = launch(kind, tmp_path / kind, "--replicaof", "127.0.0.1", str(ours.port))
            servers.append(theirs)
            writer.ports.append(theirs.port)
            with client_of(theirs) as there:
                link_up(there)
                hand_over(here, there, theirs.port)
                moved = writer.acknowledged
                until(lambda: writer.acknowledged > moved + 50, "writes go on at the new master")
                assert writer.refused >= 1
                link_up(here)
                # Move back, without a second snapshot.
                hand_over(there, here, ours.port)
                moved = writer.acknowledged
                until(lambda: writer.acknowledged > moved + 50, "writes go on where they began")
                writer.stop()
                link_up(there)
                assert here.wait(1, 10_000) == 1
                # Every write is there once, in the original order.
                assert here.lrange("log", 0, -1) == [b"%d" % number for number in range(writer.acknowledged)]
                until(lambda: digest(here) == digest(there), "both have the same data", 5)
                assert here.info("stats")["sync_full"] == 1
        finally:
            writer.stop()


def hand_over(old: redis.Redis, new: redis.Redis, port: int) -> None:
    """Calls FAILOVER and waits until it is complete."""
    until(lambda: old.info("replication")["slave0"]["state"] == "online", "the replica is online")
    old.execute_command("FAILOVER", "TO", "127.0.0.1", port, "TIMEOUT", 10_000)
    until(lambda: new.info("replication")["role"] == "master", "the new master is one")
    until(lambda: old.info("replication")["role"] == "slave", "the old master is none")
    link_up(old)
    assert old.info("replication")["master_failover_state"] == "no-failover"
