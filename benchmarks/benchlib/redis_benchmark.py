"""redis-benchmark: its default tests, one at a time, each from the same data."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .client import Argument, Connection
from .servers import Server

KEYSPACE = 100_000
VALUE = "xxx"
COMMANDS = {
    "PING_INLINE": ["-t", "ping_inline"],
    "PING_MBULK": ["-t", "ping_mbulk"],
    "SET": ["-t", "set"],
    "GET": ["-t", "get"],
    "INCR": ["-t", "incr"],
    "LPUSH": ["-t", "lpush"],
    "RPUSH": ["-t", "rpush"],
    "LPOP": ["-t", "lpop"],
    "RPOP": ["-t", "rpop"],
    "SADD": ["-t", "sadd"],
    "HSET": ["-t", "hset"],
    "SPOP": ["-t", "spop"],
    "ZADD": ["-t", "zadd"],
    "ZPOPMIN": ["-t", "zpopmin"],
    # redis-benchmark's tests of these names push as many elements as they read ranges, in the same run. Here the
    # list already exists, so only the command that they send is used.
    "LRANGE_100": ["LRANGE", "mylist", "0", "99"],
    "LRANGE_300": ["LRANGE", "mylist", "0", "299"],
    "LRANGE_500": ["LRANGE", "mylist", "0", "499"],
    "LRANGE_600": ["LRANGE", "mylist", "0", "599"],
    "MSET (10 keys)": ["-t", "mset"],
    "XADD": ["-t", "xadd"],
}
QUICK = ("PING_MBULK", "SET", "GET", "INCR", "LPUSH", "LPOP", "SADD", "ZADD", "LRANGE_100", "MSET (10 keys)")
THROUGHPUT = re.compile(r"throughput summary: ([\d.]+) requests per second")
SUMMARY = re.compile(r"avg +min +p50 +p95 +p99 +max\s+([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)")
SPECTRUM = re.compile(r"^([\d.]+)% <= ([\d.]+) milliseconds", re.MULTILINE)


class NotAnswered(Exception):
    """The server refused the test's command, or the run failed. The text is the last line of the output."""


@dataclass
class Run:
    """Requests per second, latencies (ms), and CPU time of the server per request (µs)."""

    throughput: float
    p50: float
    p99: float
    p999: float
    worst: float
    cpu_us: float = 0.0


def read_output(text: str) -> Run:
    throughput, summary = THROUGHPUT.search(text), SUMMARY.search(text)
    if throughput is None or summary is None:
        raise ValueError("redis-benchmark printed no summary")
    _, _, p50, _, p99, worst = map(float, summary.groups())
    spectrum = text.partition("Latency by percentile distribution:")[2].partition("\n\n")[0]
    points = ((float(percent), float(latency)) for percent, latency in SPECTRUM.findall(spectrum))
    p999 = next((latency for percent, latency in points if percent >= 99.9), worst)
    return Run(float(throughput[1]), p50, p99, p999, worst)


def prepare(connection: Connection, test: str, requests: int) -> None:
    """Empties the server and adds the data that the test reads or removes, so that every pop finds an element."""
    connection.call("FLUSHALL")
    connection.fill(prefill(test, requests))


def prefill(test: str, requests: int) -> Iterator[Sequence[Argument]]:
    count, chunk = requests + 100, 200
    if test in ("GET",):
        for key in range(KEYSPACE):
            yield "SET", f"key:{key:012}", VALUE
    elif test in ("LPOP", "RPOP") or test.startswith("LRANGE"):
        for _ in range(0, 10_000 if test.startswith("LRANGE") else count, chunk):
            yield ("RPUSH", "mylist", *[VALUE] * chunk)
    elif test == "SPOP":
        for first in range(0, count, chunk):
            yield ("SADD", "myset", *(f"element:{n:012}" for n in range(first, first + chunk)))
    elif test == "ZPOPMIN":
        for first in range(0, count, chunk):
            pairs = ((n * 7919 % KEYSPACE, f"element:{n:012}") for n in range(first, first + chunk))
            yield ("ZADD", "myzset", *(part for pair in pairs for part in pair))


def benchmark(
    program: str,
    server: Server,
    test: str,
    requests: int,
    pipeline: int,
    clients: int = 50,
    keyspace: int = KEYSPACE,
) -> Run:
    """Runs redis-benchmark once and measures the server's CPU time."""
    options = ["-p", str(server.port), "-c", str(clients), "-P", str(pipeline), "-r", str(keyspace)]
    command = [program, *options, "-n", str(requests), *COMMANDS[test]]
    before = server.cpu_seconds()
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120)
    except subprocess.TimeoutExpired:
        raise NotAnswered("redis-benchmark did not end in 120 s") from None
    used = server.cpu_seconds() - before
    if done.returncode != 0:
        raise NotAnswered((done.stderr.strip() or "redis-benchmark failed").splitlines()[-1])
    run = read_output(done.stdout.replace("\r", "\n"))
    run.cpu_us = used / requests * 1e6
    return run


def calibrate(program: str, server: Server, test: str, pipeline: int, seconds: float) -> int:
    """Estimates from a short run how many requests take `seconds`."""
    with server.connect() as connection:
        prepare(connection, test, 20_000)
    trial = max(2_000, 1_000 * pipeline)
    rate = benchmark(program, server, test, trial, pipeline).throughput
    return max(1_000, min(int(rate * seconds), 5_000_000))
