"""The places where a server listens: TCP ports with and without TLS, a unix socket, and any Twisted endpoint."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.error import CannotListenError

from twisted_redis.net.accepting import Acceptor
from twisted_redis.net.hub import Hub
from twisted_redis.net.twisted_internals import adopt_port

__all__ = ["ListenError", "Listeners", "PlaceTaken", "TlsError"]

#: The longest name of a unix socket on Linux (bytes); a relative path may be shorter than the absolute one.
LONGEST_UNIX_PATH = 107

#: Errors for addresses that this machine does not have; an optional address is then left out.
_NOT_HERE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENOPROTOOPT, errno.EPROTONOSUPPORT}


class ListenError(Exception):
    """The server cannot listen somewhere.

    The text says where and why; ``verdict`` is the line that ends a start because of it.
    """

    verdict = "Configured to not listen anywhere, exiting."


class TlsError(ListenError):
    """TLS does not work as it is configured; the text says why."""

    verdict = "Failed to configure TLS. Check logs for more info."


class PlaceTaken(ListenError):
    """The port is in use, or forbidden; ``kind`` is ``tcp``, ``tls`` or ``unix``."""

    def __init__(self, text: str, port: int, kind: str) -> None:
        super().__init__(text)
        self.verdict = f"Failed listening on port {port} ({kind}), aborting."


def _tcp_socket(host: str, port: int, backlog: int) -> socket.socket:
    address = "0.0.0.0" if host == "*" else "::" if host == "::*" else host
    infos = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, sockaddr = infos[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind(sockaddr)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def _no_tls() -> Any:
    raise TlsError("TLS is not configured")


class _Ports:
    """One port on several addresses; ``kind`` is ``tcp`` or ``tls``, and ``log`` takes (level, text)."""

    def __init__(self, reactor: Any, log: Callable[[str, str], None], kind: str) -> None:
        self._reactor = reactor
        self._log = log
        #: The hub that connections belong to; None if they belong to the reactor.
        self.hub: Hub | None = None
        self._kind = kind
        self.open: list[Any] = []
        #: The port in use; if 0 was asked for, the one that the system chose.  0 without a port.
        self.port = 0
        #: Whether the system chose it.
        self.is_chosen = False

    def listen(self, factory: Any, hosts: Sequence[str], port: int, backlog: int) -> None:
        """Listens at ``port`` of each of ``hosts``, and no more at the places before.

        ``*`` is every IPv4 address, ``::*`` is every IPv6 address, and a leading ``-`` makes an address optional.
        Raises ListenError, and changes nothing, if an address that is not optional cannot be had.
        """
        sockets: list[socket.socket] = []
        # For the same port on other addresses the old sockets are in the way.  A shutdown makes them release the
        # port, and they can listen again if the new ones fail.
        in_the_way = self.open if port and port == self.port else []
        for old in in_the_way:
            old.socket.shutdown(socket.SHUT_RDWR)
        try:
            chosen = port
            for host in hosts:
                optional = host.startswith("-")
                try:
                    sock = _tcp_socket(host.lstrip("-"), chosen, backlog)
                except OSError as error:
                    if optional and error.errno in _NOT_HERE:
                        continue
                    if isinstance(error, socket.gaierror) and optional:
                        continue
                    self._log(
                        "warning",
                        f"Warning: Could not create server TCP listening socket {host}:{port}: {error.strerror}",
                    )
                    raise PlaceTaken(f"{host}:{port}: {error.strerror}", port, self._kind) from error
                sockets.append(sock)
                if not chosen:
                    # The system has chosen a port for the first address; the others get the same.
                    chosen = sock.getsockname()[1]
            if not sockets:
                raise PlaceTaken(f"no address to listen at on port {port}", port, self._kind)
            ports = [self._adopt(sock, factory) for sock in sockets]
        except ListenError:
            for old in in_the_way:
                old.socket.listen(backlog)
            raise
        finally:
            for sock in sockets:
                sock.close()  # the reactor works on a duplicate
        before = self.open
        self.open = ports
        self.is_chosen = chosen != port
        self.port = chosen
        for old in before:
            _refuse(old)
            old.stopListening()

    def _adopt(self, sock: socket.socket, factory: Any) -> Any:
        """Listens on a duplicate of ``sock``; where there is a hub, the connections belong to it."""
        if self.hub is None:
            return self._reactor.adoptStreamPort(sock.fileno(), sock.family, factory)
        return Acceptor(adopt_port(self.hub, sock.fileno(), sock.family, factory), self.hub)

    def stop(self) -> None:
        """Stops listening at once: the system refuses further connections."""
        for old in self.open:
            _refuse(old)
            old.stopListening()
        self.open = []
        self.port = 0

    def describe(self) -> list[str]:
        """The lines of INFO about these ports."""
        if not self.open:
            return []
        binds = ",".join(f"bind={port.getHost().host}" for port in self.open)
        return [f"name={self._kind},{binds},port={self.port}"]


def _refuse(port: Any) -> None:
    """Makes the system refuse connections now, since the port is closed only in the reactor's next turn."""
    try:
        port.socket.shutdown(socket.SHUT_RDWR)
    except (OSError, AttributeError):
        pass  # not every system can do that, and not every port has a socket


