"""testcontainers: one container with Redis for all tests, whose data each test deletes. Needs Docker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from testcontainers.redis import RedisContainer

from .base import Subject, stopped, unavailable


@pytest.fixture(scope="session")
def container() -> Iterator[RedisContainer]:
    with RedisContainer("redis:8") as running:
        yield running


@pytest.fixture
def subject(container: RedisContainer) -> Subject:
    def client(**options: Any) -> redis.Redis:
        return container.get_client(**options)

    def cluster() -> Any:
        unavailable("RedisContainer starts a single server")

    client().flushall()
    paused = container.get_wrapped_container()
    return Subject(client, lambda: stopped(paused.stop, paused.start), cluster=cluster)
