"""Keys of any type: deleting, renaming, copying, moving and finding them."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused
from tests.support.server import Server

NO_KEY = "ERR no such key"
SAME = "ERR source and destination objects are the same"
NO_DATABASE = "ERR DB index is out of range"
NO_INTEGER = "ERR value is not an integer or out of range"


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def refused(server: InProcess, *argv: str | int) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


@pytest.mark.parametrize("name", ["DEL", "UNLINK"])
def test_removing(server: InProcess, name: str) -> None:
    server("MSET", "a", 1, "b", 2, "c", 3)
    assert server(name, "a", "missing", "a") == 1
    assert server.events(name, "b", "c") == ["del b", "del c"]
    assert server.db.data == {}
    assert server.effects(name, "a") == []
    server("SET", "a", 1)
    assert server.effects(name, "a", "b") == [f"{name} a b"]


def test_removing_an_expired_key_counts_for_nothing(server: InProcess) -> None:
    server("SET", "a", 1, "PX", 1)
    server.clock.advance(0.01)
    assert server.effects("DEL", "a") == ["DEL a"]  # caused by the expiry
    server("SET", "a", 1, "PX", 1)
    server.clock.advance(0.01)
    assert server("DEL", "a") == 0


def test_counting_keys(server: InProcess) -> None:
    server("MSET", "a", 1, "b", 2)
    assert server("EXISTS", "a", "a", "none", "b") == 3
    assert server("TOUCH", "a", "none") == 1


def test_lookups_are_counted(server: InProcess) -> None:
    state = server.engine.state
    server("SET", "a", 1)
    before = state.hits, state.misses
    server("EXISTS", "a", "none")
    server("TOUCH", "a")
    server("TYPE", "none")
    server("TTL", "a")
    server("OBJECT", "ENCODING", "a")
    server("RENAME", "a", "b")
    assert (state.hits - before[0], state.misses - before[1]) == (4, 2)


def test_types(server: InProcess) -> None:
    server("SET", "string", 1)
    server("APPEND", "string", 1)
    server("SADD", "set", 1)
    assert [server("TYPE", key) for key in ("none", "string", "set")] == [b"none", b"string", b"set"]


# renaming


def test_renaming_takes_the_expiry_along(server: InProcess) -> None:
    server("SET", "a", 1, "EX", 10)
    assert server("RENAME", "a", "b") == b"OK"
    assert [server("TTL", "a"), server("TTL", "b")] == [-2, 10]
    server("SET", "c", 2)
    server("SETEX", "d", 100, 3)
    server("RENAME", "c", "d")
    assert [server("GET", "d"), server("TTL", "d")] == [b"2", -1]


def test_renaming_to_a_name_in_use(server: InProcess) -> None:
    server("MSET", "a", 1, "b", 2)
    assert server("RENAMENX", "a", "b") == 0
    assert server("RENAMENX", "a", "c") == 1
    assert server("MGET", "a", "b", "c") == [None, b"2", b"1"]


def test_renaming_to_itself(server: InProcess) -> None:
    server("SET", "a", 1)
    assert server.effects("RENAME", "a", "a") == []
    assert server("RENAME", "a", "a") == b"OK"
    assert server("RENAMENX", "a", "a") == 0
    for name in ("RENAME", "RENAMENX"):
        assert refused(server, name, "none", "none") == NO_KEY


def test_events_of_renaming(server: InProcess) -> None:
    server("MSET", "a", 1, "b", 2)
    assert server.events("RENAME", "a", "b") == ["new b", "rename_from a", "rename_to b"]
    assert server.dirty("RENAME", "b", "c") == 1
    assert server.effects("RENAMENX", "c", "d") == ["RENAMENX c d"]


# copying


def test_copies_are_independent(server: InProcess) -> None:
    server("SETRANGE", "a", 0, "abc")
    server("SADD", "set", 1)
    assert server("COPY", "a", "b") == 1
    server("INCRBYFLOAT", "float", "1.5")
    server("INCRBYFLOAT", "float", "0.5")
    assert server("COPY", "float", "float2") == 1  # a class of its own, although it is a string
    assert server("OBJECT", "ENCODING", "float2") == b"embstr"
    assert server("COPY", "set", "set2") == 1
    server("SETRANGE", "a", 0, "x")
    server("SADD", "set", 2)
    assert server("GET", "b") == b"abc"
    assert server("OBJECT", "ENCODING", "b") == b"raw"
    assert server("SCARD", "set2") == 1


def test_copying_over_a_key_needs_replace(server: InProcess) -> None:
    server("MSET", "a", 1, "b", 2)
    assert server("COPY", "a", "b") == 0
    server("EXPIRE", "a", 10)
    assert server("COPY", "a", "b", "replace") == 1
    assert [server("GET", "b"), server("TTL", "b")] == [b"1", 10]
    assert server.events("COPY", "a", "c") == ["new c", "copy_to c"]


def test_copying_to_another_database(server: InProcess) -> None:
    server("SET", "a", 1)
    assert server("COPY", "a", "a", "DB", 3) == 1
    assert server.engine.databases[3].data == {b"a": b"1"}
    assert refused(server, "COPY", "a", "a", "DB", 0) == SAME
    assert refused(server, "COPY", "a", "b", "DB", 16) == NO_DATABASE
    assert refused(server, "COPY", "a", "b", "DB", -1) == NO_DATABASE
    assert refused(server, "COPY", "a", "b", "DB", "x") == NO_INTEGER
    assert refused(server, "COPY", "a", "b", "DB") == "ERR syntax error"
    assert server("COPY", "none", "b", "REPLACE") == 0
    server.config.cluster_enabled = True
    error = "ERR Copying to another database is not allowed in cluster mode"
    assert refused(server, "COPY", "a", "a", "DB", 3) == error


# moving


def test_moving(server: InProcess) -> None:
    server("SET", "a", 1, "EX", 10)
    assert server.events("MOVE", "a", 3) == ["new a", "move_from a", "move_to a"]
    assert [len(server.engine.databases[index]) for index in (0, 3)] == [0, 1]
    assert server.engine.databases[3].wheel.times() == {b"a": server.engine.state.now + 10_000}
    server("SET", "a", 2)
    assert [server("MOVE", "a", 3), server("MOVE", "none", 3)] == [0, 0]
    assert refused(server, "MOVE", "a", 0) == SAME
    assert refused(server, "MOVE", "a", 16) == NO_DATABASE
    assert refused(server, "MOVE", "none", "x") == NO_INTEGER
    assert refused(server, "MOVE", "a", 2**40).startswith("ERR value is out of range")
    server.config.cluster_enabled = True
    assert refused(server, "MOVE", "a", 3) == "ERR MOVE is not allowed in cluster mode"


# finding


def test_keys_by_pattern(server: InProcess) -> None:
    server("MSET", "one", 1, "two", 2, "three", 3, "", 4)
    assert sorted(server("KEYS", "*")) == [b"", b"one", b"three", b"two"]
    assert sorted(server("KEYS", "t*")) == [b"three", b"two"]
    assert sorted(server("KEYS", "?*")) == [b"one", b"three", b"two"]
    assert list(server("KEYS", "")) == [b""]


def test_keys_passes_over_what_has_expired_and_leaves_it(server: InProcess) -> None:
    server("SET", "a", 1, "PX", 1)
    server("SET", "b", 1, "EX", 100)
    server.clock.advance(0.01)
    assert server.effects("KEYS", "*") == []
    assert list(server("KEYS", "*")) == [b"b"]
    assert len(server.db) == 2


def test_random_keys(server: InProcess) -> None:
    assert server("RANDOMKEY") is None
    server("MSET", "a", 1, "b", 2)
    server("SET", "gone", 1, "PX", 1)
    server.clock.advance(0.01)
    assert {server("RANDOMKEY") for _ in range(100)} == {b"a", b"b"}


# SCAN


def scan_all(server: InProcess, *options: str | int) -> list[bytes]:
    found: list[bytes] = []
    cursor: int | bytes = 0
    for _ in range(10_000):
        cursor, keys = server("SCAN", cursor, *options)
        found += keys
        if cursor == b"0":
            return found
    raise AssertionError("the scan does not end")


def test_a_scan_finds_every_key(server: InProcess) -> None:
    names = {f"key:{number}" for number in range(1000)}
    for name in names:
        server("SET", name, 1)
    server("SADD", "set", 1)
    expected = {name.encode() for name in names}
    assert set(scan_all(server)) == expected | {b"set"}
    assert set(scan_all(server, "COUNT", 300, "MATCH", "key:1?")) == {b"key:1%d" % n for n in range(10)}
    assert set(scan_all(server, "TYPE", "STRING")) == expected
    assert scan_all(server, "TYPE", "set", "MATCH", "*") == [b"set"]
    assert scan_all(server, "TYPE", "bogus") == []
    assert len(server("SCAN", 0, "COUNT", 5)[1]) <= 10


def test_a_scan_removes_what_has_expired(server: InProcess) -> None:
    server("MSET", "a", 1, "b", 2)
    server("PEXPIRE", "a", 1)
    server.clock.advance(0.01)
    assert server.effects("SCAN", 0, "MATCH", "b") == []
    assert server.effects("SCAN", 0, "MATCH", "a") == ["DEL a"]
    assert scan_all(server) == [b"b"]


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["x"], "ERR invalid cursor"),
        (["-1"], "ERR invalid cursor"),
        (["18446744073709551616"], "ERR invalid cursor"),
        (["0", "COUNT"], "ERR syntax error"),
        (["0", "COUNT", "0"], "ERR syntax error"),
        (["0", "COUNT", "x", "bogus"], NO_INTEGER),
        (["0", "MATCH"], "ERR syntax error"),
        (["0", "bogus", "1"], "ERR syntax error"),
        (["0", "NOVALUES"], "ERR NOVALUES option can only be used in HSCAN"),
    ],
)
def test_wrong_scans(server: InProcess, argv: list[str], error: str) -> None:
    assert refused(server, "SCAN", *argv) == error


# OBJECT


def test_object(server: InProcess) -> None:
    server("MSET", "int", 9999, "big", 10000, "str", "a")
    server("APPEND", "int2", 1)
    server("SADD", "set", 1)
    assert [server("OBJECT", "ENCODING", key) for key in ("int", "str", "set", "none")] == [
        b"int",
        b"embstr",
        b"intset",
        None,
    ]
    assert [server("OBJECT", "REFCOUNT", key) for key in ("int", "big", "str", "set", "none")] == [
        1,
        1,
        1,
        1,
        None,
    ]
    assert server("OBJECT", "HELP")[0].startswith(b"OBJECT <subcommand>")
    assert refused(server, "OBJECT", "BOGUS", "int").startswith("ERR unknown subcommand 'BOGUS'")


def test_idle_time(server: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    server("SET", "a", 1)
    monkeypatch.setattr(server.engine.eviction, "idle_seconds", lambda db, key: 7 if key == b"a" else 0)
    assert [server("OBJECT", "IDLETIME", key) for key in ("a", "none")] == [7, None]
    server.config.maxmemory_policy = "allkeys-lfu"
    assert refused(server, "OBJECT", "IDLETIME", "a").startswith("ERR An LFU maxmemory policy is selected")
    assert server("OBJECT", "IDLETIME", "none") is None


def test_hashes_take_the_times_of_their_fields_along(server: InProcess) -> None:
    server("HSET", "a", "f", "v", "g", "w")
    server("HPEXPIRE", "a", 1000, "FIELDS", 1, "f")
    server("RENAME", "a", "b")
    server("COPY", "b", "c")
    server("MOVE", "c", 1)
    assert [len(server.engine.databases[index].field_wheel) for index in (0, 1)] == [1, 1]
    server.advance(2)
    assert list(server("HGETALL", "b")) == [b"g", b"w"]
    assert len(server.db.field_wheel) == 0


def test_a_client_that_does_not_touch_touches_by_touch_alone() -> None:
    server = Server()
    server("SET", "k", "v")
    server("OBJECT", "IDLETIME", "k")
    server.clock.advance(10)
    server("CLIENT", "NO-TOUCH", "ON")
    server("GET", "k")
    server("EVAL", "return redis.call('get', 'k')", 0)
    assert server("OBJECT", "IDLETIME", "k") == 10
    server("EVAL", "return redis.call('touch', 'k')", 0)
    assert server("OBJECT", "IDLETIME", "k") == 0
