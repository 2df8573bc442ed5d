"""Counting what a cluster could not do."""

from __future__ import annotations

from random import Random

import pytest

from tests.support.server import Server
from twisted_redis.engine.compatibility import Compatibility


@pytest.fixture
def server() -> Server:
    server = Server()
    server("CONFIG", "SET", "cluster-compatibility-sample-ratio", 100)
    return server


def counted(server: Server) -> int:
    """The number in INFO."""
    info = server("INFO", "stats")
    assert isinstance(info, bytes)
    return int(info.partition(b"cluster_incompatible_ops:")[2].partition(b"\r\n")[0])


@pytest.mark.parametrize(
    ("request_", "count"),
    [
        (("SELECT", 0), 0),
        (("SELECT", 1), 1),
        (("SELECT", 99), 1),
        (("SWAPDB", 0, 1), 1),
        (("SWAPDB", 0, 99), 0),
        (("COPY", "k", "{k}2"), 0),
        (("COPY", "k", "{k}2", "DB", 1), 1),
        (("MOVE", "k", 1), 1),
        (("MOVE", "k", 0), 0),
        (("MSET", "foo", 1, "bar", 1), 1),
        (("MSET", "{a}1", 1, "{a}2", 1), 0),
        (("DEL", "foo", "bar"), 1),
        (("GET", "foo"), 0),
        (("SSUBSCRIBE", "foo", "bar"), 1),
        (("SORT", "mylist", "BY", "weight_*"), 1),
        (("SORT", "mylist", "BY", "weight{mylist}_*"), 0),
        (("SORT", "mylist", "BY", "weight{mylist}_*", "GET", "object_*", "GET", "#"), 1),
        (("EVAL", "#!lua flags=no-cluster\nreturn 1", 0), 1),
        (("EVAL", "#!lua\nreturn 1", 0), 0),
        (("EVAL", "redis.call('mset', KEYS[1], 0, KEYS[2], 0)", 2, "foo", "bar"), 1),
        (("EVAL", "#!lua\nredis.call('mset', KEYS[1], 0, KEYS[2], 0)", 2, "foo", "bar"), 1),
        (("EVAL", "#!lua\nredis.call('mset', 'foo', 0, 'bar', 0)", 0), 1),
        (("EVAL", "#!lua\nredis.call('set', 'foo', 0); redis.call('set', 'bar', 0)", 0), 1),
        (("EVAL", "#!lua\nredis.call('set', 'bar', 0); redis.call('set', 'bar', 0)", 1, "foo"), 1),
        (("EVAL", "redis.call('set', 'foo', 0); redis.call('set', 'bar', 0)", 0), 0),
        (("EVAL", "#!lua flags=allow-cross-slot-keys\nredis.call('set', 'foo', 0); redis.call('set', 'bar', 0)", 0), 0),
        (("EVAL", "#!lua flags=allow-cross-slot-keys\nredis.call('mset', 'foo', 0, 'bar', 0)", 0), 1),
    ],
)
def test_what_is_counted(server: Server, request_: tuple[object, ...], count: int) -> None:
    connection = server.connect()
    connection(*request_)  # type: ignore[arg-type]
    assert counted(server) == count


def test_the_keys_of_a_transaction_belong_together(server: Server) -> None:
    connection = server.connect()
    connection.send(b"EXEC\r\nMULTI\r\nEXEC\r\nMULTI\r\nSET {a}1 1\r\nSET {a}2 2\r\nEXEC\r\n")
    assert counted(server) == 0
    connection.send(b"MULTI\r\nSET foo 1\r\nDEL bar\r\nEXEC\r\n")
    assert counted(server) == 1


def test_functions(server: Server) -> None:
    code = "#!lua name=lib\nredis.register_function{function_name='f', callback=function() end, flags={'no-cluster'}}"
    assert server("FUNCTION", "LOAD", code) == b"lib"
    server("FCALL", "f", 0)
    assert counted(server) == 1


def test_the_ratio(server: Server) -> None:
    engine = server.engine
    engine.compatibility = Compatibility(engine, Random(1))
    server("CONFIG", "SET", "cluster-compatibility-sample-ratio", 30)
    for _ in range(1000):
        server("MSET", "foo", 1, "bar", 2)
    assert 250 < counted(server) < 350
    server("CONFIG", "RESETSTAT")
    assert counted(server) == 0


def test_nothing_is_examined_or_shown_by_default() -> None:
    server = Server()
    assert not server.engine.gates
    server("MSET", "foo", 1, "bar", 2)
    assert b"cluster_incompatible_ops" not in server("INFO", "stats")
    server("CONFIG", "SET", "cluster-compatibility-sample-ratio", 1)
    assert counted(server) == 0
    server("CONFIG", "SET", "cluster-compatibility-sample-ratio", 0)
    assert not server.engine.gates
