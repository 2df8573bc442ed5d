"""Bundled modules in whole servers: their start, files, replicas, a cluster, and the fake."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.integration.process import Server, environment
from tests.integration.replicas import in_step, link_up, until
from twisted_redis import fake, running_cluster, running_server

Start = Callable[..., Server]

PROGRAM = """
import sys
from twisted_redis.config import Config
from twisted_redis.composition import make_engine
from twisted_redis.engine.links import NullLink
from twisted.internet.task import Clock
from twisted_redis.engine.clock import manual_time

def bundled():
    return sorted(name for name in sys.modules if name.startswith("twisted_redis.modules."))

engine = make_engine(Config(), manual_time(Clock()))
client = engine.connect(NullLink())
for call in (b"PING", b"os", b"sys.path", b"twisted_redis.modules.json", b"json.nosuch", b"COMMAND COUNT"):
    engine.execute(client, call.split())
    assert not bundled(), (call, bundled())
assert engine.execute(client, [b"BF.ADD", b"filter", b"item"]) == 1
found = bundled()
assert "twisted_redis.modules.probabilistic" in found, found
assert not [name for name in found if "json" in name or "timeseries" in name], found
"""


def test_nothing_is_imported_before_the_first_use() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--appendonly", "no"],
        ["--appendonly", "yes", "--aof-use-rdb-preamble", "yes"],
        ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"],
    ],
    ids=["snapshot", "preamble", "commands"],
)
@pytest.mark.parametrize("rewrites", [False, True])
def test_files(start: Start, options: list[str], rewrites: bool) -> None:
    """A server loads the module that its files need. The configuration does not name the module."""
    server = start(*options)
    with redis.Redis(port=server.port) as client:
        assert client.bf().add("filter", "item") == 1
        assert client.cms().initbydim("sketch", 10, 2)
        assert client.cms().incrby("sketch", ["item"], [3]) == [3]
        client.set("text", "value")
        if options[1] == "no":
            client.save()
        elif rewrites:
            client.bgrewriteaof()
            until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0, "the end of the rewrite")
        client.topk().reserve("top", 3, 8, 4, 0.9)
        if options[1] == "no":
            client.save()
    server.stop()
    again = start(*options)
    with redis.Redis(port=again.port) as client:
        assert client.bf().exists("filter", "item") == 1
        assert client.cms().query("sketch", "item") == [3]
        assert client.topk().info("top")["k"] == 3
        assert client.get("text") == b"value"


@pytest.mark.parametrize("full", [True, False], ids=["full synchronisation", "stream"])
def test_replicas(start: Start, tmp_path: Path, full: bool) -> None:
    master = start("--repl-diskless-sync-delay", "0", folder=tmp_path / "master")
    replica = start(folder=tmp_path / "replica")
    with redis.Redis(port=master.port) as source, redis.Redis(port=replica.port) as target:
        if full:
            source.bf().add("filter", "item")
        target.replicaof("127.0.0.1", master.port)
        link_up(target)
        if not full:
            source.bf().add("filter", "item")
        in_step(source, target)
        assert target.type("filter") == b"MBbloom--"
        assert target.bf().exists("filter", "item") == 1
        with pytest.raises(redis.exceptions.ReadOnlyError):
            target.bf().add("filter", "other")


def test_a_cluster_routes_the_keys_of_modules() -> None:
    with (
        running_cluster(masters=3) as cluster,
        redis.RedisCluster(startup_nodes=cluster.startup_nodes) as client,
    ):
        for number in range(30):
            assert client.execute_command("BF.ADD", f"filter:{number}", "item") == 1
        assert all(client.execute_command("BF.EXISTS", f"filter:{number}", "item") for number in range(30))
        with redis.Redis(port=cluster.startup_nodes[0].port) as one:
            pipeline = one.pipeline(transaction=False)
            for number in range(30):
                pipeline.execute_command("BF.EXISTS", f"filter:{number}", "item")
            replies = pipeline.execute(raise_on_error=False)
        moved = [reply for reply in replies if isinstance(reply, redis.exceptions.MovedError)]
        assert 0 < len(moved) < 30
        assert [reply for reply in replies if reply not in moved] == [1] * (30 - len(moved))


def test_the_clients_of_the_fake_have_the_modules() -> None:
    with fake.FakeRedis() as client:
        assert client.bf().add("filter", "item") == 1
        assert client.bf().exists("filter", "item") == 1


def test_an_embedded_server_has_the_modules() -> None:
    with running_server(bundled_modules="json") as server, redis.Redis(port=server.port) as client:
        assert client.json().set("document", "$", {"list": [1, 2]})
        assert client.json().get("document", "$.list[1]") == [2]
        with pytest.raises(redis.exceptions.ResponseError, match=r"unknown command 'BF\.ADD'"):
            client.bf().add("filter", "item")


def test_the_modules_are_one_option_of_the_command_line(start: Start) -> None:
    server = start("--bundled-modules", "json timeseries")
    with redis.Redis(port=server.port) as client:
        with pytest.raises(redis.exceptions.ResponseError, match="unknown command 'BF.ADD'"):
            client.bf().add("filter", "item")
        names = [module[b"name"] if isinstance(module, dict) else module[1] for module in client.module_list()]
        assert names == [b"vectorset", b"ReJSON", b"timeseries"]
