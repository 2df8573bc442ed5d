"""TLS over real sockets: redis-cli, redis-py, directives that change, and clients that do not behave."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.integration.process import PATIENCE, Server, environment
from tests.support.ports import free_port

pytest.importorskip("OpenSSL.SSL", reason="needs the extra tls", exc_type=ImportError)

from tests.integration.secure import TlsServer, directives
from tests.support.certificates import Authority, Pair


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    found = TlsServer(tmp_path_factory.mktemp("server"))
    yield found
    found.end()


@pytest.fixture(scope="module")
def authority(secure: TlsServer) -> Authority:
    return secure.authority


@pytest.fixture(scope="module")
def client_pair(secure: TlsServer) -> Pair:
    return secure.pair


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py(secure: TlsServer, protocol: int) -> None:
    with secure.client(protocol=protocol) as client:
        client.flushall()
        assert client.set("k", "v")
        assert client.get("k") == b"v"
        value = bytes(range(256)) * 8192
        client.set("big", value)
        assert client.get("big") == value
        with client.pipeline(transaction=False) as pipe:
            for number in range(5000):
                pipe.set(f"key:{number}", number)
            assert pipe.execute() == [True] * 5000


def test_a_url(secure: TlsServer, authority: Authority, client_pair: Pair) -> None:
    url = f"rediss://127.0.0.1:{secure.port}/0"
    with redis.Redis.from_url(
        url, ssl_ca_certs=authority.cert, ssl_certfile=client_pair.cert, ssl_keyfile=client_pair.key
    ) as client:
        assert client.ping()


def test_without_a_certificate(secure: TlsServer, authority: Authority) -> None:
    bare = {"ssl_certfile": None, "ssl_keyfile": None, "retry": Retry(NoBackoff(), 0)}
    with secure.client(**bare) as client, pytest.raises(redis.ConnectionError):
        client.ping()
    for demand in ("no", "optional"):
        secure.plain.config_set("tls-auth-clients", demand)
        with secure.client(**bare) as client:
            assert client.ping()
    secure.plain.config_set("tls-auth-clients", "yes")
    with secure.client(**bare) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_certificates_are_exchanged_while_clients_stay(secure: TlsServer, authority: Authority) -> None:
    def shown() -> str:
        with secure.connect() as connection:
            certificate = connection.getpeercert()
            assert certificate is not None
            return dict(pair[0] for pair in certificate["subject"])["commonName"]

    with secure.client() as client:
        assert client.ping()
        assert shown() == "server"
        renewed = authority.sign("renewed")
        secure.plain.config_set("tls-cert-file", renewed.cert, "tls-key-file", renewed.key)
        assert shown() == "renewed"
        with pytest.raises(redis.ResponseError, match="Unable to update TLS configuration. Check server logs."):
            secure.plain.config_set("tls-cert-file", "/nowhere/x.crt")
        assert secure.plain.config_get("tls-cert-file") == {"tls-cert-file": renewed.cert}
        assert shown() == "renewed"
        assert client.ping()


def test_the_port_moves(secure: TlsServer) -> None:
    before, after = secure.port, free_port()
    secure.plain.config_set("tls-port", after)
    try:
        with pytest.raises(ConnectionRefusedError):
            secure.connect()
        secure.port = after
        with secure.client() as client:
            assert client.ping()
        listeners = [value for name, value in secure.plain.info("server").items() if name.startswith("listener")]
        assert [(each["name"], each["port"]) for each in listeners] == [("tcp", secure.server.port), ("tls", after)]
    finally:
        secure.plain.config_set("tls-port", before)
        secure.port = before


def test_a_silent_client_holds_no_place(secure: TlsServer) -> None:
    """A peer that never shakes hands is disconnected; the limit itself is tested on a clock of its own."""
    connections = secure.plain.info("clients")["connected_clients"]
    with socket.create_connection(("127.0.0.1", secure.port), PATIENCE) as silent:
        silent.sendall(b"\x16\x03")
        # The server may answer a client that it knows before it accepts the new one.
        deadline = time.monotonic() + PATIENCE
        while secure.plain.info("clients")["connected_clients"] == connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert secure.plain.info("clients")["connected_clients"] == connections + 1
    deadline = time.monotonic() + PATIENCE
    while secure.plain.info("clients")["connected_clients"] != connections and time.monotonic() < deadline:
        time.sleep(0.01)
    assert secure.plain.info("clients")["connected_clients"] == connections


def test_a_client_that_does_not_read_is_closed_by_its_limit(secure: TlsServer) -> None:
    secure.plain.set("big", b"x" * 1_000_000)
    secure.plain.config_set("client-output-buffer-limit", "normal 20mb 0 0")
    try:
        with secure.connect() as greedy:
            greedy.sendall(b"CLIENT SETNAME greedy\r\n" + b"GET big\r\n" * 100)
            deadline = time.monotonic() + PATIENCE
            while "overcoming of output buffer limits" not in secure.server.output and time.monotonic() < deadline:
                time.sleep(0.02)
        assert "scheduled to be closed ASAP for overcoming of output buffer limits" in secure.server.output
        assert "greedy" not in [client["name"] for client in secure.plain.client_list()]
    finally:
        secure.plain.config_set("client-output-buffer-limit", "normal 0 0 0")


def test_all_replies_come_to_a_client_that_reads_late(secure: TlsServer) -> None:
    secure.plain.set("big", b"x" * 100_000)
    wanted = 300 * len(b"$100000\r\n" + b"x" * 100_000 + b"\r\n")
    with secure.connect() as connection:
        connection.sendall(b"GET big\r\n" * 300)
        time.sleep(0.2)
        got = 0
        while got < wanted:
            data = connection.recv(1 << 20)
            assert data
            got += len(data)
    assert got == wanted


def test_without_the_extra_the_start_says_what_is_missing(authority: Authority, tmp_path: Path) -> None:
    code = "import sys; sys.modules['OpenSSL'] = None\nfrom twisted_redis.tap import main\nsys.exit(main(sys.argv[1:]))"
    arguments = ["--port", "0", "--tls-port", str(free_port()), *directives(authority)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'twisted_redis[tls]'" in done.stdout
    assert "Failed to configure TLS" in done.stdout


def test_without_certificates_there_is_no_start(start: Callable[..., Server]) -> None:
    server = start("--tls-port", str(free_port()), wait=False)
    assert server.wait() == 1
    assert "No tls-cert-file configured!" in server.output
    assert "Failed to configure TLS. Check logs for more info." in server.output


@pytest.mark.parametrize("mode", ["YES", "SYNC"])
def test_scripts_can_be_debugged(secure: TlsServer, mode: str) -> None:
    pytest.importorskip("lupa", reason="needs the extra lua")
    source = b"-- " + b"x" * 60000 + b"\nreturn redis.call('incr', KEYS[1])"
    with secure.client() as client:
        client.set("n", 1)
        with secure.connect() as connection, connection.makefile("rb") as stream:
            connection.sendall(b"SCRIPT DEBUG %b\r\n" % mode.encode())
            assert stream.readline() == b"+OK\r\n"
            connection.sendall(b"*4\r\n$4\r\nEVAL\r\n$%d\r\n%b\r\n$1\r\n1\r\n$1\r\nn\r\n" % (len(source), source))
            assert stream.readline() == b"*2\r\n"
            assert stream.readline() == b"+* Stopped at 2, stop reason = step over\r\n"
            assert stream.readline() == b"+-> 2   return redis.call('incr', KEYS[1])\r\n"
            connection.sendall(b"*1\r\n$1\r\nw\r\n")
            assert [stream.readline() for _ in range(3)][1] == b"+   1   " + source.splitlines()[0] + b"\r\n"
            connection.sendall(b"*1\r\n$1\r\nc\r\n")
            assert stream.read() == b"*1\r\n+<endsession>\r\n:2\r\n"
        assert client.get("n") == (b"1" if mode == "YES" else b"2")
