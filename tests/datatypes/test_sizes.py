"""Estimates of memory: near the truth where the interpreter tells it, and never failing where it does not."""

from __future__ import annotations

import sys
from array import array

import pytest

from twisted_redis.datatypes import sizes


@pytest.mark.parametrize("length", [0, 1, 14, 15, 16, 100, 10_000])
def test_of_bytes(length: int) -> None:
    assert 0 <= sizes.of_bytes(length) - (33 + length) < 16
    assert sizes.of_bytes(length) % 16 == 0


def test_of_items_takes_the_average_of_the_first() -> None:
    assert sizes.of_items([], 0) == 0
    assert sizes.of_items([b"xx"] * 1000, 1000) == 1000 * sizes.of_bytes(2)
    assert sizes.of_items([b"x"] * 1000, 1000) == 0  # all of them are the same object
    assert sizes.of_items(iter([b"x" * 15, b"x" * 47]), 2) == sizes.of_bytes(15) + sizes.of_bytes(47)
    assert sizes.of_items([b"xx"] * 16 + [b"x" * 10**6], 17) == 17 * sizes.of_bytes(2)


@pytest.mark.parametrize("container", [[1] * 500, dict.fromkeys(range(500)), set(range(500))])
def test_of_container(container: list[int]) -> None:
    assert 500 * 8 < sizes.of_container(container) < 500 * 100


def test_of_container_where_the_interpreter_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(value: object) -> int:
        raise TypeError

    monkeypatch.setattr(sys, "getsizeof", refuse)
    assert 10 * 8 < sizes.of_container([1] * 10) < 10 * 100
    assert sizes.of_container(array("q", range(100))) == 64 + 800


class Items(list[bytes]):
    """A value that is a list of bytes."""

    def memory(self) -> int:
        return sizes.of_items(self, len(self))


def test_of_value() -> None:
    assert sizes.of_value(b"x" * 100) == sizes.of_bytes(100)
    assert 100 < sizes.of_value(bytearray(100)) < 200
    assert sizes.of_value(Items([b"xx"] * 10)) == 10 * sizes.of_bytes(2)


def test_samples() -> None:
    short, long = sizes.of_bytes(2), sizes.of_bytes(1000)
    value = Items([b"xx"] * 20 + [b"x" * 1000] * 20)
    assert sizes.of_value(value) == 40 * short
    assert sizes.of_value(value, 20) == 40 * short
    assert sizes.of_value(value, 25) == (20 * short + 5 * long) * 40 // 25
    assert sizes.of_value(value, None) == 20 * short + 20 * long
    # The next estimate is an ordinary one again, whatever became of this one.
    with pytest.raises(AttributeError):
        sizes.of_value(5, None)
    assert sizes.of_value(value) == 40 * short
