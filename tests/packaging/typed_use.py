"""A typed program that uses the package. mypy checks it; nothing runs it.

mypy reports an unused ``type: ignore`` as an error, so each one proves that mypy rejects a wrong use.
"""

from __future__ import annotations

import unittest
from typing import Any

import redis
from twisted.trial.unittest import TestCase

from twisted_redis import RedisService, RunningServer, SortedSet, SyncClient, running_server
from twisted_redis.extending import READONLY, RO, Client, Module, first_key
from twisted_redis.testing import RedisTestCase


class InTrial(RedisTestCase, TestCase):
    directives = {"maxmemory": "1mb"}

    async def test_queue(self) -> None:
        waiting = self.redis.execute("BLPOP", "queue", 5)
        self.redis.clock.advance(6)
        assert await waiting is None


class InUnittest(RedisTestCase, unittest.TestCase):
    directives = {"maxmemory": "1mb"}

    def test_ping(self) -> None:
        assert self.redis.execute("PING") == b"PONG"


class WithSetUp(RedisTestCase, unittest.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client: SyncClient = self.redis.client()

    def test_ping(self) -> None:
        assert self.client.execute("PING") == b"PONG"


class Async(RedisTestCase, unittest.IsolatedAsyncioTestCase):
    async def test_ping(self) -> None:
        assert self.redis.execute("PING") == b"PONG"


module = Module("greetings")


@module.command("GREET", arity=2, keys=first_key(RO))
def greet(ctx: Client, key: bytes) -> bytes:
    return b"Hello, " + (ctx.db.read_string(key) or b"you")


@module.command("GREET2", arity=2, flags=READONLY)
def greet2(ctx: Client, key: bytes) -> bytes:
    return b"Hello, "


def use_directives(ctx: Client) -> tuple[int, bool, str, tuple[str, ...], tuple[str, int] | None]:
    config = ctx.config
    print(config.maxmemroy)  # type: ignore[attr-defined]
    config.maxmemory = "1mb"  # type: ignore[assignment]
    points: tuple[tuple[int, int], ...] = config.save
    hard: int = config.client_output_buffer_limit.normal.hard
    print(points, hard)
    return config.maxmemory, config.appendonly, config.dbfilename, config.bind, config.replicaof


def take_text(*values: str | None) -> None:
    pass


def take_bytes(*values: bytes | None) -> None:
    pass


def use(server: RunningServer) -> int:
    with server.client(decode_responses=True) as decoding:
        take_text(decoding.get("k"), *decoding.hkeys("h"))
        take_bytes(decoding.get("k"))  # type: ignore[arg-type]
        decoding.pipeline().get("k").incr("n").execute()
    with server.client() as client:
        take_bytes(client.get("k"), *client.hkeys("h"))
        take_text(client.get("k"))  # type: ignore[arg-type]
        found: SyncClient = client
        client.hset("h", {"a": 1})
        client.hset("h", "f", 2)
        client.hset("h", mapping={"a": 1})
        client.hset("h", "f")  # type: ignore[call-overload]
        client.zadd("z", {"m": 1.0})
        server.seed({"z": SortedSet(a=1.0)})
        print(found)
    with redis.from_url(server.url) as connected:
        connected.ping()
    return len(server.snapshot())


def begin() -> int:
    with running_server(maxmemory="1mb") as started:
        return use(started)


async def embedded() -> Any:
    service = RedisService(endpoints=())
    service.startService()
    await service.whenReady()
    return await service.execute("PING")
