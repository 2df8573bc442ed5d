"""The append-only file survives every way in which the process can end: no acknowledged write is lost.

Environment variables: ``CRASH_ROUNDS`` sets how often a server is killed under load (4).  ``EVERY_STOP=1`` stops the
server before every file operation instead of some of them.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.integration.process import PATIENCE, ROOT, Server, start_server

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "4"))
EVERY_STOP = os.environ.get("EVERY_STOP") == "1"
WRITERS = 4


def connect(port: int) -> redis.Redis:
    """Returns a client that never retries, and gives up when its server ends."""
    return redis.Redis(port=port, socket_timeout=PATIENCE, retry=Retry(NoBackoff(), 0))


class Writer(threading.Thread):
    """Writes until the server ends. ``acknowledged`` is the number of the last write that was answered.

    It appends the numbers from 1 on to a list, and runs transactions that keep two counters equal.
    """

    def __init__(self, port: int, name: str) -> None:
        super().__init__()
        self.key = name
        self.acknowledged = 0
        #: When each write was acknowledged.
        self.at: list[float] = []
        #: The number of writes that this writer has made.
        self.made = 0
        self._client = connect(port)

    def run(self) -> None:
        try:
            number = int(self._client.llen(self.key))
            self.acknowledged = number
            self.at = [0.0] * number
            while True:
                number += 1
                with self._client.pipeline(transaction=bool(number % 3)) as pipe:
                    pipe.rpush(self.key, number)
                    pipe.incr(f"{self.key}:a").incr(f"{self.key}:b")
                    pipe.execute()
                self.acknowledged = number
                self.made += 1
                self.at.append(time.monotonic())
        except (redis.RedisError, OSError):
            pass
        finally:
            self._client.close()


def lost(port: int, writer: Writer) -> int:
    """Returns how many acknowledged writes are missing. The rest must be in order, and transactions complete."""
    with redis.Redis(port=port) as client:
        stored = [int(number) for number in client.lrange(writer.key, 0, -1)]
        assert stored == list(range(1, len(stored) + 1))
        first, second = (int(client.get(f"{writer.key}:{name}") or 0) for name in "ab")
        # Outside of a transaction, only some of the last three writes may have been executed.
        assert abs(first - second) <= 1
        assert abs(first - len(stored)) <= 1
        if (len(stored) + 1) % 3 and len(stored) >= writer.acknowledged:
            assert first == second == len(stored)
    return max(0, writer.acknowledged - len(stored))


def kill_under_load(folder: Path, policy: str, preamble: str, rewrite: bool) -> list[Writer]:
    """Starts a server on the data in ``folder``, lets clients write, and kills it. Returns the clients."""
    server = serve(folder, "--appendfsync", policy, "--aof-use-rdb-preamble", preamble)
    writers = [Writer(server.port, f"w{number}") for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    time.sleep(random.uniform(0.05, 0.4))
    if rewrite:
        with redis.Redis(port=server.port) as client:
            client.bgrewriteaof()
        time.sleep(random.uniform(0.0, 0.3))
    server.signal(signal.SIGKILL)
    server.wait()
    for writer in writers:
        writer.join()
    return writers


def serve(folder: Path, *arguments: str, command: tuple[str, ...] | None = None, wait: bool = True) -> Server:
    given = ("--appendonly", "yes", *arguments)
    if command is None:
        return start_server(*given, folder=folder, wait=wait)
    return start_server(*given, folder=folder, command=command, wait=wait)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_killed_under_load(tmp_path: Path, policy: str) -> None:
    total = lost_in_all = 0
    for number in range(ROUNDS):
        writers = kill_under_load(tmp_path, policy, "yes" if number % 4 < 2 else "no", rewrite=bool(number % 2))
        server = serve(tmp_path)
        try:
            for writer in writers:
                missing = lost(server.port, writer)
                lost_in_all += missing
                total += writer.made
                if policy == "always":
                    assert missing == 0
                elif missing:
                    assert writer.at[-1] - writer.at[-missing] <= 1.5
        finally:
            server.stop()
    assert total > 0
    print(f"{policy}: {ROUNDS} rounds, {total} acknowledged writes, {lost_in_all} lost")


def scenario(port: int, acknowledged: list[int]) -> None:
    """Writes, rewrites, turns the file off and on, and stops the server. Records the acknowledged writes."""

    def write(client: redis.Redis) -> None:
        number = acknowledged[-1] + 1 if acknowledged else 1
        client.rpush("list", number)
        acknowledged.append(number)

    def settled(client: redis.Redis) -> bool:
        found = client.info("persistence")
        return not found["aof_rewrite_in_progress"] and not found["aof_rewrite_scheduled"]

    with connect(port) as client:
        write(client)
        write(client)
        client.bgrewriteaof()
        write(client)
        wait_until(lambda: settled(client))
        write(client)
        client.config_set("appendonly", "no")
        client.config_set("appendonly", "yes")
        wait_until(lambda: settled(client))
        write(client)
        client.shutdown(nosave=True)


def begun_or_gone(server: Server) -> bool:
    return server.process.poll() is not None or "Ready to accept" in server.output


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_stopped_between_two_operations(tmp_path: Path, preamble: str) -> None:
    stop = 1 if EVERY_STOP else random.randrange(1, 8)
    stops = 0
    while True:
        folder = tmp_path / f"stop-{stop}"
        program = (sys.executable, str(ROOT / "tests" / "integration" / "stopping.py"), str(stop))
        options = ("--appendfsync", "always", "--aof-use-rdb-preamble", preamble)
        server = serve(folder, *options, command=program, wait=False)
        acknowledged: list[int] = []
        survived = False
        try:
            wait_until(partial(begun_or_gone, server))
            if server.process.poll() is None:
                scenario(server.port, acknowledged)
                survived = server.wait() == 0
        except (redis.RedisError, OSError):
            pass
        finally:
            if server.process.poll() is None:
                server.signal(signal.SIGKILL)
            server.wait()
        assert "Traceback" not in server.output, server.output
        after = serve(folder)
        try:
            with redis.Redis(port=after.port) as client:
                stored = [int(number) for number in client.lrange("list", 0, -1)]
            assert stored[: len(acknowledged)] == acknowledged, (stop, server.output, after.output)
            assert len(stored) <= len(acknowledged) + 1
        finally:
            after.stop()
        if survived:
            break
        stops += 1
        stop += 1 if EVERY_STOP else random.randrange(9, 25)
    assert stops > 2
