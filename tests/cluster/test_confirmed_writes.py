"""Writes that a replica has confirmed (WAIT) survive everything, as long as one node of each shard keeps its data."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cluster.simulation import Machine, Simulation, make
from twisted_redis.engine.errors import CommandError

#: A client writes to each shard so often (ms).
PAUSE = 37


class Shard:
    """A master, its replica, and what clients have written to a slot of theirs."""

    def __init__(self, simulation: Simulation, one: Machine, other: Machine) -> None:
        self.simulation = simulation
        self.machines = (one, other)
        self.slot = next(slot for slot, owner in enumerate(one.state.owners) if owner is one.me)
        #: The writes that only one node has, by key.
        self.written: dict[bytes, Machine] = {}
        self.confirmed: set[bytes] = set()
        #: The node that was the master when it was killed.
        self.killed_master: Machine | None = None
        for machine in self.machines:
            self._confirm_after(machine)

    def _confirm_after(self, replica: Machine) -> None:
        """Notes what ``replica`` has got whenever it has replicated."""
        replicate = replica.replicate

        def replicate_and_confirm() -> None:
            heard = replica.heard
            replicate()
            if replica.heard != heard or replica.heard == self.simulation.now:
                master = self.simulation.by_ip[replica.master_ip]
                for key in [key for key, source in self.written.items() if source is master]:
                    if key in replica.keys.get(self.slot, ()):
                        self.confirmed.add(key)
                        del self.written[key]

        replica.replicate = replicate_and_confirm  # type: ignore[method-assign]

    def write(self) -> None:
        """Clients write to each node that accepts it."""
        for number, machine in enumerate(self.machines):
            running = machine.alive and not machine.frozen and machine.me.is_master
            if running and machine.state.served[self.slot] and machine.paused_until <= self.simulation.now:
                key = b"%d:%d" % (self.simulation.now, number)
                machine.keys.setdefault(self.slot, set()).add(key)
                machine.written += 1
                self.written[key] = machine

    def other(self, machine: Machine) -> Machine:
        return self.machines[machine is self.machines[0]]

    def leads(self, machine: Machine) -> bool:
        """True if a node is the newest master of the shard."""
        other = self.other(machine)
        return machine.me.is_master and (other.me.is_replica or machine.me.config_epoch > other.me.config_epoch)

    def may_lose(self, machine: Machine) -> bool:
        """True if the other node has all that was confirmed, and is or becomes the master."""
        other = self.other(machine)
        if not (machine.alive and other.alive) or other.frozen:
            return False
        follows = other.me.is_replica and other.me.master is not None and other.me.master.name == machine.name
        return self.confirmed <= other.keys.get(self.slot, set()) and (self.leads(other) or follows)

    def restart(self, machine: Machine) -> None:
        """Starts a killed node without data, unless the shard still waits for those of this master."""
        if self.leads(self.other(machine)) or machine is not self.killed_master:
            machine.keys.clear()
            machine.written = machine.processed = 0
        machine.heard = -(10**9)  # it has never heard of its master
        self.simulation.restart(machine)


def hurt(simulation: Simulation, shards: list[Shard], random: Random) -> None:
    """Lets any faults happen; nodes that have to keep their data are not killed."""
    for _ in range(20):
        shard = random.choice(shards)
        machine = random.choice(shard.machines)
        fault = random.choice(["kill", "restart", "freeze", "thaw", "cut", "heal", "fail over", "fail over"])
        if fault == "kill" and shard.may_lose(machine):
            shard.killed_master = machine if machine.me.is_master else None
            simulation.kill(machine)
            machine.frozen = False
        elif fault == "restart" and not machine.alive and shard.leads(shard.other(machine)):
            shard.restart(machine)
        elif fault == "freeze" and machine.alive:
            simulation.freeze(machine)
        elif fault == "thaw" and machine.frozen:
            simulation.thaw(machine)
        elif fault == "cut":
            simulation.cut(random.sample(simulation.machines, random.randint(1, 3)))
        elif fault == "heal":
            simulation.heal()
        elif fault == "fail over" and machine.alive and not machine.frozen:
            try:
                machine.member.fail_over(force=False, takeover=False)
            except CommandError:
                pass  # it is a master, or its master does not work
        simulation.run(random.choice([0.01, 0.2, 1, 3, 8]))
    simulation.heal()
    for machine in simulation.machines:
        if machine.frozen:
            simulation.thaw(machine)
    simulation.run(8)
    for shard in shards:
        for machine in shard.machines:
            if not machine.alive:
                shard.restart(machine)


@given(st.integers(0, 1 << 30))
@settings(deadline=None, max_examples=10)
def test_no_confirmed_write_is_lost(seed: int) -> None:
    random = Random(seed)
    simulation = make(3, 1, seed=seed, delay=random.choice([(1, 5), (1, 60), (5, 250)]))
    shards = [Shard(simulation, *simulation.machines[number::3]) for number in range(3)]

    def write() -> None:
        for shard in shards:
            shard.write()
        simulation.call_at(simulation.now + PAUSE, write)

    write()
    simulation.run(1)
    hurt(simulation, shards, random)
    simulation.run_until(lambda: simulation.all_ok() and simulation.agreed(), 240)
    simulation.run(1)
    simulation.check_owners()
    for shard in shards:
        assert shard.confirmed
        owner = shard.machines[not shard.machines[0].me.is_master]
        assert owner.me.slots >> shard.slot & 1
        assert shard.confirmed <= owner.keys[shard.slot]
