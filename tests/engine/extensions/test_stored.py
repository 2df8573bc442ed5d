"""The items of stored values: what files contain of them, and how a value reads them again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twisted_redis.extending import Float32, OwnValue, Reader, Signed
from twisted_redis.persistence.rdb.own import read_items
from twisted_redis.persistence.rdb.table import value_parts


class Holder(OwnValue):
    TYPE = b"holder-01"

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def save(self) -> Any:
        return self.items

    @classmethod
    def load(cls, items: list[Any], version: int) -> Holder:
        return cls(items)


def stored(*items: Any) -> bytes:
    """Returns the bytes of the items, without the name of the type and the end."""
    parts = value_parts(Holder(list(items)), 12, True)[1]
    return b"".join(parts[1:-1])


@pytest.mark.parametrize(
    ("item", "data"),
    [
        (5, b"\x02\x05"),
        (True, b"\x02\x01"),
        (Signed(5), b"\x01\x05"),
        (Signed(-1), b"\x01\x81" + b"\xff" * 8),
        (-1, b"\x01\x81" + b"\xff" * 8),
        ((1 << 64) - 1, b"\x02\x81" + b"\xff" * 8),
        (1.5, b"\x04\0\0\0\0\0\0\xf8\x3f"),
        (Float32(1.5), b"\x03\0\0\xc0\x3f"),
        (b"abc", b"\x05\x03abc"),
        (b"-7", b"\x05\xc0\xf9"),
    ],
    ids=repr,
)
def test_each_kind_of_item(item: Any, data: bytes) -> None:
    assert stored(item) == data
    items, end = read_items(data + b"\0", 0)
    assert (items, end) == ([item], len(data) + 1)


def test_numbers_of_32_bits_are_rounded() -> None:
    assert Float32(0.1) == 0.10000000149011612
    with pytest.raises(OverflowError):
        Float32(1e300)


@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1])
def test_signed_integers_have_64_bits(value: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        Signed(value)


def test_a_reader_takes_the_items_in_turn() -> None:
    read = Reader([1, -2, 2.5, b"text", (1 << 64) - 1])
    assert read.integer(0, 1) == 1
    assert read.integer() == -2
    assert read.number() == 2.5
    assert read.data(4) == b"text"
    assert read.left() == 1
    assert read.integer() == (1 << 64) - 1
    read.at_end()


@pytest.mark.parametrize(
    ("items", "take", "reason"),
    [
        ([], lambda read: read.integer(), "ends too early"),
        ([b"1"], lambda read: read.integer(), "there is bytes"),
        ([1.0], lambda read: read.integer(), "there is float"),
        ([7], lambda read: read.integer(0, 6), "7 is not from 0 to 6"),
        ([1], lambda read: read.number(), "there is int"),
        ([1], lambda read: read.data(), "there is int"),
        ([b"abc"], lambda read: read.data(2), "3 bytes, more than 2"),
        ([1], lambda read: read.at_end(), "1 items follow"),
    ],
)
def test_a_reader_refuses_what_does_not_fit(items: list[Any], take: Callable[[Reader], Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        take(Reader(items))