class Listeners:
    """The listening sockets of a server.  ``log`` takes (level, text)."""

    def __init__(self, reactor: Any, factory: Any, log: Callable[[str, str], None]) -> None:
        self._reactor = reactor
        self._factory = factory
        self._log = log
        self._tcp = _Ports(reactor, log, "tcp")
        self._tls = _Ports(reactor, log, "tls")
        #: The ports for other nodes of a cluster; their connections belong to the reactor.
        self._bus = _Ports(reactor, log, "cluster")
        self._unix: list[Any] = []
        #: The absolute path of the unix socket, and the path as it is configured; empty without one.
        self.unix_path = self._unix_name = ""
        #: The ports of endpoints, with the descriptions of the endpoints.
        self._endpoints: dict[Any, str] = {}
        self._endpoint_port = 0
        #: Makes the options for ``endpoints.wrapClientTLS`` to reach another server (``tls-replication``); may raise
        #: TlsError.
        self.client_tls: Callable[[], Any] = _no_tls

    def use(self, hub: Hub | None) -> None:
        """Has the connections of TCP ports belong to ``hub``; without one they belong to the reactor."""
        self._tcp.hub = self._tls.hub = hub

    @property
    def port(self) -> int:
        """The port in use: the plain one, else that of TLS, else that of an endpoint; 0 without one."""
        return self._tcp.port or self._tls.port or self._endpoint_port

    @property
    def tls_port(self) -> int:
        """The port in use for TLS; 0 without one."""
        return self._tls.port

    @property
    def is_chosen(self) -> bool:
        """Whether the system chose the plain port."""
        return self._tcp.is_chosen

    @property
    def ports(self) -> tuple[int, int, int]:
        """The ports in use for plain connections, for TLS, and for other nodes; 0 for one that is not open."""
        return self._tcp.port or self._endpoint_port, self._tls.port, self._bus.port

    def listen_bus(self, factory: Any, hosts: Sequence[str], port: int, backlog: int) -> None:
        """Listens for other nodes of a cluster, as ``listen_tcp`` does; port 0 leaves the choice to the system."""
        self._bus.listen(factory, hosts, port, backlog)

    def listen_tcp(self, hosts: Sequence[str], port: int, backlog: int) -> None:
        """Listens at ``port`` of ``hosts`` instead of the places before; raises ListenError and changes nothing."""
        self._tcp.listen(self._factory, hosts, port, backlog)

    def stop_tcp(self) -> None:
        """Stops listening at plain TCP ports."""
        self._tcp.stop()

    def listen_tls(self, factory: Any, hosts: Sequence[str], port: int, backlog: int) -> None:
        """Listens as ``listen_tcp`` does, for ``factory``, which speaks TLS."""
        self._tls.listen(factory, hosts, port, backlog)

    def stop_tls(self) -> None:
        """Stops listening for TLS."""
        self._tls.stop()

    def listen_unix(self, path: str, mode: int, backlog: int, configured: str) -> None:
        """Listens at the unix socket ``path``, with the permissions ``mode``; 0 leaves them to the umask.

        ``configured`` is the path as INFO shows it; it may be relative.
        """
        if len(os.fsencode(path)) > LONGEST_UNIX_PATH:
            path = os.path.relpath(path)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        if not mode:
            # Twisted always sets a mode, and 666 without one.
            umask = os.umask(0o077)
            os.umask(umask)
            mode = 0o777 & ~umask
        try:
            self._unix.append(self._reactor.listenUNIX(path, self._factory, backlog, mode))
        except CannotListenError as error:
            reason = getattr(error.socketError, "strerror", None) or str(error.socketError)
            self._log("warning", f"Failed opening Unix socket: bind: {reason}")
            raise PlaceTaken(f"{path}: {reason}", 0, "unix") from error
        self.unix_path = os.path.abspath(path)
        self._unix_name = configured

    def listen_endpoint(self, description: str) -> Deferred[Any]:
        """Listens at a Twisted endpoint, such as ``tcp:6380:interface=127.0.0.1`` or ``systemd:...``."""
        # Imported late: it brings all of TLS along where that is installed, and few servers need it.
        from twisted.internet.endpoints import serverFromString

        endpoint = serverFromString(self._reactor, description)
        listening: Deferred[Any] = endpoint.listen(self._factory).addCallback(self._opened, description)
        return listening

    def _opened(self, port: Any, description: str) -> Any:
        self._endpoints[port] = description
        if not self._endpoint_port:
            self._endpoint_port = getattr(port.getHost(), "port", 0)
        return port

    @property
    def addresses(self) -> list[Any]:
        """The addresses at which clients reach the server."""
        return [port.getHost() for port in self._ports() if port not in self._bus.open]

    @property
    def endpoints(self) -> list[tuple[str, Any]]:
        """The descriptions of the open endpoints, each with the address that it listens at."""
        return [(description, port.getHost()) for port, description in self._endpoints.items()]

    @property
    def kinds(self) -> list[str]:
        """The kinds of open places: ``tcp``, ``unix``, ``tls``; an endpoint counts as one of the first two."""
        addresses = [port.getHost() for port in self._endpoints]
        unix = [address for address in addresses if getattr(address, "port", None) is None]
        there = {
            "tcp": self._tcp.open or len(addresses) > len(unix),
            "unix": self._unix or unix,
            "tls": self._tls.open,
        }
        return [kind for kind, found in there.items() if found]

    def _ports(self) -> list[Any]:
        return [*self._tcp.open, *self._tls.open, *self._bus.open, *self._unix, *self._endpoints]

    def describe(self) -> list[str]:
        """The lines of INFO about all listeners."""
        found = self._tcp.describe()
        if self._unix_name:
            found.append(f"name=unix,bind={self._unix_name}")
        found += self._tls.describe()
        for port in self._endpoints:
            found.append(f"name=endpoint,bind={port.getHost()}")
        return found

    def close(self) -> Deferred[Any]:
        """Stops listening everywhere; Twisted removes the unix socket's file."""
        ports = self._ports()
        for port in ports:
            _refuse(port)
        self._tcp.open, self._tls.open, self._bus.open = [], [], []
        self._unix, self._endpoints = [], {}
        waits = [result for port in ports if isinstance(result := port.stopListening(), Deferred)]
        self.unix_path = self._unix_name = ""
        return DeferredList(waits) if waits else succeed(None)
