"""Which error a client gets if there are two reasons to refuse. Redis 8.0.2 supplied the expected replies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest

from tests.support.server import Connection, Server
from twisted_redis.engine.gates import Denial, Denials
from twisted_redis.persistence.persistence import Persistence

WRITE_SCRIPT = "return redis.call('SET', 'a', 1)"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    server = Server(rdb_key_save_delay=10_000_000)
    server.config.dir = str(tmp_path)
    server("SET", "seed", 1)
    return server


def fail_to_save(server: Server) -> None:
    """Makes a snapshot fail, after which the server refuses writes."""
    server("CONFIG", "SET", "save", "900 1")
    persistence = server.engine.persistence
    assert isinstance(persistence, Persistence)
    server("BGSAVE")
    assert persistence.children.pid > 0
    os.kill(persistence.children.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while persistence.children.pid:
        assert time.monotonic() < deadline
        time.sleep(0.005)
        persistence.tick(server.clock.seconds())


def want_replicas(server: Server) -> None:
    server("CONFIG", "SET", "min-replicas-to-write", 1)


def follow(server: Server) -> None:
    server("REPLICAOF", "127.0.0.1", 1)


def refuse_stale(server: Server) -> None:
    follow(server)
    server("CONFIG", "SET", "replica-serve-stale-data", "no")


def fill_memory(server: Server) -> None:
    server("CONFIG", "SET", "maxmemory", 1)


def pause_writes(server: Server) -> None:
    server("CLIENT", "PAUSE", 100_000, "WRITE")


def pause_all(server: Server) -> None:
    server("CLIENT", "PAUSE", 100_000, "ALL")


Close = Callable[[Server], None]


@pytest.mark.parametrize(
    ("closed", "request_", "expected"),
    [
        ((fill_memory, fail_to_save), "SET a 1", "-OOM command"),
        ((fail_to_save, fill_memory), "SET a 1", "-OOM command"),
        ((fill_memory, want_replicas), "SET a 1", "-OOM command"),
        ((fail_to_save, want_replicas), "SET a 1", "-MISCONF Redis is configured to save RDB"),
        ((want_replicas, fail_to_save), "SET a 1", "-MISCONF Redis is configured to save RDB"),
        ((fail_to_save, follow), "SET a 1", "-MISCONF Redis is configured to save RDB"),
        ((follow, fail_to_save), "SET a 1", "-MISCONF Redis is configured to save RDB"),
        ((fail_to_save, refuse_stale), "SET a 1", "-MISCONF Redis is configured to save RDB"),
        ((fail_to_save, pause_writes), "SET a 1", "-MISCONF Redis is configured to save RDB"),
        ((want_replicas, pause_writes), "SET a 1", "-NOREPLICAS "),
        ((refuse_stale,), "SET a 1", "-READONLY "),
        ((follow, pause_all), "SET a 1", "-READONLY "),
        ((refuse_stale, pause_all), "GET a", "-MASTERDOWN "),
    ],
)
def test_the_first_closed_gate_is_told(server: Server, closed: tuple[Close, ...], request_: str, expected: str) -> None:
    client = server.connect()
    for close in closed:
        close(server)
    assert client(*request_.split()).decode().startswith(expected)


@pytest.mark.parametrize(
    ("closed", "request_", "expected"),
    [
        (fail_to_save, "SET a 1", "-MISCONF "),
        (fail_to_save, "PING", "-MISCONF "),
        (want_replicas, "SET a 1", "-NOREPLICAS "),
        (follow, "SET a 1", "-READONLY "),
        (refuse_stale, "GET a", "-ERR Can't execute 'get': only (P|S)SUBSCRIBE"),
    ],
)
def test_errors_for_a_subscriber(server: Server, closed: Close, request_: str, expected: str) -> None:
    client = server.connect()
    client("SUBSCRIBE", "channel")
    closed(server)
    assert client(*request_.split()).decode().startswith(expected)


def test_commands_denied_before_they_are_queued(server: Server) -> None:
    fail_to_save(server)
    want_replicas(server)
    client = server.connect()
    client("MULTI")
    assert client("SET", "a", 1).startswith(b"-MISCONF ")
    assert client("EXEC").startswith(b"-EXECABORT ")


def test_the_order_before_a_login() -> None:
    server = Server(enable_debug_command="no")
    server("CONFIG", "SET", "requirepass", "secret")
    client: Connection = server.connect()
    assert client("DEBUG", "JMAP").startswith(b"-ERR DEBUG command not allowed.")


def test_permissions_come_before_memory(server: Server) -> None:
    server("ACL", "SETUSER", "u", "on", "nopass", "+@all", "-set", "~*")
    client = server.connect()
    client("AUTH", "u", "x")
    fill_memory(server)
    assert client("SET", "a", 1).startswith(b"-NOPERM ")


@pytest.mark.parametrize(
    ("closed", "script", "expected"),
    [
        ((fail_to_save, want_replicas), WRITE_SCRIPT, "-MISCONF "),
        ((fail_to_save, follow), WRITE_SCRIPT, "-READONLY "),
        ((fail_to_save, follow), "#!lua\n" + WRITE_SCRIPT, "-MISCONF "),
        ((fail_to_save,), "return redis.call('PING')", "+PONG"),
        ((fail_to_save, want_replicas), "return redis.call('GET', 'a')", "$-1"),
    ],
)
def test_a_script_has_an_order_of_its_own(
    server: Server, closed: tuple[Close, ...], script: str, expected: str
) -> None:
    pytest.importorskip("lupa")
    client = server.connect()
    for close in closed:
        close(server)
    assert client("EVAL", script, 0).decode().startswith(expected)


def test_the_order_is_that_of_the_table_whatever_came_first() -> None:
    def check(place: Denial) -> Callable[..., None]:
        return lambda *_: told.append(place)

    told: list[Denial] = []
    places = (Denial.SNAPSHOT_FAILED, Denial.APPEND_ONLY_FAILED, Denial.READ_ONLY_REPLICA, Denial.FAULT)
    for some in permutations(places):
        denials = Denials()
        for place in some:
            denials.put(place, check(place))
        told.clear()
        for ask in denials.in_order:
            ask(None, None, [])  # type: ignore[arg-type]
        assert told == sorted(some)
        for place in some:
            assert place in denials
            denials.put(place, None)
        assert not denials and denials.in_order == () == denials.in_script
