"""The wheel returns each key that is due exactly once, and no other key."""

from __future__ import annotations

import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_redis.keyspace.expiry import Block, ExpiryWheel


class Model:
    """A wheel, and a dict with the true expiry times."""

    def __init__(self, now: int = 0) -> None:
        self.times: dict[bytes, int] = {}
        self.places: dict[bytes, Block] = {}
        self.wheel = ExpiryWheel(self.places, now)

    def expire(self, key: bytes, when: int) -> None:
        (self.wheel.move if key in self.times else self.wheel.add)(key, when)
        self.times[key] = when

    def persist(self, key: bytes) -> None:
        if self.times.pop(key, None) is not None:
            self.wheel.remove(key)

    def check(self) -> None:
        assert self.wheel.times() == self.times
        assert set(self.places) == set(self.times)
        assert [self.wheel.time(key) for key in self.times] == list(self.times.values())

    def due(self, now: int) -> set[bytes]:
        found = set()
        for key in self.wheel.due(now):
            if key is None:
                continue
            assert key not in found
            found.add(key)
            assert self.times[key] <= now
            self.persist(key)
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


@pytest.mark.parametrize("distance", [1, 3_600_000])
def test_a_step_examines_few_keys_of_many(distance: int) -> None:
    model = Model(now := 10**12)
    for number in range(20_000):
        model.expire(Key(b"%d" % number), now + distance + number % 500)
    for moment in (now + distance + 100, now + distance + 499):
        before = Key.looks
        due = model.wheel.due(moment)
        while (key := next(due, b"")) != b"":
            assert Key.looks - before <= 3 * 256
            if key:
                model.persist(key)
            before = Key.looks
        assert min(model.times.values(), default=moment + 1) > moment
    assert model.times == {}


def test_a_key_that_is_left_keeps_its_time_and_comes_after_resume() -> None:
    model = Model()
    for number in range(600):
        model.expire(b"%d" % number, 5000)
    assert sorted(key for key in model.wheel.due(5000) if key) == sorted(model.times)
    assert set(model.wheel.due(5000)) <= {None}
    model.check()
    model.wheel.resume(b"7")
    model.persist(b"8")
    model.expire(b"9", 6000)
    assert model.due(5000) == {b"7"}
    assert model.due(6000) == {b"9"}
    model.check()


def bytes_a_key(model: Model) -> float:
    """The memory of the wheel without the dict of places, which has what any dict has, and without the keys."""
    blocks = set(model.places.values())
    parts = [part for block in blocks for part in (block, block.keys, block.marks, block.offsets, block.base)]
    return (sum(map(sys.getsizeof, parts)) + 16 * len(parts)) / len(model.places)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="sizes are known for CPython")
@pytest.mark.parametrize("longest", [1, 60_000, 3_600_000, 7 * 86_400_000])
def test_a_time_takes_little_memory(longest: int) -> None:
    model = Model(now := 1_700_000_000_000)
    rng = random.Random(1)
    for number in range(100_000):
        model.expire(b"%d" % number, now + 1 + rng.randrange(longest))
    assert bytes_a_key(model) < 18
    # Not more after each key has got a new time again and again, or after most keys are gone.
    for _ in range(3):
        for key in list(model.times):
            model.expire(key, now + 1 + rng.randrange(longest))
    assert bytes_a_key(model) < 23
    for key in rng.sample(list(model.times), 80_000):
        model.persist(key)
    assert bytes_a_key(model) < 60
    model.check()


def test_one_key_with_ever_new_times_takes_no_more_memory() -> None:
    model = Model(now := 1_700_000_000_000)
    for number in range(50_000):
        model.expire(b"key", now + 1 + number * 7919 % 10_000_000)
    assert len(model.places[b"key"].keys) == 1
    assert len(model.wheel._spans) < 200


def test_the_object_of_a_key_that_gets_a_new_time_stays() -> None:
    model = Model()
    first = b"key:%d" % 1
    model.expire(first, 5000)
    model.expire(b"key:%d" % 1, 90_000_000)
    assert next(iter(model.places)) is first
    assert model.places[first].keys[0] is first


def test_many_keys_come_in_the_order_of_their_times() -> None:
    model = Model()
    for number in range(3000):
        model.expire(b"%d" % number, 5000 + number * 7919 % 3000)
    when = []
    for key in model.wheel.due(10_000):
        if key is not None:
            when.append(model.times[key])
            model.persist(key)
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
        model.check()


@given(st.integers(0, 2**32), st.sampled_from([1, 20, 5000, 10**7, 10**11, 2**62]))
@settings(max_examples=25, deadline=None)
def test_many_keys_against_the_truth(seed: int, longest: int) -> None:
    rng = random.Random(seed)
    now = rng.randrange(10**12)
    model = Model(rng.choice([0, now]))
    for _ in range(2000):
        key = b"%d" % rng.randrange(1500)
        if rng.random() < 0.7:
            model.expire(key, now + rng.randrange(longest) - rng.randrange(5))
        elif rng.random() < 0.99:
            model.persist(key)
        else:
            now += rng.randrange(longest // 10 + 1) - rng.choice([0, 0, 0, 3])
            expected = {key for key, when in model.times.items() if when <= now}
            assert model.due(now) == expected
    model.check()
    left = set(model.times)
    assert model.due(max(now, *model.times.values(), 0) + 10) == left


def test_keys_expire_in_time_after_the_clock_was_set_back_by_hours() -> None:
    model = Model(10**12)
    model.expire(b"before", 10**12 + 50)
    assert model.due(10**12 + 100) == {b"before"}
    earlier = 10**12 - 3 * 3_600_000
    # The wheel has not been asked since: it takes this time for one that has passed.
    model.expire(b"a", earlier + 50)
    model.expire(b"b", earlier + 20)
    assert model.due(earlier + 10) == set()
    model.expire(b"c", earlier + 30)
    assert model.due(earlier + 30) == {b"b", b"c"}
    assert model.due(earlier + 50) == {b"a"}
    model.check()


def test_an_earlier_time_in_a_span_that_was_begun_before_the_clock_went_back() -> None:
    places: dict[bytes, Block] = {}
    wheel = ExpiryWheel(places, 0)
    for key, when in ((b"a", 70), (b"b", 75)):
        wheel.add(key, when)
    assert not any(wheel.due(66))
    assert not any(wheel.due(10))
    wheel.move(b"b", 65)
    assert wheel.times() == {b"a": 70, b"b": 65}
    came = []
    for key in wheel.due(100):
        if key is not None:
            came.append(key)
            wheel.remove(key)
    assert came == [b"b", b"a"]
