"""Staying within ``maxmemory``: which keys are evicted, when, and which events and effects follow."""

from __future__ import annotations

import pytest

from tests.support.server import Connection, Server, encode
from twisted_redis.engine.ports.replication import NoReplication
from twisted_redis.keyspace import account
from twisted_redis.keyspace.access import AccessCounts, AccessTimes
from twisted_redis.resp.types import ErrorReply

OOM = b"OOM command not allowed when used memory > 'maxmemory'."


def limited(policy: str, room: int = 100_000, **directives: object) -> Server:
    """A server with ``room`` bytes for data."""
    server = Server(**directives)
    used = server.engine.usage.total()
    server("CONFIG", "SET", "maxmemory", used + room, "maxmemory-policy", policy)
    return server


def used(server: Server) -> int:
    return server.engine.usage.total()


def fill(server: Server, count: int, size: int = 100, *options: str | int) -> None:
    for number in range(count):
        reply = server("SET", f"key:{number}", "x" * size, *options)
        assert not isinstance(reply, ErrorReply), reply


def test_without_a_limit_nothing_is_kept() -> None:
    server = Server()
    fill(server, 10)
    for db in server.engine.databases:
        assert db.access_log is None and db.account is None
        assert db.quick_reads is db.data and db.quick_writes is db.data


def test_no_eviction_refuses() -> None:
    server = limited("noeviction")
    with pytest.raises(AssertionError, match="OOM"):
        fill(server, 1000)
    assert server("SET", "one", "more") == ErrorReply(OOM)
    assert server("GET", "key:0") == b"x" * 100
    assert server("DEL", "key:0", "key:1", "key:2") == 3
    assert server("SET", "one", "more") == b"OK"
    assert server.engine.stats.evicted_keys == 0


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-lrm", "allkeys-random"])
def test_the_limit_is_kept(policy: str) -> None:
    server = limited(policy)
    limit = server.config.maxmemory
    fill(server, 2000)
    server.engine.eviction.measure()
    assert limit - 2000 < used(server) < limit + 1000
    assert 300 < len(server.engine.databases[0]) < 700
    assert server.engine.stats.evicted_keys == 2000 - len(server.engine.databases[0])
    # The memory account matches the data.
    db = server.engine.databases[0]
    assert db.account is not None and db.account.memory == account.estimate(db, sample=10_000)


@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"])
def test_only_volatile_keys_go(policy: str) -> None:
    server = limited(policy)
    for number in range(200):
        server("SET", f"stays:{number}", "x" * 100)
    for number in range(1000):
        server("SET", f"goes:{number}", "x" * 100, "EX", 1000)
    assert server("EXISTS", *[f"stays:{number}" for number in range(200)]) == 200
    assert server.engine.stats.evicted_keys > 500
    for number in range(2000):
        server("SET", f"stays:{number}", "x" * 100)
    assert server("SET", "one", "more") == ErrorReply(OOM)
    assert not server.engine.databases[0].expires


def test_the_oldest_go_first() -> None:
    server = limited("allkeys-lru", maxmemory_samples=20)
    for number in range(300):
        server.clock.advance(0.001)
        server("SET", f"old:{number}", "x" * 100)
    for number in range(150):
        server.clock.advance(0.001)
        server("GET", f"old:{number}")
    number = 0
    while server.engine.stats.evicted_keys < 100:
        server.clock.advance(0.001)
        server("SET", f"new:{number}", "x" * 100)
        number += 1
    kept = server("EXISTS", *[f"old:{number}" for number in range(150)])
    assert isinstance(kept, int) and kept > 140


def test_the_rarest_go_first() -> None:
    server = limited("allkeys-lfu", maxmemory_samples=20, lfu_log_factor=1)
    for number in range(300):
        server("SET", f"old:{number}", "x" * 100)
    for number in range(150):
        for _ in range(30):
            server("GET", f"old:{number}")
    for number in range(2000):
        server("SET", f"new:{number}", "x" * 100)
    kept = server("EXISTS", *[f"old:{number}" for number in range(150)])
    assert isinstance(kept, int) and kept > 145


def test_the_nearest_go_first() -> None:
    server = limited("volatile-ttl", maxmemory_samples=20)
    for number in range(200):
        server("SET", f"key:{number}", "x" * 100, "EX", 1000 + number)
    while server.engine.stats.evicted_keys < 50:
        server("RPUSH", "list", *["x" * 100] * 5)
        server.engine.eviction.measure()
    kept = server("EXISTS", *[f"key:{number}" for number in range(100, 200)])
    assert isinstance(kept, int) and kept > 95


