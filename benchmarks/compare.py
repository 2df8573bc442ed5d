#!/usr/bin/env python3
"""Compares twisted_redis with redis-server on this machine. See README.md in this folder."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchlib import idle, redis_benchmark
from benchlib.client import Refused
from benchlib.footprint import info
from benchlib.interpreters import Interpreter, find_interpreter
from benchlib.report import geometric_mean, markdown, ratio, table
from benchlib.servers import Server, Subject, real_redis, running, subjects, tool
from benchlib.summary import cpu, median, ratios, readme_table

Results = dict[str, Any]
#: Formats a table from its head and its rows.
Form = Callable[[Sequence[str], Sequence[Sequence[object]]], str]


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare twisted_redis with redis-server.")
    add = parser.add_argument
    add("--python", metavar="PATH", help="the CPython to measure (the one running this)")
    add("--compiled", metavar="PATH", help="the CPython with the compiled modules (--python, if it has them)")
    add("--pypy", metavar="PATH", help="the PyPy to measure ($PYPY, or a pypy3 for 3.11 if there is one)")
    add("--subject", action="append", default=[], metavar="[NAME=]COMMAND", help="measure this server instead")
    add("--redis", metavar="PATH", help="redis-server (the conformance tests' build, or PATH)")
    add("--benchmark", metavar="PATH", help="redis-benchmark (found like --redis)")
    add("--quick", action="store_true", help="fewer tests, one short round, 100,000 keys")
    add("--rounds", type=int, metavar="N", help="alternating rounds, the median counts (3; quick: 1)")
    add("--seconds", type=float, metavar="S", help="length of a run (2.5; quick: 0.5)")
    add("--warm-up", type=float, metavar="S", help="length of a run before the first round (1; quick: 0.25)")
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
    add("--from", dest="saved", type=Path, metavar="FILE", help="show the measurements in this file, measure nothing")
    add("--markdown", action="store_true", help="print the tables in Markdown")
    return parser


def measure_throughput(program: str, servers: Sequence[Server], options: argparse.Namespace) -> Results:
    """Returns {pipeline: {test: {server: [Run as dict, ...]}}}, with None instead of the runs if one was refused."""
    results: Results = {}
    with ExitStack() as stack:
        benches = [stack.enter_context(Bench(program, server, options)) for server in servers]
        for pipeline in options.pipeline:
            for test in options.tests:
                runs: dict[str, list[dict[str, float]] | None] = {bench.name: [] for bench in benches}
                for bench in benches:
                    bench.begin(test, pipeline)
                for number in range(options.rounds):
                    for bench in benches if number % 2 == 0 else reversed(benches):
                        found = runs[bench.name]
                        if found is None:
                            continue
                        try:
                            found.append(vars(bench.run()))
                        except (redis_benchmark.NotAnswered, Refused) as error:
                            progress(f"{test} P{pipeline} {bench.name}: {error}")
                            runs[bench.name] = None
                results.setdefault(str(pipeline), {})[test] = runs
                progress(f"{test} P{pipeline} " + " ".join(summary(runs)))
    return results


class Bench:
    """A server with one connection for all rounds, over which the data for each run come.

    redis-benchmark itself connects anew in each run. What that costs the server is measured before each test.
    """

    def __init__(self, program: str, server: Server, options: argparse.Namespace) -> None:
        self.name = server.subject.name
        self._program = program
        self._server = server
        self._options = options
        self._connection = server.connect()
        self._test, self._pipeline, self._requests, self._opening = "", 1, 0, 0.0

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def begin(self, test: str, pipeline: int) -> None:
        """Chooses the test of the next runs."""
        self._test, self._pipeline, self._requests = test, pipeline, 0

    def run(self) -> redis_benchmark.Run:
        """Runs the test once. The first time, it also warms up the server and finds the number of requests."""
        if not self._requests:
            self._requests = redis_benchmark.calibrate(
                self._program,
                self._server,
                self._connection,
                self._test,
                self._pipeline,
                self._options.seconds,
                self._options.warm_up,
            )
            self._opening = redis_benchmark.opening_cost(self._program, self._server)
        redis_benchmark.prepare(self._connection, self._test, self._requests)
        return redis_benchmark.benchmark(
            self._program, self._server, self._test, self._requests, self._pipeline, opening=self._opening
        )


def summary(runs: dict[str, list[dict[str, float]] | None]) -> list[str]:
    return [f"{name}={median(some, 'throughput') or float('nan'):,.0f}" for name, some in runs.items()]


def show_throughput(results: Results, names: Sequence[str], real: str, form: Form) -> None:
    others = [name for name in names if name != real]
    for pipeline, tests in results.items():
        head = ["test", f"{real} req/s", "µs"]
        for name in others:
            head += [f"{name} req/s", "ratio", "µs"]
        rows, speeds = [], {name: ratios(tests, name, real) for name in others}
        for test, runs in tests.items():
            row: list[object] = [test, median(runs[real], "throughput"), median(runs[real], "cpu_us")]
            for name in others:
                row += [median(runs[name], "throughput"), speeds[name].get(test), median(runs[name], "cpu_us")]
            rows.append(row)
        means: list[object] = ["geometric mean", "", cpu(tests, names, real)]
        for name in others:
            means += ["", geometric_mean(speeds[name].values()), cpu(tests, names, name)]
        print(f"\nThroughput, 50 clients, pipeline {pipeline} (µs: CPU of the server for a request)\n")
        print(form(head, [*rows, means]))


def show_latency(results: Results, names: Sequence[str], form: Form) -> None:
    for pipeline, tests in results.items():
        rows = []
        for test in (test for test in ("GET", "SET", "LPUSH") if test in tests):
            for name in names:
                fields = ("p50", "p99", "p999", "worst")
                rows.append([f"{test} {name}", *(median(tests[test][name], field) for field in fields)])
        if rows:
            print(f"\nLatency in ms under full load, 50 clients, pipeline {pipeline}\n")
            print(form(["", "p50", "p99", "p99.9", "worst"], rows))


def measure_memory(subject: Subject, keys: int) -> Results:
    """Returns resident bytes per key, for `keys` different keys of 16 bytes with values of 100 bytes.

    `ttl_bytes` is what each key takes in addition when it has an expiry time, and `used_share` the part of the growth
    that `used_memory` reports.
    """
    with running(subject) as server, server.connect() as connection:
        before, none = server.resident_bytes(), info(connection, "used_memory")
        value = b"v" * 100
        began = time.perf_counter()
        connection.fill(("SET", b"key:%012d" % number, value) for number in range(keys))
        seconds = time.perf_counter() - began
        if connection.call("DBSIZE") != keys:
            raise SystemExit(f"{subject.name} does not hold the {keys} keys that it was given")
        time.sleep(0.5)
        after, used = server.resident_bytes(), info(connection, "used_memory")
        connection.fill(("PEXPIRE", b"key:%012d" % number, 10**9 + number * 100) for number in range(keys))
        time.sleep(0.5)
        expiring = server.resident_bytes()
    return {
        "bytes_a_key": (after - before) / keys,
        "ttl_bytes": (expiring - after) / keys,
        "used_share": (used - none) / (after - before),
        "empty_bytes": before,
        "fill_seconds": seconds,
    }


def measure_start(subject: Subject, times: int = 5) -> dict[str, list[float]]:
    """Returns the time from the start of the process to its first PONG, and the CPU time that it took (s)."""
    found: dict[str, list[float]] = {"seconds": [], "cpu": []}
    for _ in range(times):
        with running(subject) as server:
            found["cpu"].append(server.cpu_since({}))
            found["seconds"].append(server.start_seconds)
    return found


def show_single(results: Results, real: str, form: Form) -> None:
    if "memory" in results:
        base = results["memory"][real]["bytes_a_key"]
        rows = [
            [
                name,
                found["bytes_a_key"],
                ratio(found["bytes_a_key"], base),
                # Files of former versions lack these two.
                found.get("used_share"),
                found.get("ttl_bytes"),
                found["empty_bytes"] / 2**20,
            ]
            for name, found in results["memory"].items()
        ]
        print(f"\nMemory, {results['keys']:,} keys of 100 bytes\n")
        print(form(["", "resident bytes a key", "ratio", "used_memory", "more with a TTL", "empty server MiB"], rows))
    if "start" in results:
        rows = [
            [name, statistics.median(found["seconds"]) * 1000, statistics.median(found["cpu"]) * 1000]
            for name, found in results["start"].items()
        ]
        print("\nStart\n")
        print(form(["", "ms to the first PONG", "ms of CPU"], rows))


def show_idle(results: Results, form: Form) -> None:
    rows = []
    for name, found in results["idle"].items():
        for test, pair in found["throughput"].items():
            rows.append([f"{name} {test}", *pair, ratio(pair[1], pair[0]), found["bytes_a_connection"]])
    count = results["connections"]
    print(f"\n{count:,} idle connections plus 50 working clients\n")
    print(form(["", "req/s alone", "req/s with idle", "ratio", "bytes per connection"], rows))


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def with_defaults(options: argparse.Namespace) -> argparse.Namespace:
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (0.5 if options.quick else 2.5)
    if options.warm_up is None:
        options.warm_up = 0.25 if options.quick else 1.0
    options.pipeline = options.pipeline or [1, 16]
    wanted = options.tests.upper().split(",") if options.tests else None
    known = redis_benchmark.QUICK if options.quick and not wanted else redis_benchmark.COMMANDS
    options.tests = [test for test in known if wanted is None or test.split()[0] in wanted]
    options.parts = options.only.split(",") if options.only else ["throughput", "memory", "start"]
    return options


def find_interpreters(everything: Sequence[Subject]) -> dict[str, Interpreter]:
    """Returns the interpreter of each server that is this project."""
    found = {subject.name: find_interpreter(subject.command, subject.environment()) for subject in everything}
    return {name: interpreter for name, interpreter in found.items() if interpreter is not None}


def show_interpreters(interpreters: dict[str, Interpreter]) -> None:
    for name, interpreter in interpreters.items():
        print(f"{name}: {interpreter}")
        for complaint in interpreter.complaints():
            print(f"WARNING: {name} runs on a slow build: {complaint}")


def measure(options: argparse.Namespace) -> Results:
    """Measures the parts that `options` name. The results can be written as JSON."""
    real = real_redis(options.redis)
    program = tool("redis-benchmark", options.benchmark)
    if program is None:
        raise SystemExit("no redis-benchmark: --benchmark PATH")
    everything = [real, *subjects(options.subject, options.python, options.pypy, options.compiled)]
    progress(f"{platform.node()}: {', '.join(subject.name for subject in everything)}")
    results: Results = {
        "machine": platform.platform(),
        "servers": {s.name: s.command for s in everything},
        "interpreters": {name: vars(found) for name, found in find_interpreters(everything).items()},
    }
    if options.idle:
        results["connections"] = options.idle
        results["idle"] = {}
        for subject in everything:
            results["idle"][subject.name] = idle.measure(
                program, subject, options.idle, options.seconds, options.rounds
            )
        return results
    if "throughput" in options.parts:
        with ExitStack() as stack:
            servers = [stack.enter_context(running(subject)) for subject in everything]
            results["throughput"] = measure_throughput(program, servers, options)
    if "memory" in options.parts:
        results["keys"] = 100_000 if options.quick else 1_000_000
        results["memory"] = {s.name: measure_memory(s, results["keys"]) for s in everything}
    if "start" in options.parts:
        results["start"] = {s.name: measure_start(s, 3 if options.quick else 5) for s in everything}
    return results


def show(results: Results, form: Form) -> None:
    """Prints all tables, and at the end the one that docs/speed.md shows."""
    names = list(results["servers"])
    show_interpreters({name: Interpreter(**fields) for name, fields in results["interpreters"].items()})
    if "idle" in results:
        show_idle(results, form)
        return
    if "throughput" in results:
        show_throughput(results["throughput"], names, names[0], form)
        show_latency(results["throughput"], names, form)
    show_single(results, names[0], form)
    print("\nIn short: ratios to redis-server, or the unit that the row names\n")
    print(readme_table(results, names[0]))


def main() -> int:
    options = with_defaults(parser().parse_args())
    results = json.loads(options.saved.read_text()) if options.saved else measure(options)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    show(results, markdown if options.markdown else table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
