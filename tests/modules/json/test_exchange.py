"""Files and replication between real Redis with RedisJSON and this server, in both directions."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.differential.harness import Server, our_command, real_redis, running
from tests.differential.wire import Wire, parse
from tests.modules.json.calls import Calls
from tests.modules.json.test_commands import OLD
from twisted_redis.datatypes.own import Item
from twisted_redis.modules.json.document import Document
from twisted_redis.persistence.rdb.payload import dump

KEYS = [b"doc:%d" % number for number in range(40)]
#: Starts a server with more options.
Start = Callable[..., AbstractContextManager[Server]]


def oracle(*options: str, files: dict[str, bytes] | None = None) -> AbstractContextManager[Server]:
    program, module = real_redis(), os.environ.get("REJSON_SO", "")
    if program is None or not os.access(module, os.R_OK):
        pytest.skip("no redis-server 8 with RedisJSON: set REDIS_SERVER and REJSON_SO")
    return running("oracle", [program], "--loadmodule", module, *options, files=files)


def ours(*options: str, files: dict[str, bytes] | None = None) -> AbstractContextManager[Server]:
    return running("ours", our_command(), *options, files=files)


DIRECTIONS = {"to us": (oracle, ours), "to redis": (ours, oracle)}


@contextmanager
def connected(server: Server) -> Iterator[Wire]:
    wire = Wire(server.port)
    try:
        yield wire
    finally:
        wire.close()


def fill(wire: Wire, seed: int) -> None:
    calls = Calls(seed)
    for key in KEYS:
        wire.call(b"JSON.SET", key, b"$", calls.document(5).encode())
    wire.call(b"JSON.SET", b"shop", b"$", b'{"items":[{"id":1,"price":0.1}],"name":"caf\\u00e9"}')


def write(wire: Wire) -> None:
    """Changes documents in many ways; none of the calls ends RedisJSON."""
    for number, key in enumerate(KEYS):
        wire.call(b"JSON.SET", key, b"$", b'{"list":[1,2,3],"n":%d,"text":"x","flag":true}' % number)
        wire.call(b"JSON.NUMINCRBY", key, b"$.n", b"0.1")
        wire.call(b"JSON.NUMMULTBY", key, b"$.list[*]", b"3")
        wire.call(b"JSON.STRAPPEND", key, b"$.text", b'"y"')
        wire.call(b"JSON.TOGGLE", key, b"$.flag")
        wire.call(b"JSON.ARRAPPEND", key, b"$.list", b'{"a":1e22}')
        wire.call(b"JSON.ARRINSERT", key, b"$.list", b"1", b"null")
        wire.call(b"JSON.ARRPOP", key, b"$.list", b"0")
        wire.call(b"JSON.ARRTRIM", key, b"$.list", b"0", b"2")
        wire.call(b"JSON.MERGE", key, b"$", b'{"flag":null,"more":{"x":1}}')
        if number % 3 == 0:
            wire.call(b"JSON.DEL", key, b"$.more")
        if number % 7 == 0:
            wire.call(b"JSON.DEL", key)
    wire.call(b"JSON.MSET", b"shop", b"$.items[0].price", b"2.5", b"other", b"$", b"[]")
    wire.call(b"JSON.CLEAR", b"other")


def contents(wire: Wire) -> dict[bytes, bytes]:
    """The text of each document."""
    keys = parse(wire.call(b"KEYS", b"*")).items
    return {key.text: wire.call(b"JSON.GET", key.text) for key in keys}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert condition()


@pytest.mark.parametrize("compressed", ["yes", "no"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_snapshot_is_loaded(direction: str, compressed: str) -> None:
    writer, reader = DIRECTIONS[direction]
    with writer("--rdbcompression", compressed) as server, connected(server) as wire:
        fill(wire, 1)
        expected = contents(wire)
        assert wire.call(b"SAVE") == b"+OK\r\n"
        snapshot = (server.log.parent / "dump.rdb").read_bytes()
    assert len(expected) > 40
    with reader(files={"dump.rdb": snapshot}) as server, connected(server) as wire:
        assert contents(wire) == expected


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_an_append_only_file_is_loaded(direction: str, tmp_path: Path) -> None:
    writer, reader = DIRECTIONS[direction]
    options = ("--dir", str(tmp_path), "--appendonly", "yes")
    with writer(*options) as server, connected(server) as wire:
        fill(wire, 2)
        wire.call(b"BGREWRITEAOF")
        until(lambda: b"aof_rewrite_in_progress:0" in wire.call(b"INFO", b"persistence"))
        write(wire)
        expected = contents(wire)
    assert len(expected) > 30
    with reader(*options) as server, connected(server) as wire:
        assert contents(wire) == expected


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_replication(direction: str) -> None:
    starts = DIRECTIONS[direction]
    with starts[0]() as master, starts[1]() as replica, connected(master) as one, connected(replica) as other:
        fill(one, 3)
        assert other.call(b"REPLICAOF", b"127.0.0.1", b"%d" % master.port) == b"+OK\r\n"
        until(lambda: b"master_link_status:up" in other.call(b"INFO", b"replication"))
        assert contents(one) == contents(other)
        write(one)
        assert one.call(b"WAIT", b"1", b"20000") == b":1\r\n"
        assert contents(one) == contents(other)
        assert len(contents(one)) > 30


@pytest.mark.parametrize(
    ("version", "items"),
    [(0, OLD), (2, [b'{"a":[1,2.5]}', 0]), (2, [b"[1]", 1, b"index", b"path"]), (3, [b' {"a": -0} '])],
)
def test_records_of_all_versions_are_restored(version: int, items: list[Item]) -> None:
    class Written(Document):
        VERSION = version

        def save(self) -> list[Item]:
            return items

    payload = dump(Written(None), compressed=False)
    texts = []
    for start in (oracle, ours):
        with start() as server, connected(server) as wire:
            assert wire.call(b"RESTORE", b"k", b"0", payload) == b"+OK\r\n"
            texts.append(wire.call(b"JSON.GET", b"k"))
    assert texts[0] == texts[1]
