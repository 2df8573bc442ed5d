"""A cluster that is formed at once, partitions, and nodes that did not run for a while."""

from __future__ import annotations

from random import Random

import pytest

from tests.cluster.simulation import BUS_PORT, PORT, Simulation
from twisted_redis.cluster.forming import Founder, describe, share_of
from twisted_redis.cluster.nodes import FAIL, all_slots, ranges
from twisted_redis.cluster.nodes_file import CorruptFile, parse_file


def form(masters: int, replicas: int = 0) -> Simulation:
    simulation = Simulation()
    machines = [simulation.add() for _ in range(masters * (1 + replicas))]
    founders = [Founder(machine.ip, PORT, BUS_PORT) for machine in machines]
    for machine, text in zip(machines, describe(founders, masters, Random(1)), strict=True):
        machine.member.join(text)
    return simulation


def test_the_slots_are_spread_as_redis_cli_does() -> None:
    # redis-cli --cluster create of 8.0.2 with three, five and one masters.
    assert [ranges(share_of(number, 3)) for number in range(3)] == [[(0, 5460)], [(5461, 10922)], [(10923, 16383)]]
    assert [ranges(share_of(number, 5)) for number in range(5)] == [
        [(0, 3276)],
        [(3277, 6553)],
        [(6554, 9829)],
        [(9830, 13106)],
        [(13107, 16383)],
    ]
    assert share_of(0, 1) == all_slots()


def test_the_texts_describe_one_cluster() -> None:
    founders = [Founder("127.0.0.1", 7000 + number, 17000 + number, 7100 + number) for number in range(5)]
    states = [parse_file(text, 1, Random()) for text in describe(founders, 2, Random(1))]
    assert len({state.myself.name for state in states if state is not None}) == 5
    for number, state in enumerate(states):
        assert state is not None
        assert (state.myself.port, state.myself.bus_port, state.myself.tls_port) == founders[number][1:]
        assert state.current_epoch == 2
        nodes = list(state.nodes.values())
        assert [node.config_epoch for node in nodes[:2]] == [1, 2]
        assert [node.master for node in nodes] == [None, None, nodes[0], nodes[1], nodes[0]]
        assert [node.shard_id for node in nodes[2:]] == [nodes[each].shard_id for each in (0, 1, 0)]
        assert len({node.shard_id for node in nodes}) == 2


def test_a_formed_cluster_works_at_once() -> None:
    simulation = form(3, 1)
    assert simulation.all_ok() and simulation.agreed()
    assert [bool(machine.master_ip) for machine in simulation.machines] == [False] * 3 + [True] * 3
    simulation.run(0.5)
    assert all(machine.member.linked() for machine in simulation.machines)
    # Nothing changes in the next time, and a failover by hand works.
    simulation.run(10)
    assert simulation.all_ok() and simulation.agreed()
    simulation.machines[3].member.fail_over(force=False, takeover=False)
    simulation.run_until(lambda: simulation.machines[3].me.is_master and simulation.agreed(), 10)
    simulation.check_owners()


def test_only_a_new_node_joins() -> None:
    simulation = form(2)
    (text, _) = describe([Founder("10.0.0.1", 1, 2), Founder("10.0.0.2", 1, 2)], 2, Random())
    with pytest.raises(ValueError, match="belongs to a cluster already"):
        simulation.machines[0].member.join(text)
    new = simulation.add()
    for wrong, error in (("", ValueError), ("nonsense", CorruptFile)):
        with pytest.raises(error):
            new.member.join(wrong)
    assert len(new.state.nodes) == 1


def test_a_partition_cuts_both_directions() -> None:
    simulation = form(3, 1)
    simulation.run(1)
    side, rest = simulation.machines[:1], simulation.machines[1:]
    for here, there in ((side, rest), (rest, side)):
        for machine in here:
            machine.member.cut_off(each.name for each in there)
    simulation.run_until(lambda: simulation.machines[3].me.is_master and not side[0].state.ok, 20)
    assert all(machine.view_of(side[0]).flags & FAIL for machine in rest)
    assert simulation.machines[0].me.is_master
    for machine in simulation.machines:
        machine.member.cut_off(())
    simulation.run_until(lambda: simulation.all_ok() and simulation.agreed(), 20)
    assert simulation.machines[0].me.is_replica
    simulation.check_owners()


def test_a_node_that_did_not_run_listens_before_it_suspects_others() -> None:
    simulation = form(3, 1)
    simulation.run(3)
    victim = simulation.machines[0]
    for other in simulation.machines[1:]:
        victim.view_of(other).ping_sent = simulation.now
    # The others do not miss the node yet, but more than a node timeout passes for itself.
    simulation.freeze(victim)
    simulation.run(2.2)
    simulation.thaw(victim)
    victim.member.tick()
    assert not any(node.failing for node in victim.state.nodes.values())
    for _ in range(20):
        simulation.run(0.05)
        assert not any(node.failing for node in victim.state.nodes.values())
        assert victim.state.ok


def test_a_node_that_listens_still_finds_out_who_is_gone() -> None:
    simulation = form(3, 1)
    simulation.run(3)
    one, other = simulation.machines[1], simulation.machines[0]
    simulation.freeze(one)
    simulation.kill(other)
    simulation.run(2.2)
    simulation.thaw(one)
    simulation.run_until(lambda: one.view_of(other).flags & FAIL, 10)
    # Ticks that always come late are no excuse.
    slow = form(3)
    slow.run(1)
    member, gone = slow.machines[0].member, slow.machines[1]
    slow.machines[0].frozen = True
    slow.kill(gone)
    for _ in range(20):
        slow.run(1.2)
        member.tick()
    assert member.core.state.nodes[gone.name].failing
