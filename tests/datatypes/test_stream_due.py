"""The order in which pending entries can be claimed, against a list that is sorted each time."""

from __future__ import annotations

from contextlib import closing

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_redis.datatypes.stream_due import DueOrder
from twisted_redis.datatypes.stream_groups import Group

STEPS = st.lists(
    st.tuples(st.sampled_from(["claim", "give back", "acknowledge", "take"]), st.integers(1, 6), st.integers(0, 9)),
    max_size=60,
)


def taken(order: DueOrder, count: int) -> list[int]:
    with closing(order.take()) as ids:
        return [entry_id for entry_id, _ in zip(ids, range(count), strict=False)]


@given(STEPS, st.integers(0, 60))
@settings(deadline=None)
def test_the_order_is_that_of_the_ages(steps: list[tuple[str, int, int]], begin: int) -> None:
    group = Group(0)
    consumer = group.add_consumer(b"c", 0)
    changes: dict[int, tuple[int, int]] = {}
    for number, (step, entry_id, time) in enumerate(steps):
        if number == begin:
            group.due()  # from here on the order follows each change
        if step == "claim":
            if entry_id in group.pending:
                group.assign(entry_id, consumer, time, 1)
            else:
                group.add_pending(entry_id, consumer, time)
            changes[entry_id] = time, number
        elif step == "give back":
            group.give_back(entry_id, 1)
            changes[entry_id] = -1, number
        elif step == "acknowledge":
            assert group.acknowledge(entry_id) == (changes.pop(entry_id, None) is not None)
        else:
            assert taken(group.due(), entry_id) == sorted(changes, key=changes.__getitem__)[:entry_id]
    right = sorted(changes, key=changes.__getitem__)
    assert taken(group.due(), 100) == taken(group.copy().due(), 100) == right


def test_an_entry_that_changes_meanwhile_comes_once() -> None:
    order = DueOrder()
    for entry_id in (1, 2, 3):
        order.put(entry_id, entry_id)
    seen = []
    for entry_id in order.take():
        seen.append(entry_id)
        order.put(entry_id, 2)
    assert seen == [1, 2, 3]
    assert taken(order, 5) == [1, 2, 3]


def test_stale_entries_do_not_pile_up() -> None:
    order = DueOrder()
    for time in range(10_000):
        order.put(1, time)
    assert order.memory() < 30_000
    assert taken(order, 5) == [1]
