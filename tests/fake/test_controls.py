"""The controls of a server without sockets, besides the methods that all servers have."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import redis

from twisted_redis import ServerStopped
from twisted_redis.fake import FakeRedis, FakeServer


def test_client() -> None:
    server = FakeServer()
    with server.client(decode_responses=True) as client:
        assert client.pipeline().set("k", "v").incr("n").get("k").execute() == [True, 1, "v"]
        server.clock.freeze()
        client.set("k", "v", ex=10)
        server.clock.advance(11)
        assert client.get("k") is None
    with pytest.raises(ServerStopped, match="closed"):
        client.get("k")


def test_wait_for_blocked() -> None:
    server = FakeServer()
    results: list[Any] = []
    client = FakeRedis(server=server)
    threads = [threading.Thread(target=lambda: results.append(client.blpop("q", timeout=60))) for _ in range(2)]
    for thread in threads:
        thread.start()
    server.wait_for_blocked(2)
    with pytest.raises(TimeoutError, match="2 clients are blocked after 0 seconds, and not 1"):
        server.wait_for_blocked(1, timeout=0)
    server.execute("RPUSH", "q", "a", "b")
    for thread in threads:
        thread.join()
    server.wait_for_blocked(0)
    assert {element for _, element in results} == {b"a", b"b"}


def test_stop() -> None:
    server = FakeServer()
    client = FakeRedis(server=server, retry=None)
    client.set("k", "v")
    server.stop()
    with pytest.raises(redis.ConnectionError):
        client.get("k")
    for call in (lambda: server.execute("PING"), server.reset, server.client):
        with pytest.raises(ServerStopped):
            call()
