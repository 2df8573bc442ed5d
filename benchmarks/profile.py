#!/usr/bin/env python3
"""The budget of a request: the CPU time that each part of the way takes, so that a loss shows where it is.

See README.md in this folder. It measures the twisted_redis that Python finds in PYTHONPATH, and otherwise this clone.
Programs in this folder cannot import cProfile, because this file hides the standard library's `profile` from them.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import select
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchlib.budget import PARTS, Budget, differences, losses, rows, undisturbed
from benchlib.client import packed
from benchlib.redis_benchmark import KEYSPACE, POPS, VALUE, prefill
from benchlib.report import table
from benchlib.servers import free_port

ROOT = Path(__file__).resolve().parent.parent
#: The requests of redis-benchmark's tests; # is replaced by a random number of 12 digits.
REQUESTS: dict[str, tuple[str, ...]] = {
    "PING": ("PING",),
    "SET": ("SET", "key:#", VALUE),
    "GET": ("GET", "key:#"),
    "INCR": ("INCR", "counter:#"),
    "LPUSH": ("LPUSH", "mylist", VALUE),
    "RPUSH": ("RPUSH", "mylist", VALUE),
    "LPOP": ("LPOP", "mylist"),
    "RPOP": ("RPOP", "mylist"),
    "SADD": ("SADD", "myset", "element:#"),
    "HSET": ("HSET", "myhash", "element:#", VALUE),
    "SPOP": ("SPOP", "myset"),
    "ZADD": ("ZADD", "myzset", "#", "element:#"),
    "ZPOPMIN": ("ZPOPMIN", "myzset"),
    "LRANGE_100": ("LRANGE", "mylist", "0", "99"),
    "LRANGE_600": ("LRANGE", "mylist", "0", "599"),
    "MSET": ("MSET", *("key:#", VALUE) * 10),
    "XADD": ("XADD", "mystream", "*", "myfield", VALUE),
}
DEFAULT = ("PING", "GET", "SET", "INCR", "LPUSH", "SADD", "ZADD", "LRANGE_100", "MSET", "XADD")
clock = time.process_time_ns


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Print the budget of a request.")
    add = parser.add_argument
    add("--tests", metavar="NAMES", help=f"such as GET,SET; all: {','.join(REQUESTS)}")
    add("--pipeline", type=int, action="append", metavar="P", help="pipeline length, instead of 1 and 16")
    add("--clients", type=int, default=50, metavar="N", help="clients that send at the same time (50)")
    add("--repeats", type=int, default=7, metavar="N", help="measurements of each part (7)")
    add("--json", type=Path, metavar="FILE", help="write the budgets to this file")
    add("--before", type=Path, metavar="FILE", help="show the change since this file was written, and the losses")
    return parser


def pairs(count: int) -> tuple[list[socket.socket], list[socket.socket]]:
    """Returns `count` connected pairs of TCP sockets: one end of each, and the other ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=count) as listener:
        here = [socket.create_connection(listener.getsockname()) for _ in range(count)]
        return here, [listener.accept()[0] for _ in range(count)]


def receive(peer: socket.socket, size: int) -> None:
    while size > 0:
        size -= len(peer.recv(min(size, 1 << 20)))


class Rig:
    """A server in this process with `clients` connections, and its reactor, which runs only when told to."""

    def __init__(self, clients: int) -> None:
        from twisted_redis import load_arguments, make_server
        from twisted_redis.net.reactors import new_reactor

        config = load_arguments(["--port", str(free_port()), "--bind", "127.0.0.1", "--save", ""])
        self.reactor: Any = new_reactor()
        self.server = make_server(config, self.reactor, owns_process=False, log=lambda level, text: None)
        self.server.startService()
        self.engine: Any = self.server.engine
        while not self.server.loaded.called:
            self.reactor.iterate(0)
        self.peers = []
        for _ in range(clients):
            self.peers.append(socket.create_connection(("127.0.0.1", self.server.port), 10))
            while len(self.engine.clients) < len(self.peers):
                self.reactor.iterate(0.01)
        self.clients: list[Any] = list(self.engine.clients.values())
        self.bare_peers, self.bare = pairs(clients)
        self.poller = select.epoll()
        for each in self.bare:
            each.setblocking(False)
            self.poller.register(each, select.EPOLLIN)
        gc.collect()
        gc.disable()

    def execute(self, commands: Any) -> None:
        for command in commands:
            self.engine.execute(self.clients[0], [str(word).encode() for word in command])

    def executed(self) -> int:
        """Returns the number of requests of all clients so far."""
        return sum(client.commands for client in self.clients)

    def discard(self) -> None:
        """Forgets the replies that nobody will send."""
        for client in self.clients:
            client.out.clear()
        self.engine.turns.unflushed.clear()


