"""HOTKEYS: which calls count, with which weights, and what it costs while nobody collects keys."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.support.server import Server, encode
from twisted_redis.engine.gates import IS_TALLIED
from twisted_redis.engine.introspect.hotkeys import Tally


def report(server: Server) -> dict[str, Any]:
    (found,) = server("HOTKEYS", "GET")
    return {name.decode(): value for name, value in found.items()}


def weights(server: Server, name: str = "by-net-bytes") -> dict[bytes, int]:
    flat = report(server)[name]
    return dict(zip(flat[::2], flat[1::2], strict=True))


@pytest.fixture
def server() -> Server:
    return Server()


def test_the_gate_is_closed_only_while_keys_are_collected(server: Server) -> None:
    assert not server.engine.gates & IS_TALLIED
    server("HOTKEYS", "START", "METRICS", 1, "NET")
    assert server.engine.gates & IS_TALLIED
    server("HOTKEYS", "STOP")
    assert not server.engine.gates & IS_TALLIED


def test_bytes_of_requests_and_replies_are_shared_by_the_keys(server: Server) -> None:
    client = server.connect()
    server("HOTKEYS", "START", "METRICS", 1, "NET")
    client("SET", "a", "x" * 100)
    client("GET", "a")
    client("MGET", "b", "c")
    client("PING")
    a = len(encode("SET", "a", "x" * 100)) + 5 + len(encode("GET", "a")) + 6 + 100 + 2
    both = len(encode("MGET", "b", "c")) + len(b"*2\r\n$-1\r\n$-1\r\n")
    assert weights(server) == {b"a": a, b"b": both // 2, b"c": both // 2}
    found = report(server)
    assert found["net-bytes-all-commands-all-slots"] == a + both
    assert found["total-net-bytes"] == a + both // 2 * 2
    assert list(found) == [
        "tracking-active",
        "sample-ratio",
        "selected-slots",
        "all-commands-all-slots-us",
        "net-bytes-all-commands-all-slots",
        "collection-start-time-unix-ms",
        "collection-duration-ms",
        "total-net-bytes",
        "by-net-bytes",
    ]
    assert found["selected-slots"] == [[0, 16383]]


def test_scripts_count_by_their_own_keys_and_transactions_by_their_commands(server: Server) -> None:
    client = server.connect()
    server("HOTKEYS", "START", "METRICS", 1, "NET")
    client("EVAL", "redis.call('SET', 'inner', 1) return 1", 1, "outer")
    for argv in (("MULTI",), ("SET", "queued", "v"), ("EVAL", "return 1", 1, "nested"), ("EXEC",)):
        client(*argv)
    assert set(weights(server)) == {b"outer", b"queued", b"nested"}


def test_the_time_of_a_call_counts_in_microseconds(server: Server) -> None:
    ticks = iter(range(0, 1 << 40, 3_000_000))
    server("HOTKEYS", "START", "METRICS", 2, "CPU", "NET")
    server.engine.clock_ns = lambda: next(ticks)
    server("SET", "k", "v")
    assert weights(server, "by-cpu-time-us") == {b"k": 3000}
    assert report(server)["all-commands-all-slots-us"] == 3000


def test_a_session_ends_by_itself(server: Server) -> None:
    server("HOTKEYS", "START", "METRICS", 1, "NET", "DURATION", 2)
    server("SET", "k", "v")
    server.advance(1)
    server.engine.turns.refresh_time()
    assert report(server)["tracking-active"] == 1
    server.advance(5)
    server.engine.turns.refresh_time()
    server("SET", "late", "v")
    found = report(server)
    assert (found["tracking-active"], found["collection-duration-ms"]) == (0, 2000)
    assert set(weights(server)) == {b"k"}
    assert not server.engine.gates & IS_TALLIED
    assert server("HOTKEYS", "STOP") is None
    assert b"hotkeys-tracking-active:0\r\n" in server("INFO", "hotkeys")


def test_a_sample_is_noted(server: Server) -> None:
    server.engine.hotkeys._random = Random(1)
    server("HOTKEYS", "START", "METRICS", 1, "NET", "SAMPLE", 10)
    for _ in range(1000):
        server("GET", "k")
    found = report(server)
    assert found["sample-ratio"] == 10
    share = found["total-net-bytes"] / found["net-bytes-all-commands-all-slots"]
    assert 0.05 < share < 0.2


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (("METRICS", 1), b"ERR METRICS count does not match number of metric types provided"),
        (("METRICS", 2, "NET", "NET"), b"ERR METRICS NET defined more than once!"),
        (("METRICS", 1, "CPU", "COUNT"), b"ERR syntax error"),
        (("METRICS", 0, "CPU"), b"ERR METRICS count must be > 0 and <= 2"),
    ],
)
def test_errors(server: Server, argv: tuple[str | int, ...], text: bytes) -> None:
    assert server("HOTKEYS", "START", *argv) == text
    assert not server.engine.gates & IS_TALLIED


def test_a_tally_keeps_the_heaviest_keys_within_its_bound() -> None:
    random = Random(7)
    tally, exact = Tally(200), dict[bytes, int]()
    for number in range(20_000):
        key = b"hot:%d" % random.randrange(5) if number % 4 == 0 else b"cold:%d" % random.randrange(10_000)
        exact[key] = exact.get(key, 0) + 3
        tally.add(key, 3)
        assert len(tally._weights) <= 201
    assert tally.total == 60_000
    found = tally.heaviest(5)
    assert {key for key, _ in found} == {b"hot:%d" % number for number in range(5)}
    for key, weight in found:
        assert exact[key] - tally.total / 100 <= weight <= exact[key]
