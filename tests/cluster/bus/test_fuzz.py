"""Anything may come by the bus: nothing of it raises, and nothing of strangers changes the tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cluster.simulation import START, Link, Machine, Simulation
from twisted_redis.cluster.bus.messages import MEET, TYPE_NAMES, Extensions, Gossip, Message, encode
from twisted_redis.cluster.nodes_file import format_file, parse_file

MYSELF, OTHER, REPLICA, THIRD = (letter * 40 for letter in "abcd")
STRANGER = "e" * 40
CONF = f"""\
{MYSELF} 10.0.0.1:6379@16379,,tls-port=0,shard-id={"1" * 40} myself,master - 0 0 1 connected 0-8191
{OTHER} 10.0.0.2:6379@16379,,tls-port=0,shard-id={"2" * 40} master - 0 0 2 connected 8192-16383
{REPLICA} 10.0.0.3:6379@16379,,tls-port=0,shard-id={"1" * 40} slave {MYSELF} 0 0 1 connected
{THIRD} 10.0.0.4:6379@16379,,tls-port=0,shard-id={"3" * 40} master - 0 0 3 connected
vars currentEpoch 3 lastVoteEpoch 0
"""

names = st.sampled_from([MYSELF, OTHER, REPLICA, THIRD, STRANGER, "f" * 40, "", "?" * 40])
epochs = st.one_of(st.integers(0, 6), st.integers(0, (1 << 64) - 1))
ports = st.integers(0, 65535)
addresses = st.sampled_from(["", "10.0.0.2", "10.0.0.9", "::1", "no address", "host"])
slots = st.sets(st.sampled_from(range(8)), max_size=8).map(
    lambda blocks: sum(((1 << 2048) - 1) << 2048 * block for block in blocks)
)
texts = st.sampled_from([None, "host.example", "a,b", "a b", "\x00", "\u00e9", "x" * 300])
gossip = st.builds(
    Gossip,
    names,
    st.integers(0, (1 << 32) - 1),
    st.integers(0, (1 << 32) - 1),
    addresses,
    ports,
    ports,
    st.integers(0, 65535),
    ports,
)
extensions = st.builds(
    Extensions,
    texts,
    texts,
    st.lists(st.tuples(names, st.integers(0, (1 << 64) - 1)), max_size=2),
    st.one_of(st.none(), names),
    st.one_of(st.none(), st.binary(min_size=40, max_size=40)),
)
messages = st.builds(
    Message,
    st.sampled_from(range(len(TYPE_NAMES))),
    names,
    epochs,
    epochs,
    st.integers(0, (1 << 64) - 1),
    slots,
    names,
    addresses,
    ports,
    ports,
    ports,
    st.integers(0, 65535),
    st.booleans(),
    st.integers(0, 255),
    st.lists(gossip, max_size=4),
    extensions,
    names,
    epochs,
    slots,
    st.binary(max_size=20),
    st.binary(max_size=20),
)


def make() -> Machine:
    """A node that knows three others."""
    machine = Simulation().add()
    state = parse_file(CONF, START, machine.random)
    assert state is not None
    machine.make(state)
    machine.simulation.run(0.1)
    return machine


def link_to(machine: Machine) -> Link:
    """A connection that somebody has opened to a node."""
    return Link(machine.simulation, machine, None, None)


def tables(machine: Machine) -> str:
    """The tables of a node, without the times and the states of links."""
    *nodes, epochs = format_file(machine.state).splitlines()
    words = [line.split(" ") for line in nodes]
    return "\n".join([*(" ".join([*line[:4], line[6], *line[8:]]) for line in words), epochs])


def look_at(machine: Machine) -> None:
    """Shows and saves all that a node knows."""
    member: Any = machine.member
    member.settle()
    for show in (member.info, member.view, member.describe_links):
        show()
    for show in (member.describe_nodes, member.describe_slots, member.describe_shards):
        show(None)
    text = format_file(machine.state)
    again = parse_file(text, machine.now(), machine.random)
    assert again is not None
    known = {name: node.slots for name, node in machine.state.nodes.items() if not node.flags & 32}
    assert {name: node.slots for name, node in again.nodes.items()} == known
    for name, node in machine.state.nodes.items():
        assert node.name == name
        for replica in node.replicas:
            assert replica.master is node
        if node.master is not None:
            assert node in node.master.replicas
            assert machine.state.nodes[node.master.name] is node.master
    for slot in range(0, 16384, 2048):
        owner = machine.state.owners[slot]
        assert [node for node in machine.state.nodes.values() if node.slots >> slot & 1] == ([owner] if owner else [])


@given(st.lists(st.tuples(st.sampled_from([OTHER, REPLICA, THIRD]), messages), min_size=1, max_size=6))
@settings(deadline=None, max_examples=60)
def test_any_message_of_a_known_node(said: list[tuple[str, Message]]) -> None:
    machine = make()
    links: dict[str, Link] = {}
    for name, message in said:
        if name not in links or links[name].closed:
            links[name] = link_to(machine)
        machine.receive(links[name], encode(replace(message, sender=name)))
        look_at(machine)
        machine.simulation.run(0.2)
    machine.simulation.run(3)
    look_at(machine)


@given(messages, st.lists(st.tuples(st.integers(0, 2400), st.integers(0, 255)), max_size=4), st.integers(0, 3000))
@settings(deadline=None, max_examples=60)
def test_nothing_of_a_stranger_changes_the_tables(message: Message, damage: list[tuple[int, int]], length: int) -> None:
    machine = make()
    before = tables(machine)
    if message.kind == MEET or message.sender in machine.state.nodes:
        message = replace(message, kind=0, sender=STRANGER)
    data = bytearray(encode(message))
    for place, value in damage:
        # The kind and the sender stay as they are: a stranger may ask to be met, and may not be told from a node.
        if place < len(data) and not 12 <= place < 14 and not 40 <= place < 80:
            data[place] = value
    link = link_to(machine)
    for piece in (bytes(data), bytes(data[:length])):
        machine.receive(link, piece)
    machine.simulation.run(0.1)
    assert tables(machine) == before
    assert machine.published == []
    assert len(machine.state.nodes) == 4


@given(messages, st.integers(0, 2400), st.integers(0, 3))
@settings(deadline=None, max_examples=50)
def test_a_message_that_contradicts_itself_changes_nothing(message: Message, cut: int, version: int) -> None:
    machine = make()
    link = link_to(machine)
    before = tables(machine)
    data = encode(replace(message, sender=OTHER))
    machine.receive(link, data[:cut] if cut < len(data) else data + b"x")
    if version != 1:
        machine.receive(link, data[:8] + version.to_bytes(2, "big") + data[10:])
    machine.receive(link, data[:4] + (len(data) + 8).to_bytes(4, "big") + data[8:])
    assert tables(machine) == before
    assert machine.published == []


def test_many_requests_to_be_met_are_one() -> None:
    machine = make()
    link = link_to(machine)
    request = encode(Message(MEET, sender=STRANGER, ip="10.0.0.9", port=6379, bus_port=16379))
    for _ in range(50):
        machine.receive(link, request)
    assert len(machine.state.nodes) == 5
    machine.simulation.run(5)
    assert len(machine.state.nodes) == 4
