#!/usr/bin/env python3
"""The cost of a connection (connect, one PING, close), compared with redis-server. See README.md."""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
from contextlib import ExitStack

from benchlib.client import packed
from benchlib.report import ratio, table
from benchlib.servers import Server, real_redis, running, subjects

PING = packed("PING")
QUIT = packed("QUIT")
#: The side that closes the connection: the client, or the server after QUIT.
WAYS = {"client closes": PING, "QUIT": PING + QUIT}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--python", metavar="PATH", help="the CPython to measure (the one running this)")
    add("--pypy", metavar="PATH", help="the PyPy to measure ($PYPY, or a pypy3 for 3.11 if there is one)")
    add("--subject", action="append", default=[], metavar="[NAME=]COMMAND", help="measure this server instead")
    add("--redis", metavar="PATH", help="redis-server (the conformance tests' build, or PATH)")
    add("--connections", type=int, default=5000, metavar="N", help="connections per run (5000)")
    add("--rounds", type=int, default=3, metavar="N", help="alternating rounds, the median counts (3)")
    return parser


def cycle(port: int, requests: bytes, server_closes: bool) -> None:
    """Connects, sends `requests`, reads one reply (or all of them if the server closes), and closes."""
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(requests)
        reply = connection.recv(64)
        while server_closes and reply:
            reply = connection.recv(64)


def run(server: Server, count: int, way: str) -> float:
    """Returns the CPU time of the server per connection (µs)."""
    before = server.cpu_times()
    for _ in range(count):
        cycle(server.port, WAYS[way], way == "QUIT")
    return server.cpu_since(before) * 1e6 / count


def main() -> int:
    options = parser().parse_args()
    everything = [real_redis(options.redis), *subjects(options.subject, options.python, options.pypy)]
    with ExitStack() as stack:
        servers = [stack.enter_context(running(subject)) for subject in everything]
        rows: list[list[object]] = []
        for way in WAYS:
            found: dict[str, list[float]] = {}
            for number in range(options.rounds):
                for server in servers if number % 2 == 0 else servers[::-1]:
                    found.setdefault(server.subject.name, []).append(run(server, options.connections, way))
            base = statistics.median(found[servers[0].subject.name])
            for name, runs in found.items():
                cost = statistics.median(runs)
                rows.append([f"{name}, {way}", cost, ratio(cost, base)])
    print(table(["", "µs a connection", "ratio"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
