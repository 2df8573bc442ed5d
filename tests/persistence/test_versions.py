"""The version of the format in the headers of files: the lowest one that holds all values."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.persistence.aof.conftest import serve
from tests.replication.masters import Following, handshake, snapshot_of
from tests.support.server import Server
from twisted_redis.datatypes.array import Array
from twisted_redis.datatypes.hash import Hash
from twisted_redis.datatypes.packed import LIVE_CLASS
from twisted_redis.datatypes.stream import Stream
from twisted_redis.persistence.children import Children
from twisted_redis.persistence.legs import Legs
from twisted_redis.persistence.persistence import Persistence
from twisted_redis.persistence.rdb.table import VERSIONED
from twisted_redis.persistence.scanning import DISABLED, MATCHES, Scan
from twisted_redis.resp.types import OK

__all__ = ["serve"]

Commands = list[tuple[Any, ...]]

NEWER: dict[type, list[tuple[int, Commands]]] = {
    Array: [(14, [("ARSET", "key", 3, "x")])],
    Hash: [
        (12, [("HSET", "key", "f", "v"), ("HPEXPIRE", "key", 10**9, "FIELDS", 1, "f")]),
        (12, [("HSETEX", "key", "PX", 10**9, "FIELDS", 1, "f", "x" * 100)]),
        (
            12,
            [
                ("HSET", "key", "f", "v"),
                ("HPEXPIRE", "key", 10**9, "FIELDS", 1, "f"),
                ("HPERSIST", "key", "FIELDS", 1, "f"),
            ],
        ),
    ],
    Stream: [
        (
            11,
            [
                ("XADD", "key", "1-1", "a", "b"),
                ("XGROUP", "CREATE", "key", "group", "$"),
                ("XREADGROUP", "GROUP", "group", "consumer", "STREAMS", "key", ">"),
            ],
        ),
        (13, [("XADD", "key", "IDMP", "producer", "id", "*", "a", "b")]),
        (13, [("XADD", "key", "1-1", "a", "b"), ("XCFGSET", "key", "IDMP-DURATION", 50)]),
        (
            14,
            [
                ("XADD", "key", "1-1", "a", "b"),
                ("XGROUP", "CREATE", "key", "group", 0),
                ("XREADGROUP", "GROUP", "group", "consumer", "STREAMS", "key", ">"),
                ("XNACK", "key", "group", "FAIL", "IDS", 1, "1-1"),
            ],
        ),
    ],
}
"""By the class of a value: commands that make ``key`` one that needs a version."""

CASES = [(version, commands) for cases in NEWER.values() for version, commands in cases]


def make(folder: Path, commands: Iterable[tuple[Any, ...]], **directives: object) -> Server:
    server = Server(dir=str(folder), **directives)
    run(server, commands)
    return server


def run(server: Server, commands: Iterable[tuple[Any, ...]]) -> None:
    for command in commands:
        reply = server(*command)
        assert not isinstance(reply, Exception), (command, reply)


def version_of(path: Path, checksum: str = MATCHES) -> int:
    """Returns the version in the header of a file, which must be intact from there to its checksum."""
    with path.open("rb") as file:
        scan = Scan(file, Server().config)
        for _ in scan:
            pass
    assert scan.checksum == checksum
    return scan.version


def saved_version(server: Server) -> int:
    """Returns the version in the header of the file that the server writes, which must hold all its data."""
    assert server("SAVE") == OK
    path = Path(server.config.dir) / "dump.rdb"
    digest = server("DEBUG", "DIGEST")
    version = version_of(path)
    assert server("DEBUG", "RELOAD", "NOSAVE") == OK
    assert server("DEBUG", "DIGEST") == digest
    return version


def test_there_are_cases_for_every_class() -> None:
    assert {LIVE_CLASS.get(cls, cls) for cls in VERSIONED} == set(NEWER)


@pytest.mark.parametrize(("version", "commands"), CASES)
def test_file_has_the_version_that_its_values_need(tmp_path: Path, version: int, commands: Commands) -> None:
    server = make(tmp_path, [("SET", "a", "b"), ("SADD", "set", "a", "b"), ("SELECT", 3), ("SET", "c", "d")])
    assert saved_version(server) == 10
    run(server, commands)
    assert server.engine.databases[3].data[b"key"].__class__ in VERSIONED
    assert saved_version(server) == version
    assert server("DEL", "key") == 1
    assert saved_version(server) == 10


def _restored(server: Server) -> None:
    payload = server("DUMP", "key")
    run(server, [("DEL", "key"), ("RESTORE", "key", 0, payload)])


WAYS: dict[str, Callable[[Server], None]] = {
    "RESTORE": _restored,
    "COPY": lambda server: run(server, [("COPY", "key", "copy"), ("DEL", "key")]),
    "COPY DB": lambda server: run(server, [("COPY", "key", "key", "DB", 5), ("DEL", "key")]),
    "RENAME": lambda server: run(server, [("RENAME", "key", "renamed")]),
    "MOVE": lambda server: run(server, [("MOVE", "key", 7)]),
    "SWAPDB": lambda server: run(server, [("SWAPDB", 0, 9)]),
    "DEBUG RELOAD": lambda server: run(server, [("DEBUG", "RELOAD")]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("version", "commands"), CASES)
def test_way_of_a_value_makes_no_difference(tmp_path: Path, version: int, commands: Commands, way: str) -> None:
    server = make(tmp_path, commands, save=())
    WAYS[way](server)
    assert saved_version(server) == version


@pytest.mark.parametrize("cls", [cls for cls in VERSIONED if LIVE_CLASS.get(cls) is Stream])
def test_streams_at_rest(tmp_path: Path, cls: type) -> None:
    for version, commands in NEWER[Stream]:
        server = make(tmp_path, commands)
        data = server.engine.databases[0].data
        data[b"key"] = data[b"key"].moved(cls)
        assert saved_version(server) == version


def test_newest_of_several_versions_counts(tmp_path: Path) -> None:
    server = make(tmp_path, [])
    for number, (_, commands) in enumerate(CASES):
        run(server, [("SELECT", number), *commands])
    assert saved_version(server) == 14


def test_file_without_a_checksum(tmp_path: Path) -> None:
    server = make(tmp_path, CASES[1][1], rdbchecksum=False)
    assert server("SAVE") == OK
    assert version_of(tmp_path / "dump.rdb", DISABLED) == 12


def test_access_times_are_kept_beside_a_newer_value(tmp_path: Path) -> None:
    server = make(tmp_path, CASES[1][1], maxmemory_policy="allkeys-lru")
    assert saved_version(server) == 12


def children(server: Server) -> Children:
    state = server.engine.persistence
    assert isinstance(state, Persistence)
    return state.children


def wait(server: Server) -> None:
    """Waits for the child, like the periodic work."""
    deadline = time.monotonic() + 90
    while children(server).pid:
        assert time.monotonic() < deadline
        time.sleep(0.005)
        children(server).poll()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("with_legs", [False, True])
def test_child(tmp_path: Path, with_legs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # Many keys before and behind the one that needs a newer version, so that several legs follow the one that finds it.
    filling = [("SET", f"key:{number}", "x" * 50) for number in range(2000)]
    server = make(tmp_path, [*filling[:1000], *CASES[1][1], *filling[1000:]])
    if with_legs:
        monkeypatch.setattr("twisted_redis.persistence.children.legs_for", lambda resident: Legs(1))
    assert server("BGSAVE")
    wait(server)
    assert version_of(tmp_path / "dump.rdb") == 12
    digest = server("DEBUG", "DIGEST")
    assert server("DEBUG", "RELOAD", "NOSAVE") == OK
    assert server("DEBUG", "DIGEST") == digest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize(("version", "commands"), CASES)
def test_base_of_the_append_only_file(
    tmp_path: Path, serve: Callable[..., Server], version: int, commands: Commands
) -> None:
    server = serve()
    run(server, commands)
    assert server("BGREWRITEAOF")
    wait(server)
    (base,) = (tmp_path / "appendonlydir").glob("*.base.rdb")
    digest = server("DEBUG", "DIGEST")
    assert version_of(base) == version
    again = serve()
    assert again("DEBUG", "DIGEST") == digest
    assert saved_version(again) == version


@pytest.mark.parametrize(("version", "commands"), CASES)
def test_full_sync_and_stream(tmp_path: Path, version: int, commands: Commands) -> None:
    master = make(tmp_path, commands)
    data = snapshot_of(master)
    # A socket gets the version first.
    assert data.startswith(b"REDIS%04d" % version)
    following = Following(dir=str(tmp_path), save=())
    link = following.open()
    link.send(handshake(b"+FULLRESYNC " + b"a" * 40 + b" 0\r\n") + b"$%d\r\n%b" % (len(data), data))
    assert following.server("DEBUG", "DIGEST") == master("DEBUG", "DIGEST")
    assert saved_version(following.server) == version
