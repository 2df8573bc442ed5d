"""Moving a slot with its keys from one master to another, by the commands of Redis Cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_redis.library.cluster.node import RunningNode
    from twisted_redis.library.values import Argument

__all__ = ["move_slot", "slot_of"]

#: The number of keys that one MIGRATE takes, and the time that each step of it may take (ms).
_KEYS = 100
_TIMEOUT = 10_000


def slot_of(node: RunningNode, key: Argument) -> int:
    """Returns the slot of a key."""
    slot: int = node.execute("CLUSTER", "KEYSLOT", key)
    return slot


def move_slot(
    slot: int, source: RunningNode, target: RunningNode, others: Sequence[RunningNode], password: str | None
) -> None:
    """Moves a slot from its master ``source`` to ``target``; then tells the ``others``.  Raises ReplyError."""
    target.execute("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
    source.execute("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
    credentials = ("AUTH", password) if password else ()
    place = target.place
    assert place.host is not None and place.port is not None
    while keys := source.execute("CLUSTER", "GETKEYSINSLOT", slot, _KEYS):
        source.execute("MIGRATE", place.host, place.port, "", 0, _TIMEOUT, *credentials, "KEYS", *keys)
    for node in (target, source, *others):
        node.execute("CLUSTER", "SETSLOT", slot, "NODE", target.id)
