"""Rules for all tests: a test fails if it leaves an unexpected error in the log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from twisted.logger import globalLogPublisher

# On a loaded machine, an example may take any amount of time.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.fixture(autouse=True)
def logged_errors() -> Iterator[list[dict[str, Any]]]:
    """The events with a traceback that this test has logged. A test that expects some clears this list.

    Twisted logs an exception in a callback and continues. Without this fixture, nobody would notice it.
    """
    errors: list[dict[str, Any]] = []

    def observe(event: dict[str, Any]) -> None:
        if "log_failure" in event:
            errors.append(event)

    globalLogPublisher.addObserver(observe)
    try:
        yield errors
    finally:
        globalLogPublisher.removeObserver(observe)
    if errors:
        traces = "\n".join(event["log_failure"].getTraceback() for event in errors)
        pytest.fail(f"{len(errors)} error(s) logged during the test:\n{traces}", pytrace=False)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Reports how much was compared with real Redis."""
    harness = sys.modules.get("tests.differential.harness")
    if harness is not None and harness.COMPARED:
        terminalreporter.write_line(
            f"{harness.COMPARED.total():,} calls of {len(harness.COMPARED)} commands answered as real Redis does"
        )
