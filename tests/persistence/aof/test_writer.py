"""The bytes that are written to the file, and the moments at which they are."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.persistence.aof.conftest import Died, aof_of
from tests.support.server import Server, encode
from twisted_redis.engine.propagation import AOF, REPLICAS, Effect
from twisted_redis.persistence.aof import writer as writer_module

INCREMENT = Path("appendonlydir/appendonly.aof.1.incr.aof")
SELECT_0 = encode("SELECT", 0)


@pytest.fixture
def content(tmp_path: Path) -> Callable[[], bytes]:
    return lambda: (tmp_path / INCREMENT).read_bytes()


def test_nothing_before_the_first_write(serve: Callable[..., Server], content: Callable[[], bytes]) -> None:
    server = serve()
    assert content() == b""
    server("GET", "a")
    assert content() == b""
    server("SET", "a", "b")
    assert content() == SELECT_0 + encode("SET", "a", "b")


def test_databases_and_transactions(serve: Callable[..., Server], content: Callable[[], bytes]) -> None:
    server = serve()
    server("SELECT", 3)
    server("SADD", "s", "a", "b")
    server("MULTI")
    server("SET", "a", 1)
    server("SELECT", 4)
    server("SET", "b", 2)
    server("EXEC")
    server("SPOP", "s")
    assert content() == b"".join(
        [
            encode("SELECT", 3),
            encode("SADD", "s", "a", "b"),
            encode("MULTI"),
            encode("SET", "a", 1),
            encode("SELECT", 4),
            encode("SET", "b", 2),
            encode("EXEC"),
        ]
    )


def test_effects_for_other_sinks(serve: Callable[..., Server], content: Callable[[], bytes]) -> None:
    server = serve()
    server.engine.turns.begin()
    aof_of(server).writer.feed([[Effect(0, [b"PUBLISH", b"a", b"b"], REPLICAS)]])
    aof_of(server).writer.feed([[Effect(0, [b"SET", b"a", b"b"], AOF)]])
    server.engine.turns.end()
    assert content() == SELECT_0 + encode("SET", "a", "b")


def test_without_replicas_the_offset_counts_the_commands_of_the_file(serve: Callable[..., Server]) -> None:
    server = serve()
    offset = server.engine.replication.offset
    counted = []
    for line in ("SELECT 3", "SET a 1", "PUBLISH c m", "MULTI", "SET a 1", "SET b 1", "PUBLISH c m", "EXEC"):
        server(*line.split())
        counted.append(server.engine.replication.offset - offset)
    assert counted == [0, 1, 1, 1, 1, 1, 1, 5]


def test_notes_of_the_time(serve: Callable[..., Server], content: Callable[[], bytes]) -> None:
    server = serve(aof_timestamp_enabled=True)
    server("SET", "a", 1)
    server("SET", "a", 2)
    server.advance(2)
    server("SET", "a", 3)
    assert content() == b"".join(
        [
            b"#TS:1700000000\r\n" + SELECT_0,
            encode("SET", "a", 1) + encode("SET", "a", 2),
            b"#TS:1700000002\r\n" + encode("SET", "a", 3),
        ]
    )


class Disk:
    """Counts syncs, and fails on demand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.syncs = 0
        self.room: int | None = None
        self.broken = False
        self._write = os.write
        monkeypatch.setattr(writer_module, "sync_data", self.sync)
        monkeypatch.setattr("twisted_redis.persistence.aof.sync.sync_data", self.sync)
        monkeypatch.setattr(writer_module.os, "write", self.write)

    def sync(self, fd: int) -> None:
        self.syncs += 1
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def write(self, fd: int, data: Any) -> int:
        if self.room is None:
            return self._write(fd, data)
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = self._write(fd, bytes(data)[: self.room])
        self.room -= done
        return done


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_always_syncs_once_for_a_turn(serve: Callable[..., Server], disk: Disk) -> None:
    server = serve(appendfsync="always")
    first, second = server.connect(), server.connect()
    before = disk.syncs
    server.engine.turns.begin()
    first.protocol.dataReceived(encode("SET", "a", 1) * 3)
    second.protocol.dataReceived(encode("SET", "b", 1))
    assert disk.syncs == before
    assert first.read() == second.read() == b""
    server.engine.turns.end()
    assert disk.syncs == before + 1
    assert first.read() == b"+OK\r\n" * 3
    assert second.read() == b"+OK\r\n"
    second("GET", "a")
    assert disk.syncs == before + 1


def test_everysec_syncs_once_a_second(serve: Callable[..., Server], disk: Disk) -> None:
    server = serve(appendfsync="everysec")
    aof = aof_of(server)
    server.advance(1)
    before = disk.syncs
    server("SET", "a", 1)
    server("SET", "a", 2)
    assert disk.syncs == before + 1
    server.advance(0.5)
    aof.cron(server.clock.seconds())
    assert disk.syncs == before + 1
    assert not aof.writer.everything_synced
    server.advance(0.5)
    aof.cron(server.clock.seconds())
    assert disk.syncs == before + 2
    assert aof.writer.everything_synced


def test_everysec_waits_for_a_slow_sync(serve: Callable[..., Server], content: Callable[[], bytes], disk: Disk) -> None:
    server = serve(appendfsync="everysec")
    aof = aof_of(server)
    aof.syncer.pending = 1
    server("SET", "a", 1)
    assert content() == b""
    server.advance(1.9)
    server("SET", "a", 2)
    assert content() == b""
    assert b"aof_buffer_length:0\r\n" not in server("INFO", "persistence")
    server.advance(0.2)
    aof.cron(server.clock.seconds())
    assert content() == SELECT_0 + encode("SET", "a", 1) + encode("SET", "a", 2)
    assert aof.writer.delayed == 1


