"""The health probes, and the access from other machines."""

from __future__ import annotations

import pytest

pytest.importorskip("prometheus_client", reason="needs the extra web")

from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock, StringTransport

from tests.support.server import Server
from twisted_redis.command_line import OwnOptions
from twisted_redis.config import FatalConfigError
from twisted_redis.engine.gates import IS_LOADING
from twisted_redis.engine.pause import SHUTDOWN
from twisted_redis.web.service import StatusService, make_site

ELSEWHERE = "192.0.2.7"
POD = "10.1.2.3:9121"


def ask(server: Server, path: str, *headers: str, peer: str = "127.0.0.1") -> tuple[int, str]:
    """Returns the status and the body of the response to a request from the address ``peer``."""
    protocol = make_site(server.engine, MemoryReactorClock()).buildProtocol(None)
    transport = StringTransport(peerAddress=IPv4Address("TCP", peer, 50000))
    protocol.makeConnection(transport)
    protocol.dataReceived("\r\n".join([f"GET {path} HTTP/1.1", *headers, "", ""]).encode())
    head, _, body = transport.value().decode().partition("\r\n\r\n")
    return int(head.split()[1]), body


def ready(server: Server) -> tuple[int, str]:
    return ask(server, "/readyz", "Host: localhost")


def test_a_server_that_is_ready() -> None:
    assert ready(Server()) == (200, "ready\n")
    assert ask(Server(), "/healthz", "Host: localhost") == (200, "alive\n")


def test_a_server_that_loads_its_data() -> None:
    server = Server()
    server.engine.set_gate(IS_LOADING, True)
    assert ready(server) == (503, "loading the data\n")
    assert ask(server, "/healthz", "Host: localhost")[0] == 200
    server.engine.set_gate(IS_LOADING, False)
    assert ready(server)[0] == 200


def test_a_replica_is_ready_while_its_link_is_up() -> None:
    server = Server()
    server("REPLICAOF", "127.0.0.1", 1)
    assert ready(server) == (503, "no link to the master\n")
    assert ask(server, "/healthz", "Host: localhost")[0] == 200
    server("REPLICAOF", "NO", "ONE")
    assert ready(server)[0] == 200


def test_a_server_that_waits_for_its_replicas_before_it_ends() -> None:
    server = Server()
    server.engine.pauses.hold_writes(SHUTDOWN)
    assert ready(server) == (503, "shutting down\n")
    server.engine.pauses.release(SHUTDOWN)
    assert ready(server)[0] == 200


def test_a_server_that_has_saved_for_the_last_time() -> None:
    server = Server()
    server.connect()("SHUTDOWN", "NOSAVE")
    assert ready(server) == (503, "shutting down\n")
    assert ask(server, "/healthz", "Host: localhost")[0] == 200


@pytest.mark.parametrize("peer", ["127.0.0.1", ELSEWHERE])
@pytest.mark.parametrize("headers", [[f"Host: {POD}"], [], ["Host: redis.example"]])
def test_probes_need_no_password_and_no_certain_host(headers: list[str], peer: str) -> None:
    server = Server(requirepass="secret")
    for path in ("/healthz", "/readyz"):
        assert ask(server, path, *headers, peer=peer)[0] == 200
    assert ask(server, "/metrics", *headers, peer=peer)[0] in (400, 401, 403)
    assert ask(server, "/healthz/", *headers, peer=peer)[0] in (400, 401, 403)


def test_other_machines_get_figures_only_with_a_password() -> None:
    server = Server()
    code, text = ask(server, "/metrics", f"Host: {POD}", peer=ELSEWHERE)
    assert code == 403 and "protected-mode" in text
    assert ask(server, "/metrics", "Host: localhost", peer=ELSEWHERE)[0] == 403
    server("CONFIG", "SET", "requirepass", "secret")
    assert ask(server, "/metrics", f"Host: {POD}", peer=ELSEWHERE)[0] == 401
    for host in (POD, "redis.default.svc:9121"):
        found = ask(server, "/metrics", f"Host: {host}", "Authorization: Bearer secret", peer=ELSEWHERE)
        assert found[0] == 200


@pytest.mark.parametrize(
    ("host", "code"),
    [
        (POD, 200),
        ("[2001:db8::1]:9121", 200),
        ("redis:9121", 200),
        ("localhost", 200),
        ("evil.example:9121", 403),
        ("redis.default.svc", 403),
        ("", 403),
    ],
)
def test_without_protected_mode_no_site_of_the_web_gets_figures(host: str, code: int) -> None:
    server = Server(protected_mode=False)
    assert ask(server, "/metrics", f"Host: {host}", peer=ELSEWHERE)[0] == code


def test_the_address() -> None:
    reactor = MemoryReactorClock()
    StatusService(Server().engine, reactor, 9121, "0.0.0.0").startService()
    [(port, _, _, interface)] = reactor.tcpServers
    assert (port, interface) == (9121, "0.0.0.0")


def test_the_option() -> None:
    own = OwnOptions()
    assert own.take(["--metrics-bind", "::", "--metrics-port=1", "--port", "2"]) == ["--port", "2"]
    assert (own.metrics_bind, own.metrics_port) == ("::", 1)
    assert OwnOptions().metrics_bind == "127.0.0.1"
    for wrong in (["--metrics-bind"], ["--metrics-bind", "localhost"], ["--metrics-bind="]):
        with pytest.raises(FatalConfigError, match="--metrics-bind requires an IP address"):
            OwnOptions().take(wrong)
