"""Finding out that a node has failed: suspicion, the reports of others, agreement, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.core import SAVE, UPDATE_STATE
from twisted_redis.cluster.nodes import FAIL, MYSELF, PFAIL, Node
from twisted_redis.cluster.sending import send_fail

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core

__all__ = ["clear_failure", "count_reports", "mark_failed", "mark_failed_if_agreed", "quorum"]

#: A report counts for so many node timeouts, and so long a master stays failed that nobody has replaced.
_REPORT_TIMEOUTS = 2
_UNDO_TIMEOUTS = 2


def quorum(core: Core) -> int:
    """The number of masters with slots that make a majority."""
    return core.state.size // 2 + 1


def count_reports(core: Core, node: Node) -> int:
    """The number of masters that report a node as failing; drops reports that are too old."""
    oldest = core.host.now() - core.config.cluster_node_timeout * _REPORT_TIMEOUTS
    for reporter in [reporter for reporter, at in node.reports.items() if at < oldest]:
        del node.reports[reporter]
    return len(node.reports)


def mark_failed_if_agreed(core: Core, node: Node) -> None:
    """Declares a node failed, if this node suspects it and so many masters do that they are a majority."""
    if node.flags & (PFAIL | FAIL) != PFAIL:
        return
    if count_reports(core, node) + core.state.myself.is_master < quorum(core):
        return
    core.host.log("notice", f"Node {node.name} ({node.human_name}) has failed: a majority of the masters says so.")
    mark_failed(core, node)
    send_fail(core, node)


def mark_failed(core: Core, node: Node) -> None:
    """Notes that a node has failed."""
    if not node.flags & MYSELF:
        node.flags = node.flags & ~PFAIL | FAIL
        node.failed_at = core.host.now()
        core.note(UPDATE_STATE | SAVE)


def clear_failure(core: Core, node: Node) -> None:
    """A node has answered: ends its suspicion, or its failure if nobody has replaced it."""
    if node.flags & PFAIL:
        node.flags &= ~PFAIL
        core.note(UPDATE_STATE | SAVE)
    elif node.flags & FAIL:
        waited = core.host.now() - node.failed_at > core.config.cluster_node_timeout * _UNDO_TIMEOUTS
        # A master with slots gets time to learn that a replica has replaced it.
        if node.is_replica or not node.slots or waited:
            node.flags &= ~FAIL
            core.host.log("notice", f"Node {node.name} ({node.human_name}) can be reached again.")
            core.note(UPDATE_STATE | SAVE)
