"""BF.*: what is particular about Bloom filters here, beside what the differential tests compare."""

from __future__ import annotations

import struct

import pytest

from tests.support.server import Server
from twisted_redis.modules.probabilistic.bloom import FULL, LARGEST, NO_SCALING, STUCK, Chain, Layer

HEADER = struct.Struct("<QIII")
LAYER = struct.Struct("<QQQddIQB")


def test_no_item_is_lost_and_few_are_found_by_mistake() -> None:
    chain = Chain.create(100, 0.01, 0, 2)
    added = [b"item:%d" % number for number in range(2000)]
    for item in added:
        chain.add(item)
    assert all(map(chain.holds, added))
    assert len(chain.layers) > 3
    mistakes = sum(chain.holds(b"other:%d" % number) for number in range(2000))
    assert mistakes < 40  # 1 % and a margin
    assert chain.count == sum(layer.count for layer in chain.layers) <= 2000


def test_a_filter_that_does_not_grow_becomes_full(server: Server) -> None:
    chain = Chain.create(3, 0.001, NO_SCALING, 2)
    assert [chain.add(b"%d" % number) for number in range(4)] == [1, 1, 1, FULL]
    assert chain.add(b"0") == 0
    server("BF.RESERVE", "small", "0.001", 2, "NONSCALING")
    assert server("BF.MADD", "small", "a", "b", "c", "d") == [True, True, b"ERR non scaling filter is full"]
    assert server("BF.ADD", "small", "c") == b"ERR non scaling filter is full"
    assert server("BF.ADD", "small", "a") is False


def test_a_filter_that_cannot_grow_keeps_what_it_has() -> None:
    chain = Chain.create(1, 0.01, 0, 1 << 32)  # the growth has 32 bits
    assert chain.growth == 0
    assert [chain.add(b"a"), chain.add(b"b"), chain.add(b"a")] == [1, STUCK, 0]
    assert (chain.holds(b"a"), chain.holds(b"b"), len(chain.layers)) == (True, False, 1)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("0", 100), b"ERR (0 < error rate range < 1) "),
        (("1", 100), b"ERR (0 < error rate range < 1) "),
        (("0.01", 0), b"ERR (capacity should be larger than 0)"),
        (("0.01", 1 << 63), b"ERR bad capacity"),
        (("0.01", (1 << 63) - 1), b"ERR Insufficient memory to create filter"),
        (("0.01", 1 << 40), b"ERR Insufficient memory to create filter"),
        (("5e-324", 1 << 30), b"ERR could not create filter"),  # half of it is 0
        (("0.01", 100, "EXPANSION", 0), b"ERR expansion should be greater or equal to 1"),
        (("0.01", 100, "EXPANSION", 1 << 63), b"ERR bad expansion"),
        (("0.01", 100, "EXPANSION"), b"ERR no expansion"),
        (("0.01", 100, "EXPANSION", 2, "NONSCALING"), b"Nonscaling filters cannot expand"),
        (("0.01", 100, "a", "b", "c", "d"), b"ERR wrong number of arguments for 'bf.reserve' command"),
    ],
)
def test_impossible_filters(server: Server, arguments: tuple[str | int, ...], error: bytes) -> None:
    assert server("BF.RESERVE", "key", *arguments) == error
    assert server("EXISTS", "key") == 0


def test_the_other_kinds_of_sizes() -> None:
    powers = Layer.create(100, 0.01, 0)
    assert (powers.modulus, powers.log2_bits, powers.entries) == (1024, 10, 106)
    bits = Layer.create(12, 0.01, 2)
    assert (bits.modulus, bits.entries) == (4096, int(4096 / bits.bits_per_entry))
    with pytest.raises(MemoryError):
        Layer.create(64, 0.01, 2)


def test_filters_of_early_versions_with_hashes_of_32_bits() -> None:
    chain = Chain([Layer.create(50, 0.01, 0)], 0, 0, 2)
    for number in range(200):
        chain.add(b"%d" % number)
    assert len(chain.layers) > 1
    again = Chain.from_header(chain.header())
    position = 1
    while position:
        position, data = chain.chunk(position)
        assert not data or again.load_chunk(position, data) == ""
    assert all(again.holds(b"%d" % number) for number in range(200))


def test_a_dump_in_chunks(server: Server) -> None:
    server("BF.RESERVE", "key", "0.001", 50)
    for number in range(300):
        server("BF.ADD", "key", number)
    position = 0
    while True:
        position, data = server("BF.SCANDUMP", "key", position)
        if not position:
            break
        assert server("BF.LOADCHUNK", "copy", position, data) == b"OK"
    assert server("DUMP", "copy") == server("DUMP", "key")
    assert server("BF.LOADCHUNK", "copy", 1, "ab") == b"ERR received bad data"


