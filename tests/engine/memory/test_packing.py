"""Collections that nobody uses are packed, and come back at the first access."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import ClusterNode
from tests.support.forms import from_sources_only
from tests.support.server import Server
from twisted_redis.datatypes.hash import Hash, RestingHash
from twisted_redis.datatypes.list import List, RestingList, SettledList
from twisted_redis.datatypes.order import Order
from twisted_redis.datatypes.packed import PACKED, PackedHash, PackedSet
from twisted_redis.datatypes.stream import SettledStream, Stream
from twisted_redis.datatypes.strings import SMALL_INTEGERS
from twisted_redis.datatypes.table import value_size
from twisted_redis.engine.gates import IS_BUSY, IS_CLUSTER
from twisted_redis.keyspace.renewal import renew_keys
from twisted_redis.resp.types import ErrorReply

#: PyPy moves objects, so nothing is to be allocated anew.
with_arenas = pytest.mark.skipif(sys.implementation.name != "cpython", reason="about the allocator of CPython")


@pytest.fixture(autouse=True)
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of children may leave the sign that one is saving."""
    monkeypatch.setattr(Order, "saving", False)


def server(**directives: Any) -> Server:
    made = Server(pack_idle_seconds=10, **directives)
    made.engine.packing.tick(made.clock.seconds())
    return made


class SlowClocks:
    """Clocks of an engine on which each look at the time takes half a millisecond."""

    def __init__(self, engine: Any) -> None:
        self.time = engine.time
        self._now = 0

    def clock_ns(self) -> int:
        self._now += 500_000
        return self._now


def look(made: Server, seconds: float = 10) -> None:
    """Lets time pass, and has the next pass look at all keys."""
    made.clock.advance(seconds)
    made.engine.packing.tick(made.clock.seconds())
    for _ in range(50):
        made.clock.advance(0.2)


def finish(made: Server) -> None:
    """Lets a pass return the memory that it has freed."""
    for _ in range(20_000):
        if made.engine.packing._returning is None:
            return
        made.clock.advance(0.1)
    raise AssertionError("the memory is never returned")


def form(made: Server, key: bytes) -> type:
    return type(made.engine.databases[0].data[key])


def test_a_collection_is_packed_when_it_was_idle_between_two_looks() -> None:
    made = server()
    made("HSET", "h", "f", "v")
    look(made)
    assert form(made, b"h") is RestingHash
    look(made)
    assert form(made, b"h") is PackedHash
    assert made("HGET", "h", "f") == b"v"
    assert form(made, b"h") is Hash


def test_a_collection_that_is_used_between_two_looks_is_not_packed() -> None:
    made = server()
    made("HSET", "h", "f", "v")
    for _ in range(4):
        look(made)
        assert made("HGET", "h", "f") == b"v"
    assert form(made, b"h") is Hash


def test_zero_seconds_pack_nothing() -> None:
    made = server()
    made("CONFIG", "SET", "pack-idle-seconds", "0")
    made("HSET", "h", "f", "v")
    for _ in range(4):
        look(made)
    assert form(made, b"h") is Hash


def test_nothing_is_packed_while_a_child_saves_or_a_script_runs() -> None:
    made = server()
    made("HSET", "h", "f", "v")
    look(made)
    Order.saving = True
    try:
        look(made)
    finally:
        Order.saving = False
    assert form(made, b"h") is RestingHash
    made.engine.set_gate(IS_BUSY, True)
    look(made)
    made.engine.set_gate(IS_BUSY, False)
    assert form(made, b"h") is RestingHash


def test_commands_about_the_key_leave_the_value_packed() -> None:
    made = server()
    made("SADD", "s", "a", "b", "c")
    made("SET", "string", "x")
    made.engine.packing.pack_everything()
    assert made("TYPE", "s") == b"set"
    assert made("OBJECT", "ENCODING", "s") == b"listpack"
    assert made("EXISTS", "s") == 1
    assert made("EXPIRE", "s", "100") == 1
    assert made("PERSIST", "s") == 1
    assert made("RENAME", "s", "t") == b"OK"
    assert made("COPY", "t", "u") == 1
    dumped = made("DUMP", "t")
    made("RESTORE", "again", "0", dumped)
    assert form(made, b"t") is form(made, b"u") is PackedSet
    assert sorted(made("SMEMBERS", "again")) == [b"a", b"b", b"c"]
    assert made("MEMORY", "USAGE", "t") < 200


