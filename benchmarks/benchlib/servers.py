"""Servers as child processes: finds them, starts them on a free port, measures them through /proc, and stops them."""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from .client import Connection, Refused

ROOT = Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")


class Subject(NamedTuple):
    """A server to measure: the name of its column and the command line without options."""

    name: str
    command: tuple[str, ...]


class Server:
    """A running server. Its CPU time is that of the process, without children (snapshots)."""

    def __init__(self, subject: Subject, port: int, process: subprocess.Popen[bytes], started: float) -> None:
        self.subject = subject
        self.port = port
        self.process = process
        self.start_seconds = started

    def cpu_seconds(self) -> float:
        # Field 2, the name of the process, is in parentheses and may contain spaces.
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    def connect(self) -> Connection:
        return Connection(self.port)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def conformance_source() -> Path | None:
    """Returns the folder of the Redis build of the conformance tests, if there is one."""
    base = os.environ.get("XDG_CACHE_HOME")
    cache = (Path(base) if base else Path.home() / ".cache") / "twisted_redis"
    return max(cache.glob("redis-8.*/src"), default=None)


def tool(name: str, given: str | None = None) -> str | None:
    """Returns `given`, or else the conformance tests' build of `name`, or else the program in PATH."""
    if given:
        return shutil.which(given) or given
    source = conformance_source()
    if source is not None and os.access(source / name, os.X_OK):
        return str(source / name)
    return shutil.which(name)


def real_redis(given: str | None = None) -> Subject:
    path = tool("redis-server", given)
    if path is None:
        raise SystemExit("no redis-server: --redis PATH, or run tests/conformance/run --list once")
    return Subject("redis", (path,))


def ours(python: str, name: str) -> Subject:
    return Subject(name, (python, "-m", "twisted_redis"))


def pypy(given: str | None = None) -> str | None:
    """Returns a PyPy for Python 3.11 or newer that has Twisted: `given`, $PYPY, or one in PATH."""
    names = [given] if given else [os.environ.get("PYPY"), "pypy3.11", "pypy3"]
    for name in names:
        path = shutil.which(name) if name else None
        if path is None:
            continue
        check = "import sys, twisted, sortedcontainers; sys.exit(sys.version_info < (3, 11))"
        if subprocess.run([path, "-c", check], capture_output=True).returncode == 0:
            return path
        if given:
            raise SystemExit(f"{given} is older than 3.11, or has no Twisted")
    return None


def subjects(arguments_subject: Sequence[str], python: str | None, pypy_path: str | None) -> list[Subject]:
    """Returns the servers to compare with Redis: `--subject` command lines, or this project on CPython and PyPy."""
    if arguments_subject:
        return [named(text, number) for number, text in enumerate(arguments_subject, 1)]
    path = pypy(pypy_path)
    cpython = ours(python or sys.executable, "cpython")
    return [cpython, ours(path, "pypy")] if path else [cpython]


def named(text: str, number: int) -> Subject:
    """Creates a subject from `NAME=COMMAND` or `COMMAND`."""
    name, equals, command = text.partition("=")
    if not equals or not name.isalnum():
        name, command = f"subject{number}", text
    return Subject(name, tuple(shlex.split(command)))


@contextmanager
def running(subject: Subject, *options: str, deadline: float = 60, folder: str | None = None) -> Iterator[Server]:
    """Starts `subject` without persistence on a free port. Stops it with SIGTERM, and finally with SIGKILL.

    Its directory is `folder`, or a new one. When this returns, the server has loaded the data in that directory.
    """
    port = free_port()
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory(prefix="tr-bench-") as directory:
        command = [*subject.command, "--port", str(port), "--bind", "127.0.0.1", "--save", "", *options]
        command += ["--appendonly", "no", "--dir", directory]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with open(Path(directory) / "log", "wb") as log:
            began = time.perf_counter()
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": path},
            )
        try:
            wait_for_pong(port, process, began + deadline, Path(directory) / "log")
            yield Server(subject, port, process, time.perf_counter() - began)
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for_pong(port: int, process: subprocess.Popen[bytes], deadline: float, log: Path) -> None:
    while time.perf_counter() < deadline:
        if process.poll() is not None:
            break
        try:
            with Connection(port, 5) as connection:
                if connection.call("PING") == b"PONG":
                    return
        except (OSError, ValueError, Refused):
            time.sleep(0.002)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise SystemExit(f"the server did not answer PING:\n{tail}")


def raise_file_limit(wanted: int) -> int:
    """Raises the limit of open files of this process and its future children. Returns the limit that was possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return soft
    for limits in ((wanted, max(hard, wanted)), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            return limits[0]
        except (ValueError, OSError):
            continue
    return soft
