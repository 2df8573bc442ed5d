"""The plugin in a pytest process with other plugins, which pytest finds by itself: xdist, asyncio and anyio."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.differential.harness import real_redis
from tests.packaging.environments import ROOT
from tests.pytest_plugin.processes import run_pytest

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a file of tests with all installed plugins, and warnings as errors. Returns the output of pytest."""
    # Simulates an installation of this package.
    told = tmp_path / "twisted_redis-0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: twisted_redis\nVersion: 0\n")
    (told / "entry_points.txt").write_text("[pytest11]\ntwisted_redis = twisted_redis.pytest_plugin\n")
    (told / "RECORD").write_text("twisted_redis/__init__.py,,\ntwisted_redis/pytest_plugin.py,,\n")

    def begin(code: str, *options: str, fails: bool = False) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        environment = {**kept, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
        # pytest-asyncio warns where nobody has chosen a default that the plugin does not depend on.
        options = ("-W", "ignore:The configuration option:pytest.PytestDeprecationWarning", *options)
        return run_pytest(tmp_path, code, *options, environment=environment, fails=fails)

    return begin


ASYNC = """
import asyncio
import pytest

{mark}
async def test_it(async_redis_client, redis_server):
    assert await async_redis_client.set("k", "v", ex=10)
    waiting = asyncio.ensure_future(async_redis_client.blpop("q", timeout=60))
    await redis_server.wait_for_blocked_async(1)
    redis_server.clock.advance(61)
    assert await waiting is None
    assert await async_redis_client.get("k") is None
    await async_redis_client.set("left", 1)

{mark}
async def test_is_as_new(async_redis_client):
    assert await async_redis_client.dbsize() == 0

def test_that_is_not_asynchronous(redis_client):
    assert redis_client.dbsize() == 0
"""
MARKS = {
    "strict": ("@pytest.mark.asyncio", ("-o", "asyncio_mode=strict")),
    "auto": ("", ("-o", "asyncio_mode=auto")),
    "session loop": ('@pytest.mark.asyncio(loop_scope="session")', ()),
    "session loop by default": ("@pytest.mark.asyncio", ("-o", "asyncio_default_test_loop_scope=session")),
    "anyio beside asyncio": ("@pytest.mark.anyio", ()),
    "anyio alone": ("@pytest.mark.anyio", ("-p", "no:asyncio")),
}
_ANYIO = "\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"


@pytest.mark.parametrize(
    ("kind", "backend"), [*((kind, "server") for kind in MARKS), ("strict", "fake"), ("anyio alone", "fake")]
)
def test_asynchronous(run: Run, kind: str, backend: str) -> None:
    pytest.importorskip("anyio" if "anyio" in kind else "pytest_asyncio")
    mark, options = MARKS[kind]
    told = run(ASYNC.format(mark=mark) + _ANYIO, f"--redis-backend={backend}", *options)
    assert "3 passed" in told and "skipped" not in told


def test_trio_is_skipped(run: Run) -> None:
    pytest.importorskip("anyio")
    backend = _ANYIO.replace("asyncio", "trio")
    told = run(ASYNC.format(mark="@pytest.mark.anyio") + backend, "-rs", "-p", "no:asyncio")
    assert "1 passed, 2 skipped" in told
    assert "redis.asyncio needs asyncio, and this test runs on trio" in told


def test_without_a_plugin_for_asynchronous_tests(run: Run) -> None:
    told = run("def test_it(async_redis_client): pass\n", "-p", "no:asyncio", "-p", "no:anyio", fails=True)
    assert "an asynchronous client needs pytest-asyncio, or a test that anyio runs" in told


def test_clients_of_ones_own(run: Run) -> None:
    pytest.importorskip("pytest_asyncio")
    told = run(
        """
import pytest
from twisted_redis import factories

small_server = factories.redis_server(maxmemory="2mb")
small = factories.async_redis_client("small_server", decode_responses=True)

@pytest.mark.asyncio(loop_scope="class")
class TestIt:
    async def test_one(self, small):
        await small.set("k", "v")
        assert await small.get("k") == "v"

    async def test_two(self, small, async_redis_client):
        assert await small.get("k") is None
        assert await async_redis_client.ping()
"""
    )
    assert "2 passed" in told


def test_one_server_a_worker(run: Run) -> None:
    pytest.importorskip("xdist")
    told = run(
        """
import pytest

@pytest.mark.parametrize("number", range(8))
def test_it(redis_client, redis_server, number):
    assert redis_client.incr("k") == 1
    print("port", redis_server.port)
""",
        "-n2",
        "-rP",
    )
    assert "8 passed" in told
    assert len(set(re.findall(r"^port (\d+)$", told, re.M))) == 2


def test_a_fixed_port_with_workers(run: Run) -> None:
    pytest.importorskip("xdist")
    told = run(
        """
import os
from twisted_redis.factories import worker_number
from twisted_redis import factories

def test_it(request):
    worker = int(os.environ["PYTEST_XDIST_WORKER"].lstrip("gw"))
    assert worker_number() == worker
    assert factories._arguments(request.config, {})["port"] == 7000 + worker

test_again = test_it
""",
        "-n2",
        "--redis-server-port=7000",
    )
    assert "2 passed" in told


BACKENDS = """
import os
import pytest, redis
from twisted_redis import factories

small_server = factories.redis_server(maxmemory="2mb")
small = factories.redis_client("small_server", decode_responses=True)
elsewhere_server = factories.redis_server(process=True)

def test_first(redis_server, redis_client):
    assert isinstance(redis_client, redis.Redis)
    assert redis_client.set("k", "v", ex=100)
    redis_server.clock.advance(101)
    assert redis_client.get("k") is None
    redis_server.fail_next("GET", "ERR injected")
    with pytest.raises(redis.ResponseError, match="injected"):
        redis_client.get("k")
    redis_client.set("left", 1)
    with redis_server.client(decode_responses=True) as client:
        assert client.pipeline().get("left").incr("n").execute() == ["1", 1]

def test_is_as_new(redis_client, redis_server):
    assert redis_client.dbsize() == 0
    assert redis_server.execute("CONFIG", "GET", "maxclients") == {b"maxclients": b"77"}
    assert (redis_client.info("server")["process_id"] == os.getpid()) is (KIND != "process")
    if KIND == "fake":
        with pytest.raises(RuntimeError, match="has no URL"):
            redis_server.url
    else:
        with redis.from_url(redis_server.url) as client:
            assert client.get("k") is None

def test_ones_own(small, redis_client):
    assert small.config_get("maxmemory") == {"maxmemory": "2097152"}
    small.set("k", "v")
    assert small.get("k") == "v" and redis_client.get("k") is None

def test_one_with_a_process(elsewhere_server):
    assert b"process_id:%d" % os.getpid() not in elsewhere_server.execute("INFO", "server").split()

def test_factory(redis_server_factory):
    other = redis_server_factory(maxmemory="1mb")
    assert other.execute("CONFIG", "GET", "maxmemory") == {b"maxmemory": b"1048576"}
    other.stop()
"""


@pytest.mark.parametrize("kind", ["server", "process", "fake"])
def test_backends(run: Run, kind: str, tmp_path: Path) -> None:
    options = ("--redis-server-directive=maxclients=77", "--redis-server-directive=requirepass=a secret")
    code = BACKENDS.replace("KIND", repr(kind))
    assert "5 passed" in run(code, f"--redis-backend={kind}", *options)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nredis_backend = {kind}\n")
    assert "1 passed" in run(code, "-k", "is_as_new", *options)


REAL = """
import asyncio
import pytest

def test_first(redis_server, redis_client):
    redis_client.set("k", "v")
    assert redis_server.execute("GET", "k") == b"v"
    assert redis_server.execute("CONFIG", "GET", "maxclients") == {b"maxclients": b"77"}

def test_is_as_new(redis_client):
    assert redis_client.dbsize() == 0

def test_what_only_ours_has(redis_server):
    redis_server.clock.advance(1)

@pytest.mark.asyncio
async def test_blocked(async_redis_client, redis_server):
    waiting = asyncio.ensure_future(async_redis_client.blpop("q", timeout=60))
    await redis_server.wait_for_blocked_async(1)
    redis_server.execute("RPUSH", "q", "x")
    assert await waiting == [b"q", b"x"] or await waiting == (b"q", b"x")

def test_url(redis_server, redis_server_factory):
    import redis
    from twisted_redis import ReplyError
    with redis.from_url(redis_server.url) as client:
        assert client.ping()
    with pytest.raises(ReplyError, match="WRONGTYPE|unknown command"):
        redis_server.execute("NOPE")
    with pytest.raises(AttributeError):
        redis_server.nonsense
    with pytest.raises(RuntimeError, match="redis-server does not answer"):
        redis_server_factory(maxmemory="much")
"""


def test_with_a_real_redis(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pytest_asyncio")
    program = real_redis() or shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server")
    monkeypatch.setenv("REDIS_SERVER", program)
    options = ("--redis-server-directive=maxclients=77", "--redis-server-directive=requirepass=a secret")
    told = run(REAL, "--redis-backend=redis", "-rs", *options)
    assert "4 passed, 1 skipped" in told
    assert "a real Redis has no clock() or .clock that tests can use" in told


def test_without_a_real_redis(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("REDIS_SERVER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    told = run("def test_it(redis_client): pass\n", "--redis-backend=redis", fails=True)
    assert "--redis-backend=redis needs a redis-server in PATH, or its path in REDIS_SERVER" in told


def test_wrong_backends(run: Run, tmp_path: Path) -> None:
    code = """
import pytest
from twisted_redis import factories

server = factories.redis_server(backend="valkey")

def test_it(server): pass
"""
    assert "a backend is one of server, process, fake, redis, not 'valkey'" in run(code, fails=True)
    (tmp_path / "pytest.ini").write_text("[pytest]\nredis_backend = none\n")
    assert "a backend is one of server, process, fake, redis, not 'none'" in run(
        "def test_it(redis_server): pass", fails=True
    )
