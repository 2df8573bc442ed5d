#!/usr/bin/env python3
"""A master with 0, 1 and 3 replicas, and full synchronisations, compared with redis-server. See README.md."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from contextlib import ExitStack
from hashlib import sha512

from benchlib.client import Refused
from benchlib.redis_benchmark import read_output
from benchlib.report import table
from benchlib.servers import Server, Subject, real_redis, running, subjects, tool

OPTIONS = ("--repl-diskless-sync-delay", "0")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Replicate, compared with redis-server.")
    add = parser.add_argument
    add("--python", metavar="PATH", help="the CPython to measure (the one running this)")
    add("--pypy", metavar="PATH", help="the PyPy to measure ($PYPY, or a pypy3 for 3.11 if there is one)")
    add("--subject", action="append", default=[], metavar="[NAME=]COMMAND", help="measure this server instead")
    add("--redis", metavar="PATH", help="redis-server (the conformance tests' build, or PATH)")
    add("--benchmark", metavar="PATH", help="redis-benchmark (found like --redis)")
    add("--requests", type=int, default=200_000, metavar="N", help="SETs per run (200,000)")
    add(
        "--keys",
        type=int,
        default=1_000_000,
        metavar="N",
        help="keys of the full synchronisation (1,000,000; 0 skips it)",
    )
    return parser


def follow(replica: Server, master: Server) -> float:
    """Makes ``replica`` follow a master. Returns the time until it has everything (s)."""
    with replica.connect() as connection:
        started = time.perf_counter()
        connection.call("REPLICAOF", "127.0.0.1", master.port)
        while connection.call("ROLE")[3] != b"connected":
            time.sleep(0.02)
        return time.perf_counter() - started


def throughput(program: str, server: Server, requests: int, pipeline: int) -> tuple[float, float]:
    """Returns SETs per second, and the CPU µs of the master per SET."""
    command = [program, "-p", str(server.port), "-n", str(requests), "-t", "set", "-r", "100000", "-d", "100"]
    before = server.cpu_times()
    result = subprocess.run([*command, "-P", str(pipeline)], capture_output=True, text=True, check=True)
    return read_output(result.stdout).throughput, server.cpu_since(before) / requests * 1e6


def feeding(subject: Subject, real: Subject, program: str, requests: int) -> list[list[object]]:
    """Returns a row for each number of replicas. The replicas are redis-server, which loads the machine least."""
    rows: list[list[object]] = []
    for count in (0, 1, 3):
        with ExitStack() as stack:
            master = stack.enter_context(running(subject, *OPTIONS))
            for _ in range(count):
                follow(stack.enter_context(running(real)), master)
            row: list[object] = [f"{subject.name}, {count} replicas"]
            for pipeline in (1, 16):
                throughput(program, master, requests // 10, pipeline)
                row += throughput(program, master, requests, pipeline)
            with master.connect() as connection:
                connection.call("SET", "last", 1)
                if connection.call("WAIT", count, 60_000) != count:
                    raise Refused("the replicas did not follow")
            rows.append(row)
            print(*row, file=sys.stderr, flush=True)
    return rows


def synchronising(master_of: Subject, replica_of: Subject, keys: int) -> list[object]:
    """Returns the time of a full synchronisation of 100-byte values, until the replica reports that all is loaded."""
    with running(master_of, *OPTIONS) as master, running(replica_of) as replica:
        with master.connect() as connection:
            values = (["SET", f"key:{number:012d}", sha512(b"%d" % number).hexdigest()[:100]] for number in range(keys))
            connection.fill(values)
        took = follow(replica, master)
        with replica.connect() as connection:
            if connection.call("DBSIZE") != keys:
                raise Refused("not everything has come")
    row: list[object] = [f"{master_of.name} to {replica_of.name}", took, keys / took]
    print(*row, file=sys.stderr, flush=True)
    return row


def main() -> int:
    options = parser().parse_args()
    real = real_redis(options.redis)
    program = tool("redis-benchmark", options.benchmark)
    if program is None:
        raise SystemExit("no redis-benchmark: --benchmark PATH")
    measured = subjects(options.subject, options.python, options.pypy)
    rows = [row for subject in (real, *measured) for row in feeding(subject, real, program, options.requests)]
    print(table(["master", "SET/s", "µs", "SET/s P16", "µs P16"], rows))
    if options.keys:
        pairs = [(real, real)]
        for subject in measured:
            pairs += [(real, subject), (subject, real), (subject, subject)]
        print()
        print(table(["full synchronisation", "s", "keys/s"], [synchronising(*pair, options.keys) for pair in pairs]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
