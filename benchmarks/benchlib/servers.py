"""Servers as child processes: finds them, starts them on a free port, measures them through /proc, and stops them."""

from __future__ import annotations

import os
import random
import resource
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

from .client import Connection, Refused
from .interpreters import find_interpreter

ROOT = Path(__file__).resolve().parents[2]
#: Makes an interpreter that has the compiled modules of this project run the sources.
PURE = (("TWISTED_REDIS_PURE", "1"),)
#: CPU time (ns) by the id of the thread.
CpuTimes = dict[int, int]


class Subject(NamedTuple):
    """A server to measure: the name of its column, the command line without options, and variables for it."""

    name: str
    command: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()

    def environment(self) -> dict[str, str]:
        """Returns the environment of the server, in which Python finds this clone."""
        found = os.environ | dict(self.variables)
        found["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), found.get("PYTHONPATH")]))
        return found


class Server:
    """A running server. Its CPU time is that of the process, without children (snapshots)."""

    def __init__(self, subject: Subject, port: int, process: subprocess.Popen[bytes], started: float) -> None:
        self.subject = subject
        self.port = port
        self.process = process
        self.start_seconds = started

    def cpu_times(self) -> CpuTimes:
        """Returns the CPU time of each thread. Unlike utime and stime of the process, it is finer than 10 ms."""
        found = {}
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                found[int(task.name)] = read_schedstat((task / "schedstat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue  # the thread has ended since
        return found

    def cpu_since(self, before: CpuTimes) -> float:
        """Returns the CPU time (s) since `cpu_times` returned `before`. Threads that have ended are not counted."""
        return cpu_between(before, self.cpu_times())

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    def connect(self) -> Connection:
        return Connection(self.port)


def read_schedstat(text: str) -> int:
    """Returns the CPU time (ns) in a schedstat file, whose first field it is."""
    return int(text.split()[0])


def cpu_between(before: CpuTimes, after: CpuTimes) -> float:
    """Returns the CPU time (s) between two readings."""
    return sum(time - before.get(thread, 0) for thread, time in after.items()) / 1e9


def free_port() -> int:
    """Returns a free port, which no system gives to a connection, nor the port of a bus that is 10000 higher."""
    while True:
        port = random.SystemRandom().randrange(10240, 22768)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            return port


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


def ours(python: str, name: str, variables: tuple[tuple[str, str], ...] = ()) -> Subject:
    return Subject(name, (python, "-m", "twisted_redis"), variables)


def pypy(given: str | None = None) -> str | None:
    """Returns a PyPy for Python 3.11 or newer that has Twisted: `given`, $PYPY, or one in PATH."""
    names = [given] if given else [os.environ.get("PYPY"), "pypy3.11", "pypy3"]
    for name in names:
        path = shutil.which(name) if name else None
        if path is None:
            continue
        check = "import sys, twisted; sys.exit(sys.version_info < (3, 11))"
        if subprocess.run([path, "-c", check], capture_output=True).returncode == 0:
            return path
        if given:
            raise SystemExit(f"{given} is older than 3.11, or has no Twisted")
    return None


def subjects(
    arguments_subject: Sequence[str], python: str | None, pypy_path: str | None, compiled: str | None = None
) -> list[Subject]:
    """Returns the servers to compare with Redis: `--subject` command lines, or this project in its forms.

    The forms are the sources on CPython, the compiled modules (if `python` has them, or on the CPython `compiled`), and
    the sources on PyPy if there is one.
    """
    if arguments_subject:
        return [named(text, number) for number, text in enumerate(arguments_subject, 1)]
    python = python or sys.executable
    found = [ours(python, "pure", PURE)]
    fast = ours(compiled or python, "compiled")
    if has_compiled(fast):
        found.append(fast)
    elif compiled:
        raise SystemExit(f"{compiled} has no compiled modules of the present sources (tools/compile.sh makes them)")
    path = pypy(pypy_path)
    if path:
        found.append(ours(path, "pypy"))
    return found


def has_compiled(subject: Subject) -> bool:
    """Tells whether the server of `subject` runs compiled modules."""
    interpreter = find_interpreter(subject.command, subject.environment())
    return interpreter is not None and interpreter.compiled > 0


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
        with open(Path(directory) / "log", "wb") as log:
            began = time.perf_counter()
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=subject.environment(),
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
