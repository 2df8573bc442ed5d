"""The place where clients reach a server."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from twisted_redis.config import Config
    from twisted_redis.net.listening import Listeners

__all__ = ["Place", "find_place", "hold_port", "reached_by"]

#: For a server that listens at all addresses: the address where this machine reaches it.
_REACHED_BY = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::*": "::1", "::": "::1"}


@dataclass(frozen=True)
class Place:
    """A TCP port (``host`` and ``port``), or a unix socket (``unix_socket``, an absolute path); the rest is None.

    For a server that listens nowhere all three are None.
    """

    host: str | None = None
    port: int | None = None
    unix_socket: str | None = None
    password: str | None = None
    tls: bool = False

    def __str__(self) -> str:
        listens = self.port is not None or self.unix_socket is not None
        return self.public_url if listens else "within its process"

    @property
    def url(self) -> str:
        """The URL that clients take; raises RuntimeError if the server listens nowhere."""
        if self.password is None:
            return self.public_url
        scheme, _, rest = self.public_url.partition("://")
        return f"{scheme}://:{quote(self.password, safe='')}@{rest}"

    @property
    def public_url(self) -> str:
        """The URL without the password."""
        if self.port is not None and self.host is not None:
            host = f"[{self.host}]" if ":" in self.host else self.host
            return f"redis{'s' if self.tls else ''}://{host}:{self.port}"
        if self.unix_socket is not None:
            return f"unix://{quote(self.unix_socket)}"
        raise RuntimeError("this server has no URL: it listens on no TCP port and on no unix socket with a path")


def find_place(config: Config, listeners: Listeners) -> Place:
    """The first place where a server listens: its TCP port, its TLS port, its unix socket, or an endpoint."""
    password = config.requirepass or None
    if (config.port or config.tls_port) and config.bind:
        return Place(
            reached_by(config.bind[0].lstrip("-")),
            config.port or config.tls_port,
            password=password,
            tls=not config.port,
        )
    if config.unixsocket:
        return Place(unix_socket=listeners.unix_path, password=password)
    for description, address in listeners.endpoints:
        if (place := _at_endpoint(description, address, password)) is not None:
            return place
    return Place(password=password)


def _at_endpoint(description: str, address: Any, password: str | None) -> Place | None:
    port = getattr(address, "port", None)
    if port is not None:
        return Place(reached_by(address.host), port, password=password, tls=description.startswith("ssl:"))
    name = getattr(address, "name", None)
    # A name that begins with NUL is in the abstract namespace, and no path.
    if not name or name[0] == 0:
        return None
    return Place(unix_socket=os.path.abspath(os.fsdecode(name)), password=password)


def reached_by(host: str) -> str:
    """The address at which this machine reaches a server that listens at ``host``."""
    return _REACHED_BY.get(host, host)


def hold_port(host: str, port: int) -> socket.socket | None:
    """Binds a socket that does not listen, so that no other process can take the port; None if that fails."""
    host = host.lstrip("-")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(({"*": "", "::*": "::"}.get(host, host), port))
    except OSError:
        sock.close()
        return None
    return sock
