"""Clients that wait, in threads and for a time."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from twisted.internet.task import Clock

from twisted_redis.fake import FakeRedis, FakeServer


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function in another thread; returns a function that waits for its result."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(function, *arguments)
    pool.shutdown(wait=False)
    return lambda: future.result(60)


def wait_for_blocked(server: FakeServer, count: int) -> None:
    """Waits until so many clients are blocked."""
    client = FakeRedis(server=server)
    while client.info("clients")["blocked_clients"] != count:
        time.sleep(0.001)


def test_a_time_out_by_real_time(server: FakeServer) -> None:
    began = time.monotonic()
    assert FakeRedis(server=server).blpop("none", 0.05) is None
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize(
    ("wait", "wake", "reply"),
    [
        (lambda r: r.blpop("k"), lambda r: r.rpush("k", "x"), (b"k", b"x")),
        (lambda r: r.bzpopmin("k"), lambda r: r.zadd("k", {"x": 1}), (b"k", b"x", 1.0)),
        (lambda r: r.blmove("k", "m", 0), lambda r: r.rpush("k", "x"), b"x"),
        (
            lambda r: r.xread({"k": "$"}, block=0),
            lambda r: r.xadd("k", {"a": 1}, "1-1"),
            [[b"k", [(b"1-1", {b"a": b"1"})]]],
        ),
    ],
)
def test_a_call_is_woken_by_another_thread(server: FakeServer, wait: Any, wake: Any, reply: Any) -> None:
    result = in_thread(wait, FakeRedis(server=server, protocol=2))
    wait_for_blocked(server, 1)
    wake(FakeRedis(server=server))
    assert result() == reply


def test_waiting_calls_are_served_in_order(server: FakeServer) -> None:
    results = []
    for number in range(1, 5):
        results.append(in_thread(FakeRedis(server=server).blpop, "q"))
        wait_for_blocked(server, number)
    FakeRedis(server=server).rpush("q", 1, 2, 3, 4)
    assert [result() for result in results] == [(b"q", b"%d" % number) for number in range(1, 5)]


def test_one_client_in_many_threads() -> None:
    client = FakeRedis()

    def count() -> None:
        for _ in range(200):
            client.incr("n")
            with client.pipeline() as pipe:
                pipe.incr("m").incr("m").execute()

    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(count) for _ in range(8)]:
            each.result(60)
    assert client.mget("n", "m") == [b"1600", b"3200"]


def test_listening_in_another_thread(server: FakeServer) -> None:
    client = FakeRedis(server=server, decode_responses=True)
    ready, seen = threading.Event(), []

    def listen() -> None:
        with client.pubsub() as listener:
            listener.subscribe("news")
            for message in listener.listen():
                if message["type"] == "subscribe":
                    ready.set()
                else:
                    seen.append(message["data"])
                    if message["data"] == "end":
                        return

    done = in_thread(listen)
    assert ready.wait(60)
    client.publish("news", "one")
    client.publish("news", "end")
    done()
    assert seen == ["one", "end"]


def test_run_in_thread(server: FakeServer) -> None:
    client = FakeRedis(server=server)
    seen = threading.Event()
    listener = client.pubsub()
    listener.subscribe(news=lambda message: seen.set())
    thread = listener.run_in_thread(sleep_time=0.01)
    client.publish("news", 1)
    assert seen.wait(60)
    thread.stop()
    thread.join(60)


def test_a_waiting_client_is_unblocked_and_killed(server: FakeServer) -> None:
    other = FakeRedis(server=server)
    client = FakeRedis(server=server, single_connection_client=True)
    result = in_thread(client.blpop, "q")
    wait_for_blocked(server, 1)
    other.client_unblock(client.connection_pool and _blocked_id(other), error=False)
    assert result() is None
    result = in_thread(client.blpop, "q")
    wait_for_blocked(server, 1)
    other.client_kill_filter(_id=_blocked_id(other))
    with pytest.raises(redis.ConnectionError):
        result()


def _blocked_id(client: Any) -> int:
    (blocked,) = [each for each in client.client_list() if "b" in each["flags"]]
    return int(blocked["id"])


def test_a_disconnected_server_ends_waiting_calls(server: FakeServer) -> None:
    result = in_thread(FakeRedis(server=server).blpop, "q")
    wait_for_blocked(server, 1)
    server.connected = False
    with pytest.raises(redis.ConnectionError):
        result()


def test_the_time_out_of_the_socket(server: FakeServer) -> None:
    with pytest.raises(redis.TimeoutError):
        FakeRedis(server=server, socket_timeout=0.02).blpop("none")
    assert FakeRedis(server=server).info("clients")["blocked_clients"] == 0


def test_a_pause(server: FakeServer) -> None:
    client = FakeRedis(server=server)
    client.client_pause(50)
    began = time.monotonic()
    client.set("a", 1)
    assert time.monotonic() - began >= 0.04


def test_a_delay_of_the_server(server: FakeServer) -> None:
    server.delay("GET", 0.05)
    began = time.monotonic()
    assert FakeRedis(server=server).get("a") is None
    assert time.monotonic() - began >= 0.05


def test_a_script_is_killed_by_another_thread() -> None:
    server = FakeServer(busy_reply_threshold=1)
    result = in_thread(FakeRedis(server=server).eval, "while true do end", 0)
    killer = FakeRedis(server=server)
    while isinstance(_kill(killer), redis.ResponseError):
        pass  # it has not begun
    with pytest.raises(redis.ResponseError, match="killed"):
        result()


def _kill(client: Any) -> Any:
    """Kills the script that is running; returns the error if there is none."""
    try:
        return client.execute_command("SCRIPT", "KILL")
    except redis.ResponseError as error:
        return error


def test_a_forgotten_client_does_not_wait(server: FakeServer) -> None:
    client = FakeRedis(server=server)
    client.ping()
    del client
    gc.collect()
    assert len(FakeRedis(server=server).client_list()) == 1


# time


def test_the_clock_of_the_server(server: FakeServer) -> None:
    client = FakeRedis(server=server)
    client.set("a", 1, ex=60)
    server.clock.advance(59)
    assert client.ttl("a") in (0, 1)
    server.clock.advance(2)
    assert client.get("a") is None
    result = in_thread(client.blpop, "q", 3600)
    wait_for_blocked(server, 1)
    server.clock.advance(3601)
    assert result() is None


def test_a_tool_that_replaces_the_time(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """freezegun and time-machine do that."""
    client = FakeRedis(server=server)
    began = time.time()
    monkeypatch.setattr("time.time", lambda: began + 1000)
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    assert client.blpop("none", 0.01) is None
    with client.pubsub() as listener:
        listener.subscribe("news")
        assert listener.get_message(timeout=30) is not None
        assert listener.get_message(timeout=0.01) is None
    with pytest.raises(redis.TimeoutError):
        FakeRedis(server=server, socket_timeout=0.01).blpop("none")
    with pytest.raises(TimeoutError, match="after 0.01 seconds"):
        server.wait_for_blocked(1, timeout=0.01)
    client.set("a", 1, ex=60)
    assert client.time()[0] == int(began + 1000)
    monkeypatch.setattr("time.time", lambda: began + 1061)
    assert client.get("a") is None
    monkeypatch.undo()
    assert client.blpop("none", 0.01) is None


def test_expired_events_come_without_an_access(server: FakeServer) -> None:
    client = FakeRedis(server=server, decode_responses=True)
    client.config_set("notify-keyspace-events", "Ex")
    with client.pubsub() as listener:
        listener.subscribe("__keyevent@0__:expired")
        assert listener.get_message(timeout=30) is not None
        client.set("a", 1, px=5)
        message = listener.get_message(timeout=30)
    assert message is not None
    assert message["data"] == "a"


def test_a_clock_of_the_test() -> None:
    clock = Clock()
    server = FakeServer(clock=clock)
    client = FakeRedis(server=server)
    client.set("a", 1, ex=60)
    moment = client.time()
    assert client.time() == moment
    clock.advance(59)
    assert client.ttl("a") == 1
    assert client.time()[0] == moment[0] + 59
    clock.advance(1)
    assert client.get("a") is None
    result = in_thread(client.blpop, "q", 3600)
    wait_for_blocked(server, 1)
    clock.advance(3600)
    assert result() is None
