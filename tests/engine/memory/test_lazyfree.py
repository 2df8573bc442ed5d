"""Freeing large values in small steps."""

from __future__ import annotations

import gc
import sys
from itertools import pairwise

import pytest

from tests.support.server import Server
from twisted_redis.datatypes.set import Set

MANY = 40_000


def large_sets() -> int:
    """Returns the number of sets of ``MANY`` members that exist in this process."""
    gc.collect()
    return sum(type(value) is Set and len(value) == MANY for value in gc.get_objects())


def filled(server: Server, kind: str, count: int = MANY) -> None:
    if kind == "keys":
        for number in range(count):
            server.engine.databases[0].add(b"%d" % number, b"value")
        return
    argv: list[bytes | str | int] = []
    for number in range(count):
        argv += {
            "set": [f"member:{number}"],
            "hash": [f"field:{number}", "value"],
            "zset": [number, f"member:{number}"],
            "list": ["element"],
            "list of large elements": [f"{number:0300d}"],
            "array": [number, "element"],
            "scattered array": [number << 13, "element"],
        }[kind]
    command = {"set": "SADD", "hash": "HSET", "zset": "ZADD", "list": "RPUSH", "list of large elements": "RPUSH"}.get(
        kind, "ARMSET"
    )
    server(command, "key", *argv)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="there is nothing to be taken apart")
@pytest.mark.parametrize(
    "kind", ["set", "hash", "zset", "list", "list of large elements", "array", "scattered array", "keys"]
)
def test_a_large_value_is_freed_in_slices(kind: str) -> None:
    server = Server()
    filled(server, kind)
    # The clock advances one step each time it is read, so a slice of a million ns ends after that many readings.
    ticks = iter(range(0, 1 << 62, 300_000))
    server.engine.clock_ns = lambda: next(ticks)
    server("UNLINK" if kind != "keys" else "FLUSHALL", *(["key"] if kind != "keys" else []))
    assert server("EXISTS", "key") == server("DBSIZE") == 0
    lazyfree = server.engine.lazyfree
    assert lazyfree.pending == (1 if kind != "keys" else MANY)
    assert lazyfree.freed == 0
    server.advance(0)
    assert lazyfree.pending == 0
    assert lazyfree.freed == (1 if kind != "keys" else MANY)


def test_small_values_are_not_counted() -> None:
    server = Server()
    server("SADD", "set", *range(1000), "x")
    server("SADD", "small", *range(20))
    server("ARSET", "array", 0, *range(64))
    server("ARSET", "far", 1 << 40, "x")
    server("SET", "string", "x" * 100_000)
    assert server("UNLINK", "small", "array", "far", "string") == 4
    assert server.engine.lazyfree.freed == 0
    assert server("UNLINK", "set") == 1
    assert server.engine.lazyfree.freed == 1
    server("CONFIG", "RESETSTAT")
    assert server.engine.lazyfree.freed == 0


@pytest.mark.parametrize(("directive", "freed"), [("no", 0), ("yes", 1)])
def test_directives(directive: str, freed: int) -> None:
    server = Server()
    for name in ("lazyfree-lazy-user-del", "lazyfree-lazy-expire"):
        server("CONFIG", "SET", name, directive)
    filled(server, "set", 1000)
    server("DEL", "key")
    assert server.engine.lazyfree.freed == freed
    filled(server, "set", 1000)
    server("EXPIRE", "key", 10)
    server.advance(11)
    assert server("EXISTS", "key") == 0
    assert server.engine.lazyfree.freed == 2 * freed


def test_flushing_in_a_transaction_does_not_wait_for_later() -> None:
    server = Server()
    filled(server, "keys", 10)
    connection = server.connect()
    connection("MULTI")
    connection("FLUSHALL")
    connection("EXEC")
    assert server("DBSIZE") == 0
    assert server.engine.lazyfree.freed == 0
    filled(server, "keys", 10)
    connection("FLUSHDB")
    assert server.engine.lazyfree.freed == 10


def test_a_reply_keeps_what_it_has() -> None:
    server = Server()
    filled(server, "hash", 20_000)
    connection = server.connect()
    connection("MULTI")
    connection("HGETALL", "key")
    connection("UNLINK", "key")
    reply = connection("EXEC")
    server.advance(0)
    assert reply.startswith(b"*2\r\n*40000\r\n")
    assert reply.count(b"field:") == 20_000


def test_flushed_databases_hold_collections_too() -> None:
    before = large_sets()
    server = Server()
    server.engine.databases[3].add(b"key", Set({b"%d" % number for number in range(MANY)}))
    assert large_sets() == before + 1
    server("FLUSHALL")
    server.advance(0)
    assert large_sets() == before
    assert server.engine.lazyfree.freed == 1


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="there is nothing to be taken apart")
def test_keys_of_one_moment_are_freed_in_slices() -> None:
    server = Server()
    db = server.engine.databases[0]
    for number in range(MANY):
        db.add(b"%d" % number, b"value")
        db.expire_at(b"%d" % number, 10**15)
    expires = db.expires
    left: list[int] = []

    def look() -> int:
        left.append(len(expires))
        return len(left) * 300_000

    server.engine.clock_ns = look
    server("FLUSHALL")
    server.advance(0)
    assert server.engine.lazyfree.pending == 0
    steps = [before - after for before, after in pairwise(left)]
    assert max(steps) <= 512
    assert sum(steps) > MANY // 2
