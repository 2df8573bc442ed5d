"""A server with a plain port and a TLS port. The TLS port requires client certificates."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import redis

from tests.integration.process import PATIENCE, Server, start_server
from tests.support.certificates import Authority
from tests.support.ports import free_port

__all__ = ["TlsServer", "directives"]


def directives(authority: Authority, name: str = "server") -> list[str]:
    """Returns the options of a server that presents the certificate ``name``."""
    pair = authority.sign(name)
    return ["--tls-cert-file", pair.cert, "--tls-key-file", pair.key, "--tls-ca-cert-file", authority.cert]


class TlsServer:
    """``server`` is the process with its plain port, ``port`` the TLS port, ``plain`` a client of the plain port.

    ``trust`` are the TLS options for redis-py, ``cli`` those for redis-cli, and ``context`` is one for Python's ssl.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.authority = Authority(folder / "certificates")
        self.pair = self.authority.sign("client", client=True)
        self.port = free_port()
        options = ["--tls-port", str(self.port), *directives(self.authority), *arguments]
        self.server: Server = start_server(*options, folder=folder)
        self.plain = redis.Redis(port=self.server.port, decode_responses=True)
        self.trust: dict[str, Any] = {
            "ssl": True,
            "ssl_ca_certs": self.authority.cert,
            "ssl_certfile": self.pair.cert,
            "ssl_keyfile": self.pair.key,
        }
        self.cli = ("--tls", "--cacert", self.authority.cert, "--cert", self.pair.cert, "--key", self.pair.key)
        self.context = ssl.create_default_context(cafile=self.authority.cert)
        self.context.load_cert_chain(self.pair.cert, self.pair.key)

    def client(self, **options: Any) -> redis.Redis:
        """Returns a client that uses TLS."""
        return redis.Redis(port=self.port, **{**self.trust, **options})

    def connect(self) -> ssl.SSLSocket:
        """Opens a TLS connection."""
        raw = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        return self.context.wrap_socket(raw, server_hostname="127.0.0.1")

    def end(self) -> None:
        """Stops the server and fails if its log contains an unexpected error."""
        self.plain.close()
        self.server.stop()
        assert "Traceback" not in self.server.output, self.server.output
