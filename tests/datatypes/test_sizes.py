"""Memory estimates: close to the truth if the interpreter reports sizes, and without failures if it does not."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Collection, Iterator

import pytest

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.sizes import USUAL, Sampling


@pytest.mark.parametrize("length", [2, 14, 15, 16, 100, 10_000])
def test_of_bytes(length: int) -> None:
    assert 0 <= sizes.of_bytes(length) - (33 + length) < 16
    assert sizes.of_bytes(length) % 16 == 0


def test_bytes_that_everybody_shares_take_nothing() -> None:
    assert [sizes.of_bytes(length) for length in (0, 1)] == [0, 0]


def items(*lengths: int) -> list[bytes]:
    """Returns objects of these lengths that nothing else refers to."""
    return [bytes(length) for length in lengths]


def test_of_items_takes_the_average_of_some() -> None:
    assert sizes.of_items([], USUAL) == 0
    assert sizes.of_items(items(*[2] * 1000), USUAL) == 1000 * sizes.of_bytes(2)
    assert sizes.of_items([b"x"] * 1000, USUAL) == 0  # all are the same object
    assert sizes.of_items(items(15, 47), USUAL) == sizes.of_bytes(15) + sizes.of_bytes(47)
    assert sizes.of_items(items(1000, 15, 47), USUAL, first=1) == sizes.of_bytes(15) + sizes.of_bytes(47)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("kind", [list, dict.fromkeys])
def test_the_first_items_do_not_stand_for_all(kind: Callable[[list[bytes]], Collection[bytes]], order: int) -> None:
    found = [b"%0*d" % (length, number) for length in (20, 1000) for number in range(1000)][::order]
    exact = sum(sizes.of_bytes(len(item)) for item in found)
    assert abs(sizes.of_items(kind(found), Sampling(16, 2048, 2)) - exact) < exact // 4
    assert abs(sizes.of_items(kind(found), Sampling(64, 2048, 2)) - exact) < exact // 15


def test_of_a_large_table_the_start_is_looked_at() -> None:
    class Counting(dict[bytes, None]):
        def __iter__(self) -> Iterator[bytes]:
            for count, item in enumerate(dict.__iter__(self), 1):
                looked.append(count)
                yield item

    looked: list[int] = []
    sizes.of_items(Counting.fromkeys([b"%d" % number for number in range(10_000)]), Sampling(16, 500))
    assert 400 < max(looked) <= 500


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="the interpreter does not count references")
def test_shared_items_are_charged_in_part() -> None:
    mine = items(*[100] * 10)
    whole = sizes.of_items(mine, USUAL)
    assert whole == 10 * sizes.of_bytes(100)
    others = [mine.copy() for _ in range(3)]
    assert sizes.of_items(mine, USUAL) == whole // 4
    assert sizes.of_items(mine, Sampling(spare=1)) == whole // 3
    assert sizes.of_items(mine, USUAL, 2) == whole // 2, "a pair of them is one collection's"
    assert sizes.of_items(mine, USUAL, kept=3) == whole
    del others
    assert sizes.of_items(mine, USUAL) == whole


@pytest.mark.parametrize("container", [[1] * 500, dict.fromkeys(range(500)), set(range(500))])
def test_of_container(container: list[int]) -> None:
    assert 500 * 8 < sizes.of_container(container) < 500 * 100


def test_of_container_where_the_interpreter_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(value: object) -> int:
        raise TypeError

    monkeypatch.setattr(sys, "getsizeof", refuse)
    assert 10 * 8 < sizes.of_container([1] * 10) < 10 * 100
    assert sizes.of_container(array("q", range(100))) == 64 + 800


def test_samples() -> None:
    short, long = sizes.of_bytes(2), sizes.of_bytes(1000)
    value = items(*[2] * 20, *[1000] * 20)
    assert sizes.of_items(value, Sampling(2)) == (short + long) // 2 * 40
    assert sizes.of_items(value, Sampling(1)) == short * 40
    assert sizes.of_items(value, Sampling(None)) == 20 * short + 20 * long
    assert sizes.of_items(value, USUAL) == sizes.of_items(value, USUAL), "the same items stand for all each time"
