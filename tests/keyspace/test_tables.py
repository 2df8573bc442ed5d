"""The tables of a database: their size, and dicts that take the place of others."""

from __future__ import annotations

import sys
from random import Random

import pytest

from twisted_redis.datatypes import sizes
from twisted_redis.keyspace.database import Database
from twisted_redis.keyspace.state import KeyspaceState
from twisted_redis.keyspace.tables import _grown, needed_bytes, places, table_bytes, use_table, wanted_places

pytestmark = pytest.mark.skipif(sys.implementation.name != "cpython", reason="the interpreter tells no sizes")


def filled(count: int) -> dict[bytes, int]:
    return {b"key:%d" % number: number for number in range(count)}


def test_places_tells_when_a_dict_grows() -> None:
    table: dict[bytes, int] = {}
    for number in range(100_000):
        size, before = sys.getsizeof(table), places(table)
        table[b"%d" % number] = number
        if sys.getsizeof(table) != size and number:
            assert before == number


@pytest.mark.parametrize("count", [0, 4096, 5000, 60_000, 87_381, 100_000, 139_000, 141_000])
def test_wanted_places_leave_some_room(count: int) -> None:
    wanted = wanted_places(count)
    assert 1.25 * count <= wanted + 1
    assert wanted <= max(2.5 * count + 1, 6000)


def database(count: int) -> Database:
    db = Database(0, KeyspaceState())
    for number in range(count):
        db.set(b"key:%06d" % number, b"value")
    return db


def really(db: Database) -> int:
    """The memory of the tables, from their parts."""
    order = db.order
    size = sys.getsizeof(db.data) + sys.getsizeof(db.expires)
    for part in (order._blocks, order._numbers, order._tail, order._dead):
        size += sys.getsizeof(part)
    size += sum(map(sys.getsizeof, [*order._blocks, *order._numbers]))
    size += sum(sizes.of_bytes(len(key)) for key in order._dead)
    for block in set(db.expires.values()):
        size += sum(map(sys.getsizeof, (block, block.keys, block.marks, block.offsets)))
    return size


@pytest.mark.parametrize("ttl", [False, True])
def test_table_bytes_follow_the_parts(ttl: bool) -> None:
    db = database(30_000)
    rng = Random(1)
    for number in range(30_000 * ttl):
        db.expire_at(b"key:%06d" % number, db.state.now + rng.randrange(1, 10_000_000))
    assert table_bytes(db) == pytest.approx(really(db), rel=0.07)
    for number in range(0, 30_000, 2):
        db.delete(b"key:%06d" % number)
    assert table_bytes(db) == pytest.approx(really(db), rel=0.1)


@pytest.mark.parametrize("ttl", [False, True])
def test_keys_that_have_left_need_nothing(ttl: bool) -> None:
    db = database(30_000)
    for number in range(30_000 * ttl):
        db.expire_at(b"key:%06d" % number, db.state.now + 1000 * number + 1)
    assert needed_bytes(db) == pytest.approx(really(db), rel=0.07)
    for number in range(10_000, 30_000):
        db.delete(b"key:%06d" % number)
    twin = database(10_000)
    for number in range(10_000 * ttl):
        twin.expire_at(b"key:%06d" % number, twin.state.now + 1000 * number + 1)
    assert needed_bytes(db) == pytest.approx(needed_bytes(twin), rel=0.15)
    assert really(db) > 1.5 * needed_bytes(db)


@pytest.mark.parametrize("count", [5, 10, 100, 5461, 5462, 60_000, 100_000])
def test_the_size_of_a_dict_that_has_grown(count: int) -> None:
    assert _grown(count) == pytest.approx(sys.getsizeof(filled(count)), rel=0.5 if count < 1000 else 0.12)


@pytest.mark.parametrize("account", [False, True])
def test_a_database_goes_on_with_another_dict(account: bool) -> None:
    db = database(1000)
    db.keep_account(account)
    before, table = db.data, dict(db.data)
    assert use_table(db, table) is before
    assert db.data is table
    db.set(b"new", b"value")
    db.expire_at(b"new", db.state.now + 10_000)
    db.delete(b"key:000001")
    assert db.read_string(b"new") == b"value" and db.read_string(b"key:000001") is None
    assert sorted(db.scan(0, 2000)[1]) == sorted(table)
    assert b"new" not in before and b"key:000001" in before
