"""One unit of the suite: starts it, limits its time, and reads its output."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .overlay import PORTS_OF_A_RUN, Tree, end_processes

STATUS = re.compile(r"^\[(ok|err|ignore|skip|exception|ready|testing|TIMEOUT|\d+/\d+ done)\]: ?(.*)$")
ELAPSED = re.compile(r" \((\d+) ms\)$")
END = "                   The End"
LOGS = ("stdout", "stderr", "log.txt", "err.txt", "nodes.conf", "redis.conf", "sentinel.conf")


@dataclass
class Failure:
    test: str
    message: str


@dataclass
class Result:
    """The result of a unit. `end` is "done", "exception" (the suite gave up), "timeout" or "crash".

    `ends_at_failure` is true if the suite leaves a unit at its first failed test. Without one, every test was reached.
    """

    unit: str
    passed: int = 0
    ignored: int = 0
    skipped: int = 0
    seconds: float = 0.0
    end: str = "crash"
    ends_at_failure: bool = False
    failures: list[Failure] = field(default_factory=list)
    slowest: list[tuple[int, str]] = field(default_factory=list)

    @property
    def failed(self) -> int:
        return len(self.failures)

    @property
    def clean(self) -> bool:
        return self.end == "done" and not self.failures


def read_output(unit: str, text: str) -> Result:
    """Counts the marks in the suite's output. The message of an error extends to the next mark."""
    result = Result(unit)
    failure: Failure | None = None
    for line in text.splitlines():
        if line == END:
            break
        match = STATUS.match(line)
        if match is None:
            if failure is not None:
                failure.message += line + "\n"
            continue
        failure = None
        kind, rest = match.groups()
        if kind == "ok":
            result.passed += 1
            elapsed = ELAPSED.search(rest)
            if elapsed:
                result.slowest.append((int(elapsed[1]), rest[: elapsed.start()]))
        elif kind == "ignore":
            result.ignored += 1
        elif kind == "skip":
            result.skipped += 1
        elif kind in ("err", "exception", "TIMEOUT"):
            if kind != "err":
                result.end = kind.lower()
            failure = Failure(rest, "")
            result.failures.append(failure)
        elif kind.endswith("done") and rest.startswith(f"{unit} "):
            result.end = "done"
    result.slowest = sorted(result.slowest, reverse=True)[:5]
    return result


def run_unit(tree: Tree, unit: str, limit: float, extra: Sequence[str] = (), keep: Path | None = None) -> Result:
    """Runs one unit in `tree` for at most `limit` seconds. With `keep`, copies the logs there."""
    command = ["./runtest", "--single", unit, "--clients", "1", "--durable", "--timeout", str(int(limit))]
    if "--host" not in extra:
        command += ["--baseport", str(tree.base_port), "--portcount", str(PORTS_OF_A_RUN - 40)]
    if keep is not None:
        command.append("--dont-clean")
    command += extra
    text, seconds, timed_out = execute(tree, command, limit)
    result = read_output(unit, text)
    result.seconds = seconds
    if timed_out:
        result.end = "timeout"
    scratch = tree.path / "tests" / "tmp"
    if keep is not None:
        copy_logs(tree, scratch, keep / unit.replace("/", "-"))
    clear(scratch)
    return result


def execute(tree: Tree, command: Sequence[str], limit: float) -> tuple[str, float, bool]:
    """Runs a program of the suite in `tree`, and ends everything that it started.

    Returns its output, the seconds that it took, and whether it was ended because it took longer than `limit` seconds.
    """
    log = tree.path / "output.txt"
    began = time.monotonic()
    timed_out = False
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            cwd=tree.path,
            env=tree.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            end_group(process)
            end_processes(tree)
    return log.read_text(errors="replace"), time.monotonic() - began, timed_out


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Sends SIGKILL to our process group, which contains the suite's servers."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def copy_logs(tree: Tree, scratch: Path, target: Path) -> None:
    """Copies the output, and the logs and configurations of the servers that worked in the folder `scratch`."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    shutil.copy(tree.path / "output.txt", target / "output.txt")
    for entry in scratch.iterdir():
        # The data files of a unit can take gigabytes, so keep only logs and configurations.
        for name in LOGS:
            if (entry / name).is_file():
                (target / entry.name).mkdir(exist_ok=True)
                shutil.copy(entry / name, target / entry.name / name)
        if entry.is_file() and entry.stat().st_size < 1_000_000:
            shutil.copy(entry, target / entry.name)


def clear(directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