def test_a_packed_collection_is_no_string() -> None:
    made = server()
    made("HSET", "h", "f", "v")
    made.engine.packing.pack_everything()
    for command in ("GET h", "APPEND h x", "STRLEN h", "LPUSH h x", "GETRANGE h 0 1", "LCS h h"):
        assert isinstance(made(*command.split()), ErrorReply)
    assert made("MGET", "h") == [None]
    assert made("SORT", "list", "BY", "nosort", "GET", "h") == []
    assert form(made, b"h") is PackedHash


def test_info_and_doctor_tell_how_much_is_packed() -> None:
    made = server()
    for number in range(50):
        made("HSET", b"h:%d" % number, *(b"%d" % place for place in range(40)))
    made.engine.packing.pack_everything()
    fields = dict(line.split(":") for line in made("INFO", "packing").decode().split("\r\n") if ":" in line)
    assert fields["packed_values"] == "50"
    data = made.engine.databases[0].data
    assert int(fields["packed_bytes"]) == sum(map(value_size, data.values()))
    made("FLUSHALL")
    assert b"packed_values:0" in made("INFO", "packing")


def test_a_read_leaves_the_collection_packed_when_memory_is_tight() -> None:
    made = server()
    made("HSET", "h", *(b"%d" % place for place in range(80)))
    made("SADD", "s", "a", "b")
    made("CONFIG", "SET", "maxmemory", made.engine.usage.total() + (64 << 20))
    made.engine.packing.pack_everything()
    made.engine.state.memory_limit = made.engine.state.memory
    assert made("HGET", "h", "2") == b"3"
    assert form(made, b"h") is PackedHash
    made.engine.state.memory_limit = 64 << 20
    assert made("HGET", "h", "2") == b"3"
    assert form(made, b"h") is Hash


def test_the_account_follows_the_form() -> None:
    made = server(maxmemory=1 << 30)
    made.engine.eviction.apply()
    for number in range(20):
        made("HSET", b"h:%d" % number, *(b"value:%d" % place for place in range(100)))
    state = made.engine.state
    made.engine.usage.total()
    live = state.memory
    made.engine.packing.pack_everything()
    made.engine.usage.total()
    still = state.memory
    assert still < live / 3
    for number in range(20):
        made("HSET", b"h:%d" % number, "value:0", "value:1")
    made.engine.usage.total()
    assert abs(state.memory - live) < live / 20
    made("FLUSHALL")
    made.engine.usage.total()
    assert state.memory == 0


@with_arenas
def test_the_memory_of_what_was_packed_is_given_back() -> None:
    """Keys are allocated anew for that, which must change nothing that anybody sees."""
    made = server(maxmemory=1 << 30, maxmemory_policy="allkeys-lru")
    made.engine.eviction.apply()
    for number in range(300):
        made("SADD", b"s:%03d" % number, *(b"member:%d" % place for place in range(100)))
    made("EXPIRE", "s:007", "1000")
    made("DEL", "s:100")
    cursor, first = made("SCAN", "0", "COUNT", "100")
    db = made.engine.databases[0]
    keys, noted = list(db.data), dict(db.access_log.noted)
    for _ in renew_keys(db, []):
        pass
    assert sorted(db.data) == sorted(keys)
    assert db.access_log.noted == noted
    assert db.expires.keys() == {b"s:007"}
    seen = list(first)
    while int(cursor):
        cursor, more = made("SCAN", cursor, "COUNT", "100")
        seen += more
    assert sorted(seen) == sorted(keys)
    assert set(map(id, db.data)).isdisjoint(map(id, keys))
    # The dict and the wheel of expiry times have the same object.
    (volatile,) = db.expires
    assert [volatile] == db.expires[volatile].keys
    assert id(volatile) in set(map(id, db.data)) and db.expires[volatile].keys[0] is volatile
    assert 990 < made("TTL", "s:007") <= 1000
    assert {id(key) for block in (*db.order._blocks, db.order._tail) for key in block if key != b"s:100"} == set(
        map(id, db.data)
    )


