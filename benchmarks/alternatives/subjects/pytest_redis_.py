"""pytest-redis: one redis-server for all tests, whose data its fixture deletes after each test."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from .base import Subject, stopped, unavailable


@pytest.fixture
def subject(redis_proc: Any, redisdb: redis.Redis) -> Subject:
    def client(**options: Any) -> redis.Redis:
        return redis.Redis(host=redis_proc.host, port=redis_proc.port, **options)

    def cluster() -> Any:
        unavailable("redis_proc takes no directive cluster-enabled")

    return Subject(client, lambda: stopped(redis_proc.stop, redis_proc.start), cluster=cluster)


@pytest.fixture
def client(redisdb: redis.Redis) -> redis.Redis:
    return redisdb
