"""While memory is short, collections are packed before keys are evicted."""

from __future__ import annotations

import pytest

from tests.support.server import Server
from twisted_redis.datatypes.hash import Hash, RestingHash
from twisted_redis.datatypes.list import List
from twisted_redis.datatypes.order import Order
from twisted_redis.datatypes.packed import PACKED, PackedHash, PackedList
from twisted_redis.engine.memory.gaps import HAS_POOLS

MB = 1 << 20

with_arenas = pytest.mark.skipif(not HAS_POOLS, reason="this interpreter has no such arenas")


def limited(policy: str = "allkeys-lru", **directives: object) -> Server:
    made = Server(maxmemory_policy=policy, **directives)
    made("CONFIG", "SET", "maxmemory", 4 * MB)
    return made


def fill(made: Server, count: int, start: int = 0, kind: str = "hash") -> list[object]:
    """Adds collections of a hundred elements, one in each 10 ms; returns the answers."""
    answers = []
    for number in range(start, start + count):
        made.clock.advance(0.01)
        made.engine.eviction.let_rest()
        elements = [f"{number}:{place}" for place in range(100)]
        if kind == "hash":
            pairs = [text for place in range(100) for text in (f"field:{place}", elements[place])]
            answers.append(made("HSET", f"{kind}:{number}", *pairs))
        else:
            answers.append(made("RPUSH", f"{kind}:{number}", *elements))
    return answers


def classes(made: Server) -> list[type]:
    return [type(value) for value in made.engine.databases[0].data.values()]


@pytest.mark.parametrize("kind", ["hash", "list"])
@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random", "allkeys-lfu", "noeviction"])
def test_collections_are_packed_rather_than_evicted(policy: str, kind: str) -> None:
    live = limited("allkeys-lru", pack_idle_seconds=0)
    fill(live, 1000, kind=kind)
    room = len(live.engine.databases[0].data)
    assert live.engine.stats.evicted_keys == 1000 - room > 0, "so many would have no room"
    made = limited(policy)
    assert set(fill(made, 2 * room, kind=kind)) == {100}
    assert made.engine.stats.evicted_keys == 0
    assert sum(cls in PACKED for cls in classes(made)) > room
    made.engine.eviction.measure()
    made("SET", "string", "x")
    for _ in range(200):  # slices of time
        made.clock.advance(0.001)
    assert made.engine.usage.total() <= 4 * MB
    assert made.engine.usage.data() == pytest.approx(made.engine.state.memory, rel=0.01)


def test_packed_ones_are_evicted_in_the_end() -> None:
    made = limited()
    fill(made, 3000)
    keys = len(made.engine.databases[0].data)
    assert 700 < keys < 2500 and made.engine.stats.evicted_keys == 3000 - keys
    assert made("HGET", "hash:2999", "field:7") == b"2999:7"
    assert made("EXISTS", *[f"hash:{number}" for number in range(300)]) < 100


def test_one_that_is_used_stays_live() -> None:
    made = limited()
    db = made.engine.databases[0]
    fill(made, 1)
    for start in range(1, 1000, 5):
        fill(made, 5, start)
        assert made("HGET", "hash:0", "field:7") == b"0:7"
        assert type(db.data[b"hash:0"]) is Hash
    assert made.engine.packing.values > 300
    assert type(db.data[b"hash:1"]) is PackedHash


def test_nothing_is_packed_while_a_child_saves() -> None:
    made = limited()
    Order.saving = True
    try:
        fill(made, 1000)
    finally:
        Order.saving = False
    assert made.engine.stats.evicted_keys > 0
    assert not set(classes(made)) & {PackedHash, RestingHash}


def test_what_cannot_be_packed_is_evicted() -> None:
    made = limited()
    for number in range(20):
        made.clock.advance(0.2)
        assert made("SADD", f"large:{number}", *[f"{number}:{place}" for place in range(20_000)]) == 20_000
        made.engine.eviction.measure()
    assert made.engine.stats.evicted_keys > 0
    account = made.engine.databases[0].account
    assert account is not None and len(account.live) <= 1 and not account.resting


def test_the_account_notes_live_collections_only() -> None:
    made = limited()
    db = made.engine.databases[0]

    def live() -> list[bytes]:
        assert db.account is not None
        db.account.charge_changes()
        return [*db.account.live, *db.account.resting]

    made("SET", "string", "x")
    made("RPUSH", "list", "a")
    made("HSET", "hash", "a", "b")
    assert live() == [b"list", b"hash"]
    made("RENAME", "list", "other")
    assert sorted(live()) == [b"hash", b"other"]
    made("DEL", "other")
    made("SET", "hash", "x")
    assert live() == []
    made("RPUSH", "list", "a")
    assert live() == [b"list"]
    made.engine.packing.pack_everything()
    assert type(db.data[b"list"]) is PackedList and live() == []
    assert made("LRANGE", "list", 0, -1) == (b"a",)
    assert type(db.data[b"list"]) is List and live() == [b"list"]
    made("FLUSHALL")
    assert live() == []


def test_a_limit_that_is_set_later_finds_what_is_there() -> None:
    made = Server(maxmemory_policy="allkeys-lru")
    fill(made, 300)
    made("CONFIG", "SET", "maxmemory", 4 * MB)
    fill(made, 300, start=300)
    assert made.engine.stats.evicted_keys == 0
    assert PackedHash in classes(made)


@with_arenas
def test_the_next_pass_returns_the_memory() -> None:
    made = Server(maxmemory_policy="noeviction")
    made("CONFIG", "SET", "maxmemory", 12 * MB)
    fill(made, 4000)
    packing = made.engine.packing
    assert packing.bytes > 4 * MB
    packing.pack_everything()  # so that the pass itself packs none
    packing.tick(0)
    packing.tick(1000)
    for _ in range(20_000):
        made.clock.advance(0.01)
        if packing._returning is not None:
            return
    raise AssertionError("the memory is never returned")


def test_one_read_in_eight_unpacks_while_memory_is_tight() -> None:
    made = limited("noeviction")
    db = made.engine.databases[0]
    fill(made, 700)
    assert db.state.memory > db.state.memory_limit // 16 * 15
    forms = []
    for number in range(64):  # all of them packed
        assert made("HGET", f"hash:{number}", "field:7") == b"%d:7" % number
        forms.append(type(db.data[b"hash:%d" % number]))
    assert sorted(cls.__name__ for cls in forms) == ["Hash"] * 8 + ["PackedHash"] * 56
