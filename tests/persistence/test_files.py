"""The server creates its files anew, whatever is in their place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.persistence.aof.conftest import aof_of, serve
from tests.replication.masters import Following, handshake, snapshot_of
from tests.support.server import Server
from twisted_redis.persistence.files import FileWriter, open_new, write_atomically

__all__ = ["serve"]

KEPT = b"somebody else's"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A file that belongs to someone else."""
    path = tmp_path / "other"
    path.write_bytes(KEPT)
    return path


def test_leftovers_and_links_are_replaced(tmp_path: Path, other: Path) -> None:
    path = tmp_path / "new"
    for put in (lambda: path.symlink_to(other), lambda: path.hardlink_to(other), lambda: path.write_bytes(b"old")):
        put()
        fd = open_new(str(path))
        os.write(fd, b"ours")
        os.close(fd)
        assert path.read_bytes() == b"ours" and other.read_bytes() == KEPT
        path.unlink()
    path.mkdir()
    with pytest.raises(FileExistsError):
        open_new(str(path))


def test_a_link_in_place_of_the_temporary_file(tmp_path: Path, other: Path) -> None:
    (tmp_path / "temp").symlink_to(other)
    write_atomically(str(tmp_path / "file"), str(tmp_path / "temp"), lambda write: write(b"data"))
    assert (tmp_path / "file").read_bytes() == b"data" and not (tmp_path / "file").is_symlink()
    assert other.read_bytes() == KEPT


def test_save(tmp_path: Path, other: Path) -> None:
    (tmp_path / f"temp-{os.getpid()}.rdb").symlink_to(other)
    server = Server(dir=str(tmp_path))
    assert server("SAVE") == b"OK"
    assert (tmp_path / "dump.rdb").read_bytes().startswith(b"REDIS")
    assert other.read_bytes() == KEPT


def test_append_only_file(serve: Callable[..., Server], tmp_path: Path, other: Path) -> None:
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    (folder / "temp-appendonly.aof.manifest").symlink_to(other)
    (folder / "appendonly.aof.2.incr.aof").symlink_to(other)
    (tmp_path / f"temp-rewriteaof-{os.getpid()}.aof").symlink_to(other)
    server = serve()
    server("SET", "a", 1)
    server("BGREWRITEAOF")
    server("SET", "a", 2)
    assert (folder / "appendonly.aof.2.incr.aof").read_bytes()
    aof_of(server).rewriter.kill()
    assert other.read_bytes() == KEPT


def test_the_snapshot_of_a_master(tmp_path: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    inner = tmp_path / "inner"
    inner.mkdir()
    following = Following(dir=str(inner), repl_diskless_load="disabled")
    source = Server()
    source("SET", "a", 1)
    data = snapshot_of(source)
    connection = following.open()
    seconds = int(following.server.engine.time.wall())
    (inner / f"temp-{seconds}.{os.getpid()}.rdb").symlink_to(other)
    connection.send(handshake(b"+FULLRESYNC %b 0\r\n" % (b"a" * 40)) + b"$%d\r\n" % len(data) + data)
    assert other.read_bytes() == KEPT
    assert (inner / "dump.rdb").read_bytes() == data
    assert sorted(os.listdir(tmp_path)) == ["inner", "other"]


def test_first_bytes_are_overwritten_and_writing_goes_on_behind(tmp_path: Path) -> None:
    def fill(file: FileWriter) -> None:
        file(b"first and second")
        file.overwrite(b"FIRST")
        file(b" and third")

    write_atomically(str(tmp_path / "file"), str(tmp_path / "temporary"), fill)
    assert (tmp_path / "file").read_bytes() == b"FIRST and second and third"
