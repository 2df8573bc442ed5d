#!/usr/bin/env python3
"""Compares twisted_redis with redis-server on this machine. See README.md in this folder."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchlib import idle
from benchlib import redis_benchmark as bench
from benchlib.client import Refused
from benchlib.report import geometric_mean, ratio, table
from benchlib.servers import Server, Subject, real_redis, running, subjects, tool

POPS = ("LPOP", "RPOP", "SPOP", "ZPOPMIN")
Results = dict[str, Any]


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare twisted_redis with redis-server.")
    add = parser.add_argument
    add("--python", metavar="PATH", help="the CPython to measure (the one running this)")
    add("--pypy", metavar="PATH", help="the PyPy to measure ($PYPY, or a pypy3 for 3.11 if there is one)")
    add("--subject", action="append", default=[], metavar="[NAME=]COMMAND", help="measure this server instead")
    add("--redis", metavar="PATH", help="redis-server (the conformance tests' build, or PATH)")
    add("--benchmark", metavar="PATH", help="redis-benchmark (found like --redis)")
    add("--quick", action="store_true", help="fewer tests, one short round, 100,000 keys")
    add("--rounds", type=int, metavar="N", help="alternating rounds, the median counts (3; quick: 1)")
    add("--seconds", type=float, metavar="S", help="length of a run (2.5; quick: 0.5)")
    add("--tests", metavar="NAMES", help="only these redis-benchmark tests, such as SET,GET,LRANGE_100")
    add("--pipeline", type=int, action="append", metavar="P", help="pipeline length, instead of 1 and 16")
    add("--only", metavar="PARTS", help="parts to run: throughput,memory,start (default: all)")
    add(
        "--idle",
        nargs="?",
        type=int,
        const=10_000,
        metavar="N",
        help="N idle connections (10,000), nothing else",
    )
    add("--json", type=Path, metavar="FILE", help="write all measurements to this file")
    return parser


def measure_throughput(program: str, servers: Sequence[Server], options: argparse.Namespace) -> Results:
    """Returns {pipeline: {test: {server: [Run as dict, ...]}}}, with None instead of the runs if one was refused."""
    results: Results = {}
    for pipeline in options.pipeline:
        for test in options.tests:
            runs: dict[str, list[dict[str, float]] | None] = {}
            requests: dict[str, int] = {}
            for number in range(options.rounds):
                for server in servers if number % 2 == 0 else list(reversed(servers)):
                    name = server.subject.name
                    if runs.setdefault(name, []) is None:
                        continue
                    try:
                        if name not in requests:
                            seconds = options.seconds
                            requests[name] = bench.calibrate(program, server, test, pipeline, seconds)
                            if test in POPS:
                                requests[name] = min(requests[name], 1_000_000)
                        with server.connect() as connection:
                            bench.prepare(connection, test, requests[name])
                        run = bench.benchmark(program, server, test, requests[name], pipeline)
                        runs[name].append(vars(run))  # type: ignore[union-attr]
                    except (bench.NotAnswered, Refused) as error:
                        progress(f"{test} P{pipeline} {name}: {error}")
                        runs[name] = None
            results.setdefault(str(pipeline), {})[test] = runs
            progress(f"{test} P{pipeline} " + " ".join(summary(runs)))
    return results


def summary(runs: dict[str, list[dict[str, float]] | None]) -> list[str]:
    return [f"{name}={median(some, 'throughput') or float('nan'):,.0f}" for name, some in runs.items()]


def median(runs: list[dict[str, float]] | None, field: str) -> float | None:
    return statistics.median(run[field] for run in runs) if runs else None


def show_throughput(results: Results, names: Sequence[str], real: str) -> None:
    others = [name for name in names if name != real]
    for pipeline, tests in results.items():
        head = ["test", f"{real} req/s", "µs"]
        for name in others:
            head += [f"{name} req/s", "ratio", "µs"]
        rows, ratios = [], {name: [] for name in others}  # type: ignore[var-annotated]
        for test, runs in tests.items():
            base = median(runs[real], "throughput")
            row: list[object] = [test, base, median(runs[real], "cpu_us")]
            for name in others:
                speed = median(runs[name], "throughput")
                ratios[name].append(ratio(speed, base))
                row += [speed, ratio(speed, base), median(runs[name], "cpu_us")]
            rows.append(row)
        means: list[object] = ["geometric mean", "", ""]
        for name in others:
            means += ["", geometric_mean(ratios[name]), ""]
        print(f"\nThroughput, 50 clients, pipeline {pipeline} (µs: CPU of the server for a request)\n")
        print(table(head, [*rows, means]))


def show_latency(results: Results, names: Sequence[str]) -> None:
    for pipeline, tests in results.items():
        rows = []
        for test in (test for test in ("GET", "SET", "LPUSH") if test in tests):
            for name in names:
                fields = ("p50", "p99", "p999", "worst")
                rows.append([f"{test} {name}", *(median(tests[test][name], field) for field in fields)])
        print(f"\nLatency in ms under full load, 50 clients, pipeline {pipeline}\n")
        print(table(["", "p50", "p99", "p99.9", "worst"], rows))


def measure_memory(subject: Subject, keys: int) -> Results:
    """Returns resident bytes per key, for `keys` different keys of 16 bytes with values of 100 bytes."""
    with running(subject) as server, server.connect() as connection:
        before = server.resident_bytes()
        value = b"v" * 100
        began = time.perf_counter()
        connection.fill(("SET", b"key:%012d" % number, value) for number in range(keys))
        seconds = time.perf_counter() - began
        if connection.call("DBSIZE") != keys:
            raise SystemExit(f"{subject.name} does not hold the {keys} keys that it was given")
        time.sleep(0.5)
        after = server.resident_bytes()
    return {"bytes_a_key": (after - before) / keys, "empty_bytes": before, "fill_seconds": seconds}


def measure_start(subject: Subject, times: int = 5) -> list[float]:
    """Returns the time from the start of the process to its first PONG (s)."""
    found = []
    for _ in range(times):
        with running(subject) as server:
            found.append(server.start_seconds)
    return found


def show_single(results: Results, real: str) -> None:
    if "memory" in results:
        base = results["memory"][real]["bytes_a_key"]
        rows = [
            [name, found["bytes_a_key"], ratio(found["bytes_a_key"], base), found["empty_bytes"] / 2**20]
            for name, found in results["memory"].items()
        ]
        print(f"\nMemory, {results['keys']:,} keys of 100 bytes\n")
        print(table(["", "resident bytes a key", "ratio", "empty server MiB"], rows))
    if "start" in results:
        rows = [[name, statistics.median(found) * 1000] for name, found in results["start"].items()]
        print("\nStart\n")
        print(table(["", "ms to the first PONG"], rows))


def show_idle(results: Results) -> None:
    rows = []
    for name, found in results["idle"].items():
        for test, pair in found["throughput"].items():
            rows.append([f"{name} {test}", *pair, ratio(pair[1], pair[0]), found["bytes_a_connection"]])
    count = results["connections"]
    print(f"\n{count:,} idle connections plus 50 working clients\n")
    print(table(["", "req/s alone", "req/s with idle", "ratio", "bytes per connection"], rows))


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def with_defaults(options: argparse.Namespace) -> argparse.Namespace:
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (0.5 if options.quick else 2.5)
    options.pipeline = options.pipeline or [1, 16]
    wanted = options.tests.upper().split(",") if options.tests else None
    known = bench.QUICK if options.quick and not wanted else bench.COMMANDS
    options.tests = [test for test in known if wanted is None or test.split()[0] in wanted]
    options.parts = options.only.split(",") if options.only else ["throughput", "memory", "start"]
    return options


def main() -> int:
    options = with_defaults(parser().parse_args())
    real = real_redis(options.redis)
    program = tool("redis-benchmark", options.benchmark)
    if program is None:
        raise SystemExit("no redis-benchmark: --benchmark PATH")
    everything = [real, *subjects(options.subject, options.python, options.pypy)]
    names = [subject.name for subject in everything]
    progress(f"{platform.node()}: {', '.join(names)}")
    results: Results = {"machine": platform.platform(), "servers": {s.name: s.command for s in everything}}
    if options.idle:
        results["connections"] = options.idle
        results["idle"] = {}
        for subject in everything:
            results["idle"][subject.name] = idle.measure(
                program, subject, options.idle, options.seconds, options.rounds
            )
        show_idle(results)
    else:
        if "throughput" in options.parts:
            with ExitStack() as stack:
                servers = [stack.enter_context(running(subject)) for subject in everything]
                results["throughput"] = measure_throughput(program, servers, options)
            show_throughput(results["throughput"], names, real.name)
            show_latency(results["throughput"], names)
        if "memory" in options.parts:
            results["keys"] = 100_000 if options.quick else 1_000_000
            results["memory"] = {s.name: measure_memory(s, results["keys"]) for s in everything}
        if "start" in options.parts:
            results["start"] = {s.name: measure_start(s, 3 if options.quick else 5) for s in everything}
        show_single(results, real.name)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
