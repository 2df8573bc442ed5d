"""A server without sockets that is asked to write files, to listen, or to reach another server."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
import redis

from twisted_redis.fake import FakeRedis, FakeServer


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, and the folder for temporary files below it."""
    (tmp_path / "temporary").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def save_in_background(client: Any) -> None:
    client.bgsave()
    while client.info("persistence")["rdb_bgsave_in_progress"]:
        pass


def test_nothing_is_written_without_need(folder: Path) -> None:
    client = FakeRedis()
    client.set("a", 1)
    client.flushall()
    assert list((folder / "temporary").iterdir()) == list((folder / "here").iterdir()) == []


def test_snapshots_go_to_a_temporary_folder(folder: Path) -> None:
    client = FakeRedis(server=FakeServer(enable_debug_command="yes"))
    client.set("a", 1)
    assert client.save()
    assert client.execute_command("DEBUG", "RELOAD")
    assert client.get("a") == b"1"
    save_in_background(client)
    assert [path.name for path in (folder / "temporary").rglob("*.rdb")] == ["dump.rdb"]
    assert list((folder / "here").iterdir()) == []
    del client
    gc.collect()
    assert list((folder / "temporary").iterdir()) == []


def test_a_folder_of_the_test(folder: Path) -> None:
    server = FakeServer(dir=folder / "here")
    FakeRedis(server=server).set("a", 1)
    assert FakeRedis(server=server).save()
    assert [path.name for path in (folder / "here").iterdir()] == ["dump.rdb"]
    assert FakeRedis(server=FakeServer(dir=folder / "here")).get("a") == b"1"
    client = FakeRedis(server=FakeServer(enable_protected_configs="yes"))
    client.config_set("dir", str(folder))
    assert client.save()
    assert (folder / "dump.rdb").exists()


def test_users_from_a_file(folder: Path) -> None:
    (folder / "here" / "users.acl").write_text("user default on nopass ~* +@all\nuser ada on >secret ~* +@all\n")
    server = FakeServer(config={b"aclfile": b"users.acl"})
    assert FakeRedis(server=server, username="ada", password="secret").get("a") is None


def test_it_does_not_listen() -> None:
    server = FakeServer()
    client = FakeRedis(server=server)
    with pytest.raises(redis.ResponseError, match="Unable to listen on this port"):
        client.config_set("port", 16379)
    with pytest.raises(RuntimeError, match="no URL"):
        server.url  # noqa: B018


def test_it_reaches_no_other_server() -> None:
    client = FakeRedis()
    client.replicaof("localhost", 6379)
    assert client.info("replication")["master_link_status"] == "down"
    client.replicaof("no", "one")
    client.set("a", 1)
    with pytest.raises(redis.ResponseError, match="IOERR"):
        client.migrate("localhost", 6379, "a", 0, 1000)


def test_shutdown_ends_the_server() -> None:
    client = FakeRedis()
    client.shutdown(nosave=True)
    with pytest.raises(redis.ConnectionError):
        client.ping()
