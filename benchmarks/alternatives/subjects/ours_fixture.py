"""The pytest plugin of twisted_redis with --redis-backend=fake: one server for all tests, without sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from twisted_redis import fake

from .base import Subject


@pytest.fixture
def subject(redis_server: fake.FakeServer, redis_client: redis.Redis) -> Subject:
    def client(**options: Any) -> fake.FakeRedis:
        return fake.FakeRedis(server=redis_server, **options)

    @contextmanager
    def outage() -> Iterator[None]:
        redis_server.connected = False
        yield
        redis_server.connected = True

    return Subject(client, outage, redis_server.clock.advance, fake.FakeRedisCluster)


@pytest.fixture
def client(redis_client: redis.Redis) -> redis.Redis:
    return redis_client
