"""A node on an engine: the cluster port of a server, and what the rules of the cluster do with that server.

``composition.py`` makes a ``Cluster`` in cluster mode.  The server calls ``start`` when it has loaded its data.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from twisted_redis.cluster import keyspace
from twisted_redis.cluster.core import random_id
from twisted_redis.cluster.member import Member
from twisted_redis.cluster.migration.coordinator import SlotTasks
from twisted_redis.cluster.migration.serving import serve_message
from twisted_redis.cluster.nodes_file import CorruptFile, parse_file
from twisted_redis.cluster.nodes_store import Memory, NodesFile, Store
from twisted_redis.cluster.roles import replicate
from twisted_redis.cluster.state import ClusterState
from twisted_redis.config import FatalConfigError
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.mishaps import report
from twisted_redis.engine.pause import FAILOVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twisted_redis.cluster.links import BusLink, BusNetwork
    from twisted_redis.cluster.migration.channels import Connect
    from twisted_redis.cluster.nodes import Node
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.engine import Engine
    from twisted_redis.resp.types import Reply

__all__ = ["Cluster"]

#: The time between two ticks (s).  The periodic work of the server calls ``tick``, and may come a little early.
_TICK = 0.1
_EARLY = 0.02


#: The directives that change what this node says about itself.
_ANNOUNCED = (
    "cluster-announce-bus-port",
    "cluster-announce-hostname",
    "cluster-announce-human-nodename",
    "cluster-announce-ip",
    "cluster-announce-port",
    "cluster-announce-tls-port",
    "cluster-replica-no-failover",
    "port",
    "tls-port",
)


class Cluster(Member):
    """The cluster port of an engine; raises FatalConfigError if nodes.conf cannot be used.

    The node keeps its tables in ``store``; the default is the file that cluster-config-file names.
    """

    def __init__(self, engine: Engine, random: Random | None = None, store: Store | None = None) -> None:
        config = engine.config
        self._engine = engine
        name = config.cluster_config_file
        self._file: Store = store or (NodesFile(config.resolve(name), name) if name else Memory())
        host = _EngineHost(engine, self._file, random or Random())
        super().__init__(self._load(host), host, _NoSockets())
        host.node = self
        self.tasks = SlotTasks(self.core, engine)
        self.core.migrations = self.tasks
        self._ticked_at = 0.0
        self.started = False
        engine.join_cluster(self)
        engine.turns.before_replies.append(self._settle)
        master = self.state.myself.master
        if master is not None and master.ip:
            # A replica loads its data as a replica: with keys that have expired, and with the place in the stream from
            # which its master continues.
            replicate(self.core)

    def _load(self, host: _EngineHost) -> ClusterState:
        """Reads nodes.conf, or makes a new node."""
        now, random, log = host.now(), host.random, self._engine.log
        try:
            state = parse_file(self._file.open(), now, random, tls=self._engine.config.tls_cluster)
        except CorruptFile as error:
            self._file.close()
            raise FatalConfigError(str(error)) from None
        if state is None:
            state = ClusterState(random_id(random), random_id(random), now)
            log("notice", f"No cluster configuration found, I'm {state.myself.name}")
        else:
            log("notice", f"Node configuration loaded, I'm {state.myself.name}")
        return state

    def start_on(self, network: BusNetwork, connect: Connect | None = None) -> None:
        """Begins to talk with the other nodes; ``connect`` opens connections to their ports for clients."""
        self.core.network = network
        self.tasks.connect = connect
        with self._engine.in_turn:
            self.verify_data()
            self.start()
            self.started = True
        # Registered only now: a new port is open before this node announces it.
        self._engine.config.on_apply(_ANNOUNCED, self.refresh)

    def stop(self) -> None:
        """Closes all links, and releases nodes.conf."""
        self.started = False
        for node in self.state.nodes.values():
            for link in (node.link, node.inbound):
                if link is not None:
                    link.close()
            node.link = node.inbound = None
        self._file.close()

    # what happens: each event is a turn, so that its effects and messages leave together

    def periodic(self, now: float) -> None:
        """The periodic work; ``now`` is the monotonic time (s)."""
        if self.started and now - self._ticked_at >= _TICK - _EARLY:
            self._ticked_at = now
            with self._engine.in_turn:
                self.tick()

    def link_made(self, link: BusLink) -> None:
        """A connection stands."""
        with self._engine.in_turn:
            super().link_made(link)

    def receive(self, link: BusLink, data: bytes) -> None:
        """Takes one message.  A fault in taking it costs that link only."""
        with self._engine.in_turn:
            try:
                super().receive(link, data)
            except Exception:
                report(self._engine, "Bug in taking a message of the bus")
                link.close()
                self.link_lost(link)

    def link_lost(self, link: BusLink) -> None:
        """A connection has ended."""
        with self._engine.in_turn:
            super().link_lost(link)

    def join(self, text: str) -> None:
        """Takes over the tables of a cluster.

        The node opens no links before ``talk``: a node that does not have its tables yet would take it for a stranger.
        """
        with self._engine.in_turn:
            super().join(text)
            self.started = False

    def talk(self) -> None:
        """Begins to talk with the other nodes after ``join``."""
        self.started = True
        with self._engine.in_turn:
            self.tick()

    def cut_off(self, names: Iterable[str]) -> None:
        """Parts this node from others."""
        with self._engine.in_turn:
            super().cut_off(names)

    # atomic slot migration

    def import_slots(self, slots: int) -> str:
        """CLUSTER MIGRATION IMPORT."""
        return self.tasks.import_slots(slots)

    def cancel_migrations(self, name: str | None, reason: str) -> int:
        """CLUSTER MIGRATION CANCEL, and events that end a migration."""
        return self.tasks.cancel(name, reason)

    def describe_migrations(self, name: str | None) -> Reply:
        """CLUSTER MIGRATION STATUS."""
        return self.tasks.status(name)

    def take_migration_message(self, client: Client, words: Sequence[bytes]) -> Reply:
        """CLUSTER SYNCSLOTS from the other node."""
        return serve_message(self.core, self.tasks, client, words)

    def trim(self, slots: int, *, at_once: bool) -> None:
        """TRIMSLOTS."""
        self.tasks.trim(slots, at_once=at_once)

    def data_replaced(self, reason: str) -> None:
        """FLUSHALL, or a snapshot of the master."""
        self.tasks.data_replaced(reason)

    @property
    def snapshot_task(self) -> bytes:
        """The field ``cluster-asm-task`` of a snapshot."""
        return self.tasks.active_text.encode()

    def note_snapshot_task(self, text: bytes) -> None:
        """Takes that field of a snapshot that this node has loaded."""
        if self.state.myself.is_replica:
            try:
                self.note_master_task(text.decode("latin-1"))
            except CommandError as error:
                self._engine.log("warning", str(error))

    @property
    def migration_memory(self) -> tuple[int, int, int]:
        """INFO's ``mem_cluster_slot_migration_*``."""
        return self.tasks.memory

    def set_migration_failpoint(self, channel: str, state: str) -> bool:
        """DEBUG ASM-FAILPOINT."""
        return self.tasks.set_failpoint(channel, state)

    def set_trim_method(self, method: str, delay: int) -> bool:
        """DEBUG ASM-TRIM-METHOD."""
        return self.tasks.set_trim_method(method, delay)

    def _settle(self) -> None:
        if self.core.todo or self.state.moved:
            self.settle()


