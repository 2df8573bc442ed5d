#!/usr/bin/env python3
"""The cost of scripts (calls, 1,000 commands in one script, memory), compared with redis-server. See README.md."""

from __future__ import annotations

import argparse
import hashlib
import statistics
import sys
from contextlib import ExitStack, suppress

from benchlib.client import Connection, Refused, packed
from benchlib.redis_benchmark import COMMANDS, benchmark
from benchlib.report import ratio, table
from benchlib.servers import Server, Subject, real_redis, running, subjects, tool

KEY = "key:__rand_int__"
SCRIPTS = {
    "return 1": "return 1",
    "one GET": "return redis.call('GET', KEYS[1])",
    "one SET": "return redis.call('SET', KEYS[1], ARGV[1])",
    "GET and SET": "local v = redis.call('GET', KEYS[1]) redis.call('SET', KEYS[1], ARGV[1]) return v",
    "1,000 INCR": "for i = 1, 1000 do redis.call('INCR', KEYS[1]) end return 1",
    "1,000 HSET": "for i = 1, 1000 do redis.call('HSET', KEYS[1] .. 'h', i % 10, ARGV[1]) end return 1",
}
MANY = [name for name in SCRIPTS if name.startswith("1,000")]
PIPELINES = (1, 16)
MEGABYTE = 2**20


def sha(name: str) -> str:
    return hashlib.sha1(SCRIPTS[name].encode()).hexdigest()


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The cost of scripts, compared with redis-server.")
    add = parser.add_argument
    add("--python", metavar="PATH", help="the CPython to measure (the one running this)")
    add("--pypy", metavar="PATH", help="the PyPy to measure ($PYPY, or a pypy3 for 3.11 if there is one)")
    add("--subject", action="append", default=[], metavar="[NAME=]COMMAND", help="measure this server instead")
    add("--redis", metavar="PATH", help="redis-server (the conformance tests' build, or PATH)")
    add("--benchmark", metavar="PATH", help="redis-benchmark (the conformance tests' build, or PATH)")
    add("--seconds", type=float, default=1.5, metavar="S", help="length of a run (1.5)")
    add("--rounds", type=int, default=3, metavar="N", help="alternating rounds, the median counts (3)")
    add("--evals", type=int, default=100_000, metavar="N", help="number of EVALs for the memory test (100,000)")
    add("--only", choices=("calls", "memory"), help="run only this half")
    return parser


def calls(servers: list[Server], program: str, options: argparse.Namespace) -> None:
    """Prints the throughput of EVALSHA, and of GET to separate the cost of the server from the cost of the script."""
    COMMANDS.update({name: ["EVALSHA", sha(name), "1", KEY, "1"] for name in SCRIPTS})
    for server in servers:
        with server.connect() as connection:
            for script in SCRIPTS.values():
                connection.call("SCRIPT", "LOAD", script)
    rows = []
    for pipeline in PIPELINES:
        for test in ("GET", *SCRIPTS):
            if test in MANY and pipeline > 1:
                continue
            found: dict[str, list[tuple[float, float]]] = {}
            requests: dict[str, int] = {}
            for number in range(options.rounds):
                for server in servers if number % 2 == 0 else servers[::-1]:
                    name = server.subject.name
                    if name not in requests:
                        trial = 200 if test in MANY else 2_000 * pipeline
                        speed = benchmark(program, server, test, trial, pipeline).throughput
                        requests[name] = max(100, int(speed * options.seconds))
                    run = benchmark(program, server, test, requests[name], pipeline)
                    found.setdefault(name, []).append((run.throughput, run.cpu_us))
            base = statistics.median(speed for speed, _ in found[servers[0].subject.name])
            for name, runs in found.items():
                speed = statistics.median(each for each, _ in runs)
                cpu = statistics.median(each for _, each in runs)
                rows.append([f"P{pipeline} {test} {name}", speed, ratio(speed, base), cpu])
    print(table(["", "calls/s", "ratio", "µs a call"], rows))


def lua_bytes(connection: Connection) -> int:
    text = connection.call("INFO", "memory")
    assert isinstance(text, bytes)
    fields = dict(line.split(b":", 1) for line in text.splitlines() if b":" in line)
    return int(fields[b"used_memory_lua"])


def memory(subject: Subject, evals: int) -> list[list[object]]:
    """Prints memory after a tenth of the EVALs and after all: for one script, many scripts, and large tables."""
    kinds = {
        "one script": lambda number: "return redis.call('SET', KEYS[1], ARGV[1])",
        "each another": lambda number: f"return redis.call('SET', KEYS[1], {number})",
        "tables": lambda number: "local t = {} for i = 1, 100 do t[i] = {ARGV[1], i} end return t[100]",
        "errors": lambda number: "return redis.call('INCR', KEYS[1] .. {})",
    }
    rows: list[list[object]] = []
    for kind, script in kinds.items():
        with running(subject) as server, server.connect() as connection:
            figures = []
            done = 0
            for until in (evals // 10, evals):
                while done < until:
                    count = min(1000, until - done)
                    numbers = range(done, done + count)
                    with suppress(Refused):
                        connection.exchange([packed("EVAL", script(n), 1, f"key:{n % 100}", "v") for n in numbers])
                    done += count
                figures += [server.resident_bytes() / MEGABYTE, lua_bytes(connection) / 1024]
            first, first_lua, last, last_lua = figures
            rows.append([f"{kind} {subject.name}", first, last, last - first, first_lua, last_lua])
    return rows


def main() -> int:
    options = parser().parse_args()
    everything = [real_redis(options.redis), *subjects(options.subject, options.python, options.pypy)]
    if options.only != "memory":
        program = tool("redis-benchmark", options.benchmark)
        if program is None:
            raise SystemExit("no redis-benchmark: --benchmark PATH")
        with ExitStack() as stack:
            calls([stack.enter_context(running(subject)) for subject in everything], program, options)
    if options.only != "calls":
        print(f"\nMemory after {options.evals // 10:,} and after {options.evals:,} EVALs\n")
        rows = [row for subject in everything for row in memory(subject, options.evals)]
        print(table(["", "MiB first", "MiB last", "growth", "Lua KiB first", "Lua KiB last"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
