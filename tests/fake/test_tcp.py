"""The server with the interface of fakeredis' TcpFakeServer."""

from __future__ import annotations

import threading

import pytest
import redis

from twisted_redis.fake import TcpFakeServer


def test_it_serves_at_its_address() -> None:
    with TcpFakeServer(("localhost", 0), server_version=(7, 2)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        host, port = server.server_address
        assert port
        with redis.Redis(host, port) as client:
            assert client.set("a", 1)
            assert client.info("server")["redis_version"] == "7.2.0"
        server.shutdown()
        thread.join(60)
        assert not thread.is_alive()
    with pytest.raises(redis.ConnectionError):
        redis.Redis(host, port, retry=None).ping()
