#!/usr/bin/env python3
"""Clusters on one machine: ready time and memory of running_cluster, throughput of `twisted-redis cluster`."""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchlib.report import table
from benchlib.servers import tool

ROOT = Path(__file__).resolve().parents[1]
MODES = ("reactor", "threads", "processes")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--masters", type=int, default=3, metavar="N", help="masters of running_cluster (3)")
    add("--replicas", type=int, default=1, metavar="N", help="replicas of each of them (1)")
    add("--rounds", type=int, default=5, metavar="N", help="starts of each mode, the median counts (5)")
    add("--port", type=int, default=17000, metavar="P", help="first port of `twisted-redis cluster` (17000)")
    add("--requests", type=int, default=200_000, metavar="N", help="requests of a run of redis-benchmark (200,000)")
    add("--benchmark", metavar="PATH", help="redis-benchmark (the conformance tests' build, or PATH)")
    add("--only", choices=["start", "throughput"], help="leave the other part out")
    add("--start", metavar="MODE", help=argparse.SUPPRESS)
    return parser


def cpu() -> float:
    """Returns the CPU time (s) of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def memory(pid: int) -> int:
    """Returns the memory of a process and its children (bytes). Pages that several of them use count once."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss: +(\d+) kB", text, re.M)
    assert found is not None
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(found[1]) * 1024 + sum(memory(int(child)) for child in children)


def start(mode: str, masters: int, replicas: int) -> None:
    """Starts a cluster in this process, and prints the figures as JSON."""
    from twisted_redis import running_cluster

    if mode != "processes":
        from twisted_redis.library.cluster import modules  # noqa: F401 - a program loads it once, and a test suite too
    before = memory(os.getpid())
    cpu_before = cpu()
    began = time.perf_counter()
    with running_cluster(masters=masters, replicas=replicas, mode=mode) as cluster:
        ready = time.perf_counter() - began
        idle_before = cpu()
        time.sleep(2)
        used = memory(os.getpid()) - before
        idle = (cpu() - idle_before) / 2
        victim = cluster.masters[0]
        cluster.kill(victim)
        began = time.perf_counter()
        cluster.advance(10)
        if replicas:
            cluster.wait_until_ok()
        failover = time.perf_counter() - began
    print(json.dumps([ready * 1000, (cpu() - cpu_before) * 1000, used / 1e6, idle * 100, failover * 1000]))


def measure_starts(options: argparse.Namespace) -> list[list[object]]:
    rows: list[list[object]] = []
    for mode in MODES:
        figures: list[list[float]] = []
        for _ in range(options.rounds):
            arguments = ["--start", mode, "--masters", str(options.masters), "--replicas", str(options.replicas)]
            done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
            figures.append(json.loads(done.stdout))
        columns = [sorted(column)[len(column) // 2] for column in zip(*figures, strict=True)]
        ready, _, used, idle, failover = columns
        nodes = options.masters * (1 + options.replicas)
        rows.append([mode, ready, used, used / nodes, None if mode == "processes" else idle, failover])
    return rows


def throughput(masters: int, options: argparse.Namespace) -> list[object]:
    """Returns the requests per second of SET and GET, without and with pipelines."""
    benchmark = tool("redis-benchmark", options.benchmark)
    if benchmark is None:
        raise SystemExit("redis-benchmark is missing: --benchmark PATH")
    # redis-benchmark takes a single node for no cluster.
    cluster = ["--cluster"] if masters > 1 else []
    arguments = f"-p {options.port} -t set,get -q --csv -n {options.requests} -r 100000 -d 100".split()
    command = [sys.executable, "-m", "twisted_redis", "cluster", "--masters", str(masters), "--replicas", "0"]
    program = subprocess.Popen(
        [*command, "--port", str(options.port)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert program.stdout is not None
    try:
        told = ""
        while "SIGINT" not in told:
            line = program.stdout.readline()
            if not line:
                raise SystemExit(told)
            told += line
        row: list[object] = [f"{masters} master{'s' if masters > 1 else ''}"]
        for pipeline in (1, 16):
            done = subprocess.run(
                [benchmark, *cluster, *arguments, "-P", str(pipeline)],
                capture_output=True,
                text=True,
                check=True,
            )
            rates = dict(re.findall(r'^"(SET|GET)","([\d.]+)"', done.stdout, re.M))
            row += [float(rates["SET"]), float(rates["GET"])]
        return row
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait()
        program.stdout.close()


def main() -> None:
    options = parser().parse_args()
    if options.start:
        start(options.start, options.masters, options.replicas)
        return
    print(f"\nPython {sys.version.split()[0]}, {os.cpu_count()} cores\n")
    if options.only != "throughput":
        print(f"running_cluster(masters={options.masters}, replicas={options.replicas})\n")
        head = ["mode", "ready, ms", "memory, MB", "each node, MB", "idle, % of a core", "kill to ok, ms"]
        print(table(head, measure_starts(options)))
    if options.only != "start":
        print("\ntwisted-redis cluster, requests per second\n")
        head = ["", "SET P1", "GET P1", "SET P16", "GET P16"]
        print(table(head, [throughput(masters, options) for masters in (1, 3)]))


if __name__ == "__main__":
    main()
