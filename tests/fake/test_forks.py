"""A forked process has a copy of each server, and the copy works."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from twisted_redis.fake import FakeRedis, FakeServer

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    # That is what these tests are about.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


def in_child(function: Callable[[], Any]) -> str:
    """Calls a function in a forked process; returns what it returns, as text."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            result = repr(function())
        except BaseException as error:
            result = f"failed: {error!r}"
        os.write(theirs, result.encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as source:
        result = source.read()
    os.waitpid(pid, 0)
    return result


def test_parent_and_child_have_servers_of_their_own() -> None:
    client = FakeRedis(decode_responses=True)
    client.set("a", "parent")

    def change() -> Any:
        before = client.get("a")
        client.set("a", "child")
        return before, client.get("a"), client.blpop("none", 0.01)

    assert in_child(change) == repr(("parent", "child", None))
    assert client.get("a") == "parent"


def test_clients_that_wait_in_other_threads_stay_in_the_parent() -> None:
    server = FakeServer()
    client = FakeRedis(server=server)
    taken: list[Any] = []
    thread = threading.Thread(target=lambda: taken.append(FakeRedis(server=server).blpop("q", 60)))
    thread.start()
    while client.info("clients")["blocked_clients"] != 1:
        time.sleep(0.001)
    assert in_child(lambda: (client.rpush("q", "x"), client.lpop("q"))) == repr((1, b"x"))
    client.rpush("q", "y")
    thread.join(60)
    assert taken == [(b"q", b"y")]


def test_a_fork_while_threads_work() -> None:
    server = FakeServer()
    client = FakeRedis(server=server)
    # The lock of redis-py's pool stays locked in the child if another thread holds it. So the child has its own pool.
    own = FakeRedis(server=server)
    ends = threading.Event()

    def work() -> None:
        while not ends.is_set():
            client.incr("n")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            assert in_child(lambda: own.set("a", 1)) == "True"
    finally:
        ends.set()
        for thread in threads:
            thread.join(60)
