"""CLUSTER: the slots, their keys and their owners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.cluster.group import change, cluster_of, node_name, pairs, show, slot_number, slot_range
from twisted_redis.engine.declare.flags import LOADING, STALE
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.parse import integer
from twisted_redis.keyspace.slots import SLOTS, key_slot
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import OK, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

__all__: list[str] = []

_EACH_SLOT = "O(N) for N slots"
_BETWEEN = "O(N) for all N slots between the ends"

# Looking


@show("KEYSLOT", arity=3, flags=LOADING | STALE, complexity="O(N) for N bytes of the key")
def keyslot(ctx: Client, key: bytes) -> Reply:
    """CLUSTER KEYSLOT key

    Returns the slot of a key.
    """
    cluster_of(ctx)
    return key_slot(key)


@show("COUNTKEYSINSLOT", arity=3)
def countkeysinslot(ctx: Client, slot: bytes) -> Reply:
    """CLUSTER COUNTKEYSINSLOT slot

    Returns how many keys a slot holds.
    """
    cluster = cluster_of(ctx)
    number = integer(slot)
    if not 0 <= number < SLOTS:
        raise CommandError("ERR Invalid slot")
    return cluster.count_keys(number)


@show("GETKEYSINSLOT", arity=4, complexity="O(N) for N requested keys", tips=("nondeterministic_output",))
def getkeysinslot(ctx: Client, slot: bytes, count: bytes) -> Reply:
    """CLUSTER GETKEYSINSLOT slot count

    Returns keys of a slot.
    """
    cluster = cluster_of(ctx)
    number, most = integer(slot), integer(count)
    if not 0 <= number < SLOTS or most < 0:
        raise CommandError("ERR Invalid slot or number of keys")
    return cluster.keys_in_slot(number, most)


# Assigning


@change("ADDSLOTS", arity=-3, complexity=_EACH_SLOT)
def addslots(ctx: Client, *slots: bytes) -> Reply:
    """CLUSTER ADDSLOTS slot [slot ...]

    Assigns slots to this node.
    """
    cluster_of(ctx).add_slots([slot_number(slot) for slot in slots])
    return OK


@change("DELSLOTS", arity=-3, complexity=_EACH_SLOT)
def delslots(ctx: Client, *slots: bytes) -> Reply:
    """CLUSTER DELSLOTS slot [slot ...]

    Removes slots from this node.
    """
    cluster_of(ctx).delete_slots([slot_number(slot) for slot in slots])
    return OK


def _ranges(ctx: Client, name: str, ends: tuple[bytes, ...], *, owned: bool) -> list[int]:
    """Returns the slots of all ranges.  Each range is checked before the next one is read."""
    if len(ends) % 2:
        raise CommandError(f"ERR wrong number of arguments for 'cluster|{name}' command")
    slots: list[int] = []
    for first, last in pairs(ends):
        try:
            slots += slot_range(first, last)
        except CommandError:
            cluster_of(ctx).check_slots(slots, owned=owned)
            raise
    return slots


@change("ADDSLOTSRANGE", arity=-4, since="7.0.0", complexity=_BETWEEN)
def addslotsrange(ctx: Client, *ends: bytes) -> Reply:
    """CLUSTER ADDSLOTSRANGE start-slot end-slot [start-slot end-slot ...]

    Assigns ranges of slots to this node.
    """
    cluster_of(ctx).add_slots(_ranges(ctx, "addslotsrange", ends, owned=False))
    return OK


@change("DELSLOTSRANGE", arity=-4, since="7.0.0", complexity=_BETWEEN)
def delslotsrange(ctx: Client, *ends: bytes) -> Reply:
    """CLUSTER DELSLOTSRANGE start-slot end-slot [start-slot end-slot ...]

    Removes ranges of slots from this node.
    """
    cluster_of(ctx).delete_slots(_ranges(ctx, "delslotsrange", ends, owned=True))
    return OK


@change("FLUSHSLOTS")
def flushslots(ctx: Client) -> Reply:
    """CLUSTER FLUSHSLOTS

    Removes all slots from this node.
    """
    cluster_of(ctx).flush_slots()
    return OK


@change("SETSLOT", arity=-4)
def setslot(ctx: Client, slot: bytes, *action: bytes) -> Reply:
    """CLUSTER SETSLOT slot <IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE>

    Assigns a slot to a node, or marks it as moving.
    """
    cluster = cluster_of(ctx)
    cluster.need_master()
    number = slot_number(slot)
    word = keyword(action[0])
    if word == b"STABLE" and len(action) == 1:
        cluster.set_slot_stable(number)
        return OK
    if len(action) == 2:
        name = node_name(action[1])
        if word == b"MIGRATING":
            cluster.set_slot_migrating(number, name)
            return OK
        if word == b"IMPORTING":
            cluster.set_slot_importing(number, name)
            return OK
        if word == b"NODE":
            cluster.set_slot_node(number, name)
            return OK
    raise CommandError("ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP")
