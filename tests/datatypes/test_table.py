"""The table of types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.list import List
from twisted_redis.datatypes.own import GUESSED_MEMORY, Item, OwnValue
from twisted_redis.datatypes.strings import Text
from twisted_redis.datatypes.table import (
    OWN,
    TYPES,
    copy_value,
    encoding_of,
    exact_size,
    type_name,
    type_of,
    value_size,
)


class Number(OwnValue):
    """A number, as a module may declare one."""

    TYPE = b"number--1"

    def __init__(self, number: int) -> None:
        self.number = number

    def __len__(self) -> int:
        return 1

    def save(self) -> Iterable[Item]:
        """The number itself."""
        return [self.number]

    @classmethod
    def load(cls, items: list[Any], version: int) -> Number:
        """The number that was saved."""
        return cls(*items)

    def memory(self) -> int:
        """Fails."""
        raise ZeroDivisionError


@pytest.mark.parametrize("value", [b"1", bytearray(b"1"), Text(b"1")])
def test_strings_have_several_classes(value: bytes | bytearray) -> None:
    assert type_name(value) == b"string"
    assert type_of(value) is TYPES[bytes]
    copied = copy_value(value)
    assert copied == value and type(copied) is type(value)
    assert (copied is value) is isinstance(value, bytes)


def test_values_of_modules_share_a_row() -> None:
    value = Number(5)
    assert type_of(value) is OWN
    assert type_name(value) == b"number--1"
    assert encoding_of(value) == "raw"
    assert copy_value(value).number == 5
    assert type_of(value).shown(value) == [5]


@pytest.mark.parametrize("value", ["text", 5, None, [b"x"], {b"x": b"y"}, object()])
def test_nothing_else_is_a_value(value: object) -> None:
    with pytest.raises(TypeError, match=f"{type(value).__name__} is no value of a key"):
        type_of(value)


def test_sizes() -> None:
    assert value_size(b"x" * 100) == exact_size(b"x" * 100) == sizes.of_bytes(100)
    assert value_size(Text(b"5")) == sizes.of_bytes(1)
    assert 100 < value_size(bytearray(100)) < 200
    few, many = (value_size(List([b"%050d" % number for number in range(count)])) for count in (10, 100))
    assert 8 * few < many < 10 * few
    # The account of all keys goes on with a guess; one who asks about this value gets the error.
    assert value_size(Number(5)) == GUESSED_MEMORY
    with pytest.raises(ZeroDivisionError):
        exact_size(Number(5))
