"""Epochs: the clock of the cluster, and the version of what each master claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.core import SAVE, SYNC
from twisted_redis.cluster.nodes import MOST_EPOCH
from twisted_redis.cluster.saving import save_now

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core
    from twisted_redis.cluster.nodes import Node

__all__ = ["advance", "bump", "learn", "resolve_collision"]


def advance(core: Core) -> int:
    """Begins a new epoch, and returns it."""
    state = core.state
    state.current_epoch = min(state.current_epoch + 1, MOST_EPOCH)
    return state.current_epoch


def learn(core: Core, sender: Node, current_epoch: int, config_epoch: int) -> None:
    """Takes over newer epochs from a message."""
    if current_epoch > core.state.current_epoch:
        core.state.current_epoch = current_epoch
    if config_epoch > sender.config_epoch:
        sender.config_epoch = config_epoch
        core.note(SAVE | SYNC)


def bump(core: Core) -> bool:
    """Gives this node the greatest configuration epoch without asking anybody; False if it has it already."""
    state = core.state
    greatest = max(state.current_epoch, *(node.config_epoch for node in state.nodes.values()))
    if state.myself.config_epoch and state.myself.config_epoch == greatest:
        return False
    state.myself.config_epoch = advance(core)
    core.note(SAVE | SYNC)
    core.host.log("notice", f"The configuration epoch of this node is {state.myself.config_epoch} now.")
    return True


def resolve_collision(core: Core, sender: Node, epoch: int) -> None:
    """Two masters have the same configuration epoch: the one with the smaller id takes a new one."""
    state = core.state
    myself = state.myself
    if not (myself.is_master and sender.is_master) or epoch != myself.config_epoch or sender.config_epoch != epoch:
        return
    if sender.name <= myself.name:
        return
    myself.config_epoch = advance(core)
    save_now(core)
    core.host.log(
        "verbose",
        f"Node {sender.name} ({sender.human_name}) had the configuration epoch of this node, "
        f"which has changed to {myself.config_epoch}.",
    )
