"""Elections: a replica asks the masters for their votes, and replaces its failed master if a majority agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.bus.messages import AUTH_ACK, AUTH_REQUEST, FORCE_ACK, Message
from twisted_redis.cluster.core import FAIL_OVER, SAVE, SYNC, UPDATE_STATE
from twisted_redis.cluster.epochs import advance
from twisted_redis.cluster.failures import quorum
from twisted_redis.cluster.foreign_migrations import remove_leftovers
from twisted_redis.cluster.gossip import broadcast_pong
from twisted_redis.cluster.headers import header
from twisted_redis.cluster.health import update_state
from twisted_redis.cluster.nodes import FAIL, NO_FAILOVER
from twisted_redis.cluster.roles import become_master
from twisted_redis.cluster.saving import save_now
from twisted_redis.cluster.sending import broadcast, send_bare

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core
    from twisted_redis.cluster.nodes import Node

__all__ = ["count_vote", "handle_failover", "replace_master", "vote"]

#: A candidate waits this long, so that all masters learn that its master has failed, and a random time (ms).
_FIXED_DELAY = 500
_RANDOM_DELAY = 500
#: A candidate waits this long for each replica that has more data (ms).
_DELAY_PER_RANK = 1000
#: The shortest time for which a candidate waits for votes (ms).
_LEAST_TIMEOUT = 2000
#: A replica says again why it does not fail over after this time, and not at all just after the failure (ms).
_LOG_AGAIN = 10_000
_LOG_NOT_BEFORE = 5000


def handle_failover(core: Core) -> None:
    """Takes the next step of an election, if this node is a replica that has to replace its master."""
    core.todo &= ~FAIL_OVER
    state, config, election, manual = core.state, core.config, core.election, core.manual
    myself = state.myself
    master = myself.master
    now = core.host.now()
    by_hand = bool(manual.ends) and manual.can_start
    if (
        myself.is_master
        or master is None
        or not master.slots
        or not (by_hand or (master.flags & FAIL and not config.cluster_replica_no_failover))
    ):
        core.obstacle = ""
        return
    if not by_hand and _data_is_too_old(core):
        _log_obstacle(core, "its data is older than cluster-replica-validity-factor allows")
        return
    timeout = max(config.cluster_node_timeout * 2, _LEAST_TIMEOUT)
    age = now - election.at
    if age > timeout * 2:
        _schedule(core, now)
        return
    if not election.requested and not manual.ends:
        rank = _rank(core)
        if rank > election.rank:
            election.at += (rank - election.rank) * _DELAY_PER_RANK
            election.rank = rank
            core.host.log("notice", f"{rank} replicas have more data than this one, so its election starts later.")
    if now < election.at:
        _log_obstacle(core, "its election has not started yet")
    elif age > timeout:
        _log_obstacle(core, "its election has failed", _votes(core))
    elif not election.requested:
        election.epoch = advance(core)
        election.requested = True
        core.host.log("notice", f"The election for epoch {election.epoch} starts.")
        request = header(core, AUTH_REQUEST)
        if manual.ends:
            request.message_flags |= FORCE_ACK
        broadcast(core, request)
        core.note(SAVE | SYNC | UPDATE_STATE)
    elif len(election.votes) >= quorum(core):
        core.host.log("notice", "This replica has won the election, and becomes the master.")
        if myself.config_epoch < election.epoch:
            myself.config_epoch = election.epoch
        replace_master(core)
    else:
        _log_obstacle(core, "it waits for votes", _votes(core))


def _data_is_too_old(core: Core) -> bool:
    config = core.config
    timeout = config.cluster_node_timeout
    factor = config.cluster_replica_validity_factor
    age = core.host.data_age()
    if age > timeout:
        # The time until the failure of the master is noticed does not count.
        age -= timeout
    return bool(factor) and age > config.repl_ping_replica_period * 1000 + timeout * factor


def _schedule(core: Core, now: int) -> None:
    """Fixes the time of a new election."""
    election = core.election
    election.votes = set()
    election.requested = False
    if core.manual.ends:
        election.rank = 0
        election.at = now
        core.note(FAIL_OVER)
    else:
        election.rank = _rank(core)
        election.at = now + _FIXED_DELAY + core.random.randrange(_RANDOM_DELAY) + election.rank * _DELAY_PER_RANK
    core.host.log(
        "notice",
        f"The election starts in {election.at - now} ms (rank {election.rank}, offset {core.host.offset()}).",
    )
    # The other replicas compare their offset with that of this one.
    broadcast_pong(core, shard_only=True)


def _rank(core: Core) -> int:
    """The number of replicas of the same master that have more data, and may fail over."""
    myself = core.state.myself
    offset = core.host.offset()
    siblings = myself.master.replicas if myself.master is not None else []
    return sum(
        each is not myself and not each.flags & NO_FAILOVER and each.replica_offset > offset for each in siblings
    )


def _votes(core: Core) -> str:
    return f" ({len(core.election.votes)} of {quorum(core)} votes)"


def _log_obstacle(core: Core, obstacle: str, details: str = "") -> None:
    now = core.host.now()
    if core.obstacle == obstacle and now - core.obstacle_logged < _LOG_AGAIN:
        return
    core.obstacle = obstacle
    master = core.state.myself.master
    quiet = core.config.cluster_node_timeout + _LOG_NOT_BEFORE
    if master is not None and master.flags & FAIL and now - master.failed_at < quiet:
        return
    core.obstacle_logged = now
    core.host.log("notice", f"This replica does not replace its master: {obstacle}{details}.")


def replace_master(core: Core) -> None:
    """Becomes the master of all slots of the present master."""
    state = core.state
    myself = state.myself
    master = myself.master
    if myself.is_master or master is None:
        return
    become_master(core, myself)
    core.host.promote()
    state.assign_all(master.slots, myself)
    remove_leftovers(core)
    update_state(core)
    save_now(core)
    broadcast_pong(core)
    core.end_manual_failover()


def count_vote(core: Core, sender: Node, current_epoch: int) -> None:
    """A master has voted for this node."""
    if sender.is_master and sender.slots and current_epoch >= core.election.epoch:
        core.election.votes.add(sender)
        core.note(FAIL_OVER)


def vote(core: Core, candidate: Node, request: Message) -> None:
    """Votes for a replica, if this node may and nothing speaks against it."""
    state = core.state
    if not state.myself.is_master or not state.myself.slots:
        return
    refusal = _refusal(core, candidate, request)
    if refusal:
        core.host.log("warning", f"No vote for {candidate.name} ({candidate.human_name}): {refusal}.")
        return
    assert candidate.master is not None
    state.last_vote_epoch = state.current_epoch
    candidate.master.voted_at = core.host.now()
    # Nobody may learn of a vote that this node could forget.
    save_now(core)
    send_bare(core, candidate.link, AUTH_ACK)
    core.host.log(
        "notice", f"This node votes for {candidate.name} ({candidate.human_name}) in epoch {state.current_epoch}."
    )


def _refusal(core: Core, candidate: Node, request: Message) -> str:
    """Says why a candidate gets no vote; empty if it gets one."""
    state = core.state
    master = candidate.master
    if request.current_epoch < state.current_epoch:
        return f"its epoch {request.current_epoch} is older than {state.current_epoch}"
    if state.last_vote_epoch == state.current_epoch:
        return f"this node has already voted in epoch {state.current_epoch}"
    if candidate.is_master:
        return "it is a master"
    if master is None:
        return "its master is unknown"
    if not master.flags & FAIL and not request.message_flags & FORCE_ACK:
        return "its master works"
    wait = core.config.cluster_node_timeout * 2 - (core.host.now() - master.voted_at)
    if wait > 0:
        return f"this node may vote about the same master in {wait} ms"
    for owner in state.nodes.values():
        if owner.config_epoch > request.config_epoch and request.slots & owner.slots & ~state.not_claimed:
            return f"it claims slots of {owner.name}, whose configuration epoch is {owner.config_epoch}"
    return ""
