"""The calls that count as an access to a key."""

from __future__ import annotations

import pytest

from tests.support.server import Server
from twisted_redis.keyspace.access import AccessCounts, AccessLog, AccessTimes
from twisted_redis.keyspace.state import KeyspaceState

LOOKS: list[tuple[str | int, ...]] = [
    ("TTL", "k"),
    ("PTTL", "k"),
    ("EXPIRETIME", "k"),
    ("PEXPIRETIME", "k"),
    ("TYPE", "k"),
    ("EXISTS", "k"),
    ("SCAN", 0, "TYPE", "string"),
    ("OBJECT", "ENCODING", "k"),
    ("OBJECT", "REFCOUNT", "k"),
]


def test_the_time_of_an_access_does_not_move() -> None:
    server = Server()
    server("SET", "k", "v")
    places = set()
    for _ in range(20):
        server.advance(0.3)
        found = dict(pair.split(":") for pair in server("DEBUG", "OBJECT", "k").decode().split()[2:])
        places.add(found["lru"])
        assert int(found["lru_seconds_idle"]) == server("OBJECT", "IDLETIME", "k")
    assert len(places) == 1, "the time does not depend on the fraction of the second at which it is asked for"


@pytest.mark.parametrize("argv", LOOKS)
def test_looking_at_a_key_is_a_hit_and_no_use(argv: tuple[str | int, ...]) -> None:
    server = Server()
    server("SET", "k", "v")
    assert server("OBJECT", "IDLETIME", "k") == 0
    server.advance(5)
    before = server.engine.state.hits
    server(*argv)
    assert server.engine.state.hits == before + 1
    assert server("OBJECT", "IDLETIME", "k") == 5
    server("GET", "k")
    assert server("OBJECT", "IDLETIME", "k") == 0


CHANGES: list[tuple[str | int, ...]] = [
    ("SET", "k", "w"),
    ("APPEND", "k", "w"),
    ("EXPIRE", "k", 100),
    ("SETRANGE", "k", 0, "w"),
]
NO_CHANGES: list[tuple[str | int, ...]] = [
    ("GET", "k"),
    ("TOUCH", "k"),
    ("PERSIST", "k"),
    ("SET", "k", "w", "NX"),
    ("SETRANGE", "k", 0, ""),
]