@with_arenas
def test_passes_that_pack_much_together_renew_the_keys() -> None:
    made = server()
    for part in range(2):
        for number in range(800):
            made("RPUSH", b"l:%d:%03d" % (part, number), *(b"%b%04d" % (b"x" * 60, place) for place in range(60)))
        made("RPUSH", b"q:%d" % part, *(b"e%09d" % number for number in range(1000)))
        before = dict(made.engine.databases[0].data)
        look(made)
        look(made)
        finish(made)
    data = made.engine.databases[0].data
    assert all(value.__class__ in PACKED for value in data.values())
    assert set(map(id, before)).isdisjoint(map(id, data))
    # So are the objects of settled lists.
    assert data[b"q:0"] is not before[b"q:0"]
    assert made("LRANGE", "q:0", 0, -1) == made("LRANGE", "q:1", 0, -1)


@with_arenas
def test_a_pass_that_packs_much_renews_the_keys() -> None:
    made = server()
    wide = b"x" * 60
    for number in range(1500):
        made("SADD", b"s:%04d" % number, *(b"%b%d" % (wide, place) for place in range(60)))
    keys = list(made.engine.databases[0].data)
    before = set(map(id, keys))
    look(made)
    look(made)
    finish(made)
    data = made.engine.databases[0].data
    assert all(value.__class__ in PACKED for value in data.values())
    assert sorted(data) == keys
    assert before.isdisjoint(map(id, data))


def test_strings_of_small_integers_share_one_object() -> None:
    made = server(maxmemory=1 << 30)
    made.engine.eviction.apply()
    texts = (b"7", b"9999", b"007", b"0", b"-1", b"10000", b"12a")
    for number in range(3):
        for text in texts:
            made("SET", b"%d:%b" % (number, text), text)
    used = made.engine.usage.total()
    look(made)
    data = made.engine.databases[0].data
    for text in texts:
        values = [data[b"%d:%b" % (number, text)] for number in range(3)]
        assert values == [text] * 3
        if text in (b"7", b"9999", b"0"):
            assert all(value is SMALL_INTEGERS[int(text)] for value in values)
    assert made.engine.usage.total() <= used
    assert made("INCR", "0:9999") == 10000
    assert made("GET", "1:9999") == b"9999"
    made("FLUSHALL")
    made.engine.usage.total()
    assert made.engine.state.memory == 0


@with_arenas
def test_keys_with_an_expiry_stay_the_objects_that_eviction_has() -> None:
    made = server(maxmemory=1 << 30, maxmemory_policy="volatile-lru")
    made.engine.eviction.apply()
    made("SET", "volatile", "x", "EX", 1000)
    made("SET", "other", "x")
    db = made.engine.databases[0]
    before = {key: id(key) for key in db.data}
    held = list(db.data)
    assert not list(renew_keys(db, []))
    after = {key: id(key) for key in db.data}
    assert [key for key in held if after[key] == before[key]] == [b"volatile"]


