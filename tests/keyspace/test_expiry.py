"""The wheel gives every key that is due, once, and no other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted_redis.keyspace.expiry import ExpiryWheel


class Model:
    """A wheel beside the dict that says the truth."""

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
        while (key := self.wheel.pop_due(now)) is not None:
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


def test_the_next_time_is_never_too_late() -> None:
    model = Model()
    assert model.wheel.next_time() is None
    model.expire(b"a", 50_000)
    model.expire(b"b", 90_000)
    next_time = model.wheel.next_time()
    assert next_time is not None
    assert next_time <= 50_000


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
