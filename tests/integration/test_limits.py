"""A server whose process cannot get the resources it needs reports that, and recovers when they are available."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.integration.process import PATIENCE, Server

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits another process")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def limit_memory(server: Server, more: int) -> Callable[[], None]:
    """Limits the growth of the process to ``more`` bytes. Call the result to lift the limit."""
    pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[0])
    soft, hard = resource.prlimit(server.pid, resource.RLIMIT_AS)
    resource.prlimit(server.pid, resource.RLIMIT_AS, (pages * resource.getpagesize() + more, hard))

    def lift() -> None:
        resource.prlimit(server.pid, resource.RLIMIT_AS, (soft, hard))

    return lift


def test_no_memory_for_a_reply(start: Callable[..., Server]) -> None:
    server = start("--save", "")
    with redis.Redis(port=server.port) as client, redis.Redis(port=server.port) as other:
        for first in range(0, 200_000, 10_000):
            client.sadd("members", *(b"%0100d" % number for number in range(first, first + 10_000)))
        other.set("key", "value")
        lift = limit_memory(server, 4 << 20)
        with pytest.raises(redis.exceptions.OutOfMemoryError, match="out of memory: 'smembers' was interrupted"):
            client.smembers("members")
        with client.pipeline() as pipe:
            pipe.set("a", 1).smembers("members").set("b", 1)
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                pipe.execute()
        assert other.get("key") == b"value"
        with redis.Redis(port=server.port) as third:
            assert third.ping()
        lift()
        assert len(client.smembers("members")) == 200_000
        assert client.set("key", "value")


def test_a_script_that_takes_all_memory(start: Callable[..., Server]) -> None:
    pytest.importorskip("lupa")
    server = start()
    script = "local held = {} for number = 1, 1e7 do held[number] = {} end"
    with redis.Redis(port=server.port) as client, redis.Redis(port=server.port) as other:
        client.eval("return 1", 0)
        limit_memory(server, 16 << 20)
        for _ in range(3):
            with pytest.raises(redis.exceptions.ResponseError, match="not enough memory|out of memory: 'eval'"):
                client.eval(script, 0)
            assert other.set("key", "v" * 100_000)
            with redis.Redis(port=server.port) as another:
                assert another.get("key") == b"v" * 100_000


def test_no_memory_to_save(start: Callable[..., Server]) -> None:
    server = start()
    with redis.Redis(port=server.port) as client:
        client.mset({f"key:{number}": b"v" * 50 for number in range(10_000)})
        lift = limit_memory(server, 0)
        for command in ("SAVE", "BGSAVE", "SAVE"):
            try:
                client.execute_command(command)
            except redis.exceptions.ResponseError:
                pass  # it may succeed or fail, depending on the memory
        assert client.get("key:1") == b"v" * 50
        lift()
        until(lambda: not client.info("persistence")["rdb_bgsave_in_progress"])
        assert client.save()


def test_no_thread_for_syncing(start: Callable[..., Server]) -> None:
    server = start("--appendonly", "yes")
    lift = limit_memory(server, 2 << 20)  # enough for everything but the stack of a thread
    kept: list[int] = []
    with redis.Redis(port=server.port) as client:

        def refused() -> bool:
            try:
                client.rpush("list", len(kept))
            except redis.exceptions.ResponseError as error:
                return "MISCONF Errors writing to the AOF file" in str(error)
            kept.append(len(kept))
            return False

        until(refused)
        assert client.info("persistence")["aof_last_write_status"] == "err"
        assert "can't start new thread" in server.output
        lift()
        until(lambda: not refused())
        until(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0)
        assert client.info("persistence")["aof_last_write_status"] == "ok"
    server.process.kill()
    server.wait()
    again = start("--appendonly", "yes")
    with redis.Redis(port=again.port) as client:
        assert client.lrange("list", 0, -1) == [b"%d" % number for number in kept]
