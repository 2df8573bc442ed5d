"""Groups of servers under real redis-sentinel: the master is killed, and no acknowledged write is lost."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.sentinel import Sentinel

from tests.integration.process import PATIENCE, Server
from tests.integration.replicas import client_of, digest, has, launch, link_up, until
from tests.support.guard import watch
from tests.support.ports import free_port

SENTINEL = shutil.which("redis-sentinel")
DOWN_AFTER_MS = 1000
#: The time from the kill to the next write (s): detection, the vote, reconfiguration, and a busy machine.
WITHIN = 20.0


class Watch:
    """Three sentinels that monitor ``master``."""

    def __init__(self, folder: Path, master: Server) -> None:
        self.ports = [free_port() for _ in range(3)]
        self._processes = []
        for port in self.ports:
            place = folder / f"sentinel-{port}"
            place.mkdir()
            (place / "sentinel.conf").write_text(
                f"port {port}\nbind 127.0.0.1\ndir {place}\n"
                f"sentinel monitor set 127.0.0.1 {master.port} 2\n"
                f"sentinel down-after-milliseconds set {DOWN_AFTER_MS}\n"
                "sentinel failover-timeout set 10000\nsentinel parallel-syncs set 2\n"
            )
            assert SENTINEL is not None
            with open(place / "log", "wb") as log:
                self._processes.append(
                    watch(subprocess.Popen([SENTINEL, str(place / "sentinel.conf")], stdout=log, stderr=log))
                )

    def client(self) -> Sentinel:
        """Returns the object with which redis-py finds the master."""
        return Sentinel([("127.0.0.1", port) for port in self.ports], socket_timeout=PATIENCE)

    def settled(self, replicas: int) -> bool:
        """Returns True if every sentinel knows all replicas and all other sentinels."""
        for port in self.ports:
            with redis.Redis(port=port, socket_timeout=PATIENCE) as client:
                state = client.sentinel_master("set")
                if state["num-slaves"] != replicas or state["num-other-sentinels"] != 2 or not state["is_master"]:
                    return False
        return True

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


class Writer:
    """A client that finds its master through the sentinels, and counts the writes that WAIT 1 has acknowledged."""

    def __init__(self, watch: Watch) -> None:
        self.acknowledged: list[int] = []
        self.last = time.monotonic()
        self.longest = 0.0
        self._stopping = False
        self._sentinel = watch.client()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._stopping:
            with contextlib.suppress(redis.RedisError, OSError):
                master = self._sentinel.master_for("set", socket_timeout=2, retry=None)
                while not self._stopping:
                    number += 1
                    # They must use the same connection, because WAIT covers only the writes of its own connection.
                    _, found = master.pipeline(transaction=False).set(f"n{number}", number).wait(1, 1000).execute()
                    if found >= 1:
                        self.acknowledged.append(number)
                        now = time.monotonic()
                        self.longest = max(self.longest, now - self.last)
                        self.last = now
            time.sleep(0.05)

    def stop(self) -> None:
        self._stopping = True
        self._thread.join()


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as found:
        yield found


@pytest.mark.skipif(SENTINEL is None, reason="no redis-sentinel")
@pytest.mark.parametrize("kinds", [("ours", "ours", "ours"), ("ours", "ours", "redis-7")], ids=["ours", "mixed"])
def test_a_master_that_is_killed(tmp_path: Path, stack: contextlib.ExitStack, kinds: tuple[str, ...]) -> None:
    if not all(has(kind) for kind in kinds):
        pytest.skip("a server is missing")
    servers: list[Server] = []

    def begin(kind: str, *arguments: str) -> Server:
        folder = tmp_path / f"{kind}-{len(servers)}"
        folder.mkdir()
        server = launch(kind, folder, "--repl-diskless-sync-delay", "0", *arguments)
        stack.callback(server.stop)
        servers.append(server)
        return server

    master = begin(kinds[0])
    for kind in kinds[1:]:
        begin(kind, "--replicaof", "127.0.0.1", str(master.port))
    for server in servers[1:]:
        with client_of(server) as client:
            link_up(client)
    watch = Watch(tmp_path, master)
    stack.callback(watch.close)
    until(lambda: watch.settled(2), "the sentinels know each other")
    writer = Writer(watch)
    stack.callback(writer.stop)
    until(lambda: len(writer.acknowledged) > 20, "some writes are acknowledged")

    master.signal(signal.SIGKILL)
    master.wait()
    killed = time.monotonic()
    until(lambda: writer.last > killed + 0.2, "writes succeed again", WITHIN)
    took = writer.last - killed
    before = len(writer.acknowledged)
    until(lambda: len(writer.acknowledged) > before + 20, "writes go on")
    print(f"writes again after {took:.1f} s")

    # The old master comes back and becomes a replica of the new one.
    again = launch(kinds[0], tmp_path / f"{kinds[0]}-0", "--repl-diskless-sync-delay", "0")
    stack.callback(again.stop)
    host, port = watch.client().discover_master("set")
    assert port != master.port
    # Its port has changed, so the sentinels do not recognise it. The test tells it which master to follow.
    with client_of(again) as client:
        client.replicaof(host, port)
        link_up(client)
    writer.stop()
    with redis.Redis(host=host, port=port) as new:
        assert new.info("replication")["role"] == "master"
        missing = [number for number in writer.acknowledged if new.get(f"n{number}") != b"%d" % number]
        assert not missing
        assert new.wait(2, 10_000) == 2
        with client_of(again) as client:
            until(lambda: digest(new) == digest(client), "all have the same data", 5)
    # The servers have no configuration file in which the sentinels could save the change, but INFO shows it.
    survivor = next(server for server in servers[1:] if server.port != port)
    with client_of(survivor) as client:
        assert client.info("replication")["master_port"] == port
