"""The packages that the server is tried with, and what the tests of each have found: the rows of docs/frameworks.md.

A test that carries ``@tried("celery", group="queue")`` runs a program that uses the package, and passes the program's
report to the fixture ``take``. ``tools/frameworks_table.py`` runs these tests, keeps the reports in tried.json, and
writes the tables.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypedDict

import pytest

from tests.integration.process import PATIENCE

__all__ = [
    "DATA",
    "GROUPS",
    "RECORDER",
    "Report",
    "Row",
    "declared",
    "key_of",
    "load",
    "mentioned_checks",
    "report_of",
    "take_report",
    "tried",
]

#: The results of the last run.
DATA = Path(__file__).with_name("tried.json")
#: The tables of the page, with their titles.
GROUPS = {"web": "Caches, sessions, limits and locks", "queue": "Task queues", "client": "Client libraries"}
#: The name of the plugin that records the reports.
RECORDER = "tried-recorder"


class Report(TypedDict):
    """The report that a program prints: the version of its package, and "ok" or a traceback for each check."""

    version: str
    checks: dict[str, str]


def report_of(command: Sequence[str], folder: Path | None = None, **variables: str) -> Report:
    """Runs a program in ``folder`` with these environment variables, and returns its report."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    report: Report = json.loads(done.stdout.splitlines()[-1])
    return report


class Row(TypedDict):
    """A row of a table: the checks that have passed, by the kind of the server."""

    package: str
    language: str
    group: str
    version: str
    checks: dict[str, list[str]]


def tried(package: str, *, group: str, language: str = "Python") -> pytest.MarkDecorator:
    """Marks a test that tries the server with a package. ``group`` is one of GROUPS."""
    return pytest.mark.tried(package=package, group=group, language=language)


def key_of(row: Any) -> tuple[str, str]:
    """Returns what identifies the row of a package: it may exist in two languages."""
    return row["package"].lower(), row["language"]


def load() -> list[Row]:
    """Returns the rows that are recorded."""
    rows: list[Row] = json.loads(DATA.read_text())
    return rows


def declared() -> Iterator[dict[str, str]]:
    """Yields the arguments of each ``@tried``, which are literals."""
    defaults = {"language": "Python"}
    for path in sorted(Path(__file__).parent.rglob("test_*.py")):
        text = path.read_text()
        if "@tried(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            for mark in getattr(node, "decorator_list", ()):
                if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "tried":
                    options = {option.arg or "": ast.literal_eval(option.value) for option in mark.keywords}
                    yield {**defaults, "package": ast.literal_eval(mark.args[0]), **options}


def take_report(request: pytest.FixtureRequest, kind: str, report: Report) -> None:
    """Fails unless each check has passed and is recorded for this kind of server ("ours", "redis-8", "fake")."""
    mark = request.node.get_closest_marker("tried")
    assert mark is not None, "the test needs @tried"
    request.node.user_properties.append(("tried", {**mark.kwargs, "kind": kind, **report}))
    failed = {name: text for name, text in report["checks"].items() if text != "ok"}
    assert not failed, "\n".join(f"{name}:\n{text}" for name, text in failed.items())
    if not request.config.pluginmanager.has_plugin(RECORDER):
        recorded = next((row["checks"] for row in load() if key_of(row) == key_of(mark.kwargs)), {})
        new = set(report["checks"]) - set(recorded.get(kind, ()))
        assert not new, f"run `python tools/frameworks_table.py -k {request.node.originalname}`: {sorted(new)} are new"


def mentioned_checks() -> set[str]:
    """Returns each name in the programs of the tests. A check that is recorded must be among them."""
    paths = [path for path in Path(__file__).parent.rglob("programs/*") if path.is_file()]
    return {name for path in paths for name in re.findall(r"\w+", path.read_text(errors="replace"))}
