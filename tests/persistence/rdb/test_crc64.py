"""The checksum, computed by anycrc and by its replacement in Python."""

from __future__ import annotations

import random

import pytest

from twisted_redis.persistence.rdb.crc64 import crc64, crc64_pure


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