def test_events_and_effects_of_an_eviction() -> None:
    server = limited("allkeys-random", room=2000)
    recorder = server.record()
    published: list[tuple[bytes, bytes]] = []
    server.engine.pubsub.publish = lambda channel, message: published.append((channel, message)) or 0  # type: ignore[func-returns-value]
    server("CONFIG", "SET", "notify-keyspace-events", "Ee")
    fill(server, 20)
    evicted = [argv[1] for argv in recorder.take() if argv[0] == b"DEL"]
    assert len(evicted) == server.engine.stats.evicted_keys > 5
    assert [message for channel, message in published if channel == b"__keyevent@0__:evicted"] == evicted


def test_watched_keys_count_as_changed() -> None:
    server = limited("allkeys-random")
    fill(server, 3)
    other = server.connect()
    other("WATCH", "key:1")
    server("CONFIG", "SET", "maxmemory", "1")
    server.advance(0)
    assert len(server.engine.databases[0]) == 0
    other("MULTI")
    other("PING")
    assert other("EXEC") == b"*-1\r\n"


def test_a_lower_limit_is_reached_without_commands() -> None:
    server = limited("allkeys-random", room=10_000_000)
    fill(server, 5000)
    before = len(server.engine.databases[0])
    slices: list[int] = []
    make_room = server.engine.eviction.make_room

    def noted() -> bool:
        slices.append(len(server.engine.databases[0]))
        return make_room()

    server.engine.eviction.make_room = noted  # type: ignore[method-assign]
    server("CONFIG", "SET", "maxmemory", used(server) - 500_000)
    assert len(server.engine.databases[0]) == before
    server.advance(0)
    assert used(server) <= server.config.maxmemory
    assert len(slices) > 1  # not all at once
    assert len(server.engine.databases[0]) < before


def test_nothing_is_evicted_inside_of_a_transaction() -> None:
    server = limited("allkeys-lru", room=1_000_000)
    recorder = server.record()
    connection = server.connect()
    connection("MULTI")
    connection("INCR", "x")
    connection("CONFIG", "SET", "maxmemory", "1")
    connection("INCR", "x")
    assert connection("EXEC") == b"*3\r\n:1\r\n+OK\r\n:2\r\n"
    server.advance(0)
    assert [[effect.argv[0] for effect in unit] for unit in recorder.units] == [[b"INCR", b"INCR"], [b"DEL"]]


class Replica(NoReplication):
    is_replica = True


def test_a_replica_leaves_it_to_its_master() -> None:
    server = limited("allkeys-lru", room=1000)
    server.engine.replication = Replica()
    fill(server, 100)
    assert len(server.engine.databases[0]) == 100
    server("CONFIG", "SET", "replica-ignore-maxmemory", "no")
    fill(server, 100)
    assert len(server.engine.databases[0]) < 20


def test_collections_are_accounted_for() -> None:
    server = limited("allkeys-random", room=1_000_000_000)
    empty = used(server)
    server("RPUSH", "list", *["x" * 50] * 1000)
    server("HSET", "hash", *[part for number in range(1000) for part in (number, "x" * 50)])
    server("SADD", "set", *[f"member:{number}" for number in range(1000)])
    server("ZADD", "zset", *[part for number in range(1000) for part in (number, f"member:{number}")])
    server("XADD", "stream", "*", "field", "x" * 1000)
    server("SETRANGE", "string", 10_000, "x")
    db = server.engine.databases[0]
    grown = used(server) - empty
    assert abs(grown - account.estimate(db)) < grown // 20
    server("LPOP", "list", 900)
    server("SREM", "set", *[f"member:{number}" for number in range(900)])
    shrunk = used(server) - empty
    assert shrunk < grown - 100_000
    server("COPY", "hash", "hash2")
    server("RENAME", "zset", "zset2")
    server("SWAPDB", 0, 1)
    assert used(server) > empty + shrunk
    for key in ("list", "hash", "set", "zset2", "hash2", "string", "stream"):
        server("SELECT", 1)
        assert server("DEL", key) == 1
    assert abs(used(server) - empty) < 50


def test_one_unusual_item_does_not_stand_for_all() -> None:
    server = limited("allkeys-random", room=1_000_000_000)
    server("RPUSH", "list", *["x" * 20] * 10_000)
    before = used(server)
    server("LPUSH", "list", "x" * 10_000)
    assert used(server) < before + 20_000


def test_client_memory_counts() -> None:
    server = limited("allkeys-random", room=300_000)
    fill(server, 500)
    assert server.engine.stats.evicted_keys == 0
    connection = server.connect()
    connection.protocol.dataReceived(b"*2\r\n$3\r\nGET\r\n$1000000\r\n" + b"x" * 250_000)
    server.engine.eviction.measure()
    server("PING")
    server.advance(0)
    assert server.engine.stats.evicted_keys > 100


