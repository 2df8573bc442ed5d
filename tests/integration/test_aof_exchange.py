"""Append-only files move from real Redis to this server and back, with every type and in both base formats.

The real servers are those that the differential tests find, and a redis-server in PATH.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import redis

from tests.differential.harness import real_redis, version_of
from tests.integration.process import PATIENCE, SERVER, start_server
from tests.support.tools import beside

FOUND = sorted({path for path in (real_redis(), shutil.which("redis-server")) if path and version_of(path) >= (7,)})


@pytest.fixture(params=FOUND or [None])
def program(request: pytest.FixtureRequest) -> str:
    if request.param is None:
        pytest.skip("no redis-server 7 or 8: set REDIS_SERVER, or run tests/conformance/run --list once")
    return str(request.param)


def fill(client: redis.Redis, version: tuple[int, ...]) -> None:
    """Writes values of every type, small and large. A rewrite in the middle creates a base and an increment."""
    rng = random.Random(3)
    for half in range(2):
        name = f"{half}:"
        client.set(name + "string", b"a\r\nb\x00")
        client.set(name + "expiring", 7, exat=4_000_000_000)
        client.rpush(name + "list", *range(5))
        client.rpush(name + "long list", *(f"element {number}" for number in range(3000)))
        client.sadd(name + "integers", *range(50))
        client.sadd(name + "set", *(f"member {number}" for number in range(500)))
        client.hset(name + "hash", mapping={"a": 1, "b": "x" * 100})
        client.hset(name + "large hash", mapping={f"f{number}": number for number in range(1000)})
        if version >= (7, 2):
            # Older versions format doubles differently, which changes the digest.
            client.zadd(name + "zset", {"a": 1.5, "b": -3, "c": 1e300})
            client.zadd(name + "large zset", {f"m{number}": rng.random() for number in range(500)})
        if version >= (7, 4):
            client.execute_command("HPEXPIREAT", name + "hash", 4_000_000_000_000, "FIELDS", 1, "a")
        for number in range(300):
            client.xadd(name + "stream", {"field": number}, id=f"{number + 1}-1")
        client.xdel(name + "stream", "5-1", "300-1")
        client.xgroup_create(name + "stream", "group", "2-1")
        client.xreadgroup("group", "reader", {name + "stream": ">"}, count=5)
        with client.pipeline(transaction=True) as pipe:
            pipe.incr("counter").rpush("numbers", half)
            pipe.execute()
        if not half:
            client.bgrewriteaof()
            wait_for_rewrite(client)


def wait_for_rewrite(client: redis.Redis) -> None:
    deadline = time.monotonic() + PATIENCE
    while (found := client.info("persistence"))["aof_rewrite_in_progress"] or found["aof_rewrite_scheduled"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert found["aof_last_bgrewrite_status"] == "ok"


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_the_checker_of_redis_accepts_our_files(tmp_path: Path, program: str, preamble: str) -> None:
    checker = beside(program, "redis-check-aof")
    options = ("--appendonly", "yes", "--aof-use-rdb-preamble", preamble)
    writer = start_server(*options, folder=tmp_path)
    with redis.Redis(port=writer.port) as client:
        fill(client, version_of(program))
    writer.stop()
    manifest = tmp_path / "appendonlydir" / "appendonly.aof.manifest"
    checked = subprocess.run([checker, manifest], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("written_by", ["redis", "us"])
def test_exchange(tmp_path: Path, program: str, written_by: str, preamble: str) -> None:
    real = (program, "--enable-debug-command", "yes")
    ours = (*SERVER, "--enable-debug-command", "yes")
    first, second = (real, ours) if written_by == "redis" else (ours, real)
    options = ("--appendonly", "yes", "--aof-use-rdb-preamble", preamble)
    writer = start_server(*options, folder=tmp_path, command=first)
    with redis.Redis(port=writer.port) as client:
        fill(client, version_of(program))
        digest = client.execute_command("DEBUG", "DIGEST")
        size = client.dbsize()
    writer.stop()
    reader = start_server(*options, folder=tmp_path, command=second)
    try:
        with redis.Redis(port=reader.port) as client:
            assert client.dbsize() == size
            assert client.execute_command("DEBUG", "DIGEST") == digest
            assert client.get("counter") == b"2"
    finally:
        reader.stop()
