"""Whether the cluster is up, as this node sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.core import UPDATE_STATE
from twisted_redis.cluster.failures import quorum
from twisted_redis.cluster.nodes import FAIL, all_slots

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core

__all__ = ["trust_tables", "update_state"]

#: A master that has just started serves nothing, so that the others can tell it about newer masters (ms).
_START_DELAY = 2000
#: So does a master that comes back from a minority: a node timeout, within these limits (ms).
_LEAST_REJOIN_DELAY = 500
_MOST_REJOIN_DELAY = 5000


def trust_tables(core: Core) -> None:
    """Judges the cluster at once, without the delay of a start: the tables are known to be right."""
    core.judged_since = core.host.now() - _START_DELAY
    core.minority_at = 0
    update_state(core)


def update_state(core: Core) -> None:
    """Judges the cluster again, after a change or with the time."""
    core.todo &= ~UPDATE_STATE
    state = core.state
    is_master = state.myself.is_master
    now = core.host.now()
    if not core.judged_since:
        core.judged_since = now
    if is_master and not state.ok and now - core.judged_since < _START_DELAY:
        return
    voters = [node for node in state.nodes.values() if node.is_master and node.slots]
    state.size = len(voters)
    ok = True
    if core.config.cluster_require_full_coverage:
        served = 0
        for node in state.nodes.values():
            if node.slots and not node.flags & FAIL:
                served |= node.slots
        ok = served == all_slots()
    if sum(not node.failing for node in voters) < quorum(core):
        ok = False
        core.minority_at = now
    if ok == state.ok:
        return
    delay = min(max(core.config.cluster_node_timeout, _LEAST_REJOIN_DELAY), _MOST_REJOIN_DELAY)
    if ok and is_master and now - core.minority_at < delay:
        return
    state.set_ok(ok)
    core.host.log("notice" if ok else "warning", f"Cluster state changed: {'ok' if ok else 'fail'}")
    core.host.slots_moved(0)
