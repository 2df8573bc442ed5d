"""The library on a system that lacks what Windows lacks. The program says clearly that it does not run there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: Each test starts a Python that imports everything.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
BEGIN = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.support.windows_like import imitate
imitate()
"""


def program(code: str, folder: Path) -> str:
    """Runs a program on such a system, and returns what it prints."""
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", BEGIN + code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    code = """
import importlib, pkgutil, twisted_redis
for module in pkgutil.walk_packages(twisted_redis.__path__, "twisted_redis."):
    if not module.name.endswith(("__main__", "_by_numpy", "by_numpy", "pytest_plugin")):
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            # Packages of extras may be missing. Modules of the system must not be needed.
            assert error.name not in {"fcntl", "resource", "pwd", "grp", "termios", "syslog"}, module.name
print("imported")
"""
    assert program(code, tmp_path).split() == ["imported"]


def test_fake(tmp_path: Path) -> None:
    code = """
import redis, threading
from twisted_redis.fake import FakeRedis, FakeServer
server = FakeServer()
client, other = FakeRedis(server=server), FakeRedis(server=server)
client.set("k", "v", ex=60)
server.clock.advance(61)
assert client.get("k") is None
found = []
waiting = threading.Thread(target=lambda: found.append(other.blpop("queue", timeout=60)))
waiting.start()
client.rpush("queue", "job")
waiting.join()
assert found == [(b"queue", b"job")]
assert client.info()["used_memory"] > 0
try:
    client.bgsave()
except redis.ResponseError:
    print("no background save")
"""
    assert program(code, tmp_path) == "no background save\n"


def test_server_in_a_thread(tmp_path: Path) -> None:
    code = """
import redis
from twisted_redis import running_server, running_cluster
with running_server(dir=".") as server, redis.Redis(port=server.port) as client:
    assert client.set("k", "v") and client.get("k") == b"v"
    with client.pipeline(transaction=False) as pipe:
        for number in range(1000):
            pipe.incr("n")
        assert pipe.execute()[-1] == 1000
    assert client.save() and open("dump.rdb", "rb").read(5) == b"REDIS"
    print(type(server).__name__, client.info("server")["multiplexing_api"])
with running_server(dir=".") as server, redis.Redis(port=server.port) as client:
    print(client.get("n"))
for wrong in ({"process": True}, {"appendonly": True}, {"save": "1 1"}, {"unixsocket": "redis.sock"}):
    try:
        running_server(**wrong).__enter__()
    except ValueError as error:
        print(error)
with running_cluster(replicas=0) as cluster, redis.RedisCluster(startup_nodes=cluster.startup_nodes) as client:
    print(client.set("k", "v"))
try:
    running_cluster(mode="processes").__enter__()
except ValueError as error:
    print(error)
"""
    posix = "needs a POSIX system (Linux, macOS, BSD)"
    assert program(code, tmp_path).splitlines() == [
        "RunningServer select",
        "b'1000'",
        f"process=True {posix}",
        f"appendonly=True {posix}",
        f'save="1 1" {posix}',
        f'unixsocket="redis.sock" {posix}',
        "True",
        f'mode="processes" {posix}',
    ]


def test_program_refuses(tmp_path: Path) -> None:
    code = """
from twisted_redis.tap import main
sys.stderr = sys.stdout
assert main(["--port", "0"]) == 1
"""
    assert "POSIX systems only" in program(code, tmp_path)
