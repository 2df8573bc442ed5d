"""The index of keys by slot agrees with the keys, whatever adds and removes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.support.cluster import ClusterNode
from tests.support.server import Server
from twisted_redis.engine.gates import IS_CLUSTER
from twisted_redis.keyspace.database import Database
from twisted_redis.keyspace.slot_index import SlotIndex
from twisted_redis.keyspace.slots import SLOTS, key_slot
from twisted_redis.keyspace.state import KeyspaceState

KEYS = [f"{tag}{number}" for tag in ("", "{a}", "{b}", "x{}") for number in range(12)]


def agrees(db: Database) -> bool:
    """Compares the index with a look at every key."""
    assert db.slots is not None
    found: dict[int, set[bytes]] = {}
    for key in db.data:
        found.setdefault(key_slot(key), set()).add(key)
    assert db.slots.counts() == {slot: len(keys) for slot, keys in found.items()}
    for slot, keys in found.items():
        assert set(db.slots.keys(slot)) == keys
    served = db.state.served
    assert served is not None
    assert db.slots.home is db.data if all(served[slot] for slot in found) else db.slots.home == {}
    return True


def make_server(**directives: object) -> Server:
    """A node that has all slots, and whose gate is open: a request may use several of them."""
    node = ClusterNode(**directives)
    node.give(node.state.myself, range(SLOTS))
    node.engine.set_gate(IS_CLUSTER, False)
    return node


def test_keys_of_a_slot() -> None:
    index = SlotIndex(dict.fromkeys([b"{a}1", b"{a}2", b"b"], b""))
    slot = key_slot(b"a")
    assert index.count(slot) == 2
    assert sorted(index.keys(slot)) == [b"{a}1", b"{a}2"]
    assert len(index.keys(slot, 1)) == 1
    assert index.keys(slot, 0) == []
    index.discard(b"{a}1")
    index.discard(b"{a}3")
    assert index.keys(slot) == [b"{a}2"]
    index.discard(b"{a}2")
    assert index.count(slot) == 0
    assert index.counts() == {key_slot(b"b"): 1}


def test_there_is_no_index_without_cluster_mode() -> None:
    server = Server()
    server("SET", "a", 1)
    assert server.engine.databases[0].slots is None


CALLS: list[Callable[[Callable[[], str]], tuple[object, ...]]] = [
    lambda key: ("SET", key(), 1),
    lambda key: ("SET", key(), 1, "PX", 50),
    lambda key: ("SETNX", key(), 1),
    lambda key: ("MSET", key(), 1, key(), 2, key(), 3),
    lambda key: ("MSETNX", key(), 1, key(), 2),
    lambda key: ("INCR", key()),
    lambda key: ("APPEND", key(), "x"),
    lambda key: ("SETRANGE", key(), 3, "x"),
    lambda key: ("SETBIT", key(), 3, 1),
    lambda key: ("GETDEL", key()),
    lambda key: ("GETEX", key(), "PX", 1),
    lambda key: ("DEL", key(), key(), key()),
    lambda key: ("UNLINK", key()),
    lambda key: ("RENAME", key(), key()),
    lambda key: ("RENAMENX", key(), key()),
    lambda key: ("COPY", key(), key(), "REPLACE"),
    lambda key: ("EXPIRE", key(), -1),
    lambda key: ("PEXPIRE", key(), 20),
    lambda key: ("RPUSH", key(), 1, 2),
    lambda key: ("LPOP", key()),
    lambda key: ("LMOVE", key(), key(), "LEFT", "RIGHT"),
    lambda key: ("SADD", key(), 1, 2),
    lambda key: ("SPOP", key(), 2),
    lambda key: ("SUNIONSTORE", key(), key(), key()),
    lambda key: ("HSET", key(), "f", 1),
    lambda key: ("HDEL", key(), "f"),
    lambda key: ("ZADD", key(), 1, "m"),
    lambda key: ("ZPOPMIN", key()),
    lambda key: ("ZRANGESTORE", key(), key(), 0, -1),
    lambda key: ("XADD", key(), "*", "f", "v"),
    lambda key: ("PFADD", key(), "x"),
    lambda key: ("SORT", key(), "STORE", key()),
    lambda key: ("BITOP", "OR", key(), key()),
    lambda key: ("EVAL", "return redis.call('set', KEYS[1], 1)", 1, key()),
    lambda key: ("RESTORE", key(), 0, b"\x00\xc0\x01\x0c\x00\xdd\x83\xd7\xf1:'\xf3\x9b", "REPLACE"),
]


@pytest.mark.parametrize("directives", [{}, {"maxmemory": 1 << 30}, {"maxmemory_policy": "allkeys-lru"}])
@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_after_random_commands(seed: int, directives: dict[str, object]) -> None:
    server = make_server(**directives)
    server.engine.eviction.apply()
    random = Random(seed)
    db = server.engine.databases[0]
    for step in range(1500):
        call = random.choice(CALLS)
        server(*call(lambda: random.choice(KEYS)))
        if not step % 10:
            server.advance(0.01)
        if not step % 400:
            server("FLUSHALL", random.choice(["SYNC", "ASYNC"]))
            assert agrees(db)
        if not step % 50:
            assert agrees(db)
    assert len(db.data) > 5
    assert agrees(db)


def test_it_agrees_after_many_keys_in_one_request() -> None:
    server = make_server()
    server("MSET", *[word for number in range(1000) for word in (f"k{number}", number)])
    assert agrees(server.engine.databases[0])


def test_it_agrees_after_loading(tmp_path: Path) -> None:
    server = make_server(dir=str(tmp_path))
    for number in range(300):
        server("SET", f"{{{number % 7}}}{number}", number)
    server("RPUSH", "list", 1)
    assert server("DEBUG", "RELOAD") == b"OK"
    db = server.engine.databases[0]
    assert len(db.data) == 301
    assert agrees(db)
    server("DEL", "list", "{0}7")
    assert agrees(db)


def test_swapped_contents_take_their_index_along() -> None:
    state = KeyspaceState()
    state.served = bytearray(SLOTS)
    first, second = Database(0, state), Database(0, state)
    first.set(b"a", b"1")
    second.set(b"b", b"1")
    first.swap(second)
    first.set(b"c", b"1")
    second.delete(b"a")
    assert agrees(first)
    assert agrees(second)
    assert first.empty_twin().slots is not None


def test_keys_that_were_loaded_while_slots_moved_are_counted() -> None:
    state = KeyspaceState()
    state.served = bytearray(b"\1" * SLOTS)
    current, loading = Database(0, state), Database(0, state)
    assert current.slots is not None
    loading.set(b"a", b"1")
    state.served[key_slot(b"a")] = 0
    current.slots.serve(state.served)
    current.swap(loading)
    assert agrees(current)
    state.served[key_slot(b"a")] = 1
    current.slots.serve(state.served)
    assert agrees(current)


@pytest.mark.parametrize("at_once", [1, 3, 100, SLOTS])
def test_it_agrees_after_changes_of_slots(at_once: int) -> None:
    state = KeyspaceState()
    state.served = bytearray(SLOTS)
    db = Database(0, state)
    assert db.slots is not None
    for number in range(300):
        db.set(b"k%d" % number, b"")
    random = Random(at_once)
    used = sorted(db.slots.counts())
    for byte in (1, 0, 1):
        for _ in range(2 * len(used)):
            slots = random.sample(used, at_once) if at_once <= len(used) else range(SLOTS)
            for slot in slots:
                state.served[slot] = byte
            db.slots.serve(state.served)
            assert agrees(db)
            if all(state.served[slot] == byte for slot in used):
                break
    db.delete(b"k7")
    assert agrees(db)


def test_evicted_keys_leave() -> None:
    server = make_server(maxmemory_policy="allkeys-random")
    server.engine.eviction.apply()
    for number in range(500):
        server("SET", f"k{number}", "x" * 100)
    server("CONFIG", "SET", "maxmemory", server.engine.usage.total() - 20000)
    server("SET", "more", 1)
    db = server.engine.databases[0]
    assert len(db.data) < 500
    assert agrees(db)


def scanned(server: Server, *options: object) -> tuple[list[bytes], int]:
    """Scans to the end; returns the keys and the number of calls."""
    cursor, found, calls = b"0", [], 0
    while True:
        reply = server("SCAN", cursor, *options)
        assert isinstance(reply, list)
        cursor = reply[0]
        found += reply[1]
        calls += 1
        if cursor == b"0":
            return found, calls


@pytest.mark.parametrize("most", [20_000, 10])
def test_scan_of_a_hash_tag_looks_at_its_slot_alone(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr("twisted_redis.keyspace.slot_index._MOST_SCANNED", most)
    server = make_server()
    for number in range(1000):
        server("SET", f"{{a}}{number}", 1)
        server("SET", f"{{b}}{number}", 1)
        server("SET", f"c{number}", 1)
    found, calls = scanned(server, "MATCH", "{a}*", "COUNT", 10)
    assert len(found) == 1000
    assert set(found) == {b"{a}%d" % number for number in range(1000)}
    # The whole database has 3,000 keys.
    assert calls == (100 if most > 1000 else 300)
    at_once, calls_of_many = scanned(server, "MATCH", "{a}*", "COUNT", 100)
    assert sorted(at_once) == sorted(found)
    assert calls_of_many == 1
    assert scanned(server, "MATCH", "{none}*") == ([], 1)
    assert scanned(server, "MATCH", "{a}5") == ([b"{a}5"], calls)
    assert len(scanned(server, "MATCH", "{a}*", "TYPE", "string")[0]) == 1000


def test_a_scan_of_a_slot_returns_what_is_there_all_the_time() -> None:
    server = make_server()
    for number in range(500):
        server("SET", f"{{a}}{number}", 1)
    cursor, found, step = b"0", [], 0
    while True:
        reply = server("SCAN", cursor, "MATCH", "{a}*", "COUNT", 7)
        assert isinstance(reply, list)
        cursor = reply[0]
        found += reply[1]
        if cursor == b"0":
            break
        step += 1
        server("SET", f"{{a}}new{step}", 1)
        server("DEL", f"{{a}}{499 - step}")
    kept = {b"{a}%d" % number for number in range(499 - step)}
    assert kept <= set(found)
    assert len(found) == len(set(found))


def test_keys_of_a_hash_tag() -> None:
    server = make_server()
    server("MSET", "{a}1", 1, "{a}2", 1, "{b}1", 1, "a", 1)

    def keys(pattern: str) -> list[bytes]:
        return sorted(server("KEYS", pattern))  # type: ignore[type-var, arg-type]

    assert keys("{a}*") == [b"{a}1", b"{a}2"]
    assert keys("a") == [b"a"]
    assert keys("{none}*") == []
    assert len(keys("*")) == 4
