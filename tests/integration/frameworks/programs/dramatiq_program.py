"""dramatiq: its broker with workers, results, delays, retries, pipelines, groups, rate limits and barriers."""

from __future__ import annotations

import logging
import time

import dramatiq
from checks import check, report
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits import Barrier, BucketRateLimiter, ConcurrentRateLimiter, WindowRateLimiter
from dramatiq.rate_limits.backends import RedisBackend as Limits
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from dramatiq.results.errors import ResultFailure
from place import client, raises

logging.disable()
PATIENCE = 60_000
limits = Limits(client=client(1))
broker = RedisBroker(client=client(), maintenance_chance=100_000)
broker.add_middleware(Results(backend=RedisBackend(client=client(2))))
broker.add_middleware(GroupCallbacks(limits))
dramatiq.set_broker(broker)
tries: list[float] = []
finished: list[int] = []


@dramatiq.actor(store_results=True)
def add(one: int, other: int) -> int:
    return one + other


@dramatiq.actor(store_results=True, max_retries=3, min_backoff=50, max_backoff=100)
def stubborn() -> int:
    tries.append(time.monotonic())
    if len(tries) < 3:
        raise RuntimeError("not yet")
    return len(tries)


@dramatiq.actor(store_results=True, max_retries=0)
def fail() -> None:
    raise RuntimeError("on purpose")


@dramatiq.actor
def finish() -> None:
    finished.append(1)


@check
def results() -> None:
    messages = [add.send(number, number) for number in range(50)]
    assert [message.get_result(block=True, timeout=PATIENCE) for message in messages] == list(range(0, 100, 2))
    with raises(ResultFailure, "RuntimeError"):
        fail.send().get_result(block=True, timeout=PATIENCE)


@check
def delays_and_retries() -> None:
    begin = time.monotonic()
    assert add.send_with_options(args=(1, 1), delay=300).get_result(block=True, timeout=PATIENCE) == 2
    assert time.monotonic() - begin >= 0.29
    assert stubborn.send().get_result(block=True, timeout=PATIENCE) == 3


@check
def pipelines_and_groups() -> None:
    assert (add.message(1, 2) | add.message(10)).run().get_result(block=True, timeout=PATIENCE) == 13
    group = dramatiq.group(add.message(number, 1) for number in range(10))
    group.add_completion_callback(finish.message())
    assert list(group.run().get_results(block=True, timeout=PATIENCE)) == list(range(1, 11))
    deadline = time.monotonic() + 60
    while not finished and time.monotonic() < deadline:
        time.sleep(0.01)
    assert finished == [1]


@check
def rate_limits() -> None:
    def acquired(limiter: object) -> bool:
        with limiter.acquire(raise_on_failure=False) as found:  # type: ignore[attr-defined]
            return bool(found)

    window = WindowRateLimiter(limits, "window", limit=2, window=1000)
    assert [acquired(window) for _ in range(3)] == [True, True, False]
    bucket = BucketRateLimiter(limits, "bucket", limit=2, bucket=1_000_000)
    assert [acquired(bucket) for _ in range(3)] == [True, True, False]
    one = ConcurrentRateLimiter(limits, "one", limit=1)
    with one.acquire(raise_on_failure=False) as first:
        assert first and not acquired(one)
    assert acquired(one)


@check
def barriers() -> None:
    barrier = Barrier(limits, "barrier", ttl=100_000)
    assert barrier.create(parties=3) is True and barrier.create(parties=3) is False
    assert [barrier.wait(block=False) for _ in range(3)] == [False, False, True]


@check
def nothing_is_left() -> None:
    broker.join(add.queue_name, timeout=PATIENCE)
    assert broker.do_qsize(add.queue_name) == 0
    assert client().zcard("dramatiq:__acks__.default") == 0
    assert client().info("commandstats")["cmdstat_evalsha"]["calls"] > 100


if __name__ == "__main__":
    worker = dramatiq.Worker(broker, worker_timeout=100, worker_threads=4)
    worker.start()
    try:
        report("dramatiq")
    finally:
        worker.stop()
