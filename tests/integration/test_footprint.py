"""benchmarks/big.py and compare.py measure the memory of each kind of value, and the cost of packing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.differential.harness import real_redis
from tests.packaging.environments import ROOT

KINDS = ["hash", "stream"]
READS = {"HGET", "ZSCORE", "SISMEMBER", "LINDEX"}


def measured(program: str, folder: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    """Returns the measurements of a small run, and what the program printed."""
    real = real_redis()
    if real is None:
        pytest.skip("no redis-server 8: set REDIS_SERVER, or run tests/conformance/run --list once")
    file = folder / "results.json"
    ours = f"ours={sys.executable} -m twisted_redis"
    command = [sys.executable, str(ROOT / "benchmarks" / program), "--redis", str(real), "--subject", ours]
    done = subprocess.run(
        [*command, "--json", str(file), *arguments], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text()), done.stdout


def test_memory_of_each_kind_of_collection(tmp_path: Path) -> None:
    # Fewer elements would fit into the memory that a process has at its start.
    results, printed = measured(
        "big.py",
        tmp_path,
        *("--only", "memory", "--elements", "40000", "--idle-seconds", "1"),
        *(part for kind in KINDS for part in ("--kind", kind)),
    )
    found = results["bytes_an_element"]
    assert list(found) == ["redis", "ours"]
    for server in found.values():
        assert list(server) == KINDS
        for one, hundreds in server.values():
            assert one["hot"] > 0
            assert hundreds["hot"] > 0
            assert hundreds["used"] > 0
    # Redis packs nothing when it is idle.
    assert all(size["hot"] == size["idle"] for sizes in found["redis"].values() for size in sizes)
    assert "40,000 elements in collections of a hundred" in printed
    assert "geometric mean ours" in printed


def test_first_access_and_mixed_load(tmp_path: Path) -> None:
    results, printed = measured("big.py", tmp_path, "--only", "first", "--elements", "5000", "--idle-seconds", "1")
    for server in results["first_access_us"].values():
        assert set(server) == READS
        for times in server.values():
            for which in ("first", "second"):
                assert 0 < times[which]["p50"] <= times[which]["p99"] <= times[which]["p99.9"]
    assert "ZSCORE ours" in printed
    results, printed = measured(
        "big.py", tmp_path, "--only", "mixed", "--elements", "5000", "--idle-seconds", "1", "--seconds", "0.2"
    )
    for server in results["mixed_us"].values():
        assert all(0 < server[which]["p50"] <= server[which]["p99"] for which in ("off", "on"))
    assert results["mixed_us"]["redis"]["on"]["packed"] == 0
    assert "ours, packing on" in printed


def test_memory_of_strings_and_of_their_expiry_times(tmp_path: Path) -> None:
    results, printed = measured("compare.py", tmp_path, "--quick", "--only", "memory")
    for server in results["memory"].values():
        assert server["bytes_a_key"] > 116
        assert server["ttl_bytes"] > 0
        assert 0.5 < server["used_share"] < 2
    assert "more with a TTL" in printed
