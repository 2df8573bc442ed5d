"""Packs collections while memory is short, so that fewer keys are evicted (``datatypes.packed``).

Packing frees at least half of the memory of a small collection, and nothing is lost.  So eviction packs what it can
before it chooses a key.  The account of a database notes its live collections (``keyspace.account.Account``).  They
begin to rest in the order in which they were noted.  A collection that no command has used since may then be packed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted_redis.datatypes.packed import CAN_REST, LIVE_CLASS, STILL, packed, rested
from twisted_redis.datatypes.sizes import QUICK
from twisted_redis.datatypes.table import value_size

if TYPE_CHECKING:
    from twisted_redis.keyspace.database import Database

__all__ = ["pack_some", "put_to_rest", "rest_some"]

_WHILE: Final = 100
"""The time for which a collection must rest before it is packed (ms)."""

_AT_ONCE: Final = 256
"""Collections that are looked at in one step, to begin to rest or because they were used again."""


def put_to_rest(db: Database, key: bytes, value: Any) -> bool:
    """Lets ``value``, which is at ``key``, rest; returns False if it cannot, or does so already."""
    resting = rested(value)
    if resting is None:
        return False
    db.data[key] = resting
    if db.account is not None:
        db.account.repeat(key, resting)
    return True


def rest_some(db: Database) -> bool:
    """Lets up to 256 live collections of ``db`` rest; returns whether there are more."""
    account, data, now = db.account, db.data, db.state.now
    if account is None:
        return False
    live = account.live
    for _ in range(min(len(live), _AT_ONCE)):
        key, _ = live.popitem(last=False)
        value = data.get(key)
        if put_to_rest(db, key, value) or value.__class__ in LIVE_CLASS:
            account.resting[key] = now
    return bool(live)


def _pack_next(db: Database, *, hurry: bool) -> int:
    """Packs the collection of ``db`` that has rested longest; returns its bytes, 0 if there is none to pack now."""
    account, data, now = db.account, db.data, db.state.now
    if account is None:
        return 0
    waiting = account.resting
    for _ in range(min(len(waiting), _AT_ONCE)):
        key, since = next(iter(waiting.items()))
        if not hurry and 0 <= now - since < _WHILE:
            return 0
        del waiting[key]
        value = data.get(key)
        cls = value.__class__
        if cls in STILL:
            continue
        if cls in LIVE_CLASS:
            still = packed(value)
            db.change_form(key, value, still)
            account.charge_changes()
            return value_size(still, QUICK)
        if cls in CAN_REST:
            account.live[key] = None  # it was used
    return 0


def pack_some(db: Database, is_over: Callable[[], bool], *, hurry: bool = False) -> tuple[int, int]:
    """Packs collections of ``db`` until ``is_over`` or until there is none to pack now.

    With ``hurry`` they need not have rested for a while.  Returns the number of the packed collections and their bytes.
    """
    values = size = 0
    while not is_over():
        one = _pack_next(db, hurry=hurry)
        if one:
            values += 1
            size += one
        elif not rest_some(db) and not (hurry and db.account is not None and db.account.resting):
            break
    return values, size
