"""The server inside other programs, with real sockets, threads and processes. It leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio

from tests.integration.process import PATIENCE
from tests.packaging.environments import ROOT
from twisted_redis import (
    ReplyError,
    RunningServer,
    ServerStopped,
    SortedSet,
    StreamEntries,
    WatchError,
    running_server,
    start_server,
)
from twisted_redis.extending import Module
from twisted_redis.net.listening import ListenError


def descriptors() -> Counter[str]:
    """Returns how many descriptors of each kind (sockets, pipes, ...) are open in this process, except files."""
    gc.collect()
    paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    names = [os.readlink(path) for path in paths if os.path.exists(path)]
    return Counter(name.partition(":[")[0] for name in names if not name.startswith("/"))


@pytest.fixture(params=["thread", "process"])
def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    before = descriptors() if os.path.isdir("/proc/self/fd") else None
    with running_server(process=request.param == "process") as running:
        yield running
    assert [thread for thread in threading.enumerate() if thread.name == "redis-server"] == []
    if before is not None:
        assert descriptors() == before


def test_ready_when_the_block_begins(server: RunningServer) -> None:
    with redis.from_url(server.url) as client:
        assert client.set("k", "v")
        assert client.info("server")["tcp_port"] == server.port
    assert server.execute("GET", "k") == b"v"
    with server.client() as client, pytest.raises(ReplyError, match="WRONGTYPE"):
        client.lpush("k", 1)
    with pytest.raises(TypeError):
        server.execute("GET", None)
    with server.client() as one, server.client() as other:
        one.execute("MULTI")
        assert one.execute("GET", "k") == b"QUEUED"
        assert other.get("k") == b"v"
        assert one.execute("EXEC") == [b"v"]
    with pytest.raises(ServerStopped, match="closed"):
        one.get("k")
    assert server.execute("INFO", "clients").count(b"connected_clients:1")


def test_pipelines_and_text(server: RunningServer) -> None:
    with server.client(decode_responses=True) as client:
        client.set("k", "tëxt")
        assert client.pipeline().get("k").incr("n").hset("h", {"f": 1}).hgetall("h").execute() == [
            "tëxt",
            1,
            1,
            {"f": "1"},
        ]
        results = client.pipeline(transaction=False).lpush("k", 1).get("k").execute(raise_on_error=False)
        assert isinstance(results[0], ReplyError) and results[1] == "tëxt"
        client.execute("WATCH", "k")
        server.execute("SET", "k", "other")
        with pytest.raises(WatchError):
            client.pipeline().get("k").execute()
    with pytest.raises(ServerStopped):
        client.pipeline().get("k").execute()


def test_waiting_for_blocked_clients(server: RunningServer) -> None:
    async def block() -> list[Any]:
        async with redis.asyncio.from_url(server.url) as client:
            waiting = [asyncio.create_task(client.blpop(f"q:{number}", timeout=3600)) for number in range(3)]
            await server.wait_for_blocked_async(3)
            with pytest.raises(TimeoutError, match="3 clients are blocked after 0 seconds, and not 2"):
                server.wait_for_blocked(2, timeout=0)
            server.clock.advance(3601)
            return await asyncio.gather(*waiting)

    assert asyncio.run(block()) == [None, None, None]
    server.wait_for_blocked(0)


def test_everything_of_a_test_from_outside(server: RunningServer) -> None:
    with redis.from_url(server.url, retry=None) as client:
        client.set("k", "v", ex=100)
        server.seed({"h": {"f": 1}, "l": [1, 2], "s": {"m"}, "z": SortedSet(m=1)})
        server.seed({"x": StreamEntries([("1-1", {"f": 1})])})
        everything = server.dump()
        snapshot = server.snapshot()
        client.hset("h", "f", 2)
        with server.clock.freeze():
            server.clock.set(datetime(2100, 1, 1, tzinfo=timezone.utc))
            assert server.clock.now().year == 2100
            assert client.get("k") is None
        server.clock.reset()
        server.restore(snapshot)
        assert server.dump() == everything
        server.fail_next("GET", "ERR injected")
        with pytest.raises(redis.ResponseError, match="injected"):
            client.get("k")
        with server.command_log as log:
            client.get("k")
        assert log.calls[-1] == (b"GET", b"k")
        server.drop_next("GET")
        with pytest.raises(redis.ConnectionError):
            client.get("k")
        server.delay("GET", 0.2, times=1)
        began = time.monotonic()
        client.get("k")
        assert 0.19 < time.monotonic() - began < 5
        for _ in range(3):
            with server.refuse_connections(), redis.from_url(server.url, retry=None) as other:
                with pytest.raises(redis.ConnectionError, match="refused"):
                    other.ping()
                assert client.get("k") == b"v"
            with redis.from_url(server.url, retry=None) as other:
                assert other.ping()
        server.reset()
        assert client.dbsize() == 0


def test_blocked_from_another_thread(server: RunningServer) -> None:
    found: list[Any] = []
    with redis.from_url(server.url, socket_timeout=None) as client:
        waiting = threading.Thread(target=lambda: found.append(client.blpop("q", timeout=3600)))
        waiting.start()
        server.wait_for_blocked(1)
        server.clock.advance(3601)
        waiting.join(PATIENCE)
    assert found == [None]


def test_in_a_thread_calls_may_block() -> None:
    with running_server() as server:
        found: list[Any] = []
        waiting = threading.Thread(target=lambda: found.append(server.client().blpop("q", timeout=0)))
        waiting.start()
        server.wait_for_blocked(1)
        server.execute("RPUSH", "q", "x")
        waiting.join(PATIENCE)
        assert found == [[b"q", b"x"]]


def test_shutdown_by_a_client(server: RunningServer) -> None:
    with redis.from_url(server.url, retry=None) as client:
        client.shutdown(nosave=True)
    with pytest.raises(ServerStopped):
        server.execute("PING")


def test_many_at_once_share_nothing() -> None:
    with running_server() as one, running_server() as other, running_server(requirepass="secret") as third:
        one.execute("SET", "k", 1)
        assert other.execute("GET", "k") is None
        assert len({one.port, other.port, third.port}) == 3
        with redis.from_url(third.url) as client:
            assert client.ping()
        with redis.Redis(third.host, third.port) as client, pytest.raises(redis.AuthenticationError):
            client.ping()


@pytest.mark.parametrize("process", [False, True])
def test_url_of_a_unix_socket(process: bool, tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with running_server(process=process, endpoints=[f"unix:{path}"], requirepass="a secret") as server:
        assert server.port is None
        with redis.from_url(server.url) as client:
            assert client.set("k", "v")
        assert server.execute("GET", "k") == b"v"
    assert not path.exists()


_FORKED = """
import os, sys, time
import redis
from twisted_redis import ServerStopped, running_server

