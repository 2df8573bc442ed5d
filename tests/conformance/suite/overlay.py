"""A private copy of the suite in which `src/redis-server` starts the server under test.

Each run has a directory and a range of ports of its own, so several runs can run in parallel.
"""

from __future__ import annotations

import fcntl
import os
import random
import shlex
import shutil
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[3]
MARK = "TWISTED_REDIS_SUITE_RUN"
FIRST_PORT = 10_100
PORTS_OF_A_RUN = 290
RUNS = 33  # up to port 19,999; the suite takes port + 10,000 for the cluster bus


class Tree(NamedTuple):
    """The working directory of a run, and the mark that distinguishes its processes from all others."""

    path: Path
    base_port: int
    mark: str

    @property
    def environment(self) -> dict[str, str]:
        # Colours would make the output hard to parse. Tcl takes the encoding from the locale.
        return os.environ | {"TERM": "dumb", "LC_ALL": "C.UTF-8", MARK: self.mark}


# Like `python -m twisted_redis`, but argv[0] stays the name that the suite started. It is the {title} of
# proc-title-template, and must end in /redis-server.
START = 'import runpy, sys; sys.argv.pop(0); runpy.run_module("twisted_redis", run_name="__main__")'


def python_command(python: str | None = None) -> list[str]:
    """Returns the Python for our server: `--python`, $PYTHON, the project's .venv, or the running interpreter."""
    venv = ROOT / ".venv" / "bin" / "python"
    chosen = python or os.environ.get("PYTHON") or (str(venv) if venv.exists() else sys.executable)
    return [str(Path(shutil.which(chosen) or chosen).absolute()), "-c", START, "$0"]


def wrapper(command: Sequence[str]) -> str:
    """Returns a shell script that replaces itself by `command`, because the suite signals the pid that it started."""
    words = ['"$0"' if word == "$0" else shlex.quote(word) for word in command]
    path = shlex.quote(str(ROOT))
    return (
        f'#!/bin/sh\nPYTHONPATH={path}${{PYTHONPATH:+:$PYTHONPATH}}\nexport PYTHONPATH\nexec {" ".join(words)} "$@"\n'
    )


@contextmanager
def overlay(source: Path, command: Sequence[str] | None) -> Iterator[Tree]:
    """Creates a tree of `source` with `command` as its server (None: the real one), and removes it afterwards."""
    # The suite creates Unix sockets in this directory. Their paths must be shorter than 108 bytes.
    scratch = tempfile.gettempdir() if len(tempfile.gettempdir()) < 40 else "/tmp"
    with ExitStack() as stack:
        base_port = stack.enter_context(port_range())
        path = Path(tempfile.mkdtemp(prefix="tr-suite-", dir=scratch))
        stack.callback(shutil.rmtree, path, ignore_errors=True)
        tree = Tree(path, base_port, uuid.uuid4().hex)
        stack.callback(end_processes, tree)
        populate(path, source, command)
        yield tree


def populate(path: Path, source: Path, command: Sequence[str] | None) -> None:
    for entry in source.iterdir():
        if entry.name not in ("tests", "src", ".git"):
            (path / entry.name).symlink_to(entry)
    shutil.copytree(source / "tests", path / "tests", symlinks=True, ignore=shutil.ignore_patterns("tmp"))
    (path / "tests" / "tmp").mkdir()
    (path / "src").mkdir()
    for entry in (source / "src").iterdir():
        if entry.name != "redis-server" or command is None:
            (path / "src" / entry.name).symlink_to(entry)
    if command is not None:
        program = path / "src" / "redis-server"
        program.write_text(wrapper(command))
        program.chmod(0o755)


@contextmanager
def port_range() -> Iterator[int]:
    """Reserves a range of ports that no other run on this machine uses, with a lock file. Returns its first port."""
    locks = Path(tempfile.gettempdir()) / f"tr-suite-ports-{os.getuid()}"
    locks.mkdir(exist_ok=True)
    for number in random.sample(range(RUNS), RUNS):
        with open(locks / str(number), "w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            # The suite searches for its own control port among the 32 ports below the base port.
            yield FIRST_PORT + number * (PORTS_OF_A_RUN + 10) + 40
            return
    raise RuntimeError("all port ranges are taken by other runs")


def own_processes(tree: Tree) -> list[int]:
    """Returns the pids of all processes of this run that still exist, including daemons.

    A process that sets its title may overwrite its environment, so a working directory in the tree counts too.
    """
    wanted = f"{MARK}={tree.mark}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
            inside = (entry / "cwd").readlink().is_relative_to(tree.path)
        except OSError:
            continue
        if (inside or wanted in environment.split(b"\0")) and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def end_processes(tree: Tree) -> None:
    """Kills the processes that the suite left behind. It kills only processes with the mark of this run."""
    for _ in range(20):
        pids = own_processes(tree)
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
