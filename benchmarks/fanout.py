#!/usr/bin/env python3
"""One publisher and many subscribers, and a subscriber that never reads, compared with redis-server. See README.md."""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
import time
from contextlib import ExitStack

from benchlib.client import packed
from benchlib.listeners import CHANNEL, SUBSCRIBE, listeners
from benchlib.report import ratio, table
from benchlib.servers import Server, Subject, raise_file_limit, real_redis, running, subjects

PIPELINES = (1, 16)
#: The total bytes for the subscriber that never reads: twice the hard limit of Redis' defaults.
UNREAD_BYTES = 64 * 2**20
MEGABYTE = 2**20


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Publish to many subscribers, compared with redis-server.")
    add = parser.add_argument
    add("--python", metavar="PATH", help="the CPython to measure (the one running this)")
    add("--pypy", metavar="PATH", help="the PyPy to measure ($PYPY, or a pypy3 for 3.11 if there is one)")
    add("--subject", action="append", default=[], metavar="[NAME=]COMMAND", help="measure this server instead")
    add("--redis", metavar="PATH", help="redis-server (the conformance tests' build, or PATH)")
    add("--subscribers", type=int, default=1000, metavar="N", help="number of subscribers (1000)")
    add("--size", type=int, default=64, metavar="BYTES", help="size of a message (64)")
    add("--seconds", type=float, default=2.0, metavar="S", help="length of a run (2)")
    add("--rounds", type=int, default=3, metavar="N", help="alternating rounds, the median counts (3)")
    return parser


def publish(server: Server, message: bytes, times: int, pipeline: int) -> None:
    """Publishes `times` messages in batches of `pipeline`. Sends each batch when the previous one is answered."""
    request = packed("PUBLISH", CHANNEL, message)
    with server.connect() as connection:
        for start in range(0, times, pipeline):
            connection.exchange([request] * min(pipeline, times - start))


def run(server: Server, options: argparse.Namespace, times: int, pipeline: int) -> tuple[float, float]:
    """Returns messages per second from the first request to the last delivery, and the server's CPU µs per delivery."""
    message = b"m" * options.size
    with listeners(server.port, options.subscribers) as held:
        held.expect(message, times)
        before = server.cpu_times()
        began = time.perf_counter()
        publish(server, message, times, pipeline)
        held.wait()
        seconds = time.perf_counter() - began
        cpu = server.cpu_since(before)
    return times / seconds, cpu * 1e6 / times / options.subscribers


def fan_out(servers: list[Server], options: argparse.Namespace) -> None:
    rows = []
    for pipeline in PIPELINES:
        found: dict[str, list[tuple[float, float]]] = {}
        times: dict[str, int] = {}
        for number in range(options.rounds):
            for server in servers if number % 2 == 0 else servers[::-1]:
                name = server.subject.name
                if name not in times:
                    speed, _ = run(server, options, 10 * pipeline, pipeline)
                    times[name] = max(pipeline, int(speed * options.seconds))
                found.setdefault(name, []).append(run(server, options, times[name], pipeline))
        base = statistics.median(speed for speed, _ in found[servers[0].subject.name])
        for name, runs in found.items():
            speed = statistics.median(each for each, _ in runs)
            cpu = statistics.median(each for _, each in runs)
            rows.append([f"P{pipeline} {name}", speed, speed * options.subscribers, ratio(speed, base), cpu])
    print(f"\n{options.subscribers:,} subscribers, messages of {options.size} bytes\n")
    print(table(["", "messages/s", "deliveries/s", "ratio", "µs a delivery"], rows))


def unread(subject: Subject) -> list[object]:
    """Returns the memory while one subscriber never reads and ten do: (name, peak MiB, MiB after, disconnected)."""
    message = b"m" * 1024
    batch = 256
    with running(subject) as server, listeners(server.port, 10) as held:
        silent = socket.create_connection(("127.0.0.1", server.port))
        silent.sendall(SUBSCRIBE)
        time.sleep(0.5)
        before = most = server.resident_bytes()
        began = time.perf_counter()
        for _ in range(UNREAD_BYTES // len(message) // batch):
            held.expect(message, batch)
            publish(server, message, batch, batch)
            held.wait()
            most = max(most, server.resident_bytes())
        seconds = time.perf_counter() - began
        time.sleep(1)
        with server.connect() as connection:
            left = connection.call("PUBSUB", "NUMSUB", CHANNEL)[1]
        after = server.resident_bytes()
        silent.close()
    return [
        subject.name,
        (most - before) / MEGABYTE,
        (after - before) / MEGABYTE,
        "yes" if left == held.count else "no",
        UNREAD_BYTES / len(message) / seconds,
    ]


def main() -> int:
    options = parser().parse_args()
    raise_file_limit(options.subscribers + 300)
    everything = [real_redis(options.redis), *subjects(options.subject, options.python, options.pypy)]
    with ExitStack() as stack:
        servers = [stack.enter_context(running(subject)) for subject in everything]
        fan_out(servers, options)
    print(f"\nOne subscriber that never reads {UNREAD_BYTES // MEGABYTE} MiB, and ten that do\n")
    rows = [unread(subject) for subject in everything]
    print(table(["", "MiB more at most", "MiB more after", "cut off", "messages/s"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
