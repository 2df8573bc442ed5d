"""Redis' own tools against the server: redis-cli and redis-benchmark, where they are installed."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import redis

from tests.integration.process import PATIENCE, Server

pytestmark = pytest.mark.skipif(shutil.which("redis-cli") is None, reason="needs redis-tools")


def tool(server: Server, name: str, *arguments: str, stdin: bytes = b"") -> str:
    """The standard output of a tool that must succeed and must not complain."""
    done = subprocess.run(
        [name, "-p", str(server.port), *arguments],
        input=stdin,
        capture_output=True,
        timeout=PATIENCE * 2,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    return done.stdout.decode()


def cli(server: Server, *arguments: str, stdin: bytes = b"") -> str:
    return tool(server, "redis-cli", *arguments, stdin=stdin)


def test_calls(shared_server: Server, client: redis.Redis) -> None:
    assert cli(shared_server, "SET", "k", "v") == "OK\n"
    assert cli(shared_server, "-3", "--no-raw", "HSET", "h", "f", "1.5") == "(integer) 1\n"
    assert cli(shared_server, "-3", "--no-raw", "HGETALL", "h") == '1# "f" => "1.5"\n'
    assert cli(shared_server, "--no-raw", "HGETALL", "h") == '1) "f"\n2) "1.5"\n'
    assert cli(shared_server, "--no-raw", "GET", "missing") == "(nil)\n"
    assert cli(shared_server, "--no-raw", "LPUSH", "k", "x").startswith("(error) WRONGTYPE")
    assert cli(shared_server, "-n", "3", "DBSIZE") == "0\n"


def test_session(shared_server: Server, client: redis.Redis) -> None:
    script = b'SET a 1\nINCR a\nMULTI\nINCR a\nGET a\nEXEC\nSET "two words" x\nKEYS *\n'
    assert cli(shared_server, stdin=script).split("\n")[:7] == ["OK", "2", "OK", "QUEUED", "QUEUED", "3", "3"]
    assert client.get("two words") == b"x"


def test_mass_insertion(shared_server: Server, client: redis.Redis) -> None:
    commands = b"".join(b"*3\r\n$3\r\nSET\r\n$5\r\n%05d\r\n$1\r\nx\r\n" % i for i in range(20_000))
    told = cli(shared_server, "--pipe", stdin=commands)
    assert "errors: 0, replies: 20000" in told
    assert client.dbsize() == 20_000


def test_scans(shared_server: Server, client: redis.Redis) -> None:
    with client.pipeline(transaction=False) as pipe:
        for i in range(500):
            pipe.set(f"key:{i}", "x" * i)
        pipe.rpush("list", *range(1000))
        pipe.hset("hash", mapping={str(i): i for i in range(700)})
        pipe.execute()
    scanned = cli(shared_server, "--scan", "--pattern", "key:*").split()
    assert sorted(scanned) == sorted(f"key:{i}" for i in range(500))
    biggest = cli(shared_server, "--bigkeys")
    assert re.search(r'Biggest +list found .*"list".* has 1000 items', biggest)
    assert re.search(r'Biggest +hash found .*"hash".* has 700 fields', biggest)
    assert re.search(r'Biggest string found .*"key:499".* has 499 bytes', biggest)


def test_latency_and_statistics(shared_server: Server, client: redis.Redis) -> None:
    assert re.match(r"\d+ \d+ \d+\.\d+ \d+", cli(shared_server, "--latency", "--raw", "-i", "1"))


@pytest.mark.skipif(shutil.which("redis-benchmark") is None, reason="needs redis-benchmark")
@pytest.mark.parametrize("pipeline", ["1", "16"])
def test_benchmark(shared_server: Server, client: redis.Redis, pipeline: str) -> None:
    tests = "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange,mset"
    told = tool(shared_server, "redis-benchmark", "-q", "--csv", "-n", "2000", "-c", "20", "-P", pipeline, "-t", tests)
    names = [line.split('"')[1] for line in told.splitlines() if line.startswith('"')]
    for name in (
        "PING_INLINE",
        "SET",
        "GET",
        "INCR",
        "LPUSH",
        "SADD",
        "HSET",
        "ZADD",
        "ZPOPMIN",
        "MSET (10 keys)",
    ):
        assert name in names
    assert "WARNING" not in told