def test_memory_counts_the_buffer_once(serve: Callable[..., Server]) -> None:
    server = serve(appendfsync="everysec")
    used = server.engine.usage.not_counted()
    aof_of(server).syncer.pending = 1
    server("SET", "a", "x" * 1000)
    buffered = aof_of(server).writer.buffered
    assert buffered > 1000
    assert server.engine.usage.not_counted() - used == buffered
    info = server("INFO", "memory")
    assert b"mem_aof_buffer:%d\r\n" % buffered in info
    assert b"mem_not_counted_for_evict:%d\r\n" % (used + buffered) in info


def test_no_leaves_it_to_the_system(serve: Callable[..., Server], disk: Disk) -> None:
    server = serve(appendfsync="no")
    before = disk.syncs
    server("SET", "a", 1)
    server.advance(10)
    aof_of(server).cron(server.clock.seconds())
    assert disk.syncs == before


def test_a_full_disk(serve: Callable[..., Server], content: Callable[[], bytes], disk: Disk) -> None:
    server = serve()
    aof = aof_of(server)
    server("SET", "a", 1)
    before = content()
    disk.room = 10
    assert server("SET", "a", 2) == b"OK"
    assert content() == before
    for name in ("SET", "PING"):
        error = server(name, "a", "b") if name == "SET" else server(name)
        assert error == b"MISCONF Errors writing to the AOF file: No space left on device"
    assert server("GET", "a") == b"2"
    connection = server.connect()
    assert connection("PING").startswith(b"-MISCONF")
    assert connection("SET", "a", 5).startswith(b"-MISCONF")
    assert b"aof_last_write_status:err" in server("INFO", "persistence")
    server("CONFIG", "SET", "min-replicas-to-write", 1)
    assert connection("SET", "a", 5).startswith(b"-MISCONF")
    server("CONFIG", "SET", "min-replicas-to-write", 0)
    disk.room = None
    server.advance(1)
    aof.cron(server.clock.seconds())
    assert content() == before + encode("SET", "a", 2)
    assert connection("SET", "a", 5) == b"+OK\r\n"
    assert connection("PING") == b"+PONG\r\n"
    texts = [text for level, text in server.logged if level != "debug"]
    assert any(text.startswith("Short write while writing to the AOF file: (nwritten=10, ") for text in texts)
    assert "AOF write error looks solved, Redis can write again." in texts


def test_a_full_disk_with_always_ends_the_server(serve: Callable[..., Server], disk: Disk) -> None:
    server = serve(appendfsync="always")
    disk.room = 5
    with pytest.raises(Died):
        server("SET", "a", 1)


def test_a_failing_sync(serve: Callable[..., Server], disk: Disk) -> None:
    server = serve(appendfsync="everysec")
    server.advance(1)
    disk.broken = True
    server("SET", "a", 1)
    assert server("SET", "a", 2) == b"MISCONF Errors writing to the AOF file: Input/output error"
    disk.broken = False
    aof = aof_of(server)
    aof.syncer.sync(aof.writer.fd, 0)
    assert server("SET", "a", 2) == b"OK"
    server.config.appendfsync = "always"
    disk.broken = True
    with pytest.raises(Died):
        server("SET", "a", 3)


def test_no_sync_while_a_child_writes(serve: Callable[..., Server], disk: Disk) -> None:
    server = serve(appendfsync="always", no_appendfsync_on_rewrite=True)
    aof_of(server).children.purpose = "rdb"
    before = disk.syncs
    server("SET", "a", 1)
    assert disk.syncs == before
    aof_of(server).children.purpose = ""
    server("SET", "a", 1)
    assert disk.syncs == before + 1


def test_effects_that_cannot_be_encoded_are_written_later(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(appendfsync="no")
    server.engine.log = lambda level, text: server.logged.append((level, text))

    def hungry(argv: list[bytes]) -> bytes:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("twisted_redis.engine.effect_encoder.pack_command", hungry)
        assert server("SET", "a", 1) == b"OK"
    refusal = b"MISCONF Errors writing to the AOF file: Cannot allocate memory"
    assert server("SET", "b", 1) == refusal
    assert server("GET", "a") == b"1"
    server.clock.advance(10)
    aof_of(server).cron(server.clock.seconds())
    assert server("SET", "b", 2) == b"OK"
    written = (Path(server.config.dir) / "appendonlydir" / "appendonly.aof.1.incr.aof").read_bytes()
    assert written.count(b"SET") == 2 and b"$1\r\n1\r\n" in written and b"$1\r\n2\r\n" in written


def test_a_write_that_the_file_lacks_is_brought_in_by_a_rewrite(serve: Callable[..., Server]) -> None:
    server = serve(appendfsync="no")
    server.engine.log = lambda level, text: server.logged.append((level, text))
    aof = aof_of(server)

    def hungry(effects: object) -> None:
        raise MemoryError

    feed, aof.writer.feed = aof.writer.feed, hungry
    assert server("SET", "a", 1) == b"OK"
    aof.writer.feed = feed
    assert aof.rewriter.scheduled
    assert server("SET", "b", 1).startswith(b"MISCONF")


def test_with_always_a_write_that_the_file_lacks_ends_the_server(serve: Callable[..., Server]) -> None:
    server = serve(appendfsync="always")
    server.engine.log = lambda level, text: server.logged.append((level, text))

    def hungry(effects: object) -> None:
        raise MemoryError

    aof_of(server).writer.feed = hungry
    with pytest.raises(Died):
        server("SET", "a", 1)
