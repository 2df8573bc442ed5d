"""Ends what a run of the tests has started, even if the run itself is killed.

``Guard`` starts this file as a process of its own, which reads a pipe from the process that runs tests. Nobody can
prevent the end of that pipe: it comes when the process ends, in whatever way. Then the guard kills each process that it
knows of and that is still there. It knows those that are announced with ``watch``, and looks for their descendants, and
for all other descendants of the process that runs tests, every other second.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterable

__all__ = ["Guard", "watch"]

#: The time between two looks (s).
_PERIOD = 2.0
#: A fact that identifies a process besides its number, which the system uses again.
Born = str


def processes() -> dict[int, tuple[int, Born]]:
    """Returns the parent and the time of birth of each process."""
    found = {}
    if os.path.isdir("/proc/self"):
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/stat") as file:
                        fields = file.read().rpartition(")")[2].split()
                except OSError:
                    continue
                if fields[0] != "Z":
                    found[int(name)] = int(fields[1]), fields[19]
    else:
        listed = subprocess.run(["ps", "-axo", "pid=,ppid=,lstart="], capture_output=True, text=True, check=False)
        for line in listed.stdout.splitlines():
            pid, parent, born = line.split(None, 2)
            found[int(pid)] = int(parent), born
    return found


def descendants(roots: Iterable[int], all_processes: dict[int, tuple[int, Born]]) -> set[int]:
    """Returns the processes that have one of ``roots`` as an ancestor."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in all_processes.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    left = list(roots)
    while left:
        for pid in children.get(left.pop(), ()):
            if pid not in found:
                found.add(pid)
                left.append(pid)
    return found


class _Known:
    """The processes that have to end with the process ``root``."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.born: dict[int, Born] = {}

    def look(self, announced: Iterable[int] = ()) -> None:
        """Adds those announced, and all descendants, and drops those that have ended."""
        now = processes()
        alive = {pid for pid, born in self.born.items() if pid in now and now[pid][1] == born}
        alive.update(pid for pid in announced if pid in now)
        alive |= descendants({self.root, *alive}, now)
        alive.discard(os.getpid())
        self.born = {pid: now[pid][1] for pid in alive}

    def kill(self) -> None:
        # Killing one can start another: the last one to end may belong to a program that restarts its children.
        for _ in range(10):
            self.look()
            if not self.born:
                return
            for pid in self.born:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            select.select([], [], [], 0.05)


def main() -> None:
    """Runs as the guard of the parent process: reads numbers of processes, one a line, until the end of the input."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    known = _Known(int(sys.argv[1]))
    rest = b""
    while True:
        ready, _, _ = select.select([0], [], [], _PERIOD)
        data = os.read(0, 65536) if ready else b""
        if ready and not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        known.look(map(int, lines))
    known.root = os.getpid()  # which has no children; the number of the other process may soon be another's
    known.kill()


class Guard:
    """The guard of this process."""

    current: Guard | None = None

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", __file__, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin
        Guard.current = self

    def announce(self, pid: int) -> None:
        """Tells the guard at once of a process that must not outlive this one."""
        self._pipe.write(b"%d\n" % pid)
        self._pipe.flush()

    def close(self) -> None:
        """Kills what is left, and returns when the guard has ended."""
        Guard.current = None
        self._pipe.close()
        self._process.wait()


def watch(process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """Has a process end when the process that runs tests ends. Returns the process."""
    if Guard.current is not None:
        Guard.current.announce(process.pid)
    return process


if __name__ == "__main__":
    main()
