"""The description of a cluster for the status page."""

from __future__ import annotations

from tests.cluster.simulation import Machine, Simulation, make
from twisted_redis.engine.ports.cluster_view import MigrationView, NodeView


def seen(machine: Machine) -> dict[str, NodeView]:
    return {node.id: node for node in machine.member.view().nodes}


def test_a_cluster_that_works() -> None:
    simulation = make(2, 1)
    a, b, of_a, of_b = simulation.machines
    view = a.member.view()
    assert (view.id, view.ok, view.migrations) == (a.name, True, [])
    assert view.current_epoch == a.state.current_epoch
    # Each master in the order of the slots, with its replicas.
    assert [node.id for node in view.nodes] == [a.name, of_a.name, b.name, of_b.name]
    first, second, *_ = view.nodes
    assert first.is_myself
    assert (first.address, first.role, first.master, first.slots) == ("10.0.0.1:6379", "master", "", [(0, 8191)])
    assert (second.role, second.master, second.slots) == ("replica", a.name, [])
    assert second.config_epoch == first.config_epoch == a.me.config_epoch
    assert {(node.health, node.link_to, node.link_from) for node in view.nodes} == {("ok", True, True)}


def test_nodes_that_fail() -> None:
    simulation = make(3, 1)
    a, b = simulation.machines[:2]
    simulation.kill(b)
    simulation.run_until(lambda: seen(a)[b.name].health == "suspected", 10)
    assert not seen(a)[b.name].link_to
    simulation.run_until(lambda: seen(a)[b.name].health == "failed", 10)


def test_slots_on_their_way() -> None:
    simulation: Simulation = make(2)
    a, b = simulation.machines
    for slot in (7, 8, 20):
        a.member.set_slot_migrating(slot, b.name)
        b.member.set_slot_importing(slot, a.name)
    expected = [MigrationView(a.name, b.name, [(7, 8), (20, 20)])]
    assert a.member.view().migrations == b.member.view().migrations == expected


def test_a_node_that_has_not_answered() -> None:
    simulation = Simulation()
    a = simulation.add()
    a.member.meet(b"10.0.0.99", 6379, 16379)
    (other,) = (node for node in a.member.view().nodes if not node.is_myself)
    assert (other.role, other.health, other.address) == ("", "handshake", "10.0.0.99:6379")
