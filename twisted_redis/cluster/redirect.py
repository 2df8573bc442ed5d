"""The gate of a node: whether it serves a request, or which node does.

The order of the checks is that of Redis, since clients see which of two errors comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted_redis.cluster.endpoints import client_port, preferred_endpoint
from twisted_redis.engine.blocking import end_with_error
from twisted_redis.engine.declare.command_keys import routing_keys
from twisted_redis.engine.declare.flags import ASKING, WRITE
from twisted_redis.engine.gates import flags_of
from twisted_redis.engine.ports.cluster import Reason, Redirected
from twisted_redis.keyspace.slots import key_slot

if TYPE_CHECKING:
    from twisted_redis.cluster.nodes import Node
    from twisted_redis.cluster.state import ClusterState
    from twisted_redis.config.store import Config
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

__all__ = ["IsTls", "redirect", "redirect_blocked"]

#: The commands on shard channels whose clients stay where they are while a slot moves.
_SHARDED = frozenset({"ssubscribe", "spublish"})

#: Commands that a client may give to any node, although they name shard channels.
_SERVED_EVERYWHERE = frozenset({"sunsubscribe"})

#: Tells whether a client has connected with TLS.
IsTls = Callable[["Client"], bool]


def redirect(state: ClusterState, client: Client, command: Command, argv: list[bytes], is_tls: IsTls) -> int | None:
    """Returns the slot of the keys in a request that this node serves; None if it has no keys.

    Raises Redirected if this node does not serve it.  For EXEC the keys are those of the commands that ``client`` has
    queued.  ``is_tls`` tells whether a client uses TLS, and so which port of another node it needs.
    """
    calls = (client.queue or []) if command.name == "exec" else [(command, argv)]
    slot: int | None = None
    owner: Node | None = None
    sharded = False
    keys: set[bytes] = set()
    #: Those that must be here while their slot is on its way.
    values: set[bytes] = set()
    for called, words in calls:
        sharded = sharded or called.name in _SHARDED
        if called.name in _SERVED_EVERYWHERE:
            continue
        for key in routing_keys(called, words):
            if slot is None:
                slot = key_slot(key)
                owner = state.owners[slot]
            elif key_slot(key) != slot:
                raise Redirected(Reason.CROSS_SLOT, "CROSSSLOT Keys in request don't hash to the same slot")
            keys.add(key)
            if not sharded:
                values.add(key)
        if slot is not None and owner is None:
            raise Redirected(Reason.NOT_SERVED, "CLUSTERDOWN Hash slot not served")
    if slot is None or owner is None:
        return None
    if not state.ok:
        _check_state(client.config, command, sharded=sharded)
    target = state.migrating.get(slot) if owner is state.myself else None
    is_importing = target is None and slot in state.importing
    if target is not None or is_importing:
        if command.name == "migrate":
            return slot
        missing = sum(not _exists(client.engine.databases[0], key) for key in values)
        if target is not None and missing:
            if missing < len(values):
                raise Redirected(Reason.UNSTABLE, _TRY_AGAIN)
            raise Redirected(Reason.ASK, _text("ASK", slot, target, client, is_tls))
        if is_importing and (client.asking or command.flags & ASKING):
            if missing and len(keys) > 1:
                raise Redirected(Reason.UNSTABLE, _TRY_AGAIN)
            return slot
    if owner is state.myself:
        return slot
    if (client.reads_replica or sharded) and state.myself.master is owner and not flags_of(command, client) & WRITE:
        return slot
    raise Redirected(Reason.MOVED, _text("MOVED", slot, owner, client, is_tls))


_TRY_AGAIN = "TRYAGAIN Multiple keys request during rehashing of slot"


def _check_state(config: Config, command: Command, *, sharded: bool) -> None:
    """Raises the error of a cluster that is down, unless the command is allowed even then."""
    if sharded:
        if config.cluster_allow_pubsubshard_when_down:
            return
    elif config.cluster_allow_reads_when_down:
        if not command.flags & WRITE:
            return
        raise Redirected(Reason.DOWN_READ_ONLY, "CLUSTERDOWN The cluster is down and only accepts read commands")
    raise Redirected(Reason.DOWN, "CLUSTERDOWN The cluster is down")


def _exists(db: Database, key: bytes) -> bool:
    """Whether a key is there and has not expired; this look does not remove it."""
    return key in db.data and not (key in db.expires and db.expires[key].time(key) <= db.state.now)


def _text(word: str, slot: int, node: Node, client: Client, is_tls: IsTls) -> str:
    host = preferred_endpoint(node, client.config.cluster_preferred_endpoint_type)
    return f"{word} {slot} {host}:{client_port(node, tls=is_tls(client))}"


def redirect_blocked(engine: Engine, state: ClusterState, is_tls: IsTls) -> None:
    """Ends the waiting of clients whose keys this node no longer serves; called when slots or the state change."""
    if not engine.waiting.count:
        return
    with engine.in_turn:
        for client in list(engine.clients.values()):
            waiter = client.blocked
            if waiter is not None and waiter.keys:
                error = _why_not(state, client, waiter.command, waiter.keys[0], is_tls)
                if error is not None:
                    end_with_error(waiter, error.text)


def _why_not(state: ClusterState, client: Client, command: Command, key: bytes, is_tls: IsTls) -> Redirected | None:
    if not state.ok:
        # Even where reads are allowed: the write that would end the waiting may never come.
        return Redirected(Reason.DOWN, "CLUSTERDOWN The cluster is down")
    slot = key_slot(key)
    owner = state.owners[slot]
    if owner is state.myself or slot in state.importing:
        return None
    if owner is None:
        return Redirected(Reason.NOT_SERVED, "CLUSTERDOWN Hash slot not served")
    if client.reads_replica and not command.flags & WRITE and state.myself.master is owner:
        return None
    return Redirected(Reason.MOVED, _text("MOVED", slot, owner, client, is_tls))
