"""Keyspace events of values that are replaced, and of hashes with their fields.

Redis 8.8.0 supplied the events and their order.
"""

from __future__ import annotations

import pytest

from tests.support.server import Server

ALL = "KEAnoc"


class Listener:
    """A client that subscribes to channels of events."""

    def __init__(self, server: Server, pattern: str) -> None:
        self._server = server
        self._connection = server.connect()
        self._connection("PSUBSCRIBE", pattern)

    def messages(self) -> list[tuple[str, str]]:
        """Returns the channels and texts of all messages since the last call."""
        lines = self._connection.read().decode().split("\r\n")
        return [(lines[at + 6], lines[at + 8]) for at in range(0, len(lines) - 8, 9)]

    def __call__(self, *argv: bytes | str | int) -> list[str]:
        """Runs a command. Returns its keyevent messages, each as the event and the key."""
        self.messages()
        self._server(*argv)
        return [f"{channel.partition(':')[2]} {text}" for channel, text in self.messages()]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def events(server: Server) -> Listener:
    server("CONFIG", "SET", "notify-keyspace-events", ALL)
    return Listener(server, "__keyevent@*")


def test_commands_that_replace_a_string(server: Server, events: Listener) -> None:
    server("SET", "k", 1)
    for argv in (
        ("SET", "k", 2),
        ("SET", "k", 2, "KEEPTTL"),
        ("SET", "k", 2, "IFEQ", 2),
        ("MSET", "k", 2),
        ("GETSET", "k", 2),
        ("BITOP", "AND", "k", "k"),
    ):
        assert events(*argv) == ["overwritten k", "set k"], argv
    assert events("SET", "k", 2, "EX", 9) == ["overwritten k", "set k", "expire k"]
    assert events("SETEX", "k", 9, 2) == ["overwritten k", "set k", "expire k"]
    assert events("MSETEX", 1, "k", 2, "EX", 9) == ["overwritten k", "expire k", "set k"]
    assert events("MSETEX", 1, "k", 2, "KEEPTTL") == ["overwritten k", "set k"]


def test_changes_in_place_replace_nothing(server: Server, events: Listener) -> None:
    server("SET", "k", 1)
    for argv, event in (
        (("INCR", "k"), "incrby"),
        (("INCREX", "k"), "incrby"),
        (("APPEND", "k", 1), "append"),
        (("SETRANGE", "k", 0, 1), "setrange"),
        (("SETBIT", "k", 0, 1), "setbit"),
    ):
        assert events(*argv) == [f"{event} k"]
    assert events("PFADD", "h", 1) == ["new h", "pfadd h"]
    assert events("PFMERGE", "h", "h") == ["pfadd h"]


def test_another_type_takes_the_place(server: Server, events: Listener) -> None:
    server("RPUSH", "list", 2, 1)
    server("SADD", "set", 1)
    server("ZADD", "zset", 1, "a")
    changed = ["overwritten k", "type_changed k"]
    server("RPUSH", "k", 1)
    assert events("SET", "k", 1) == [*changed, "set k"]
    assert events("SUNIONSTORE", "k", "set") == [*changed, "sunionstore k"]
    assert events("SORT", "list", "STORE", "k") == [*changed, "sortstore k"]
    assert events("ZRANGESTORE", "k", "zset", 0, -1) == [*changed, "zrangestore k"]
    assert events("ZRANGESTORE", "k", "zset", 0, -1) == ["overwritten k", "zrangestore k"]
    # Nothing takes the place of a key that a command deletes.
    assert events("SUNIONSTORE", "k", "missing") == ["del k"]


def test_commands_that_delete_the_key_before(server: Server, events: Listener) -> None:
    server("SET", "a", 1)
    server("RPUSH", "b", 1)
    dumped = server("DUMP", "a")
    assert isinstance(dumped, bytes)
    assert events("COPY", "a", "b", "REPLACE") == ["new b", "copy_to b", "overwritten b", "type_changed b"]
    assert events("RESTORE", "b", 0, dumped, "REPLACE") == ["new b", "restore b", "overwritten b"]
    assert events("RENAME", "a", "b") == ["new b", "rename_from a", "rename_to b", "overwritten b"]
    assert events("RENAME", "b", "c") == ["new c", "rename_from b", "rename_to c"]


