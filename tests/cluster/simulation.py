"""A whole cluster in one process: many nodes, a network in memory, and a clock that the test moves.

    simulation = Simulation(seed=1)
    a, b = simulation.add(), simulation.add()
    a.member.meet(b"10.0.0.2", 6379, 16379)
    simulation.run(5)
    assert len(b.state.nodes) == 2

Each connection delivers its messages in order, after a random delay of its own, so messages of different connections
overtake each other.  A message across a cut waits until the cut has healed, as it would with TCP.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from twisted_redis.cluster.bus.messages import PONG
from twisted_redis.cluster.core import random_id
from twisted_redis.cluster.headers import header
from twisted_redis.cluster.links import BusLink
from twisted_redis.cluster.member import Member
from twisted_redis.cluster.nodes import HANDSHAKE, Node, ranges
from twisted_redis.cluster.nodes_file import parse_file
from twisted_redis.cluster.state import ClusterState
from twisted_redis.config.store import Config
from twisted_redis.keyspace.slots import SLOTS

__all__ = ["Machine", "Simulation", "knows_all", "last_header", "make", "write"]

PORT, BUS_PORT = 6379, 16379
START = 1_700_000_000_000
TICK = 100


class Link:
    """One end of a connection."""

    def __init__(self, simulation: Simulation, owner: Machine, other: Machine | None, node: Node | None) -> None:
        self.node = node
        self.is_inbound = node is None
        self.created = simulation.now
        self.simulation = simulation
        self.owner = owner
        self.other = other
        self.end: Link | None = None
        self.closed = False
        self.waiting: list[bytes] = []
        self.last_arrival = 0
        self.ready: list[Callable[[], None]] = []

    @property
    def connected(self) -> bool:
        return self.end is not None and not self.closed

    @property
    def peer_ip(self) -> str:
        return self.other.ip if self.other is not None else ""

    @property
    def own_ip(self) -> str:
        return self.owner.ip

    @property
    def queued(self) -> int:
        return sum(map(len, self.waiting))

    def send(self, data: bytes) -> None:
        if self.closed:
            return
        if self.end is None:
            self.waiting.append(data)
            return
        end = self.end
        self.last_arrival = max(self.last_arrival, self.simulation.now + self.simulation.delay())
        self.simulation.call_at(self.last_arrival, lambda: end.arrive(data))

    def arrive(self, data: bytes) -> None:
        assert self.other is not None
        if self.closed:
            return
        if self.simulation.is_cut(self.owner, self.other) or self.owner.frozen or self.ready:
            self.ready.append(lambda: self.owner.receive(self, data))
            self.simulation.stuck[self] = None
            return
        self.owner.receive(self, data)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            if self.end is not None:
                end = self.end
                self.last_arrival = max(self.last_arrival, self.simulation.now + self.simulation.delay())
                self.simulation.call_at(self.last_arrival, end.lose)

    def lose(self) -> None:
        assert self.other is not None
        if self.closed:
            return
        if self.simulation.is_cut(self.owner, self.other) or self.owner.frozen or self.ready:
            self.ready.append(self.lose_now)
            self.simulation.stuck[self] = None
        else:
            self.lose_now()

    def lose_now(self) -> None:
        if not self.closed:
            self.closed = True
            if self.owner.alive:
                self.owner.member.link_lost(self)

    def release(self) -> None:
        """Delivers what has waited for the end of a cut."""
        assert self.other is not None
        if self.simulation.is_cut(self.owner, self.other) or self.owner.frozen:
            return
        self.simulation.stuck.pop(self, None)
        ready, self.ready = self.ready, []
        for deliver in ready:
            if not self.closed:
                deliver()


class Machine:
    """One node with its server: a ``Host`` and a ``BusNetwork``."""

    def __init__(self, simulation: Simulation, number: int) -> None:
        self.simulation = simulation
        self.ip = f"10.0.{number // 250}.{number % 250 + 1}"
        self.config = Config()
        self.config.cluster_node_timeout = simulation.node_timeout
        self.random = Random(simulation.random.getrandbits(64))
        self.alive = True
        self.frozen = False
        self.links: list[Link] = []
        self.file = ""
        self.saves = 0
        self.synced = 0
        self.logs: list[str] = []
        self.keys: dict[int, set[bytes]] = {}
        self.written = 0
        self.processed = 0
        self.master_ip = ""
        self.heard = simulation.now
        self.paused_until = 0
        self.published: list[tuple[bytes, bytes, bool]] = []
        self.moved: list[int] = []
        self.member = self.make(ClusterState(random_id(self.random), random_id(self.random), simulation.now))

    def make(self, state: ClusterState) -> Member:
        member = Member(state, self, self)
        self.member = member
        member.start()
        return member

    # the test's view

    @property
    def state(self) -> ClusterState:
        return self.member.state

    @property
    def name(self) -> str:
        return self.state.myself.name

    @property
    def me(self) -> Node:
        return self.state.myself

    def view_of(self, other: Machine) -> Node:
        return self.state.nodes[other.name]

    def receive(self, link: BusLink, data: bytes) -> None:
        if self.alive:
            self.member.receive(link, data)

    # the network

    def connect(self, node: Node) -> Link:
        simulation = self.simulation
        other = simulation.by_ip.get(node.ip)
        link = Link(simulation, self, other, node)
        self.links.append(link)
        simulation.call_at(simulation.now + simulation.delay(), lambda: self._connected(link))
        return link

    def _connected(self, link: Link) -> None:
        other = link.other
        if link.closed or not self.alive:
            return
        if other is None or (not other.alive and not self.simulation.is_cut(self, other)):
            link.lose_now()
        elif self.simulation.is_cut(self, other):
            self.simulation.call_at(self.simulation.now + 1000, lambda: self._connected(link))
        else:
            end = Link(self.simulation, other, self, None)
            other.links.append(end)
            link.end, end.end = end, link
            waiting, link.waiting = link.waiting, []
            self.member.link_made(link)
            for data in waiting:
                link.send(data)

    # the host

    def now(self) -> int:
        return self.simulation.now

    def log(self, level: str, text: str) -> None:
        self.logs.append(text)
        if "has won the election" in text:
            self.simulation.elected.append(self.member.core.election.epoch)

    def wake(self) -> None:
        self.simulation.call_at(self.simulation.now, lambda: self.alive and self.member.settle())

    def ports(self) -> tuple[int, int, int]:
        return PORT, 0, BUS_PORT

    def is_tls(self, client: Any) -> bool:
        return False

    def offset(self) -> int:
        return self.processed if self.master_ip else self.written

    def data_age(self) -> int:
        return self.simulation.now - self.heard

    def has_master(self) -> bool:
        return bool(self.master_ip)

    def follow(self, ip: str, port: int) -> None:
        self.master_ip = ip

    def promote(self) -> None:
        if self.master_ip:
            self.master_ip = ""
            self.written = self.processed

    def is_empty(self) -> bool:
        return not any(self.keys.values())

    def empty(self) -> None:
        self.keys.clear()

    def count_keys(self, slot: int) -> int:
        return len(self.keys.get(slot, ()))

    def keys_in_slot(self, slot: int, count: int) -> list[bytes]:
        return sorted(self.keys.get(slot, ()))[:count]

    def delete_keys(self, slot: int) -> None:
        self.keys.pop(slot, None)

    def trim(self, slots: int) -> None:
        for slot in list(self.keys):
            if slots >> slot & 1:
                self.delete_keys(slot)

    def slots_moved(self, slots: int) -> None:
        self.moved.append(slots)

    def pause_writes(self, milliseconds: int) -> None:
        self.paused_until = self.simulation.now + milliseconds

    def release_writes(self) -> None:
        self.paused_until = 0

    def publish(self, channel: bytes, payload: bytes, *, sharded: bool) -> None:
        self.published.append((channel, payload, sharded))

    def save(self, text: str, *, sync: bool) -> None:
        self.file = text
        self.saves += 1
        self.synced += sync

    def die(self, reason: str) -> None:
        raise AssertionError(reason)

    def replicate(self) -> None:
        """One step of the replication: takes over what the master has."""
        master = self.simulation.by_ip.get(self.master_ip)
        if master is None or not master.alive or master.frozen or self.simulation.is_cut(self, master):
            return
        self.heard = self.simulation.now
        self.processed = master.offset()
        self.keys = {slot: set(keys) for slot, keys in master.keys.items()}


class Simulation:
    """The machines, the network between them, and the time."""

    def __init__(self, seed: int = 0, node_timeout: int = 2000, delay: tuple[int, int] = (1, 5)) -> None:
        self.random = Random(seed)
        self.node_timeout = node_timeout
        self.delays = delay
        self.now = START
        self.machines: list[Machine] = []
        self.by_ip: dict[str, Machine] = {}
        self.stuck: dict[Link, None] = {}
        #: The epochs of all elections that somebody has won.
        self.elected: list[int] = []
        self._groups: dict[Machine, int] = {}
        self._cuts: set[frozenset[Machine]] = set()
        self._queue: list[tuple[int, int, Callable[[], object]]] = []
        self._sequence = 0

    # building

    def add(self, **directives: object) -> Machine:
        """Adds a node that knows no other."""
        machine = Machine(self, len(self.machines))
        vars(machine.config).update(directives)
        self.machines.append(machine)
        self.by_ip[machine.ip] = machine
        self._tick_later(machine, self.random.randrange(TICK))
        return machine

    def meet_all(self) -> None:
        """Lets the first node meet all others."""
        for machine in self.machines[1:]:
            self.machines[0].member.meet(machine.ip.encode(), PORT, BUS_PORT)

    def share_slots(self, masters: Iterable[Machine]) -> None:
        """Spreads all slots over some nodes, with the epochs that redis-cli gives them."""
        masters = list(masters)
        for number, machine in enumerate(masters):
            first, last = (SLOTS * each // len(masters) for each in (number, number + 1))
            machine.member.add_slots(range(first, last))
            if len(machine.state.nodes) == 1:
                machine.member.set_config_epoch(number + 1)

    # time

    def delay(self) -> int:
        return self.random.randint(*self.delays)

    def call_at(self, when: int, what: Callable[[], object]) -> None:
        self._sequence += 1
        heapq.heappush(self._queue, (when, self._sequence, what))

    def _tick_later(self, machine: Machine, delay: int) -> None:
        def tick() -> None:
            if machine.alive:
                if not machine.frozen:
                    if machine.master_ip:
                        machine.replicate()
                    machine.member.tick()
                self._tick_later(machine, TICK)

        self.call_at(self.now + delay, tick)

    def run(self, seconds: float) -> None:
        """Lets the time go on."""
        until = self.now + int(seconds * 1000)
        while self._queue and self._queue[0][0] <= until:
            self.now, _, what = heapq.heappop(self._queue)
            what()
        self.now = until

    def run_until(self, condition: Callable[[], object], seconds: float = 60) -> float:
        """Lets the time go on until a condition holds; returns how long that took (s)."""
        start = self.now
        while not condition():
            assert self.now - start < seconds * 1000, "it did not come true in time"
            self.run(0.1)
        return (self.now - start) / 1000

    # faults

    def cut(self, *sides: Iterable[Machine]) -> None:
        """Parts the network: machines of different sides do not hear each other; the rest forms a side too."""
        self._groups = {machine: number for number, side in enumerate(sides, 1) for machine in side}

    def cut_pairs(self, pairs: Iterable[tuple[Machine, Machine]]) -> None:
        """Cuts single connections."""
        self._cuts |= {frozenset(pair) for pair in pairs}

    def heal(self) -> None:
        """Ends all cuts."""
        self._groups = {}
        self._cuts = set()
        self._release()

    def _release(self) -> None:
        for link in list(self.stuck):
            self.call_at(self.now + self.delay(), link.release)

    def is_cut(self, one: Machine, other: Machine) -> bool:
        return self._groups.get(one, 0) != self._groups.get(other, 0) or (
            bool(self._cuts) and frozenset((one, other)) in self._cuts
        )

    def kill(self, machine: Machine) -> None:
        """Ends a node as kill -9 does."""
        machine.alive = False
        for link in machine.links:
            link.close()
        machine.links.clear()

    def restart(self, machine: Machine) -> None:
        """Starts a node again from its file."""
        machine.alive = True
        machine.master_ip = ""
        state = parse_file(machine.file, self.now, machine.random)
        assert state is not None
        machine.make(state)
        self._tick_later(machine, 0)

    def freeze(self, machine: Machine) -> None:
        """Stops a node as SIGSTOP does."""
        machine.frozen = True

    def thaw(self, machine: Machine) -> None:
        """Lets a node go on as SIGCONT does."""
        machine.frozen = False
        self._release()

    # what must hold

    @property
    def running(self) -> list[Machine]:
        return [machine for machine in self.machines if machine.alive]

    def masters(self) -> list[Machine]:
        """The nodes that are masters with slots in their own eyes."""
        return [machine for machine in self.running if machine.me.is_master and machine.me.slots]

    def all_ok(self) -> bool:
        return all(machine.state.ok for machine in self.running)

    def agreed(self, without: Iterable[Machine] = ()) -> bool:
        """True if all nodes see the same nodes, owners, roles and epochs, and each slot has one owner.

        ``without`` names machines that are gone for good.
        """
        names = {machine.name for machine in without}
        if sum(machine.me.slots.bit_count() for machine in self.masters()) != SLOTS:
            return False
        first, *others = self.running
        expected = self._view(first.state, names)
        return all(self._view(machine.state, names) == expected for machine in others)

    def _view(self, state: ClusterState, without: set[str]) -> tuple[object, ...]:
        return tuple(
            (
                node.name,
                tuple(ranges(node.slots)),
                node.is_master,
                node.master.name if node.master else "",
                node.config_epoch if node.is_master else 0,
                node.failing,
            )
            for node in sorted(state.nodes.values(), key=lambda node: node.name)
            if node.name not in without
        )

    def check_owners(self) -> None:
        """No slot has two owners, and no two masters share an epoch."""
        owners = [machine.me.slots for machine in self.running if machine.me.is_master]
        for number, slots in enumerate(owners):
            assert not any(slots & other for other in owners[number + 1 :])
        epochs = [machine.me.config_epoch for machine in self.masters()]
        assert len(set(epochs)) == len(epochs)
        # A majority votes once in an epoch.
        assert len(set(self.elected)) == len(self.elected)

    def check_files(self) -> None:
        """Each nodes.conf holds what its node knows."""
        for machine in self.running:
            state = parse_file(machine.file, self.now, machine.random)
            assert state is not None
            assert self._view(state, set()) == self._view(machine.state, set())
            assert state.myself.name == machine.name
            assert state.last_vote_epoch == machine.state.last_vote_epoch
            assert state.current_epoch >= machine.me.config_epoch
            assert {node.name: node.shard_id for node in state.nodes.values()} == {
                node.name: node.shard_id for node in machine.state.nodes.values()
            }


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


def last_header(machine: Machine) -> Any:
    """A PONG in which a node says what it is now."""
    return header(machine.member.core, PONG)
