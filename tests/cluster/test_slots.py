"""The slots of a cluster in memory, and the epochs that decide about them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.cluster.simulation import Machine, last_header, make, write
from twisted_redis.cluster.bus.messages import PONG, encode
from twisted_redis.cluster.headers import header
from twisted_redis.cluster.nodes import MASTER, REPLICA

# epochs


def test_an_epoch_collision_ends() -> None:
    simulation = make(4)
    for machine in simulation.machines:
        machine.me.config_epoch = 20
        machine.state.current_epoch = 20
        for node in machine.state.nodes.values():
            node.config_epoch = 20
    simulation.run_until(lambda: len({machine.me.config_epoch for machine in simulation.machines}) == 4, 20)
    simulation.run_until(simulation.agreed, 10)
    epochs = {machine.name: machine.me.config_epoch for machine in simulation.machines}
    assert len(set(epochs.values())) == 4
    # The one with the greatest id keeps the epoch.
    assert epochs[max(epochs)] == 20


def test_bump_epoch() -> None:
    simulation = make(3)
    a, b, _ = simulation.machines
    assert a.member.bump_epoch() == f"BUMPED {b.state.current_epoch + 1}"
    assert a.member.bump_epoch() == f"STILL {a.me.config_epoch}"
    simulation.run(2)
    assert b.view_of(a).config_epoch == a.me.config_epoch
    assert b.state.current_epoch == a.me.config_epoch


def test_a_late_replica_does_not_take_an_epoch_back() -> None:
    simulation = make(2, 1)
    master, replica = simulation.machines[0], simulation.machines[2]
    master.member.bump_epoch()
    epoch = master.me.config_epoch
    # The master takes its replica for a master, which says with an old epoch that it is none.
    node = master.view_of(replica)
    node.flags = node.flags & ~REPLICA | MASTER
    master.me.replicas.remove(node)
    node.master = None
    link = node.inbound
    assert link is not None
    master.receive(link, encode(replace(last_header(replica), config_epoch=epoch - 1)))
    assert node.master is master.me
    assert master.me.config_epoch == epoch


# slots


@pytest.mark.parametrize("silent", [False, True], ids=["it goes on", "it dies"])
def test_messages_of_two_links_overtake_each_other(silent: bool) -> None:
    simulation = make(3, 1)
    master, watcher, replica = simulation.machines[0], simulation.machines[1], simulation.machines[3]

    def says(machine: Machine) -> bytes:
        return encode(header(machine.member.core, PONG))

    def fail_over(machine: Machine) -> None:
        machine.member.fail_over(force=False, takeover=False)
        simulation.run_until(lambda: machine.me.is_master)
        # The former master becomes a replica, which the new one has to know before they change places again.
        simulation.run(1)

    # A node that stands still gets all at once what the others have told it meanwhile, one link after the other.
    simulation.freeze(watcher)
    oldest = says(replica)
    fail_over(replica)
    older = says(replica)
    fail_over(master)
    newest = says(replica)
    link = watcher.view_of(replica).inbound
    assert link is not None
    for message in (newest, older, oldest):
        watcher.receive(link, message)
    # It had the slots after the oldest message.
    assert watcher.state.owners[0] is watcher.view_of(replica)
    assert watcher.view_of(replica).is_master
    if silent:
        watcher.receive(watcher.view_of(master).inbound, says(master))  # type: ignore[arg-type]
    else:
        watcher.receive(link, newest)
        assert watcher.view_of(replica).is_replica
    assert watcher.state.owners[0] is watcher.view_of(master)
    assert watcher.view_of(master).is_master


def test_a_slot_moves() -> None:
    simulation = make(3)
    source, target, other = simulation.machines
    write(source, 7, b"k")
    source.member.set_slot_migrating(7, target.name)
    target.member.set_slot_importing(7, source.name)
    assert not source.state.served[7]
    assert f"[7->-{target.name}]" in source.member.describe_nodes(None)  # type: ignore[arg-type]
    assert f"[7-<-{source.name}]" in target.member.describe_nodes(None)  # type: ignore[arg-type]
    write(target, 7, b"k")
    source.keys.clear()
    epoch = target.me.config_epoch
    target.member.set_slot_node(7, target.name)
    source.member.set_slot_node(7, target.name)
    simulation.run(2)
    assert simulation.agreed()
    assert other.state.owners[7] is other.view_of(target)
    assert target.state.served[7]
    assert not source.state.migrating
    assert not target.state.importing
    assert target.me.config_epoch > epoch
    assert 1 << 7 in other.moved


def test_the_target_claims_a_slot_before_the_source_is_told() -> None:
    simulation = make(3)
    source, target, _ = simulation.machines
    write(source, 7, b"k")
    source.member.set_slot_migrating(7, target.name)
    target.member.set_slot_importing(7, source.name)
    target.member.set_slot_node(7, target.name)
    simulation.run(2)
    assert source.state.owners[7] is source.view_of(target)
    # The keys that were left are deleted, as they can never be reached again.
    assert source.count_keys(7) == 0
    assert simulation.agreed()


def test_an_importing_slot_is_not_taken_away() -> None:
    simulation = make(3)
    source, target, other = simulation.machines
    target.member.set_slot_importing(7, source.name)
    source.member.set_slot_node(7, other.name)
    other.member.bump_epoch()
    other.member.set_slot_importing(7, source.name)
    other.member.set_slot_node(7, other.name)
    simulation.run(3)
    assert target.state.owners[7] is target.view_of(source)
    target.member.set_slot_stable(7)
    simulation.run(3)
    assert target.state.owners[7] is target.view_of(other)


def test_a_master_without_slots_becomes_a_replica() -> None:
    simulation = make(3)
    source, target, other = simulation.machines
    for slot in range(16384):
        if source.me.slots >> slot & 1:
            source.member.set_slot_node(slot, target.name)
    assert source.me.is_replica
    assert source.master_ip == target.ip
    for slot in range(16384):
        if target.state.owners[slot] is target.view_of(source):
            target.member.set_slot_importing(slot, source.name)
            target.member.set_slot_node(slot, target.name)
    simulation.run_until(lambda: simulation.agreed(), 10)
    assert other.view_of(source).master is other.view_of(target)
    assert source.me.shard_id == target.me.shard_id


def test_a_master_without_slots_stays_one_if_replica_migration_is_off() -> None:
    simulation = make(2)
    source, target = simulation.machines
    source.config.cluster_allow_replica_migration = False
    for slot in range(16384):
        if source.me.slots >> slot & 1:
            source.member.set_slot_node(slot, target.name)
    assert source.me.is_master


def test_deleted_slots_bring_the_cluster_down() -> None:
    simulation = make(2)
    a, b = simulation.machines
    a.member.delete_slots([0])
    simulation.run(1)
    assert not a.state.ok
    # The others do not learn of it, as with Redis: they keep the last owner.
    assert b.state.owners[0] is b.view_of(a)
    a.config.cluster_require_full_coverage = False
    simulation.run(3)
    assert a.state.ok


def test_keys_decide_about_slots_after_a_restart() -> None:
    simulation = make(2)
    a, b = simulation.machines
    a.member.delete_slots([0])
    write(a, 0, b"k")
    write(a, 16383, b"l")
    write(a, 16382, b"m")
    a.state.import_from(16382, a.view_of(b))
    a.member.verify_data()
    assert a.state.owners[0] is a.me
    assert not a.keys.get(16383)
    assert a.keys[0] and a.keys[16382]