@pytest.mark.parametrize(
    ("argv", "event"),
    [
        (["SET", "k", 1], "set"),
        (["MSET", "k", 1], "set"),
        (["GETSET", "k", 1], "set"),
        (["SUNIONSTORE", "k", "set"], "sunionstore"),
        (["SORT", "set", "STORE", "k"], "sortstore"),
        (["COPY", "set", "k", "REPLACE"], "copy_to"),
    ],
)
def test_an_expired_key_is_not_replaced(server: Server, events: Listener, argv: list[str | int], event: str) -> None:
    server("SADD", "set", 1)
    server("SET", "k", 1, "PX", 1)
    server.clock.advance(0.01)
    assert events(*argv)[:3] == ["expired k", "new k", f"{event} k"]


def test_each_class_alone(server: Server, events: Listener) -> None:
    server("RPUSH", "k", 1)
    server("CONFIG", "SET", "notify-keyspace-events", "Ec")
    assert events("SET", "k", 1) == ["type_changed k"]
    assert events("SET", "k", 1) == []
    server("CONFIG", "SET", "notify-keyspace-events", "Eo")
    assert events("SET", "k", 1) == ["overwritten k"]
    server("CONFIG", "SET", "notify-keyspace-events", "EA")
    assert events("SET", "k", 1) == ["set k"]
    # The short paths are back.
    assert server.engine.databases[0].quick_writes is server.engine.databases[0].data


def test_all_databases_are_told(server: Server, events: Listener) -> None:
    server("SELECT", 3)
    server("SET", "k", 1)
    server("FLUSHALL")
    server("SET", "k", 1)
    assert events("SET", "k", 1) == ["overwritten k", "set k"]
    server("SWAPDB", 3, 0)
    server("SET", "k", 1)
    assert events("SET", "k", 1) == ["overwritten k", "set k"]


@pytest.fixture
def fields(server: Server) -> Listener:
    """Listens to events of hashes with their fields."""
    server("CONFIG", "SET", "notify-keyspace-events", "hSTIV")
    return Listener(server, "__subkey*")


def test_the_four_channels(server: Server, fields: Listener) -> None:
    server("SELECT", 2)
    server("HSET", "h", "f", 1, "a,b", 2)
    assert fields.messages() == [
        ("__subkeyspace@2__:h", "hset|1:f,3:a,b"),
        ("__subkeyevent@2__:hset", "1:h|1:f,3:a,b"),
        ("__subkeyspaceitem@2__:h\nf", "hset"),
        ("__subkeyspaceitem@2__:h\na,b", "hset"),
        ("__subkeyspaceevent@2__:hset|h", "1:f,3:a,b"),
    ]
    server("HSETNX", "k\nl", "f", 1)
    assert fields.messages() == [
        ("__subkeyspace@2__:k\nl", "hset|1:f"),
        ("__subkeyevent@2__:hset", "3:k\nl|1:f"),
        ("__subkeyspaceevent@2__:hset|k\nl", "1:f"),
    ]


@pytest.mark.parametrize("large", [False, True])
def test_only_fields_that_change(server: Server, large: bool) -> None:
    if large:
        server("CONFIG", "SET", "hash-max-listpack-entries", 0)
    server("CONFIG", "SET", "notify-keyspace-events", "hS")
    listener = Listener(server, "__subkey*")

    def told(*argv: bytes | str | int) -> list[str]:
        server(*argv)
        return [text for _, text in listener.messages()]

    assert told("HSET", "h", "a", 1, "b", 2, "a", 3) == ["hset|1:a,1:b,1:a"]
    assert told("HSETNX", "h", "a", 1) == []
    assert told("HINCRBY", "h", "n", 1) == ["hincrby|1:n"]
    assert told("HINCRBYFLOAT", "h", "n", 1) == ["hincrbyfloat|1:n"]
    assert told("HEXPIRE", "h", 9, "FIELDS", 3, "a", "no", "a") == ["hexpire|1:a,1:a"]
    assert told("HPEXPIRE", "h", 9, "LT", "FIELDS", 2, "a", "b") == ["hexpire|1:a,1:b"]
    assert told("HPERSIST", "h", "FIELDS", 3, "a", "no", "n") == ["hpersist|1:a"]
    assert told("HGETEX", "h", "EX", 9, "FIELDS", 3, "a", "no", "n") == ["hexpire|1:a,1:n"]
    assert told("HGETEX", "h", "PERSIST", "FIELDS", 2, "n", "no") == ["hpersist|1:n"]
    assert told("HGETEX", "h", "EXAT", 1, "FIELDS", 3, "no", "n", "n") == ["hdel|1:n"]
    assert told("HSETEX", "h", "EX", 9, "FIELDS", 2, "c", 1, "d", 1) == ["hset|1:c,1:d", "hexpire|1:c,1:d"]
    assert told("HSETEX", "h", "EXAT", 1, "FIELDS", 1, "e", 1) == ["hset|1:e", "hdel|1:e"]
    assert told("HEXPIRE", "h", 0, "FIELDS", 3, "c", "c", "no") == ["hdel|1:c"]
    assert told("HGETDEL", "h", "FIELDS", 3, "d", "no", "d") == ["hdel|1:d"]
    assert told("HDEL", "h", "no") == []
    assert told("HDEL", "h", "a", "no", "a", "b") == ["hdel|1:a,1:b"]
    assert server("EXISTS", "h") == 0


