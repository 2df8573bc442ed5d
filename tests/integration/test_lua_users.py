"""The parts of redis-py that rely on Lua scripts. Task queues have tests of their own, in frameworks/."""

from __future__ import annotations

import threading
import time

import pytest
import redis
from redis.exceptions import LockError, LockNotOwnedError, NoScriptError

from tests.integration.process import PATIENCE, Server

pytest.importorskip("lupa", reason="needs the extra lua")


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
