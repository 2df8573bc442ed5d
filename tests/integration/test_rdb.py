"""Snapshots move between this server and real Redis, survive a crash at any moment, and are refused if damaged.

The environment variable ``EVERY_STOP=1`` stops a server before every file operation instead of some of them.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.differential.harness import real_redis, version_of
from tests.integration.process import PATIENCE, ROOT, Server, environment, start_server
from tests.persistence.rdb.test_against_redis import fill
from tests.support.ports import free_port
from tests.support.tools import beside

EVERY_STOP = os.environ.get("EVERY_STOP") == "1"
#: Keys that differ on servers before 7.4, which have no field expiry.
TIMED = (b"times", b"persisted", b"large-times")


def programs() -> list[str]:
    found = [real_redis(), shutil.which("redis-server")]
    return sorted({program for program in found if program and version_of(program) >= (7,)})


def needs_real(program: str | None) -> str:
    if program is None:
        pytest.skip("no redis-server 7 or 8: set REDIS_SERVER, or run tests/conformance/run --list once")
    return program


def serve_real(program: str, folder: Path) -> Server:
    debug = ("--enable-debug-command", "yes")
    return start_server(*debug, folder=folder, command=[program])


def serve(folder: Path, *arguments: str) -> Server:
    return start_server("--enable-debug-command", "yes", *arguments, folder=folder)


def digests(port: int, recent: bool = True) -> dict[bytes, object]:
    """Returns the digest of each key. ``recent``: both sides format doubles in the same way (since 7.2)."""
    with redis.Redis(port=port) as client:
        return {
            key: client.execute_command("DEBUG", "DIGEST-VALUE", key)
            if recent or client.type(key) != b"zset"
            else client.zrange(key, 0, -1, withscores=True)
            for key in client.keys("*")
        }


def whole_digest(port: int) -> object:
    with redis.Redis(port=port) as client:
        return client.execute_command("DEBUG", "DIGEST")


def populate(port: int) -> None:
    with redis.Redis(port=port) as client:

        def call(*words: str | bytes) -> None:
            try:
                client.execute_command(*words)
            except redis.ResponseError:
                assert words[0] in ("HPEXPIRE", "HPERSIST")  # servers before 7.4 lack these

        fill(call)
        client.set("expires", "later", px=10**10)
        client.execute_command("SELECT", 3)
        client.set("other", b"\x00\xff binary")
        client.function_load("#!lua name=lib\nredis.register_function('f', function() return 7 end)", replace=True)


def checked(program: str, folder: Path) -> None:
    """Runs the checker of a server on the snapshot."""
    checker = beside(program, "redis-check-rdb")
    found = subprocess.run([checker, str(folder / "dump.rdb")], capture_output=True, text=True)
    assert found.returncode == 0 and "RDB looks OK" in found.stdout, found.stdout + found.stderr


@pytest.mark.parametrize("program", programs() or [None])
def test_snapshot_of_redis(tmp_path: Path, program: str | None) -> None:
    real = serve_real(needs_real(program), tmp_path)
    recent = version_of(needs_real(program)) >= (7, 2)
    populate(real.port)
    with redis.Redis(port=real.port) as client:
        client.save()
    expected, whole = digests(real.port, recent), whole_digest(real.port)
    real.stop()
    ours = serve(tmp_path)
    try:
        assert digests(ours.port, recent) == expected
        assert len(expected) > 25
        if recent:
            assert whole_digest(ours.port) == whole
        with redis.Redis(port=ours.port) as client:
            assert client.fcall("f", 0) == 7
    finally:
        ours.stop()
    assert (
        subprocess.run(
            [sys.executable, "-m", "twisted_redis", "check-rdb", "dump.rdb"], cwd=tmp_path, env=environment()
        ).returncode
        == 0
    )


@pytest.mark.parametrize("program", programs() or [None])
def test_snapshot_for_redis(tmp_path: Path, program: str | None) -> None:
    program = needs_real(program)
    recent = version_of(program) >= (7, 2)
    ours = serve(tmp_path)
    populate(ours.port)
    with redis.Redis(port=ours.port) as client:
        if version_of(program) < (7, 4):
            # The file has the lowest version that can hold the data. Without these keys, Redis 7.0 can read it.
            client.delete(*TIMED)
        if version_of(program) < (7, 2):
            for key in client.scan_iter(_type="stream"):
                for group in client.xinfo_groups(key):
                    for consumer in client.xinfo_consumers(key, group["name"]):
                        client.xgroup_delconsumer(key, group["name"], consumer["name"])
        client.save()
    expected, whole = digests(ours.port, recent), whole_digest(ours.port)
    ours.stop()
    written = (tmp_path / "dump.rdb").read_bytes()
    real = serve_real(program, tmp_path)
    try:
        assert digests(real.port, recent) == expected
        if recent:
            assert whole_digest(real.port) == whole
        with redis.Redis(port=real.port) as client:
            assert client.fcall("f", 0) == 7
    finally:
        real.stop()
    # This comes last: it skips the test if the server has come without its tools.
    (tmp_path / "dump.rdb").write_bytes(written)
    checked(program, tmp_path)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def save_in_background(client: redis.Redis) -> None:
    client.bgsave()
    wait_until(lambda: not client.info("persistence")["rdb_bgsave_in_progress"])


def test_killed_while_saving(tmp_path: Path) -> None:
    """The previous snapshot stays, whether the server or its child is killed."""
    server = serve(tmp_path, "--rdb-key-save-delay", "2000")
    with redis.Redis(port=server.port) as client:
        client.execute_command("DEBUG", "POPULATE", 20)
        client.save()
        client.execute_command("DEBUG", "POPULATE", 1000, "more")
        client.bgsave()
        child = int(server.output.rsplit("started by pid ", 1)[1].split()[0])
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: not client.info("persistence")["rdb_bgsave_in_progress"])
        assert client.info("persistence")["rdb_last_bgsave_status"] == "err"
        assert not list(tmp_path.glob("temp-*.rdb"))
        client.bgsave()
        time.sleep(random.uniform(0.0, 0.5))
    server.signal(signal.SIGKILL)
    server.wait()
    after = serve(tmp_path)
    try:
        with redis.Redis(port=after.port) as client:
            assert client.dbsize() == 20
    finally:
        after.stop()


def started(server: Server) -> Callable[[], bool]:
    return lambda: server.process.poll() is not None or "Ready to accept" in server.output


def test_stopped_between_two_operations(tmp_path: Path) -> None:
    """If SAVE, BGSAVE or SHUTDOWN is killed before any file operation, one of the snapshots is there."""
    stop = 1
    stops = 0
    while True:
        folder = tmp_path / f"stop-{stop}"
        program = (sys.executable, str(ROOT / "tests" / "integration" / "stopping.py"), str(stop))
        server = start_server(folder=folder, command=program, wait=False)
        done = 0
        survived = False
        try:
            wait_until(started(server))
            with redis.Redis(port=server.port, socket_timeout=PATIENCE) as client:
                client.set("number", 1)
                client.save()
                done = 1
                client.set("number", 2)
                save_in_background(client)
                done = 2
                client.set("number", 3)
                client.shutdown(save=True)
            survived = server.wait() == 0
        except (redis.RedisError, OSError):
            pass
        finally:
            if server.process.poll() is None:
                server.signal(signal.SIGKILL)
            server.wait()
        assert "Traceback" not in server.output, server.output
        after = start_server(folder=folder)
        try:
            with redis.Redis(port=after.port) as client:
                assert done <= int(client.get("number") or 0) <= done + 1, (stop, server.output)
        finally:
            after.stop()
        if survived:
            break
        stops += 1
        stop += 1 if EVERY_STOP else random.randrange(2, 6)
    assert stops > 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "strange"])
def test_a_file_that_is_not_whole(tmp_path: Path, damage: str) -> None:
    server = serve(tmp_path)
    with redis.Redis(port=server.port) as client:
        client.execute_command("DEBUG", "POPULATE", 100)
        client.save()
    server.stop()
    file = tmp_path / "dump.rdb"
    data = file.read_bytes()
    broken = {
        "cut": data[: len(data) // 2],
        "flipped": data[:-20] + bytes((data[-20] ^ 1,)) + data[-19:],
        "strange": b"REDIS9999" + data[9:],
    }[damage]
    file.write_bytes(broken)
    port = free_port()
    again = start_server("--port", str(port), "--save", "1 1", folder=tmp_path, port=port, wait=False)
    assert again.wait() == 1
    assert file.read_bytes() == broken
    reason = {"cut": "Unexpected EOF", "flipped": "RDB CRC error", "strange": "Can't handle RDB format version 9999"}
    assert reason[damage] in again.output
    assert "reading offset" in again.output


def test_loading_takes_turns(tmp_path: Path) -> None:
    server = serve(tmp_path)
    with redis.Redis(port=server.port) as client:
        client.execute_command("DEBUG", "POPULATE", 3000)
        client.save()
    server.stop()
    slow = ("--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024")
    server = start_server("--enable-debug-command", "yes", *slow, folder=tmp_path, wait=False)
    try:
        wait_until(lambda: "Server initialized" in server.output)
        with redis.Redis(port=server.port) as client:
            found = client.info("persistence")
            assert found["loading"] == 1
            assert found["loading_total_bytes"] == (tmp_path / "dump.rdb").stat().st_size
            with server.connect() as plain:
                plain.sendall(b"GET key:1\r\n")
                assert plain.recv(100).startswith(b"-LOADING ")
            wait_until(lambda: client.info("persistence")["loading"] == 0)
            assert client.dbsize() == 3000
        assert "seconds to go" in server.output
    finally:
        server.stop()
