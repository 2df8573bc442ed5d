"""twisted_redis.fake: a server and clients without sockets, new for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from twisted_redis import fake

from .base import Subject


@pytest.fixture
def subject() -> Subject:
    server = fake.FakeServer()

    def client(**options: Any) -> fake.FakeRedis:
        return fake.FakeRedis(server=server, **options)

    @contextmanager
    def outage() -> Iterator[None]:
        server.connected = False
        yield
        server.connected = True

    return Subject(client, outage, server.clock.advance, fake.FakeRedisCluster)
