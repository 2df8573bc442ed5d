"""Messages that the nodes of a cluster in memory get, good and bad ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.cluster.simulation import Simulation, last_header, make
from twisted_redis.cluster.bus.messages import PONG, PUBLISH, UPDATE, decode, encode
from twisted_redis.cluster.nodes import FAIL, NO_ADDRESS, PFAIL, all_slots


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
