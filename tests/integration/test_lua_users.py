"""Libraries that rely on Lua scripts, installed from their own packages. Each does its main job."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.exceptions import LockError, LockNotOwnedError, NoScriptError

from tests.integration.packages import python_with
from tests.integration.process import PATIENCE, Server

pytest.importorskip("lupa", reason="needs the extra lua")

USERS = Path(__file__).parent / "users"


def report(command: list[str], server: Server, **variables: str) -> dict[str, Any]:
    """Returns the last line that a program in ``users`` prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command,
        cwd=USERS,
        env={**kept, "REDIS_PORT": str(server.port), "PYTHONDONTWRITEBYTECODE": "1", **variables},
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


# redis-py


def test_lock(client: redis.Redis) -> None:
    lock = client.lock("door", timeout=PATIENCE, blocking=False)
    other = client.lock("door", timeout=PATIENCE, blocking=False)
    assert lock.acquire()
    assert not other.acquire()
    assert lock.owned() and lock.locked()
    assert lock.extend(PATIENCE)
    assert client.pttl("door") > PATIENCE * 1000
    assert lock.reacquire()
    assert 0 < client.pttl("door") <= PATIENCE * 1000
    client.set("door", "somebody else")
    with pytest.raises(LockNotOwnedError):
        lock.release()
    client.delete("door")
    with lock:
        assert client.exists("door")
    assert not client.exists("door")
    with pytest.raises(LockError):
        lock.release()


def test_lock_under_contention(shared_server: Server, client: redis.Redis) -> None:
    client.set("counter", 0)

    def count() -> None:
        with redis.Redis(port=shared_server.port) as own:
            for _ in range(10):
                with own.lock("door", timeout=PATIENCE, sleep=0.002):
                    value = int(own.get("counter"))
                    time.sleep(0.001)
                    own.set("counter", value + 1)

    threads = [threading.Thread(target=count) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert client.get("counter") == b"50"


def test_register_script(client: redis.Redis) -> None:
    script = client.register_script("return {KEYS[1], redis.call('INCRBY', KEYS[1], ARGV[1])}")
    client.script_flush()
    with pytest.raises(NoScriptError):
        client.evalsha(script.sha, 1, "n", 1)
    assert script(keys=["n"], args=[5]) == [b"n", 5]
    assert client.script_exists(script.sha) == [True]
    client.script_flush()
    with client.pipeline() as pipe:
        pipe.set("n", 10)
        script(keys=["n"], args=[1], client=pipe)
        pipe.get("n")
        assert pipe.execute() == [True, [b"n", 11], b"11"]


# task queues


def test_rq(shared_server: Server, client: redis.Redis) -> None:
    found = report([str(python_with("rq")), "rq_users.py", str(shared_server.port)], shared_server)
    assert found == {
        "added": [2 * number for number in range(20)],
        "behind": 101,
        "scheduled": 1,
        "later": 2,
        "failing": "failed",
        "failed": True,
        "finished": 22,
        "left": 0,
    }


def test_celery(shared_server: Server, client: redis.Redis) -> None:
    python = python_with("celery[redis]")
    assert report([str(python), "-m", "celery_users"], shared_server) == {
        "added": 5,
        "later": 2,
        "group": [2 * number for number in range(30)],
        "chain": 13,
        "chord": 55,
        "stubborn": 2,
        "failure": "on purpose",
        "pong": [{"ok": "pong"}],
        "revoked": "TaskRevokedError",
    }


def test_dramatiq(shared_server: Server, client: redis.Redis) -> None:
    python = python_with("dramatiq[redis]")
    assert report([str(python), "-m", "dramatiq_users"], shared_server) == {
        "added": [2 * number for number in range(50)],
        "later": 2,
        "piped": 13,
        "group": list(range(1, 11)),
        "stubborn": 3,
        "failure": "RuntimeError",
        "limits": [True, True, False, True, False, True],
        "left": 0,
    }
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] > 100
