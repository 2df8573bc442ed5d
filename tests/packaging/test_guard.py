"""A run of the tests that is killed leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.process import PATIENCE
from tests.packaging.environments import ROOT
from tests.support.guard import descendants, processes, watch

SLEEP = "import time; time.sleep(600)"

TESTS = """
    import subprocess, sys, time
    from pathlib import Path
    from tests.support.guard import watch

    SLEEP = "import time; time.sleep(600)"
    # A server that has a child, as one that writes a snapshot has.
    PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])"

    def start(name):
        servers = [watch(subprocess.Popen([sys.executable, "-c", SLEEP]))]
        if sys.platform == "linux":
            # The guard finds these by itself: one in a session of its own, and one with a child.
            servers.append(subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True))
            servers.append(subprocess.Popen([sys.executable, "-c", PARENT]))
            time.sleep(4.5)
        part = Path(__file__).parent / (name + ".part")
        part.write_text(" ".join(str(server.pid) for server in servers))
        part.rename(part.with_suffix(".pids"))
        time.sleep(600)

    def test_one():
        start("one")
"""


def alive(pid: int) -> bool:
    return pid in processes()


def wait_until_gone(pids: set[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while left := {pid for pid in pids if alive(pid)}:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("victim", "number"),
    [
        ("alone", signal.SIGKILL),
        ("alone", signal.SIGINT),
        ("controller", signal.SIGKILL),
        ("controller", signal.SIGTERM),
        ("worker", signal.SIGKILL),
    ],
)
def test_nothing_outlives_a_run_that_is_killed(tmp_path: Path, victim: str, number: signal.Signals) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    lines = TESTS.replace("\n    ", "\n")
    (tmp_path / "test_one.py").write_text(lines)
    (tmp_path / "test_two.py").write_text(lines.replace("one", "two"))
    workers = "0" if victim == "alone" else "2"
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", workers, "--dist", "loadfile", str(tmp_path)]
    run = subprocess.Popen(
        [sys.executable, *command, "--max-worker-restart", "0", "--rootdir", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    try:
        names = ["one"] if victim == "alone" else ["one", "two"]
        files = [tmp_path / f"{name}.pids" for name in names]
        deadline = time.monotonic() + 2 * PATIENCE
        while not all(file.exists() for file in files):
            assert run.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        servers = {int(pid) for file in files for pid in file.read_text().split()}
        started = servers | descendants(servers, processes())
        if victim == "worker":
            worker = processes()[int(files[0].read_text().split()[0])][0]
            os.kill(worker, number)
            wait_until_gone(set(map(int, files[0].read_text().split())))
            run.send_signal(signal.SIGKILL)
        else:
            run.send_signal(number)
        wait_until_gone(started)
    finally:
        run.kill()
        run.wait()


def test_a_guard_ends_what_is_left_at_the_end_of_a_run(tmp_path: Path) -> None:
    code = f"""
import subprocess, sys
from tests.support.guard import Guard, watch
guard = Guard()
print(watch(subprocess.Popen([sys.executable, "-c", {SLEEP!r}])).pid)
guard.close()
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    wait_until_gone({int(done.stdout)})


def test_without_a_guard_nothing_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.guard.Guard.current", None)
    process = watch(subprocess.Popen([sys.executable, "-c", ""]))
    assert process.wait(60) == 0
