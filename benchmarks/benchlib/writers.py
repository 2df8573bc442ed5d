"""Writers: a program that writes to a cluster through a client library, and the record of what happened to its writes.

The program reads one line of JSON from standard input: ``nodes`` (addresses), ``workers`` (for each the hash tags of
its keys), ``pause`` (s between two writes), ``timeout`` (s for one command) and ``wait`` (ms for WAIT, or 0). It writes
each key once, with the key itself as the value. When its input ends, it prints a line for each event, with tabs between
the words: ``ok`` (SET was acknowledged), ``safe`` (a replica has it too) or ``error``, when the write began and ended
(monotonic time, s), the key, and the text of an error.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from .servers import Subject

FOLDER = Path(__file__).parent / "load"
CLIENTS = ("redis-py", "ioredis")


class Event(NamedTuple):
    """The fate of one write."""

    kind: str
    began: float
    ended: float
    key: str
    text: str = ""


def node_modules() -> Path:
    """Returns the folder of ioredis: that of the tests, or one of $NODE_PATH."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twisted_redis" / "npm" / "node_modules"
    for folder in (*filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep)), str(cache)):
        if (Path(folder) / "ioredis").exists():
            return Path(folder)
    raise SystemExit("no ioredis: npm install ioredis, and set NODE_PATH to its node_modules")


def program_of(client: str) -> Subject:
    """Returns the program that writes through a client library."""
    if client == "redis-py":
        return Subject(client, (sys.executable, str(FOLDER / "redis_py.py")))
    node = shutil.which("node")
    if node is None:
        raise SystemExit("ioredis needs node")
    return Subject(client, (node, str(FOLDER / "ioredis.cjs")), (("NODE_PATH", str(node_modules())),))


class Writers:
    """Writers that work until ``stop``."""

    def __init__(
        self,
        client: str,
        nodes: Sequence[tuple[str, int]],
        workers: Sequence[Sequence[str]],
        *,
        wait: int,
        pause: float = 0.005,
        timeout: float = 1.0,
    ) -> None:
        program = program_of(client)
        # The lines come only at the end, and are more than a pipe holds.
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - `stop` closes it
        self._process = subprocess.Popen(
            program.command, stdin=subprocess.PIPE, stdout=self._output, env=program.environment()
        )
        plan = {"nodes": nodes, "workers": workers, "pause": pause, "timeout": timeout, "wait": wait}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(plan).encode() + b"\n")
        self._process.stdin.flush()

    def stop(self, patience: float = 120) -> list[Event]:
        """Ends the writers; returns the events in the order in which they ended."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            if self._process.wait(patience):
                raise SystemExit(f"the writers have failed (exit code {self._process.returncode})")
        finally:
            self.kill()
        self._output.seek(0)
        events = []
        for line in self._output.read().decode().splitlines():
            kind, began, ended, key, *text = line.split("\t")
            events.append(Event(kind, float(began), float(ended), key, *text))
        self._output.close()
        return sorted(events, key=lambda event: event.ended)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def longest_pause(times: Sequence[float], began: float, ended: float) -> float:
    """Returns the longest time without a success that touches the period, from the sorted times of all successes."""
    edges = [began, *(time for time in times if began <= time <= ended)]
    before = [time for time in times if time < began]
    if before:
        edges[0] = before[-1]
    after = [time for time in times if time > ended]
    edges.append(after[0] if after else ended)
    return max(later - earlier for earlier, later in pairwise(edges))
