"""arq: workers, results, delays, retries, cron jobs, unique jobs and aborted jobs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from arq import ArqRedis, Retry, Worker, cron, func
from arq.connections import RedisSettings, create_pool
from arq.jobs import Job, JobStatus
from checks import GIVEN, PATIENCE, check, report_async
from place import FAKE, async_arguments, raises

logging.disable()


async def add(ctx: dict[str, Any], one: int, other: int) -> int:
    return one + other


async def fail(ctx: dict[str, Any]) -> None:
    raise ValueError("on purpose")


async def stubborn(ctx: dict[str, Any]) -> int:
    if ctx["job_try"] < 3:
        raise Retry(defer=0.01)
    return int(ctx["job_try"])


async def forever(ctx: dict[str, Any]) -> None:
    await asyncio.sleep(10 * PATIENCE)


async def connected() -> ArqRedis:
    if FAKE:
        from redis.asyncio import ConnectionPool

        arq = ArqRedis(ConnectionPool(**async_arguments()))
    else:
        arq = await create_pool(RedisSettings(port=GIVEN["port"]))
    await arq.flushdb()
    return arq


def worker_for(arq: ArqRedis, *functions: Callable[..., Any], burst: bool = True, **options: Any) -> Worker:
    return Worker(
        functions=functions or (add, fail, stubborn),
        redis_pool=arq,
        burst=burst,
        poll_delay=0.01,
        handle_signals=False,
        **options,
    )


async def enqueued(arq: ArqRedis, *arguments: Any, **options: Any) -> Job:
    job = await arq.enqueue_job(*arguments, **options)
    assert job is not None
    return job


async def value(job: Job) -> Any:
    return await job.result(timeout=PATIENCE, poll_delay=0.01)


@check
async def results() -> None:
    arq = await connected()
    jobs = [await enqueued(arq, "add", number, number) for number in range(20)]
    assert await jobs[0].status() == JobStatus.queued and len(await arq.queued_jobs()) == 20
    worker = worker_for(arq)
    await worker.main()
    assert [await value(job) for job in jobs] == list(range(0, 40, 2))
    assert await jobs[0].status() == JobStatus.complete and worker.jobs_complete == 20
    info = await jobs[3].result_info()
    assert info is not None and info.args == (3, 3) and info.success
    assert len(await arq.all_job_results()) == 20
    assert 3500 < await arq.ttl(f"arq:result:{jobs[0].job_id}") <= 3600
    await arq.aclose()


@check
async def failures_and_retries() -> None:
    arq = await connected()
    failing, again = await enqueued(arq, "fail"), await enqueued(arq, "stubborn")
    await worker_for(arq).main()
    with raises(ValueError, "on purpose"):
        await value(failing)
    assert await value(again) == 3
    await arq.aclose()


@check
async def delays() -> None:
    arq = await connected()
    job = await enqueued(arq, "add", 1, 1, _defer_by=timedelta(seconds=0.2))
    far = await enqueued(arq, "add", 1, 1, _defer_by=1000)
    assert await job.status() == JobStatus.deferred
    worker = worker_for(arq, burst=False)
    running = asyncio.ensure_future(worker.main())
    assert await value(job) == 2 and await far.status() == JobStatus.deferred
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await arq.aclose()


@check
async def unique_jobs() -> None:
    arq = await connected()
    first = await arq.enqueue_job("add", 1, 1, _job_id="one")
    assert first is not None and await arq.enqueue_job("add", 2, 2, _job_id="one") is None
    await worker_for(arq, func(add, name="add", keep_result=0)).main()
    assert await first.status() == JobStatus.not_found
    assert await arq.enqueue_job("add", 2, 2, _job_id="one") is not None
    await arq.aclose()


@check
async def cron_jobs() -> None:
    arq = await connected()
    ran = asyncio.Event()

    async def tick(ctx: dict[str, Any]) -> None:
        ran.set()

    job = cron(tick, run_at_startup=True, second={30})
    worker = Worker(cron_jobs=[job], redis_pool=arq, poll_delay=0.01, handle_signals=False)
    running = asyncio.ensure_future(worker.main())
    await asyncio.wait_for(ran.wait(), PATIENCE)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await arq.aclose()


@check
async def aborted_jobs() -> None:
    arq = await connected()
    job = await enqueued(arq, "forever")
    worker = worker_for(arq, forever, burst=False, allow_abort_jobs=True)
    running = asyncio.ensure_future(worker.main())
    while await job.status() != JobStatus.in_progress:
        await asyncio.sleep(0.01)
    assert await job.abort(timeout=PATIENCE, poll_delay=0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await arq.aclose()


@check
async def health_checks() -> None:
    arq = await connected()
    await enqueued(arq, "add", 1, 1)
    worker = worker_for(arq, health_check_interval=1)
    await worker.main()
    text = await arq.get("arq:queue:health-check")
    assert text is None or b"j_complete=" in text
    assert await arq.zcard("arq:queue") == 0
    await arq.aclose()


if __name__ == "__main__":
    asyncio.run(report_async("arq"))
