"""A node of a cluster, whole: what the bus, the clock and the commands call.

Nothing here waits, opens a socket or reads a clock.  ``Host`` is the server around the node, and ``BusNetwork`` opens
its links.  So whole clusters run within a test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster import actions, cron, describe, membership
from twisted_redis.cluster.bus.messages import TYPE_NAMES, BadMessage, decode, kind_of
from twisted_redis.cluster.core import Core
from twisted_redis.cluster.failures import count_reports
from twisted_redis.cluster.foreign_migrations import note_master_task
from twisted_redis.cluster.health import trust_tables
from twisted_redis.cluster.manual import start_manual_failover
from twisted_redis.cluster.nodes import slots_in
from twisted_redis.cluster.nodes_file import node_line, parse_file
from twisted_redis.cluster.receiving import receive
from twisted_redis.cluster.redirect import redirect
from twisted_redis.cluster.roles import replicate
from twisted_redis.cluster.saving import save_now
from twisted_redis.cluster.sending import publish
from twisted_redis.cluster.viewing import view
from twisted_redis.engine.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twisted_redis.cluster.host import Host
    from twisted_redis.cluster.links import BusLink, BusNetwork
    from twisted_redis.cluster.state import ClusterState
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.ports.cluster_view import ClusterView
    from twisted_redis.resp.types import Reply

__all__ = ["Member"]


class Member:
    """This node.  It implements the port ``engine/ports/cluster.py``."""

    enabled = True

    def __init__(self, state: ClusterState, host: Host, network: BusNetwork) -> None:
        self.core = Core(state, host, network)
        self.state = state
        self.served = state.served

    def start(self) -> None:
        """Takes over the directives and writes the file; the server calls it when its ports are open."""
        cron.refresh_myself(self.core)
        save_now(self.core)

    # what happens

    def link_made(self, link: BusLink) -> None:
        """A connection stands; one that came in has no node yet."""
        cron.link_made(self.core, link)

    def receive(self, link: BusLink, data: bytes) -> None:
        """Takes one message.  A bad one is counted, as in Redis, and dropped."""
        kind = kind_of(data)
        if kind is not None:
            self.core.received[kind] += 1
        try:
            message = decode(data)
        except BadMessage as error:
            self.core.host.log("verbose", f"Dropped a message of the bus from {link.peer_ip}: {error}.")
            return
        if message.sender in self.core.cut_off:
            return
        receive(self.core, link, message)

    def link_lost(self, link: BusLink) -> None:
        """A connection has ended, or could not be opened."""
        membership.link_lost(link)

    def tick(self) -> None:
        """Runs ten times a second."""
        cron.tick(self.core)

    def settle(self) -> None:
        """Does what was left to be done: the server calls it soon after ``Host.wake``, before anything is sent."""
        cron.settle(self.core)

    def refresh(self) -> None:
        """Takes over directives that have changed."""
        cron.refresh_myself(self.core)

    def verify_data(self) -> None:
        """Compares the slots with the keys that were loaded.

        A slot with keys and without an owner becomes a slot of this node.  Keys in a slot of another node go, unless
        this node imports the slot.
        """
        state = self.state
        if state.myself.is_replica:
            return
        host = self.core.host
        taken = 0
        foreign = 0
        for slot in range(len(state.owners)):
            owner = state.owners[slot]
            if owner is state.myself or slot in state.importing or not host.count_keys(slot):
                continue
            if owner is None:
                host.log("notice", f"Slot {slot} has keys here and no owner; this node takes it.")
                taken |= 1 << slot
            else:
                host.log("notice", f"Slot {slot} has keys here and belongs to {owner.name}; the keys are deleted.")
                foreign |= 1 << slot
        state.assign_all(taken, state.myself)
        if taken:
            save_now(self.core)
        for slot in slots_in(foreign):
            host.delete_keys(slot)

    def join(self, text: str) -> None:
        """Takes over the tables of a whole cluster (``cluster/forming.py``) while the node runs.

        The node serves at once, without the delay of a start.  Raises CorruptFile, and ValueError if the node knows
        other nodes already or has slots.
        """
        core = self.core
        state = self.state
        if len(state.nodes) > 1 or state.myself.slots:
            raise ValueError("this node belongs to a cluster already")
        tables = parse_file(text, core.host.now(), core.random, tls=core.config.tls_cluster)
        if tables is None:
            raise ValueError("the text of the tables is empty")
        state.become(tables)
        cron.refresh_myself(core)
        replicate(core)
        trust_tables(core)
        save_now(core)

    def cut_off(self, names: Iterable[str]) -> None:
        """Parts this node from some other nodes, by their ids, and from no others: an empty call ends the partition.

        It closes the links to them, opens no new ones, and ignores what they send.
        """
        core = self.core
        core.cut_off = frozenset(names)
        for node in self.state.nodes.values():
            if node.name in core.cut_off:
                membership.drop_link(node)
                if node.inbound is not None:
                    node.inbound.close()
                    node.inbound = None

    def linked(self) -> bool:
        """True if the links with all other nodes stand in both directions, and each node has answered."""
        others = (node for node in self.state.nodes.values() if node is not self.state.myself)
        return all(
            node.link is not None and node.link.connected and node.inbound is not None and not node.ping_sent
            for node in others
        )

    @property
    def messages(self) -> int:
        """The number of messages that this node has sent and received."""
        return sum(self.core.sent) + sum(self.core.received)

    @property
    def secret(self) -> bytes:
        """The password of connections between nodes (AUTH "internal connection")."""
        return self.core.secret

    @property
    def connections(self) -> int:
        """The number of connections that the bus needs (INFO's ``cluster_connections``)."""
        return 2 * (len(self.state.nodes) - 1)

    @property
    def links_memory(self) -> int:
        """Bytes that wait on the links (INFO's ``mem_cluster_links``)."""
        links = (link for node in self.state.nodes.values() for link in (node.link, node.inbound))
        return sum(link.queued for link in links if link is not None)

    # the gate

    def redirect(self, client: Client, command: Command, argv: list[bytes]) -> int | None:
        """Returns the slot of a request that this node serves; raises Redirected if another one has to."""
        return redirect(self.state, client, command, argv, self.core.host.is_tls)

    def follow_served(self, changed: Callable[[], None]) -> None:
        """Calls ``changed`` after each change of ``served``."""
        self.state.served_changed = changed

    # DEBUG

    def kill_links(self, name: str, direction: str) -> None:
        """DEBUG CLUSTERLINK KILL: closes the link to (``to``) or from (``from``) a node, or both (``all``)."""
        node = actions.find_node(self.core, name)
        if direction not in ("to", "from", "all"):
            raise CommandError(f"ERR Unknown direction {direction}")
        if direction != "from":
            membership.drop_link(node)
        if direction != "to" and node.inbound is not None:
            node.inbound.close()
            node.inbound = None

    def drop_messages(self, kind: int) -> None:
        """DEBUG DROP-CLUSTER-PACKET-FILTER: ignores messages of a kind; a negative number ends that."""
        self.core.dropped_kind = kind if kind < len(TYPE_NAMES) else -1

    def close_on_drop(self, on: bool) -> None:
        """DEBUG CLOSE-CLUSTER-LINK-ON-PACKET-DROP: whether the link of an ignored message closes."""
        self.core.close_on_drop = on

    # what the status page and CLUSTER show

    def view(self) -> ClusterView:
        """The tables, for the status page."""
        return view(self.core)

    def my_id(self) -> str:
        """CLUSTER MYID."""
        return self.state.myself.name

    def my_shard_id(self) -> str:
        """CLUSTER MYSHARDID."""
        return self.state.myself.shard_id

    def info(self) -> str:
        """CLUSTER INFO."""
        return describe.info_text(self.core)

    def describe_nodes(self, client: Client) -> str:
        """CLUSTER NODES."""
        return describe.nodes_text(self.core, tls=self.core.host.is_tls(client))

    def describe_replicas(self, client: Client, name: str) -> list[str]:
        """CLUSTER REPLICAS."""
        node = actions.find_node(self.core, name)
        if node.is_replica:
            raise CommandError("ERR The specified node is not a master")
        tls = self.core.host.is_tls(client)
        return [node_line(self.state, replica, tls=tls) for replica in node.replicas]

    def describe_slots(self, client: Client) -> Reply:
        """CLUSTER SLOTS."""
        return describe.slots_reply(self.core, tls=self.core.host.is_tls(client))

    def describe_shards(self, client: Client) -> Reply:
        """CLUSTER SHARDS."""
        return describe.shards_reply(self.core)

    def describe_links(self) -> Reply:
        """CLUSTER LINKS."""
        return describe.links_reply(self.core)

    def count_failure_reports(self, name: str) -> int:
        """CLUSTER COUNT-FAILURE-REPORTS."""
        return count_reports(self.core, actions.find_node(self.core, name))

    def count_keys(self, slot: int) -> int:
        """CLUSTER COUNTKEYSINSLOT."""
        return 0 if self.core.migrations.hides(slot) else self.core.host.count_keys(slot)

    def keys_in_slot(self, slot: int, count: int) -> list[bytes]:
        """CLUSTER GETKEYSINSLOT."""
        return [] if self.core.migrations.hides(slot) else self.core.host.keys_in_slot(slot, count)

    def shard_slots(self) -> list[int]:
        """The slots of CLUSTER SLOT-STATS."""
        return list(slots_in(self.state.shard_master.slots))

    # what CLUSTER changes

    def publish(self, channel: bytes, message: bytes, *, sharded: bool) -> None:
        """Hands a message of Pub/Sub to the other nodes; a sharded one stays in this shard."""
        publish(self.core, channel, message, sharded=sharded)

    def meet(self, host: bytes, port: int, bus_port: int) -> None:
        """CLUSTER MEET."""
        actions.meet(self.core, host, port, bus_port)

    def forget(self, name: str) -> None:
        """CLUSTER FORGET."""
        actions.forget_node(self.core, name)

    def replicate(self, name: str) -> None:
        """CLUSTER REPLICATE."""
        actions.replicate_node(self.core, name)

    def reset(self, *, hard: bool) -> None:
        """CLUSTER RESET."""
        actions.reset(self.core, hard=hard)

    def fail_over(self, *, force: bool, takeover: bool) -> None:
        """CLUSTER FAILOVER."""
        start_manual_failover(self.core, force=force, takeover=takeover)

    def check_slots(self, slots: Iterable[int], *, owned: bool) -> None:
        """Raises the error of slots that cannot be added, or cannot be deleted if they are to be ``owned``."""
        actions.check_slots(self.core, slots, owned=owned)

    def need_master(self) -> None:
        """Raises the error of CLUSTER SETSLOT in a replica."""
        actions.need_master(self.core)

    def add_slots(self, slots: Iterable[int]) -> None:
        """CLUSTER ADDSLOTS."""
        actions.add_slots(self.core, slots)

    def delete_slots(self, slots: Iterable[int]) -> None:
        """CLUSTER DELSLOTS."""
        actions.delete_slots(self.core, slots)

    def flush_slots(self) -> None:
        """CLUSTER FLUSHSLOTS."""
        actions.flush_slots(self.core)

    def set_slot_migrating(self, slot: int, name: str) -> None:
        """CLUSTER SETSLOT MIGRATING."""
        actions.set_slot_migrating(self.core, slot, name)

    def set_slot_importing(self, slot: int, name: str) -> None:
        """CLUSTER SETSLOT IMPORTING."""
        actions.set_slot_importing(self.core, slot, name)

    def set_slot_stable(self, slot: int) -> None:
        """CLUSTER SETSLOT STABLE."""
        actions.set_slot_stable(self.core, slot)

    def set_slot_node(self, slot: int, name: str) -> None:
        """CLUSTER SETSLOT NODE."""
        actions.set_slot_node(self.core, slot, name)

    def bump_epoch(self) -> str:
        """CLUSTER BUMPEPOCH."""
        return actions.bump_epoch(self.core)

    def set_config_epoch(self, epoch: int) -> None:
        """CLUSTER SET-CONFIG-EPOCH."""
        actions.set_config_epoch(self.core, epoch)

    def save_config(self) -> None:
        """CLUSTER SAVECONFIG."""
        actions.save_config(self.core)

    def note_master_task(self, text: str) -> None:
        """CLUSTER SYNCSLOTS CONF ASM-TASK, from the master of this replica."""
        note_master_task(self.core, text)