@with_arenas
def test_keys_come_and_go_between_two_steps_of_a_renewal() -> None:
    made = ClusterNode(maxmemory=1 << 30, maxmemory_policy="allkeys-lru")
    made.give(made.state.myself, range(16384))
    made.engine.set_gate(IS_CLUSTER, False)
    made.engine.eviction.apply()
    for number in range(1500):
        made("SADD", b"s:%04d" % number, "1", "2")
    db = made.engine.databases[0]
    before = list(db.data)
    cursor, seen = made("SCAN", "0", "COUNT", "400")
    renewal = renew_keys(db, [])
    for steps in range(5):
        next(renewal)
        made("DEL", b"s:%04d" % (steps * 256), b"s:%04d" % (steps * 256 + 300))
        made("SADD", b"s:%04d" % (steps * 256), "3")
        made("EXPIRE", b"s:%04d" % (steps * 256 + 100), "1000")
        made("SET", b"t:%d" % steps, "new")
    for _ in renewal:
        pass  # the last block, and the old keys
    while int(cursor):
        cursor, more = made("SCAN", cursor, "COUNT", "400")
        seen += more
    assert len(seen) == len(set(seen))
    assert {b"s:%04d" % number for number in range(1500)} - set(seen) == {b"s:0300", b"s:0556", b"s:0812", b"s:1068"}
    keys = list(db.data)
    assert len(keys) == made("DBSIZE") == 1500 - 5 + 5
    assert {key for key in keys if id(key) in set(map(id, before))} <= db.expires.keys()
    assert db.access_log.noted.keys() == set(keys)
    objects = set(map(id, keys))
    assert {id(key) for keys in db.slots.sets if keys is not None for key in keys} == objects
    assert {id(key) for key in db.access_log.noted if key not in db.expires} <= objects
    ordered = [key for block in db.order.blocks() for key in block]
    assert sorted(ordered) == sorted(keys)
    # Keys that were added again have their old places in the order, with the old objects.
    assert {key for key in ordered if id(key) not in objects} == {b"s:%04d" % (256 * step) for step in range(5)}
    assert made("SISMEMBER", "s:0256", "3") == made("SCARD", "s:0256") == 1


@pytest.mark.parametrize("words", [("FLUSHALL",), ("SWAPDB", 0, 1)])
def test_a_renewal_ends_when_its_database_is_emptied_or_swapped(words: tuple[str, ...]) -> None:
    made = server()
    for number in range(700):
        made("SET", b"a:%d" % number, "1")
    steps = renew_keys(made.engine.databases[0], [])
    next(steps)
    made(*words)
    made("SET", "b", "2")
    db = made.engine.databases[0]
    (key,) = db.data
    assert not list(steps)
    assert key is next(iter(db.data))
    assert made("GET", "b") == b"2"
    assert made("DBSIZE") == 1


@pytest.mark.parametrize("words", [("FLUSHDB",), ("SWAPDB", 1, 2)])
def test_a_pass_goes_on_with_the_next_database_when_one_was_emptied_or_swapped(words: tuple[str | int, ...]) -> None:
    made = server()
    made("SADD", "s", "member")
    made("SELECT", 1)
    for number in range(100):
        made("SADD", b"s:%03d" % number, "member")
    look(made)
    packing = made.engine.packing
    packing._clocks = SlowClocks(made.engine)
    made.clock.advance(10)
    packing.tick(made.clock.seconds())
    made.clock.advance(0)  # a slice in database 1
    assert form(made, b"s") is not PackedSet
    made(*words)
    made.clock.advance(0.2)
    packing.tick(made.clock.seconds())
    made.clock.advance(0.2)
    assert form(made, b"s") is PackedSet


@with_arenas
def test_no_request_waits_for_a_whole_renewal() -> None:
    made = server()
    wide = b"x" * 60
    for number in range(1500):
        made("SADD", b"s:%04d" % number, *(b"%b%d" % (wide, place) for place in range(60)))
    held = list(made.engine.databases[0].data)  # so that nothing else gets their places
    keys = set(map(id, held))
    packing = made.engine.packing
    packing._clocks = SlowClocks(made.engine)
    look(made)
    made.clock.advance(10)
    packing.tick(made.clock.seconds())
    left = {len(keys)}
    for _ in range(30_000):
        if packing._returning is None and len(left) > 1:
            break
        made.clock.advance(0.003)
        left.add(len(keys.intersection(map(id, made.engine.databases[0].data))))
    assert 0 in left
    assert len(left) > 4  # some were new, and others were not yet


