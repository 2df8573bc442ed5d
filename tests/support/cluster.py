"""A node of a cluster without a bus: a server whose tables of nodes and slots are in the hands of the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.support.server import Server
from twisted_redis.cluster.keyspace import count_keys, delete_keys, keys_in_slot, slots_moved
from twisted_redis.cluster.nodes import MASTER, REPLICA, Node, slots_in
from twisted_redis.cluster.redirect import redirect
from twisted_redis.cluster.state import ClusterState
from twisted_redis.engine.clients import Client
from twisted_redis.engine.declare.table import Command
from twisted_redis.engine.engine import Engine
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.ports.cluster_view import ClusterView
from twisted_redis.resp.types import Reply

__all__ = ["ClusterNode", "FakeCluster"]

MYSELF, OTHER, THIRD = "a" * 40, "b" * 40, "c" * 40


class FakeCluster:
    """A cluster port whose requests for changes are only noted, in ``calls``."""

    enabled = True
    connections = 4
    links_memory = 17
    migration_memory = (0, 0, 0)
    snapshot_task = b""
    secret = b"5" * 40

    def __init__(self, engine: Engine, state: ClusterState) -> None:
        self._engine = engine
        self.state = state
        self.served = state.served
        self.calls: list[tuple[Any, ...]] = []
        #: The clients that count as clients with TLS.
        self.tls: set[Client] = set()
        #: The error of the next request for a change.
        self.error: str | None = None

    def is_tls(self, client: Client) -> bool:
        return client in self.tls

    def redirect(self, client: Client, command: Command, argv: list[bytes]) -> int | None:
        return redirect(self.state, client, command, argv, self.is_tls)

    def follow_served(self, changed: Callable[[], None]) -> None:
        self.state.served_changed = changed

    def publish(self, channel: bytes, message: bytes, *, sharded: bool) -> None:
        self.calls.append(("publish", channel, message, sharded))

    def kill_links(self, name: str, direction: str) -> None:
        self._note("kill links", name, direction)

    def drop_messages(self, kind: int) -> None:
        self._note("drop messages", kind)

    def view(self) -> ClusterView | None:
        return None

    def my_id(self) -> str:
        return self.state.myself.name

    def my_shard_id(self) -> str:
        return self.state.myself.shard_id

    def info(self) -> str:
        return "cluster_state:ok\r\n"

    def describe_nodes(self, client: Client) -> str:
        return "nodes\n"

    def describe_replicas(self, client: Client, name: str) -> list[str]:
        return [f"replica of {name}"]

    def describe_slots(self, client: Client) -> Reply:
        return [[0, 1]]

    def describe_shards(self, client: Client) -> Reply:
        return [{b"slots": []}]

    def describe_links(self) -> Reply:
        return []

    def count_failure_reports(self, name: str) -> int:
        return 3

    def count_keys(self, slot: int) -> int:
        return count_keys(self._engine, slot)

    def keys_in_slot(self, slot: int, count: int) -> list[bytes]:
        return keys_in_slot(self._engine, slot, count)

    def shard_slots(self) -> list[int]:
        return list(slots_in(self.state.shard_master.slots))

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        if self.error is not None:
            raise CommandError(self.error)

    def import_slots(self, slots: int) -> str:
        self._note("import slots", slots)
        return "d" * 40

    def cancel_migrations(self, name: str | None, reason: str) -> int:
        self.calls.append(("cancel migrations", name, reason))
        return 1

    def describe_migrations(self, name: str | None) -> Reply:
        return [{b"id": name and name.encode()}]

    def take_migration_message(self, client: Client, words: Sequence[bytes]) -> Reply:
        self._note("message", *words)
        return b"OK"

    def trim(self, slots: int, *, at_once: bool) -> None:
        for slot in slots_in(slots):
            for key in self.keys_in_slot(slot, self.count_keys(slot)):
                self._engine.databases[0].delete(key)
                self._engine.effects.signal(self._engine.databases[0], key)

    def data_replaced(self, reason: str) -> None:
        self.calls.append(("data replaced", reason))

    def note_snapshot_task(self, text: bytes) -> None:
        self.calls.append(("snapshot task", text))

    def set_migration_failpoint(self, channel: str, state: str) -> bool:
        self._note("fail point", channel, state)
        return channel != "wrong"

    def set_trim_method(self, method: str, delay: int) -> bool:
        self._note("trim method", method, delay)
        return method != "wrong"

    def meet(self, host: bytes, port: int, bus_port: int) -> None:
        self._note("meet", host, port, bus_port)

    def forget(self, name: str) -> None:
        self._note("forget", name)

    def replicate(self, name: str) -> None:
        self._note("replicate", name)

    def reset(self, *, hard: bool) -> None:
        self._note("reset", hard)

    def fail_over(self, *, force: bool, takeover: bool) -> None:
        self._note("fail over", force, takeover)

    def check_slots(self, slots: list[int], *, owned: bool) -> None:
        self._note("check slots", slots, owned)

    def add_slots(self, slots: list[int]) -> None:
        self._note("add slots", slots)

    def delete_slots(self, slots: list[int]) -> None:
        self._note("delete slots", slots)

    def flush_slots(self) -> None:
        self._note("flush slots")

    def need_master(self) -> None:
        self._note("need master")

    def set_slot_migrating(self, slot: int, name: str) -> None:
        self._note("migrating", slot, name)

    def set_slot_importing(self, slot: int, name: str) -> None:
        self._note("importing", slot, name)

    def set_slot_stable(self, slot: int) -> None:
        self._note("stable", slot)

    def set_slot_node(self, slot: int, name: str) -> None:
        self._note("node", slot, name)

    def bump_epoch(self) -> str:
        self._note("bump epoch")
        return "BUMPED 5"

    def set_config_epoch(self, epoch: int) -> None:
        self._note("set config epoch", epoch)

    def save_config(self) -> None:
        self._note("save config")

    def note_master_task(self, text: str) -> None:
        self._note("master task", text)


class ClusterNode(Server):
    """A master that has slots 0 to 8191; ``other`` has the rest, and ``third`` is a master without slots."""

    def __init__(self, **directives: Any) -> None:
        super().__init__(cluster_enabled=True, cluster_config_file="", databases=1, **directives)
        self.state = ClusterState(MYSELF, "1" * 40, 0)
        self.other = self._add(OTHER, "127.0.0.2", 7002)
        self.third = self._add(THIRD, "127.0.0.3", 7003)
        self.give(self.state.myself, range(8192))
        self.give(self.other, range(8192, 16384))
        self.state.set_ok(True)
        self.cluster = FakeCluster(self.engine, self.state)
        self.engine.join_cluster(self.cluster)

    def _add(self, name: str, ip: str, port: int) -> Node:
        node = self.state.nodes[name] = Node(name, MASTER, 0)
        node.ip, node.port, node.tls_port, node.bus_port = ip, port, port + 100, port + 10000
        return node

    def give(self, node: Node | None, slots: range) -> None:
        """Gives slots to a node, and does what a server does then."""
        changed = ((1 << slots.stop) - 1) >> slots.start << slots.start
        self.state.assign_all(changed, node)
        slots_moved(self.engine, self.state, changed, lambda _: False)

    def set_ok(self, ok: bool) -> None:
        """Lets the cluster go down or come up."""
        self.state.set_ok(ok)
        slots_moved(self.engine, self.state, 0, lambda _: False)

    def become_replica(self) -> None:
        """Makes this node a replica of ``other``, which gets all slots."""
        myself = self.state.myself
        myself.flags = myself.flags & ~MASTER | REPLICA
        myself.master = self.other
        self.give(self.other, range(16384))

    def lose(self, slot: int) -> int:
        """Gives a slot to ``other`` and deletes its keys; returns their number."""
        self.give(self.other, range(slot, slot + 1))
        return delete_keys(self.engine, slot)
