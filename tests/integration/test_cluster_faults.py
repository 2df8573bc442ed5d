"""benchmarks/cluster_faults.py: clusters lose no write that they have to keep, whatever happens to their masters."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.differential.harness import real_redis
from tests.integration.packages import NODE_CLIENTS, node_with
from tests.packaging.environments import ROOT

PROGRAM = ROOT / "benchmarks" / "cluster_faults.py"
#: Enough for a machine that is busy with other things (s).
PATIENCE = 300


def run(folder: Path, *arguments: str) -> None:
    """Lets one fault happen; the program fails if an invariant is violated."""
    results = folder / "results.json"
    command = [sys.executable, str(PROGRAM), "--node-timeout", "3000", "--rounds", "1", "--json", str(results)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (outcome,) = json.loads(results.read_text())
    counts = outcome["counts"]
    assert counts["rounds"] == 1
    assert counts["ok"] > 0
    assert counts.get("lost safe", 0) == 0


@pytest.mark.parametrize("fault", ["kill", "stop", "partition", "manual", "slots"])
@pytest.mark.parametrize("nodes", ["ours", "mixed"])
def test_redis_py_loses_no_safe_write(nodes: str, fault: str, tmp_path: Path) -> None:
    if fault == "partition" and not sys.platform.startswith("linux"):
        pytest.skip("only Linux has the addresses 127.0.0.x without preparation")
    real = real_redis()
    if nodes == "mixed" and real is None:
        pytest.skip("no redis-8: set REDIS_SERVER, or run tests/conformance/run --list once")
    run(tmp_path, "--nodes", nodes, "--faults", fault, *(("--redis", real) if real else ()))


@pytest.mark.parametrize("fault", ["kill", "manual", "slots"])
def test_ioredis_loses_no_safe_write(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_PATH", str(node_with(*NODE_CLIENTS, name="clients")))
    run(tmp_path, "--nodes", "ours", "--faults", fault, "--client", "ioredis")