def test_a_stream_settles_and_goes_on_at_the_next_entry() -> None:
    made = server()
    for number in range(1, 8):
        made("XADD", "s", f"{number}-1", "field", f"value:{number}")
    made("XGROUP", "CREATE", "s", "g", "0")
    before = made("XRANGE", "s", "-", "+"), made("XINFO", "STREAM", "s"), made("DUMP", "s")
    look(made)
    look(made)
    assert form(made, b"s") is SettledStream
    assert made("DUMP", "s") == before[2]
    assert form(made, b"s") is SettledStream
    assert (made("XRANGE", "s", "-", "+"), made("XINFO", "STREAM", "s")) == before[:2]
    assert form(made, b"s") is Stream
    made("XADD", "s", "8-1", "field", "value:8")
    assert made("XLEN", "s") == 8
    assert len(made("XREADGROUP", "GROUP", "g", "me", "STREAMS", "s", ">")[0][1]) == 8
    # The clients that wait for entries are told of a stream that has settled, too.
    look(made)
    look(made)
    waiting = made.connect()
    assert waiting("XREAD", "BLOCK", 0, "STREAMS", "s", "$") == b""
    made("XADD", "s", "9-1", "field", "value:9")
    made.clock.advance(0)
    assert b"9-1" in waiting.read()


def test_a_quicklist_settles_and_goes_on_at_the_next_access() -> None:
    made = server()
    elements = [b"e%09d" % number for number in range(1000)]
    made("RPUSH", "l", *elements)
    before = made("DUMP", "l"), made("DEBUG", "DIGEST-VALUE", "l"), made("OBJECT", "ENCODING", "l"), made("TYPE", "l")
    look(made)
    assert form(made, b"l") is RestingList
    look(made)
    assert form(made, b"l") is SettledList
    seen = made("DUMP", "l"), made("DEBUG", "DIGEST-VALUE", "l"), made("OBJECT", "ENCODING", "l"), made("TYPE", "l")
    assert seen == before
    assert made("COPY", "l", "twin") == 1
    assert form(made, b"twin") is form(made, b"l") is SettledList
    assert made("MEMORY", "USAGE", "l") < 1.2 * 12 * 1000
    assert made("LINDEX", "l", 500) == elements[500]
    assert form(made, b"l") is List
    # Each kind of command finds all elements.
    calls: tuple[tuple[tuple[bytes | str | int, ...], Any], ...] = (
        (("LLEN", "l"), 1000),
        (("LPOS", "l", elements[700]), 700),
        (("LRANGE", "l", 300, 400), elements[300:401]),
        (("LSET", "l", -1, "last"), b"OK"),
        (("LPUSH", "l", "first"), 1001),
        (("LPOP", "l"), b"first"),
        (("RPOP", "l"), b"last"),
        (("LINSERT", "l", "AFTER", elements[1], "x"), 1000),
        (("LREM", "l", 0, "x"), 1),
        (("LMOVE", "l", "other", "LEFT", "RIGHT"), elements[0]),
        (("LTRIM", "l", 0, 99), b"OK"),
        (("SORT", "l", "ALPHA", "LIMIT", 0, 2), elements[1:3]),
    )
    for call, reply in calls:
        made.engine.packing.pack_everything()
        found = made(*call)
        assert (list(found) if isinstance(found, tuple) else found) == reply
    assert list(made("LRANGE", "l", 0, -1)) == elements[1:101]
    assert list(made("LRANGE", "twin", 0, -1)) == elements


def test_a_client_that_waits_gets_an_element_of_a_settled_list() -> None:
    made = server()
    waiting = made.connect()
    assert waiting("BLMOVE", "source", "target", "LEFT", "RIGHT", 0) == b""
    made("RPUSH", "target", *(b"e%09d" % number for number in range(1000)))
    made.engine.packing.pack_everything()
    made("RPUSH", "source", "new")
    made.clock.advance(0)
    assert b"new" in waiting.read()
    assert made("LINDEX", "target", -1) == b"new"


