"""Clusters that suffer any faults in any order: what must hold when the faults are over."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cluster.simulation import Machine, Simulation, make
from twisted_redis.engine.errors import CommandError

SLOT = 7


class Step(NamedTuple):
    """One thing that happens: its name, the machines that it concerns as bits, and the time until the next one (s)."""

    kind: str
    machines: int
    seconds: float


def chosen(simulation: Simulation, bits: int) -> list[Machine]:
    """The machines that some bits stand for."""
    return [machine for number, machine in enumerate(simulation.machines) if bits >> number & 1]


def cut(simulation: Simulation, machines: list[Machine]) -> None:
    simulation.cut(machines)


def cut_pairs(simulation: Simulation, machines: list[Machine]) -> None:
    simulation.cut_pairs(list(combinations(machines, 2)))


def heal(simulation: Simulation, machines: list[Machine]) -> None:
    simulation.heal()


def slow_down(simulation: Simulation, machines: list[Machine]) -> None:
    """Messages take up to 40 ms more for each machine: those of different links overtake each other."""
    simulation.delays = 1, 1 + 40 * len(machines)


def freeze(simulation: Simulation, machines: list[Machine]) -> None:
    for machine in machines[:2]:
        simulation.freeze(machine)


def thaw(simulation: Simulation, machines: list[Machine]) -> None:
    for machine in machines:
        if machine.frozen:
            simulation.thaw(machine)


def kill(simulation: Simulation, machines: list[Machine]) -> None:
    for machine in machines[:2]:
        if machine.alive:
            simulation.kill(machine)


def restart(simulation: Simulation, machines: list[Machine]) -> None:
    for machine in machines:
        if not machine.alive:
            simulation.restart(machine)


def fail_over(simulation: Simulation, machines: list[Machine]) -> None:
    """CLUSTER FAILOVER; FORCE if the bits name several machines."""
    try_each(machines[:1], lambda machine: machine.member.fail_over(force=len(machines) > 1, takeover=False))


def take_over(simulation: Simulation, machines: list[Machine]) -> None:
    try_each(machines[:1], lambda machine: machine.member.fail_over(force=True, takeover=True))


def bump(simulation: Simulation, machines: list[Machine]) -> None:
    try_each(machines[:1], lambda machine: machine.member.bump_epoch())


def move_slot(simulation: Simulation, machines: list[Machine]) -> None:
    """Moves a slot to another machine, as redis-cli does: it stops where a node does not answer or refuses."""
    target = machines[0]
    sources = [machine for machine in simulation.masters() if machine.me.slots >> SLOT & 1]
    if not sources or sources[0] is target:
        return
    source = sources[0]

    def move_keys() -> None:
        target.keys[SLOT] = source.keys.pop(SLOT, set())

    calls: list[tuple[Machine, Callable[[], None]]] = [
        (target, lambda: target.member.set_slot_importing(SLOT, source.name)),
        (source, lambda: source.member.set_slot_migrating(SLOT, target.name)),
        (source, move_keys),
        (target, lambda: target.member.set_slot_node(SLOT, target.name)),
        (source, lambda: source.member.set_slot_node(SLOT, target.name)),
    ]
    # Some administrators give up in the middle.
    for machine, call in calls if len(machines) < 3 else calls[:2]:
        if machine.frozen or not machine.alive:
            return
        try:
            call()
        except CommandError:
            return
        simulation.run(0.02)


def try_each(machines: list[Machine], call: Callable[[Machine], object]) -> None:
    for machine in machines:
        if machine.alive and not machine.frozen:
            try:
                call(machine)
            except CommandError:
                continue


KINDS: dict[str, Callable[[Simulation, list[Machine]], None]] = {
    each.__name__: each
    for each in (cut, cut_pairs, heal, slow_down, freeze, thaw, kill, restart, fail_over, take_over, bump, move_slot)
}


def end(simulation: Simulation) -> None:
    """Ends all faults, and closes the slots that an administrator has left open."""
    for machine in simulation.machines:
        if machine.frozen:
            simulation.thaw(machine)
        if not machine.alive:
            simulation.restart(machine)
    simulation.delays = 1, 5
    simulation.heal()
    try_each(simulation.machines, lambda machine: machine.member.set_slot_stable(SLOT))


def converge(simulation: Simulation) -> None:
    simulation.run_until(lambda: simulation.all_ok() and simulation.agreed(), 120)
    simulation.run(2)
    assert simulation.agreed()
    simulation.check_owners()
    simulation.check_files()


schedules = st.lists(
    st.builds(Step, st.sampled_from(sorted(KINDS)), st.integers(1, 63), st.floats(0.01, 8)), min_size=1, max_size=12
)


@given(schedules, st.integers(0, 1000))
@settings(deadline=None, max_examples=12)
def test_a_cluster_heals_after_any_schedule(steps: list[Step], seed: int) -> None:
    simulation = make(3, 1, seed=seed)
    simulation.machines[0].keys[SLOT] = {b"k"}
    for step in steps:
        KINDS[step.kind](simulation, chosen(simulation, step.machines))
        simulation.run(step.seconds)
    end(simulation)
    converge(simulation)


def hurt(simulation: Simulation, random: Random) -> None:
    """Some seconds of faults at random among many machines."""
    machines = simulation.machines
    for _ in range(3):
        kind = random.choice(["cut", "cut_pairs", "freeze", "kill", "fail_over", "take_over", "slow_down"])
        KINDS[kind](simulation, random.sample(machines, random.randint(1, len(machines) // 2)))
        simulation.run(random.uniform(0.5, 6))


@given(st.integers(0, 1 << 30))
@settings(deadline=None, max_examples=8)
def test_a_larger_cluster_heals(seed: int) -> None:
    simulation = make(4, 2, seed=seed, delay=(1, 80))
    hurt(simulation, Random(seed))
    end(simulation)
    converge(simulation)


@pytest.mark.slow
def test_a_hundred_nodes_heal() -> None:
    simulation = make(50, 1, seed=5, node_timeout=5000, delay=(1, 80))
    # Forming the cluster takes as long as all that follows, so it heals twice.
    for seed in (1, 7):
        hurt(simulation, Random(seed))
        end(simulation)
        converge(simulation)
