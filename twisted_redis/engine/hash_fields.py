"""The removal of expired hash fields: those that a command meets, and those that the active cycle finds.

The removal of a field goes to AOF and replicas as an HDEL of its own, in front of what the command itself
leaves there; it does not count as a change that the command made. A replica only hides such fields and waits
for its master's HDEL; the master's own commands see them as if they were alive.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from twisted_redis.datatypes.hash import Hash
from twisted_redis.datatypes.table import type_of
from twisted_redis.engine.clients import MASTER, Client

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

__all__ = [
    "delete_as_effect",
    "expire_due",
    "forget_old_iids",
    "lapsed",
    "live_fields",
    "note_times",
    "remove_due",
    "remove_lapsed",
    "value_of",
]

_AT_ONCE = 256
"""The cycle looks at the clock after so many fields of one hash."""


def lapsed(ctx: Client, hash_: Hash, field: bytes) -> bool:
    """Whether ``field`` has expired, as this client sees it."""
    return hash_.expired(field, ctx.now) and not (ctx.gates & MASTER or ctx.engine.state.access_expired)


def live_fields(ctx: Client, hash_: Hash) -> dict[bytes, bytes]:
    """The fields of ``hash_`` that this client sees, with their values: not changed by the caller."""
    if not hash_.times or ctx.engine.state.access_expired:
        return hash_.fields
    return hash_.live(ctx.now)


def value_of(ctx: Client, key: bytes, hash_: Hash, field: bytes) -> bytes | None:
    """The value of ``field`` or None.

    A field whose time has passed is removed, and the key with it if it was the last one: who goes on to write
    looks at ``hash_.fields`` to see whether the hash is still one of the database.
    """
    if not hash_.times or not lapsed(ctx, hash_, field):
        return hash_.fields.get(field)
    if remove_lapsed(ctx, key, hash_, field):
        if hash_.fields:
            ctx.notify(key, "hexpired", (field,))
        else:
            # As in Redis, which raises no event for the field that empties the hash.
            ctx.removed(key)
        ctx.effects.signal(ctx.db, key)
    return None


def remove_lapsed(ctx: Client, key: bytes, hash_: Hash, field: bytes) -> bool:
    """Removes one expired field unless this is a replica; returns whether it did.

    No event is raised, and an empty hash is left where it is: that is the caller's, and so is ``Effects.signal``.
    """
    if ctx.engine.state.hide_expired or ctx.engine.state.expiry_paused:
        return False
    hash_.remove(field)
    delete_as_effect(ctx.engine, ctx.db, key, field)
    note_times(ctx.db, key, hash_)
    return True


def remove_due(ctx: Client, key: bytes, hash_: Hash) -> None:
    """Removes all expired fields, and the key if no field is left."""
    due = hash_.next_expiry()
    state = ctx.engine.state
    if due is not None and due < ctx.now and not (state.hide_expired or state.expiry_paused or state.access_expired):
        removed = hash_.expire_fields(ctx.now, sys.maxsize)
        for field in removed:
            delete_as_effect(ctx.engine, ctx.db, key, field)
        note_times(ctx.db, key, hash_)
        _told(ctx.engine, ctx.db, key, hash_, removed)


def expire_due(engine: Engine, db: Database, deadline: int) -> bool:
    """Removes expired fields until ``deadline`` (ns); returns True if the time did not suffice."""
    now = engine.state.now
    slots = db.slots if db.slots is not None and db.slots.hidden else None
    for count, key in enumerate(db.field_wheel.due(now), 1):
        if key is not None and slots is not None and slots.is_hidden(key):
            slots.put_off.append(key)
            continue
        hash_ = db.data.get(key) if key is not None else None  # a hash with times never rests
        if key is not None and hash_.__class__ is Hash:
            db.about_to_change(key, hash_)
            removed = hash_.expire_fields(now, _AT_ONCE)
            for field in removed:
                delete_as_effect(engine, db, key, field)
                engine.effects.end_unit()  # each one is a unit of its own
            look = hash_.next_look()
            if look is not None:
                db.field_wheel[key] = look
            if removed:
                _told(engine, db, key, hash_, removed)
        if (key is not None or not count & 3) and engine.clock_ns() > deadline:
            return True
    return False


def forget_old_iids(engine: Engine) -> None:
    """Has the streams forget idempotent IDs that are too old.

    Replicas do that on their own, so nothing is propagated.
    """
    now = engine.state.now
    for db in engine.databases:
        for key in list(db.idempotent):
            value = db.data.get(key)
            forget_old = None if value is None else type_of(value).forget_old
            if forget_old is not None:
                db.about_to_change(key, value)
            if forget_old is None or not forget_old(value, now):
                del db.idempotent[key]


def note_times(db: Database, key: bytes, value: Any) -> None:
    """Has the database look at a value when its next part is due; call it when that has changed.

    Hashes have fields that expire, and streams have idempotent IDs; values of all other types are left alone.
    """
    forget_old = type_of(value).forget_old
    if forget_old is not None and forget_old(value, db.state.now):
        db.idempotent[key] = None
    next_expiry = type_of(value).next_expiry
    if next_expiry is None:
        return
    due = next_expiry(value)
    if due is None:
        db.field_wheel.pop(key)
    else:
        db.field_wheel[key] = due


def delete_as_effect(engine: Engine, db: Database, key: bytes, field: bytes) -> None:
    """Counts an expired field, and has the file and the replicas remove it."""
    engine.stats.expired_fields += 1
    engine.effects.propagate(db, [b"HDEL", key, field])


def _told(engine: Engine, db: Database, key: bytes, hash_: Hash, fields: list[bytes]) -> None:
    """Raises the events after ``fields`` have expired, and removes the hash if it is empty."""
    if engine.events.flags:
        engine.events.notify(db, key, "hexpired", fields)
    if not hash_.fields:
        db.delete(key)
        if engine.events.flags:
            engine.events.notify(db, key, "del")
    engine.effects.signal(db, key)
