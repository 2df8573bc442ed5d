"""The HTTP service over an in-memory transport."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import pytest

pytest.importorskip("prometheus_client", reason="needs the extra web")

from twisted.internet.address import IPv4Address
from twisted.internet.error import CannotListenError, ConnectionAborted, ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from tests.support.server import Server
from twisted_redis.command_line import OwnOptions
from twisted_redis.config import FatalConfigError
from twisted_redis.net.listening import ListenError
from twisted_redis.web.channel import CONNECTIONS, WITHIN
from twisted_redis.web.service import StatusService, make_site

#: A client on the same machine.
NEIGHBOUR = IPv4Address("TCP", "127.0.0.1", 50000)


def ask(
    path: str, *headers: str, host: str = "127.0.0.1:9121", method: str = "GET"
) -> tuple[int, dict[str, str], bytes]:
    """Returns the status, headers and body of a response."""
    site = make_site(Server().engine, MemoryReactorClock())
    protocol = site.buildProtocol(None)
    transport = StringTransport(peerAddress=NEIGHBOUR)
    protocol.makeConnection(transport)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    protocol.dataReceived("\r\n".join([*lines, "", ""]).encode())
    head, _, body = transport.value().partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in rest), body


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/status.css", "text/css; charset=utf-8"),
        ("/status.js", "text/javascript; charset=utf-8"),
        ("/status.json", "application/json"),
        ("/metrics", "text/plain"),
    ],
)
def test_requests_that_are_served(path: str, content_type: str) -> None:
    code, headers, body = ask(path)
    assert code == 200
    assert headers["Content-Type"].startswith(content_type)
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Access-Control-Allow-Origin" not in headers
    assert len(body) == int(headers["Content-Length"])
    assert ask(path, method="HEAD")[2] == b""


def test_the_figures() -> None:
    assert json.loads(ask("/status.json")[2])["clients"]["connected"] == 1


def test_the_page_needs_nothing_from_elsewhere() -> None:
    for path in ("/", "/status.css", "/status.js"):
        body = ask(path)[2]
        assert b"http://" not in body and b"https://" not in body and b"url(" not in body


def test_requests_that_are_refused() -> None:
    assert ask("/nothing")[0] == 404
    assert ask("/../setup.py")[0] == 404
    assert ask("/metrics", method="POST")[0] == 405


@pytest.mark.parametrize("host", ["evil.example:9121", "192.0.2.1", "", "127.0.0.1.evil.example"])
def test_a_page_of_the_web_cannot_ask(host: str) -> None:
    """A foreign host name that resolves to 127.0.0.1 must not give another web site access to the figures."""
    code, _, body = ask("/status.json", host=host)
    assert code == 403
    assert b"connected" not in body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:80"])
def test_names_of_this_machine(host: str) -> None:
    assert ask("/", host=host)[0] == 200


def test_it_listens_at_the_loopback_interface_alone() -> None:
    reactor = MemoryReactorClock()
    service = StatusService(Server().engine, reactor, 9121)
    service.startService()
    [(port, _, _, interface)] = reactor.tcpServers
    assert (port, interface) == (9121, "127.0.0.1")
    service.stopService()
    assert service.port == 0


def test_a_port_that_is_taken() -> None:
    class Taken(MemoryReactorClock):
        def listenTCP(self, port: int, *arguments: object) -> None:  # type: ignore[override]
            raise CannotListenError("127.0.0.1", port, OSError("in use"))

    with pytest.raises(ListenError, match="127.0.0.1:9121"):
        StatusService(Server().engine, Taken(), 9121).listen()


@pytest.mark.parametrize(
    ("arguments", "rest", "port"),
    [
        (["x.conf", "--port", "1"], ["x.conf", "--port", "1"], None),
        (["--metrics-port", "9121", "--port", "1"], ["--port", "1"], 9121),
        (["--port", "1", "--metrics-port=0"], ["--port", "1"], 0),
    ],
)
def test_the_option(arguments: Sequence[str], rest: Sequence[str], port: int | None) -> None:
    own = OwnOptions()
    assert own.take(arguments) == rest
    assert own.metrics_port == port
    assert own.endpoints == []


@pytest.mark.parametrize("arguments", [["--metrics-port"], ["--metrics-port", "x"], ["--metrics-port=65536"]])
def test_a_wrong_option(arguments: Sequence[str]) -> None:
    with pytest.raises(FatalConfigError):
        OwnOptions().take(arguments)


class Page:
    """A status page, and connections to it."""

    def __init__(self, **directives: object) -> None:
        self.reactor = MemoryReactorClock()
        self.site = make_site(Server(**directives).engine, self.reactor)

    def connect(self) -> tuple[Any, StringTransport]:
        transport = StringTransport(peerAddress=NEIGHBOUR)
        protocol = self.site.buildProtocol(None)  # type: ignore[arg-type]
        if protocol is not None:
            protocol.makeConnection(transport)
        return protocol, transport

    def ask(self, *headers: str) -> tuple[int, bytes]:
        protocol, transport = self.connect()
        protocol.dataReceived("\r\n".join(["GET /status.json HTTP/1.1", *headers, "", ""]).encode())
        return int(transport.value().split()[1]), transport.value()


HEAD = b"GET /status.json HTTP/1.1\r\nHost: localhost\r\n"


def test_one_request_and_no_more() -> None:
    page = Page()
    protocol, transport = page.connect()
    protocol.dataReceived((HEAD + b"\r\n") * 200)
    assert transport.value().count(b"HTTP/1.1 200 OK") == 1
    assert b"Connection: close" in transport.value()
    assert transport.disconnecting


def test_so_many_connections_and_no_more() -> None:
    page = Page()
    channels = [page.connect()[0] for _ in range(CONNECTIONS)]
    assert page.connect()[0] is None
    channels[3].connectionLost(Failure(ConnectionDone()))
    assert page.connect()[0] is not None
    assert page.connect()[0] is None


def test_half_a_request_is_given_up_though_bytes_go_on_coming() -> None:
    page = Page()
    protocol, transport = page.connect()
    protocol.dataReceived(HEAD)
    for _ in range(9):
        page.reactor.advance(WITHIN / 10)
        protocol.dataReceived(b"x: y\r\n")
    assert not transport.disconnected
    page.reactor.advance(WITHIN / 10)
    assert transport.disconnected
    protocol.connectionLost(Failure(ConnectionAborted()))
    assert not page.site.channels
    assert not page.reactor.getDelayedCalls()


@pytest.mark.parametrize("length", ["Content-Length: 3", "Content-Length: 1000000000", "Transfer-Encoding: chunked"])
def test_a_request_body_is_not_kept(length: str) -> None:
    page = Page()
    protocol, transport = page.connect()
    protocol.dataReceived(HEAD + length.encode() + b"\r\n\r\n" + b"abc" * 1000)
    assert transport.value().startswith(b"HTTP/1.1 413 ")
    assert transport.value().count(b"HTTP/1.1") == 1
    assert transport.disconnecting


@pytest.mark.parametrize("hosts", [[], ["localhost", "localhost"], ["localhost", "evil.example"]])
def test_one_host_is_named(hosts: Sequence[str]) -> None:
    code, answer = Page().ask(*[f"Host: {host}" for host in hosts])
    assert code == 400
    assert b"connected" not in answer


def basic(name: str, password: str) -> str:
    return "Authorization: Basic " + b64encode(f"{name}:{password}".encode()).decode()


def test_a_password_is_asked_for_where_the_server_has_one() -> None:
    page = Page(requirepass="secret")
    code, answer = page.ask("Host: localhost")
    assert code == 401
    assert b"WWW-Authenticate: Basic " in answer
    assert b"connected" not in answer
    for wrong in (basic("default", "x"), basic("nobody", "secret"), basic("", "")):
        assert page.ask("Host: localhost", wrong)[0] == 401
    for wrong in ("Bearer x", "Bearer", "x", "Basic", "Basic x", "Basic *"):
        assert page.ask("Host: localhost", f"Authorization: {wrong}")[0] == 401
    for right in (basic("default", "secret"), basic("", "secret"), "Authorization: Bearer secret"):
        assert page.ask("Host: localhost", right)[0] == 200


def test_users_who_may_not_call_info_see_nothing() -> None:
    page = Page(requirepass="secret")
    acl = page.site._engine.acl
    acl.set_user(b"metrics", [b"on", b">m", b"+info"])
    acl.set_user(b"app", [b"on", b">a", b"~*", b"+get"])
    assert page.ask("Host: localhost", basic("metrics", "m"))[0] == 200
    assert page.ask("Host: localhost", basic("app", "a"))[0] == 403
    acl.set_user(b"metrics", [b"off"])
    assert page.ask("Host: localhost", basic("metrics", "m"))[0] == 401
