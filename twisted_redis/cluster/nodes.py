"""A node of the cluster, as this node knows it.

A set of slots is an ``int`` whose bit N stands for slot N.  On the bus the same set is 2,048 bytes in little-endian
order, so ``int.from_bytes`` and ``int.to_bytes`` convert it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from twisted_redis.keyspace.slots import SLOTS

if TYPE_CHECKING:
    from twisted_redis.cluster.links import BusLink

__all__ = ["Node", "all_slots", "is_id", "ranges", "slots_in"]

# Flags, with the numbers that they have on the bus.
MASTER = 1
REPLICA = 2
PFAIL = 4
FAIL = 8
MYSELF = 16
HANDSHAKE = 32
NO_ADDRESS = 64
MEET = 128
MIGRATE_TO = 256
NO_FAILOVER = 512
EXTENSIONS = 1024
#: Nodes of Valkey say with this one that they understand short headers; Redis has no such flag.
OF_VALKEY = 2048

#: An epoch has 64 bits on the bus.
MOST_EPOCH = (1 << 64) - 1

#: The words of nodes.conf and CLUSTER NODES, in their order there.
FLAG_NAMES = (
    (MYSELF, "myself"),
    (MASTER, "master"),
    (REPLICA, "slave"),
    (PFAIL, "fail?"),
    (FAIL, "fail"),
    (HANDSHAKE, "handshake"),
    (NO_ADDRESS, "noaddr"),
    (NO_FAILOVER, "nofailover"),
)


_id = re.compile(r"[a-z0-9]{40}").fullmatch


def is_id(text: str) -> bool:
    """True if a text has the form of an id of a node."""
    return _id(text) is not None


def slots_in(bits: int) -> Iterator[int]:
    """Yields the slots of a set, in ascending order."""
    for first, last in ranges(bits):
        yield from range(first, last + 1)


def ranges(bits: int) -> list[tuple[int, int]]:
    """Returns the (first, last) slot of each unbroken range in a set."""
    # A set in thousands of pieces is searched as text: each operation on the number would copy all of it.
    text = f"{bits:b}"[::-1]
    find = text.find
    found = []
    end = 0
    while (first := find("1", end)) >= 0:
        end = find("0", first)
        if end < 0:
            end = len(text)
        found.append((first, end - 1))
    return found


class Node:
    """One node.  Times are in ms of the wall clock of this node; 0 stands for never."""

    __slots__ = (
        "bus_port",
        "config_epoch",
        "data_received",
        "failed_at",
        "flags",
        "hostname",
        "human_name",
        "inbound",
        "ip",
        "joined",
        "link",
        "master",
        "name",
        "orphaned_since",
        "ping_sent",
        "pong_received",
        "port",
        "replica_offset",
        "replica_offset_at",
        "replicas",
        "reports",
        "shard_id",
        "slots",
        "tls_port",
        "voted_at",
    )

    def __init__(self, name: str, flags: int, joined: int) -> None:
        #: 40 hexadecimal digits.  A node in handshake has a random name.
        self.name = name
        self.flags = flags
        self.joined = joined
        self.shard_id = ""
        self.hostname = ""
        self.human_name = ""
        self.ip = ""
        #: Ports of clients without and with TLS, and of the bus; 0 stands for none.
        self.port = 0
        self.tls_port = 0
        self.bus_port = 0
        self.config_epoch = 0
        self.slots = 0
        self.master: Node | None = None
        self.replicas: list[Node] = []
        self.ping_sent = 0
        self.pong_received = 0
        self.data_received = 0
        self.failed_at = 0
        #: When this node last voted for a replica of that master.
        self.voted_at = 0
        #: The last replication offset that the node has reported, and when.
        self.replica_offset = 0
        self.replica_offset_at = 0
        self.orphaned_since = 0
        #: By the master that reports this node as failing: when it last did so.
        self.reports: dict[Node, int] = {}
        #: The connection that this node opened to the other one, and the one that the other opened.
        self.link: BusLink | None = None
        self.inbound: BusLink | None = None

    @property
    def is_master(self) -> bool:
        """True for a master."""
        return bool(self.flags & MASTER)

    @property
    def is_replica(self) -> bool:
        """True for a replica."""
        return bool(self.flags & REPLICA)

    @property
    def failing(self) -> bool:
        """True if the node is suspected or known to have failed."""
        return bool(self.flags & (PFAIL | FAIL))


def all_slots() -> int:
    """Returns the set of all slots."""
    return (1 << SLOTS) - 1
