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