@pytest.mark.parametrize(
    ("argv", "idle"), [*((argv, 0) for argv in CHANGES), *((argv, 5) for argv in NO_CHANGES)], ids=str
)
@pytest.mark.parametrize("policy", ["allkeys-lrm", "volatile-lrm"])
def test_only_changes_count_for_the_least_recently_modified(
    policy: str, argv: tuple[str | int, ...], idle: int
) -> None:
    server = Server()
    server("CONFIG", "SET", "maxmemory-policy", policy)
    server("SET", "k", "v")
    server.advance(5)
    server(*argv)
    assert server("OBJECT", "IDLETIME", "k") == idle
    server("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.advance(5)
    server("GET", "k")
    assert server("OBJECT", "IDLETIME", "k") == 0
    assert not server.engine.effects.observed


@pytest.mark.parametrize(
    "argv",
    [("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"), ("XCLAIM", "s", "g", "d", 0, "1-1")],
)
def test_what_a_group_reads_modifies_its_stream(argv: tuple[str | int, ...]) -> None:
    server = Server(maxmemory_policy="allkeys-lrm")
    server("XADD", "s", "1-1", "f", "v")
    server("XADD", "s", "2-1", "f", "v")
    server("XGROUP", "CREATE", "s", "g", 0)
    server("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "STREAMS", "s", ">")
    server.advance(5)
    server("XREAD", "STREAMS", "s", 0)
    assert server("OBJECT", "IDLETIME", "s") == 5
    server(*argv)
    assert server("OBJECT", "IDLETIME", "s") == 0


@pytest.mark.parametrize("argv", LOOKS)
def test_looking_at_a_key_does_not_raise_its_frequency(argv: tuple[str | int, ...]) -> None:
    server = Server()
    server("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    server("SET", "k", "v")
    for _ in range(3):
        server(*argv)
    assert server("OBJECT", "FREQ", "k") == 5
    server("GET", "k")
    assert server("OBJECT", "FREQ", "k") == 6


def test_object_causes_no_miss_event() -> None:
    server = Server()
    server("CONFIG", "SET", "notify-keyspace-events", "Em")
    client = server.connect()
    client("SUBSCRIBE", "__keyevent@0__:keymiss")
    misses = server.engine.state.misses
    server("OBJECT", "ENCODING", "none")
    assert server.engine.state.misses == misses + 1
    assert client.read() == b""
    server("TTL", "none")
    assert client.read().endswith(b"none\r\n")


def test_moving_a_member_uses_both_sets() -> None:
    server = Server()
    server("SADD", "to", "m")
    assert server("OBJECT", "IDLETIME", "to") == 0
    server.advance(5)
    assert server("SMOVE", "none", "to", "m") == 0
    assert server("OBJECT", "IDLETIME", "to") == 0


def tick(server: Server) -> None:
    """The periodic work."""
    server.engine.eviction.last_use.look()


@pytest.mark.parametrize("argv", [*LOOKS[:-2], ("PING",), ("KEYS", "*")])
def test_the_first_question_knows_since_when_nothing_was_used(argv: tuple[str | int, ...]) -> None:
    server = Server()
    server("SET", "k", "v")
    server.advance(1)
    tick(server)
    server.advance(5)
    server(*argv)
    tick(server)
    server.advance(1)
    assert server("OBJECT", "IDLETIME", "k") == 6


@pytest.mark.parametrize(
    "argv", [("GET", "other"), ("TOUCH", "other"), ("EVAL", "return redis.call('GET', 'other')", 0)]
)
def test_and_claims_no_more_than_it_knows(argv: tuple[str | int, ...]) -> None:
    server = Server()
    server("SET", "k", "v")
    tick(server)
    server.advance(5)
    server(*argv)
    server.advance(1)
    assert server("OBJECT", "IDLETIME", "k") <= 1


def test_a_database_that_was_emptied_meanwhile() -> None:
    server = Server()
    tick(server)
    server.advance(5)
    server("FLUSHALL")
    server("DEBUG", "POPULATE", 1)
    server.advance(1)
    assert server("OBJECT", "IDLETIME", "key:0") <= 1


def many(log: AccessLog, count: int) -> list[bytes]:
    keys = [b"key:%d" % number for number in range(count)]
    for key in keys:
        log.add(key)
    return keys


def test_many_times_in_a_sketch() -> None:
    state = KeyspaceState()
    state.now = 1_700_000_000_000
    log = AccessTimes(state, state.now - 5000)
    old = many(log, 40_000)
    before = log.memory()
    state.now += 60_000
    for key in old[:20_000]:
        log.touch(key)
    log.fit(40_000)
    assert not log.exact and log.memory() < before / 2
    state.now += 60_000
    for key in old[:100]:
        log.touch(key)
    times = log.times(old)
    assert all(0 <= state.now - time < 200 for time in times[:100])
    # A key that shares its slot seems younger, never older.
    assert all(state.now - time <= 60_200 for time in times[100:20_000])
    assert sum(state.now - time >= 59_800 for time in times[100:20_000]) > 19_800
    right = sum(state.now - time >= 119_800 for time in times[20_000:])
    assert 12_000 < right < 20_000
    log.fit(100_000)
    assert log.times(old) == times, "more slots change nothing"
    log.discard(old[0])
    log.noted[old[0]] = 0
    assert state.now - log.times([old[0]])[0] > 8 * 365 * 86_400_000


def test_many_counts_in_a_sketch() -> None:
    state = KeyspaceState()
    state.now = 1_700_000_000_000
    log = AccessCounts(state, state.now)
    keys = many(log, 20_000)
    for key in keys[:50]:
        log.set(key, 200)
    log.fit(20_000)
    assert not log.exact
    assert log.frequencies(keys[:50]) == [200] * 50
    for number in range(20_000):
        log.add(b"other:%d" % number)
    assert log.frequencies(keys[:50]) == [200] * 50, "new keys do not make others seem rare"
    assert sum(count == 5 for count in log.frequencies(keys[50:])) > 19_500
    log.touch(keys[0])
    assert log.frequencies(keys[:1])[0] >= 200


def test_few_keys_have_an_exact_log() -> None:
    log = AccessTimes(KeyspaceState(), 0)
    many(log, 1000)
    log.fit(1000)
    assert log.exact
