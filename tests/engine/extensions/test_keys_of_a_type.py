"""A module finds the keys that hold values of its type, however they came and went."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.server import Server
from twisted_redis.extending import (
    OK,
    READONLY,
    RW,
    WRITE,
    Client,
    Module,
    OwnValue,
    first_key,
    load_module,
)
from twisted_redis.persistence.aof.commands import key_commands


class Point(OwnValue):
    TYPE = b"point-001"

    def __len__(self) -> int:
        return 1

    def save(self) -> Any:
        return []

    @classmethod
    def load(cls, items: list[Any], version: int) -> Point:
        return cls()


class Line(Point):
    TYPE = b"line-0001"


@pytest.fixture(params=[0, 1 << 30], ids=["", "with-accounts"])
def server(request: pytest.FixtureRequest) -> Server:
    server = Server(databases=4, maxmemory=request.param)
    module = Module("points")
    module.type(Point)
    module.type(Line)

    @module.command("POINT", arity=2, flags=WRITE, keys=first_key(RW))
    def point(ctx: Client, key: bytes) -> Any:
        ctx.db.set(key, Point())
        ctx.changed(key, "point")
        return OK

    @module.command("LINE", arity=2, flags=WRITE, keys=first_key(RW))
    def line(ctx: Client, key: bytes) -> Any:
        ctx.db.set(key, Line())
        ctx.changed(key, "line")
        return OK

    @module.command("POINTS", arity=1, flags=READONLY)
    def points(ctx: Client) -> Any:
        return sorted(ctx.db.keys_of(Point))

    load_module(server.engine, module)
    return server


@pytest.mark.parametrize("asked", [False, True])
def test_keys_come_and_go(server: Server, asked: bool) -> None:
    """The first question walks over the keys; after it they are noted. Both give the same answers."""
    if asked:
        assert server("POINTS") == []
    for key in "abcde":
        server("POINT", key)
    server("LINE", "line")
    server("SET", "text", "x")
    server("SET", "a", "x")
    server("LINE", "b")
    server("DEL", "c")
    server("RENAME", "d", "f")
    server("COPY", "e", "g")
    server("PEXPIRE", "e", 10)
    server.advance(1)
    server("RESTORE", "h", 0, server("DUMP", "g"))
    server("MOVE", "f", 1)
    assert server("POINTS") == [b"g", b"h"]
    server("SET", "g", "x")
    assert server("POINTS") == [b"h"]
    server("SWAPDB", 0, 1)
    assert server("POINTS") == [b"f"]
    server("SWAPDB", 0, 1)
    assert server("POINTS") == [b"h"]
    server("FLUSHDB")
    assert server("POINTS") == []
    server("POINT", "new")
    assert server("POINTS") == [b"new"]


def test_keys_that_are_overwritten_and_deleted_take_no_memory(server: Server) -> None:
    assert server("POINTS") == []
    for number in range(100):
        server("POINT", f"k{number}")
        server("DEL", f"k{number}")
    assert server.engine.databases[0].own_keys == {Point: {}}


def test_keys_are_found_after_a_file_was_loaded(server: Server, tmp_path: Any) -> None:
    server("POINT", "a")
    assert server("POINTS") == [b"a"]
    db = server.engine.databases[0]
    db.data[b"b"] = Point()
    db.rebuild_from_data()
    assert server("POINTS") == [b"a", b"b"]
    server("DEL", "a")
    assert server("POINTS") == [b"b"]


class Marker(OwnValue):
    """A value that knows where it is, and does not tell DUMP its secret."""

    TYPE = b"marker-01"

    __slots__ = ("name", "places", "secret")

    def __init__(self, name: bytes, secret: bytes = b"secret") -> None:
        self.name = name
        self.secret = secret

    def __len__(self) -> int:
        return 1

    def save(self) -> Any:
        return [self.name, self.secret]

    def dump(self) -> Any:
        return [self.name]

    @classmethod
    def load(cls, items: list[Any], version: int) -> Marker:
        return cls(*items) if len(items) > 1 else cls(items[0], b"")

    def arrived(self, server: Any, db: int, key: bytes) -> None:
        server.info.marks[db, key] = self.name

    def left(self, server: Any, db: int, key: bytes) -> None:
        assert server.info.marks.pop((db, key)) == self.name


@pytest.fixture
def marked() -> Server:
    server = Server(databases=4)
    server.engine.info.marks = {}
    module = Module("markers")
    module.type(Marker)

    @module.command("MARK", arity=3, flags=WRITE, keys=first_key(RW))
    def mark(ctx: Client, key: bytes, name: bytes) -> Any:
        ctx.db.set(key, Marker(name))
        ctx.changed(key, "mark")
        return OK

    load_module(server.engine, module)
    return server


def marks(server: Server) -> dict[tuple[int, bytes], bytes]:
    found: dict[tuple[int, bytes], bytes] = server.engine.info.marks
    return found


def test_values_are_told_where_they_are(marked: Server) -> None:
    marked("MARK", "a", "one")
    assert marks(marked) == {(0, b"a"): b"one"}
    marked("RENAME", "a", "b")
    marked("COPY", "b", "c")
    marked("MARK", "d", "two")
    assert marks(marked) == {(0, b"b"): b"one", (0, b"c"): b"one", (0, b"d"): b"two"}
    marked("MARK", "b", "three")
    marked("MOVE", "c", 1)
    marked("PEXPIRE", "d", 1)
    marked.advance(1)
    assert marks(marked) == {(0, b"b"): b"three", (1, b"c"): b"one"}
    marked("SWAPDB", 0, 1)
    assert marks(marked) == {(1, b"b"): b"three", (0, b"c"): b"one"}
    marked("RESTORE", "x", 0, marked("DUMP", "c"))
    marked("DEL", "c")
    assert marks(marked) == {(1, b"b"): b"three", (0, b"x"): b"one"}
    marked("FLUSHDB")
    assert marks(marked) == {(1, b"b"): b"three"}
    marked("FLUSHALL")
    assert marks(marked) == {}


def test_values_of_a_file_and_of_a_full_synchronisation_are_told(marked: Server) -> None:
    marked("MARK", "a", "one")
    db = marked.engine.databases[0]
    twin = db.empty_twin()
    twin.data[b"b"] = Marker(b"two")
    twin.rebuild_from_data()
    db.swap(twin)
    assert marks(marked) == {(0, b"b"): b"two"}


def test_a_dump_may_hold_less_than_a_file(marked: Server) -> None:
    marked("MARK", "a", "one")
    assert b"secret" not in marked("DUMP", "a")
    marked("RESTORE", "b", 0, marked("DUMP", "a"))
    assert marked.engine.databases[0].data[b"b"].secret == b""
    commands: list[bytes] = []
    key_commands(b"a", marked.engine.databases[0].data[b"a"], None, commands.append)
    assert b"secret" in commands[0]


def test_a_value_that_fails_when_it_is_told_harms_nobody(marked: Server) -> None:
    marked.engine.log = lambda level, text: marked.logged.append((level, text))
    marked("MARK", "a", "one")
    marks(marked).clear()
    assert marked("DEL", "a") == 1
    assert marked.logged[-1] == ("failure", "left() of the type marker-01 failed")
