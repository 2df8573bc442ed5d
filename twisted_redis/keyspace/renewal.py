"""Allocates the keys of a database anew, so that the memory around the old ones becomes free."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from twisted_redis.datatypes.list import SettledList

if TYPE_CHECKING:
    from twisted_redis.keyspace.database import Database

__all__ = ["renew_keys"]


def renew_keys(db: Database, old: list[Any]) -> Iterator[None]:
    """Replaces the keys of ``db`` by equal objects, and adds the objects before to ``old``.

    The caller keeps ``old`` until the end.  Otherwise the next keys would be allocated in the places of these.

    A key is allocated between the elements of collections.  When these are freed, and the keys alone remain, the
    allocator cannot give the memory around each key back.  The same goes for the small objects of which settled lists
    consist, so these are made anew as well.  The dict may grow to twice its size meanwhile, as it does
    when keys come and go.  That is 30 to 50 bytes a key.  To make the dict small again would take 0.3 us a key in one
    piece.

    Keys with an expiry stay as they are while the account has an order of them, which has these objects, too.

    The iterator does a part of the work, 256 keys, with each step.  Anything may happen between two steps.  No more
    keys are replaced once the database is emptied or swapped.
    """
    order = db.order
    index = 0
    while db.order is order and order.exchange(index, _Renewer(db, old).renew, old):
        index += 1
        yield


class _Renewer:
    """Renews single keys of ``db``, as long as nothing else happens, and adds the objects before to ``old``."""

    __slots__ = ("_copy", "_data", "_expires", "_noted", "_old", "_ordered", "_slots")

    def __init__(self, db: Database, old: list[Any]) -> None:
        self._old = old
        self._data = db.data
        self._expires = db.expires
        noted = None if db.access_log is None else db.access_log.noted
        #: A sketch does not have the keys themselves.
        self._noted = noted if isinstance(noted, dict) else None
        self._slots = db.slots
        account = db.account
        self._copy = None if account is None else account.copy
        self._ordered = account is not None and account.volatile is not None

    def renew(self, key: bytes) -> bytes:
        """Returns the object that is the key from now on."""
        data = self._data
        if key not in data:
            return key
        block = self._expires.get(key)
        if block is not None and self._ordered:
            return key
        self._old.append(key)
        twin = bytes(memoryview(key))
        # A dict that has a key keeps the object.
        value = data.pop(key)
        if value.__class__ is SettledList:
            self._old.append(value)
            value = value.renewed()
        data[twin] = value
        copy = self._copy
        if copy is not None and key in copy:
            del copy[key]
            copy[twin] = value
        if block is not None:
            block.keys[block.place(key)] = twin
            self._expires[twin] = self._expires.pop(key)
        noted = self._noted
        if noted is not None and key in noted:
            noted[twin] = noted.pop(key)
        if self._slots is not None:
            self._slots.exchange(twin)
        return twin