def headers() -> dict[str, bytes]:
    """Headers that must be refused: they are cut off, contradict themselves, or cost too much time or memory."""
    good = {"bytes": 64, "bits": 512, "size": 0, "error": 0.01, "bpe": 9.585, "hashes": 7, "entries": 50, "n2": 0}

    def made(size: int = 0, length: int = 1, options: int = 5, **fields: float) -> bytes:
        values = {**good, **fields}
        return HEADER.pack(size, length, options, 2) + LAYER.pack(*values.values())

    assert Chain.from_header(made()).capacity == 50
    return {
        "empty": b"",
        "cut off": made()[:-1],
        "longer": made() + b"x",
        "no layers": HEADER.pack(0, 0, 5, 2),
        "many layers": HEADER.pack(0, 1 << 31, 5, 2),
        "unknown option": made(options=16),
        "another sum": made(size=1),
        "no error": made(error=0.0),
        "nan": made(error=float("nan")),
        "always wrong": made(error=1.0),
        "other hashes": made(hashes=8),
        "very many hashes": made(bpe=1e9, hashes=693147181),
        "endless": made(bpe=float("inf"), hashes=7),
        "no bits": made(bytes=0, bits=0),
        "other bits": made(bits=513),
        "more bits than bytes": made(n2=10),
        "many bits": made(n2=63),
        "very many bits": made(n2=64),
        "too large": made(bytes=LARGEST + 8, bits=8 * LARGEST + 64),
        "larger than any memory": made(bytes=1 << 60, bits=1 << 63),
    }


@pytest.mark.parametrize("name", headers())
def test_bad_headers(server: Server, name: str) -> None:
    assert server("BF.LOADCHUNK", "key", 1, headers()[name]) == b"ERR received bad data"
    assert server("EXISTS", "key") == 0


def test_bad_chunks_change_nothing(server: Server) -> None:
    server("BF.ADD", "key", "a")
    before = server("DUMP", "key")
    for iterator, data, error in [
        (0, b"x", b"ERR received bad data"),
        (-1, b"x", b"ERR received bad data"),
        (3, b"1234", b"ERR received bad data"),
        (4, b"1234", b"ERR invalid offset - no link found"),
        (1 << 62, b"1234", b"ERR invalid offset - no link found"),
        (200, b"x" * 180, b"ERR invalid chunk - Too big for current filter"),
        ("x", b"", b"ERR Second argument must be numeric"),
    ]:
        assert server("BF.LOADCHUNK", "key", iterator, data) == error, iterator
    assert server("DUMP", "key") == before


def test_every_call_that_adds_is_propagated_once(server: Server) -> None:
    recorder = server.record()
    calls = [
        [b"BF.RESERVE", b"key", b"0.01", b"100"],
        [b"BF.ADD", b"key", b"a"],
        [b"BF.ADD", b"key", b"a"],
        [b"BF.MADD", b"key", b"a", b"b"],
        [b"BF.INSERT", b"key", b"ITEMS", b"c"],
    ]
    for call in calls:
        server(*call)
    server("BF.RESERVE", "key", "0.01", 100)
    server("BF.EXISTS", "key", "a")
    server("BF.INSERT", "missing", "NOCREATE", "ITEMS", "c")
    assert recorder.take() == calls


def test_another_type(server: Server) -> None:
    server("SET", "text", "x")
    assert server("BF.ADD", "text", "a").startswith(b"WRONGTYPE")
    assert server("BF.INFO", "text").startswith(b"WRONGTYPE")
    # Redis' module takes a value of another type for an empty filter here.
    assert server("BF.EXISTS", "text", "a") is False
    assert server("BF.MEXISTS", "text", "a", "b") == [False, False]
    assert server("BF.CARD", "missing") == 0
    assert server("BF.INFO", "missing") == b"ERR not found"


def test_a_copy_is_independent(server: Server) -> None:
    server("BF.ADD", "key", "a")
    assert server("COPY", "key", "copy") == 1
    server("BF.ADD", "copy", "b")
    assert server("BF.MEXISTS", "key", "a", "b") == [True, False]


def test_memory_is_near_the_bits(server: Server) -> None:
    server("BF.RESERVE", "key", "0.01", 100_000)
    size = server("BF.INFO", "key", "SIZE")[0]
    assert size <= server("MEMORY", "USAGE", "key") <= size + 1000
