"""The HTTP side over a transport in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

pytest.importorskip("prometheus_client", reason="needs the extra web")

from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock, StringTransport

from tests.support.server import Server
from twisted_redis.config import FatalConfigError
from twisted_redis.net.listening import ListenError
from twisted_redis.tap import OwnOptions
from twisted_redis.web.service import StatusService, make_site


def ask(
    path: str, *headers: str, host: str = "127.0.0.1:9121", method: str = "GET"
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    site = make_site(Server().engine, MemoryReactorClock())
    protocol = site.buildProtocol(None)
    transport = StringTransport()
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
def test_what_is_served(path: str, content_type: str) -> None:
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


def test_what_is_not_served() -> None:
    assert ask("/nothing")[0] == 404
    assert ask("/../setup.py")[0] == 404
    assert ask("/metrics", method="POST")[0] == 405


@pytest.mark.parametrize("host", ["evil.example:9121", "192.0.2.1", "", "127.0.0.1.evil.example"])
def test_a_page_of_the_web_cannot_ask(host: str) -> None:
    """A name that somebody else leads to 127.0.0.1 would make our figures theirs."""
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