def test_requests_in_parts_count_before_the_periodic_work_comes() -> None:
    server = limited("allkeys-random", room=300_000)
    fill(server, 500)
    server.engine.eviction.measure()
    now = server.engine.clock_ns() + 10**12
    server.engine.clock_ns = lambda: now
    for _ in range(10):
        connection = server.connect()
        connection.protocol.dataReceived(b"*100\r\n")
        for _ in range(90):
            now += 10**9
            connection.protocol.dataReceived(b"$1000\r\n" + b"x" * 1000 + b"\r\n")
    server("PING")
    assert server.engine.stats.evicted_keys > 100


def test_policies_choose_what_is_noted() -> None:
    server = Server()
    server("SET", "key", "value")
    for policy, cls in (
        ("allkeys-lru", AccessTimes),
        ("volatile-lfu", AccessCounts),
        ("volatile-lru", AccessTimes),
    ):
        for limit in (0, 1 << 30):
            server("CONFIG", "SET", "maxmemory-policy", policy, "maxmemory", limit)
            db = server.engine.databases[0]
            assert isinstance(db.access_log, cls)
            assert (db.account is not None) == bool(limit)
            assert server("GET", "key") == b"value"
    server("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", 0)
    db = server.engine.databases[0]
    assert db.access_log is None and db.account is None and db.quick_writes is db.data


def test_frequency() -> None:
    server = Server()
    assert isinstance(server("OBJECT", "FREQ", "none"), type(None))
    server("SET", "key", "value")
    assert isinstance(server("OBJECT", "FREQ", "key"), ErrorReply)
    server("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu", "lfu-log-factor", 0)
    assert isinstance(server("OBJECT", "IDLETIME", "key"), ErrorReply)
    server("SET", "new", "value")
    assert server("OBJECT", "FREQ", "new") == 5
    for _ in range(10):
        server("GET", "new")
    assert server("OBJECT", "FREQ", "new") == 15
    server.advance(180)
    assert server("OBJECT", "FREQ", "new") == 12
    dumped = server("DUMP", "new")
    assert isinstance(dumped, bytes)
    server("RESTORE", "copy", 0, dumped, "FREQ", 100)
    assert server("OBJECT", "FREQ", "copy") == 100
    server("CONFIG", "SET", "lfu-decay-time", 0)
    server.advance(10_000)
    assert server("OBJECT", "FREQ", "copy") == 100
    for _ in range(300):
        server("TOUCH", "copy")
    assert server("OBJECT", "FREQ", "copy") == 255


def test_a_script_may_exceed_the_limit_where_there_is_something_to_be_evicted() -> None:
    pytest.importorskip("lupa")
    server = limited("allkeys-lru")
    fill(server, 2000)
    script = "for i = 1, 100 do redis.call('SET', 'script:' .. i, string.rep('x', 100)) end return 1"
    assert server("EVAL", script, 0) == 1
    assert server("EVAL", script, 0) == 1
    server("CONFIG", "SET", "maxmemory-policy", "noeviction")
    while not isinstance(server("SET", f"more:{server.engine.effects.dirty}", "x" * 100), ErrorReply):
        pass
    reply = server("EVAL", script, 0)
    assert isinstance(reply, ErrorReply) and OOM[4:] in reply


def in_pieces(connection: Connection, *arguments: bytes | str) -> bytes:
    """Sends a request in pieces, as they arrive over a network."""
    data = encode(*arguments)
    return b"".join(connection.send(data[at : at + 60_000]) for at in range(0, len(data), 60_000))


@pytest.mark.parametrize("is_measured_again", [False, True])
@pytest.mark.parametrize("request_", [("SET", "key"), ("SUBSCRIBE",), ("PSUBSCRIBE",), ("SSUBSCRIBE",)])
def test_a_large_request_counts_until_its_end(is_measured_again: bool, request_: tuple[str, ...]) -> None:
    server = Server()
    server.engine.clock_ns = lambda: 0  # too early to measure clients again, unless the limit may be exceeded
    eviction = server.engine.eviction
    make_room = eviction.make_room

    def later() -> bool:
        if is_measured_again:
            eviction.measure()
        return make_room()

    eviction.make_room = later  # type: ignore[method-assign]
    connection = server.connect()
    server("CONFIG", "SET", "maxmemory", 3_000_000)
    connection("SET", "small", "value")
    assert in_pieces(connection, *request_, b"x" * 3_000_000) == b"-%b\r\n" % OOM
    eviction.measure()
    assert connection("SET", "small", "value") == b"+OK\r\n"
