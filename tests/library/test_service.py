"""The service: its configuration, its life cycle and its addresses."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from zope.interface.verify import verifyObject

from tests.library.test_client import outcome
from twisted_redis import RedisService, ReplyError, ServerStopped
from twisted_redis.extending import Client, Module
from twisted_redis.library.directives import make_config


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
    for directives, expected in (
        ({"maxmemory": "lots"}, 'maxmemory="lots": argument must be a memory value'),
        ({"port": 70000}, "port=70000: argument must be between 0 and 65535 inclusive"),
        ({"maxmemory_policy": "allkeys-lur"}, "noeviction; did you mean 'allkeys-lru'?"),
        ({"save": [(1, 2, 3)]}, "save=[(1, 2, 3)]: a point is a pair, (seconds, changes)"),
        ({"save": "3600"}, 'save="3600": Invalid save parameters'),
        ({"include": "/no/such/file"}, 'include="/no/such/file": Fatal error, can\'t open config file'),
        # Directives that have no effect.
        ({"activedefrag": True}, "activedefrag=True has no effect: this server supports only the default, 'no'"),
        ({"logfile": "/tmp/log"}, 'logfile="/tmp/log" has no effect: the program that embeds the server'),
        ({"daemonize": True}, "daemonize=True has no effect: the program that embeds the server"),
    ):
        with pytest.raises(ValueError, match=re.escape(expected)) as caught:
            RedisService(**directives)
        assert "FATAL CONFIG" not in str(caught.value)
    for names, expected in (
        ({"maxmemroy": 1}, "no directive 'maxmemroy'; did you mean 'maxmemory'?"),
        ({"moduls": []}, "no directive 'moduls'; did you mean 'modules'?"),
        ({"endpoints": "tcp:1"}, "endpoints takes a list of descriptions: endpoints=['tcp:1']"),
        ({"endpoints": [1]}, "an endpoint is described by a str such as 'tcp:7777', not by 1"),
        ({"modules": [3]}, "a module is a Module, a Python module that has one, the name of one"),
        ({"modules": "name"}, "modules takes a list: modules=['name']"),
        ({"user": 3}, "user takes a line"),
        ({"user": "bob on\nport 1"}, "user takes a line"),
        ({"dir": {}}, "dir={}: a directive takes str"),
        ({"logger": 3}, "logger is a logging.Logger or the name of one"),
    ):
        with pytest.raises(TypeError, match=re.escape(expected)):
            RedisService(**names)


def test_an_error_at_the_start_names_the_line(reactor: MemoryReactorClock) -> None:
    for directives, expected in (
        ({"rename_command": "nope other"}, "rename-command nope other: No such command in rename-command"),
        ({"user": "bob !x"}, "user bob !x: Error in user declaration"),
    ):
        with pytest.raises(ValueError, match=expected):
            RedisService(endpoints=(), reactor=reactor, **directives).startService()


@pytest.mark.parametrize(
    ("value", "points"),
    [
        ("3600 1 300 100", ((3600, 1), (300, 100))),
        ([(3600, 1), (300, 100)], ((3600, 1), (300, 100))),
        ((3600, 1), ((3600, 1),)),
        ("", ()),
        ([], ()),
        (False, ()),
        (None, ()),
    ],
)
def test_save_takes_python_values(value: Any, points: tuple[tuple[int, int], ...]) -> None:
    assert make_config({"save": value}).save == points


def test_none_is_the_default() -> None:
    config = make_config({"requirepass": None, "maxmemory": None, "bind": None, "user": None})
    assert config.requirepass == "" and config.maxmemory == 0 and config.bind == ("127.0.0.1",)


def test_no_files_by_values_that_name_none(
    start: Callable[..., RedisService], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start(dir=tmp_path, save=[(3600, 1)])
    first.client().set("k", "v")
    first.stopService()
    monkeypatch.chdir(tmp_path)
    assert start(save=False, appendonly=False).client().get("k") is None
    assert start(save="3600 1").client().get("k") == b"v"


def test_repr_tells_place_and_state(reactor: MemoryReactorClock) -> None:
    service = RedisService(endpoints=["tcp:4242"], requirepass="secret", reactor=reactor)
    assert repr(service) == "<RedisService stopped>"
    service.startService()
    assert repr(service) == "<RedisService running, redis://127.0.0.1:4242>"
    service.stopService()
    assert repr(service) == "<RedisService stopped>"
    service = RedisService(endpoints=(), reactor=reactor)
    service.startService()
    assert repr(service) == "<RedisService running, within its process>"
    service.stopService()


def test_the_log_goes_to_the_standard_logging(
    start: Callable[..., RedisService], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    module = Module("broken")

    @module.command("BREAK", arity=1)
    def broken(ctx: Client) -> None:
        raise KeyError("no luck")

    service = start(logger="the.server", modules=[module])
    start(logger=logging.getLogger("another"))
    records = [record for record in caplog.records if record.name == "the.server"]
    assert ("Server initialized", logging.INFO) in [(record.getMessage(), record.levelno) for record in records]
    assert [record.name for record in caplog.records if record.name == "another"]
    with pytest.raises(ReplyError, match="internal error"):
        service.client().execute("BREAK")
    last = caplog.records[-1]
    assert last.levelno == logging.ERROR and last.getMessage() == "Bug in the command break"
    assert last.exc_info is not None and last.exc_info[0] is KeyError


def test_an_internal_error_has_its_cause(start: Callable[..., RedisService], reactor: MemoryReactorClock) -> None:
    module = Module("broken")
    waiting: Deferred[None] = Deferred()

    @module.command("BREAK", arity=1)
    def broken(ctx: Client) -> None:
        raise KeyError("no luck")

    @module.command("WAITBREAK", arity=1)
    async def wait_and_break(ctx: Client) -> None:
        await waiting
        raise KeyError("no luck")

    service = start(logger="the.server", modules=[module])
    client = service.client()
    with pytest.raises(ReplyError, match="internal error") as caught:
        client.execute("BREAK")
    assert isinstance(caught.value.__cause__, KeyError)
    later = client.execute("WAITBREAK")
    waiting.callback(None)
    reactor.advance(0)
    error = outcome(later)
    assert isinstance(error, ReplyError) and isinstance(error.__cause__, KeyError)
    client.execute("MULTI")
    client.execute("BREAK")
    (error,) = client.execute("EXEC")
    assert isinstance(error, ReplyError) and isinstance(error.__cause__, KeyError)
    with pytest.raises(ReplyError) as caught:
        client.execute("NOPE")
    assert caught.value.__cause__ is None


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


def test_the_rules_of_users_name_the_commands_of_modules(start: Callable[..., RedisService]) -> None:
    module = Module("greetings")

    @module.command("GREET", arity=1)
    def greet(ctx: Client) -> bytes:
        return b"hello"

    client = start(modules=[module], user="bob on nopass +greet").client()
    client.execute("AUTH", "bob", "x")
    assert client.execute("GREET") == b"hello"


def test_missing_module(start: Callable[..., RedisService], reactor: MemoryReactorClock) -> None:
    with pytest.raises(Exception, match="no_such_module"):
        start(modules=["no_such_module"])
    assert reactor.readers == set()


def test_endpoint(reactor: MemoryReactorClock) -> None:
    service = RedisService(endpoints=["tcp:4242:interface=127.0.0.1"], reactor=reactor)
    service.startService()
    assert [(port, interface) for port, _, _, interface in reactor.tcpServers] == [(4242, "127.0.0.1")]
    service.stopService()
