"""Tries the server with frameworks and client libraries, and writes what has passed: python tools/frameworks_table.py

It runs the tests that carry @tried (tests/integration/tried.py), keeps their reports in tests/integration/tried.json,
and writes the tables of docs/frameworks.md. With -k EXPRESSION it runs some of these tests, with the meaning that
pytest gives to the expression. With --render it runs none, and only writes the tables.

The packages are installed into the user's cache the first time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.integration.tried import DATA, GROUPS, RECORDER, Row, declared, key_of, load  # noqa: E402

PAGE = ROOT / "docs" / "frameworks.md"


def begin_of(group: str) -> str:
    """Returns the line before a table."""
    return f"<!-- {group} -->\n"


def end_of(group: str) -> str:
    """Returns the line after a table."""
    return f"<!-- end of {group} -->\n"


class Recorder:
    """A plugin of pytest that collects the reports of the tests that pass."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keeps what a test has passed to ``take``."""
        if report.when == "call" and report.passed:
            self.reports += [value for name, value in report.user_properties if name == "tried"]


def merged(rows: Iterable[Row], reports: Iterable[dict[str, Any]]) -> list[Row]:
    """Returns the rows of the packages that have tests, with the reports in place of what was recorded before."""
    wanted = {key_of(mark): mark for mark in declared()}
    found: dict[tuple[str, str], Any] = {key_of(row): {**row, **wanted.get(key_of(row), {})} for row in rows}
    begun = set()
    for report in reports:
        key = key_of(report)
        row = found.setdefault(key, {"checks": {}})
        row.update({name: report[name] for name in ("package", "language", "group", "version")})
        if (key, report["kind"]) not in begun:
            begun.add((key, report["kind"]))
            row["checks"][report["kind"]] = []
        names = row["checks"][report["kind"]]
        names += [name for name in report["checks"] if name not in names]
    order = list(GROUPS)
    kept = [row for key, row in found.items() if key in wanted]
    return sorted(kept, key=lambda row: (order.index(row["group"]), row["language"], row["package"].lower()))


def compared(names: list[str] | None, all_names: list[str]) -> str:
    """Says which of the checks have passed with another kind of server."""
    if names is None:
        return ""
    missing = [name.replace("_", " ") for name in all_names if name not in names]
    if len(missing) * 2 > len(all_names):
        return ", ".join(name.replace("_", " ") for name in names)
    return f"all but {', '.join(missing)}" if missing else "all"


def table(rows: Iterable[Row], group: str) -> str:
    """Returns the table of a group."""
    lines = [
        "| package | version | these pass | in Redis 8.0.2 | in `twisted_redis.fake` |\n",
        "|---|---|---|---|---|\n",
    ]
    for row in rows:
        if row["group"] != group:
            continue
        checks = row["checks"]
        name = row["package"] if row["language"] == "Python" else f"{row['package']} ({row['language']})"
        ours = checks.get("ours", [])
        listed = ", ".join(check.replace("_", " ") for check in ours)
        others = (compared(checks.get(kind), ours) for kind in ("redis-8", "fake"))
        lines.append(f"| {name} | {row['version']} | {listed} | {' | '.join(others)} |\n")
    return "".join(lines)


def rendered(text: str, rows: Sequence[Row]) -> str:
    """Returns the page with its tables."""
    for group in GROUPS:
        before, _, rest = text.partition(begin_of(group))
        _, _, after = rest.partition(end_of(group))
        text = before + begin_of(group) + table(rows, group) + end_of(group) + after
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the tests and writes the tables. Returns pytest's exit code."""
    parser = argparse.ArgumentParser(description="Try the server with frameworks, and write what has passed.")
    parser.add_argument("-k", default="", metavar="EXPRESSION", help="run only these tests")
    parser.add_argument("--render", action="store_true", help="run no test, only write the tables")
    options = parser.parse_args(arguments)
    recorder, code = Recorder(), 0
    if not options.render:

        class Plugins:
            """Registers the recorder under its name."""

            def pytest_configure(self, config: pytest.Config) -> None:
                config.pluginmanager.register(recorder, RECORDER)

        tests = str(ROOT / "tests" / "integration")
        # This program has imported some modules of the tests already.
        quiet = ["-q", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        code = int(pytest.main([*quiet, "-m", "tried", "-k", options.k, tests], plugins=[Plugins()]))
    rows = merged(load() if DATA.exists() else [], recorder.reports)
    DATA.write_text(json.dumps(rows, indent=1) + "\n")
    PAGE.write_text(rendered(PAGE.read_text(), rows))
    return code


if __name__ == "__main__":
    sys.exit(main())
