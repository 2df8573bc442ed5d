"""The file nodes.conf on the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from twisted_redis.cluster.nodes_store import NodesFile
from twisted_redis.config import FatalConfigError


def make(folder: Path) -> NodesFile:
    return NodesFile(str(folder / "nodes.conf"), "nodes.conf")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = make(tmp_path)
    assert file.open() == ""
    text = "line\nname=k\u00f6ln \u4e2d \udcff\n"
    file.write(text, sync=True)
    file.close()
    assert (tmp_path / "nodes.conf").read_bytes() == "line\nname=k\u00f6ln \u4e2d ".encode() + b"\xff\n"
    assert make(tmp_path).open() == text
    assert os.listdir(tmp_path) == ["nodes.conf"]


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_only_one_node_uses_the_file(tmp_path: Path, writes: int) -> None:
    first = make(tmp_path)
    first.open()
    for _ in range(writes):
        first.write("text", sync=False)
    second = make(tmp_path)
    with pytest.raises(FatalConfigError, match="already used by a different Redis Cluster node"):
        second.open()
    first.close()
    assert second.open() == ("text" if writes else "")


def test_a_process_that_is_killed_leaves_no_lock(tmp_path: Path) -> None:
    code = (
        "import sys, os; from twisted_redis.cluster.nodes_store import NodesFile\n"
        f"file = NodesFile({str(tmp_path / 'nodes.conf')!r}, ''); file.open(); file.write('text', sync=False)\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert make(tmp_path).open() == "text"


@pytest.mark.parametrize("sync", [False, True])
def test_it_is_synced_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: bool) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    file = make(tmp_path)
    file.open()
    file.write("text", sync=sync)
    # The file and its folder.
    assert len(synced) == 2 * sync


def test_a_failed_write_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make(tmp_path)
    file.open()
    file.write("old", sync=False)

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="No space left"):
        file.write("new", sync=False)
    assert (tmp_path / "nodes.conf").read_text() == "old"
    assert os.listdir(tmp_path) == ["nodes.conf"]
    # The old file is still locked.
    with pytest.raises(FatalConfigError):
        make(tmp_path).open()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FatalConfigError, match=r"Can't open nodes\.conf in order to acquire a lock: No such file"):
        make(tmp_path / "none").open()
