"""CF.*: what is particular about Cuckoo filters here, beside what the differential tests compare."""

from __future__ import annotations

import struct

import pytest

from tests.support.server import Server
from twisted_redis.modules.probabilistic.bloom import CHUNK, LARGEST
from twisted_redis.modules.probabilistic.cuckoo import EXISTS, INSERTED, NO_MEMORY, NO_SPACE, Cuckoo, next_power

HEADER = struct.Struct("<QQQQHHH")


def test_powers_of_two() -> None:
    assert [next_power(number) for number in (0, 1, 2, 3, 4, 5, 1000)] == [0, 1, 2, 4, 4, 8, 1024]


def test_no_item_is_lost_while_the_filter_grows() -> None:
    value = Cuckoo.create(64, 2, 20, 2)
    items = [b"item:%d" % number for number in range(1000)]
    assert all(value.insert(item, unique=False) == INSERTED for item in items)
    assert len(value.parts) > 2
    assert all(map(value.holds, items))
    assert value.count == 1000
    assert value.insert(items[0], unique=True) == EXISTS


def test_deleting_compacts_the_filter() -> None:
    value = Cuckoo.create(64, 2, 20, 1)
    items = [b"item:%d" % number for number in range(400)]
    for item in items:
        value.insert(item, unique=False)
    parts = len(value.parts)
    for item in items[100:]:
        assert value.delete(item)
    assert len(value.parts) < parts
    assert all(map(value.holds, items[:100]))
    value.compact(everything=True)
    assert all(map(value.holds, items[:100]))
    assert value.deleted == 0


def test_a_full_filter_is_unchanged_by_an_item_that_does_not_fit() -> None:
    value = Cuckoo.create(8, 2, 50, 0)
    number = 0
    while value.insert(b"%d" % number, unique=False) == INSERTED:
        number += 1
    before = bytes(value.parts[0].data)
    assert value.insert(b"%d" % number, unique=False) == NO_SPACE
    assert (bytes(value.parts[0].data), value.count) == (before, number)


def test_growth_beyond_memory(server: Server) -> None:
    value = Cuckoo.create(1024, 2, 1, 32768)
    results = {value.insert(b"same", unique=False) for _ in range(20)}
    assert results == {INSERTED, NO_MEMORY}
    server("CF.RESERVE", "key", 1024, "EXPANSION", 32768, "MAXITERATIONS", 1)
    replies = server("CF.INSERT", "key", "ITEMS", *["same"] * 20)
    assert replies[0] == 1
    assert replies[-1] == -1
    assert server("CF.ADD", "key", "same") == b"ERR Insufficient memory"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((1,), b"Capacity must be at least (BucketSize * 2)"),
        ((-1,), b"Capacity must be at least (BucketSize * 2)"),
        ((1 << 63,), b"Bad capacity"),
        (((1 << 63) - 1,), b"ERR Insufficient memory to create filter"),
        ((1 << 40,), b"ERR Insufficient memory to create filter"),
        ((100, "BUCKETSIZE", 0), b"BUCKETSIZE: value must be an integer between 1 and 255, inclusive."),
        ((100, "MAXITERATIONS", 0), b"MAXITERATIONS: value must be an integer between 1 and 65535, inclusive."),
        ((100, "EXPANSION", -1), b"EXPANSION: value must be an integer between 0 and 32768, inclusive."),
        ((100, "EXPANSION", "x"), b"Couldn't parse EXPANSION"),
        # Redis' module reads behind the arguments here.
        ((100, "x", "EXPANSION"), b"Couldn't parse EXPANSION"),
        ((100, "EXPANSION"), b"ERR wrong number of arguments for 'cf.reserve' command"),
    ],
)
def test_impossible_filters(server: Server, arguments: tuple[str | int, ...], error: bytes) -> None:
    assert server("CF.RESERVE", "key", *arguments) == error
    assert server("EXISTS", "key") == 0


def test_a_dump_in_chunks(server: Server) -> None:
    server("CF.RESERVE", "key", 20, "EXPANSION", 2)
    assert server("CF.SCANDUMP", "key", 0) == [0, None]
    for number in range(100):
        server("CF.ADD", "key", number)
    position = 0
    while True:
        position, data = server("CF.SCANDUMP", "key", position)
        if not position:
            break
        assert server("CF.LOADCHUNK", "copy", position, data) == b"OK"
    assert server("DUMP", "copy") == server("DUMP", "key")


