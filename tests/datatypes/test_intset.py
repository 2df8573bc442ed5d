"""Intsets."""

from __future__ import annotations

from array import array

import pytest

from twisted_redis.datatypes import intset
from twisted_redis.datatypes.corruption import CorruptData


@pytest.mark.parametrize(
    ("numbers", "width"),
    [
        ([1, 2, 32767], 2),
        ([-32768, 5], 2),
        ([5, 32768], 4),
        ([-32769], 4),
        ([-(2**31), 2**31 - 1], 4),
        ([2**31], 8),
        ([-(2**63), 0, 2**63 - 1], 8),
    ],
)
def test_there_and_back(numbers: list[int], width: int) -> None:
    blob = intset.encode(array("q", numbers))
    assert blob[:8] == width.to_bytes(4, "little") + len(numbers).to_bytes(4, "little")
    assert len(blob) == 8 + width * len(numbers)
    found = intset.decode(blob)
    assert found.typecode == "q" and found.tolist() == numbers


def test_the_bytes() -> None:
    assert intset.encode(array("q", [-2, 259])) == b"\x02\0\0\0\x02\0\0\0\xfe\xff\x03\x01"


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\x02\0\0\0\x01\0\0",
        b"\x02\0\0\0\x00\0\0\0",  # empty
        b"\x03\0\0\0\x01\0\0\0\x01\x02\x03",
        b"\x02\0\0\0\x02\0\0\0\x01\0",
        b"\x02\0\0\0\xff\xff\xff\xff\x01\0",
        b"\x02\0\0\0\x01\0\0\0\x01\0\x02\0",
        b"\x02\0\0\0\x02\0\0\0\x02\0\x01\0",  # unsorted
        b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0",  # a duplicate
    ],
)
def test_corrupt_data(blob: bytes) -> None:
    with pytest.raises(CorruptData):
        intset.decode(blob)
