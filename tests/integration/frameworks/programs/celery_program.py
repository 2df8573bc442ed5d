"""celery with broker and results in the server: a worker executes tasks, canvases, retries and delays."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from celery import Celery, Task, chord, group
from celery.exceptions import TaskRevokedError
from checks import PATIENCE, check, report, until
from place import client, raises, url

app = Celery("celery_program", broker=url(0), backend=url(1))
app.conf.update(broker_connection_retry_on_startup=True, result_extended=True, worker_prefetch_multiplier=1)


@app.task(name="add")
def add(one: int, other: int) -> int:
    return one + other


@app.task(name="total")
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task(name="fail")
def fail() -> None:
    raise ValueError("on purpose")


@app.task(name="stubborn", bind=True, max_retries=3)
def stubborn(task: Task) -> int:
    if task.request.retries < 2:
        raise task.retry(countdown=0.05)
    return int(task.request.retries)


@app.task(name="progress", bind=True)
def progress(task: Task) -> str:
    task.update_state(state="PROGRESS", meta={"done": 50})
    with client(2) as other:
        other.blpop("go on", timeout=PATIENCE)
    return "done"


def value(result: Any) -> Any:
    return result.get(timeout=2 * PATIENCE, interval=0.02)


@check
def tasks() -> None:
    assert [value(result) for result in [add.delay(number, number) for number in range(10)]] == list(range(0, 20, 2))
    result = add.apply_async((1, 2), priority=3, expires=100)
    assert value(result) == 3 and result.name == "add" and result.args == [1, 2]
    assert 80_000 < client(1).ttl(f"celery-task-meta-{result.id}") <= 86_400
    result.forget()
    assert not client(1).exists(f"celery-task-meta-{result.id}")


@check
def failures_and_retries() -> None:
    with raises(ValueError, "on purpose"):
        value(fail.delay())
    assert value(stubborn.delay()) == 2


@check
def canvases() -> None:
    assert value(group(add.s(number, number) for number in range(20))()) == list(range(0, 40, 2))
    assert value((add.s(1, 2) | add.s(10) | add.s(100))()) == 113
    assert value(add.chunks([(number, 1) for number in range(6)], 2).group()()) == [[1, 2], [3, 4], [5, 6]]


@check
def chords() -> None:
    assert value(chord((add.s(number, 1) for number in range(10)), total.s())()) == 55
    assert value((group(add.s(number, 1) for number in range(5)) | total.s() | add.s(100))()) == 115
    with raises(Exception, "on purpose"):
        value(chord([add.s(1, 1), fail.s()], total.s())())


@check
def delays() -> None:
    begin = time.time()
    assert value(add.apply_async((1, 1), countdown=0.5)) == 2
    assert time.time() - begin >= 0.5


@check
def states() -> None:
    result = progress.delay()
    until(lambda: result.state == "PROGRESS")
    assert result.info == {"done": 50}
    client(2).rpush("go on", 1)
    assert value(result) == "done" and result.state == "SUCCESS"


@check
def revocations() -> None:
    result = add.apply_async((1, 1), countdown=2)
    result.revoke()
    with raises(TaskRevokedError):
        value(result)


@check
def remote_control() -> None:
    assert [next(iter(answer.values())) for answer in app.control.ping(timeout=PATIENCE, limit=1)] == [{"ok": "pong"}]
    (registered,) = app.control.inspect(timeout=PATIENCE, limit=1).registered().values()
    assert "add" in registered


@check
def nothing_is_left() -> None:
    until(lambda: not client(0).exists("celery", "unacked"))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "wb") as log:
        # A worker of threads has everything but signals, and starts faster.
        options = ["--pool", "threads", "--concurrency", "4", "--without-mingle", "--loglevel", "WARNING"]
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "celery_program", "worker", *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "C_FORCE_ROOT": "1"},
        )
        try:
            report("celery")
        finally:
            worker.terminate()
            worker.wait(PATIENCE)
            sys.stderr.write((Path(folder) / "log").read_text())


if __name__ == "__main__":
    # Under this name, the worker knows the tasks.
    import celery_program

    celery_program.main()
