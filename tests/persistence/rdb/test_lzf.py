"""LZF: the decompressor in Python, and python-lzf if it is installed."""

from __future__ import annotations

import random

import pytest

from twisted_redis.persistence.rdb import lzf
from twisted_redis.persistence.rdb.errors import CorruptData

#: As redis-server wrote them.
COMPRESSED = [
    (b"a" * 60, b"\x01aa\xe0/\x00\x01aa"),
    (b"abcdefgh" * 40, b"\x08abcdefgha\xe0\xff\x07\xe1$\x07\x01gh"),
    (bytes(1000), b"\x01\x00\x00\xe0\xff\x00\xe0\xff\x00\xe0\xff\x00\xe0\xc3\x00\x01\x00\x00"),
    (
        b"the cat and the dog and the cow and the end of it all",
        b"\x0cthe cat and t \x0b\x02dog\xe0\x00\x0b\x02cow\xe0\x00\x0b\x00e \x1f\x03of i )\x01ll",
    ),
]


@pytest.fixture(params=[lzf.decompress, lzf.decompress_pure], ids=["fastest", "pure"])
def decompress(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    return request.param


@pytest.mark.parametrize(("text", "packed"), COMPRESSED)
def test_decompression(decompress, text: bytes, packed: bytes) -> None:  # type: ignore[no-untyped-def]
    assert decompress(packed, len(text)) == text


@pytest.mark.parametrize(("text", "packed"), COMPRESSED)
def test_broken_data(decompress, text: bytes, packed: bytes) -> None:  # type: ignore[no-untyped-def]
    for cut in range(len(packed)):
        with pytest.raises(CorruptData):
            decompress(packed[:cut], len(text))
    for size in (1, len(text) - 1, len(text) + 1, 2**40):
        with pytest.raises(CorruptData):
            decompress(packed, size)


def test_a_reference_to_before_the_beginning(decompress) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CorruptData):
        decompress(b"\x00a\x20\x01", 4)


def test_any_bytes_are_text_or_corrupt() -> None:
    rng = random.Random(2)
    for _ in range(2000):
        data = rng.randbytes(rng.randrange(1, 30))
        size = rng.randrange(1, 300)
        try:
            assert len(lzf.decompress_pure(data, size)) == size
        except CorruptData:
            pass


def test_compression() -> None:
    pytest.importorskip("lzf")
    assert lzf.compress is not None
    rng = random.Random(3)
    for size in (21, 100, 5000, 70000):
        for alphabet in (b"a", b"abc", bytes(range(256))):
            text = bytes(rng.choices(alphabet, k=size))
            packed = lzf.compress(text, len(text) - 4)
            if packed is None:
                assert len(alphabet) == 256 or size < 100
            else:
                assert len(packed) <= size - 4
                assert lzf.decompress_pure(packed, size) == lzf.decompress(packed, size) == text
