"""The command ``twisted-redis health``, against a socket with prepared replies."""

from __future__ import annotations

import ast
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from twisted_redis.__main__ import TOOLS
from twisted_redis.health import main

PATIENCE = 60


class Peer:
    """Takes one connection for each reply, reads one request, and answers with the reply."""

    def __init__(self, listener: socket.socket, replies: list[bytes]) -> None:
        self.requests: list[bytes] = []
        self._listener = listener
        self._replies = replies
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        for reply in self._replies:
            connection, _ = self._listener.accept()
            with connection:
                self.requests.append(connection.recv(1000))
                # In two parts, because a network may split a reply.
                connection.sendall(reply[:3])
                connection.sendall(reply[3:])


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        found.settimeout(PATIENCE)
        yield found


def check(listener: socket.socket, reply: bytes, option: str = "--port") -> tuple[int, bytes]:
    """Returns the exit code, and the request that came."""
    peer = Peer(listener, [reply])
    code = main([option, str(listener.getsockname()[1]), "--timeout", str(PATIENCE)])
    peer.thread.join(PATIENCE)
    return code, peer.requests[0]


@pytest.mark.parametrize(
    ("reply", "code", "said"),
    [
        (b"+PONG\r\n", 0, "PONG"),
        (b"-NOAUTH Authentication required.\r\n", 0, "NOAUTH Authentication required."),
        (b"-NOPERM User default has no permissions\r\n", 0, "NOPERM User default has no permissions"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", 1, "LOADING Redis is loading the dataset in memory"),
        (b"-MASTERDOWN Link with MASTER is down\r\n", 1, "MASTERDOWN Link with MASTER is down"),
        (b"-BUSY Redis is busy running a script.\r\n", 1, "BUSY Redis is busy running a script."),
        (b"HTTP/1.1 400 Bad Request\r\n", 1, "TTP/1.1 400 Bad Request"),
        (b"", 1, "the server closed the connection"),
    ],
)
def test_replies(
    listener: socket.socket, capsys: pytest.CaptureFixture[str], reply: bytes, code: int, said: str
) -> None:
    assert check(listener, reply) == (code, b"*1\r\n$4\r\nPING\r\n")
    shown = capsys.readouterr()
    assert (shown.err if code else shown.out) == said + "\n"


@pytest.mark.parametrize(
    ("response", "code", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nready\n", 0, "ready"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\nloading the data\nshutting down\n", 1, "loading the data"),
        (b"", 1, "no answer"),
    ],
)
def test_the_probe(
    listener: socket.socket, capsys: pytest.CaptureFixture[str], response: bytes, code: int, said: str
) -> None:
    found, request = check(listener, response, "--metrics-port")
    assert found == code
    assert request.startswith(b"GET /readyz HTTP/1.1\r\n")
    shown = capsys.readouterr()
    assert said in (shown.err if code else shown.out)


def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        Peer(listener, [b"+PONG\r\n"])
        assert main(["--unixsocket", path, "--timeout", str(PATIENCE)]) == 0
    assert main(["--unixsocket", str(tmp_path / "none")]) == 1


def test_nothing_listens(listener: socket.socket, capsys: pytest.CaptureFixture[str]) -> None:
    port = listener.getsockname()[1]
    listener.close()
    assert main(["--port", str(port)]) == 1
    assert "refused" in capsys.readouterr().err


def test_it_is_a_tool_that_imports_no_server() -> None:
    assert TOOLS["health"] == "twisted_redis.health"
    code = (
        "import sys, twisted_redis.health; "
        "print(sorted(name for name in sys.modules if name.startswith(('twisted_redis.', 'twisted.'))))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    # `_compiled` finds the compiled form of modules, where there is one.
    assert set(ast.literal_eval(ran.stdout)) <= {"twisted_redis.health", "twisted_redis._compiled"}
