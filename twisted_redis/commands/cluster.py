"""CLUSTER, READONLY, READWRITE and ASKING in a server without cluster mode.

All of them, including HELP, reply that cluster support is disabled.  Their declarations are complete, for COMMAND, ACL
and client libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from twisted_redis.engine.declare.flags import ADMIN, FAST, LOADING, NO_ASYNC_LOADING, NOSCRIPT, STALE
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("cluster")
subcommand = command.container("CLUSTER", "A container for commands on the cluster of servers.", since="3.0.0")

_CHANGES = ADMIN | STALE | NO_ASYNC_LOADING
_CHANCE = ("nondeterministic_output",)


class _Declaration(NamedTuple):
    syntax: str
    summary: str
    arity: int
    flags: int = STALE
    since: str = "3.0.0"
    complexity: str = "O(1)"
    tips: tuple[str, ...] = ()
    replaced_by: str | None = None
    deprecated_since: str | None = None
    history: tuple[tuple[str, str], ...] = ()


_OF_SLOTS = "O(N) for N slots"
_OF_RANGES = "O(N) for all N slots between the ends"
_OF_NODES = "O(N) for N nodes of the cluster"
_OF_REPLICAS = "O(N) for N replicas"

_DECLARATIONS = (
    _Declaration("CLUSTER ADDSLOTS slot [slot ...]", "Assigns slots to this node.", -3, _CHANGES, complexity=_OF_SLOTS),
    _Declaration(
        "CLUSTER ADDSLOTSRANGE start-slot end-slot [start-slot end-slot ...]",
        "Assigns ranges of slots to this node.",
        -4,
        _CHANGES,
        "7.0.0",
        _OF_RANGES,
    ),
    _Declaration("CLUSTER BUMPEPOCH", "Increments the configuration epoch.", 2, _CHANGES, tips=_CHANCE),
    _Declaration(
        "CLUSTER COUNT-FAILURE-REPORTS node-id",
        "Returns how many nodes report that a node has failed.",
        3,
        ADMIN | STALE,
        complexity="O(N) for N reports",
        tips=_CHANCE,
    ),
    _Declaration("CLUSTER COUNTKEYSINSLOT slot", "Returns how many keys a slot holds.", 3),
    _Declaration(
        "CLUSTER DELSLOTS slot [slot ...]", "Removes slots from this node.", -3, _CHANGES, complexity=_OF_SLOTS
    ),
    _Declaration(
        "CLUSTER DELSLOTSRANGE start-slot end-slot [start-slot end-slot ...]",
        "Removes ranges of slots from this node.",
        -4,
        _CHANGES,
        "7.0.0",
        _OF_RANGES,
    ),
    _Declaration("CLUSTER FAILOVER [FORCE | TAKEOVER]", "Makes a replica take over from its master.", -2, _CHANGES),
    _Declaration("CLUSTER FLUSHSLOTS", "Removes all slots from this node.", 2, _CHANGES),
    _Declaration("CLUSTER FORGET node-id", "Removes a node from the table of nodes.", 3, _CHANGES),
    _Declaration(
        "CLUSTER GETKEYSINSLOT slot count",
        "Returns keys of a slot.",
        4,
        complexity="O(N) for N requested keys",
        tips=_CHANCE,
    ),
    _Declaration("CLUSTER HELP", "Describes the subcommands of CLUSTER.", 2, LOADING | STALE, "5.0.0"),
    _Declaration("CLUSTER INFO", "Returns the state of the cluster.", 2, tips=_CHANCE),
    _Declaration("CLUSTER KEYSLOT key", "Returns the slot of a key.", 3, complexity="O(N) for N bytes of the key"),
    _Declaration("CLUSTER LINKS", "Returns the links to the other nodes.", 2, STALE, "7.0.0", _OF_NODES, _CHANCE),
    _Declaration(
        "CLUSTER MEET ip port [cluster-bus-port]",
        "Adds another node to the cluster.",
        -4,
        _CHANGES,
        history=(("4.0.0", "Accepts the port of the bus."),),
    ),
    _Declaration("CLUSTER MYID", "Returns the id of this node.", 2),
    _Declaration("CLUSTER MYSHARDID", "Returns the id of the shard of this node.", 2, STALE, "7.2.0", tips=_CHANCE),
    _Declaration("CLUSTER NODES", "Returns all nodes and their slots as text.", 2, complexity=_OF_NODES, tips=_CHANCE),
    _Declaration(
        "CLUSTER REPLICAS node-id",
        "Returns the replicas of a master.",
        3,
        ADMIN | STALE,
        "5.0.0",
        _OF_REPLICAS,
        _CHANCE,
    ),
    _Declaration("CLUSTER REPLICATE node-id", "Makes this node a replica of another.", 3, _CHANGES),
    _Declaration(
        "CLUSTER RESET [HARD | SOFT]",
        "Removes this node from its cluster.",
        -2,
        ADMIN | STALE | NOSCRIPT,
        complexity="O(N) for N known nodes",
    ),
    _Declaration("CLUSTER SAVECONFIG", "Writes the configuration of the cluster to disk.", 2, _CHANGES),
    _Declaration("CLUSTER SET-CONFIG-EPOCH config-epoch", "Sets the epoch of a new node.", 3, _CHANGES),
    _Declaration(
        "CLUSTER SETSLOT slot <IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE>",
        "Assigns a slot to a node, or marks it as moving.",
        -4,
        _CHANGES,
    ),
    _Declaration(
        "CLUSTER SHARDS", "Returns the shards and their slots.", 2, LOADING | STALE, "7.0.0", _OF_NODES, _CHANCE
    ),
    _Declaration(
        "CLUSTER SLAVES node-id",
        "Returns the replicas of a master.",
        3,
        ADMIN | STALE,
        complexity=_OF_REPLICAS,
        tips=_CHANCE,
        replaced_by="`CLUSTER REPLICAS`",
        deprecated_since="5.0.0",
    ),
    _Declaration(
        "CLUSTER SLOTS",
        "Returns the slots with their nodes.",
        2,
        LOADING | STALE,
        complexity=_OF_NODES,
        tips=_CHANCE,
        replaced_by="`CLUSTER SHARDS`",
        deprecated_since="7.0.0",
        history=(("4.0.0", "Returns the ids of nodes."), ("7.0.0", "Returns more about the networks of the nodes.")),
    ),
    _Declaration("READONLY", "Lets this connection read from a replica of the cluster.", 1, FAST | LOADING | STALE),
    _Declaration("READWRITE", "Ends the effect of READONLY.", 1, FAST | LOADING | STALE),
    _Declaration("ASKING", "Allows the next command to use a slot that this node is importing.", 1, FAST),
)


def _refuse(ctx: Client, *arguments: bytes) -> Reply:
    raise CommandError("ERR This instance has cluster support disabled")


for _each in _DECLARATIONS:
    _first, *_words = _each.syntax.split()
    _is_subcommand = _first == "CLUSTER"
    (subcommand if _is_subcommand else command)(
        _words[0] if _is_subcommand else _first,
        arity=_each.arity,
        flags=_each.flags,
        since=_each.since,
        acl=() if _is_subcommand else ("@connection",),
        complexity=_each.complexity,
        tips=_each.tips,
        deprecated_since=_each.deprecated_since,
        replaced_by=_each.replaced_by,
        history=_each.history,
        doc=f"{_each.syntax}\n\n{_each.summary}",
    )(_refuse)
