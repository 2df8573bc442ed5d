"""The fixture `client`, and a report for run.py: what failed, and how long the fixtures of each test took."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from subjects.base import Subject

RESULTS = pytest.StashKey[dict[str, Any]]()


@pytest.fixture
def client(subject: Subject) -> Iterator[redis.Redis]:
    with subject.client() as made:
        yield made


def reason(failure: pytest.ExceptionInfo[BaseException]) -> str:
    """Returns the first line of an error, and the statement of the test that caused it if that explains more."""
    text = (str(failure.value).strip() or repr(failure.value)).splitlines()[0][:120]
    if isinstance(failure.value, redis.RedisError) or (
        type(failure.value) is pytest.fail.Exception and "RAISE" not in text
    ):
        return text
    lines = [str(entry.statement).strip() for entry in failure.traceback if entry.path.name == "features.py"]
    return f"{text} ({lines[0].splitlines()[0]})" if lines else text


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = {"passed": [], "failed": {}, "setup": []}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    results = item.config.stash[RESULTS]
    if report.when == "setup":
        results["setup"].append(report.duration)
    if report.failed and call.excinfo is not None:
        results["failed"].setdefault(item.name, reason(call.excinfo))
    elif report.when == "call":
        results["passed"].append(item.name)
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    Path(os.environ["RESULTS"]).write_text(json.dumps(config.stash[RESULTS]), "utf-8")
