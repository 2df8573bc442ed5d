"""The plugin in a separate pytest process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.environments import ROOT
from tests.pytest_plugin.processes import run_pytest

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a file of tests, with warnings as errors. Returns the output of pytest."""

    def begin(code: str, *options: str, plugins: tuple[str, ...] = (), fails: bool = False) -> str:
        for plugin in ("twisted_redis.pytest_plugin", *plugins):
            options = ("-p", plugin, *options)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        return run_pytest(tmp_path, code, *options, environment=environment, fails=fails, seconds=120)

    return begin


def test_fixtures(run: Run) -> None:
    told = run("""
import threading
import time
import pytest, redis

def test_first(redis_server, redis_client):
    assert redis_client.set("k", "v", ex=100)
    redis_server.clock.advance(101)
    assert redis_client.get("k") is None
    redis_server.fail_next("GET", "ERR injected")
    with pytest.raises(redis.ResponseError, match="injected"):
        redis_client.get("k")
    redis_client.set("left", 1)
    redis_server.fail_next("*", times=None)
    redis_server.clock.set(0)

def test_is_as_new(redis_client):
    assert redis_client.dbsize() == 0
    assert abs(redis_client.time()[0] - time.time()) < 5

def test_factory(redis_server_factory, redis_server):
    other = redis_server_factory(maxmemory="1mb")
    assert other.port != redis_server.port
    assert other.execute("CONFIG", "GET", "maxmemory") == {b"maxmemory": b"1048576"}
    other.stop()

def test_stopped_by_a_test(redis_server_factory):
    other = redis_server_factory(process=True)
    assert other.execute("PING") == b"PONG"
""")
    assert "4 passed" in told


def test_fixtures_reach_what_is_not_at_a_port(run: Run, tmp_path: Path) -> None:
    code = f"""
from twisted_redis import factories

hidden_server = factories.redis_server(endpoints=["unix:{tmp_path}/s.sock"], requirepass="a secret")
hidden = factories.redis_client("hidden_server")
nowhere_server = factories.redis_server(endpoints=())
nowhere = factories.redis_client("nowhere_server")

def test_unix(hidden, hidden_server, redis_client):
    hidden.set("k", "v")
    assert hidden_server.execute("GET", "k") == b"v"
    assert redis_client.get("k") is None

def test_nowhere(nowhere):
    pass
"""
    told = run(code, fails=True)
    assert "1 passed, 1 error" in told and "the server of this fixture listens nowhere" in told
    told = run("def test_it(redis_client): redis_client.ping()", "--redis-server-directive", "requirepass=a secret")
    assert "1 passed" in told


def test_fixtures_of_a_cluster(run: Run) -> None:
    told = run(
        """
import pytest
from twisted_redis import factories

pair_server = factories.redis_cluster_server(masters=2, replicas=0, mode="threads", maxmemory="50mb")
pair = factories.redis_cluster("pair_server", decode_responses=True)

def test_a_failover(redis_cluster, redis_cluster_server):
    redis_cluster.set("key", "value")
    victim = redis_cluster_server.node_for("key")
    node = redis_cluster.get_node(victim.host, victim.port)
    assert redis_cluster.wait(1, 10_000, target_nodes=node) == 1
    redis_cluster_server.kill(victim)
    redis_cluster_server.advance(10)
    redis_cluster_server.wait_until_ok()
    assert redis_cluster.get("key") == b"value"
    redis_cluster_server.nodes[4].fail_next("GET", times=None)

def test_is_as_new(redis_cluster, redis_cluster_server):
    assert all(node.alive for node in redis_cluster_server.nodes)
    assert redis_cluster.dbsize() == 0
    assert redis_cluster.get("key") is None

def test_a_factory(pair, pair_server, redis_cluster_server):
    assert len(pair_server.nodes) == 2 and pair_server.nodes[0].execute("CONFIG", "GET", "maxmemory")
    pair.set("key", "value")
    assert pair.get("key") == "value"
    pair_server.stop()
""",
        "--redis-server-directive",
        "requirepass=secret",
    )
    assert "3 passed" in told


