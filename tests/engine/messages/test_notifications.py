"""Keyspace events of values that are replaced. Redis 8.8.0 supplied the events and their order."""

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
