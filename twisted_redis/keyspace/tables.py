"""The tables of a database: what leads to its values, beside the keys and the values themselves.

A dict has places for two thirds of a power of two of keys.  A key that is added takes a place for good, even after it
has left.  When no place remains, the dict gets a table for three times its keys.  So a dict to which one key comes for
each that leaves, as in a cache that evicts, has a table of up to four times the size that it needs.  Nothing makes the
table of a dict smaller, so another dict has to take its place.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from twisted_redis.datatypes import sizes

if TYPE_CHECKING:
    from twisted_redis.keyspace.database import Database

__all__ = ["needed_bytes", "places", "table_bytes", "use_table", "wanted_places"]

_FEW: Final = 4096
"""Keys below which the size of a dict does not matter."""

_ORDERED: Final = 9
"""The bytes of a key in the order."""

_SPARE: Final = 4
"""A dict that takes the place of another has room for one part in so many more than its keys."""


def table_bytes(db: Database) -> int:
    """Returns the memory (bytes) that ``db`` takes besides its keys and values.

    O(1), but for the index of a node of a cluster, which takes a millisecond.
    """
    size = sizes.of_container(db.data) + db.order.memory()
    if db.expires:
        size += sizes.of_container(db.expires) + db.wheel.memory()
    if db.access_log is not None:
        size += db.access_log.memory()
    if db.account is not None and db.account.volatile is not None:
        size += db.account.volatile.memory()
    if db.slots is not None:
        size += db.slots.memory()
    return size


def needed_bytes(db: Database) -> int:
    """Returns the memory (bytes) as ``table_bytes`` does, but as if the keys that have left had never been there.

    What is left of those is free for other keys, like the memory of their values.
    """
    keys = len(db.data)
    size = min(sizes.of_container(db.data), _grown(keys)) + _ORDERED * keys
    if db.expires:
        size += min(sizes.of_container(db.expires), _grown(len(db.expires))) + db.wheel.memory()
    if db.access_log is not None:
        size += db.access_log.memory()
    if db.slots is not None:
        size += db.slots.memory()
    return size


def _grown(keys: int) -> int:
    """Returns the bytes of a dict to which so many ``keys`` were added."""
    return 20 << (3 * keys // 2).bit_length()


def places(table: dict[bytes, Any]) -> int:
    """Returns the number of places of ``table``, those that are taken included; 0 if the interpreter does not tell."""
    if sys.implementation.name != "cpython":
        return 0
    # A place takes 24 bytes.  There are two for each three slots of an index, which take 1, 2 or 4 bytes.
    slots = 1 << (sys.getsizeof(table) >> 4).bit_length() - 1
    return 2 * slots // 3


def wanted_places(keys: int) -> int:
    """Returns the number of places that a dict with so many ``keys`` should have."""
    slots = 1 << (3 * max(keys, _FEW) // 2).bit_length()
    # If there is little room, a dict that has twice the places lasts much longer.
    return 2 * (slots if 2 * slots * _SPARE > 3 * keys * (_SPARE + 1) else 2 * slots) // 3


def use_table(db: Database, table: dict[bytes, Any]) -> dict[bytes, Any]:
    """Has ``db`` use ``table``, which has the same keys and values, in place of its dict; returns the dict before."""
    before = db.data
    db.data = table
    db.stored.use(table)
    db.order.use(table)
    if db.account is not None:
        db.account.use(table)
    if db.slots is not None:
        db.slots.use(table)
    db.choose_quick()
    return before
