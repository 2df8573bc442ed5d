"""redis-benchmark: its default tests, one at a time, each from the same data."""

from __future__ import annotations

import re
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .client import Argument, Connection
from .servers import Server

KEYSPACE = 100_000
CLIENTS = 50
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
POPS = ("LPOP", "RPOP", "SPOP", "ZPOPMIN")
THROUGHPUT = re.compile(r"throughput summary: ([\d.]+|inf) requests per second")
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
    clients: int = CLIENTS,
    keyspace: int = KEYSPACE,
    opening: float = 0.0,
) -> Run:
    """Runs redis-benchmark once and measures the server's CPU time.

    `opening` is the result of `opening_cost`, and is not counted as the time of requests.
    """
    options = ["-p", str(server.port), "-c", str(clients), "-P", str(pipeline), "-r", str(keyspace)]
    command = [program, *options, "-n", str(requests), *COMMANDS[test]]
    before = server.cpu_times()
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120)
    except subprocess.TimeoutExpired:
        raise NotAnswered("redis-benchmark did not end in 120 s") from None
    used = server.cpu_since(before)
    if done.returncode != 0:
        raise NotAnswered((done.stderr.strip() or "redis-benchmark failed").splitlines()[-1])
    run = read_output(done.stdout.replace("\r", "\n"))
    run.cpu_us = cpu_per_request(used, requests, opening, clients)
    return run


def cpu_per_request(used: float, requests: int, opening: float, clients: int = CLIENTS) -> float:
    """Returns the CPU time for a request (µs) in a run that took `used` seconds, `opening` of them for connections.

    Opening the connections was measured with one request for each client, so those requests are not counted either.
    """
    if not opening or requests <= clients:
        return used / requests * 1e6
    return max(used - opening, 0.0) / (requests - clients) * 1e6


def opening_cost(program: str, server: Server, clients: int = CLIENTS, times: int = 3) -> float:
    """Returns the CPU time (s) of the server for what a run does besides its requests.

    redis-benchmark opens new connections in each run and asks for two directives. The result is the median over runs
    in which each client sends one PING.
    """
    found = []
    for _ in range(times):
        run = benchmark(program, server, "PING_MBULK", clients, 1, clients)
        found.append(run.cpu_us * clients / 1e6)
    return statistics.median(found)


def calibrate(
    program: str,
    server: Server,
    connection: Connection,
    test: str,
    pipeline: int,
    seconds: float,
    warm_up: float = 0.0,
) -> int:
    """Estimates how many requests take `seconds`, from a short run, and from one of `warm_up` seconds after it."""
    trial = max(2_000, 1_000 * pipeline)
    rate = 0.0
    for length in (0.0, warm_up) if warm_up else (0.0,):
        requests = capped(test, max(trial, int(rate * length)))
        prepare(connection, test, max(requests, 20_000))
        rate = benchmark(program, server, test, requests, pipeline).throughput
    return capped(test, max(1_000, int(rate * seconds)))


def capped(test: str, requests: int) -> int:
    """Limits the requests of a run. A pop needs an element for each request."""
    return min(requests, 1_000_000 if test in POPS else 5_000_000)
