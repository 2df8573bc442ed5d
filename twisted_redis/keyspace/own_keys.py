"""The keys that hold values of modules' classes, and what such values are told about their keys.

``Database.own_keys`` has the keys of a class from the first question for them on, or from the beginning if its values
are told where they are (``KeyspaceState.told``).  A key stays there if a string takes the place of its value, until the
next question.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted_redis.datatypes.own import OwnValue
from twisted_redis.datatypes.table import TYPES

if TYPE_CHECKING:
    from twisted_redis.keyspace.database import Database

__all__ = ["Told", "begin", "check", "end", "flushed", "forget", "keys_of", "note", "rebuilt", "swapped"]

#: Called with (value, database number, key).
Teller = Callable[[Any, int, bytes], None]


class Told(NamedTuple):
    """What is called if a value of a class comes to a key or leaves it."""

    arrived: Teller
    left: Teller


def begin(db: Database, cls: type[OwnValue]) -> None:
    """Notes the keys of a class whose values are told where they are; there are none yet."""
    db.own_keys[cls] = {}


def end(db: Database, cls: type[OwnValue]) -> None:
    """Ends that: the module of the class is unloaded."""
    db.own_keys.pop(cls, None)


def check(db: Database, key: Any, value: Any) -> None:
    """Raises TypeError for a key or a value that no file, replica or command could handle; notes keys of modules."""
    if key.__class__ is not bytes:
        raise TypeError(f"a key is bytes, not {key.__class__.__name__}")
    cls = type(value)
    if cls in TYPES:
        return
    if not issubclass(cls, OwnValue):
        raise TypeError(f"a key holds bytes or a value of a type of the server, not {cls.__name__}")
    if db.state.own_types.get(cls.TYPE.decode("latin-1")) is not cls:
        raise TypeError(f"{cls.__name__} is no type of a loaded module: declare it with @module.type")
    if db.own_keys:
        note(db, key, value)


def note(db: Database, key: bytes, value: OwnValue) -> None:
    """Notes that ``value`` is about to be stored at ``key``."""
    before = db.data.get(key)
    if before is value:
        return
    if isinstance(before, OwnValue):
        forget(db, key, before)
    keys = db.own_keys.get(value.__class__)
    if keys is not None:
        keys[key] = None
        told = db.state.told.get(value.__class__)
        if told is not None:
            told.arrived(value, db.index, key)


def forget(db: Database, key: bytes, value: Any) -> None:
    """Notes that ``value`` is no longer at ``key``."""
    keys = db.own_keys.get(value.__class__)
    if keys is not None:
        keys.pop(key, None)
        told = db.state.told.get(value.__class__)
        if told is not None:
            told.left(value, db.index, key)


def keys_of(db: Database, cls: type[OwnValue]) -> list[bytes]:
    """The keys that hold a value of ``cls``, in any order.  Expired keys are deleted first."""
    data = db.data
    keys = db.own_keys.get(cls)
    if keys is None:
        keys = db.own_keys[cls] = {key: None for key, value in data.items() if value.__class__ is cls}
    found = [key for key in keys if data.get(key).__class__ is cls]
    if len(found) != len(keys):
        # Strings were stored at some keys.
        db.own_keys[cls] = dict.fromkeys(found)
    if db.expires:
        found = [key for key in found if not (key in db.expires and db.expired(key))]
    return db.visible(found)


def flushed(db: Database) -> None:
    """Tells the values of a database that is about to be emptied."""
    for cls in db.own_keys:
        told = db.state.told.get(cls)
        if told is not None:
            for key, value in _values(db, cls):
                told.left(value, db.index, key)


def rebuilt(db: Database) -> None:
    """Finds the keys again after a caller has filled ``data``, and tells the values where they are."""
    told = db.state.told
    db.own_keys = {cls: {} for cls in told}
    if told:
        for key, value in db.data.items():
            if value.__class__ in told:
                db.own_keys[value.__class__][key] = None
                told[value.__class__].arrived(value, db.index, key)


def swapped(db: Database, other: Database) -> None:
    """Tells the values of two databases, whose contents have been exchanged, where they are.

    If both have the same number, ``other`` has what a full synchronisation has replaced.
    """
    replaced = db.index == other.index
    for cls, told in db.state.told.items():
        # Every value leaves before another one arrives at the same place.
        for one, before in ((db, other), (other, db)):
            if one is other or not replaced:
                for key, value in _values(one, cls):
                    told.left(value, before.index, key)
        for one in (db,) if replaced else (db, other):
            for key, value in _values(one, cls):
                told.arrived(value, one.index, key)


def _values(db: Database, cls: type) -> list[tuple[bytes, Any]]:
    found = [(key, db.data.get(key)) for key in db.own_keys.get(cls, ())]
    return [(key, value) for key, value in found if value.__class__ is cls]
