"""Subscribers over sockets: the server disconnects one that does not read, and the others are not affected."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import redis

from tests.integration.process import PATIENCE, Server


def silent_subscriber(server: Server) -> socket.socket:
    connection = server.connect()
    connection.sendall(b"SUBSCRIBE news\r\n")
    assert connection.recv(4).startswith(b"*3")
    return connection


def test_a_subscriber_that_does_not_read_is_cut_off(start: Callable[..., Server]) -> None:
    server = start("--client-output-buffer-limit", "pubsub 4mb 0 0")
    silent = silent_subscriber(server)
    message = b"m" * 100_000
    with redis.Redis(port=server.port) as client, client.pubsub() as pubsub:
        pubsub.subscribe("news")
        assert pubsub.get_message(timeout=PATIENCE)
        # The kernel's buffers for the silent subscriber depend on the machine. The server may use 4 MiB on top.
        count = 0
        while client.publish("news", message) == 2:
            count += 1
            got = pubsub.get_message(timeout=PATIENCE)
            assert got is not None and got["data"] == message
            assert count < 1000
        assert count > 40
        assert client.info("stats")["client_output_buffer_limit_disconnections"] == 1
    assert "for overcoming of output buffer limits" in server.output
    silent.close()


def test_the_soft_limit_of_subscribers(start: Callable[..., Server]) -> None:
    server = start("--client-output-buffer-limit", "pubsub 0 100kb 1")
    silent = silent_subscriber(server)
    with redis.Redis(port=server.port) as client:
        message = b"m" * 1_000_000
        for _ in range(10):
            assert client.publish("news", message) == 1
        assert client.pubsub_numsub("news") == [(b"news", 1)]
        deadline = time.monotonic() + PATIENCE
        while client.pubsub_numsub("news") != [(b"news", 0)]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    silent.close()
