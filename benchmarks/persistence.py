#!/usr/bin/env python3
"""Saving and loading a million keys, and the latency meanwhile, compared with redis-server. See README.md."""

from __future__ import annotations

import argparse
import re
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha512
from pathlib import Path

from benchlib.client import Connection, Refused, packed
from benchlib.report import table
from benchlib.servers import Subject, real_redis, running, subjects

KINDS = ("strings", "mixed")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Save and load, compared with redis-server.")
    add = parser.add_argument
    add("--python", metavar="PATH", help="the CPython to measure (the one running this)")
    add("--pypy", metavar="PATH", help="the PyPy to measure ($PYPY, or a pypy3 for 3.11 if there is one)")
    add("--subject", action="append", default=[], metavar="[NAME=]COMMAND", help="measure this server instead")
    add("--redis", metavar="PATH", help="redis-server (the conformance tests' build, or PATH)")
    add("--keys", type=int, default=1_000_000, metavar="N", help="number of keys (1,000,000)")
    add("--kind", action="append", choices=KINDS, help="kind of data (default: all)")
    return parser


def data(kind: str, keys: int) -> Iterator[list[bytes | str | int]]:
    """Returns calls that create so many keys: strings of 100 bytes, or a mix with small collections and expiries."""
    for number in range(keys):
        key = b"key:%012d" % number
        turn = number % 6 if kind == "mixed" else 0
        if turn in (0, 1):
            # The values must not compress well, because the benchmark does not compare compressors.
            value = sha512(key).hexdigest()[:100]
            yield ["SET", key, value, *(["PX", 10**9 + number] if turn else [])]
        elif turn == 2:
            yield ["HSET", key, *(part for field in range(5) for part in (f"field{field}", f"value:{number}:{field}"))]
        elif turn == 3:
            yield ["RPUSH", key, *(f"element:{number}:{place}" for place in range(5))]
        elif turn == 4:
            yield ["ZADD", key, *(part for place in range(5) for part in (number + place, f"member{place}"))]
        else:
            yield ["SADD", key, *(f"member:{number}:{place}" for place in range(5))]


def info(connection: Connection, name: str) -> str:
    text = connection.call("INFO", "everything").decode()
    found = re.search(rf"^{name}:(.*?)\r?$", text, re.M)
    return found[1] if found else "0"


def latencies(port: int, connection: Connection) -> tuple[list[float], float]:
    """Returns the times (s) of alternating GETs and SETs during a snapshot, and the duration of the snapshot."""
    times = []
    requests = [packed("GET", "key:000000000007"), packed("SET", "key:000000000013", b"x" * 100)]
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.perf_counter()
        connection.call("BGSAVE")
        looked = began
        while True:
            for request in requests:
                start = time.perf_counter()
                plain.sendall(request)
                plain.recv(1 << 16)
                times.append(time.perf_counter() - start)
            if start - looked > 0.1:
                looked = start
                if info(connection, "rdb_bgsave_in_progress") == "0":
                    break
        took = time.perf_counter() - began
    if info(connection, "rdb_last_bgsave_status") != "ok":
        raise Refused("BGSAVE failed")
    return sorted(times), took


def measure(subject: Subject, kind: str, keys: int) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="tr-bench-") as folder:
        with running(subject, folder=folder) as server, server.connect() as connection:
            connection.fill(data(kind, keys))
            connection.call("CONFIG", "SET", "latency-tracking", "no")
            start = time.perf_counter()
            connection.call("SAVE")
            saving = time.perf_counter() - start
            times, took = latencies(server.port, connection)
            cow = int(info(connection, "rdb_last_cow_size")) / 2**20
            fork = int(info(connection, "latest_fork_usec")) / 1000
        size = (Path(folder) / "dump.rdb").stat().st_size / 2**20
        with running(subject, folder=folder) as server, server.connect() as connection:
            loading = server.start_seconds
            if connection.call("DBSIZE") != keys:
                raise Refused("not everything was loaded")

    def at(share: float) -> str:
        return f"{times[min(len(times) - 1, int(len(times) * share))] * 1000:.2f}"

    return [
        kind,
        subject.name,
        f"{saving:.2f}",
        f"{loading:.2f}",
        f"{size:.0f}",
        f"{took:.2f}",
        f"{fork:.1f}",
        f"{cow:.0f}",
        at(0.5),
        at(0.99),
        at(0.999),
        f"{times[-1] * 1000:.2f}",
    ]


def main() -> int:
    options = parser().parse_args()
    titles = ["data", "server", "SAVE s", "start s", "MB", "BGSAVE s", "fork ms", "copied MB"]
    titles += ["p50 ms", "p99", "p99.9", "worst"]
    rows = []
    for kind in options.kind or KINDS:
        for subject in [real_redis(options.redis), *subjects(options.subject, options.python, options.pypy)]:
            rows.append(measure(subject, kind, options.keys))
            print("\t".join(rows[-1]), file=sys.stderr, flush=True)
    print(table(titles, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
