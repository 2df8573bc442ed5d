"""What values take in memory, as near as can be told without walking through them (bytes)."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from itertools import islice

__all__ = ["of_bytes", "of_container", "of_items"]

_ITEMS = 16
"""Items looked at for the average of all; Redis' MEMORY USAGE takes 5 unless told otherwise."""

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
    lengths = [len(item) for item in islice(items, _ITEMS)]
    return sum(map(of_bytes, lengths)) * count // len(lengths) if lengths else 0
