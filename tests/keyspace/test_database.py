"""The keys, expiry times and cursors of one database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twisted_redis.datatypes.set import Set
from twisted_redis.keyspace.access import AccessTimes
from twisted_redis.keyspace.database import Database
from twisted_redis.keyspace.state import KeyspaceState, WrongTypeError


@pytest.fixture
def db() -> Database:
    state = KeyspaceState()
    state.now = 1000
    return Database(0, state)


def test_set_drops_the_expiry_and_replace_keeps_it(db: Database) -> None:
    db.set(b"a", b"1")
    db.expire_at(b"a", 5000)
    db.replace(b"a", b"2")
    assert db.expiry(b"a") == 5000
    db.set(b"a", b"3")
    assert db.expiry(b"a") is None
    assert db.lookup(b"a") == b"3"


def test_an_expired_key_is_gone_for_everybody(db: Database) -> None:
    for key in (b"a", b"b", b"c", b"d"):
        db.set(key, b"1")
        db.expire_at(key, 2000)
    db.state.now = 1999
    assert db.lookup(b"a") == b"1"
    db.state.now = 2000
    assert db.lookup(b"a") is None
    assert db.lookup_write(b"b") is None
    assert not db.exists(b"c")
    assert db.read(b"d", bytes) is None
    assert len(db) == 0
    assert not db.expires


def test_a_replica_hides_expired_keys_but_keeps_them(db: Database) -> None:
    db.state.hide_expired = True
    db.set(b"a", b"1")
    db.expire_at(b"a", 1000)
    assert db.lookup(b"a") is None
    assert not db.exists(b"a")
    assert len(db) == 1


def test_hits_and_misses_are_counted_for_reads_alone(db: Database) -> None:
    db.set(b"a", b"1")
    db.lookup(b"a")
    db.lookup(b"x")
    db.read_string(b"a")
    db.read(b"x", list)
    db.lookup_write(b"a")
    db.write_string(b"x")
    assert (db.state.hits, db.state.misses) == (2, 2)


def test_typed_access_refuses_other_types(db: Database) -> None:
    db.set(b"text", b"1")
    db.set(b"raw", bytearray(b"1"))
    numbers = Set()
    db.set(b"numbers", numbers)
    assert db.read(b"numbers", Set) is numbers
    assert db.write_string(b"raw") == b"1"
    for wrong in (
        lambda: db.read(b"text", Set),
        lambda: db.write(b"text", Set),
        lambda: db.read_string(b"numbers"),
    ):
        with pytest.raises(WrongTypeError):
            wrong()


@pytest.mark.parametrize("put", [Database.set, Database.replace, Database.add])
@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("key", b"1", "a key is bytes, not str|bytes object expected; got str"),
        (b"key", "1", "a key holds bytes or a value of a type of the server, not str"),
        (b"key", 1, "a key holds bytes or a value of a type of the server, not int"),
        (b"key", None, "a key holds bytes or a value of a type of the server, not NoneType"),
        (b"key", [], "a key holds bytes or a value of a type of the server, not list"),
    ],
)
def test_a_value_that_no_file_can_store_is_refused(
    db: Database, put: Callable[..., None], key: Any, value: Any, text: str
) -> None:
    with pytest.raises(TypeError, match=text):
        put(db, key, value)
    assert len(db) == 0
    assert db.scan(0, 10) == (0, [])


def test_delete_and_persist_tell_whether_there_was_something(db: Database) -> None:
    db.set(b"a", b"1")
    assert not db.persist(b"a")
    db.expire_at(b"a", 5000)
    assert db.persist(b"a")
    assert db.delete(b"a")
    assert not db.delete(b"a")


def test_scan_returns_what_is_there_all_the_time(db: Database) -> None:
    stay = {b"stay:%d" % number for number in range(2000)}
    for number, key in enumerate(stay):
        db.set(key, b"")
        db.set(b"go:%d" % number, b"")
    seen: set[bytes] = set()
    cursor, rounds = 0, 0
    while True:
        cursor, keys = db.scan(cursor, 10)
        seen.update(keys)
        for number in range(rounds * 20, rounds * 20 + 20):
            db.delete(b"go:%d" % number)
            db.set(b"new:%d" % number, b"")
        rounds += 1
        if not cursor:
            break
    assert stay <= seen


def test_random_key_leaves_out_the_expired(db: Database) -> None:
    assert db.random_key() is None
    for number in range(50):
        db.set(b"%d" % number, b"")
        if number:
            db.expire_at(b"%d" % number, 500)
    assert db.random_key() == b"0"


def test_flush_of_a_database_that_nothing_was_in(db: Database) -> None:
    order, before = db.order, db.filled_at
    db.log_accesses(AccessTimes)
    db.state.now += 1000
    assert db.flush() == 0
    assert db.order is order, "nothing is built anew"
    assert db.filled_at == before + 1000
    assert db.access_log is not None and db.access_log.since == before + 1000
    db.set(b"a", b"1")
    db.expire_at(b"a", db.state.now + 5)
    db.delete(b"a")
    assert db.flush() == 0
    assert db.order is not order, "the place of the deleted key is gone"
    assert len(db.order) == 0
    assert list(db.wheel.due(10**15)) == []


def test_flush_and_swap(db: Database) -> None:
    other = Database(1, db.state)
    db.set(b"a", b"1")
    db.expire_at(b"a", 5000)
    db.waiting[b"x"] = {}
    db.swap(other)
    assert len(db) == 0
    assert other.lookup(b"a") == b"1"
    assert other.expiry(b"a") == 5000
    assert b"x" in db.waiting, "who waits stays with the number"
    db.set(b"b", b"2")
    assert db.scan(0, 10)[1] == [b"b"]
    assert other.flush() == 1
    assert list(other.wheel.due(10**15)) == []


def test_new_and_missed_keys_are_told(db: Database) -> None:
    told: list[tuple[str, bytes]] = []
    db.state.added = lambda _, key: told.append(("new", key))
    db.state.missed = lambda _, key: told.append(("miss", key))
    db.set(b"a", b"1")
    db.set(b"a", b"2")
    db.replace(b"b", b"")
    db.add(b"c", b"")
    db.lookup(b"z")
    db.lookup_write(b"y")
    assert told == [("new", b"a"), ("new", b"b"), ("new", b"c"), ("miss", b"z")]


@pytest.mark.parametrize("account", [False, True])
def test_values_that_are_replaced_as_a_whole_are_told(db: Database, account: bool) -> None:
    db.keep_account(account)
    db.set(b"a", b"1")
    told: list[tuple[bytes, object, object]] = []
    db.state.overwritten = lambda _, key, before, value: told.append((key, before, value))
    db.choose_quick()
    db.set(b"a", b"2")
    db.replace(b"a", b"3", whole=True)
    db.replace(b"a", b"4")
    db.set(b"new", b"1")
    db.replace(b"newer", b"1", whole=True)
    db.add(b"newest", b"1")
    assert told == [(b"a", b"1", b"2"), (b"a", b"2", b"3")]
    assert not db.set_all([b"a"], [b"5"]), "set_all would tell nothing"
    twin = db.empty_twin()
    twin.set(b"a", b"1")
    twin.set(b"a", b"2")
    assert told[2:] == [(b"a", b"1", b"2")]
    db.state.overwritten = None
    db.choose_quick()
    assert (db.quick_writes is db.data) == (not account)


def test_access_times_are_kept_once_somebody_asks(db: Database) -> None:
    db.set(b"a", b"1")
    db.set(b"b", b"1")
    db.state.before, db.state.now = 1000, 4000
    assert db.access_log is None
    db.log_accesses(AccessTimes)
    assert db.idle_seconds(b"a") == 3, "nobody had accessed anything since"
    db.lookup(b"a")
    db.peek(b"b")
    db.state.now = 9000
    assert (db.idle_seconds(b"a"), db.idle_seconds(b"b")) == (5, 8)
    db.delete(b"a")
    assert db.access_log is not None and db.access_log.noted == {}


def test_set_all_stores_what_set_stores_key_by_key(db: Database) -> None:
    twin = Database(0, db.state)
    for keys, values in (
        ([b"a", b"b", b"a"], [b"1", b"2", b"3"]),
        ([b"c", b"b", b"d", b"c"], [b"4", b"5", b"6", b"7"]),
        ([b"%d" % number for number in range(3000)], [b"x"] * 3000),
    ):
        assert db.set_all(keys, values)
        for key, value in zip(keys, values, strict=True):
            twin.set(key, value)
        assert list(db.data.items()) == list(twin.data.items())
        assert db.scan(0, 5000) == twin.scan(0, 5000)


def test_set_all_leaves_keys_with_an_expiry_to_set(db: Database) -> None:
    db.set(b"a", b"1")
    db.expire_at(b"a", 5000)
    assert not db.set_all([b"b", b"a"], [b"2", b"2"])
    assert db.data == {b"a": b"1"}
    assert db.set_all([b"b", b"c"], [b"2", b"2"])


def test_set_all_leaves_it_to_set_where_something_is_noted(db: Database) -> None:
    db.log_accesses(AccessTimes)
    assert not db.set_all([b"a"], [b"1"])
    db.log_accesses(None)
    db.keep_account(True)
    assert not db.set_all([b"a"], [b"1"])
    db.keep_account(False)
    db.state.added = lambda db, key: None
    assert not db.set_all([b"a"], [b"1"])
    assert not db.data
