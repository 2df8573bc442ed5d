"""Taking connections within the hub.

Twisted's port takes connections in an event of the reactor, with a logging context and a buffer for messages.  A second
event then reads the first request.  An ``Acceptor`` stands in for the port in the hub, and the first request is read in
the same turn as the connection.  In everything else the port stays as it is.  It also takes the connections when
something is wrong, such as too many open files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from twisted_redis.net.hub import Hub

__all__ = ["Acceptor"]

_log = Logger()


class Acceptor:
    """A listening TCP ``port`` of Twisted, whose connections belong to ``hub``."""

    def __init__(self, port: Any, hub: Hub) -> None:
        self._port = port
        self._hub = hub
        self._number = 0
        port.stopReading()
        hub.listen(self)

    # the side of a port

    @property
    def socket(self) -> Any:
        """The listening socket."""
        return self._port.socket

    def getHost(self) -> Any:
        """The address that the port listens at."""
        return self._port.getHost()

    def stopListening(self) -> Any:
        """Closes the port; returns a Deferred if that takes time."""
        self._hub.listen_no_more(self)
        return self._port.stopListening()

    # the side of the hub

    def fileno(self) -> int:
        """The descriptor of the listening socket."""
        return int(self._port.fileno())

    def connectionLost(self, reason: Failure) -> None:
        """Closes the port, because the hub is closed."""
        self._port.connectionLost(reason)

    def accept(self, most: int) -> None:
        """Takes up to ``most`` of the connections that wait."""
        port = self._port
        for _ in range(most):
            try:
                sock, address = port.socket.accept()
            except BlockingIOError:
                return
            except OSError:
                port.doRead()
                return
            self._welcome(sock, address)

    def _welcome(self, sock: Any, address: tuple[Any, ...]) -> None:
        port = self._port
        transport: Any = None
        try:
            protocol = port.factory.buildProtocol(None)
            if protocol is None:
                sock.close()
                return
            self._number += 1
            transport = port.transport(sock, protocol, address, port, self._number, self._hub)
            protocol.makeConnection(transport)
        except Exception:
            _log.failure("A connection could not be taken")
            if transport is None:
                sock.close()
            else:
                transport.connectionLost(Failure())