def test_fields_that_expire(server: Server, fields: Listener) -> None:
    server("CONFIG", "SET", "notify-keyspace-events", "hS")
    server("HSET", "h", "a", 1, "b", 2, "c", 3, "d", 4)
    server("HPEXPIRE", "h", 10, "FIELDS", 1, "a")
    server("HPEXPIRE", "h", 20, "FIELDS", 1, "b")
    server("HPEXPIRE", "h", 50, "FIELDS", 2, "c", "d")
    fields.messages()
    server.advance(0.03)
    assert fields.messages() == [("__subkeyspace@0__:h", "hexpired|1:a,1:b")]
    server.clock.advance(0.03)
    server("HGET", "h", "c")
    assert fields.messages() == [("__subkeyspace@0__:h", "hexpired|1:c")]
    # The last field ends the hash, and only the key is told of.
    server("HGET", "h", "d")
    assert fields.messages() == []


def test_a_replica_tells_of_expired_fields_that_it_hides(server: Server, fields: Listener) -> None:
    server("CONFIG", "SET", "notify-keyspace-events", "hS")
    server("HSET", "h", "a", 1, "b", 2)
    server("HPEXPIRE", "h", 10, "FIELDS", 1, "a")
    server.engine.state.hide_expired = True
    server.clock.advance(0.03)
    fields.messages()
    assert server("HMGET", "h", "a", "b") == [None, b"2"]
    assert fields.messages() == [("__subkeyspace@0__:h", "hexpired|1:a")]
    assert server("HGET", "h", "a") is None
    assert fields.messages() == []


def test_fields_in_scripts_and_transactions(server: Server, fields: Listener) -> None:
    server("CONFIG", "SET", "notify-keyspace-events", "hT")
    server("EVAL", "redis.call('HSET', KEYS[1], 'a', 1) return redis.call('HDEL', KEYS[1], 'a', 'b')", 1, "h")
    assert fields.messages() == [("__subkeyevent@0__:hset", "1:h|1:a"), ("__subkeyevent@0__:hdel", "1:h|1:a")]
    server("MULTI")
    server("HMSET", "h", "a", 1, "b", 2)
    assert fields.messages() == []
    server("EXEC")
    assert fields.messages() == [("__subkeyevent@0__:hset", "1:h|1:a,1:b")]


@pytest.mark.parametrize("flags", ["KEA", "hKE", "gSTIV", "STIV", ""])
def test_without_the_classes_no_fields_are_told(server: Server, flags: str) -> None:
    server("CONFIG", "SET", "notify-keyspace-events", flags)
    listener = Listener(server, "__subkey*")
    server("HSET", "h", "a", 1, "b", 2)
    server("HDEL", "h", "a")
    assert listener.messages() == []
    assert server.engine.events.fields is False


def test_fields_come_after_the_messages_of_the_key(server: Server) -> None:
    server("CONFIG", "SET", "notify-keyspace-events", "KEhST")
    listener = Listener(server, "__*")
    server("HSET", "h", "a", 1)
    assert [channel.partition("@")[0] for channel, _ in listener.messages()] == [
        "__keyspace",
        "__keyevent",
        "__subkeyspace",
        "__subkeyevent",
    ]
