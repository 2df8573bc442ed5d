"""A database that logs accesses or accounts for memory gives the same results as one that does neither."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_redis.datatypes.list import List
from twisted_redis.keyspace.access import AccessCounts, AccessLog, AccessTimes
from twisted_redis.keyspace.account import estimate
from twisted_redis.keyspace.database import Database
from twisted_redis.keyspace.state import KeyspaceState, WrongTypeError

KINDS = [None, AccessTimes, AccessCounts]


def made(kind: type[AccessLog] | None = None, *, account: bool = False, state: KeyspaceState | None = None) -> Database:
    db = Database(0, KeyspaceState() if state is None else state)
    db.log_accesses(kind)
    db.keep_account(account, volatile=account)
    return db


def charged(db: Database) -> int:
    assert db.account is not None
    db.account.charge_changes()
    return db.account.memory


def a_value(number: int) -> bytes | bytearray | List:
    """Returns a value of each form that a database treats differently."""
    return (b"x" * number, bytearray(b"y" * number), List(), b"")[number % 4]


def do(db: Database, step: tuple[str, bytes, int]) -> Any:
    """Executes a step as commands do. Returns everything that a command could see of it."""
    name, key, number = step
    db.state.now += number
    try:
        if name == "store":
            db.set(key, a_value(number))
        elif name == "replace":
            db.replace(key, a_value(number))
        elif name == "add":
            if db.peek(key) is None:
                db.add(key, a_value(number))
        elif name == "read_string":
            found = db.read_string(key)
            return None if found is None else bytes(found)
        elif name == "append":
            text = db.write_string(key)
            if isinstance(text, bytearray):
                text += b"more"
        elif name == "read":
            return db.read(key, List) is None
        elif name == "write":
            return db.write(key, List) is None
        elif name == "expire":
            if db.exists(key):
                db.expire_at(key, db.state.now + number)
        else:
            return getattr(db, name)(*(() if name == "flush" else (key,)))
    except WrongTypeError:
        return "wrong type"
    return None


NAMES = ["store", "replace", "add", "read_string", "append", "read", "write", "expire", "persist", "delete", "flush"]
STEPS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from([b"a", b"b", b"c"]), st.integers(0, 40)))


@given(steps=STEPS, kind=st.sampled_from(KINDS), account=st.booleans())
@settings(deadline=None)
def test_whatever_is_noted_the_answers_are_the_same(
    steps: list[tuple[str, bytes, int]], kind: type[AccessLog] | None, account: bool
) -> None:
    plain, noting = made(), made(kind, account=account)
    for step in steps:
        assert do(noting, step) == do(plain, step), step
        assert noting.data.keys() == plain.data.keys()
        assert noting.wheel.times() == plain.wheel.times()
        assert sorted(noting.scan(0, 100)[1]) == sorted(plain.scan(0, 100)[1])
        if kind is not None:
            assert noting.access_log is not None and noting.access_log.noted.keys() <= noting.data.keys()
        if account:
            assert charged(noting) == noting.state.memory == estimate(noting)
            assert noting.account is not None and noting.account.volatile is not None
            assert sorted(noting.account.volatile.scan(0, 100)[1]) == sorted(noting.expires)
    assert (noting.state.hits, noting.state.misses) == (plain.state.hits, plain.state.misses)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("account", [False, True])
def test_what_is_noted_can_change_at_any_time(kind: type[AccessLog] | None, account: bool) -> None:
    db = made()
    db.set(b"a", b"1")
    db.expire_at(b"a", 1000)
    db.set(b"b", List())
    for step in (kind, None, kind):
        db.log_accesses(step)
        db.keep_account(account)
        assert (db.quick_reads is db.data) == (step is None)
        assert (db.quick_writes is db.data) == (step is None and not account)
        assert db.state.memory == (estimate(db) if account else 0)
        db.set(b"c", b"%d" % len(db))
        assert db.read_string(b"a") == b"1"
        assert db.write(b"b", List) is not None
    db.log_accesses(None)
    db.keep_account(False)
    assert db.access_log is None and db.account is None and db.quick_reads is db.quick_writes is db.data
    assert db.state.memory == 0


def test_notes_go_with_the_contents_of_databases_that_are_swapped() -> None:
    state = KeyspaceState()
    first, second = made(AccessCounts, account=True, state=state), made(AccessCounts, account=True, state=state)
    first.set(b"a", b"1" * 1000)
    first.set_frequency(b"a", 77)
    second.set(b"b", b"1")
    sizes = charged(first), charged(second)
    first.swap(second)
    assert (charged(second), charged(first)) == sizes
    assert state.memory == sum(sizes)
    assert second.frequency(b"a") == 77
    assert second.delete(b"a") and first.delete(b"b")
    assert state.memory == 0


def test_what_was_loaded_beside_a_database_takes_its_place_with_an_account() -> None:
    db = made(AccessCounts, account=True)
    db.set(b"old", b"1" * 1000)
    twin = db.empty_twin()
    twin.data[b"new"] = b"2" * 100
    twin.set_frequency(b"new", 88)
    twin.expire_at(b"new", 5000)
    twin.rebuild_from_data()
    db.swap(twin)
    assert twin.account is None
    assert db.read_string(b"new") == b"2" * 100
    assert db.frequency(b"new") >= 88
    assert charged(db) == db.state.memory == estimate(db)
    assert db.account is not None and db.account.volatile is not None
    assert db.account.volatile.random() == b"new"


def test_a_new_log_knows_a_bound_for_each_key() -> None:
    db = made()
    db.state.now = 60_000
    db.flush()
    db.set(b"a", b"1")
    db.state.before, db.state.now = 290_000, 400_000
    db.log_accesses(AccessTimes)
    assert db.idle_seconds(b"a") == 110
    db.log_accesses(AccessCounts)
    assert db.frequency(b"a") == 3, "five, less one for each minute"
    db.set_idle(b"a", 5)
    assert db.frequency(b"a") == 3, "idle times are not logged beside frequencies"
