"""rq: workers, the scheduler, dependencies, retries, registries, callbacks and repeated jobs."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from checks import PATIENCE, check, report, until
from place import FAKE, client, url
from rq import Callback, Queue, Retry, SimpleWorker, Worker
from rq.command import send_shutdown_command, send_stop_job_command
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry

logging.disable()
connection = client()


def add(one: int, other: int) -> int:
    return one + other


def fail() -> None:
    raise ValueError("on purpose")


def wait() -> None:
    client(1).blpop("never", timeout=PATIENCE)


def note(job: Job, connection: Any, result: Any, *rest: Any) -> None:
    connection.rpush("notes", f"{job.id}: {result}")


def queue_named(name: str) -> Queue:
    return Queue(name, connection=connection)


def work(*queues: Queue) -> None:
    """Executes the jobs of these queues in this process until none is left."""
    SimpleWorker(list(queues), connection=connection).work(burst=True)


def jobs() -> Any:
    """Returns this module under the name by which a worker looks functions up."""
    import rq_program

    return rq_program


@check
def workers() -> None:
    queue = queue_named("work")
    added = [queue.enqueue(jobs().add, number, number, job_id=f"add-{number}") for number in range(20)]
    first = queue.enqueue(jobs().add, 100, 1, at_front=True)
    assert len(queue) == 21 and queue.job_ids[0] == first.id
    work(queue)
    assert [job.return_value() for job in added] == list(range(0, 40, 2))
    assert added[0].get_status().value == "finished" and len(queue) == 0
    assert len(FinishedJobRegistry(queue=queue)) == 21
    assert Job.fetch("add-3", connection=connection).return_value() == 6
    assert 400 < connection.ttl("rq:job:add-3") <= 500


@check
def dependencies() -> None:
    queue = queue_named("dependent")
    first = queue.enqueue(jobs().add, 1, 1)
    second = queue.enqueue(jobs().add, 2, 2, depends_on=first)
    third = queue.enqueue(jobs().add, 3, 3, depends_on=[first, second])
    assert second.get_status().value == third.get_status().value == "deferred"
    work(queue)
    assert [job.return_value() for job in (first, second, third)] == [2, 4, 6]


@check
def failures_and_retries() -> None:
    queue = queue_named("failing")
    job = queue.enqueue(jobs().fail, retry=Retry(max=2))
    work(queue)
    assert job.get_status(refresh=True).value == "failed"
    registry = FailedJobRegistry(queue=queue)
    assert registry.get_job_ids() == [job.id]
    assert "on purpose" in str(job.latest_result().exc_string)
    registry.requeue(job.id)
    assert len(queue) == 1 and len(registry) == 0
    queue.empty()
    assert len(queue) == 0


@check
def priorities() -> None:
    high, low = queue_named("high"), queue_named("low")
    for number, queue in enumerate((low, high, low, high)):
        queue.enqueue(jobs().add, number, 0, on_success=Callback(jobs().note))
    work(high, low)
    assert [text.split(b": ")[1] for text in connection.lrange("notes", 0, -1)] == [b"1", b"3", b"0", b"2"]


@check
def many_at_once() -> None:
    queue = queue_named("many")
    prepared = [Queue.prepare_data(jobs().add, (number, 1)) for number in range(30)]
    with connection.pipeline() as pipe:
        found = queue.enqueue_many(prepared, pipeline=pipe)
        pipe.execute()
    work(queue)
    assert [job.return_value() for job in found] == list(range(1, 31))


@check
def scheduled_jobs() -> None:
    queue = queue_named("later")
    job = queue.enqueue_in(timedelta(seconds=100), jobs().add, 1, 1)
    registry = ScheduledJobRegistry(queue=queue)
    assert registry.get_job_ids() == [job.id] and len(queue) == 0
    assert registry.get_jobs_to_schedule() == []
    job.cancel()
    assert len(registry) == 0


if not FAKE:

    def with_worker(queue: str, act: Callable[[Worker], None], *options: str) -> None:
        """Does something while a worker of its own process executes the jobs of a queue."""
        command = [sys.executable, "-m", "rq.cli", "worker", queue, "--url", url(), *options]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: Worker.all(queue=queue_named(queue)))
            (worker,) = Worker.all(queue=queue_named(queue))
            act(worker)
            send_shutdown_command(connection, worker.name)
            assert process.wait(PATIENCE) == 0
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    @check
    def worker_processes_with_a_scheduler() -> None:
        def act(worker: Worker) -> None:
            queue = queue_named("process")
            later = queue.enqueue_in(timedelta(seconds=1), jobs().add, 1, 1)
            repeated = queue.enqueue(jobs().fail, retry=Retry(max=1, interval=1))
            stopped = queue.enqueue(jobs().wait)
            until(lambda: stopped.get_status(refresh=True).value == "started")
            until(lambda: worker.refresh() or worker.get_current_job_id() == stopped.id)
            send_stop_job_command(connection, stopped.id)
            until(lambda: stopped.get_status(refresh=True).value == "stopped")
            until(lambda: later.get_status(refresh=True).value == "finished")
            assert later.return_value() == 2
            until(lambda: repeated.get_status(refresh=True).value == "failed")

        with_worker("process", act, "--with-scheduler")


if __name__ == "__main__":
    report("rq")
