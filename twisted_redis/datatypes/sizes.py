"""What values take in memory, as near as can be told without walking through them (bytes)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from itertools import islice
from typing import Any

from twisted_redis.datatypes.own import OwnValue, memory_or_guess

__all__ = ["SAMPLES", "of_bytes", "of_container", "of_items", "of_shared", "of_value"]

SAMPLES = 16
"""Items looked at for the average of all; Redis' MEMORY USAGE takes 5 unless told otherwise."""

#: How many are looked at in the running estimate; None for all.
_samples: int | None = SAMPLES

_references: Callable[[object], int] | None = getattr(sys, "getrefcount", None)

_BYTES_HEADER = 33
"""A bytes object without its content, the closing zero included."""

_ENTRY = 48
"""An entry of a dict or a set, free room included, where the interpreter cannot tell."""


def of_bytes(length: int) -> int:
    """The size of a bytes object of that length, as allocated in steps of 16 bytes."""
    return _BYTES_HEADER + length + 15 & ~15


def of_container(container: Collection[object]) -> int:
    """The size of a list, a dict, a set or an array itself, without what it refers to."""
    try:
        return sys.getsizeof(container)
    except TypeError:  # PyPy does not know
        return 64 + getattr(container, "itemsize", _ENTRY) * len(container)


def of_items(items: Iterable[bytes], count: int) -> int:
    """The size of ``count`` bytes objects, of which ``items`` are the first ones."""
    lengths = [len(item) for item in islice(items, _samples)]
    # The empty one and those of a single byte are objects that everybody shares.
    return sum(of_bytes(length) for length in lengths if length > 1) * count // len(lengths) if lengths else 0


def of_shared(items: Iterable[bytes], count: int) -> int:
    """As ``of_items``, each object divided by how many have it besides one that keeps it for all."""
    if _references is None:
        return of_items(items, count)
    size = looked = 0
    for item in islice(items, _samples):
        looked += 1
        if len(item) > 1:
            size += of_bytes(len(item)) // max(1, _references(item) - 3)  # this loop, the call, the keeper
    return size * count // looked if looked else 0


def of_value(value: Any, samples: int | None = SAMPLES) -> int:
    """The size of any value; of its items ``samples`` are looked at, or with None all."""
    if isinstance(value, bytes):
        return of_bytes(len(value))
    if isinstance(value, bytearray):
        try:
            return sys.getsizeof(value)
        except TypeError:
            return 64 + len(value)
    if isinstance(value, OwnValue):
        return memory_or_guess(value)
    global _samples
    _samples = samples
    try:
        return int(value.memory())
    finally:
        _samples = SAMPLES
