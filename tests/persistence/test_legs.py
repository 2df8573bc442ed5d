"""Legs: the work of a child in one process after the other, each of which copies only its share."""

from __future__ import annotations

import errno
import io
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.server import Server
from twisted_redis.persistence.legs import Legs, legs_for, private_dirty_bytes
from twisted_redis.persistence.saving import lowest_version, write_snapshot

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
MB = 1 << 20


def test_only_large_processes_need_legs() -> None:
    assert legs_for(50 * MB) is None
    assert legs_for(200 * MB) is not None


def test_result_comes_from_another_process() -> None:
    changed: list[int] = []

    def leg(first: int, second: int) -> Sequence[int]:
        changed.append(first)
        return first + second, int(os.getpid() != parent)

    parent = os.getpid()
    assert list(Legs(MB).run(leg, 2**40, 3)) == [2**40 + 3, 1]
    assert not changed


def test_a_leg_is_over_when_it_has_copied_its_share() -> None:
    held: list[bytes] = []

    def leg() -> Sequence[int]:
        while not legs.is_over():
            held.append(b"x" * 65536)
        return (len(held) * 65536,)

    legs = Legs(8 * MB)
    assert not legs.is_over()
    (size,) = legs.run(leg)
    # Other pages of this process count as well.
    assert 4 * MB < size < 9 * MB
    if os.path.exists("/proc/self/smaps_rollup"):
        assert 7 * MB < legs.peak < 16 * MB
        # The next one begins anew, and what the first one copied is free again.
        before = private_dirty_bytes()
        assert abs(size - legs.run(leg)[0]) < MB
        assert private_dirty_bytes() - before < MB


def test_failures_of_a_leg(monkeypatch: pytest.MonkeyPatch) -> None:
    forked: list[int] = []
    fork = os.fork

    def noted() -> int:
        forked.append(fork())
        return forked[-1]

    monkeypatch.setattr(os, "fork", noted)

    def full() -> Sequence[int]:
        raise OSError(errno.ENOSPC, "whatever")

    def wrong() -> Sequence[int]:
        raise ValueError("no such thing")

    def killed() -> Sequence[int]:
        os.kill(os.getpid(), signal.SIGKILL)
        return ()

    legs = Legs(MB)
    with pytest.raises(OSError, match="No space left") as failure:
        legs.run(full)
    assert failure.value.errno == errno.ENOSPC
    with pytest.raises(RuntimeError, match=r"ValueError\('no such thing'\)"):
        legs.run(wrong)
    with pytest.raises(ChildProcessError, match="was killed"):
        legs.run(killed)
    assert len(forked) == 3
    for pid in forked:
        # No process is left behind.
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_work_goes_on_without_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(os, "fork", refuse)
    assert list(Legs(MB).run(lambda: (os.getpid(), 7))) == [os.getpid(), 7]


def test_leg_ends_when_its_child_is_killed(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:

        def leg() -> Sequence[int]:
            os.write(writing, b"begun")
            while not legs.is_over():
                time.sleep(0.001)
            return ()

        try:
            os.close(reading)
            legs = Legs(1 << 40)
            legs.run(leg)
        finally:
            os._exit(0)
    os.close(writing)
    assert os.read(reading, 5) == b"begun"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    # The end of the file means that the leg is gone, too.
    assert os.read(reading, 5) == b""
    os.close(reading)


def filled() -> Server:
    server = Server()
    for number in range(2000):
        server("SET", f"key:{number}", b"x" * 200)
        server("RPUSH", f"list:{number}", *(f"element:{number}:{place}" for place in range(5)))
    for number in range(0, 2000, 3):
        server("DEL", f"key:{number}")
        server("PEXPIRE", f"list:{number}", 10**9 + number)
    server("SELECT", 3)
    server("SADD", "set", *"abc")
    return server


class Shared:
    """A file to which all legs can write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_CREAT | os.O_WRONLY)
        self.writers = path.with_suffix(".writers")

    def __call__(self, data: bytes) -> None:
        os.write(self.fd, data)
        with open(self.writers, "a") as file:
            file.write(f"{os.getpid()}\n")

    def close(self) -> bytes:
        os.close(self.fd)
        return self.path.read_bytes()


@pytest.mark.parametrize("checksum", [True, False])
def test_snapshot_is_the_same_with_legs(tmp_path: Path, checksum: bool) -> None:
    server = filled()
    databases = server.engine.databases
    whole = io.BytesIO()
    count = write_snapshot(whole.write, databases, aux={b"a": b"b"}, checksum=checksum)
    file = Shared(tmp_path / "legs.rdb")
    seen: list[int] = []
    # A budget that is used up at once: each block of keys has a leg of its own.
    legs = Legs(1)
    assert count == write_snapshot(
        file, databases, aux={b"a": b"b"}, checksum=checksum, legs=legs, progress=seen.append
    )
    assert file.close() == whole.getvalue()
    assert len(set(file.writers.read_text().split())) > 10
    assert seen == sorted(seen)
    assert seen[-1] == count == 2000 + 2000 - 667 + 1
    assert legs.peak > 0 or not os.path.exists("/proc/self/smaps_rollup")


def test_version_of_the_format_is_the_same_with_legs() -> None:
    server = filled()
    databases = server.engine.databases
    assert lowest_version(databases, Legs(1)) == lowest_version(databases)
    server("HSET", "hash", "field", "value")
    server("HPEXPIRE", "hash", 10**9, "FIELDS", 1, "field")
    assert lowest_version(databases, Legs(1)) == lowest_version(databases) == 12
