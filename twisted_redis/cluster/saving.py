"""Writing the tables to nodes.conf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.core import SAVE, SYNC
from twisted_redis.cluster.nodes_file import format_file

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core

__all__ = ["save_now", "try_to_save"]


def try_to_save(core: Core, *, sync: bool) -> None:
    """Writes the file; raises OSError."""
    core.todo &= ~(SAVE | SYNC if sync else SAVE)
    core.host.save(format_file(core.state), sync=sync)


def save_now(core: Core, *, sync: bool = True) -> None:
    """Writes the file, and ends the process if that fails: a node must not forget a vote or an epoch."""
    try:
        try_to_save(core, sync=sync)
    except OSError as error:
        core.host.die(f"Cannot write the file of the cluster's nodes: {error.strerror}")
