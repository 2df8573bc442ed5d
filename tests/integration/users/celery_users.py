"""celery at its work, in an environment that has it: prints as JSON what came out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from celery import Celery, Task, chord, group

URL = f"redis://127.0.0.1:{os.environ['REDIS_PORT']}"
app = Celery("celery_users", broker=f"{URL}/0", backend=f"{URL}/1")
app.conf.broker_connection_retry_on_startup = True
PATIENCE = 60


@app.task
def add(one: int, other: int) -> int:
    return one + other


@app.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task
def fail() -> None:
    raise ValueError("on purpose")


@app.task(bind=True, max_retries=3)
def stubborn(task: Task) -> int:
    if task.request.retries < 2:
        raise task.retry(countdown=0.1)
    return int(task.request.retries)


def failure() -> str:
    try:
        fail.delay().get(timeout=PATIENCE)
    except ValueError as error:
        return str(error)
    return "none"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "celery", "-A", "celery_users", "worker", "--concurrency", "2"]
        with open(Path(folder) / "log", "wb") as log:
            worker = subprocess.Popen(
                [*command, "--loglevel", "WARNING"],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "C_FORCE_ROOT": "1"},
            )
        try:
            from celery_users import add, stubborn, total  # by the name that the worker knows the module by

            found = {
                "added": add.delay(2, 3).get(timeout=PATIENCE),
                "later": add.apply_async((1, 1), countdown=0.5).get(timeout=PATIENCE),
                "group": group(add.s(number, number) for number in range(30))().get(timeout=PATIENCE),
                "chain": (add.s(1, 2) | add.s(10))().get(timeout=PATIENCE),
                "chord": chord((add.s(number, 1) for number in range(10)), total.s())().get(timeout=PATIENCE),
                "stubborn": stubborn.delay().get(timeout=PATIENCE),
                "failure": failure(),
                "pong": [next(iter(answer.values())) for answer in app.control.ping(timeout=PATIENCE, limit=1)],
                "revoked": revoked(),
            }
        except BaseException:
            sys.stderr.write((Path(folder) / "log").read_text())
            raise
        finally:
            worker.terminate()
            worker.wait(PATIENCE)
        print(json.dumps(found))


def revoked() -> str:
    from celery_users import add

    result = add.apply_async((1, 1), countdown=2)
    result.revoke()
    try:
        result.get(timeout=PATIENCE)
    except Exception as error:
        return type(error).__name__
    return "run"


if __name__ == "__main__":
    main()
