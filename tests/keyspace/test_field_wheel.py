"""Which hashes are examined for expired fields, and when."""

from __future__ import annotations

from random import Random

import pytest

from twisted_redis.keyspace.field_wheel import FieldWheel


def pop_due(wheel: FieldWheel, now: int) -> bytes | None:
    """Returns the first key that is due."""
    return next((key for key in wheel.due(now) if key is not None), None)


def test_nothing_is_due_in_an_empty_wheel() -> None:
    wheel = FieldWheel(0)
    assert pop_due(wheel, 10**15) is None
    assert len(wheel) == 0
    assert wheel.get(b"h") is None
    assert wheel.pop(b"h") is None


def test_a_key_is_due_at_its_time_and_once() -> None:
    wheel = FieldWheel(0)
    wheel[b"h"] = 5000
    assert wheel.get(b"h") == 5000
    assert pop_due(wheel, 4999) is None
    assert len(wheel) == 1
    assert pop_due(wheel, 5000) == b"h"
    assert pop_due(wheel, 10**15) is None
    assert len(wheel) == 0


def test_a_forgotten_key_is_not_due() -> None:
    wheel = FieldWheel(0)
    wheel[b"h"] = 5000
    assert wheel.pop(b"h") == 5000
    assert wheel.pop(b"h", 7) == 7
    assert pop_due(wheel, 10**15) is None


@pytest.mark.parametrize("later", [False, True])
def test_a_new_time_replaces_the_old_one(later: bool) -> None:
    wheel = FieldWheel(0)
    wheel[b"h"] = 5000 if later else 90_000
    wheel[b"h"] = 90_000 if later else 5000
    assert pop_due(wheel, 5000) == (None if later else b"h")
    assert pop_due(wheel, 90_000) == (b"h" if later else None)


@pytest.mark.parametrize("seed", range(10))
def test_against_a_plain_model(seed: int) -> None:
    rng = Random(seed)
    wheel = FieldWheel(0)
    times: dict[bytes, int] = {}
    for now in range(0, 200_000, 97):
        for _ in range(rng.randrange(4)):
            key = b"h%d" % rng.randrange(30)
            if rng.random() < 0.3:
                assert wheel.pop(key) == times.pop(key, None)
            else:
                wheel[key] = times[key] = now + rng.randrange(5000)
        due = {key for key, when in times.items() if when <= now}
        found = {key for key in wheel.due(now) if key is not None}
        assert found == due
        for key in due:
            del times[key]
        assert len(wheel) == len(times)
