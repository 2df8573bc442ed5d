"""The questions that a test can ask about the server that it runs against."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import redis
from redis.cluster import ClusterNode, RedisCluster


def unavailable(reason: str) -> Any:
    """Fails the test in one line: the alternative has no such feature."""
    pytest.fail(reason, pytrace=False)


def no_clock(seconds: float) -> None:
    unavailable("a test cannot move the clock")


def no_cluster() -> Any:
    unavailable("there is no cluster")


@dataclass(frozen=True)
class Subject:
    """A server without keys.

    `client` creates one more client of redis-py for it. `advance` moves the time of the server by seconds. During
    `outage`, clients cannot reach the server. `cluster` provides a `RedisCluster` for at least three masters.
    """

    client: Callable[..., redis.Redis]
    outage: Callable[[], AbstractContextManager[None]]
    advance: Callable[[float], object] = no_clock
    cluster: Callable[[], AbstractContextManager[Any]] = no_cluster


def free_ports(count: int) -> list[int]:
    """Returns ports that are free, as is the one that a node of a cluster adds to it, which is 10000 higher."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(10240, 22768)
        with socket.socket() as probe, socket.socket() as bus:
            try:
                probe.bind(("127.0.0.1", port))
                bus.bind(("127.0.0.1", port + 10000))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


@contextmanager
def stopped(stop: Callable[[], object], start: Callable[[], object]) -> Iterator[None]:
    """The outage of a server that is a process."""
    stop()
    try:
        yield
    finally:
        start()


@contextmanager
def joined(ports: Sequence[int]) -> Iterator[RedisCluster]:
    """Makes a cluster of servers that run with `cluster-enabled yes`, as `redis-cli --cluster create` does."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(redis.Redis(port=port)) for port in ports]
        share = 16384 // len(nodes) + 1
        for number, node in enumerate(nodes):
            node.execute_command("CLUSTER ADDSLOTS", *range(number * share, min((number + 1) * share, 16384)))
            node.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for port in ports[1:]:
            nodes[0].execute_command("CLUSTER MEET", "127.0.0.1", port)
        deadline = time.monotonic() + 60
        while not all(_agrees(node, len(nodes)) for node in nodes):
            assert time.monotonic() < deadline, "the nodes do not agree"
            time.sleep(0.05)
        yield stack.enter_context(RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port) for port in ports]))


def _agrees(node: redis.Redis, size: int) -> bool:
    text = node.execute_command("CLUSTER INFO")
    if isinstance(text, bytes):
        text = text.decode()
    facts = text if isinstance(text, dict) else dict(line.split(":", 1) for line in text.split())
    return facts["cluster_state"] == "ok" and facts["cluster_known_nodes"] == str(size)
