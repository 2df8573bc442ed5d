"""Forming a whole cluster at once: each node gets the tables that it would have after meetings and gossip.

    founders = [Founder("127.0.0.1", 7000, bus_port=17000), ...]
    texts = describe(founders, masters=3, random=Random())

Each text is a nodes.conf.  A node that starts with it as its file is part of the cluster.  A node that runs already,
and knows no other one, takes it over with ``Member.join``.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from twisted_redis.cluster.core import random_id
from twisted_redis.cluster.nodes import MASTER, MYSELF, REPLICA, Node
from twisted_redis.cluster.nodes_file import format_file
from twisted_redis.cluster.roles import add_replica
from twisted_redis.cluster.state import ClusterState
from twisted_redis.keyspace.slots import SLOTS

__all__ = ["Founder", "describe", "share_of"]


class Founder(NamedTuple):
    """The address of a node; a port that is not open is 0."""

    ip: str
    port: int
    bus_port: int
    tls_port: int = 0


def share_of(number: int, masters: int) -> int:
    """Returns the slots of master ``number`` (from 0) of a cluster with so many masters, as ``redis-cli`` spreads them.

    The result is a set of slots (see ``cluster/nodes.py``).
    """
    first, end = (round(SLOTS * each / masters) for each in (number, number + 1))
    return (1 << end) - (1 << first)


def describe(founders: Sequence[Founder], masters: int, random: Random) -> list[str]:
    """Returns the text of nodes.conf for each node.

    The first ``masters`` nodes share all slots.  The others are replicas of the first master, the second master, and so
    on in turn.
    """
    names = [random_id(random) for _ in founders]
    shards = [random_id(random) for _ in range(masters)]
    return [_view(founders, masters, names, shards, number) for number in range(len(founders))]


def _view(founders: Sequence[Founder], masters: int, names: list[str], shards: list[str], own: int) -> str:
    """Returns the text for node ``own``."""
    state = ClusterState(names[own], shards[own % masters], 0)
    nodes = [state.myself if number == own else Node(name, 0, 0) for number, name in enumerate(names)]
    state.nodes = dict(zip(names, nodes, strict=True))
    state.current_epoch = masters
    for number, (node, founder) in enumerate(zip(nodes, founders, strict=True)):
        node.ip, node.port, node.bus_port, node.tls_port = founder
        node.shard_id = shards[number % masters]
        node.flags = node.flags & MYSELF
        # The file only says whether there was an answer: no node looks as if it had been silent for ever.
        node.pong_received = 1
        if number < masters:
            node.flags |= MASTER
            node.config_epoch = number + 1
            state.assign_all(share_of(number, masters), node)
        else:
            node.flags |= REPLICA
            node.master = nodes[number % masters]
            add_replica(node.master, node)
    return format_file(state)
