"""Dicts that are too large are replaced, whatever happens meanwhile."""

from __future__ import annotations

import sys
from random import Random

import pytest

from tests.support.server import Server
from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.packed import RestingList
from twisted_redis.keyspace.tables import places, table_bytes, wanted_places

pytestmark = pytest.mark.skipif(sys.implementation.name != "cpython", reason="the interpreter tells no sizes")

KEYS = 24_000


def churned(**directives: object) -> Server:
    """A server whose dict has twice the places that its keys need, since keys came and went."""
    server = Server(**directives)
    db = server.engine.databases[0]
    for number in range(3 * KEYS):
        db.set(b"key:%d" % number, b"value")
        if number >= KEYS:
            db.delete(b"key:%d" % (number - KEYS))
    assert len(db.data) == KEYS and places(db.data) > wanted_places(KEYS)
    return server


def look(server: Server, times: int = 1) -> None:
    for _ in range(times):
        server.engine.refitting.tick(server.engine.databases)
        server.advance(0.02)


LIMITED = {"maxmemory": 1 << 30, "maxmemory_policy": "allkeys-lru"}


def test_a_dict_becomes_smaller() -> None:
    server = churned(**LIMITED)
    db = server.engine.databases[0]
    before, contents = db.data, dict(db.data)
    used = server.engine.usage.data()
    look(server, 200)
    assert db.data is not before and db.data == contents
    assert places(db.data) == wanted_places(KEYS)
    assert not before, "the dict before is freed"
    assert db.account is not None and db.account.copy is None
    server.engine.eviction.measure()
    assert abs(server.engine.usage.data() - used) < used / 4
    before = db.data
    look(server, 20)
    assert db.data is before, "it has the right size now"


def test_changes_during_the_copy_are_in_it() -> None:
    server = churned(**LIMITED)
    db = server.engine.databases[0]
    before = db.data
    looks = 0
    while db.data is before:
        looks += 1
        assert looks < 500
        contents = dict(db.data)
        look(server)
        assert db.data == contents
        server("SET", f"new:{looks}", "value")
        server("RPUSH", "list", looks)
        server("DEL", f"key:{2 * KEYS + looks}", f"new:{looks - 1}")
        server("SET", f"key:{3 * KEYS - looks}", "other")
    assert looks > 1
    assert server("GET", f"key:{3 * KEYS - 1}") == b"other"
    assert server("LLEN", "list") == looks


@pytest.mark.parametrize("seed", range(3))
def test_a_copy_has_whatever_happens_meanwhile(seed: int) -> None:
    rng = Random(seed)
    limited, other = churned(**LIMITED), churned()
    db = limited.engine.databases[0]
    servers = (limited, other)
    for server in servers:
        for number in range(300):
            server("RPUSH", f"list:{number}", *range(20))
            server("HSET", f"hash:{number}", *range(20))
    before, looks = db.data, 0

    def key(kind: str, count: int) -> str:
        return f"{kind}:{rng.randrange(count)}"

    while db.data is before:
        looks += 1
        assert looks < 500
        look(limited)
        for _ in range(40):
            command = rng.choice(
                [
                    ("SET", key("key", 4 * KEYS), looks),
                    ("SET", key("list", 400), looks, "EX", 1000),
                    ("APPEND", key("key", 4 * KEYS), "tail"),
                    ("DEL", key("key", 4 * KEYS), key("hash", 300)),
                    ("RPUSH", key("list", 300), looks),
                    ("HSET", key("hash", 300), looks, "value"),
                    ("RENAME", key("list", 300), key("list", 300)),
                    ("COPY", key("hash", 300), key("hash", 400), "REPLACE"),
                    ("GETDEL", key("key", 4 * KEYS)),
                    ("LRANGE", key("list", 300), 0, 3),
                    ("EXPIRE", key("hash", 300), 1000),
                ]
            )
            assert len({str(server(*command)) for server in servers}) == 1, command
        limited.engine.packing.tick(limited.engine.time.monotonic() + 1000 * looks)
    assert looks > 2
    assert limited("DEBUG", "DIGEST") == other("DEBUG", "DIGEST")


def test_a_collection_that_begins_to_rest_rests_in_the_copy() -> None:
    server = churned(**LIMITED)
    db = server.engine.databases[0]
    server("RPUSH", "list", "element")
    look(server)
    account = db.account
    assert account is not None and account.copy is not None and b"list" in account.copy
    server.engine.packing.tick(1000)
    server.engine.packing.tick(2000)
    server.advance(0)
    assert db.data[b"list"].__class__ is RestingList
    assert account.copy[b"list"] is db.data[b"list"]


def test_evictions_go_on_with_a_copy() -> None:
    server = churned(**LIMITED)
    db = server.engine.databases[0]
    account = db.account
    assert account is not None
    server.engine.refitting.tick(server.engine.databases)
    server.advance(0)
    copied = len(account.copy or ())
    server.engine.refitting.evicted(100)
    assert account.copy is not None and len(account.copy) >= min(KEYS, copied + 700)


@pytest.mark.parametrize("command", [("FLUSHALL",), ("SWAPDB", 0, 1), ("CONFIG", "SET", "maxmemory", 0)])
def test_a_copy_is_given_up(command: tuple[str | int, ...]) -> None:
    server = churned(**LIMITED)
    db = server.engine.databases[0]
    look(server)
    account = db.account
    assert account is not None and account.copy is not None
    server(*command)
    contents = [dict(db.data) for db in server.engine.databases]
    for _ in range(300):
        server.advance(0.02)
    look(server)
    assert account.copy is None or account is not server.engine.databases[0].account
    look(server, 300)
    assert [db.data for db in server.engine.databases] == contents
    assert server("SET", "key", "value") == b"OK"
    assert server("GET", "key") == b"value"


def test_without_a_limit_only_a_dict_that_is_nearly_empty_is_replaced() -> None:
    server = churned()
    db = server.engine.databases[0]
    before = db.data
    look(server, 20)
    assert db.data is before
    for key in list(db.data)[100:]:
        server("DEL", key)
    contents = dict(db.data)
    look(server)
    assert db.data == contents and sys.getsizeof(db.data) < 20_000
    assert not before, "it is freed"


def test_the_account_follows_the_tables_slowly() -> None:
    server = Server(**LIMITED)
    db = server.engine.databases[0]
    for number in range(70_000):  # a dict for twice as many keys
        db.set(b"key:%d" % number, b"%0100d" % number)
    account = db.account
    assert account is not None
    db.order.may_sweep = False
    for key in list(db.data)[20_000:]:
        db.delete(key)
    small = account.memory
    look(server)
    assert account.memory - small <= max(small // 500, 1 << 14), "a little at a time"
    look(server, 500)
    contents = sum(sizes.of_bytes(len(key)) + sizes.of_bytes(len(value)) for key, value in db.data.items())
    assert contents + table_bytes(db) == pytest.approx(account.memory, rel=0.1)
