"""Roles that change while a cluster in memory works: manual failovers, and replicas that move to other masters."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.simulation import make, write
from twisted_redis.cluster.core import FAIL_OVER
from twisted_redis.cluster.nodes import NO_ADDRESS

# manual failover


def test_manual_failover() -> None:
    simulation = make(3, 1)
    master, replica = simulation.machines[0], simulation.machines[3]
    write(master, 0, b"k")
    replica.member.fail_over(force=False, takeover=False)
    simulation.run(0.02)
    assert master.paused_until > simulation.now
    # A write that came just before the pause has to arrive first.
    assert replica.me.is_replica
    simulation.run_until(lambda: replica.me.is_master, 3)
    assert replica.count_keys(0) == 1
    simulation.run_until(lambda: master.me.is_replica, 3)
    assert master.paused_until == 0
    simulation.run_until(lambda: simulation.all_ok() and simulation.agreed(), 3)
    simulation.check_owners()


def test_a_manual_failover_waits_for_the_whole_stream() -> None:
    simulation = make(3, 1)
    master, replica = simulation.machines[0], simulation.machines[3]
    write(master, 0, b"k")
    replica.replicate = lambda: None  # type: ignore[method-assign]
    replica.member.fail_over(force=False, takeover=False)
    simulation.run(4.8)
    assert replica.me.is_replica
    assert master.paused_until
    simulation.run(0.5)
    assert any("has taken too long" in line for line in replica.logs)
    assert master.paused_until == 0
    assert replica.member.core.manual.ends == 0


def test_a_manual_failover_goes_on_as_soon_as_the_stream_is_executed() -> None:
    simulation = make(3, 1)
    master, replica = simulation.machines[0], simulation.machines[3]
    write(master, 0, b"k")
    replica.replicate = lambda: None  # type: ignore[method-assign]
    replica.member.fail_over(force=False, takeover=False)
    simulation.run(0.02)
    assert replica.member.core.manual.waits
    replica.member.settle()
    assert not replica.member.core.manual.can_start
    replica.processed = master.written
    # A server settles at the end of each turn in which something is left to be done.
    assert replica.member.core.todo
    replica.member.settle()
    # The votes need no tick.
    simulation.run(0.03)
    assert replica.me.is_master
    assert not replica.member.core.todo


def test_what_is_left_to_be_done_by_each_other_is_done_at_once() -> None:
    simulation = make(3, 1)
    replica = simulation.machines[3]
    replica.member.fail_over(force=True, takeover=False)
    replica.wake = lambda: None  # type: ignore[method-assign]
    replica.member.core.todo |= FAIL_OVER
    replica.member.settle()
    # The election was fixed, and the votes requested, without another call.
    assert replica.member.core.election.requested
    assert replica.member.core.todo == 0
    assert f"vars currentEpoch {replica.state.current_epoch} " in replica.file


def test_forced_failover_of_a_dead_master() -> None:
    simulation = make(3, 1)
    master, replica = simulation.machines[0], simulation.machines[3]
    simulation.kill(master)
    simulation.run(0.5)
    replica.member.fail_over(force=True, takeover=False)
    # It does not wait until the master counts as failed.
    assert simulation.run_until(lambda: replica.me.is_master, 1) < 1


def test_takeover_without_a_majority() -> None:
    simulation = make(3, 1)
    replica = simulation.machines[3]
    for victim in simulation.machines[:2]:
        simulation.kill(victim)
    simulation.run(6)
    assert replica.me.is_replica
    replica.member.fail_over(force=False, takeover=True)
    assert replica.me.is_master
    assert replica.me.config_epoch == replica.state.current_epoch
    simulation.machines[4].member.fail_over(force=False, takeover=True)
    simulation.run_until(lambda: simulation.all_ok(), 10)
    for victim in simulation.machines[:2]:
        simulation.restart(victim)
    simulation.run_until(lambda: simulation.all_ok() and simulation.agreed(), 20)
    simulation.check_owners()


# replica migration


def test_a_replica_moves_to_an_orphaned_master() -> None:
    simulation = make(2, 2)
    orphan = simulation.machines[0]
    spare = simulation.machines[4:6]
    for victim in simulation.machines[2:4]:
        simulation.kill(victim)
    simulation.run_until(lambda: any(machine.master_ip == orphan.ip for machine in spare), 30)
    moved = [machine for machine in spare if machine.master_ip == orphan.ip]
    assert moved == [min(spare, key=lambda machine: machine.name)]
    simulation.run(10)
    assert len([machine for machine in spare if machine.master_ip == orphan.ip]) == 1
    assert moved[0].me.shard_id == orphan.me.shard_id


@pytest.mark.parametrize(
    "directives", [{"cluster_allow_replica_migration": False}, {"cluster_migration_barrier": 2}], ids=["off", "barrier"]
)
def test_no_replica_moves(directives: dict[str, Any]) -> None:
    simulation = make(2, 2)
    orphan = simulation.machines[0]
    for machine in simulation.machines:
        vars(machine.config).update(directives)
    for victim in simulation.machines[2:4]:
        simulation.kill(victim)
    simulation.run(20)
    assert not any(machine.master_ip == orphan.ip for machine in simulation.machines[4:6])


def test_no_replica_moves_to_a_master_without_an_address() -> None:
    simulation = make(3, 2)
    orphan = simulation.machines[0]
    spare = simulation.machines[5:]
    simulation.cut_pairs((orphan, machine) for machine in spare)
    for machine in spare:
        machine.view_of(orphan).flags |= NO_ADDRESS
    for victim in simulation.machines[3:5]:
        simulation.kill(victim)
    simulation.run(20)
    assert not any(machine.me.master is machine.view_of(orphan) for machine in spare)
