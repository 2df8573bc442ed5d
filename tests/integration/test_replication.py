"""Replication with real Redis, in both directions, over links that break."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.process import PATIENCE, Server
from tests.integration.replicas import KINDS, Cut, client_of, digest, has, launch, link_up, until, writing

CUTS = 20


class Stage:
    """The servers of a test. They stop when the test ends, and ours must not have logged a traceback."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: list[tuple[str, Server]] = []
        self._cuts: list[Cut] = []

    def launch(self, kind: str, *arguments: str, folder: str | None = None) -> Server:
        """Starts a server of ``kind``, by default in a folder of its own. Skips the test if this machine has none."""
        if not has(kind):
            pytest.skip(f"no {kind}: set REDIS_SERVER, or run tests/conformance/run --list once")
        server = launch(kind, self._folder / (folder or f"{kind}-{len(self._servers)}"), *arguments)
        self._servers.append((kind, server))
        return server

    def cut(self, server: Server) -> Cut:
        """Returns a link to ``server`` that the test can cut."""
        self._cuts.append(Cut(server.port))
        return self._cuts[-1]

    def close(self) -> None:
        """Ends everything."""
        for cut in self._cuts:
            cut.close()
        for _, server in self._servers:
            server.stop()
        for kind, server in self._servers:
            assert kind != "ours" or "Traceback" not in server.output, server.output


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    found = Stage(tmp_path)
    yield found
    found.close()


PAIRS = [(master, "ours") for master in (*KINDS, "ours")] + [("ours", replica) for replica in KINDS]


def equal(master: Server, replica: Server) -> None:
    """Waits until both have the same offset, and compares their data."""
    with client_of(master) as here, client_of(replica) as there:
        link_up(there)
        here.set("last", time.time())
        assert here.wait(1, int(PATIENCE * 1000)) >= 1
        # A key that expires between the two digests would make them differ.
        here.execute_command("CLIENT", "PAUSE", "5000", "WRITE")
        until(
            lambda: here.info("replication")["master_repl_offset"] == there.info("replication")["slave_repl_offset"],
            "both are at the same offset",
        )
        until(lambda: digest(here) == digest(there), "both have the same data", 3)
        here.execute_command("CLIENT", "UNPAUSE")


@pytest.mark.parametrize(("master_kind", "replica_kind"), PAIRS, ids=lambda kind: kind)
def test_links_that_are_cut_under_load(stage: Stage, master_kind: str, replica_kind: str) -> None:
    master = stage.launch(master_kind, "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "64mb")
    way = stage.cut(master)
    replica = stage.launch(replica_kind, "--replicaof", "127.0.0.1", str(way.port))
    chosen = random.Random(1)
    with client_of(master) as here, client_of(replica) as there:
        link_up(there)
        with writing(master.port) as load:
            for _ in range(CUTS):
                time.sleep(chosen.random() / 4)
                before = way.connections
                way.cut()
                until(lambda: way.connections > before, "the replica connects again")  # noqa: B023
                link_up(there)
        assert load.count > 1000
        stats = here.info("stats")
        equal(master, replica)
    assert stats["sync_partial_ok"] >= CUTS // 2
    assert stats["sync_full"] <= 1 + CUTS // 4


@pytest.mark.parametrize("diskless", ["yes", "no"])
@pytest.mark.parametrize("loaded", ["disabled", "on-empty-db", "swapdb", "flushdb"])
def test_both_ways_of_a_snapshot_under_load(stage: Stage, diskless: str, loaded: str) -> None:
    master = stage.launch("ours", "--repl-diskless-sync", diskless, "--repl-diskless-sync-delay", "0")
    replica = stage.launch("ours", "--repl-diskless-load", loaded)
    with client_of(master) as here, client_of(replica) as there:
        with writing(master.port):
            until(lambda: here.dbsize() > 100, "there are some keys")
            there.set("from before", 1)
            there.replicaof("127.0.0.1", master.port)
            link_up(there)
            time.sleep(0.5)
        equal(master, replica)
        assert there.get("from before") is None
        assert here.info("stats")["sync_full"] == 1


def test_several_replicas_share_a_snapshot(stage: Stage) -> None:
    master = stage.launch("ours", "--repl-diskless-sync-delay", "30", "--repl-diskless-sync-max-replicas", "3")
    replicas = [stage.launch("ours", "--replicaof", "127.0.0.1", str(master.port)) for _ in range(3)]
    with client_of(master) as here:
        for replica in replicas:
            with client_of(replica) as there:
                link_up(there)
        here.set("a", 1)
        assert here.wait(3, 20_000) == 3
        stats = here.info("stats")
        assert stats["sync_full"] == 3
        assert stats["total_forks"] == 1
    for replica in replicas:
        equal(master, replica)


def test_a_backlog_that_is_overrun_leads_to_a_full_synchronisation(stage: Stage) -> None:
    master = stage.launch("ours", "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "16kb")
    way = stage.cut(master)
    replica = stage.launch("ours", "--replicaof", "127.0.0.1", str(way.port))
    with client_of(master) as here, client_of(replica) as there:
        link_up(there)
        way.target = 1
        way.cut()
        for _ in range(200):
            here.set("k", "v" * 1000)
        until(lambda: there.info("replication")["master_link_status"] == "down", "the link is down")
        way.target = master.port
        link_up(there)
        stats = here.info("stats")
        assert (stats["sync_full"], stats["sync_partial_err"]) == (2, 1)
        equal(master, replica)


def test_a_restarted_replica_goes_on_where_its_file_ends(stage: Stage) -> None:
    master = stage.launch("ours", "--repl-diskless-sync-delay", "0")
    arguments = ("--replicaof", "127.0.0.1", str(master.port))
    with client_of(master) as here:
        first = stage.launch("ours", *arguments, folder="restarted")
        with client_of(first) as there:
            link_up(there)
            here.set("a", 1)
            assert here.wait(1, int(PATIENCE * 1000)) == 1
            there.execute_command("SAVE")
        here.set("b", 2)
        first.stop()
        here.set("c", 3)
        second = stage.launch("ours", *arguments, folder="restarted")
        with client_of(second) as there:
            link_up(there)
            assert here.info("stats")["sync_full"] == 1
            assert here.info("stats")["sync_partial_ok"] == 1
        equal(master, second)
