"""A value type with a row in the table of types and a codec works everywhere, without further code."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator

import pytest

from tests.support.server import Server, encode
from twisted_redis.config import Config
from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.digests import hashed, pair_digest
from twisted_redis.datatypes.table import TYPES, DataType
from twisted_redis.library.dataset import restore, take_snapshot
from twisted_redis.persistence.aof.commands import key_commands, write_commands
from twisted_redis.persistence.checking import check
from twisted_redis.persistence.loading import Loader
from twisted_redis.persistence.printing import print_json
from twisted_redis.persistence.rdb.codec import Codec, Encoding, Limits, read_count
from twisted_redis.persistence.rdb.numbers import length_bytes, read_length
from twisted_redis.persistence.rdb.strings import read_string, string_bytes
from twisted_redis.persistence.rdb.table import CODECS, ENCODINGS
from twisted_redis.persistence.saving import write_snapshot

# A new type consists of its class...


class Tally:
    """Counts how often each item occurs."""

    __slots__ = ("counts",)

    def __init__(self, counts: dict[bytes, int]) -> None:
        self.counts = counts

    def __len__(self) -> int:
        return len(self.counts)

    def copy(self) -> Tally:
        """Returns another tally with the same counts."""
        return Tally(self.counts.copy())


# ... its row in the table of types...


def _size(value: Tally, how: sizes.Sampling) -> int:
    return 64 + sizes.of_container(value.counts) + sizes.of_items(value.counts, how)


def _digest(digest: int, value: Tally) -> int:
    for name, count in value.counts.items():
        digest ^= pair_digest(name, b"%d" % count)
    return digest


def _commands(key: bytes, value: Tally) -> Iterator[tuple[bytes, ...]]:
    for name, count in value.counts.items():
        yield b"COUNT", key, name, b"%d" % count


def _row(*, with_commands: bool) -> DataType:
    return DataType(
        name=b"tally",
        number=7,
        copy=Tally.copy,
        encoding=lambda value: "table",
        size=_size,
        digest=_digest,
        shown=lambda value: [[name, count] for name, count in value.counts.items()],
        commands=_commands if with_commands else None,
        keysizes="tallies_items",
        effort=len,
        parts=("counts",),
    )


# ... and its codec.

_TALLY = 26


def _write(value: Tally, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    parts = [length_bytes(len(value))]
    for name, count in value.counts.items():
        parts += (string_bytes(name, compressed), length_bytes(count))
    return _TALLY, parts


def _read(data: bytes, pos: int, config: Limits) -> tuple[Tally, int]:
    left, pos = read_count(data, pos)
    counts: dict[bytes, int] = {}
    while left:
        name, pos = read_string(data, pos)
        counts[name], pos = read_length(data, pos)
        left -= 1
    return Tally(counts), pos


@pytest.fixture(params=[True, False], ids=["commands", "dump"])
def with_commands(request: pytest.FixtureRequest) -> bool:
    """Returns True if there are commands that create a tally."""
    return bool(request.param)


@pytest.fixture(autouse=True)
def tally_type(monkeypatch: pytest.MonkeyPatch, with_commands: bool) -> None:
    """Adds the type to the two tables."""
    codec = Codec(_write, (Encoding(_TALLY, "tally-table", _read),))
    monkeypatch.setitem(TYPES, Tally, _row(with_commands=with_commands))
    monkeypatch.setitem(CODECS, Tally, codec)
    monkeypatch.setitem(ENCODINGS, _TALLY, codec.encodings[0])


@pytest.fixture
def server() -> Server:
    server = Server()
    server.engine.databases[0].add(b"key", Tally({b"apple": 3, b"pear": 500}))
    return server


def counts(server: Server, key: bytes = b"key") -> dict[bytes, int]:
    value = server.engine.databases[0].data[key]
    assert isinstance(value, Tally)
    return value.counts


def snapshot(server: Server) -> bytes:
    pieces: list[bytes] = []
    write_snapshot(pieces.append, server.engine.databases, aux={})
    return b"".join(pieces)


def test_commands_for_keys_know_it(server: Server) -> None:
    assert server("TYPE", "key") == b"tally"
    assert server("OBJECT", "ENCODING", "key") == b"table"
    assert server("SCAN", 0, "TYPE", "tally") == [b"0", (b"key",)]
    assert server("SCAN", 0, "TYPE", "string") == [b"0", ()]
    assert server("GET", "key").startswith(b"WRONGTYPE")
    assert b"encoding:table" in bytes(server("DEBUG", "OBJECT", "key"))


def test_a_copy_shares_nothing(server: Server) -> None:
    assert server("COPY", "key", "other") == 1
    counts(server, b"other")[b"apple"] = 4
    assert counts(server) == {b"apple": 3, b"pear": 500}


def test_it_is_dumped_and_restored(server: Server) -> None:
    dump = server("DUMP", "key")
    assert isinstance(dump, bytes)
    assert server("RESTORE", "other", 0, dump) == b"OK"
    assert counts(server, b"other") == counts(server)


def test_it_is_saved_loaded_checked_and_printed(server: Server) -> None:
    data = snapshot(server)
    fresh = Server()
    loader = Loader(fresh.engine)
    loader.feed(data)
    loader.finish()
    assert counts(fresh) == {b"apple": 3, b"pear": 500}

    lines: list[str] = []
    assert check(io.BytesIO(data), lines.append, Config())
    assert "[info] 1 keys read" in lines
    lines.clear()
    assert not check(io.BytesIO(data[:-15]), lines.append, Config())
    assert f"[additional info] Reading type {_TALLY} (tally-table)" in lines

    lines.clear()
    print_json(io.BytesIO(data), lines.append, Config())
    (line,) = map(json.loads, lines)
    assert line == {"db": 0, "key": "key", "type": "tally", "value": [["apple", 3], ["pear", 500]]}


def test_it_is_rewritten_into_the_append_only_file(server: Server, with_commands: bool) -> None:
    pieces: list[bytes] = []
    write_commands(pieces.append, server.engine.databases)
    written = b"".join(pieces)
    if with_commands:
        assert written == (
            encode("SELECT", 0) + encode("COUNT", "key", "apple", 3) + encode("COUNT", "key", "pear", 500)
        )
    else:
        fresh = Server()
        fresh.connect().send(written)
        assert counts(fresh) == counts(server)
    parts: list[bytes] = []
    key_commands(b"key", server.engine.databases[0].data[b"key"], 99, parts.append)
    assert parts[-1] == encode("PEXPIREAT", "key", 99)


def test_equal_values_have_equal_digests(server: Server) -> None:
    server("COPY", "key", "equal")
    server.engine.databases[0].add(b"other", Tally({b"apple": 4}))
    equal, again, other = server("DEBUG", "DIGEST-VALUE", "key", "equal", "other")
    assert equal == again != other
    server.engine.databases[0].add(b"empty", Tally({}))
    # The digest of an empty collection contains only its type number.
    mixed = hashed(hashed((7).to_bytes(4, "big")).to_bytes(20, "big"))
    assert server("DEBUG", "DIGEST-VALUE", "empty") == [b"%040x" % mixed]


def test_its_size_is_told_and_accounted_for(server: Server) -> None:
    small = server("MEMORY", "USAGE", "key")
    large = Tally({b"number %06d" % number: number for number in range(2000)})
    server("CONFIG", "SET", "maxmemory", 1 << 30)
    before = server.engine.usage.data()
    server.engine.databases[0].add(b"large", large)
    grown = server.engine.usage.data() - before
    told = server("MEMORY", "USAGE", "large")
    assert isinstance(small, int)
    assert isinstance(told, int)
    assert 100 < small < 1000 < 2000 * 40 < told
    assert told * 0.9 < grown < told * 1.1


def test_its_lengths_are_told(server: Server) -> None:
    text = server("INFO", "keysizes")
    assert isinstance(text, bytes)
    assert b"db0_distrib_tallies_items:2=1\r\n" in text


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="there is nothing to be taken apart")
def test_a_large_value_is_freed_in_slices(server: Server) -> None:
    server.engine.databases[0].add(b"large", Tally({b"number %06d" % number: number for number in range(40_000)}))
    # A slice of a million ns ends after this clock has been read a few times.
    ticks = iter(range(0, 1 << 62, 300_000))
    server.engine.clock_ns = lambda: next(ticks)
    server("UNLINK", "large")
    assert server.engine.lazyfree.pending == 1
    server.advance(0)
    assert (server.engine.lazyfree.pending, server.engine.lazyfree.freed) == (0, 1)


def test_the_library_keeps_it_and_puts_it_back(server: Server) -> None:
    kept = take_snapshot(server.engine)
    counts(server)[b"apple"] = 9
    restore(server.engine, kept)
    assert counts(server) == {b"apple": 3, b"pear": 500}


def test_what_has_no_row_cannot_be_stored(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(TYPES, Tally)
    with pytest.raises(TypeError, match="a value of a type of the server, not Tally"):
        server.engine.databases[0].add(b"new", Tally({b"a": 1}))
    assert not server.engine.databases[0].exists(b"new")
