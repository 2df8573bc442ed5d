"""The pytest plugin of twisted_redis: one server for all tests, in a thread or in a process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from redis.cluster import RedisCluster

# The plugin imports the server when a test asks for it. Here that is not part of the start.
import twisted_redis.library.thread  # noqa: F401
from twisted_redis import running_cluster

from .base import Subject


@pytest.fixture
def subject(pytestconfig: pytest.Config, redis_server: Any, redis_client: redis.Redis) -> Subject:
    def client(**options: Any) -> redis.Redis:
        return redis.Redis(port=redis_server.port, **options)

    @contextmanager
    def outage() -> Iterator[None]:
        with redis_server.refuse_connections():
            redis_server.drop_connections()
            yield

    @contextmanager
    def cluster() -> Iterator[RedisCluster]:
        mode = {"mode": "processes"} if pytestconfig.getoption("redis_backend") == "process" else {}
        with running_cluster(masters=3, **mode) as nodes, RedisCluster(startup_nodes=nodes.startup_nodes) as connected:
            yield connected

    return Subject(client, outage, redis_server.clock.advance, cluster)


@pytest.fixture
def client(redis_client: redis.Redis) -> redis.Redis:
    return redis_client
