"""The addresses and URLs that a server reports."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis.connection import parse_url
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock

from twisted_redis import RedisService
from twisted_redis.library.directives import make_config
from twisted_redis.library.places import Place, find_place
from twisted_redis.net.listening import Listeners


def reached(reactor: MemoryReactorClock, **arguments: Any) -> RedisService:
    service = RedisService(reactor=reactor, **arguments)
    service.startService()
    return service


def test_tcp_endpoint_on_its_own_interface() -> None:
    endpoints = [("tcp:0:interface=127.0.0.2", IPv4Address("TCP", "127.0.0.2", 4242))]
    config = make_config({"port": 0, "bind": "127.0.0.3"})
    assert find_place(config, cast(Listeners, SimpleNamespace(endpoints=endpoints))) == Place("127.0.0.2", 4242)


def test_endpoint_at_all_addresses(reactor: MemoryReactorClock) -> None:
    service = reached(reactor, endpoints=["tcp:4242"])
    assert service.url == "redis://127.0.0.1:4242"
    service.stopService()


def test_unix_endpoint_has_no_port(reactor: MemoryReactorClock, tmp_path: Path) -> None:
    path = tmp_path / "a b.sock"
    service = reached(reactor, endpoints=[f"unix:{path}"])
    assert service.port is None and service.host is None
    assert parse_url(service.url)["path"] == str(path)
    service.stopService()


def test_relative_path_becomes_absolute(
    reactor: MemoryReactorClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    service = reached(reactor, endpoints=(), unixsocket="here.sock")
    assert service.url == f"unix://{tmp_path}/here.sock"
    service.stopService()


def test_a_relative_unix_socket_is_in_dir(
    reactor: MemoryReactorClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere, home, later = tmp_path / "elsewhere", tmp_path / "home", tmp_path / "later"
    for folder in (elsewhere, home, later):
        folder.mkdir()
    monkeypatch.chdir(elsewhere)
    service = reached(reactor, endpoints=(), unixsocket="here.sock", dir=str(home), enable_protected_configs="yes")
    assert [path for path, *_ in reactor.unixServers] == [str(home / "here.sock")]
    client = service.client()
    client.execute("CONFIG", "SET", "dir", str(later))
    assert service.url == f"unix://{home}/here.sock"
    # INFO shows the configured port.
    assert b"name=unix,bind=here.sock\r\n" in client.execute("INFO", "server")
    service.stopService()


def test_a_server_for_its_process_alone_has_no_url(reactor: MemoryReactorClock) -> None:
    service = reached(reactor, endpoints=())
    assert service.port is None and service.host is None
    with pytest.raises(RuntimeError, match="listens on no TCP port"):
        _ = service.url
    service.stopService()


@pytest.mark.parametrize("password", ["secret", "a b/c@d:e?#%", "pässword"])
@pytest.mark.parametrize("place", [{"host": "127.0.0.1", "port": 4242}, {"unix_socket": "/tmp/s.sock"}])
def test_url_carries_the_password(place: dict[str, Any], password: str) -> None:
    found = Place(password=password, **place)
    assert parse_url(found.url)["password"] == password
    assert "@" not in found.public_url


def test_password_of_the_server(reactor: MemoryReactorClock) -> None:
    service = reached(reactor, endpoints=["tcp:4242"], requirepass="secret")
    assert service.url == "redis://:secret@127.0.0.1:4242"
    service.client().execute("CONFIG", "SET", "requirepass", "other")
    assert service.url == "redis://:other@127.0.0.1:4242"
    service.stopService()


@pytest.mark.parametrize(
    ("place", "url"),
    [
        (Place("::1", 1), "redis://[::1]:1"),
        (Place("127.0.0.1", 1, tls=True), "rediss://127.0.0.1:1"),
    ],
)
def test_urls(place: Place, url: str) -> None:
    assert place.url == url
