"""The special modes of redis-cli: those that monitor the server, walk through its keys, and copy its data."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.integration.process import PATIENCE, Server

pytestmark = pytest.mark.skipif(shutil.which("redis-cli") is None, reason="needs redis-tools")


def cli(server: Server, *arguments: str, stdin: bytes = b"") -> str:
    """Returns the standard output of a call that must succeed."""
    command = ["redis-cli", "-p", str(server.port), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=PATIENCE * 2, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


class Watching:
    """A redis-cli that runs until it is stopped. ``until`` waits for a text in its output."""

    def __init__(self, server: Server, *arguments: str, terminal: bool = False) -> None:
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
        command = ["redis-cli", "-p", str(server.port), *arguments]
        if terminal:
            self._end, theirs = pty.openpty()
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, 200, 0, 0))
            self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
            os.close(theirs)
        else:
            self._end, theirs = os.pipe()
            self.process = subprocess.Popen(command, stdout=theirs, stdin=subprocess.DEVNULL, env=environment)
            os.close(theirs)
        self.output = ""

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def until(self, pattern: str) -> re.Match[str]:
        deadline = time.monotonic() + PATIENCE
        while True:
            found = re.search(pattern, self.output)
            if found is not None:
                return found
            ready, _, _ = select.select([self._end], [], [], max(0.0, deadline - time.monotonic()))
            try:
                data = os.read(self._end, 65536) if ready else b""
            except OSError:  # the other side of the terminal is closed
                data = b""
            assert data, f"{pattern!r} never came:\n{self.output}"
            self.output += data.decode(errors="replace")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._end)


@pytest.fixture
def watch(shared_server: Server) -> Iterator[Callable[..., Watching]]:
    started: list[Watching] = []

    def begin(*arguments: str, terminal: bool = False) -> Watching:
        started.append(Watching(shared_server, *arguments, terminal=terminal))
        return started[-1]

    yield begin
    for each in started:
        each.stop()


def fill(client: redis.Redis) -> None:
    """Creates keys of every type. Each type has one key that is larger than the others."""
    with client.pipeline(transaction=False) as pipe:
        for number in range(300):
            pipe.set(f"string:{number}", "x" * number)
            pipe.sadd(f"set:{number % 10}", number)
            pipe.zadd(f"zset:{number % 10}", {str(number): number})
        pipe.set("string:big", "x" * 100_000)
        pipe.rpush("list:big", *range(5000))
        pipe.hset("hash:big", mapping={str(number): number for number in range(4000)})
        pipe.sadd("set:big", *range(3000))
        pipe.zadd("zset:big", {str(number): number for number in range(2000)})
        for _ in range(100):
            pipe.xadd("stream:big", {"f": "v"})
        pipe.execute()


def test_stat(shared_server: Server, client: redis.Redis, watch: Callable[..., Watching]) -> None:
    client.mset({f"k:{number}": "x" for number in range(77)})
    watching = watch("--stat", "-i", "0.1")
    keys, memory, clients = watching.until(r"\n(\d+) +([\d.]+[KMG]) +(\d+) +\d+ +\d+ \(\+\d+\)").groups()
    assert (keys, clients) == ("77", "2")
    assert float(memory[:-1]) > 0
    client.set("k:77", "x")
    watching.until(r"\n78 +")


def test_bigkeys(shared_server: Server, client: redis.Redis) -> None:
    fill(client)
    told = cli(shared_server, "--bigkeys")
    for kind, name, size in (
        ("string", "string:big", "100000 bytes"),
        ("list", "list:big", "5000 items"),
        ("hash", "hash:big", "4000 fields"),
        ("set", "set:big", "3000 members"),
        ("zset", "zset:big", "2000 members"),
        ("stream", "stream:big", "100 entries"),
    ):
        assert re.search(rf'Biggest +{kind} found .*"{name}".* has {size}', told), told
    assert f"Sampled {client.dbsize()} keys in the keyspace!" in told


def test_memkeys(shared_server: Server, client: redis.Redis) -> None:
    fill(client)
    told = cli(shared_server, "--memkeys")
    for kind in ("string", "list", "hash", "set", "zset", "stream"):
        found = re.search(rf'Biggest +{kind} found .*"{kind}:big".* has (\d+) bytes', told)
        assert found is not None, told
        assert int(found[1]) >= 1000
    assert cli(shared_server, "--memkeys-samples", "0").count("found") >= 6


def test_hotkeys(shared_server: Server, client: redis.Redis) -> None:
    fill(client)
    client.config_set("maxmemory-policy", "allkeys-lfu")
    try:
        client.set("hot", "x")
        for _ in range(3000):
            client.get("hot")
        told = cli(shared_server, "--hotkeys")
    finally:
        client.config_set("maxmemory-policy", "noeviction")
    found = re.search(r'hot key found with counter: (\d+)\s+keyname: "?hot"?\n', told)
    assert found is not None, told
    assert int(found[1]) > 10


def test_hotkeys_without_counters(shared_server: Server, client: redis.Redis) -> None:
    client.set("k", "v")
    command = ["redis-cli", "-p", str(shared_server.port), "--hotkeys"]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert b"An LFU maxmemory policy is not selected" in done.stdout + done.stderr


def test_latency(shared_server: Server, client: redis.Redis) -> None:
    shortest, longest, mean, samples = cli(shared_server, "--latency", "--raw", "-i", "1").split()[:4]
    assert int(shortest) <= float(mean) <= int(longest)
    assert int(samples) > 10


def test_latency_history(shared_server: Server, client: redis.Redis, watch: Callable[..., Watching]) -> None:
    watch("--latency-history", "-i", "1", "--raw").until(r"\d+ \d+ \d+\.\d+ \d+\n\d+ ")


def test_scan(shared_server: Server, client: redis.Redis) -> None:
    fill(client)
    assert sorted(cli(shared_server, "--scan").split()) == sorted(key.decode() for key in client.scan_iter())
    assert len(cli(shared_server, "--scan", "--pattern", "string:*").split()) == 301


def test_pipe(shared_server: Server, client: redis.Redis) -> None:
    commands = b"".join(b"*3\r\n$3\r\nSET\r\n$5\r\n%05d\r\n$1\r\nx\r\n" % number for number in range(10_000))
    assert "errors: 0, replies: 10000" in cli(shared_server, "--pipe", stdin=commands)
    assert client.dbsize() == 10_000
    command = ["redis-cli", "-p", str(shared_server.port), "--pipe"]
    failing = b"*2\r\n$4\r\nINCR\r\n$5\r\n00000\r\n"
    done = subprocess.run(command, input=failing, capture_output=True, timeout=PATIENCE, check=False)
    assert b"errors: 1, replies: 1" in done.stdout
    assert b"not an integer" in done.stderr


def test_rdb(shared_server: Server, client: redis.Redis, start: Callable[..., Server], tmp_path: Path) -> None:
    fill(client)
    client.expire("string:1", 1000)
    told = cli(shared_server, "--rdb", str(tmp_path / "dump.rdb"))
    assert "Transfer finished with success" in told or (tmp_path / "dump.rdb").stat().st_size > 10_000
    copy = start("--dbfilename", "dump.rdb")
    with redis.Redis(port=copy.port) as copied:
        assert copied.dbsize() == client.dbsize()
        assert copied.hgetall("hash:big") == client.hgetall("hash:big")
        assert copied.xlen("stream:big") == 100
        assert 0 < copied.ttl("string:1") <= 1000


def test_monitor(shared_server: Server, client: redis.Redis, watch: Callable[..., Watching]) -> None:
    watching = watch("monitor")
    watching.until("OK\n")
    client.set("watched", 'a"b')
    found = watching.until(r'(\d+\.\d{6}) \[(\d+) 127\.0\.0\.1:\d+\] "SET" "watched" "a\\"b"\n')
    assert abs(float(found[1]) - time.time()) < PATIENCE
    assert found[2] == "0"


def test_hints(shared_server: Server, client: redis.Redis, watch: Callable[..., Watching]) -> None:
    """The hints after the cursor of an interactive session come from our COMMAND DOCS."""
    session = watch(terminal=True)
    prompt = rf"127\.0\.0\.1:{shared_server.port}> "
    session.until(prompt)
    for typed, hint in (
        ("lpush ", r"key element \[element \.\.\.\]"),
        ("expire k ", r"seconds \[NX\|XX\|GT\|LT\]"),
        ("config get ", r"parameter \[parameter \.\.\.\]"),
        ("zadd ", r"key \[NX\|XX\] \[GT\|LT\] \[CH\] \[INCR\] score member \[score member \.\.\.\]"),
    ):
        session.output = ""
        session.type(typed)
        session.until(hint)
        session.type("\x15")  # Ctrl-U clears the line
    session.type("set fromsession 1\r")
    # redis-cli discards what is typed before it reads a line again, and the prompt says that it does.
    session.until(rf"OK\s[^>]*{prompt}")
    assert client.get("fromsession") == b"1"
    session.type("help lpush\r")
    session.until(r"summary:\S* [A-Z]")
