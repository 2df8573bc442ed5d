"""The memory that values take (bytes), as exact as it can be without walking through them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from itertools import islice
from typing import Any, Final, NamedTuple

__all__ = [
    "QUICK",
    "SAMPLES",
    "THOROUGH",
    "USUAL",
    "Sampling",
    "charged",
    "holders",
    "of_bytes",
    "of_container",
    "of_items",
    "references",
]

SAMPLES = 16
"""Items looked at for the average of all; Redis' MEMORY USAGE takes 5 unless told otherwise."""


class Sampling(NamedTuple):
    """Which items stand for all.

    ``samples`` is their number, None for all items.  They are spread over the collection; of one that can only be gone
    through from its start, over the first ``reach`` entries.  An item that others hold too is charged in part:
    ``spare`` references to it do not count as such, while a request that has just brought it still refers to it.
    """

    samples: int | None = SAMPLES
    reach: int = 2048
    spare: int = 0


USUAL: Sampling = Sampling()

QUICK: Sampling = Sampling(spare=1)
"""While requests are carried out."""

THOROUGH: Sampling = Sampling(4 * SAMPLES, 1 << 16)
"""For walks in the background."""

_references: Callable[[object], int] | None = getattr(sys, "getrefcount", None)

_GOLDEN = 0.6180339887498949

_BYTES_HEADER = 33
"""A bytes object without its content, the closing zero included."""

_ENTRY = 48
"""An entry of a dict or a set, free room included, where the interpreter cannot tell."""

_REFERENCE = 9
"""An element of a list, free room included, where the interpreter cannot tell."""


def of_bytes(length: int) -> int:
    """The size of a bytes object of that length, as allocated in steps of 16 bytes."""
    # The empty one and those of a single byte are objects that everybody shares.
    return _BYTES_HEADER + length + 15 & ~15 if length > 1 else 0


def of_container(container: Collection[object]) -> int:
    """The size of a list, a dict, a set or an array itself, without what it refers to."""
    try:
        return sys.getsizeof(container)
    except TypeError:  # PyPy does not know
        if isinstance(container, list):
            entry = _REFERENCE
        else:
            entry = 1 if isinstance(container, bytes | bytearray) else getattr(container, "itemsize", _ENTRY)
        return 64 + entry * len(container)


def _counted(thing: object) -> int:
    return _references(thing) if _references is not None else 0


def _counted_of(things: list[Any]) -> list[int]:
    return [_counted(thing) for thing in things]


# The references that come from asking. In compiled code, parameters and calls need none of their own.
_OF_PARAMETER: Final = _counted(bytes(_BYTES_HEADER))
_OF_LIST: Final = _counted_of([bytes(_BYTES_HEADER)])[0]


def references(thing: object) -> int:
    """How many refer to ``thing``; 1 where the interpreter does not count."""
    return max(1, _references(thing) - _OF_PARAMETER) if _references is not None else 1


def holders(things: list[Any]) -> list[int]:
    """How many refer to each of ``things`` besides this list; 1 where the interpreter does not count."""
    return [max(1, counted - _OF_LIST) for counted in _counted_of(things)]


def _some(items: Collection[Any], first: int, how: Sampling) -> list[Any]:
    """The items that stand for all.

    Multiples of the golden ratio spread them evenly and without a period.  The same items are picked from the same
    collection each time: an account of differences must not take chance for growth.
    """
    count = len(items) - first
    if how.samples is None or count <= how.samples:
        return list(islice(items, first, None))
    reach = count if isinstance(items, list) else min(count, how.reach)
    places = sorted({int(number * _GOLDEN % 1 * reach) for number in range(how.samples)})
    if isinstance(items, list):
        return [items[first + place] for place in places]
    reached = list(islice(items, places[-1] + 1))
    return [reached[place] for place in places]


def of_items(items: Collection[bytes], how: Sampling, holders: int = 1, *, kept: int = 0, first: int = 0) -> int:
    """The size of bytes objects, from the ``first`` one of ``items`` on; the collection has each in ``holders`` places.

    Something that keeps objects for everybody may have ``kept`` references to each besides.
    """
    found = _some(items, first, how)
    own = _OF_LIST + how.spare + kept
    size = 0
    for item, counted in zip(found, _counted_of(found), strict=True):
        if len(item) > 1:
            whole = of_bytes(len(item))
            size += whole * holders // max(holders, counted - own)
    return size * (len(items) - first) // len(found) if found else 0


def charged(items: list[Any], size: int, how: Sampling) -> int:
    """What ``items`` of ``size`` bytes in all are charged to this list, since others may hold some of them, too."""
    found = _some(items, 0, how)
    own = _OF_LIST + how.spare
    shares = [size // max(1, counted - own) for counted in _counted_of(found)]
    return sum(shares) // len(shares) if shares else 0
