"""The service: its configuration, its life, its places."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.application.service import IService, MultiService
from twisted.internet.testing import MemoryReactorClock
from zope.interface.verify import verifyObject

from tests.library.test_client import outcome
from twisted_redis import FatalConfigError, RedisService, ServerStopped
from twisted_redis.library.service import make_config


def test_directives() -> None:
    config = make_config(
        {
            "maxmemory": "10mb",
            "appendonly": True,
            "save": "3600 1 300 100",
            "bind": ("127.0.0.1", "::1"),
            "user": ["alice on nopass ~* +@all", "bob off"],
            "databases": 3,
            "requirepass": 'a "quoted" word',
            "client_output_buffer_limit": "normal 1mb 0 0",
        }
    )
    assert config.maxmemory == 10 << 20 and config.appendonly is True and config.databases == 3
    assert config.save == ((3600, 1), (300, 100)) and config.bind == ("127.0.0.1", "::1")
    assert [line.arguments[0] for line in config.users] == [b"alice", b"bob"]
    assert config.requirepass == 'a "quoted" word'
    assert config.client_output_buffer_limit.normal.hard == 1 << 20


def test_defaults_touch_neither_files_nor_the_network() -> None:
    config = make_config({})
    assert config.save == () and config.bind == ("127.0.0.1",)


def test_wrong_directives() -> None:
    with pytest.raises(TypeError, match="no directive 'maxmemroy'"):
        RedisService(maxmemroy=1)
    with pytest.raises(FatalConfigError, match="maxmemory"):
        RedisService(maxmemory="much")


def test_is_a_service(reactor: MemoryReactorClock) -> None:
    service = RedisService(endpoints=(), reactor=reactor)
    assert verifyObject(IService, service)
    parent = MultiService()
    service.setServiceParent(parent)
    RedisService(endpoints=(), reactor=reactor).setServiceParent(parent)
    ready = service.whenReady()
    assert not ready.called and not reactor.readers
    parent.startService()
    assert outcome(ready) is service and outcome(service.whenReady()) is service
    assert outcome(service.execute("SET", "k", b"v")) == b"OK"
    parent.stopService()
    assert reactor.readers == set() and reactor.getDelayedCalls() == []


def test_before_and_after(reactor: MemoryReactorClock) -> None:
    service = RedisService(endpoints=(), reactor=reactor)
    with pytest.raises(ServerStopped):
        _ = service.port
    assert isinstance(outcome(service.execute("PING")), ServerStopped)
    service.startService()
    waiting = service.execute("BLPOP", "q", 0)
    service.stopService()
    assert isinstance(outcome(waiting), ServerStopped)
    assert outcome(service.stopService()) is None
    ready = service.whenReady()
    service.startService()
    assert outcome(ready) is service
    assert outcome(service.execute("PING")) == b"PONG"
    service.stopService()


def test_endpoint_that_cannot_be(reactor: MemoryReactorClock) -> None:
    service = RedisService(endpoints=("nonsense:",), reactor=reactor)
    early = service.whenReady()
    service.startService()
    assert "nonsense" in str(outcome(early)) and "nonsense" in str(outcome(service.whenReady()))
    assert not service.running and reactor.readers == set()


def test_services_share_nothing(start: Callable[..., RedisService]) -> None:
    one, other = start(), start()
    one.client().set("k", 1)
    other.clock.freeze()
    other.fail_next("PING")
    assert other.client().get("k") is None
    assert outcome(one.execute("PING")) == b"PONG"
    assert one.engine.run_id != other.engine.run_id


def test_files_are_loaded_where_some_are_named(
    start: Callable[..., RedisService], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start(dir=str(tmp_path), save="3600 1")
    first.client().set("k", "v")
    first.stopService()
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]
    assert start(dir=str(tmp_path)).client().get("k") == b"v"
    monkeypatch.chdir(tmp_path)
    assert start().client().get("k") is None


def test_broken_file(start: Callable[..., RedisService], tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0011 and then nonsense")
    service = start(dir=str(tmp_path))
    assert "offset" in str(outcome(service.whenReady()))
    assert not service.running


def test_shutdown_by_command(service: RedisService, reactor: MemoryReactorClock) -> None:
    waiting = service.execute("SHUTDOWN", "NOSAVE")
    reactor.advance(0)
    assert isinstance(outcome(waiting), ServerStopped)
    assert not service.running and reactor.readers == set()


def test_missing_module(start: Callable[..., RedisService], reactor: MemoryReactorClock) -> None:
    with pytest.raises(Exception, match="no_such_module"):
        start(modules=["no_such_module"])
    assert reactor.readers == set()


def test_endpoint(reactor: MemoryReactorClock) -> None:
    service = RedisService(endpoints=["tcp:4242:interface=127.0.0.1"], reactor=reactor)
    service.startService()
    assert [(port, interface) for port, _, _, interface in reactor.tcpServers] == [(4242, "127.0.0.1")]
    service.stopService()
