"""dramatiq at its work, in an environment that has it: prints as JSON what came out."""

from __future__ import annotations

import json
import os
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.rate_limits import ConcurrentRateLimiter, WindowRateLimiter
from dramatiq.rate_limits.backends import RedisBackend as Limits
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from dramatiq.results.errors import ResultFailure

URL = f"redis://127.0.0.1:{os.environ['REDIS_PORT']}"
PATIENCE = 60_000
broker = RedisBroker(url=URL, maintenance_chance=100_000)
broker.add_middleware(Results(backend=RedisBackend(url=URL)))
dramatiq.set_broker(broker)
tries: list[float] = []


@dramatiq.actor(store_results=True)
def add(one: int, other: int) -> int:
    return one + other


@dramatiq.actor(store_results=True, max_retries=3, min_backoff=100, max_backoff=200)
def stubborn() -> int:
    tries.append(time.monotonic())
    if len(tries) < 3:
        raise RuntimeError("not yet")
    return len(tries)


@dramatiq.actor(store_results=True, max_retries=0)
def fail() -> None:
    raise RuntimeError("on purpose")


def failure() -> str:
    try:
        fail.send().get_result(block=True, timeout=PATIENCE)
    except ResultFailure as error:
        return error.orig_exc_type
    return "none"


def limits() -> list[bool]:
    backend = Limits(url=URL)
    window = WindowRateLimiter(backend, "window", limit=2, window=60)
    found = []
    for _ in range(3):
        with window.acquire(raise_on_failure=False) as acquired:
            found.append(acquired)
    one = ConcurrentRateLimiter(backend, "one", limit=1)
    with one.acquire(raise_on_failure=False) as first, one.acquire(raise_on_failure=False) as second:
        found += [first, second]
    with one.acquire(raise_on_failure=False) as third:
        found.append(third)
    return found


def main() -> None:
    worker = dramatiq.Worker(broker, worker_timeout=100, worker_threads=4)
    worker.start()
    try:
        messages = [add.send(number, number) for number in range(50)]
        group = dramatiq.group(add.message(number, 1) for number in range(10))
        later = add.send_with_options(args=(1, 1), delay=500)
        found = {
            "added": [message.get_result(block=True, timeout=PATIENCE) for message in messages],
            "later": later.get_result(block=True, timeout=PATIENCE),
            "piped": (add.message(1, 2) | add.message(10)).run().get_result(block=True, timeout=PATIENCE),
            "group": list(group.run().get_results(block=True, timeout=PATIENCE)),
            "stubborn": stubborn.send().get_result(block=True, timeout=PATIENCE),
            "failure": failure(),
            "limits": limits(),
        }
        broker.join(add.queue_name, timeout=PATIENCE)
        found["left"] = broker.do_qsize(add.queue_name)
    finally:
        worker.stop()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
