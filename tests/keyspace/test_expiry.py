"""The wheel returns each key that is due exactly once, and no other key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_redis.keyspace.expiry import ExpiryWheel


class Model:
    """A wheel, and the dict with the true expiry times."""

    def __init__(self) -> None:
        self.times: dict[bytes, int] = {}
        self.wheel = ExpiryWheel(self.times)

    def expire(self, key: bytes, when: int) -> None:
        self.persist(key)
        self.times[key] = when
        self.wheel.add(key, when)

    def persist(self, key: bytes) -> None:
        before = self.times.pop(key, None)
        if before is not None:
            self.wheel.remove(key, before)

    def due(self, now: int) -> set[bytes]:
        found = set()
        for key in self.wheel.due(now):
            if key is None:
                continue
            assert self.times.pop(key) <= now
            assert key not in found
            found.add(key)
        return found


def test_keys_come_when_their_time_is_there_and_not_before() -> None:
    model = Model()
    model.expire(b"a", 5000)
    model.expire(b"b", 5001)
    model.expire(b"far", 10**12)
    assert model.due(4999) == set()
    assert model.due(5000) == {b"a"}
    assert model.due(5000) == set()
    assert model.due(6000) == {b"b"}
    assert model.due(10**12) == {b"far"}


def test_a_later_time_replaces_an_earlier_one() -> None:
    model = Model()
    model.expire(b"a", 5000)
    model.expire(b"a", 5500)
    assert model.due(5200) == set()
    model.expire(b"a", 9000)
    model.persist(b"a")
    assert model.due(10000) == set()
    model.expire(b"a", 100)
    assert model.due(10000) == {b"a"}


class Key(bytes):
    """A key that counts how often one is looked up.  Code in C calls this method of a key, but none of a dict."""

    looks = 0

    def __hash__(self) -> int:
        Key.looks += 1
        return super().__hash__()


def looks_a_step(times: dict[bytes, int], wheel: ExpiryWheel, now: int) -> list[int]:
    """Removes what is due. Returns the number of times that each step looked up a key."""
    found = []
    before = Key.looks
    for key in wheel.due(now):
        found.append(Key.looks - before)
        if key is not None:
            del times[key]
        before = Key.looks
    return found


@pytest.mark.parametrize("now", [99 << 10, 100 << 10])
def test_a_step_examines_few_keys_of_a_large_bucket(now: int) -> None:
    times: dict[bytes, int] = {}
    wheel = ExpiryWheel(times)
    for number in range(20_000):
        key = Key(b"%d" % number)
        times[key] = (99 << 10) + 500 + number % 500
        wheel.add(key, times[key])
    looks = looks_a_step(times, wheel, now)
    assert max(looks) == 16
    assert len(looks) >= 20_000 // 16
    assert len(times) == (20_000 if now == 99 << 10 else 0)
    assert looks_a_step(times, wheel, now) == []


def test_a_step_examines_few_keys_that_live_on() -> None:
    times: dict[bytes, int] = {}
    wheel = ExpiryWheel(times)
    for number in range(20_000):
        key = Key(b"%d" % number)
        times[key] = 5000 + number % 4  # in the bucket that is open when they are removed
        wheel.add(key, times[key])
    assert set(wheel.due(4999)) == {None}
    times.clear()
    assert max(looks_a_step(times, wheel, 10_000)) == 1


def test_a_large_bucket_comes_in_the_order_of_its_times() -> None:
    model = Model()
    for number in range(3000):
        model.expire(b"%d" % number, 5000 + number * 7919 % 3000)
    when = [model.times[key] for key in model.wheel.due(10_000) if key is not None]
    assert len(when) == 3000
    assert when == sorted(when)


def test_keys_of_one_moment_come_in_one_order_in_every_process() -> None:
    # The order of a set of bytes differs between processes.
    model = Model()
    for key in (b"d", b"a", b"c", b"e", b"b"):
        model.expire(key, 5000)
    assert [key for key in model.wheel.due(5000) if key] == [b"a", b"b", b"c", b"d", b"e"]


def test_the_wheel_may_change_meanwhile() -> None:
    model = Model()
    for number in range(1000):
        model.expire(b"%d" % number, 5000)
    due = model.wheel.due(5000)
    assert next(due) is None
    for number in range(0, 1000, 2):
        model.persist(b"%d" % number)
    for number in range(1, 1000, 4):
        model.expire(b"%d" % number, 90_000)
    found = []
    for key in due:
        if key is not None:
            found.append(int(key))
            model.persist(key)
    assert sorted(found) == list(range(3, 1000, 4))
    assert len(model.due(90_000)) == 250


keys = st.sampled_from([b"a", b"b", b"c", b"d"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("expire"), keys, st.integers(-3000, 6000)),
        st.tuples(st.just("persist"), keys, st.just(0)),
        st.tuples(st.just("pass"), st.just(b""), st.integers(0, 4000)),
    ),
    max_size=40,
)


@given(steps)
def test_against_the_truth(actions: list[tuple[str, bytes, int]]) -> None:
    model = Model()
    now = 100_000
    for action, key, amount in actions:
        if action == "expire":
            model.expire(key, now + amount)
        elif action == "persist":
            model.persist(key)
        else:
            now += amount
            expected = {key for key, when in model.times.items() if when <= now}
            assert model.due(now) == expected
