"""Servers in separate processes, each on a free port of the loopback interface."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.guard import watch
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SERVER = (sys.executable, "-m", "twisted_redis")
PATIENCE = 90.0
"""How long anything may take on a machine that is busy with other things (s)."""


needs_schedules = pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="needs Linux' /proc with statistics of the scheduler"
)


def processor_seconds(pid: int) -> float:
    """Returns the CPU time of all threads of a process."""
    schedules = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(path.read_text().split()[0]) for path in schedules) / 1e9


class Server:
    """A running server with its ``port``, its ``pid`` and its output, and methods to stop it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path, output: Path) -> None:
        self.process = process
        self.port = port
        self.folder = folder
        self._output = output

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        """The text that the process has printed so far on standard output and standard error."""
        return self._output.read_text(errors="replace")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Waits for the process to end by itself. Returns its exit code, which is negative for a signal."""
        return self.process.wait(seconds)

    def stop(self) -> int:
        """Shuts the server down cleanly, and kills it if that does not help."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def connect(self) -> socket.socket:
        """Opens a plain connection to the server."""
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)


def environment(**variables: str) -> dict[str, str]:
    """Returns the environment variables of this process, with the project on Python's path."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **variables}


def start_server(
    *arguments: str,
    folder: Path,
    command: Sequence[str] = SERVER,
    port: int | None = None,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    wait: bool = True,
    patience: float = PATIENCE,
) -> Server:
    """Starts ``command`` in ``folder`` with ``arguments``, and waits until it answers PING.

    It adds ``--port`` and ``--save ""``, unless you pass ``port`` because the arguments contain the port themselves.
    With ``wait=False`` it does not wait, so the process may end at once.
    """
    if port is None:
        port = free_port()
        arguments = (*arguments, "--port", str(port), "--save", "")
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / f"output-{port}"
    with open(output, "ab") as file:
        process = watch(
            subprocess.Popen(
                [*command, *arguments],
                cwd=folder,
                env=dict(env) if env is not None else environment(),
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        )
    server = Server(process, port, folder, output)
    if stdin is not None:
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.close()
    if wait:
        try:
            wait_for_pong(server, patience)
        except BaseException:
            process.send_signal(signal.SIGKILL)
            process.wait()
            raise
    return server


def wait_for_pong(server: Server, patience: float = PATIENCE) -> None:
    """Returns as soon as the server answers a PING. Raises AssertionError with its output if it never does."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(100).startswith(b"+PONG"):
                    return
        except OSError:
            pass
        time.sleep(0.005)
    raise AssertionError(f"no answer (exit code {server.process.poll()}):\n{server.output}")
