"""redis-py's clients, connected to a server in their own thread."""

from __future__ import annotations

import redis

from twisted_redis.fake.connections import FakeRedisConnection
from twisted_redis.fake.options import FakeClient

__all__ = ["FakeRedis", "FakeStrictRedis"]


class FakeRedis(FakeClient, redis.Redis):
    """``redis.Redis``, connected to a ``FakeServer``.

    It takes the arguments of ``redis.Redis``, and these: ``server`` is the FakeServer.  Without it, all clients of one
    ``host`` and ``port``, or of one URL, share a server, and a client without either gets a server of its own.
    ``version`` and ``server_type`` are those of a server that is made for the client.  ``connected=False`` makes the
    server unreachable.  ``connection_class`` and ``connection_pool_class`` replace the classes of the connections and
    of the pool.

    Calls that fail are not repeated, unless ``retry`` says so.
    """

    fake_connection_class = FakeRedisConnection
    fake_pool_class = redis.ConnectionPool


class FakeStrictRedis(FakeRedis):
    """The same under the name that redis-py once had for it."""
