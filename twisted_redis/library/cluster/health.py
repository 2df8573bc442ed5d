"""Whether the nodes of a cluster agree, as their reports show."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_redis.library.cluster.report import NodeReport

__all__ = ["find_problem"]

_SLOTS = 16384


def find_problem(reports: Mapping[str, NodeReport], stopped: Container[str] = ()) -> str:
    """Returns what is wrong with a cluster; empty if the nodes serve all slots and agree.

    ``reports`` has the report of each running node, by id, and ``stopped`` the ids of those that do not run.  These may
    be unreachable, but must not be needed.  Nodes that others have added may own slots, and must be reachable then.
    """
    if not reports:
        return "no node is running"
    expected: object = None
    for name, report in reports.items():
        view = report.view
        if not view.ok:
            return f"the state of node {name} is fail"
        if not report.in_sync:
            return f"replica {name} is not in sync with its master"
        known = {each.id: each for each in view.nodes}
        for other in reports:
            if other not in known:
                return f"node {name} does not know node {other}"
            each = known[other]
            if each.health != "ok":
                return f"node {name} sees node {other} as: {each.health}"
            if not (each.link_to and each.link_from):
                return f"a link between the nodes {name} and {other} is down"
        owners = {each.id: each.slots for each in view.nodes if each.slots}
        if sum(last + 1 - first for slots in owners.values() for first, last in slots) < _SLOTS:
            return f"node {name} knows slots that nobody owns"
        for owner in owners:
            if owner in stopped:
                return f"node {owner}, which owns slots, does not run"
            if known[owner].health != "ok":
                return f"node {name} sees node {owner}, which owns slots, as: {known[owner].health}"
        seen = owners, {each.id: (each.role, each.master) for each in view.nodes if each.id in reports}
        if expected is None:
            expected = seen
        elif seen != expected:
            return f"node {name} does not agree with the others about slots and roles"
    return ""
