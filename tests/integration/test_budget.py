"""benchmarks/profile.py measures the parts of the way of a request."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.packaging.environments import ROOT


def test_budget_of_each_kind_of_request(tmp_path: Path) -> None:
    program = [sys.executable, str(ROOT / "benchmarks" / "profile.py"), "--clients", "2", "--repeats", "1"]
    file = tmp_path / "budget.json"
    tests = "PING,GET,SPOP,ZADD,MSET"
    for more in ("--json", "--before"):
        done = subprocess.run([*program, "--tests", tests, more, str(file)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        heads = [line.split() for line in done.stdout.splitlines() if line.strip().startswith("kernel")]
        assert heads == [["kernel", "hub", "parse", "run", "body", "encode", "end", "of", "turn", "all"]] * 2
        assert ("(+" in done.stdout) is (more == "--before")
    budgets = json.loads(file.read_text())
    assert {pipeline: list(some) for pipeline, some in budgets.items()} == dict.fromkeys(("1", "16"), tests.split(","))
    assert all(budget["kernel"] > 0 and budget["run"] > 0 for some in budgets.values() for budget in some.values())
