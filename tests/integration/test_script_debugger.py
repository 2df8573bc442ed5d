"""The debugger of scripts over real sockets: redis-cli, and what a session means for the other clients."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.integration.process import PATIENCE, Server, start_server
from tests.support.server import encode

pytest.importorskip("lupa", reason="needs the extra lua")

SCRIPT = "redis.call('set', KEYS[1], ARGV[1])\nlocal found = redis.call('get', KEYS[1])\nreturn found\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = start_server("--appendonly", "yes", "--appendfsync", "always", folder=tmp_path)
    yield server
    server.stop()


class User:
    """A client that debugs scripts."""

    def __init__(self, server: Server, mode: str) -> None:
        self.socket = server.connect()
        self._stream = self.socket.makefile("rb")
        self.send("SCRIPT", "DEBUG", mode)
        assert self.read() == "OK"

    def send(self, *words: str) -> None:
        self.socket.sendall(encode(*words))

    def read(self) -> object:
        """The next reply; an empty text at the end of the connection."""
        line = self._stream.readline().decode()
        if line.startswith("*"):
            return [self.read() for _ in range(int(line[1:]))]
        if line.startswith("$"):
            return self._stream.readline().decode().rstrip()
        return line[1:].rstrip()

    def __call__(self, *words: str) -> object:
        self.send(*words)
        return self.read()

    def close(self) -> None:
        self._stream.close()
        self.socket.close()


@pytest.fixture
def debug(server: Server) -> Iterator[Callable[[str], User]]:
    """Connects a user in a mode of SCRIPT DEBUG."""
    users: list[User] = []

    def connect(mode: str) -> User:
        users.append(User(server, mode))
        return users[-1]

    yield connect
    for user in users:
        user.close()


def client_of(server: Server) -> redis.Redis:
    return redis.Redis(port=server.port, socket_timeout=PATIENCE)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_forked_session(server: Server, debug: Callable[[str], User]) -> None:
    """The session sees its own changes, the server does not, and serves its other clients meanwhile."""
    client = client_of(server)
    client.set("k", "before")
    user = debug("YES")
    assert user("EVAL", SCRIPT, "1", "k", "inside") == [
        "* Stopped at 1, stop reason = step over",
        "-> 1   redis.call('set', KEYS[1], ARGV[1])",
    ]
    assert user("s") == [
        "<redis> set k inside",
        '<reply> "+OK"',
        "* Stopped at 2, stop reason = step over",
        "-> 2   local found = redis.call('get', KEYS[1])",
    ]
    assert client.get("k") == b"before"
    assert len(client.client_list()) == 1
    client.set("k", "meanwhile")
    assert user("redis", "get", "k") == ["<redis> get k", '<reply> "inside"']
    assert user("c") == ["<endsession>"]
    assert user.read() == "inside"
    assert user.read() == ""
    assert client.get("k") == b"meanwhile"
    assert client.info("stats")["total_forks"] == 1
    server.stop()
    again = start_server("--appendonly", "yes", folder=server.folder)
    try:
        assert client_of(again).get("k") == b"meanwhile"
    finally:
        again.stop()


def test_session_in_the_server(server: Server, debug: Callable[[str], User]) -> None:
    """Nobody else is served, and the changes stay."""
    client = client_of(server)
    user = debug("SYNC")
    user("EVAL", SCRIPT, "1", "k", "v")
    with server.connect() as other:
        other.sendall(encode("GET", "k"))
        user("s")
        other.settimeout(0.2)
        with pytest.raises(TimeoutError):
            other.recv(100)
        assert user("abort") == ["<endsession>"]
        assert str(user.read()).startswith("ERR script aborted for user request script: ")
        assert user.read() == ""
        other.settimeout(PATIENCE)
        assert other.recv(100) == b"$1\r\nv\r\n"
    assert client.get("k") == b"v"
    assert client.info("stats")["total_forks"] == 0


def test_server_goes_on_when_the_user_leaves(server: Server, debug: Callable[[str], User]) -> None:
    client = client_of(server)
    for mode in ("YES", "SYNC"):
        user = debug(mode)
        user("EVAL", "redis.breakpoint()\nredis.call('incr', 'n')\nreturn 1", "0")
        user.close()
    assert client.get("n") == b"1"
    assert client.ping()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_sessions_end_with_the_server(server: Server, debug: Callable[[str], User]) -> None:
    user = debug("YES")
    user("EVAL", SCRIPT, "1", "k", "v")
    (child,) = children_of(server.pid)
    assert server.stop() == 0
    assert user.read() == ""
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert f"Killing debugging session {child}" in server.output


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_children_are_waited_for(server: Server, debug: Callable[[str], User]) -> None:
    user = debug("YES")
    user("EVAL", SCRIPT, "1", "k", "v")
    (child,) = children_of(server.pid)
    os.kill(child, signal.SIGTERM)  # it ends with its session
    assert user("c") == ["<endsession>"]
    deadline = time.monotonic() + PATIENCE
    while children_of(server.pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_peer_sees_one_end_of_a_forked_session(server: Server) -> None:
    """The server closes its descriptor without a word, though earlier replies of the pipeline were not sent yet."""
    with server.connect() as connection:
        connection.sendall(encode("SCRIPT", "DEBUG", "YES") + encode("EVAL", "return 7", "0"))
        received = b""
        while not received.endswith(b"return 7\r\n"):
            received += connection.recv(1000)
        connection.sendall(encode("c"))
        while data := connection.recv(1000):
            received += data
    assert received.endswith(b"*1\r\n+<endsession>\r\n+OK\r\n:7\r\n")


def test_earlier_writes_of_the_pipeline_belong_to_the_server(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(encode("SCRIPT", "DEBUG", "YES"))
        assert connection.recv(100) == b"+OK\r\n"
        connection.sendall(encode("INCR", "n") + encode("EVAL", "return redis.call('incr', 'n')", "0"))
        received = connection.recv(1000)
        connection.sendall(encode("c"))
        while data := connection.recv(1000):
            received += data
    assert received.endswith(b"*1\r\n+<endsession>\r\n:1\r\n:2\r\n")
    assert client_of(server).get("n") == b"1"
    server.stop()
    assert "rror" not in server.output
    log = b"".join(path.read_bytes() for path in (server.folder / "appendonlydir").glob("*.incr.aof"))
    assert log.count(b"INCR") == 1


def test_transactions_cannot_fork(debug: Callable[[str], User]) -> None:
    user = debug("YES")
    user("MULTI")
    user("EVAL", "return 1", "0")
    assert user("EXEC") == ["ERR a script in a transaction can only be debugged with SCRIPT DEBUG SYNC"]


def test_unix_socket(tmp_path: Path) -> None:
    server = start_server("--unixsocket", str(tmp_path / "s"), folder=tmp_path)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(tmp_path / "s"))
            connection.sendall(encode("SCRIPT", "DEBUG", "SYNC"))
            assert connection.recv(100) == b"+OK\r\n"
            connection.sendall(encode("EVAL", "return 1", "0"))
            assert connection.recv(1000).startswith(b"*2\r\n+* Stopped at 1")
            connection.sendall(encode("c"))
            received = b""
            while data := connection.recv(1000):
                received += data
        assert received == b"*1\r\n+<endsession>\r\n:1\r\n"
    finally:
        server.stop()


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="needs redis-tools")
@pytest.mark.parametrize(
    ("option", "last"),
    [
        ("--ldb", "(Lua debugging session ended -- dataset changes rolled back)"),
        ("--ldb-sync-mode", "(Lua debugging session ended)"),
    ],
)
def test_redis_cli(server: Server, tmp_path: Path, option: str, last: str) -> None:
    (tmp_path / "script.lua").write_text(SCRIPT)
    command = ["redis-cli", "-p", str(server.port), option, "--eval", str(tmp_path / "script.lua"), "k", ",", "v"]
    done = subprocess.run(
        command, input=b"step\nprint\nwhole\nrestart\nc\nquit\n", capture_output=True, timeout=PATIENCE, check=True
    )
    output = done.stdout.decode()
    assert output.count("* Stopped at 1, stop reason = step over") == 2
    assert "No local variables in the current context." in output
    assert '"v"' in output
    assert output.rstrip().endswith(last)
