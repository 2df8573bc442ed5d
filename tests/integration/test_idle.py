"""The cost of a server that nobody uses."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.integration.process import Server, needs_schedules, processor_seconds


@needs_schedules
def test_idle_means_idle(start: Callable[..., Server]) -> None:
    server = start()
    time.sleep(2.5)  # for the first second the server still ticks at its usual rate
    begin, before = time.monotonic(), processor_seconds(server.pid)
    time.sleep(8)
    used = (processor_seconds(server.pid) - before) / (time.monotonic() - begin)
    print(f"{100 * used:.3f} % of a processor")
    # The goal is 0.1 %, and the usual value is half of that. A busy machine must not fail the build.
    assert used < 0.002
