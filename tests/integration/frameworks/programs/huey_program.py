"""huey: a consumer with threads, results, delays, retries, pipelines, locks, groups, chords and periodic tasks."""

from __future__ import annotations

import threading
from typing import Any

from checks import PATIENCE, check, report, until
from huey import PriorityRedisHuey, RedisExpireHuey, RedisHuey, chord, crontab, group
from huey.constants import EmptyData
from huey.exceptions import TaskException, TaskLockedException
from place import client, pool, raises

huey = RedisHuey("site", connection_pool=pool())
tries: list[int] = []
ticked = threading.Event()


@huey.task()
def add(one: int, other: int) -> int:
    return one + other


@huey.task()
def total(numbers: list[int]) -> int:
    return sum(numbers)


@huey.task()
def fail() -> None:
    raise ValueError("on purpose")


@huey.task(retries=3)
def stubborn() -> None:
    tries.append(1)
    if len(tries) < 3:
        raise RuntimeError("not yet")


@huey.periodic_task(crontab())
def tick() -> None:
    ticked.set()


def result_of(result: Any) -> Any:
    return result.get(blocking=True, timeout=PATIENCE, max_delay=0.1)


@check
def results() -> None:
    assert [result_of(result) for result in [add(number, number) for number in range(20)]] == list(range(0, 40, 2))
    assert list(add.map([(1, 2), (3, 4)]).get(blocking=True, timeout=PATIENCE)) == [3, 7]
    with raises(TaskException, "on purpose"):
        result_of(fail())
    assert huey.pending_count() == 0


@check
def delays_and_revocations() -> None:
    later = add.schedule((1, 1), delay=1)
    revoked = add.schedule((2, 2), delay=2)
    revoked.revoke()
    assert revoked.is_revoked()
    assert result_of(later) == 2
    until(lambda: huey.scheduled_count() == 0)
    until(lambda: not revoked.is_revoked())
    assert revoked.get() is None
    total.revoke()
    assert total.is_revoked() and total.restore() and not total.is_revoked()


@check
def retries_and_chains() -> None:
    stubborn()
    until(lambda: len(tries) == 3)
    chain = huey.enqueue(add.s(1, 2).then(add, 10).then(add, 100))
    assert chain.get(blocking=True, timeout=PATIENCE) == [3, 13, 113]


@check
def groups_and_chords() -> None:
    results = huey.enqueue(group([add.s(number, 1) for number in range(10)]))
    assert results.get(blocking=True, timeout=PATIENCE) == list(range(1, 11))
    found = huey.enqueue(chord([add.s(number, 1) for number in range(10)], total.s()))
    assert found.callback.get(blocking=True, timeout=PATIENCE) == 55


@check
def periodic_tasks() -> None:
    huey.enqueue(tick.s())
    assert ticked.wait(PATIENCE)


@check
def locks() -> None:
    with huey.lock_task("door"):
        assert huey.is_locked("door")
        with raises(TaskLockedException), huey.lock_task("door"):
            raise AssertionError("two hold the lock")
    assert not huey.is_locked("door")


@check
def priorities() -> None:
    other = PriorityRedisHuey("priorities", connection_pool=pool())

    @other.task()
    def note(number: int) -> int:
        return number

    for priority in (1, 10, 5):
        note(priority, priority=priority)
    assert [other.execute(other.dequeue()) for _ in range(3)] == [10, 5, 1]


@check
def results_that_expire() -> None:
    other = RedisExpireHuey("expiring", connection_pool=pool(), expire_time=100)

    @other.task()
    def one() -> int:
        return 1

    result = one()
    other.execute(other.dequeue())
    (key,) = client().keys("*" + result.id)
    assert 90 < client().ttl(key) <= 100
    assert result.get() == 1


@check
def stored_data() -> None:
    huey.put("key", {"a": 1})
    assert huey.get("key", peek=True) == {"a": 1}
    assert huey.put_if_empty("key", 2) is False
    assert huey.get("key") == {"a": 1} and huey.get("key") is None
    assert huey.storage.peek_data("key") is EmptyData


if __name__ == "__main__":
    consumer = huey.create_consumer(workers=2, initial_delay=0.02, max_delay=0.1)
    consumer.start()
    try:
        report("huey")
    finally:
        consumer.stop(graceful=True)
