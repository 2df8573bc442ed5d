"""Which slots a master claims, and what follows for this node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.core import SAVE, SYNC, UPDATE_STATE
from twisted_redis.cluster.nodes import slots_in
from twisted_redis.cluster.roles import become_master, follow
from twisted_redis.cluster.sending import send_update

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core
    from twisted_redis.cluster.nodes import Node

__all__ = ["correct_claims", "read_update", "take_claims"]


def take_claims(core: Core, claimant: Node, epoch: int, claimed: int) -> None:
    """A master claims a set of slots with its configuration epoch: gives it those that it is entitled to."""
    state = core.state
    myself = state.myself
    if claimant is myself:
        return
    master = myself if myself.is_master else myself.master
    # The owner of these keeps them for clients, but no longer for other nodes.
    state.not_claimed = state.not_claimed & ~(claimed & claimant.slots) | claimant.slots & ~claimed
    wanted = claimed & ~claimant.slots
    for slot in state.importing:
        # The end of an import is up to the administrator.
        wanted &= ~(1 << slot)
    granted = wanted
    for owner in state.nodes.values():
        if owner.slots and owner.config_epoch >= epoch:
            granted &= ~(owner.slots & ~state.not_claimed)
    from_us = 0
    if granted:
        from_us = granted & master.slots if master is not None else 0
        lost_slots = granted & myself.slots
        lost = [slot for slot in slots_in(lost_slots) if core.host.count_keys(slot)]
        state.assign_all(granted, claimant)
        core.note(SAVE | SYNC | UPDATE_STATE)
        if lost_slots and core.migrations.lost(lost_slots):
            # The keys are in the other node, and go from here in their own time.
            lost = []
    else:
        lost = []
    grandmaster = myself.master.master if myself.master is not None else None
    if (
        from_us
        and master is not None
        and not master.slots
        and (core.config.cluster_allow_replica_migration or claimed == from_us)
    ):
        core.host.log(
            "notice",
            f"Node {claimant.name} ({claimant.human_name}) has got the last slot of this shard; "
            "this node becomes its replica.",
        )
        follow(core, claimant)
        core.note(SAVE | SYNC | UPDATE_STATE)
    elif grandmaster is not None and grandmaster is not myself:
        core.host.log(
            "notice",
            f"The master of this replica is a replica; this node becomes a replica of {grandmaster.name} "
            f"({grandmaster.human_name}).",
        )
        follow(core, grandmaster)
        core.note(SAVE | SYNC | UPDATE_STATE)
    else:
        for slot in lost:
            core.host.delete_keys(slot)


def correct_claims(core: Core, sender: Node, epoch: int, claimed: int) -> None:
    """Tells a node about the owner of the first slot that it claims with an epoch that is too old."""
    state = core.state
    stale: dict[int, Node] = {}
    for owner in state.nodes.values():
        if owner is not sender and owner.config_epoch > epoch:
            slots = claimed & owner.slots & ~state.not_claimed
            if slots:
                stale[slots & -slots] = owner
    if stale:
        owner = stale[min(stale)]
        core.host.log("verbose", f"Node {sender.name} claims slots of {owner.name} with an old epoch.")
        send_update(core, sender.link, owner)


def read_update(core: Core, about: Node, epoch: int, slots: int) -> None:
    """A node says that another one is a master with these slots and a newer epoch."""
    # Nobody knows better than this node what it claims itself.
    if about is core.state.myself or about.config_epoch >= epoch:
        return
    become_master(core, about)
    about.config_epoch = epoch
    core.note(SAVE | SYNC)
    take_claims(core, about, epoch, slots)
