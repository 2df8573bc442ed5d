"""Consumer groups: which entries are pending, for which consumer, and in which order."""

from __future__ import annotations

import random
import sys

import pytest

from twisted_redis.datatypes.stream_groups import Consumer, Group


def _all(group: Group, start: int = 0) -> list[int]:
    return [entry_id for entry_id, _ in group.pending_from(start)]


def _of(group: Group, consumer: Consumer, start: int = 0) -> list[int]:
    return [entry_id for entry_id, _ in group.pending_of(consumer, start)]


@pytest.mark.parametrize("seed", range(30))
def test_order_and_owners_against_a_dict(seed: int) -> None:
    chance = random.Random(seed)
    group = Group(0)
    consumers = [group.add_consumer(b"%d" % number, 0) for number in range(3)]
    owner: dict[int, Consumer] = {}
    rising = 0
    for step in range(600):
        action = chance.random()
        who = chance.choice(consumers)
        if action < 0.5:
            rising += chance.randint(1, 3)
            entry_id = rising if chance.random() < 0.8 else chance.randint(1, rising)
            entry = group.deliver(entry_id, who, step)
            assert entry == (who.name, step, 1)
            owner[entry_id] = who
        elif action < 0.8:
            entry_id = chance.choice(list(owner)) if owner and chance.random() < 0.9 else rising + 1
            assert group.acknowledge(entry_id) == (owner.pop(entry_id, None) is not None)
        elif owner:
            entry_id = chance.choice(list(owner))
            assert group.assign(entry_id, who, step, 5) == (who.name, step, 5) == group.pending[entry_id]
            owner[entry_id] = who
        if step % 7 == 0:
            start = chance.randint(0, rising)
            assert _all(group, start) == sorted(entry_id for entry_id in owner if entry_id >= start)
            bounds = (min(owner), max(owner)) if owner else None
            assert group.pending_bounds() == bounds
            for consumer in consumers:
                mine = sorted(entry_id for entry_id, whose in owner.items() if whose is consumer)
                assert consumer.pending_count == len(mine)
                assert _of(group, consumer) == mine
                assert _of(group, consumer, start) == [entry_id for entry_id in mine if entry_id >= start]
    victim = consumers[1]
    mine = [entry_id for entry_id, whose in owner.items() if whose is victim]
    assert group.delete_consumer(b"1") == len(mine)
    assert _all(group) == sorted(set(owner) - set(mine))
    assert b"1" not in group.consumers


def test_going_through_while_acknowledging() -> None:
    group = Group(0)
    first, second = group.add_consumer(b"a", 0), group.add_consumer(b"b", 0)
    for entry_id in range(500):
        group.deliver(entry_id, first, 1)
    seen = []
    for entry_id, _ in group.pending_from():
        seen.append(entry_id)
        if entry_id % 3:
            group.acknowledge(entry_id)
        else:
            group.assign(entry_id, second, 2, 2)
    assert seen == list(range(500))
    assert _of(group, first) == []
    assert _of(group, second) == list(range(0, 500, 3))


def test_acknowledged_ids_do_not_pile_up() -> None:
    group = Group(0)
    consumer = group.add_consumer(b"a", 0)
    for entry_id in range(10_000):
        group.deliver(entry_id, consumer, 1)
        if entry_id >= 10:
            group.acknowledge(entry_id - 10)
    assert _all(group) == list(range(9_990, 10_000))
    assert group.memory() < 20_000


def test_a_consumer_that_is_not_there() -> None:
    group = Group(0)
    assert group.delete_consumer(b"x") is None
    assert group.pending_bounds() is None
    assert not group.acknowledge(1)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="PyPy does not count references")
def test_entries_that_are_delivered_together_share_their_delivery() -> None:
    sizes = []
    for apart in (0, 1):
        group = Group(0)
        one, other = group.add_consumer(b"one", 5), group.add_consumer(b"other", 5)
        for entry_id in range(2000):
            group.add_pending(entry_id, one if entry_id % 2 else other, 10**12 + entry_id * apart)
        assert group.pending[0] == (b"other", 10**12, 1)
        assert group.pending[1999] == (b"one", 10**12 + 1999 * apart, 1)
        sizes.append(group.memory())
        group.assign(7, other, 10**12, 3)
        assert [group.pending[entry_id] for entry_id in (5, 7)] == [
            (b"one", 10**12 + 5 * apart, 1),
            (b"other", 10**12, 3),
        ]
    assert sizes[0] + 80 * 2000 < sizes[1] < 260 * 2000
