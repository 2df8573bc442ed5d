"""redis-py's clients with a server in their own thread: no sockets, no threads, no files.

This is a replacement for the package fakeredis, with the same names; docs/from-fakeredis.md compares the two::

    from twisted_redis.fake import FakeRedis

    client = FakeRedis(decode_responses=True)
    client.set("greeting", "hello")

The server is the same as everywhere else: engine, parser, encoder and connections.  Only the transport differs.
"""

from __future__ import annotations

try:
    import redis  # noqa: F401
except ImportError as error:
    raise ImportError("twisted_redis.fake needs redis-py (pip install redis)") from error

from twisted_redis.fake import aioredis as aioredis
from twisted_redis.fake.asynchronous import FakeAsyncRedis, FakeAsyncRedisConnection
from twisted_redis.fake.clients import FakeRedis, FakeStrictRedis
from twisted_redis.fake.clusters import FakeAsyncRedisCluster, FakeCluster, FakeRedisCluster
from twisted_redis.fake.connections import FakeRedisConnection
from twisted_redis.fake.server import FakeServer
from twisted_redis.fake.tcp import TcpFakeServer

__all__ = [
    "FakeAsyncConnection",
    "FakeAsyncRedis",
    "FakeAsyncRedisCluster",
    "FakeAsyncRedisConnection",
    "FakeCluster",
    "FakeConnection",
    "FakeRedis",
    "FakeRedisCluster",
    "FakeRedisConnection",
    "FakeServer",
    "FakeStrictRedis",
    "TcpFakeServer",
]

FakeConnection = FakeRedisConnection
FakeAsyncConnection = FakeAsyncRedisConnection
