"""The parts of a node that the rules work with: its tables, its surroundings, and what has to be done soon.

Each rule is a function of another module in this room, and takes the ``Core`` as its first argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_redis.cluster.bus.messages import TYPE_NAMES
from twisted_redis.cluster.migration.hooks import Hooks, NoMigrations

if TYPE_CHECKING:
    from random import Random

    from twisted_redis.cluster.host import Host
    from twisted_redis.cluster.links import BusNetwork
    from twisted_redis.cluster.nodes import Node
    from twisted_redis.cluster.state import ClusterState

__all__ = ["Core", "Election", "ManualFailover", "random_id"]

# The work that a rule leaves to be done before anything more is sent or received (``cron.settle``).
FAIL_OVER: Final = 1
UPDATE_STATE: Final = 2
SAVE: Final = 4
SYNC: Final = 8
FAIL_OVER_MANUALLY: Final = 16


def random_id(random: Random) -> str:
    """Returns a new id of a node or of a shard: 40 hexadecimal digits."""
    return f"{random.getrandbits(160):040x}"


class Election:
    """The election in which this replica is, or was, a candidate."""

    __slots__ = ("at", "epoch", "rank", "requested", "votes")

    def __init__(self) -> None:
        #: When it starts or has started (ms).
        self.at = 0
        self.epoch = 0
        #: How many replicas of the same master have more data.
        self.rank = 0
        #: True once the votes have been requested.
        self.requested = False
        #: The masters that have voted for this replica.
        self.votes: set[Node] = set()


class ManualFailover:
    """The manual failover that is in progress, on the replica that takes over or on its master."""

    __slots__ = ("can_start", "ends", "master_offset", "replica")

    def __init__(self) -> None:
        #: When it is given up (ms); 0 if none is in progress.
        self.ends = 0
        #: On the master: the replica that takes over.
        self.replica: Node | None = None
        #: On the replica: the offset at which the master has paused; None while it is unknown.
        self.master_offset: int | None = None
        #: On the replica: True if the votes may be requested.
        self.can_start = False

    @property
    def waits(self) -> bool:
        """On the replica: True until it has executed the whole stream of its master."""
        return self.master_offset is not None and not self.can_start


class Core:
    """One node of a cluster."""

    def __init__(self, state: ClusterState, host: Host, network: BusNetwork) -> None:
        self.state = state
        self.host = host
        self.network = network
        self.config = host.config
        self.random = host.random
        self.election = Election()
        self.manual = ManualFailover()
        #: The secret that the nodes share: the smallest of all.
        self.secret = random_id(host.random).encode()
        #: The work to be done soon, as bits.
        self.todo = 0
        self.ticks = 0
        #: The time of the last tick (ms), and whether that tick came much too late.
        self.ticked_at = 0
        self.was_late = False
        #: Until when this node suspects nobody, because it did not run itself (ms).
        self.listens_until = 0
        #: The ids of the nodes that this node neither hears nor reaches: a partition for a test.
        self.cut_off: frozenset[str] = frozenset()
        #: By kind of message.
        self.sent = [0] * len(TYPE_NAMES)
        self.received = [0] * len(TYPE_NAMES)
        self.links_over_limit = 0
        #: The number of nodes that this node suspects, as of the last tick.
        self.suspects = 0
        #: Nodes in a random order, of which each message takes the next ones for its gossip.
        self.deck: list[Node] = []
        #: When the state of the cluster was first judged, and when this node was last with a minority (ms; 0: never).
        self.judged_since = 0
        self.minority_at = 0
        #: Why this replica does not fail over, and when it has last logged that (ms).
        self.obstacle = ""
        self.obstacle_logged = 0
        #: Slots of the master's unfinished migration, whose keys this replica may have though nobody gave it the slots.
        self.leftovers = 0
        #: The atomic migrations of slots from and to this node.
        self.migrations: Hooks = NoMigrations()
        #: The value of cluster-announce-ip that is in force.
        self.announced_ip = ""
        #: The kind of message that DEBUG DROP-CLUSTER-PACKET-FILTER drops, and whether its link closes too.
        self.dropped_kind = -1
        self.close_on_drop = False

    def note(self, todo: int) -> None:
        """Leaves something to be done soon."""
        # A manual failover that waits is looked at whenever the node settles, and wakes nobody.
        if not self.todo & ~FAIL_OVER_MANUALLY:
            self.host.wake()
        self.todo |= todo

    def end_manual_failover(self) -> None:
        """Gives up a manual failover, or ends one that has succeeded."""
        if self.manual.replica is not None:
            self.host.release_writes()
        self.manual = ManualFailover()
