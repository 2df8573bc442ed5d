"""The nodes of a cluster in memory: meetings, names, requests that fail, resets and restarts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tests.cluster.simulation import BUS_PORT, PORT, Machine, Simulation, knows_all, last_header, make, write
from twisted_redis.cluster.bus.messages import decode, encode
from twisted_redis.cluster.nodes import slots_in
from twisted_redis.engine.errors import CommandError

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