def test_a_read_leaves_a_list_settled_when_memory_is_tight() -> None:
    made = server()
    elements = [b"e%09d" % number for number in range(3000)]
    made("RPUSH", "l", *elements)
    made("CONFIG", "SET", "maxmemory", made.engine.usage.total() + (64 << 20))
    made.engine.packing.pack_everything()
    reads: tuple[tuple[tuple[bytes | str | int, ...], Any], ...] = (
        (("LINDEX", "l", -2), elements[-2]),
        (("LRANGE", "l", 10, 1000), tuple(elements[10:1001])),
        (("LPOS", "l", elements[77], "RANK", -1), 77),
    )
    for call, reply in reads:
        # The memory of the process that runs the tests does not matter here.
        made.engine.state.memory = made.engine.state.memory_limit = 1 << 20
        assert made(*call) == reply
        assert form(made, b"l") is SettledList
    made.engine.state.memory_limit = 1 << 30
    assert list(made("LRANGE", "l", 0, -1)) == elements
    assert form(made, b"l") is List


@pytest.mark.parametrize("idle", [10, 0])
def test_small_collections_of_a_file_are_packed_at_once(idle: int, tmp_path: Path) -> None:
    made = Server(pack_idle_seconds=idle, dir=str(tmp_path))
    calls: dict[bytes, tuple[bytes | str | int, ...]] = {
        b"h": ("HSET", "f", "v", "g", 7),
        b"s": ("SADD", "one", "two", "3"),
        b"i": ("SADD", 1, 2, 3),
        b"l": ("RPUSH", "one", 2),
        b"z": ("ZADD", 1.5, "one", 2, "two"),
        b"q": ("RPUSH", *(b"e%09d" % number for number in range(3000))),
    }
    for key, (name, *arguments) in calls.items():
        made(name, key, *arguments)
    made("SADD", "large", *range(1000, 1600))
    before = [made("DEBUG", "DIGEST-VALUE", key) for key in (*calls, b"large")]
    assert made("DEBUG", "RELOAD") == b"OK"
    assert [form(made, key) in PACKED for key in calls] == [idle > 0] * len(calls)
    assert form(made, b"large") not in PACKED
    assert [made("DEBUG", "DIGEST-VALUE", key) for key in (*calls, b"large")] == before


@from_sources_only
def test_no_pass_looks_at_keys_that_nobody_has_touched_since_the_last_one() -> None:
    made = server()
    made("SET", "string", "x")
    made("HSET", "h", "f", "v")
    for _ in range(3):
        look(made)  # rests, packs, finds nothing
    looked: list[int] = []
    scan = made.engine.databases[0].order.scan

    class Watched:
        """An order that notes when it is scanned."""

        def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
            looked.append(cursor)
            return scan(cursor, count)

    made.engine.databases[0].order = Watched()  # type: ignore[assignment]
    look(made)
    assert not looked
    made("HGET", "h", "f")
    look(made)
    assert looked


def test_keys_that_a_pass_had_to_leave_out_are_packed_later_without_any_access() -> None:
    made = server()
    made("HSET", "h", "f", "v")
    look(made)
    # A script begins after the pass has begun, and before that looks at the keys.
    made.clock.advance(10)
    made.engine.packing.tick(made.clock.seconds())
    made.engine.set_gate(IS_BUSY, True)
    for _ in range(50):
        made.clock.advance(0.2)
    made.engine.set_gate(IS_BUSY, False)
    assert form(made, b"h") is RestingHash
    look(made)
    assert form(made, b"h") is PackedHash


def test_a_pass_that_packs_much_ends_on_every_interpreter() -> None:
    made = server()
    for number in range(3000):
        made("RPUSH", b"list:%d" % number, *[b"element:%d" % place for place in range(100)])
    packing = made.engine.packing
    for _ in range(6000):
        made.clock.advance(0.01)
        packing.tick(made.clock.seconds())
    assert packing._walk is None
    assert packing._returning is None
    assert packing.count()[0] == 3000
