"""The thread that syncs: refusals by the system, and recovery afterwards."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.persistence.aof.conftest import aof_of
from tests.support.server import Server
from twisted_redis.persistence.aof import sync as sync_module
from twisted_redis.persistence.aof.sync import Syncer

REFUSED = [RuntimeError("can't start new thread"), MemoryError()]


class Threads:
    """Refuses threads while ``refusal`` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refusal: BaseException | None = None
        self._start = threading.Thread.start
        monkeypatch.setattr(threading.Thread, "start", lambda thread: self.start(thread))

    def start(self, thread: threading.Thread) -> None:
        if self.refusal is not None:
            raise self.refusal
        self._start(thread)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    return Threads(monkeypatch)


class Calls:
    """The calls that the thread passes to the server's thread."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def __call__(self, function: Callable[[], None]) -> None:
        self._queue.put(function)

    def make(self) -> None:
        """Waits for the next call and makes it."""
        self._queue.get(timeout=60)()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The calls of servers whose scheduler accepts calls from threads."""
    found = Calls()
    monkeypatch.setattr(Clock, "callFromThread", lambda self, function: found(function), raising=False)
    return found


@pytest.fixture
def syncer(calls: Calls) -> Iterator[Syncer]:
    made = Syncer(calls, lambda level, text: None, lambda: None)
    yield made
    made.stop()


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    found = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    yield found
    try:
        os.close(found)
    except OSError:
        pass


@pytest.mark.parametrize("refusal", REFUSED, ids=["limit", "memory"])
def test_a_thread_that_does_not_start(
    serve: Callable[..., Server], threads: Threads, calls: Calls, refusal: BaseException
) -> None:
    server = serve(appendfsync="everysec")
    aof = aof_of(server)
    server.advance(1)
    threads.refusal = refusal
    assert server("SET", "a", 1) == b"OK"
    assert aof.syncer.pending == 0 and not aof.writer.everything_synced
    error = b"MISCONF Errors writing to the AOF file: " + os.strerror(errno.EAGAIN).encode()
    assert server("SET", "a", 2) == error
    assert server("PING") == error
    assert server("GET", "a") == b"1"
    assert b"aof_last_write_status:err" in server("INFO", "persistence")
    # The periodic work alone is enough to recover.
    threads.refusal = None
    server.advance(0.5)
    aof.cron(server.clock.seconds())
    assert aof.syncer.pending == 0
    server.advance(0.5)
    assert aof.busy
    aof.cron(server.clock.seconds())
    assert aof.syncer.pending == 1
    calls.make()
    assert aof.writer.everything_synced
    assert server("SET", "a", 3) == b"OK"
    assert b"aof_last_write_status:ok" in server("INFO", "persistence")
    aof.syncer.stop()


def test_always_needs_no_thread(serve: Callable[..., Server], threads: Threads, calls: Calls) -> None:
    server = serve(appendfsync="everysec")
    aof = aof_of(server)
    server.advance(1)
    threads.refusal = RuntimeError("can't start new thread")
    server("SET", "a", 1)
    assert server("CONFIG", "SET", "appendfsync", "always") == b"OK"
    aof.cron(server.clock.seconds())
    assert aof.writer.everything_synced
    assert server("SET", "a", 2) == b"OK"


def test_files_are_closed_without_a_thread(syncer: Syncer, threads: Threads, fd: int, tmp_path: Path) -> None:
    threads.refusal = RuntimeError("can't start new thread")
    syncer.sync_and_close(fd, 7)
    with pytest.raises(OSError):
        os.fstat(fd)
    assert (syncer.offset, syncer.error) == (7, 0)
    (tmp_path / "old").write_bytes(b"x")
    before = len(os.listdir("/dev/fd"))
    syncer.unlink(str(tmp_path / "old"))
    assert not (tmp_path / "old").exists() and len(os.listdir("/dev/fd")) == before
    syncer.drain()
    syncer.stop()


def test_a_thread_that_has_no_memory(syncer: Syncer, calls: Calls, fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int) -> Any:
        raise MemoryError

    monkeypatch.setattr(sync_module, "sync_data", fail)
    assert syncer.sync(fd, 1)
    syncer.drain()
    calls.make()
    assert (syncer.pending, syncer.error, syncer.offset) == (0, errno.EIO, 0)
    monkeypatch.undo()
    assert syncer.sync(fd, 2)
    calls.make()
    assert (syncer.pending, syncer.error, syncer.offset) == (0, 0, 2)


def test_calls_without_a_thread(calls: Calls, fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(SimpleQueue[Any]):
        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            if item is not None:
                raise MemoryError
            super().put(item, block, timeout)

    monkeypatch.setattr(sync_module, "SimpleQueue", Full)
    syncer = Syncer(calls, lambda level, text: None, lambda: None)
    with pytest.raises(MemoryError):
        syncer.sync(fd, 1)
    assert syncer.pending == 0
    syncer.drain()
    syncer.stop()
