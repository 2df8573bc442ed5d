"""A replica follows the migration in which its master takes part."""

from __future__ import annotations

import pytest

from tests.support.server import Server
from twisted_redis.cluster.elections import replace_master
from twisted_redis.cluster.nodes import MASTER, REPLICA, Node
from twisted_redis.cluster.serving import Cluster
from twisted_redis.engine.clients import MASTER as FROM_MASTER
from twisted_redis.persistence.saving import facts

SLOT = 3300  # of {b}


class Replica(Server):
    """A replica whose master has no slots; ``self.other`` has all of them.  Calls come from the master."""

    def __init__(self) -> None:
        super().__init__(cluster_enabled=True, cluster_config_file="", databases=1)
        node = self.engine.cluster
        assert isinstance(node, Cluster)
        self.node = node
        state = node.state
        self.master, self.other = (Node(letter * 40, MASTER, 0) for letter in "mo")
        for each in (self.master, self.other):
            state.nodes[each.name] = each
        state.assign_all((1 << 16384) - 1, self.other)
        state.myself.flags = state.myself.flags & ~MASTER | REPLICA
        state.myself.master = self.master
        self.master.replicas.append(state.myself)
        state.set_ok(True)
        self.client.gates |= FROM_MASTER

    def hear(self, state: str, operation: str = "import") -> None:
        """The master tells of its task."""
        text = ":".join(("1" * 40, "o" * 40, "m" * 40, operation, state, f"{SLOT}-{SLOT}"))
        assert self("CLUSTER", "SYNCSLOTS", "CONF", "ASM-TASK", text) == b"OK"

    def seen(self) -> tuple[int, int, int]:
        """The number of keys by DBSIZE, by KEYS and in the database."""
        found = self("KEYS", "*")
        assert isinstance(found, (list, tuple))
        size = self("DBSIZE")
        assert isinstance(size, int)
        return size, len(found), len(self.engine.databases[0].data)


@pytest.fixture
def replica() -> Replica:
    return Replica()


def test_keys_are_hidden_until_the_master_has_the_slots(replica: Replica) -> None:
    replica.hear("connecting")
    replica("SET", "{b}1", 1)
    assert replica.seen() == (0, 0, 1)
    replica.hear("completed")
    assert replica.seen() == (1, 1, 1)


def test_keys_of_a_failed_import_stay_hidden_until_they_go(replica: Replica) -> None:
    replica.hear("accumulate-buffer")
    replica("SET", "{b}1", 1)
    replica.hear("failed")
    assert replica.seen() == (0, 0, 1)
    replica("TRIMSLOTS", "RANGES", 1, SLOT, SLOT)
    assert replica.seen() == (0, 0, 0)
    replica.node.state.assign(SLOT, replica.master)
    replica("SET", "{b}1", 1)
    assert replica.seen() == (1, 1, 1)


def test_a_replica_that_is_promoted_removes_the_keys(replica: Replica) -> None:
    replica.hear("accumulate-buffer")
    replica("SET", "{b}1", 1)
    recorder = replica.record()
    with replica.engine.in_turn:
        replace_master(replica.node.core)
    replica.clock.advance(1)
    assert replica.seen() == (0, 0, 0)
    assert recorder.take() == [[b"TRIMSLOTS", b"RANGES", b"1", b"3300", b"3300"]]


def test_old_keys_go_before_new_ones_come(replica: Replica) -> None:
    """The master imports a slot again whose keys this replica has not removed yet."""
    replica("DEBUG", "ASM-TRIM-METHOD", "active", "-1")
    replica("SET", "{b}old", 1)
    replica("TRIMSLOTS", "RANGES", 1, SLOT, SLOT)
    replica.clock.advance(1)
    assert replica.seen() == (0, 0, 1)
    replica.hear("connecting")
    replica("SET", "{b}new", 1)
    replica("DEBUG", "ASM-TRIM-METHOD", "active", 0)
    replica.node.tasks.trims.look()
    replica.clock.advance(1)
    replica.hear("completed")
    assert replica("KEYS", "*") in ([b"{b}new"], (b"{b}new",))


def test_a_snapshot_tells_of_the_import(replica: Replica) -> None:
    assert facts(replica.engine)[b"cluster-asm-task"] == b""
    replica.hear("accumulate-buffer")
    text = facts(replica.engine)[b"cluster-asm-task"]
    assert text == b"%b:%b:%b:import:accumulate-buffer:3300-3300" % (b"1" * 40, b"o" * 40, b"m" * 40)
    other = Replica()
    other.engine.cluster.note_snapshot_task(text)
    other("SET", "{b}1", 1)
    assert other.seen() == (0, 0, 1)
    other.engine.cluster.note_snapshot_task(b"nonsense")
    assert ("warning", "ERR Failed to handle master task: nonsense") in other.logged
    other.engine.cluster.note_snapshot_task(b"")
    assert other.seen() == (1, 1, 1)


def test_a_flush_ends_removals(replica: Replica) -> None:
    replica("DEBUG", "ASM-TRIM-METHOD", "active", "-1")
    replica("SET", "{b}old", 1)
    replica("TRIMSLOTS", "RANGES", 1, SLOT, SLOT)
    replica.engine.cluster.data_replaced("")
    assert b"cluster_slot_migration_stats_active_trim_cancelled:1" in replica("CLUSTER", "INFO")
