"""Whole clusters in memory: what the rules do together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tests.cluster.simulation import BUS_PORT, PORT, Machine, Simulation
from twisted_redis.cluster.bus.messages import AUTH_ACK, PONG, PUBLISH, UPDATE, Gossip, decode, encode
from twisted_redis.cluster.core import FAIL_OVER
from twisted_redis.cluster.headers import header
from twisted_redis.cluster.nodes import FAIL, HANDSHAKE, MASTER, NO_ADDRESS, PFAIL, REPLICA, all_slots, slots_in
from twisted_redis.engine.errors import CommandError


def make(masters: int, replicas: int = 0, **options: Any) -> Simulation:
    """A cluster that is up: first all masters, then the replicas of the first, of the second..."""
    simulation = Simulation(**options)
    machines = [simulation.add() for _ in range(masters * (1 + replicas))]
    simulation.share_slots(machines[:masters])
    simulation.meet_all()
    simulation.run_until(lambda: knows_all(simulation))
    for number, machine in enumerate(machines[masters:]):
        machine.member.replicate(machines[number // replicas].name)
    simulation.run_until(lambda: simulation.all_ok() and simulation.agreed())
    # The first pings are over, and offsets are known.
    simulation.run(1)
    return simulation


def knows_all(simulation: Simulation) -> bool:
    return all(
        len(machine.state.nodes) == len(simulation.machines)
        and not any(node.flags & HANDSHAKE for node in machine.state.nodes.values())
        for machine in simulation.machines
    )


def write(machine: Machine, slot: int, key: bytes) -> None:
    """A client writes a key."""
    machine.keys.setdefault(slot, set()).add(key)
    machine.written += 100


# meeting


def test_two_nodes_meet() -> None:
    simulation = Simulation()
    a, b = simulation.add(), simulation.add()
    a.member.meet(b.ip.encode(), PORT, BUS_PORT)
    simulation.run(3)
    for one, other in ((a, b), (b, a)):
        node = one.view_of(other)
        assert (node.ip, node.port, node.bus_port) == (other.ip, PORT, BUS_PORT)
        assert node.is_master
        assert node.link is not None
        assert node.inbound is not None
        assert node.shard_id == other.me.shard_id
        assert one.me.ip == one.ip
    assert a.member.core.secret == b.member.core.secret


def test_all_nodes_learn_of_all() -> None:
    simulation = Simulation(3)
    machines = [simulation.add() for _ in range(10)]
    for one, other in pairwise(machines):
        one.member.meet(other.ip.encode(), PORT, BUS_PORT)
    simulation.run_until(lambda: knows_all(simulation), 10)
    simulation.run_until(lambda: len({machine.me.config_epoch for machine in machines}) == 10, 30)


def test_nobody_is_there() -> None:
    simulation = Simulation()
    a = simulation.add()
    a.member.meet(b"10.9.9.9", PORT, BUS_PORT)
    assert len(a.state.nodes) == 2
    simulation.run(2.5)
    assert len(a.state.nodes) == 1


def test_a_node_meets_itself() -> None:
    simulation = Simulation()
    a = simulation.add()
    a.member.meet(a.ip.encode(), PORT, BUS_PORT)
    simulation.run(5)
    assert list(a.state.nodes.values()) == [a.me]


def test_meeting_again_is_harmless() -> None:
    simulation = make(3)
    a, b, c = simulation.machines
    for _ in range(3):
        b.member.meet(a.ip.encode(), PORT, BUS_PORT)
        a.member.meet(c.ip.encode(), PORT, BUS_PORT)
    simulation.run(3)
    assert simulation.agreed()
    assert simulation.all_ok()


def test_names_are_told() -> None:
    simulation = Simulation()
    a = simulation.add(cluster_announce_hostname="a.example", cluster_announce_human_nodename="first")
    b = simulation.add()
    b.member.meet(a.ip.encode(), PORT, BUS_PORT)
    simulation.run(3)
    assert (b.view_of(a).hostname, b.view_of(a).human_name) == ("a.example", "first")
    assert f"{a.ip}:{PORT}@{BUS_PORT},a.example,tls-port=0,nodename=first,shard-id=" in b.file
    a.config.cluster_announce_hostname = ""
    simulation.run(3)
    assert b.view_of(a).hostname == ""


def test_valkey_gets_no_secret() -> None:
    simulation = make(2)
    a, b = simulation.machines
    for flags, expected in ((2048, None), (0, a.member.core.secret)):
        sent: list[bytes] = []
        link = a.view_of(b).inbound
        assert link is not None
        link.send = sent.append  # type: ignore[method-assign]
        a.receive(link, encode(replace(last_header(b), kind=0, flags=b.me.flags | flags)))
        (answer,) = sent
        assert decode(answer).extensions.secret == expected
        assert decode(answer).extensions.shard_id == a.me.shard_id


def test_an_announced_address_is_used() -> None:
    simulation = Simulation()
    a, b = simulation.add(cluster_announce_port=7000, cluster_announce_bus_port=BUS_PORT), simulation.add()
    b.member.meet(a.ip.encode(), PORT, BUS_PORT)
    simulation.run(3)
    assert b.view_of(a).port == 7000
    a.config.cluster_announce_ip = "10.0.0.77"
    simulation.by_ip["10.0.0.77"] = a
    simulation.run(3)
    assert b.view_of(a).ip == a.me.ip == "10.0.0.77"


def test_forgetting() -> None:
    simulation = make(3)
    a, b, c = simulation.machines
    # The others learn of it by gossip.
    a.member.forget(c.name)
    simulation.run(3)
    for machine in (a, b):
        assert c.name not in machine.state.nodes
    assert a.name in c.state.nodes
    a.member.forget(c.name)
    simulation.run(55)
    assert c.name not in a.state.nodes
    # After a minute it may come back, when somebody meets it.
    simulation.run(5)
    c.member.meet(a.ip.encode(), PORT, BUS_PORT)
    simulation.run(10)
    assert c.name in a.state.nodes


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda a, b: a.member.forget("x" * 40), f"ERR Unknown node {'x' * 40}"),
        (lambda a, b: a.member.forget(a.name), "ERR I tried hard but I can't forget myself..."),
        (lambda a, b: a.member.replicate("x"), "ERR Unknown node x"),
        (lambda a, b: a.member.replicate(a.name), "ERR Can't replicate myself"),
        (
            lambda a, b: a.member.replicate(b.name),
            "ERR To set a master the node must be empty and without assigned slots.",
        ),
        (lambda a, b: a.member.meet(b"x", 1, 2), "ERR Invalid node address specified: x:1"),
        (lambda a, b: a.member.meet(b"1.2.3.4", 70000, 2), "ERR Invalid node address specified: 1.2.3.4:70000"),
        (
            lambda a, b: a.member.fail_over(force=False, takeover=False),
            "ERR You should send CLUSTER FAILOVER to a replica",
        ),
        (lambda a, b: a.member.add_slots([0]), "ERR Slot 0 is already busy"),
        (lambda a, b: a.member.delete_slots([0, 0]), "ERR Slot 0 specified multiple times"),
        (lambda a, b: a.member.set_slot_migrating(16383, b.name), "ERR I'm not the owner of hash slot 16383"),
        (lambda a, b: a.member.set_slot_migrating(0, "x"), "ERR I don't know about node x"),
        (lambda a, b: a.member.set_slot_importing(0, b.name), "ERR I'm already the owner of hash slot 0"),
        (lambda a, b: a.member.set_slot_node(0, "x"), "ERR Unknown node x"),
        (
            lambda a, b: a.member.set_config_epoch(1),
            "ERR The user can assign a config epoch only when the node does not know any other node.",
        ),
        (lambda a, b: a.member.set_config_epoch(-1), "ERR Invalid config epoch specified: -1"),
        (lambda a, b: a.member.count_failure_reports("x"), "ERR Unknown node x"),
        (lambda a, b: a.member.kill_links("x", "all"), "ERR Unknown node x"),
    ],
)
def test_errors(call: Callable[[Machine, Machine], Any], error: str) -> None:
    a, b = make(2).machines
    with pytest.raises(CommandError) as caught:
        call(a, b)
    assert caught.value.text.decode() == error


def test_errors_of_a_node_with_keys() -> None:
    a, b = make(2).machines
    write(a, 0, b"k")
    for call, error in (
        (lambda: a.member.set_slot_node(0, b.name), b"Can't assign hashslot 0 to a different node while I still hold"),
        (lambda: a.member.reset(hard=True), b"CLUSTER RESET can't be called with master nodes containing keys"),
        (a.member.flush_slots, b"DB must be empty to perform CLUSTER FLUSHSLOTS."),
    ):
        with pytest.raises(CommandError) as caught:
            call()
        assert error in caught.value.text


def test_errors_of_a_replica() -> None:
    simulation = make(1, 2)
    master, one, other = simulation.machines
    for call, error in (
        (lambda: one.member.set_slot_stable(0), b"Please use SETSLOT only with masters."),
        (lambda: one.member.forget(master.name), b"Can't forget my master!"),
        (lambda: one.member.replicate(other.name), b"I can only replicate a master, not a replica."),
        (lambda: master.member.set_slot_migrating(0, one.name), b"Target node is not a master"),
        (lambda: master.member.describe_replicas(None, one.name), b"The specified node is not a master"),
    ):
        with pytest.raises(CommandError) as caught:
            call()
        assert error in caught.value.text
    simulation.kill(master)
    simulation.run(5)
    with pytest.raises(CommandError, match="Master is down or failed, please use CLUSTER FAILOVER FORCE"):
        (one if one.me.is_replica else other).member.fail_over(force=False, takeover=False)


def test_the_slots_of_a_shard() -> None:
    simulation = make(2, 1)
    one, two, *replicas = simulation.machines
    for machine in (one, two):
        assert machine.member.shard_slots() == list(slots_in(machine.me.slots)) != []
    for replica in replicas:
        assert replica.me.is_replica and replica.me.master is not None
        master = one if replica.me.master.name == one.name else two
        assert replica.member.shard_slots() == master.member.shard_slots()


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


def last_header(machine: Machine) -> Any:
    from twisted_redis.cluster.headers import header

    return header(machine.member.core, PONG)


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
    a.member.verify_data()
    assert a.state.owners[0] is a.me
    assert a.state.importing == {16383: a.view_of(b)}


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


# messages


def test_published_messages_arrive() -> None:
    simulation = make(2, 1)
    one = simulation.machines[0]
    one.member.publish(b"news", b"hello", sharded=False)
    one.member.publish(b"shard", b"here", sharded=True)
    simulation.run(0.1)
    received = [machine.published for machine in simulation.machines]
    everybody, shard = (b"news", b"hello", False), (b"shard", b"here", True)
    assert received == [[], [everybody], [everybody, shard], [everybody]]


def test_strangers_change_nothing() -> None:
    simulation = make(2)
    a, b = simulation.machines
    stranger = Simulation(9).add()
    stranger.me.config_epoch = stranger.state.current_epoch = 99
    stranger.member.add_slots(range(16384))
    file = a.file
    link = a.connect(b.me)
    link.node = None
    link.is_inbound = True
    base = last_header(stranger)
    for kind in (PONG, PUBLISH, UPDATE, 3, 5, 6, 8, 9, 10, 0):
        a.receive(
            link, encode(replace(base, kind=kind, about=b.name, about_epoch=99, about_slots=all_slots(), channel=b"c"))
        )
    a.receive(link, b"RCmb" + bytes(3000))
    a.receive(link, b"")
    simulation.run(0.1)
    assert a.file == file
    assert a.state.current_epoch < 99
    assert a.published == []
    assert len(a.state.nodes) == 2


def test_bad_messages_are_counted() -> None:
    simulation = make(2)
    a, b = simulation.machines
    link = a.view_of(b).inbound
    assert link is not None
    good = bytearray(encode(replace(last_header(b), kind=2)))
    for place, value, expected in ((14, 100, 1), (8, 9, 1), (12, 99, 0)):
        bad = good.copy()
        bad[place : place + 2] = value.to_bytes(2, "big")
        before = list(a.member.core.received)
        a.receive(link, bytes(bad))
        assert sum(a.member.core.received) - sum(before) == expected
        assert a.member.core.received[2] - before[2] == expected


def test_replayed_messages_change_nothing() -> None:
    simulation = make(3, 1)
    recorded: list[tuple[Any, bytes]] = []
    a = simulation.machines[1]
    receive = a.member.receive

    def record(link: Any, data: bytes) -> None:
        recorded.append((link, data))
        receive(link, data)

    a.member.receive = record  # type: ignore[method-assign]
    old = simulation.machines[0]
    simulation.run(3)
    simulation.kill(old)
    simulation.run_until(lambda: simulation.all_ok(), 20)
    view = [(node.name, node.slots, node.config_epoch, node.is_master) for node in a.state.nodes.values()]
    for link, data in list(recorded):
        if not link.closed and decode(data).kind != 5:
            receive(link, data)
    simulation.run(3)
    assert view == [(node.name, node.slots, node.config_epoch, node.is_master) for node in a.state.nodes.values()]
    assert simulation.all_ok()


def test_a_node_that_claims_to_replicate_from_itself_stays_what_it_is() -> None:
    simulation = make(2, 1)
    a, b, c, _ = simulation.machines
    for liar in (b, c):
        link = a.view_of(liar).inbound
        assert link is not None
        before = a.view_of(liar).flags, a.view_of(liar).master, a.view_of(liar).slots
        a.receive(link, encode(replace(last_header(liar), master=liar.name)))
        assert before == (a.view_of(liar).flags, a.view_of(liar).master, a.view_of(liar).slots)


def test_an_update_about_this_node_changes_nothing() -> None:
    simulation = make(2, 1)
    sender, replica = simulation.machines[0], simulation.machines[2]
    link = replica.view_of(sender).inbound
    assert link is not None
    update = replace(last_header(sender), kind=UPDATE, about=replica.name, about_epoch=99, about_slots=all_slots())
    replica.receive(link, encode(update))
    assert replica.me.is_replica
    assert replica.me.config_epoch == 0


def test_a_node_does_not_believe_that_it_has_failed_itself() -> None:
    simulation = make(2)
    a, b = simulation.machines
    link = a.view_of(b).inbound
    assert link is not None
    a.logs.clear()
    a.receive(link, encode(replace(last_header(b), kind=3, about=a.name)))
    assert not a.me.flags & FAIL
    assert a.logs == []


def test_an_impossible_shard_is_not_believed() -> None:
    simulation = make(2)
    a, b = simulation.machines
    link = a.view_of(b).inbound
    assert link is not None
    message = replace(last_header(b), kind=PONG)
    message.extensions.shard_id = "?" * 40
    a.receive(link, encode(message))
    # Otherwise nodes.conf could not be read again.
    assert a.view_of(b).shard_id == b.me.shard_id


def test_dropped_messages() -> None:
    simulation = make(2)
    a, b = simulation.machines
    a.member.drop_messages(PONG)
    simulation.run(4)
    assert a.view_of(b).ping_sent
    a.member.drop_messages(-1)
    simulation.run(2)
    assert not a.view_of(b).flags & PFAIL
    inbound = a.view_of(b).inbound
    a.member.drop_messages(0)
    a.member.close_on_drop(True)
    simulation.run(2)
    assert a.view_of(b).inbound is not inbound


def test_another_node_at_the_address() -> None:
    simulation = make(2)
    a, b = simulation.machines
    simulation.kill(b)
    other = simulation.add()
    simulation.by_ip[b.ip] = other
    simulation.run(3)
    assert a.view_of(b).flags & NO_ADDRESS
    assert a.view_of(b).port == 0


def test_a_link_that_holds_too_much_is_closed() -> None:
    simulation = make(2)
    a, b = simulation.machines
    a.config.cluster_link_sendbuf_limit = 1000
    link = a.view_of(b).link
    assert link is not None
    link.waiting.append(bytes(2000))  # type: ignore[attr-defined]
    simulation.run(0.2)
    assert a.view_of(b).link is not link
    assert "total_cluster_links_buffer_limit_exceeded:1\r\n" in a.member.info()


# resets and restarts


def test_reset() -> None:
    simulation = make(2, 1)
    master, replica = simulation.machines[0], simulation.machines[2]
    write(master, 0, b"k")
    simulation.run(1)
    name = replica.name
    replica.member.reset(hard=False)
    assert replica.name == name
    assert replica.me.is_master
    assert replica.is_empty()
    assert list(replica.state.nodes.values()) == [replica.me]
    replica.member.reset(hard=True)
    simulation.run(0.1)
    assert replica.name != name
    assert (replica.me.config_epoch, replica.state.current_epoch) == (0, 0)
    assert name not in replica.file


def test_restart() -> None:
    simulation = make(3, 1)
    a = simulation.machines[0]
    before = (a.name, a.me.slots, a.me.config_epoch, a.me.shard_id)
    simulation.kill(a)
    simulation.run(0.3)
    simulation.restart(a)
    assert (a.name, a.me.slots, a.me.config_epoch, a.me.shard_id) == before
    assert not a.state.ok
    assert not any(a.state.served)
    simulation.run_until(lambda: simulation.all_ok() and simulation.agreed(), 15)


# what CLUSTER shows


def test_replies() -> None:
    simulation = make(1, 1)
    master = simulation.machines[0]
    write(master, 0, b"k")
    simulation.run(2)
    ids = [machine.name.encode() for machine in simulation.machines]
    assert master.member.describe_slots(None) == [  # type: ignore[arg-type]
        [0, 16383, [b"10.0.0.1", PORT, ids[0], []], [b"10.0.0.2", PORT, ids[1], []]]
    ]
    (shard,) = master.member.describe_shards(None)  # type: ignore[arg-type]
    assert shard[:2] == [b"slots", [0, 16383]]
    assert shard[3][1] == [
        *(b"id", ids[1], b"port", PORT, b"ip", b"10.0.0.2", b"endpoint", b"10.0.0.2", b"role", b"replica"),
        *(b"replication-offset", 100, b"health", b"online"),
    ]
    links = master.member.describe_links()
    assert [link[:4] for link in links] == [
        [b"direction", b"to", b"node", ids[1]],
        [b"direction", b"from", b"node", ids[1]],
    ]
    assert [link[6:8] for link in links] == [[b"events", b"r"]] * 2
    info = dict(line.split(":") for line in master.member.info().split())
    assert (info["cluster_state"], info["cluster_size"], info["cluster_slots_ok"]) == ("ok", "1", "16384")


@pytest.mark.parametrize(
    ("kind", "hostname", "expected"),
    [
        ("ip", "", [b"10.0.0.1", []]),
        ("ip", "h", [b"10.0.0.1", [b"hostname", b"h"]]),
        ("hostname", "h", [b"h", [b"ip", b"10.0.0.1"]]),
        ("hostname", "", [b"?", [b"ip", b"10.0.0.1"]]),
        ("unknown-endpoint", "h", [None, [b"ip", b"10.0.0.1", b"hostname", b"h"]]),
    ],
)
def test_endpoints(kind: str, hostname: str, expected: list[Any]) -> None:
    simulation = make(1, 1)
    machine = simulation.machines[0]
    machine.config.cluster_preferred_endpoint_type = kind
    machine.config.cluster_announce_hostname = hostname
    simulation.run(0.2)
    entry = machine.member.describe_slots(None)[0][2]  # type: ignore[arg-type]
    assert [entry[0], entry[3]] == expected
