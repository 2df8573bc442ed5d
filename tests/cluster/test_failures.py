"""A cluster in memory whose nodes and links fail: suspicions, elections and partitions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.cluster.simulation import BUS_PORT, PORT, last_header, make, write
from twisted_redis.cluster.bus.messages import AUTH_ACK, Gossip, encode
from twisted_redis.cluster.nodes import FAIL, PFAIL

# failures


def test_a_failure_needs_a_majority() -> None:
    simulation = make(5)
    victim, *others = simulation.machines
    # Two masters of five do not hear the first one.
    simulation.cut_pairs([(victim, others[0]), (victim, others[1])])
    simulation.run(8)
    assert others[0].view_of(victim).flags & (PFAIL | FAIL) == PFAIL
    assert others[1].view_of(victim).flags & (PFAIL | FAIL) == PFAIL
    assert others[2].member.count_failure_reports(victim.name) == 2
    assert not any(machine.view_of(victim).flags & FAIL for machine in others)
    assert simulation.all_ok()
    # A third one does.
    simulation.cut_pairs([(victim, others[2])])
    simulation.run_until(lambda: all(machine.view_of(victim).flags & FAIL for machine in others), 15)
    assert not others[0].state.ok


def test_a_failed_master_without_a_replica_comes_back() -> None:
    simulation = make(3)
    victim, *others = simulation.machines
    simulation.freeze(victim)
    simulation.run_until(lambda: all(machine.view_of(victim).flags & FAIL for machine in others), 10)
    assert not any(machine.state.ok for machine in others)
    simulation.thaw(victim)
    simulation.run_until(lambda: simulation.all_ok() and simulation.agreed(), 15)


def test_reports_expire() -> None:
    simulation = make(3)
    victim, one, other = simulation.machines
    simulation.cut_pairs([(victim, one)])
    simulation.run_until(lambda: other.member.count_failure_reports(victim.name) == 1, 10)
    simulation.kill(one)
    simulation.run(4.5)
    assert other.member.count_failure_reports(victim.name) == 0


def test_reports_that_are_too_old_do_not_keep_news_out() -> None:
    simulation = make(4)
    a, b, c, d = simulation.machines
    # A report of a node that has died since.
    a.view_of(b).reports[a.view_of(d)] = simulation.now - 2 * simulation.node_timeout - 1
    a.view_of(b).pong_received = before = simulation.now - 60_000
    simulation.now += 1000
    heard = Gossip(b.name, 0, simulation.now // 1000, b.ip, PORT, BUS_PORT, b.me.flags)
    link = a.view_of(c).inbound
    assert link is not None
    a.receive(link, encode(replace(last_header(c), gossip=[heard])))
    assert a.view_of(b).pong_received == simulation.now // 1000 * 1000 > before


def test_a_node_without_an_address_fails() -> None:
    simulation = make(3)
    a, b, _ = simulation.machines
    a.member.kill_links(b.name, "all")
    a.view_of(b).ip = ""
    a.view_of(b).ping_sent = 0
    b.frozen = True
    simulation.run(3)
    assert a.view_of(b).link is None
    assert a.view_of(b).failing


def test_the_only_master_decides_alone() -> None:
    simulation = make(1, 1)
    master, replica = simulation.machines
    simulation.kill(replica)
    simulation.run_until(lambda: master.view_of(replica).flags & FAIL, 6)
    assert master.state.ok


# elections


@pytest.mark.parametrize("seed", range(3))
def test_the_replica_with_the_most_data_wins(seed: int) -> None:
    simulation = make(3, 3, seed=seed)
    master = simulation.machines[0]
    candidates = simulation.machines[3:6]
    write(master, 0, b"k")
    simulation.run(0.5)
    # Two of them miss the last writes.
    simulation.cut_pairs([(master, candidates[0]), (master, candidates[1])])
    write(master, 1, b"l")
    simulation.run(0.5)
    simulation.kill(master)
    simulation.run_until(lambda: any(each.me.is_master for each in candidates), 20)
    assert candidates[2].me.is_master
    simulation.heal()
    simulation.run_until(lambda: simulation.all_ok() and simulation.agreed(without=[master]), 20)
    assert candidates[0].me.master is candidates[0].view_of(candidates[2])


def test_a_failover_takes_as_long_as_with_redis() -> None:
    simulation = make(3, 1)
    simulation.kill(simulation.machines[0])
    took = simulation.run_until(lambda: simulation.machines[3].me.is_master, 20)
    # Noticed after a node timeout since the last ping, at most 1.5; then 0.5 to 1 s and the votes.
    assert 2 < took < 5.5


def test_a_node_votes_once_in_an_epoch() -> None:
    simulation = make(3, 2)
    master, voter = simulation.machines[:2]
    one, other = simulation.machines[3:5]
    granted = []
    simulation.kill(master)
    simulation.run_until(lambda: voter.view_of(master).flags & FAIL, 10)
    for candidate in (one, other):
        before = voter.state.last_vote_epoch
        candidate.member.core.state.current_epoch = 50
        request = replace(last_header(candidate), kind=5, current_epoch=50)
        link = voter.view_of(candidate).inbound
        assert link is not None
        sent = voter.member.core.sent[AUTH_ACK]
        synced = voter.synced
        voter.receive(link, encode(request))
        granted.append(voter.member.core.sent[AUTH_ACK] - sent)
        if granted[-1]:
            # The vote was on disk before anybody could learn of it.
            assert voter.synced == synced + 1
            assert "lastVoteEpoch 50" in voter.file
            assert before < voter.state.last_vote_epoch == 50
    assert granted == [1, 0]
    # Not even after a restart.
    simulation.kill(voter)
    simulation.restart(voter)
    assert voter.state.last_vote_epoch == 50


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"current_epoch": 0}, "is older than"),
        ({"config_epoch": 0}, "it claims slots of"),
        ({"kind": 5}, "its master works"),
    ],
)
def test_no_vote(change: dict[str, int], reason: str) -> None:
    simulation = make(3, 1)
    voter, candidate = simulation.machines[1], simulation.machines[3]
    if reason != "its master works":
        simulation.kill(simulation.machines[0])
        simulation.run_until(lambda: voter.view_of(simulation.machines[0]).flags & FAIL, 10)
    request = replace(last_header(candidate), **{"kind": 5, "current_epoch": 90, **change})
    link = voter.view_of(candidate).inbound
    assert link is not None
    voter.receive(link, encode(request))
    assert voter.member.core.sent[AUTH_ACK] == 0
    assert reason in voter.logs[-1]


def test_a_replica_may_be_forbidden_to_fail_over() -> None:
    simulation = make(3, 1)
    master, replica = simulation.machines[0], simulation.machines[3]
    replica.config.cluster_replica_no_failover = True
    simulation.run(3)
    assert "nofailover" in simulation.machines[1].member.describe_replicas(None, master.name)[0]  # type: ignore[arg-type]
    simulation.kill(master)
    simulation.run(20)
    assert replica.me.is_replica
    replica.config.cluster_replica_no_failover = False
    simulation.run_until(lambda: replica.me.is_master, 10)


def test_a_replica_with_old_data_does_not_fail_over() -> None:
    simulation = make(3, 1)
    master, replica = simulation.machines[0], simulation.machines[3]
    replica.config.cluster_replica_validity_factor = 1
    replica.config.repl_ping_replica_period = 1
    simulation.cut_pairs([(master, replica)])
    simulation.run(6)
    simulation.kill(master)
    simulation.run(20)
    assert replica.me.is_replica
    assert any("older than cluster-replica-validity-factor" in line for line in replica.logs)
    replica.config.cluster_replica_validity_factor = 0
    simulation.run_until(lambda: replica.me.is_master, 10)


def test_two_masters_fail_at_once() -> None:
    simulation = make(5, 1)
    for victim in simulation.machines[:2]:
        simulation.kill(victim)
    simulation.run_until(lambda: simulation.all_ok() and len(simulation.masters()) == 5, 30)
    simulation.check_owners()


def test_a_replayed_vote_counts_once() -> None:
    simulation = make(5, 1)
    candidate, voter = simulation.machines[5], simulation.machines[1]
    simulation.cut(simulation.machines[:1])
    simulation.run_until(lambda: candidate.member.core.election.requested, 20)
    ack = encode(replace(last_header(voter), kind=AUTH_ACK, current_epoch=candidate.state.current_epoch))
    link = candidate.view_of(voter).inbound
    assert link is not None
    for _ in range(3):
        candidate.receive(link, ack)
    assert len(candidate.member.core.election.votes) <= 4
    assert len([each for each in candidate.member.core.election.votes if each.name == voter.name]) == 1


# partitions


def test_the_minority_goes_down_and_comes_back_without_taking_slots() -> None:
    simulation = make(3, 1)
    minority = [simulation.machines[0], simulation.machines[4]]
    majority = [machine for machine in simulation.machines if machine not in minority]
    lonely, heir = simulation.machines[0], simulation.machines[3]
    before = lonely.me.slots
    simulation.cut(minority)
    simulation.run_until(lambda: heir.me.is_master and all(machine.state.ok for machine in majority), 20)
    assert not lonely.state.ok
    assert not any(lonely.state.served)
    assert heir.me.slots == before
    # The old master still claims the slots, and nobody hears it.
    assert lonely.me.slots == before
    simulation.heal()
    simulation.run_until(lambda: simulation.all_ok() and simulation.agreed(), 20)
    assert lonely.me.is_replica
    assert lonely.master_ip == heir.ip
    assert lonely.me.slots == 0
    assert heir.me.slots == before


def test_a_replica_in_the_minority_wins_no_election() -> None:
    simulation = make(3, 1)
    replica = simulation.machines[3]
    simulation.cut([replica, simulation.machines[1]])
    simulation.run(15)
    assert replica.me.is_replica
    simulation.heal()
    simulation.run_until(lambda: simulation.all_ok() and simulation.agreed(), 30)


def test_the_master_returns_after_the_partition_before_anybody_serves_its_slots_twice() -> None:
    simulation = make(3, 1)
    old, heir = simulation.machines[0], simulation.machines[3]
    simulation.cut([old])
    simulation.run_until(lambda: heir.me.is_master, 20)
    simulation.heal()
    for _ in range(200):
        simulation.run(0.05)
        assert not any(one and other for one, other in zip(old.state.served, heir.state.served, strict=True))


def test_links_are_opened_again() -> None:
    simulation = make(3)
    a, b, _ = simulation.machines
    node = a.view_of(b)
    first = node.link
    a.member.kill_links(b.name, "to")
    assert node.link is None
    simulation.run(1)
    assert node.link is not None
    assert node.link is not first
    inbound = node.inbound
    a.member.kill_links(b.name, "from")
    assert node.inbound is None
    simulation.run(1)
    assert node.inbound is not None
    assert node.inbound is not inbound
    a.member.kill_links(b.name, "all")
    assert node.link is node.inbound is None
    simulation.run(2)
    assert simulation.agreed()
