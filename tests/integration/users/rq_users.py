"""rq at its work, in an environment that has it: prints as JSON what came out."""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import timedelta
from multiprocessing import Process
from pathlib import Path

from redis import Redis
from rq import Queue, Retry, SimpleWorker
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry

sys.path.insert(0, str(Path(__file__).parent))


def add(one: int, other: int) -> int:
    return one + other


def fail() -> None:
    raise ValueError("on purpose")


def work(port: int) -> None:
    logging.disable()
    connection = Redis(port=port)
    SimpleWorker([Queue("work", connection=connection)], connection=connection).work(with_scheduler=True)


def wait(jobs: list[Job], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not all(job.get_status().value in ("finished", "failed") for job in jobs):
        time.sleep(0.05)


def main(port: int) -> None:
    import rq_users as jobs  # the worker looks functions up by the name of their module

    connection = Redis(port=port)
    queue = Queue("work", connection=connection)
    worker = Process(target=work, args=(port,))
    worker.start()
    try:
        added = [queue.enqueue(jobs.add, number, number) for number in range(20)]
        behind = queue.enqueue(jobs.add, 100, 1, depends_on=added[-1])
        later = queue.enqueue_in(timedelta(seconds=1), jobs.add, 1, 1)
        scheduled = len(ScheduledJobRegistry(queue=queue))
        failing = queue.enqueue(jobs.fail, retry=Retry(max=1))
        wait([*added, behind, later, failing])
        found = {
            "added": [job.return_value() for job in added],
            "behind": behind.return_value(),
            "scheduled": scheduled,
            "later": later.return_value(),
            "failing": failing.get_status().value,
            "failed": FailedJobRegistry(queue=queue).get_job_ids() == [failing.id],
            "finished": len(FinishedJobRegistry(queue=queue)),
            "left": len(queue),
        }
    finally:
        worker.terminate()
        worker.join(60)
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
