"""Calls that fill a server with collections of a given size, by kind of value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from .client import Argument

Command = Sequence[Argument]
Fill = Callable[[str, int], Iterator[Command]]

_CHUNK = 500


def member(number: int) -> bytes:
    return b"element:%09d" % number


def _chunks(count: int, start: int = 0) -> Iterator[range]:
    for first in range(start, start + count, _CHUNK):
        yield range(first, min(first + _CHUNK, start + count))


def fill_zset(key: str, count: int) -> Iterator[Command]:
    for numbers in _chunks(count):
        # 7919 is coprime to every size, so each score occurs once, in an unsorted order.
        yield ("ZADD", key, *(part for number in numbers for part in (number * 7919 % count, member(number))))


def fill_set(key: str, count: int, start: int = 0) -> Iterator[Command]:
    for numbers in _chunks(count, start):
        yield ("SADD", key, *map(member, numbers))


def fill_intset(key: str, count: int) -> Iterator[Command]:
    for numbers in _chunks(count):
        # These integers need four bytes each in a packed set, and are no small integers that a server shares.
        yield ("SADD", key, *(100_000 + number * 7919 % count for number in numbers))


def fill_hash(key: str, count: int) -> Iterator[Command]:
    for numbers in _chunks(count):
        yield ("HSET", key, *(part for number in numbers for part in (member(number), b"value:%06d" % number)))


def fill_list(key: str, count: int) -> Iterator[Command]:
    for numbers in _chunks(count):
        yield ("RPUSH", key, *map(member, numbers))


def fill_stream(key: str, count: int) -> Iterator[Command]:
    for number in range(1, count + 1):
        yield "XADD", key, f"{number}-1", "field", b"value:%06d" % number


FILLS: dict[str, Fill] = {
    "hash": fill_hash,
    "set": fill_set,
    "intset": fill_intset,
    "zset": fill_zset,
    "list": fill_list,
    "stream": fill_stream,
}
