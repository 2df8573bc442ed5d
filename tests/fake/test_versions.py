"""Servers that are an earlier release."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from twisted_redis import running_server
from twisted_redis.fake import FakeRedis, FakeServer


@pytest.mark.parametrize("version", [(7,), 7, "7.4", (7, 4)])
def test_the_version_is_told(version: Any) -> None:
    client = FakeRedis(version=version, decode_responses=True)
    assert client.info("server")["redis_version"] == "7.4.0"
    assert client.execute_command("HELLO", 3)["version"] == "7.4.0"
    assert "Redis ver. 7.4.0" in str(client.lolwut())
    assert client.eval("return redis.REDIS_VERSION", 0) == "7.4.0"


def test_newer_commands_are_unknown() -> None:
    client = FakeRedis(version=(7, 2))
    with pytest.raises(redis.ResponseError, match="unknown command 'HEXPIRE', with args beginning with: 'h'"):
        client.hexpire("h", 1, "a")
    with pytest.raises(redis.ResponseError, match="Unknown Redis command called from script"):
        client.eval("return redis.call('HEXPIRE', 'h', 1, 'FIELDS', 1, 'a')", 0)
    assert client.command_count() < FakeRedis().command_count()
    assert client.execute_command("EXISTS", "h") == 0
    older = FakeRedis(version=6, protocol=2)
    with pytest.raises(redis.ResponseError, match="nknown subcommand|unknown command"):
        older.execute_command("CLIENT", "NO-TOUCH", "ON")
    assert older.set("a", 1)


@pytest.mark.parametrize("version", ["2.8", "3.2", 4, 5, 6])
def test_old_servers_work(version: Any) -> None:
    client = FakeRedis(version=version, protocol=2)
    client.set("a", 1, ex=100)
    client.rpush("l", "x")
    assert client.blpop("l") == (b"l", b"x")
    assert client.eval("return redis.call('GET', 'a')", 0) == b"1"
    with client.pipeline() as pipe:
        assert pipe.incr("a").execute() == [2]


def test_a_server_with_a_version() -> None:
    client = FakeRedis(server=FakeServer(version="6.2"))
    assert client.info("server")["redis_version"] == "6.2.0"
    assert FakeRedis(server_type="valkey").info("server")["redis_version"] == "7.2.4"
    with pytest.raises(ValueError, match="9"):
        FakeServer(version=9)
    with pytest.raises(ValueError, match="dragonfly"):
        FakeServer(server_type="dragonfly")


def test_versions_do_not_share_an_address() -> None:
    FakeRedis(host="versions", version=7).set("a", 1)
    assert FakeRedis(host="versions", version="7.4").get("a") == b"1"
    assert FakeRedis(host="versions", version=6).get("a") is None


def test_an_embedded_server_with_a_version() -> None:
    with running_server(version="7.2", endpoints=()) as server:
        assert server.execute("HELLO", 3)[b"version"] == b"7.2.0"
