"""The effects of a change of slots on keys, subscriptions and waiting clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.redirect import IsTls, redirect_blocked
from twisted_redis.engine.units import SWEEP
from twisted_redis.keyspace.slots import key_slot

if TYPE_CHECKING:
    from twisted_redis.cluster.state import ClusterState
    from twisted_redis.engine.engine import Engine

__all__ = ["count_keys", "delete_keys", "keys_in_slot", "slots_moved"]


def count_keys(engine: Engine, slot: int) -> int:
    """Returns the number of keys in a slot."""
    index = engine.databases[0].slots
    return 0 if index is None else index.count(slot)


def keys_in_slot(engine: Engine, slot: int, count: int) -> list[bytes]:
    """Returns at most ``count`` keys of a slot."""
    index = engine.databases[0].slots
    return [] if index is None else index.keys(slot, count)


def delete_keys(engine: Engine, slot: int) -> int:
    """Deletes the keys of a slot that this node has lost; returns their number.

    Replicas delete them too.  Nobody is notified of deleted keys, because the keys live on in another node.
    """
    db = engine.databases[0]
    if db.slots is None:
        return 0
    keys = db.slots.keys(slot)
    later = engine.config.lazyfree_lazy_server_del
    with engine.unit(SWEEP):
        for key in keys:
            engine.lazyfree.remove(db, key, later)
            engine.effects.dirty += 1
            engine.effects.propagate(db, [b"UNLINK" if later else b"DEL", key])
            engine.effects.signal(db, key)
            engine.effects.end_unit()  # each deletion is a unit of its own
    return len(keys)


def slots_moved(engine: Engine, state: ClusterState, slots: int, is_tls: IsTls) -> None:
    """Acts on the new owners of ``slots`` (a set of slots), or with 0 on a new state of the cluster.

    Subscriptions to shard channels of these slots end.  Clients that wait for keys which this node no longer serves
    are sent to the node that does.
    """
    with engine.in_turn:
        if slots:
            engine.slot_meter.forget(slots)
            shards = engine.pubsub.shards
            engine.pubsub.silence_shards([name for name in shards if slots >> key_slot(name) & 1])
        redirect_blocked(engine, state, is_tls)