with running_server(process={process}) as server, server.client() as client:
    child = os.fork()
    if not child:
        for call in (lambda: server.execute("PING"), lambda: client.get("k"), server.client, server.clock.now):
            try:
                call()
            except ServerStopped as error:
                assert f"belongs to process {{os.getppid()}}, from which this one was forked" in str(error)
            else:
                os._exit(1)
        redis.from_url(server.url).set("k", "by the child")
        client.close()
        server.stop()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert client.get("k") == b"by the child"
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    began = time.monotonic()
assert time.monotonic() - began < 20, "what the child has inherited kept the server"
os.close(write)
os.waitpid(child, 0)
"""


@pytest.mark.parametrize("process", [False, True])
def test_after_a_fork_calls_say_where_the_server_is(process: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _FORKED.format(process=process)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_names_are_imported_without_the_server() -> None:
    code = """
import sys
from twisted_redis import ReplyError, RunningServer, ServerStopped, SyncClient, running_server, start_server
with running_server(process=True) as server, server.client() as client:
    assert client.set("k", "v") and client.get("k") == b"v"
print(sorted(name for name in sys.modules if name.startswith(("twisted.", "twisted_redis.engine"))))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stdout + done.stderr


def test_start_is_quick() -> None:
    with running_server():
        pass
    times = []
    for _ in range(5):
        began = time.perf_counter()
        with running_server():
            times.append(time.perf_counter() - began)
    # A loaded machine may be slow at times. On an idle machine it takes 0.05 s at most.
    assert min(times) < 0.25