class Case:
    """A test at one pipeline length: the same requests for every part, `rounds` times for each client."""

    def __init__(self, rig: Rig, test: str, pipeline: int) -> None:
        self.rig, self.test = rig, test
        self.rounds = max(10, 40 // pipeline)
        #: Requests in a round, and in all.
        self.size = len(rig.clients) * pipeline
        self.count = self.rounds * self.size
        pick = random.Random(1).randrange
        self.requests = [
            [
                [
                    [
                        word.replace("#", f"{pick(KEYSPACE):012}").encode() if "#" in word else word.encode()
                        for word in REQUESTS[test]
                    ]
                    for _ in range(pipeline)
                ]
                for _ in rig.clients
            ]
            for _ in range(self.rounds)
        ]
        self.chunks = [[b"".join(packed(*argv) for argv in each) for each in turn] for turn in self.requests]
        rig.execute([("FLUSHALL",)])
        self.fill()
        self.command = rig.engine.commands.lookup[self.requests[0][0][0][0]]
        self.function: Callable[..., Any] = self.command.function
        self.reply = rig.engine.execute(rig.clients[0], self.requests[0][0][0])
        encoded = rig.clients[0].encode(self.reply)
        self.answers = [[encoded * pipeline for _ in turn] for turn in self.chunks]

    def fill(self) -> None:
        """Adds what the test reads or removes."""
        if self.test in POPS or self.test.startswith("LRANGE"):
            self.rig.execute(prefill(self.test, self.count))
        elif self.test == "GET":
            self.rig.execute(
                ("SET", argv[1].decode(), VALUE) for turn in self.requests for each in turn for argv in each
            )

    # Each of the following returns the CPU time of each round (ns).

    def kernel(self) -> tuple[list[int], list[int]]:
        """Returns the times to poll and receive, and the times to send, without a server."""
        rig = self.rig
        received, sent = [], []
        for chunks, answers in zip(self.chunks, self.answers, strict=True):
            for peer, chunk in zip(rig.bare_peers, chunks, strict=True):
                peer.sendall(chunk)
            began = clock()
            rig.poller.poll(0)
            for each in rig.bare:
                each.recv(65536)
            middle = clock()
            for each, answer in zip(rig.bare, answers, strict=True):
                each.send(answer)
            sent.append(clock() - middle)
            received.append(middle - began)
            for peer, answer in zip(rig.bare_peers, answers, strict=True):
                receive(peer, len(answer))
        return received, sent

    def whole(self) -> list[int]:
        """Returns the time of the reactor's loop for requests that come over the sockets."""
        rig, used = self.rig, list[int]()
        for chunks in self.chunks:
            for peer, chunk in zip(rig.peers, chunks, strict=True):
                peer.sendall(chunk)
            goal = rig.executed() + self.size
            used.append(0)
            while rig.executed() < goal:
                began = clock()
                rig.reactor.iterate(0)
                used[-1] += clock() - began
            self.drain()
        return used

    def turn(self) -> list[int]:
        """Returns the time of turns in which the protocols get the bytes, with the replies sent at the end."""
        rig, used = self.rig, list[int]()
        receivers = [client.link.received for client in rig.clients]
        for chunks in self.chunks:
            began = clock()
            rig.engine.turns.begin()
            for received, chunk in zip(receivers, chunks, strict=True):
                received(chunk)
            rig.engine.turns.end()
            used.append(clock() - began)
            self.drain()
        return used

    def drain(self) -> None:
        """Has each client's peer read what was sent to it, up to the reply to an ECHO."""
        for client, peer in zip(self.rig.clients, self.rig.peers, strict=True):
            client.link.received(b"*2\r\n$4\r\nECHO\r\n$4\r\nMARK\r\n")
            tail = b""
            while not tail.endswith(b"$4\r\nMARK\r\n"):
                tail = tail[-9:] + peer.recv(1 << 20)

    def data(self) -> list[int]:
        """Returns the time of the protocols within a turn, without its end."""
        rig, used = self.rig, list[int]()
        receivers = [client.link.received for client in rig.clients]
        for chunks in self.chunks:
            rig.engine.turns.begin()
            began = clock()
            for received, chunk in zip(receivers, chunks, strict=True):
                received(chunk)
            used.append(clock() - began)
            rig.discard()
            rig.engine.turns.end()
        return used

    def run(self, function: Callable[..., Any] | None = None) -> list[int]:
        """Returns the time of the engine for parsed requests, with `function` in place of that of the command."""
        rig, used = self.rig, list[int]()
        run = rig.engine.run
        self.command.function = function or self.function
        try:
            for requests in self.requests:
                rig.engine.turns.begin()
                began = clock()
                for client, some in zip(rig.clients, requests, strict=True):
                    run(client, some)
                used.append(clock() - began)
                rig.discard()
                rig.engine.turns.end()
        finally:
            self.command.function = self.function
        return used

    def budget(self, repeats: int) -> Budget:
        """Measures all parts in turn, `repeats` times; returns the budget in µs a request."""
        from twisted_redis.resp.types import OK

        stub, empty = returning(self.reply, len(REQUESTS[self.test])), returning(OK, len(REQUESTS[self.test]))
        parts: dict[str, Callable[[], list[int]]] = {
            "whole": self.whole,
            "turn": self.turn,
            "data": self.data,
            "run": self.run,
            "reply": lambda: self.run(stub),
            "empty": lambda: self.run(empty),
        }
        times: dict[str, list[int]] = {}
        for _ in range(repeats):
            received, sent = self.kernel()
            times.setdefault("received", []).extend(received)
            times.setdefault("sent", []).extend(sent)
            for name, measure in parts.items():
                if self.test in POPS:
                    self.fill()
                times.setdefault(name, []).extend(measure())
        return differences({name: undisturbed(some) / self.size / 1e3 for name, some in times.items()})


def returning(reply: Any, words: int) -> Callable[..., Any]:
    """Returns a command's function that only returns `reply`, for requests of so many words."""
    if words == 1:
        return lambda client: reply
    if words == 2:
        return lambda client, one: reply
    if words == 3:
        return lambda client, one, two: reply
    return lambda client, *more: reply


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    sys.path.append(str(ROOT))
    import twisted_redis

    names = options.tests.upper().split(",") if options.tests else DEFAULT
    unknown = [name for name in names if name not in REQUESTS]
    if unknown:
        raise SystemExit(f"unknown tests: {', '.join(unknown)}")
    before = json.loads(options.before.read_text()) if options.before else {}
    rig = Rig(options.clients)
    print(f"{sys.version.split()[0]}, {Path(twisted_redis.__file__).parent}")
    results: dict[str, dict[str, Budget]] = {}
    for pipeline in options.pipeline or [1, 16]:
        budgets = {name: Case(rig, name, pipeline).budget(options.repeats) for name in names}
        results[str(pipeline)] = budgets
        former = before.get(str(pipeline), {})
        print(f"\nCPU time of a request in µs, {options.clients} clients, pipeline {pipeline}\n")
        print(table(["", *PARTS, "all"], rows(budgets, former)))
        for line in losses(budgets, former):
            print(line)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
