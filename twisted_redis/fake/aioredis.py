"""The asynchronous classes, under the names that they have in ``fakeredis.aioredis``."""

from __future__ import annotations

from twisted_redis.fake.asynchronous import FakeAsyncRedis, FakeAsyncRedisConnection
from twisted_redis.fake.server import FakeServer

__all__ = ["FakeAsyncRedisConnection", "FakeConnection", "FakeRedis", "FakeServer"]

FakeRedis = FakeAsyncRedis
FakeConnection = FakeAsyncRedisConnection
