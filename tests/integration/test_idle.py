"""The cost of a server that nobody uses."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.process import Server


def processor_seconds(pid: int) -> float:
    """Returns the CPU time of all threads of a process."""
    schedules = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(path.read_text().split()[0]) for path in schedules) / 1e9


@pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="needs Linux' /proc with statistics of the scheduler"
)
def test_idle_means_idle(start: Callable[..., Server]) -> None:
    server = start()
    time.sleep(2.5)  # for the first second the server still ticks at its usual rate
    begin, before = time.monotonic(), processor_seconds(server.pid)
    time.sleep(8)
    used = (processor_seconds(server.pid) - before) / (time.monotonic() - begin)
    print(f"{100 * used:.3f} % of a processor")
    # The goal is 0.1 %, and the usual value is half of that. A busy machine must not fail the build.
    assert used < 0.002
