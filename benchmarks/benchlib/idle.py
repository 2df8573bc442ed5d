"""Idle connections: a helper process holds them while redis-benchmark works.

As a program, this module is that helper: `python idle.py PORT COUNT` opens COUNT connections, sends one PING on each,
prints a line, and holds them until its stdin is closed.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if __name__ != "__main__":
    from . import redis_benchmark as bench
    from .servers import Server, Subject, raise_file_limit, running

TESTS = ("PING_MBULK", "GET", "SET")
# A source address has about 28,000 ports for one destination.
A_SOURCE_ADDRESS = 20_000
BIND_ADDRESS_NO_PORT = 24  # Linux' IP_BIND_ADDRESS_NO_PORT, which the socket module lacks
SETTLE = 3.0


def hold(port: int, count: int) -> None:
    held = []
    for number in range(count):
        source = f"127.0.0.{1 + number // A_SOURCE_ADDRESS}"
        connection = socket.socket()
        connection.settimeout(60)
        # `connect` chooses the port, and can share one with another destination. With `bind`, ports would run out.
        connection.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
        connection.bind((source, 0))
        connection.connect(("127.0.0.1", port))
        connection.sendall(b"PING\r\n")
        if connection.recv(64) != b"+PONG\r\n":
            raise SystemExit(f"connection {number} was not served")
        held.append(connection)
    print(len(held), flush=True)
    sys.stdin.read()


@contextmanager
def idle_connections(port: int, count: int) -> Iterator[None]:
    command = [sys.executable, str(Path(__file__).resolve()), str(port), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as helper:
        assert helper.stdin is not None and helper.stdout is not None
        if helper.stdout.readline().strip() != str(count).encode():
            raise SystemExit(f"the {count} idle connections could not be made")
        yield
        helper.stdin.close()


def measure(program: str, subject: Subject, count: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Returns requests per second of each test [without, with idle connections], and resident bytes per connection."""
    spare = 300
    if raise_file_limit(count + spare) < count + spare:
        raise SystemExit(f"the limit of open files does not allow {count} connections")
    alone: dict[str, list[float]] = {test: [] for test in TESTS}
    beside: dict[str, list[float]] = {test: [] for test in TESTS}
    options = ("--maxclients", str(count + 200))
    held = memory(subject, count, options)
    with running(subject, *options) as server:
        with server.connect() as connection:
            requests = {test: bench.calibrate(program, server, connection, test, 1, seconds) for test in TESTS}
        for _ in range(rounds):
            for test in TESTS:
                alone[test].append(throughput(program, server, test, requests[test]))
            with idle_connections(server.port, count):
                time.sleep(SETTLE)
                for test in TESTS:
                    beside[test].append(throughput(program, server, test, requests[test]))
    return {
        "throughput": {t: [statistics.median(alone[t]), statistics.median(beside[t])] for t in TESTS},
        "bytes_a_connection": held,
    }


def memory(subject: Subject, count: int, options: tuple[str, ...]) -> float:
    """Returns resident bytes per connection, in a new server. Memory freed before would hide them."""
    with running(subject, *options) as server:
        before = server.resident_bytes()
        with idle_connections(server.port, count):
            # The server frees buffers that only the first command needed after a while.
            time.sleep(SETTLE)
            return (server.resident_bytes() - before) / count


def throughput(program: str, server: Server, test: str, requests: int) -> float:
    with server.connect() as connection:
        bench.prepare(connection, test, requests)
    return bench.benchmark(program, server, test, requests, 1).throughput


if __name__ == "__main__":
    hold(int(sys.argv[1]), int(sys.argv[2]))