def test_a_part_that_is_larger_than_a_chunk() -> None:
    value = Cuckoo.create(CHUNK + 1, 1, 20, 1)
    value.parts[0].data[CHUNK] = 7
    position, first = value.chunk(1)
    assert (position, len(first or b"")) == (CHUNK + 1, CHUNK)
    position, second = value.chunk(position)
    assert (position, (second or b"")[:1]) == (2 * CHUNK + 1, b"\x07")
    assert value.chunk(position) == (0, None)


def headers() -> dict[str, bytes]:
    """Headers that must be refused."""
    good = {"items": 3, "buckets": 8, "deletes": 0, "parts": 1, "size": 2, "moves": 20, "expansion": 1}
    assert Cuckoo.from_header(HEADER.pack(*good.values())).count == 3
    changes: dict[str, dict[str, int]] = {
        "no buckets": {"buckets": 0},
        "no power of two": {"buckets": 7},
        "too many buckets": {"buckets": 1 << 60},
        "no parts": {"parts": 0},
        "no parts in 16 bits": {"parts": 1 << 16},
        "no slots": {"size": 0},
        "too many slots": {"size": 256},
        "no moves": {"moves": 0},
        "too large": {"buckets": LARGEST},
        "many parts": {"buckets": 1 << 20, "parts": 65535},
        "grows too fast": {"parts": 40, "expansion": 4},
        "parts without expansion": {"parts": 2, "expansion": 0},
    }
    return {name: HEADER.pack(*{**good, **change}.values()) for name, change in changes.items()}


@pytest.mark.parametrize("name", headers())
def test_bad_headers(server: Server, name: str) -> None:
    assert server("CF.LOADCHUNK", "key", 1, headers()[name]) == b"Couldn't create filter!"
    assert server("EXISTS", "key") == 0
    assert server("CF.LOADCHUNK", "key", 1, headers()[name][:-1]) == b"Invalid header"


def test_bad_chunks_change_nothing(server: Server) -> None:
    server("CF.ADD", "key", "a")
    before = server("DUMP", "key")
    for iterator, data, error in [
        (0, b"x", b"Invalid position"),
        ("x", b"x", b"Invalid position"),
        (1, b"x", b"ERR item exists"),
        (-1, b"x", b"Couldn't load chunk!"),
        (3, b"1234", b"Couldn't load chunk!"),
        (3, b"", b"Couldn't load chunk!"),
        (1030, b"1234567", b"Couldn't load chunk!"),
        (1 << 62, b"1234", b"Couldn't load chunk!"),
    ]:
        assert server("CF.LOADCHUNK", "key", iterator, data) == error, iterator
    assert server("DUMP", "key") == before
    assert server("CF.LOADCHUNK", "missing", 2, "x") == b"ERR not found"


def test_chunks_are_propagated(server: Server) -> None:
    server("CF.ADD", "key", "a")
    header = server("CF.SCANDUMP", "key", 0)[1]
    recorder = server.record()
    server("CF.LOADCHUNK", "copy", 1, header)
    server("CF.LOADCHUNK", "copy", 5, "data")
    server("CF.DEL", "key", "a")
    server("CF.COMPACT", "key")
    assert [call[0] for call in recorder.take()] == [b"CF.LOADCHUNK", b"CF.LOADCHUNK", b"CF.DEL", b"CF.COMPACT"]


def test_another_type(server: Server) -> None:
    server("SET", "text", "x")
    assert server("CF.ADD", "text", "a").startswith(b"WRONGTYPE")
    assert server("CF.DEL", "text", "a") == b"Not found"
    assert server("CF.COMPACT", "text") == b"Cuckoo filter was not found"
    assert server("CF.EXISTS", "text", "a") is False
    assert server("CF.COUNT", "text", "a") == 0


def test_a_filter_of_many_parts_takes_no_more_items(server: Server) -> None:
    server("CF.RESERVE", "key", 2, "BUCKETSIZE", 1, "EXPANSION", 1, "MAXITERATIONS", 1)
    server("CF.INSERT", "key", "ITEMS", *["same"] * 40)
    assert server("CF.ADD", "key", "same") == b"Maximum expansions reached"
    assert b"filters:40 " in server("CF.DEBUG", "key")