def test_place_that_is_taken() -> None:
    with running_server() as server:
        for process in (False, True):
            with pytest.raises(ListenError, match="in use"):
                start_server(process=process, port=server.port)
    for process in (False, True):
        with pytest.raises(ValueError, match='maxmemory="much": argument must be a memory value'):
            start_server(process=process, maxmemory="much")
    assert [thread for thread in threading.enumerate() if thread.name == "redis-server"] == []


@pytest.mark.parametrize("process", [False, True])
def test_repr_tells_place_and_state(process: bool) -> None:
    where = "in a process" if process else "in a thread"
    with running_server(process=process, requirepass="secret") as server:
        assert repr(server) == f"<RunningServer running {where}, redis://127.0.0.1:{server.port}>"
    assert repr(server) == f"<RunningServer stopped {where}, redis://127.0.0.1:{server.port}>"


@pytest.mark.parametrize("process", [False, True])
def test_log_and_cause_come_to_the_program(process: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    module = tmp_path / "broken.py"
    module.write_text("""
from twisted_redis.extending import Module

module = Module("broken")

@module.command("BREAK", arity=1)
def broken(ctx):
    raise KeyError("no luck")
""")
    caplog.set_level(logging.DEBUG)
    with running_server(process=process, logger="the.server", modules=[str(module)]) as server:
        with pytest.raises(ReplyError, match="internal error") as caught:
            server.execute("BREAK")
        cause = caught.value.__cause__
        assert isinstance(cause, KeyError) and cause.args == ("no luck",)
    records = [record for record in caplog.records if record.name == "the.server"]
    assert "Server initialized" in [record.getMessage() for record in records]
    (failure,) = [record for record in records if record.levelno == logging.ERROR]
    assert "Bug in the command break" in failure.getMessage() and "KeyError" in caplog.text


def test_arguments_that_cannot_go_to_a_process() -> None:
    module = Module("here")
    module.command("HERE", arity=1)(lambda ctx: b"here")
    with pytest.raises(TypeError, match="the arguments go to another process"):
        start_server(process=True, modules=[module])


_AT_EXIT = """
from twisted_redis import running_server, start_server
with running_server(process={process}) as server:
    assert server.execute("PING") == b"PONG"
left = start_server(process={process}, dir={folder!r}, save="3600 1")
left.execute("SET", "k", "v")
"""


@pytest.mark.parametrize("process", [False, True])
def test_a_server_that_nobody_stops_ends_in_order(process: bool, tmp_path: Path) -> None:
    code = _AT_EXIT.format(process=process, folder=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "always", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and "ResourceWarning" not in done.stderr, done.stderr
    assert (tmp_path / "dump.rdb").exists()


def test_persistence(tmp_path: Path) -> None:
    with running_server(dir=str(tmp_path), appendonly=True, appendfsync="everysec") as server:
        server.execute("SET", "k", "v")
        server.execute("BGREWRITEAOF")
    assert threading.active_count() == 1
    with running_server(dir=str(tmp_path), appendonly=True) as server:
        assert server.execute("GET", "k") == b"v"
        server.execute("BGSAVE")
        for _ in range(500):
            if b"rdb_bgsave_in_progress:0" in server.execute("INFO", "persistence"):
                break
            time.sleep(0.01)
    assert (tmp_path / "dump.rdb").exists()


def test_global_reactor_is_left_alone(tmp_path: Path) -> None:
    code = """
import sys
from twisted_redis import running_server
with running_server() as server:
    server.execute("SET", "k", "v")
assert "twisted.internet.reactor" not in sys.modules
print("fine")
"""
    assert run([sys.executable, "-W", "error", "-c", code], tmp_path) == "fine\n"


def test_no_child_outlives_its_parent(tmp_path: Path) -> None:
    code = """
import os
from twisted_redis import start_server
server = start_server(process=True)
print(server.client().execute("INFO", "server").decode(), flush=True)
os._exit(9)
"""
    told = run([sys.executable, "-c", code], tmp_path, code=9)
    found = re.search(r"process_id:(\d+)", told)
    assert found is not None
    for _ in range(500):
        try:
            os.kill(int(found[1]), 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    os.kill(int(found[1]), signal.SIGKILL)
    pytest.fail("the child is still there")


def run(command: list[str], folder: Path, code: int = 0) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_trial_finds_its_reactor_clean(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("""
import unittest
import redis
from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import TestCase
from twisted.internet import reactor, threads
from twisted_redis.testing import RedisTestCase


class Mine(RedisTestCase, TestCase):
    directives = {"maxmemory": "100mb"}

    @inlineCallbacks
    def test_calls(self):
        yield self.redis.execute("SET", "k", "v", "EX", 100)
        self.redis.clock.advance(50)
        assert (yield self.redis.execute("TTL", "k")) == 50
        assert self.redis.client().get("k") == b"v"

    async def test_async(self):
        assert await self.redis.execute("CONFIG", "GET", "maxmemory") == {b"maxmemory": b"104857600"}

    @inlineCallbacks
    def test_socket(self):
        with redis.from_url(self.redis.url) as client:
            assert (yield threads.deferToThread(client.set, "k", "v"))
        self.redis.fail_next("GET")

    @inlineCallbacks
    def test_who_waits(self):
        waiting = self.redis.execute("BLPOP", "q", 0)
        yield self.redis.stopService()
        try:
            yield waiting
        except Exception as error:
            assert "stopped" in str(error)

    @inlineCallbacks
    def test_open_connections(self):
        class Peer(Protocol):
            pass
        yield connectProtocol(HostnameEndpoint(reactor, "127.0.0.1", self.redis.port), Peer())
        self.redis.delay("*", 60)
        self.redis.client().execute("PING").addErrback(lambda failure: None)


class Plain(RedisTestCase, unittest.TestCase):
    def test_it(self):
        assert self.redis.execute("PING") == b"PONG"
""")
    by_pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-W", "error", "test_mine.py"]
    assert "6 passed" in run(by_pytest, tmp_path)
    # Trial fails a test that leaves anything behind in its reactor.
    assert "PASSED (successes=6)" in run([sys.executable, "-m", "twisted.trial", "test_mine"], tmp_path)


def test_asyncio(tmp_path: Path) -> None:
    code = """
import asyncio
from twisted.internet import asyncioreactor

async def main():
    asyncioreactor.install(asyncio.get_running_loop())
    from twisted_redis import RedisService
    service = RedisService()
    service.startService()
    loop = asyncio.get_running_loop()
    await service.whenReady().asFuture(loop)
    waiting = service.execute("BLPOP", "q", 0).asFuture(loop)
    assert await service.execute("RPUSH", "q", "x").asFuture(loop) == 1
    assert await waiting == [b"q", b"x"]
    import redis.asyncio
    async with redis.asyncio.from_url(service.url) as client:
        assert await client.set("k", "v")
    await service.stopService().asFuture(loop)
    print("fine")

asyncio.run(main())
"""
    assert run([sys.executable, "-W", "error::ResourceWarning", "-c", code], tmp_path) == "fine\n"
