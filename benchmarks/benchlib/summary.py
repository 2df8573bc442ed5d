"""The results of compare.py as the table that docs/speed.md shows."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from .interpreters import Interpreter
from .report import geometric_mean, markdown, ratio, shown

#: {pipeline: {test: {server: runs, or None if the server refused the test}}}, as `compare.py --json` writes it.
Throughput = Mapping[str, Mapping[str, Mapping[str, "list[dict[str, float]] | None"]]]
Results = Mapping[str, Any]


def median(runs: list[dict[str, float]] | None, field: str) -> float | None:
    return statistics.median(run[field] for run in runs) if runs else None


def values(tests: Mapping[str, Any], name: str, field: str) -> dict[str, float | None]:
    """Returns the median of a field in each test."""
    return {test: median(runs[name], field) for test, runs in tests.items()}


def ratios(tests: Mapping[str, Any], name: str, real: str) -> dict[str, float]:
    """Returns the throughput divided by that of `real`, in each test that both ran."""
    base = values(tests, real, "throughput")
    found = {test: ratio(value, base[test]) for test, value in values(tests, name, "throughput").items()}
    return {test: value for test, value in found.items() if value is not None}


def slowest(speeds: Mapping[str, float]) -> str:
    """Returns the lowest ratio and its test."""
    if not speeds:
        return "n/a"
    worst = min(speeds, key=lambda test: speeds[test])
    return f"{shown(speeds[worst])} ({worst.split()[0]})"


def title(name: str, results: Results) -> str:
    """Returns the head of a server's column."""
    fields = results.get("interpreters", {}).get(name)
    if fields is None:
        return "redis-server" if name == "redis" else name
    interpreter = Interpreter(**fields)
    version = ".".join(interpreter.version.split(".")[:2])
    return f"{interpreter.kind} {version}" + (", compiled" if interpreter.compiled else "")


def readme_table(results: Results, real: str = "redis") -> str:
    """Returns a Markdown table with a column for each server, and a row for each thing that was measured."""
    names = [real, *(name for name in results["servers"] if name != real)]
    rows: list[list[object]] = []
    throughput: Throughput = results.get("throughput", {})
    for pipeline, tests in throughput.items():
        kind = "no pipeline" if pipeline == "1" else f"pipeline of {pipeline}"
        speeds = {name: ratios(tests, name, real) for name in names}
        rows.append([f"throughput, {kind}", *(geometric_mean(speeds[name].values()) for name in names)])
        rows.append([f"slowest test, {kind}", *("" if name == real else slowest(speeds[name]) for name in names)])
        rows.append([f"CPU for a request, {kind}, µs", *(cpu(tests, names, name) for name in names)])
        if "GET" in tests:
            rows.append([f"GET, {kind}, p50 / p99 / p99.9, ms", *(latencies(tests["GET"][name]) for name in names)])
    if "memory" in results:
        sizes = [results["memory"][name]["bytes_a_key"] for name in names]
        rows.append([f"resident memory, {results['keys']:,} keys of 100 bytes", *(ratio(s, sizes[0]) for s in sizes)])
    if "start" in results:
        for field, what in (("seconds", "start to the first PONG, s"), ("cpu", "CPU for that start, s")):
            rows.append([what, *(statistics.median(results["start"][name][field]) for name in names)])
    return markdown(["", *(title(name, results) for name in names)], rows)


def cpu(tests: Mapping[str, Any], names: Iterable[str], name: str) -> float | None:
    """Returns the geometric mean of the CPU time for a request (µs), over the tests that all of `names` ran."""
    common = [test for test, runs in tests.items() if all(runs[each] for each in names)]
    return geometric_mean(median(tests[test][name], "cpu_us") for test in common)


def latencies(runs: list[dict[str, float]] | None) -> str:
    if not runs:
        return "n/a"
    return " / ".join(shown(median(runs, field)) for field in ("p50", "p99", "p999"))
