"""The rate limiter in examples/: CL.THROTTLE."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.server import Server
from twisted_redis.extending import load_module

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "ratelimit.py")


@pytest.fixture
def server() -> Server:
    made = Server(enable_module_command="yes")
    load_module(made.engine, EXAMPLE)
    return made


def test_an_allowance_is_used_up_and_comes_back(server: Server) -> None:
    # Two at once (a burst of 1), then one every ten seconds.
    assert server("CL.THROTTLE", "u", 1, 6, 60) == [0, 2, 1, -1, 10]
    assert server("CL.THROTTLE", "u", 1, 6, 60) == [0, 2, 0, -1, 20]
    assert server("CL.THROTTLE", "u", 1, 6, 60) == [1, 2, 0, 10, 20]
    server.advance(4)
    assert server("CL.THROTTLE", "u", 1, 6, 60) == [1, 2, 0, 6, 16]
    server.advance(6)
    assert server("CL.THROTTLE", "u", 1, 6, 60) == [0, 2, 0, -1, 20]
    server.advance(21)
    assert server("EXISTS", "u") == 0
    assert server("CL.THROTTLE", "u", 1, 6, 60) == [0, 2, 1, -1, 10]


def test_quantities(server: Server) -> None:
    assert server("CL.THROTTLE", "u", 4, 1, 1, 0) == [0, 5, 5, -1, 0]
    assert server("EXISTS", "u") == 0
    assert server("CL.THROTTLE", "u", 4, 1, 1, 3) == [0, 5, 2, -1, 3]
    assert server("CL.THROTTLE", "u", 4, 1, 1, 3) == [1, 5, 2, 1, 3]
    assert server("CL.THROTTLE", "u", 4, 1, 1, 2) == [0, 5, 0, -1, 5]
    assert server("CL.THROTTLE", "u", 4, 1, 1, 6) == [1, 5, 0, -1, 5]  # never


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((1, 1), b"ERR wrong number of arguments for 'cl.throttle' command"),
        ((1, 1, 1, 1, 1), b"ERR syntax error"),
        ((-1, 1, 1), b"ERR max-burst must be at least 0"),
        ((1, 0, 1), b"ERR count must be at least 1"),
        ((1, 1, 0), b"ERR period must be at least 1"),
        ((1, 1, 1, -1), b"ERR quantity must be at least 0"),
        (("x", 1, 1), b"ERR value is not an integer or out of range"),
    ],
)
def test_refused(server: Server, arguments: tuple[object, ...], error: bytes) -> None:
    assert server("CL.THROTTLE", "u", *map(str, arguments)) == error


def test_other_types(server: Server) -> None:
    server("LPUSH", "u", 1)
    assert server("CL.THROTTLE", "u", 1, 1, 1).startswith(b"WRONGTYPE")


def test_replicas_get_the_time(server: Server) -> None:
    record = server.record()
    server("CL.THROTTLE", "u", 1, 6, 60)
    ((name, key, when, option, expiry),) = record.take()
    assert (name, key, option) == (b"SET", b"u", b"PXAT")
    assert int(when) == (server.engine.state.now + 10_000) * 1000
    assert int(expiry) == server.engine.state.now + 10_001
    server("CL.THROTTLE", "u", 0, 6, 60)  # refused, so nothing changes
    assert record.take() == []


def test_in_transactions_and_scripts(server: Server) -> None:
    server("MULTI")
    server("CL.THROTTLE", "u", 1, 6, 60)
    server("CL.THROTTLE", "u", 1, 6, 60)
    assert server("EXEC") == [[0, 2, 1, -1, 10], [0, 2, 0, -1, 20]]
    pytest.importorskip("lupa")
    assert server("EVAL", "return redis.call('CL.THROTTLE', KEYS[1], 1, 6, 60)[1]", 1, "u") == 1
