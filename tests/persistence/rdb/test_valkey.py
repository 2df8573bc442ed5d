"""Snapshots for Valkey 9."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.persistence.rdb.test_records import read_all
from tests.support.server import Server
from twisted_redis.persistence.rdb import records
from twisted_redis.persistence.rdb.records import Key
from twisted_redis.persistence.rdb.types import VALKEY_VERSION
from twisted_redis.persistence.saving import write_snapshot

LATER = 4_102_444_800_000
TIME = LATER.to_bytes(8, "little")
NEVER = b"\xff" * 8

HASH = b"\x16\x01h\x02\x01a\x01x" + TIME + b"\x01b\x01y" + NEVER
"""The key ``h`` as Valkey writes it: two fields, of which ``a`` expires."""


def snapshot_for_valkey(server: Server) -> bytes:
    pieces: list[bytes] = []
    write_snapshot(pieces.append, server.engine.databases, aux={}, version=VALKEY_VERSION)
    return b"".join(pieces)


@pytest.mark.parametrize("directives", [{}, {"hash_max_listpack_entries": 1}])
def test_a_hash_is_written_with_its_times(directives: dict[str, int]) -> None:
    server = Server(**directives)
    server("HSET", "h", "a", "x", "b", "y")
    server("HPEXPIREAT", "h", LATER, "FIELDS", 1, "a")
    data = snapshot_for_valkey(server)
    assert data.startswith(b"VALKEY080\xfe\x00")
    assert HASH in data
    server("HPERSIST", "h", "FIELDS", 1, "a")
    assert b"\x16\x01h" not in snapshot_for_valkey(server)


@pytest.mark.parametrize(
    "fill",
    [
        lambda server: server("ARSET", "k", 1, "x"),
        lambda server: server("XADD", "k", "IDMP", "p", "i", "*", "a", "b"),
        lambda server: server("VADD", "k", "VALUES", 1, "1", "e"),
    ],
    ids=["array", "stream", "vector set"],
)
def test_values_that_valkey_cannot_hold_are_refused(fill: Callable[[Server], object]) -> None:
    server = Server()
    server("SET", "other", "x")
    assert not isinstance(fill(server), Exception)
    with pytest.raises(ValueError, match="the key b'k': Valkey has no such values"):
        snapshot_for_valkey(server)


def test_an_older_stream_is_written() -> None:
    server = Server()
    server("XADD", "k", "*", "a", "b")
    version, found, _ = read_all(snapshot_for_valkey(server))
    assert version == VALKEY_VERSION
    assert [record.key for record in found if isinstance(record, Key)] == [b"k"]


def test_headers() -> None:
    assert records.header_bytes(VALKEY_VERSION) == b"VALKEY080"
