"""The changes that the commands of CLUSTER make.  Each function raises CommandError with the text of Redis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twisted_redis.cluster.core import SAVE, SYNC, UPDATE_STATE, random_id
from twisted_redis.cluster.epochs import bump
from twisted_redis.cluster.gossip import broadcast_pong
from twisted_redis.cluster.membership import delete_node, forget, is_forgotten, start_handshake
from twisted_redis.cluster.roles import become_master, follow
from twisted_redis.cluster.saving import try_to_save
from twisted_redis.engine.errors import CommandError

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core
    from twisted_redis.cluster.nodes import Node

__all__ = [
    "add_slots",
    "bump_epoch",
    "check_slots",
    "delete_slots",
    "find_node",
    "flush_slots",
    "forget_node",
    "meet",
    "need_master",
    "replicate_node",
    "reset",
    "save_config",
    "set_config_epoch",
    "set_slot_importing",
    "set_slot_migrating",
    "set_slot_node",
    "set_slot_stable",
]


def find_node(core: Core, name: str) -> Node:
    """The node with an id."""
    node = core.state.find(name)
    if node is None:
        raise CommandError(f"ERR Unknown node {name}")
    return node


def meet(core: Core, host: bytes, port: int, bus_port: int) -> None:
    """CLUSTER MEET."""
    text = host.decode("utf-8", "surrogateescape")
    if not start_handshake(core, text, port, bus_port):
        raise CommandError(f"ERR Invalid node address specified: {text}:{port}")


def forget_node(core: Core, name: str) -> None:
    """CLUSTER FORGET."""
    state = core.state
    node = state.find(name)
    if node is None:
        if is_forgotten(core, name):
            # Another node has passed on that it is forgotten.
            return
        raise CommandError(f"ERR Unknown node {name}")
    if node is state.myself:
        raise CommandError("ERR I tried hard but I can't forget myself...")
    if state.myself.is_replica and state.myself.master is node:
        raise CommandError("ERR Can't forget my master!")
    forget(core, node)


def replicate_node(core: Core, name: str) -> None:
    """CLUSTER REPLICATE."""
    myself = core.state.myself
    node = find_node(core, name)
    if node is myself:
        raise CommandError("ERR Can't replicate myself")
    if node.is_replica:
        raise CommandError("ERR I can only replicate a master, not a replica.")
    if myself.is_master and (myself.slots or not core.host.is_empty()):
        raise CommandError("ERR To set a master the node must be empty and without assigned slots.")
    follow(core, node)
    core.note(UPDATE_STATE | SAVE)


def reset(core: Core, *, hard: bool) -> None:
    """CLUSTER RESET."""
    state = core.state
    myself = state.myself
    if myself.is_master and not core.host.is_empty():
        raise CommandError("ERR CLUSTER RESET can't be called with master nodes containing keys")
    if myself.is_replica:
        become_master(core, myself)
        core.host.promote()
        core.host.empty()
    core.migrations.cancel(None, "CLUSTER RESET")
    core.end_manual_failover()
    state.close_slots()
    for node in list(state.nodes.values()):
        state.assign_all(node.slots, None)
        if node is not myself:
            delete_node(core, node)
    state.forgotten.clear()
    if hard:
        state.current_epoch = state.last_vote_epoch = myself.config_epoch = 0
        del state.nodes[myself.name]
        myself.name, myself.shard_id = random_id(core.random), random_id(core.random)
        state.nodes[myself.name] = myself
        core.host.log("notice", f"This node was reset, and is {myself.name} now.")
    core.note(SAVE | SYNC | UPDATE_STATE)


def check_slots(core: Core, slots: Iterable[int], *, owned: bool) -> int:
    """Returns the set of slots; the error names the first one that is given twice or of the wrong kind."""
    found = 0
    for slot in slots:
        has_owner = core.state.owners[slot] is not None
        if has_owner and not owned:
            raise CommandError(f"ERR Slot {slot} is already busy")
        if owned and not has_owner:
            raise CommandError(f"ERR Slot {slot} is already unassigned")
        if found >> slot & 1:
            raise CommandError(f"ERR Slot {slot} specified multiple times")
        found |= 1 << slot
    return found


def _set_owner(core: Core, slots: int, node: Node | None) -> None:
    state = core.state
    core.migrations.cancel_slots(slots, "slots configuration updated")
    for slot in [slot for slot in state.importing if slots >> slot & 1]:
        del state.importing[slot]
    state.assign_all(slots, node)
    core.note(UPDATE_STATE | SAVE)


def add_slots(core: Core, slots: Iterable[int]) -> None:
    """CLUSTER ADDSLOTS and ADDSLOTSRANGE."""
    _set_owner(core, check_slots(core, slots, owned=False), core.state.myself)


def delete_slots(core: Core, slots: Iterable[int]) -> None:
    """CLUSTER DELSLOTS and DELSLOTSRANGE."""
    _set_owner(core, check_slots(core, slots, owned=True), None)


def flush_slots(core: Core) -> None:
    """CLUSTER FLUSHSLOTS."""
    if not core.host.is_empty():
        raise CommandError("ERR DB must be empty to perform CLUSTER FLUSHSLOTS.")
    core.state.assign_all(core.state.myself.slots, None)
    core.note(UPDATE_STATE | SAVE)


def need_master(core: Core) -> None:
    """Raises the error of CLUSTER SETSLOT in a replica."""
    if core.state.myself.is_replica:
        raise CommandError("ERR Please use SETSLOT only with masters.")


def _other_end(core: Core, name: str, refusal: str) -> Node:
    """The node at the other end of a migration."""
    node = core.state.find(name)
    if node is None:
        raise CommandError(f"ERR {refusal} {name}")
    if node.is_replica:
        raise CommandError("ERR Target node is not a master")
    return node


def set_slot_migrating(core: Core, slot: int, name: str) -> None:
    """CLUSTER SETSLOT MIGRATING."""
    need_master(core)
    core.migrations.check_setslot(slot)
    if core.state.owners[slot] is not core.state.myself:
        raise CommandError(f"ERR I'm not the owner of hash slot {slot}")
    core.state.migrate_to(slot, _other_end(core, name, "I don't know about node"))
    core.note(SAVE | UPDATE_STATE)


def set_slot_importing(core: Core, slot: int, name: str) -> None:
    """CLUSTER SETSLOT IMPORTING."""
    need_master(core)
    core.migrations.check_setslot(slot)
    if core.state.owners[slot] is core.state.myself:
        raise CommandError(f"ERR I'm already the owner of hash slot {slot}")
    core.state.import_from(slot, _other_end(core, name, "I don't know about node"))
    core.note(SAVE | UPDATE_STATE)


def set_slot_stable(core: Core, slot: int) -> None:
    """CLUSTER SETSLOT STABLE."""
    need_master(core)
    core.migrations.check_setslot(slot)
    core.state.import_from(slot, None)
    core.state.migrate_to(slot, None)
    core.note(SAVE | UPDATE_STATE)


def set_slot_node(core: Core, slot: int, name: str) -> None:
    """CLUSTER SETSLOT NODE."""
    need_master(core)
    core.migrations.check_setslot(slot)
    state = core.state
    myself = state.myself
    node = _other_end(core, name, "Unknown node")
    was_mine = state.owners[slot] is myself
    keys = core.host.count_keys(slot)
    if was_mine and node is not myself and keys:
        raise CommandError(
            f"ERR Can't assign hashslot {slot} to a different node while I still hold keys for this hash slot."
        )
    if not keys:
        state.migrate_to(slot, None)
    state.assign(slot, node)
    core.note(SAVE | UPDATE_STATE)
    if was_mine and node is not myself and not myself.slots and core.config.cluster_allow_replica_migration:
        core.host.log(
            "notice", f"Node {node.name} ({node.human_name}) has got the last slot; this node becomes its replica."
        )
        follow(core, node)
        core.note(SYNC)
    if node is myself and slot in state.importing:
        # The new epoch makes the others believe this node rather than the old owner.
        bump(core)
        state.import_from(slot, None)
        broadcast_pong(core)


def bump_epoch(core: Core) -> str:
    """CLUSTER BUMPEPOCH."""
    return f"{'BUMPED' if bump(core) else 'STILL'} {core.state.myself.config_epoch}"


def set_config_epoch(core: Core, epoch: int) -> None:
    """CLUSTER SET-CONFIG-EPOCH."""
    state = core.state
    if epoch < 0:
        raise CommandError(f"ERR Invalid config epoch specified: {epoch}")
    if len(state.nodes) > 1:
        raise CommandError("ERR The user can assign a config epoch only when the node does not know any other node.")
    if state.myself.config_epoch:
        raise CommandError("ERR Node config epoch is already non-zero")
    state.myself.config_epoch = epoch
    state.current_epoch = max(state.current_epoch, epoch)
    core.note(UPDATE_STATE | SAVE)


def save_config(core: Core) -> None:
    """CLUSTER SAVECONFIG."""
    try:
        try_to_save(core, sync=True)
    except OSError as error:
        raise CommandError(f"ERR error saving the cluster node config: {error.strerror}") from None