def test_fixtures_of_sentinels(run: Run) -> None:
    told = run(
        """
from twisted_redis import factories

pair_server = factories.redis_sentinel_server(master="pair", replicas=2, sentinels=3)
pair = factories.redis_sentinel("pair_server", decode_responses=True)

def test_a_failover(redis_sentinel, redis_sentinel_server):
    with redis_sentinel.master_for("mymaster") as client:
        client.set("key", "value")
        redis_sentinel_server.kill(redis_sentinel_server.master)
        redis_sentinel_server.failover()
        client.set("other", "value")

def test_is_as_new(redis_sentinel, redis_sentinel_server):
    assert all(node.alive for node in redis_sentinel_server.nodes)
    with redis_sentinel.master_for("mymaster") as client:
        assert client.dbsize() == 0

def test_a_factory(pair, pair_server):
    assert len(pair_server.nodes) == 3 and len(pair.sentinels) == 3
    with pair.master_for("pair") as client:
        client.set("key", "value")
        assert client.get("key") == "value"
    pair_server.stop()
""",
        "--redis-server-directive",
        "requirepass=secret",
    )
    assert "3 passed" in told


def test_it_is_inert(run: Run) -> None:
    run("""
import sys

def test_nothing_of_it_is_here():
    assert not [name for name in sys.modules if name.split(".")[0] in ("twisted", "redis")]
    assert not [name for name in sys.modules if name.startswith("twisted_redis.library")]
""")


def test_pytest_rewrites_the_plugin_alone(tmp_path: Path) -> None:
    # Simulates an installation, because pytest inspects the files of a distribution that contains a plugin.
    told = tmp_path / "twisted_redis-0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: twisted_redis\nVersion: 0\n")
    (told / "entry_points.txt").write_text("[pytest11]\ntwisted_redis = twisted_redis.pytest_plugin\n")
    (told / "RECORD").write_text("twisted_redis/__init__.py,,\ntwisted_redis/pytest_plugin.py,,\n")
    (tmp_path / "test_it.py").write_text("""
import sys

def test_it(redis_server):
    assert redis_server.execute("PING") == b"PONG"
    ours = {name: module for name, module in sys.modules.items() if name.startswith("twisted_redis")}
    rewritten = {name for name in ours if type(ours[name].__loader__).__name__ == "AssertionRewritingHook"}
    assert rewritten == {"twisted_redis", "twisted_redis._compiled", "twisted_redis.pytest_plugin"}
    assert len(ours) > 100
""")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_nothing_is_left(run: Run) -> None:
    code = """
import gc, os, threading
import pytest

def descriptors():
    gc.collect()
    found = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    return [os.readlink(path) for path in found if os.path.exists(path)]

@pytest.fixture(scope="session", autouse=True)
def leftovers():
    before = descriptors()
    yield
    assert threading.enumerate() == [threading.main_thread()]
    left = [name for name in descriptors() if name.startswith(("socket", "pipe", "anon"))]
    assert left == [name for name in before if name.startswith(("socket", "pipe", "anon"))]

def test_it(redis_client, redis_server):
    redis_client.set("k", 1)
    redis_server.drop_connections()
    redis_client.get("k")
    with redis_server.refuse_connections(), redis_server.clock.freeze():
        redis_server.clock.advance(5)
"""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    run(code)


def test_options(run: Run) -> None:
    code = """
def test_it(redis_client, redis_server):
    redis_client.set("k", "v")
    assert redis_client.get("k") == "v"
    assert redis_client.config_get("max*") == {**redis_client.config_get("max*"), "maxclients": "77"}
    assert redis_client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
    import os
    assert redis_client.info("server")["process_id"] != os.getpid()
"""
    told = run(
        code,
        "--redis-server-process",
        "--redis-server-decode",
        "--redis-server-directive=maxclients=77",
        "--redis-server-directive=maxmemory-policy=allkeys-lru",
    )
    assert "1 passed" in told
    assert "NAME=VALUE" in run(code, "--redis-server-directive=nonsense", fails=True)


def test_fixtures_of_ones_own(run: Run) -> None:
    told = run("""
from twisted_redis import factories

small_server = factories.redis_server(maxmemory="2mb")
small = factories.redis_client("small_server", decode_responses=True)

def test_it(small, small_server, redis_client):
    assert small.config_get("maxmemory") == {"maxmemory": "2097152"}
    small.set("k", "v")
    assert small.get("k") == "v" and redis_client.get("k") is None
""")
    assert "1 passed" in told


def test_fixed_port_is_that_of_the_first_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    from twisted_redis.factories import worker_number

    for name, number in (("", 0), ("master", 0), ("gw0", 0), ("gw13", 13)):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", name)
        assert worker_number() == number
