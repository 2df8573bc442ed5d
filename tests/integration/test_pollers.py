"""A server on a system without epoll, and in a host program whose reactor uses select."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import redis

from tests.integration.process import PATIENCE, Server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="takes the epoll away, which only Linux has")

#: Starts the server in a process whose system seems to have poll alone.
WITHOUT_EPOLL = "import select, sys; del select.epoll; from twisted_redis.tap import main; sys.exit(main(sys.argv[1:]))"


def test_a_process_that_has_poll_alone(start: Callable[..., Server]) -> None:
    server = start("--appendonly", "yes", command=[sys.executable, "-c", WITHOUT_EPOLL])
    replica = start(command=[sys.executable, "-c", WITHOUT_EPOLL])
    with redis.Redis(port=server.port, decode_responses=True) as client:
        assert client.info("server")["multiplexing_api"] == "poll"
        pipeline = client.pipeline(transaction=False)
        for number in range(1000):
            pipeline.incrby("total", number)
        assert pipeline.execute()[-1] == 499_500
        large = "x" * 5_000_000
        client.set("large", large)
        assert client.get("large") == large
        clients = [redis.Redis(port=server.port) for _ in range(50)]
        assert all(each.ping() for each in clients)
        with client.pubsub() as subscriber:
            subscriber.subscribe("news")
            assert subscriber.get_message(timeout=PATIENCE)
            client.publish("news", "one")
            message = subscriber.get_message(timeout=PATIENCE)
            assert message is not None and message["data"] == "one"
        # The links of replication are connections of the reactor below the hub.
        with redis.Redis(port=replica.port, decode_responses=True) as other:
            other.replicaof("127.0.0.1", server.port)
            client.set("key", "value")
            assert client.wait(1, 0) == 1
            assert other.get("key") == "value"
        for each in clients:
            each.close()
        client.bgsave()
        client.config_set("port", 0)
    assert replica.stop() == 0
    assert server.stop() == 0
    assert "Traceback" not in server.output + replica.output
