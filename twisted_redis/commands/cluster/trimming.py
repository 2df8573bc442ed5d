"""TRIMSLOTS: removes the keys of slots that now belong to another node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.cluster.group import cluster_of, slot_range
from twisted_redis.engine.clients import MASTER
from twisted_redis.engine.declare.flags import WRITE
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.gates import IS_LOADING
from twisted_redis.engine.parse import integer
from twisted_redis.keyspace.slots import SLOTS
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import OK, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted_redis.engine.clients import Client

__all__: list[str] = []

command = CommandGroup("server")


@command(
    "TRIMSLOTS",
    arity=-5,
    flags=WRITE,
    since="8.4.0",
    acl=("@keyspace", "@dangerous"),
    complexity="O(N) where N is the total number of keys in all databases",
)
def trimslots(ctx: Client, word: bytes, *ranges: bytes) -> Reply:
    """TRIMSLOTS RANGES numranges startslot endslot [startslot endslot ...]

    Removes the keys of slots that this node does not serve. Other nodes have these keys, so nobody is notified of their
    removal. A master of Redis sends this command to its replicas when it has handed slots over to another node.
    """
    cluster = cluster_of(ctx)
    slots = _slots(word, ranges)
    engine = ctx.engine
    if not ctx.gates & MASTER and not engine.replication.is_replica:
        own = set(cluster.shard_slots())
        for slot in slots:
            if slot in own:
                raise CommandError(f"ERR the slot {slot} is served by this node")
    # The next command of a file may write to the same keys.
    cluster.trim(sum(1 << slot for slot in slots), at_once=bool(engine.gates & IS_LOADING))
    ctx.propagate_as([b"TRIMSLOTS", word, *ranges])
    return OK


def _slots(word: bytes, ranges: Sequence[bytes]) -> list[int]:
    """Parses the arguments of TRIMSLOTS: returns the slots in the order given."""
    if keyword(word) != b"RANGES":
        raise CommandError("ERR missing ranges argument")
    count = integer(ranges[0])
    bounds = ranges[1:]
    if not 1 <= count <= SLOTS or len(bounds) != 2 * count:
        raise CommandError("ERR invalid number of ranges")
    slots: dict[int, None] = {}
    for first, last in zip(bounds[::2], bounds[1::2], strict=True):
        for slot in slot_range(first, last):
            if slot in slots:
                raise CommandError(f"ERR Slot {slot} specified multiple times")
            slots[slot] = None
    return list(slots)
