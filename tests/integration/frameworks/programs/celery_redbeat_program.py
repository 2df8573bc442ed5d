"""celery-redbeat: a schedule in the server, which sends its tasks to a queue."""

from __future__ import annotations

from types import SimpleNamespace

from celery import Celery
from celery.schedules import schedule
from checks import check, report
from place import client, raises, url
from redbeat import RedBeatScheduler, RedBeatSchedulerEntry
from redbeat.schedulers import acquire_distributed_beat_lock

app = Celery("celery_redbeat_program", broker=url(0))
app.conf.update(redbeat_redis_url=url(1), beat_max_loop_interval=1, redbeat_lock_timeout=100)


@app.task(name="tick")
def tick() -> None:
    pass


@check
def schedules() -> None:
    entry = RedBeatSchedulerEntry("every hour", "tick", schedule(3600), args=["x"], app=app)
    entry.save()
    raw = client(1)
    assert raw.exists("redbeat:every hour") and raw.zcard("redbeat::schedule") == 1
    found = RedBeatSchedulerEntry.from_key("redbeat:every hour", app=app)
    assert found.task == "tick" and found.schedule == schedule(3600)
    found.delete()
    assert not raw.exists("redbeat:every hour")
    with raises(KeyError):
        RedBeatSchedulerEntry.from_key("redbeat:every hour", app=app)


@check
def due_tasks() -> None:
    RedBeatSchedulerEntry("now", "tick", schedule(0), app=app).save()
    scheduler = RedBeatScheduler(app=app)
    assert len(scheduler.schedule) == 1
    # The first scheduler takes the lock, and no other sends tasks meanwhile.
    acquire_distributed_beat_lock(SimpleNamespace(scheduler=scheduler))
    assert client(1).ttl("redbeat::lock") > 50
    scheduler.tick()
    assert client(0).llen("celery") >= 1
    assert RedBeatSchedulerEntry.from_key("redbeat:now", app=app).total_run_count >= 1


if __name__ == "__main__":
    report("celery-redbeat")
