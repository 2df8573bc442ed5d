"""The checksum, computed by anycrc and by its replacement in Python."""

from __future__ import annotations

import random

import pytest

from twisted_redis.persistence.rdb.crc64 import behind_zeros, crc64, crc64_pure


@pytest.fixture(params=[crc64, crc64_pure], ids=["fastest", "pure"])
def checksum(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    return request.param


def test_known_values(checksum) -> None:  # type: ignore[no-untyped-def]
    assert checksum(b"") == 0
    assert checksum(b"123456789") == 0xE9C6D914C4B8D9CA


def test_a_text_in_two_parts(checksum) -> None:  # type: ignore[no-untyped-def]
    data = random.Random(1).randbytes(300)
    for cut in range(0, 300, 7):
        assert checksum(data[cut:], checksum(data[:cut])) == crc64_pure(data)


def test_zeros_behind_a_text() -> None:
    data = random.Random(2).randbytes(20)
    for count in (0, 1, 2, 3, 7, 8, 255, 256, 1000, 65537):
        assert behind_zeros(crc64_pure(data), count) == crc64_pure(data + bytes(count))
    # Nobody can wait for so many bytes; half of them twice must do the same.
    assert behind_zeros(5, 1 << 50) == behind_zeros(behind_zeros(5, 1 << 49), 1 << 49) != 0


def test_a_beginning_is_replaced(checksum) -> None:  # type: ignore[no-untyped-def]
    rest = random.Random(3).randbytes(100_001)
    change = behind_zeros(checksum(b"REDIS0010") ^ checksum(b"REDIS0012"), len(rest))
    assert checksum(b"REDIS0010" + rest) ^ change == checksum(b"REDIS0012" + rest)
