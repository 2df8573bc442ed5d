"""Rules for all tests: a test fails if it leaves an unexpected error in the log."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from twisted.logger import globalLogPublisher

from tests.differential.harness import real_redis, version_of
from tests.support.downloads import Progress, announcement
from tests.support.guard import Guard
from tests.support.workers import SLOW, in_order, left_out, workers_for
from twisted_redis._compiled import compiled_modules

TESTS = Path(__file__).parent

# On a loaded machine, an example may take any amount of time.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--compiled", action="store_true", help="refuse to run unless the modules are compiled")


GUARD = pytest.StashKey[Guard]()


def pytest_configure(config: pytest.Config) -> None:
    """Has everything that this process starts end with it. Refuses ``--compiled`` if modules are not compiled."""
    config.stash[GUARD] = Guard()
    Progress.manager = config.pluginmanager.getplugin("capturemanager")
    if config.getoption("--compiled"):
        import_module("twisted_redis.composition")
        lines = (Path(__file__).parents[1] / "tools" / "compiled_modules.txt").read_text().splitlines()
        names = ["twisted_redis." + line[:-3].replace("/", ".") for line in lines if line.endswith(".py")]
        pure = [name for name in names if not str(import_module(name).__file__).endswith(tuple(EXTENSION_SUFFIXES))]
        if pure:
            raise pytest.UsageError(f"{len(pure)} modules are not compiled from their sources: run tools/compile.sh")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Decides what ``-n auto`` means. Only this process can show what a test prints (``-s``)."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    if config.getoption("capture") == "no":
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return workers_for(config.args, config.getoption("markexpr"), TESTS, cores)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves out the folders that a quick run (``-m "not slow"``) would import for nothing."""
    return left_out(collection_path, config.args, config.getoption("markexpr"), TESTS) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks folders as slow, skips comparisons that the real server here cannot pass, and puts long files first."""
    folders = {str(TESTS / name): name for name in SLOW}
    for item in items:
        for folder, name in folders.items():
            if str(item.path).startswith(folder + os.sep):
                item.add_marker(pytest.mark.slow)
                if name == "differential":
                    item.add_marker(pytest.mark.differential)
    skip_other_releases(items)
    if hasattr(config, "workerinput"):
        items[:] = [items[index] for index in in_order([item.nodeid.partition("::")[0] for item in items])]


def skip_other_releases(items: list[pytest.Item]) -> None:
    """Skips comparisons with a real server whose release behaves differently on purpose.

    Those in since_8_8.txt are about what has changed since Redis 8.0, and need 8.8.  Those in until_8_8.txt are about
    faults of 8.8 that docs/compatibility.md lists.
    """
    listed = {name: (Path(__file__).parent / f"{name}_8_8.txt").read_text().split("\n") for name in ("since", "until")}
    found = [(item, re.sub(r"(?<=\[)resp[23]-?|-resp[23](?=\])", "", item.nodeid).replace("[]", "")) for item in items]
    if not any(name in names for _, name in found for names in listed.values()):
        return
    program = real_redis()
    is_new = program is not None and version_of(program) >= (8, 8)
    wrong, reason = ("until", "differs from Redis 8.8") if is_new else ("since", "needs redis-server 8.8")
    for item, name in found:
        if name in listed[wrong]:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish() -> None:
    """Leaves the collected tests out of garbage collections: there are as many objects as some tests make."""
    gc.collect()
    if hasattr(gc, "freeze"):
        gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    guard = config.stash.get(GUARD, None)
    if guard is not None:
        guard.close()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Says which form of the server the tests run, and what they download."""
    compiled = len(compiled_modules())
    form = f"twisted_redis: {f'{compiled} modules are compiled' if compiled else 'from the sources'}"
    return [form, *announcement(config.args, TESTS)]


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
