"""The effects of a command on AOF and replicas, events and statistics."""

from __future__ import annotations

import pytest

from tests.support.server import Server
from twisted_redis.engine.gates import NOT_EXECUTED
from twisted_redis.engine.propagation import Effect


@pytest.fixture
def server() -> Server:
    return Server()


def test_a_command_that_changes_nothing_has_no_effect(server: Server) -> None:
    record = server.record()
    server("SET", "a", "1")
    for argv in (
        ("GET", "a"),
        ("DEL", "nothing"),
        ("SETNX", "a", "2"),
        ("EXPIRE", "nothing", "5"),
        ("NOSUCH",),
        ("INCR",),
    ):
        server(*argv)
    assert record.take() == [[b"SET", b"a", b"1"]]


def test_a_transaction_is_one_unit(server: Server) -> None:
    record = server.record()
    for argv in (("MULTI",), ("SET", "a", "1"), ("GET", "a"), ("SELECT", "3"), ("INCR", "b"), ("EXEC",)):
        server(*argv)
    assert record.units == [[Effect(0, [b"SET", b"a", b"1"]), Effect(3, [b"INCR", b"b"])]]


def test_a_command_in_other_words(server: Server) -> None:
    record = server.record()
    server("SET", "a", "1", "EX", "100")
    server("INCRBYFLOAT", "f", "0.5")
    server("EXPIRE", "a", "50")
    now = server.engine.state.now
    assert record.take() == [
        [b"SET", b"a", b"1", b"PXAT", b"%d" % (now + 100_000)],
        [b"SET", b"f", b"0.5", b"KEEPTTL"],
        [b"PEXPIREAT", b"a", b"%d" % (now + 50_000)],
    ]


def test_expiry_by_access_is_an_effect_before_the_command(server: Server) -> None:
    record = server.record()
    server("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    server("SET", "a", "1", "PX", "10")
    server.clock.advance(1)
    record.take()
    server("GET", "a")
    assert record.take() == [[b"DEL", b"a"]]
    server("SET", "b", "1", "PX", "10")
    server.clock.advance(1)
    record.units = []
    server("APPEND", "b", "x")
    assert record.units == [[Effect(0, [b"DEL", b"b"]), Effect(0, [b"APPEND", b"b", b"x"])]]


def test_active_expiry_removes_each_key_as_a_unit(server: Server) -> None:
    server("MSET", "a", "1", "b", "2", "c", "3")
    server("PEXPIRE", "a", "10")
    server("PEXPIRE", "b", "10")
    record = server.record()
    server.advance(1)
    assert sorted(record.units) == [[Effect(0, [b"DEL", b"a"])], [Effect(0, [b"DEL", b"b"])]]
    assert server.engine.stats.expired_keys == 2
    assert server("DBSIZE") == 1


def test_a_blocked_pop_propagates_as_the_pop_it_became(server: Server) -> None:
    client = server.connect()
    client("BLPOP", "l", "0")
    record = server.record()
    server("RPUSH", "l", "x")
    assert record.units == [[Effect(0, [b"RPUSH", b"l", b"x"])], [Effect(0, [b"LPOP", b"l"])]]


def test_flushing_always_propagates(server: Server) -> None:
    record = server.record()
    server("FLUSHALL")
    server("SELECT", "2")
    server("FLUSHDB")
    server("SWAPDB", "0", "1")
    assert [effect for unit in record.units for effect in unit] == [
        Effect(0, [b"FLUSHALL"]),
        Effect(2, [b"FLUSHDB"]),
        Effect(2, [b"SWAPDB", b"0", b"1"]),
    ]


def test_events_are_published_by_class(server: Server) -> None:
    told: list[tuple[bytes, bytes]] = []
    server.engine.pubsub.publish = lambda channel, message: told.append((channel, message)) or 0  # type: ignore[func-returns-value]
    server("SET", "a", "1")
    assert told == []
    server("CONFIG", "SET", "notify-keyspace-events", "KEA")
    server("SET", "a", "1")
    assert told == [(b"__keyspace@0__:a", b"set"), (b"__keyevent@0__:set", b"a")]
    told.clear()
    server("CONFIG", "SET", "notify-keyspace-events", "Eg")
    server("SET", "a", "1")
    server("DEL", "a")
    assert told == [(b"__keyevent@0__:del", b"a")]
    told.clear()
    server("CONFIG", "SET", "notify-keyspace-events", "Kx")
    server("SET", "b", "1", "PX", "1")
    server.advance(1)
    assert told == [(b"__keyspace@0__:b", b"expired")]


def test_without_listeners_a_change_costs_nothing(server: Server) -> None:
    assert not server.engine.effects.observed
    record = server.record()
    assert server.engine.effects.observed
    server.engine.effects.remove_sink(record)
    assert not server.engine.effects.observed


def test_statistics_of_commands(server: Server) -> None:
    client = server.connect()
    client("SET", "a", "x")
    client("GET", "a")
    client("INCR", "a")
    client("GET")
    client("MULTI")
    client("GET", "a")
    client("EXEC")
    text = server("INFO", "commandstats").decode()
    assert "cmdstat_set:calls=1," in text
    get = next(line for line in text.splitlines() if line.startswith("cmdstat_get:"))
    assert get.startswith("cmdstat_get:calls=2,")
    assert get.endswith("rejected_calls=1,failed_calls=0")
    assert next(line for line in text.splitlines() if "cmdstat_incr:" in line).endswith("failed_calls=1")
    assert "errorstat_ERR:count=2" in server("INFO", "errorstats").decode()
    server("CONFIG", "RESETSTAT")
    assert "cmdstat_set" not in server("INFO", "commandstats").decode()


def test_calls_within_the_process_are_counted(server: Server) -> None:
    server("SET", "a", "x")
    assert "cmdstat_set:calls=1," in server("INFO", "commandstats").decode()


def test_requests_that_are_not_executed_leave_nothing_behind(server: Server) -> None:
    client = server.connect()
    client("MULTI")
    for _ in range(5):
        client("NOSUCH")
        client("GET", "a")
    assert not NOT_EXECUTED.samples


def test_rename_command() -> None:
    server = Server()
    server.engine.commands.rename("GET", "FETCH")
    server.engine.commands.rename("FLUSHALL", "")
    assert server("SET", "a", "1") == b"OK"
    assert server("FETCH", "a") == b"1"
    assert server("fetch", "a") == b"1"
    assert server("GET", "a").startswith(b"ERR unknown command 'GET'")
    assert server("FLUSHALL").startswith(b"ERR unknown command 'FLUSHALL'")
    with pytest.raises(KeyError):
        server.engine.commands.rename("NOSUCH", "X")


def test_a_client_that_does_not_touch(server: Server) -> None:
    server("SET", "a", "1")
    assert server("OBJECT", "IDLETIME", "a") == 0
    server.clock.advance(10)
    client = server.connect()
    client("CLIENT", "NO-TOUCH", "ON")
    client("GET", "a")
    assert client("OBJECT", "IDLETIME", "a") == b":10\r\n"
    client("TOUCH", "a")
    assert client("OBJECT", "IDLETIME", "a") == b":0\r\n"
