"""redis-server, with a fixture of the user's own: one process for all tests, whose data each test deletes."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.cluster import RedisCluster

from .base import Subject, free_ports, joined, stopped


class Process:
    """A redis-server on a free port. Its data is lost when it stops."""

    def __init__(self, folder: Path, port: int, *directives: str) -> None:
        self.port = port
        self._folder = folder
        self._directives = directives
        self.start()

    def start(self) -> None:
        command = [os.environ["REDIS_SERVER"], "--port", str(self.port), "--save", "", *self._directives]
        self._process = subprocess.Popen(command, cwd=self._folder, stdout=subprocess.DEVNULL)
        with redis.Redis(port=self.port, retry=None) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    assert self._process.poll() is None, "redis-server does not start"
                    time.sleep(0.005)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    process = Process(tmp_path_factory.mktemp("redis"), free_ports(1)[0])
    yield process
    process.stop()


@pytest.fixture
def subject(server: Process, tmp_path: Path) -> Subject:
    def client(**options: Any) -> redis.Redis:
        return redis.Redis(port=server.port, **options)

    @contextmanager
    def cluster() -> Iterator[RedisCluster]:
        with ExitStack() as stack:
            ports = free_ports(3)
            for port in ports:
                file = f"{port}.conf"
                node = Process(tmp_path, port, "--cluster-enabled", "yes", "--cluster-config-file", file)
                stack.callback(node.stop)
            yield stack.enter_context(joined(ports))

    with client() as first:
        first.flushall()
    return Subject(client, lambda: stopped(server.stop, server.start), cluster=cluster)
