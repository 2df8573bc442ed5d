"""benchmarks/alternatives: the forms of this server pass all tests by which docs/which-one.md compares alternatives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUITE = ROOT / "benchmarks" / "alternatives"


@pytest.mark.parametrize(
    ("plugin", "options"),
    [
        ("ours_fake", ()),
        ("ours_server", ()),
        ("ours_server", ("--redis-backend=process",)),
        ("ours_fixture", ("--redis-backend=fake",)),
    ],
    ids=["fake", "thread", "process", "fake fixture"],
)
def test_all_pass(plugin: str, options: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("lupa")
    report = tmp_path / "results.json"
    paths = [str(SUITE), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "RESULTS": str(report)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-c",
        str(SUITE / "suite" / "pytest.ini"),
        "-p",
        f"subjects.{plugin}",
    ]
    command += [*options, "--basetemp", str(tmp_path / "tests"), str(SUITE / "suite" / "features.py")]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    results = json.loads(report.read_text())
    assert results["failed"] == {}, done.stdout
    assert len(results["passed"]) == 22