class _NoSockets:
    """The network of a node that has not started."""

    def connect(self, node: Node) -> BusLink:
        """A node opens no link before it has started."""
        raise AssertionError("the node has not started")


class _EngineHost:
    """The server as the rules see it (``cluster/host.py:Host``)."""

    node: Cluster

    def __init__(self, engine: Engine, file: Store, random: Random) -> None:
        self._engine = engine
        self._file = file
        self.config = engine.config
        self.random = random

    def now(self) -> int:
        """The wall time (ms)."""
        return self._engine.time.wall_ms()

    def log(self, level: str, text: str) -> None:
        """Logs."""
        self._engine.log(level, text)

    def wake(self) -> None:
        """Does nothing: the rules run within turns, and each turn ends with ``Cluster._settle``."""

    def ports(self) -> tuple[int, int, int]:
        """The ports for clients, for clients with TLS, and for the bus."""
        return self._engine.network.ports()

    def is_tls(self, client: Client) -> bool:
        """Whether a client uses TLS; one within the process counts as the other nodes do."""
        secure = client.link.is_secure
        return self.config.tls_cluster if secure is None else secure

    # replication

    def offset(self) -> int:
        """The place in the stream that this server has reached."""
        return self._engine.replication.reached

    def data_age(self) -> int:
        """The time since the master was last heard of (ms)."""
        return self._engine.replication.silence

    def has_master(self) -> bool:
        """Whether this server replicates."""
        return self._engine.replication.is_replica

    def follow(self, ip: str, port: int) -> None:
        """Replicates from another server."""
        self._engine.replication.follow(ip, port)

    def promote(self) -> None:
        """Stops replicating."""
        self._engine.replication.promote()

    # the data

    def is_empty(self) -> bool:
        """Whether there is no key."""
        return not self._engine.databases[0]

    def empty(self) -> None:
        """Deletes all keys; replicas are not told."""
        self._engine.replication.flush_all()

    def count_keys(self, slot: int) -> int:
        """The number of keys in a slot."""
        return keyspace.count_keys(self._engine, slot)

    def keys_in_slot(self, slot: int, count: int) -> list[bytes]:
        """At most ``count`` keys of a slot."""
        return keyspace.keys_in_slot(self._engine, slot, count)

    def delete_keys(self, slot: int) -> None:
        """Deletes the keys of a slot, here and on the replicas."""
        keyspace.delete_keys(self._engine, slot)

    def trim(self, slots: int) -> None:
        """Deletes the keys of slots of other nodes."""
        self.node.tasks.trim_foreign(slots)

    def slots_moved(self, slots: int) -> None:
        """Tells the clients that slots have moved."""
        keyspace.slots_moved(self._engine, self.node.state, slots, self.is_tls)

    # clients

    def pause_writes(self, milliseconds: int) -> None:
        """Holds back writes."""
        self._engine.pauses.hold_writes(FAILOVER, milliseconds / 1000)

    def release_writes(self) -> None:
        """Ends that."""
        self._engine.pauses.release(FAILOVER)

    def publish(self, channel: bytes, payload: bytes, *, sharded: bool) -> None:
        """Hands a message to the subscribers here."""
        pubsub = self._engine.pubsub
        (pubsub.publish_shard if sharded else pubsub.publish)(channel, payload)

    # the file

    def save(self, text: str, *, sync: bool) -> None:
        """Replaces nodes.conf; raises OSError."""
        self._file.write(text, sync=sync)

    def die(self, reason: str) -> None:
        """Ends the process."""
        self._engine.log("warning", reason)
        self._engine.process.exit(1)
