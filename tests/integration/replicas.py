"""Helpers for tests of replication: servers of all kinds, a link that a test can cut, load, and comparing the data."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import redis

from tests.differential.harness import real_redis
from tests.integration.process import PATIENCE, SERVER, Server, start_server
from tests.support.ports import free_port

__all__ = ["KINDS", "Cut", "Load", "client_of", "digest", "has", "in_step", "launch", "link_up", "until"]


@cache
def command_of(kind: str) -> tuple[str, ...] | None:
    """Returns the command that starts a kind of server (``ours``, ``redis-7``, ``redis-8``, ``valkey``).

    Returns None if it is missing.
    """
    if kind == "ours":
        return SERVER
    if kind == "valkey":
        valkey = os.environ.get("VALKEY_SERVER") or shutil.which("valkey-server")
        return None if valkey is None else (valkey,)
    program = real_redis() if kind == "redis-8" else shutil.which("redis-server")
    if program is None or (kind == "redis-7" and not Path("/usr/bin/redis-server").exists()):
        return None
    return (program,)


KINDS = ("redis-7", "redis-8")


def has(kind: str) -> bool:
    """Returns True if this machine has a server of that kind."""
    return command_of(kind) is not None


def launch(kind: str, folder: Path, *arguments: str) -> Server:
    """Starts a server of a kind on a free port."""
    command = command_of(kind)
    assert command is not None
    return start_server(*arguments, "--enable-debug-command", "yes", folder=folder, command=command)


def client_of(server: Server, **options: object) -> redis.Redis:
    """Returns a redis-py client that never retries a call."""
    return redis.Redis(port=server.port, socket_timeout=PATIENCE, retry=None, **options)  # type: ignore[arg-type]


def until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Waits until ``condition`` is true. It may raise exceptions until then."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with contextlib.suppress(redis.RedisError, OSError):
            if condition():
                return
        time.sleep(0.02)
    raise AssertionError(f"never: {what}")


def link_up(replica: redis.Redis) -> None:
    """Waits until ``replica`` follows its master."""
    until(lambda: replica.info("replication")["master_link_status"] == "up", "the link with the master is up")


def in_step(master: redis.Redis, replica: redis.Redis) -> None:
    """Waits until ``replica`` follows ``master`` and has taken everything that it has written."""

    def is_in_step() -> bool:
        there = replica.info("replication")
        here = master.info("replication")
        return there["master_link_status"] == "up" and there["slave_repl_offset"] == here["master_repl_offset"]

    until(is_in_step, "the replica has caught up")


def digest(server: redis.Redis) -> bytes:
    """Returns the reply to DEBUG DIGEST."""
    found: bytes = server.execute_command("DEBUG", "DIGEST")
    return found


class Cut:
    """A proxy that a test can cut: it forwards connections from ``port`` to ``target``.

    With ``after``, it cuts a connection when it has forwarded that many bytes of the reply.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.after: int | None = None
        self.port = free_port()
        self.connections = 0
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._closed = False
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def _run(self, task: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=task, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                client.close()
                continue
            self.connections += 1
            pair = (client, server)
            self._pairs.add(pair)
            self._run(self._pass, client, server, pair, None)
            self._run(self._pass, server, client, pair, self.after)

    def _pass(
        self, source: socket.socket, sink: socket.socket, pair: tuple[socket.socket, socket.socket], left: int | None
    ) -> None:
        with contextlib.suppress(OSError):
            while left is None or left > 0:
                data = source.recv(65536 if left is None else min(left, 65536))
                if not data:
                    break
                sink.sendall(data)
                if left is not None:
                    left -= len(data)
        self._end(pair)

    def _end(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self._pairs.discard(pair)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def cut(self) -> None:
        """Ends all connections."""
        for pair in list(self._pairs):
            self._end(pair)

    def close(self) -> None:
        """Ends all connections and threads, and accepts no more."""
        self._closed = True
        # Closing the socket would not wake a thread that waits in ``accept``.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(PATIENCE)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(PATIENCE)


def some_writes(chosen: random.Random, pipeline: redis.client.Pipeline, names: str) -> None:
    """Sends a few commands for every value type of Redis 7."""
    key = f"{names}{chosen.randrange(50)}"
    number = chosen.randrange(1000)
    kind = chosen.randrange(14)
    if kind == 0:
        pipeline.set(f"string:{key}", "v" * number)
        pipeline.append(f"string:{key}", str(number))
    elif kind == 1:
        pipeline.incr(f"number:{key}", number)
        pipeline.incrbyfloat(f"float:{key}", number / 8)
    elif kind == 2:
        pipeline.rpush(f"list:{key}", *range(number % 7 + 1))
        pipeline.lpop(f"list:{key}")
    elif kind == 3:
        pipeline.hset(f"hash:{key}", mapping={str(field): number for field in range(number % 9 + 1)})
        pipeline.hdel(f"hash:{key}", str(number % 9))
    elif kind == 4:
        pipeline.sadd(f"set:{key}", *range(number, number + 5))
        pipeline.spop(f"set:{key}", 2)
    elif kind == 5:
        pipeline.zadd(f"zset:{key}", {str(member): member / 4 for member in range(number % 20 + 1)})
        pipeline.zpopmin(f"zset:{key}")
    elif kind == 6:
        pipeline.xadd(f"stream:{key}", {"field": number}, maxlen=50, approximate=False)
    elif kind == 7:
        pipeline.setbit(f"bits:{key}", number, 1)
        pipeline.setrange(f"bits:{key}", number, "xyz")
    elif kind == 8:
        pipeline.pfadd(f"hll:{key}", number, number + 1)
    elif kind == 9:
        pipeline.geoadd(f"geo:{key}", (number / 10, number / 20, f"m{number}"))
    elif kind == 10:
        pipeline.set(f"short:{key}", number, px=chosen.randrange(1, 200))
        pipeline.set(f"long:{key}", number, ex=1000)
        pipeline.get(f"short:{names}{chosen.randrange(50)}")
    elif kind == 11:
        pipeline.delete(f"list:{key}", f"hash:{key}", f"set:{key}")
    elif kind == 12:
        pipeline.copy(f"zset:{key}", f"copy:{key}", replace=True)
        pipeline.rename(f"copy:{key}", f"moved:{key}") if number % 2 else pipeline.persist(f"long:{key}")
    else:
        pipeline.execute_command("SELECT", number % 3)


class Load:
    """Clients that write to a server until ``stop``. ``count`` is the number of commands that were answered."""

    def __init__(self, port: int, clients: int = 4, seed: int = 0) -> None:
        self.count = 0
        self.errors: list[Exception] = []
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._write, args=(port, f"{number}-", random.Random(seed * 100 + number)))
            for number in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def _write(self, port: int, names: str, chosen: random.Random) -> None:
        try:
            with redis.Redis(port=port, single_connection_client=True, socket_timeout=PATIENCE) as client:
                while not self._stopping:
                    pipeline = client.pipeline(transaction=chosen.randrange(3) == 0)
                    for _ in range(chosen.randrange(1, 12)):
                        some_writes(chosen, pipeline, names)
                    self.count += len(pipeline.execute(raise_on_error=False))
        except Exception as error:
            self.errors.append(error)

    def stop(self) -> None:
        """Stops writing, and fails if any client has had a connection error."""
        self._stopping = True
        for thread in self._threads:
            thread.join()
        assert not self.errors, self.errors


@contextlib.contextmanager
def writing(port: int, clients: int = 4, seed: int = 0) -> Iterator[Load]:
    """Produces load while the block runs."""
    load = Load(port, clients, seed)
    try:
        yield load
    finally:
        load.stop()
