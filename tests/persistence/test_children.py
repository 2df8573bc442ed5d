"""Child processes: one at a time, without the server's resources."""

from __future__ import annotations

import errno
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.server import Server
from twisted_redis.datatypes.order import Order
from twisted_redis.persistence.children import Child, Children
from twisted_redis.persistence.persistence import Persistence
from twisted_redis.persistence.snapshots import RETRY_DELAY


def children_of(server: Server) -> Children:
    found = server.engine.persistence
    assert isinstance(found, Persistence)
    return found.children


def run(work: Callable[[Child], bool], keep: tuple[int, ...] = ()) -> tuple[int, int]:
    server = Server()
    children = children_of(server)
    ends: list[tuple[int, int]] = []
    children.fork("rdb", work, lambda code, number: ends.append((code, number)), keep=keep, program="child")
    wait(children)
    assert not Order.saving
    [end] = ends
    return end


def wait(children: Children) -> None:
    deadline = time.monotonic() + 90
    while children.pid:
        assert time.monotonic() < deadline
        time.sleep(0.002)
        children.poll()


def test_ends() -> None:
    assert run(lambda child: True) == (0, 0)
    assert run(lambda child: False) == (1, 0)
    assert run(lambda child: os.kill(os.getpid(), signal.SIGKILL) is not None) == (-1, signal.SIGKILL)


def test_descriptors_that_a_child_keeps() -> None:
    here, there = socket.socketpair()
    reading, writing = os.pipe()
    try:

        def closed(fd: int) -> bool:
            try:
                os.fstat(fd)
            except OSError:
                return True
            return False

        assert run(lambda child: closed(here.fileno()) and closed(reading) and closed(writing)) == (0, 0)
        assert run(lambda child: bool(os.write(writing, b"x")), keep=(writing,)) == (0, 0)
        assert os.read(reading, 10) == b"x"
        here.sendall(b"still open")
        assert there.recv(20) == b"still open"
    finally:
        here.close()
        there.close()
        os.close(reading)
        os.close(writing)


def test_one_at_a_time() -> None:
    server = Server()
    children = children_of(server)
    ended: list[int] = []
    freed: list[int] = []
    children.freed.append(lambda: freed.append(1))

    def sleep(child: Child) -> bool:
        time.sleep(100)
        return True

    children.fork("aof", sleep, lambda code, number: ended.append(number), program="child")
    assert Order.saving
    with pytest.raises(FileExistsError):
        children.fork("rdb", sleep, lambda code, number: None, program="child")
    children.kill()
    assert ended == [signal.SIGUSR1] and freed == [1] and not children.pid
    children.fork("aof", sleep, lambda code, number: ended.append(number), program="child")
    children.signal()
    wait(children)
    assert ended == [signal.SIGUSR1] * 2


def test_reports() -> None:
    server = Server()
    children = children_of(server)
    for number in range(10):
        server("SET", number, 1)

    def work(child: Child) -> bool:
        child.report(4)
        signal.pause()
        return True

    children.fork("rdb", work, lambda code, number: None, program="child")
    deadline = time.monotonic() + 90
    while not children.keys_processed:
        assert time.monotonic() < deadline
        children.poll()
    info = server("INFO", "persistence")
    assert isinstance(info, bytes)
    for line in (b"current_fork_perc:40.00", b"current_save_keys_processed:4", b"current_save_keys_total:10"):
        assert line in info
    assert b"current_cow_size:0\r" not in info
    children.kill()
    info = server("INFO", "persistence")
    assert isinstance(info, bytes) and b"current_cow_size:0\r" in info


def test_a_failed_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(os.listdir("/dev/fd"))
    for problem in (MemoryError(), RuntimeError("fork not supported"), BlockingIOError(errno.EAGAIN, "again")):
        server = Server(save=((3600, 1),))

        def fail(problem: Exception = problem) -> int:
            raise problem

        with monkeypatch.context() as patched:
            patched.setattr(os, "fork", fail)
            assert server("BGSAVE").startswith(b"ERR")
        assert b"rdb_last_bgsave_status:err" in server("INFO", "persistence")
        assert server("SET", "a", 1).startswith(b"MISCONF")
        assert not children_of(server).purpose and not Order.saving
        assert len(os.listdir("/dev/fd")) == before


def test_writes_go_on_after_a_failed_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(save=((1, 1),), dir=str(tmp_path))
    persistence = server.engine.persistence
    assert isinstance(persistence, Persistence)

    def fail() -> int:
        raise BlockingIOError(errno.EAGAIN, "again")

    server("SET", "a", 1)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fork", fail)
        server.advance(2)
        persistence.snapshots.cron(server.clock.seconds())
        assert server("SET", "a", 2).startswith(b"MISCONF")
    server.advance(RETRY_DELAY + 1)
    persistence.snapshots.cron(server.clock.seconds())
    wait(persistence.children)
    assert server("SET", "a", 3) == b"OK"


def test_other_code_waits_for_our_child() -> None:
    server = Server()
    children = children_of(server)
    for works in (True, False):
        ends: list[tuple[int, int]] = []
        pid = children.fork(
            "rdb", lambda child, works=works: works, lambda *end, ends=ends: ends.append(end), program="child"
        )
        os.waitpid(pid, 0)
        children.poll()
        assert ends == [(0, 0) if works else (1, 0)]
        assert not children.pid
    pid = children.fork("rdb", lambda child: True, lambda *end: ends.append(end), program="child")
    os.waitpid(pid, 0)
    children.signal()
    children.kill()
    assert ends[-1] == (-1, signal.SIGUSR1) and not children.pid
