"""Names, ordered by the time at which they are due."""

from __future__ import annotations

from random import Random

import pytest

from twisted_redis.datatypes.schedule import Schedule


@pytest.mark.parametrize("seed", range(10))
def test_against_a_plain_model(seed: int) -> None:
    rng = Random(seed)
    times: dict[bytes, int] = {}
    schedule = Schedule(times)
    names = [b"%d" % number for number in range(20)]
    for now in range(1000):
        name = rng.choice(names)
        match rng.randrange(4):
            case 0:
                times[name] = now + rng.randrange(30)
                schedule.add(name, times[name])
            case 1:
                some = rng.sample(names, 3)
                when = now + rng.randrange(30)
                times.update(dict.fromkeys(some, when))
                schedule.add_all(some, when)
            case 2:
                times.pop(name, None)
                schedule.drop_stale()
            case _:
                due = sorted(when for when in times.values() if when <= now)
                found = []
                while schedule.is_due(now):
                    popped = schedule.pop()
                    if popped is not None:
                        found.append(times.pop(popped))
                assert found == due
        first = schedule.first
        expected = min(times.values(), default=None)
        assert expected is None or (first is not None and first <= expected)
        assert schedule.next() == expected


def test_entries_are_made_of_times_that_are_there() -> None:
    schedule = Schedule({b"a": 5, b"b": 3, b"c": 5})
    assert len(schedule) == 3
    assert schedule.pop() == b"b"
    assert {schedule.pop(), schedule.pop()} == {b"a", b"c"}
    assert len(schedule) == 0
    assert schedule.first is None
    assert schedule.next() is None


def test_names_of_one_moment_come_as_they_were_added() -> None:
    times = dict.fromkeys([b"c", b"a", b"d", b"b", b"e"], 5)
    schedule = Schedule(times)
    assert [schedule.pop() for _ in range(3)] == [b"c", b"a", b"d"]
    assert schedule.next() == 5
    assert [schedule.pop() for _ in range(2)] == [b"b", b"e"]
    schedule.add_all([b"e", b"c", b"b"], 5)
    assert [schedule.pop() for _ in range(3)] == [b"e", b"c", b"b"]


def test_stale_entries_do_not_pile_up() -> None:
    times: dict[bytes, int] = {}
    schedule = Schedule(times)
    for when in range(10_000):
        times[b"a"] = when
        schedule.add(b"a", when)
        schedule.drop_stale()
    assert len(schedule) < 100
    assert schedule.next() == 9999


def test_many_names_of_one_moment_take_a_place_each() -> None:
    names = [b"%d" % number for number in range(10_000)]
    together = Schedule(dict.fromkeys(names, 7))
    apart = Schedule({name: number for number, name in enumerate(names)})
    assert together.memory() < 20 * len(names)
    assert apart.memory() > 60 * len(names)
